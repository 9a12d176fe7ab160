// Package query answers questions to views: JSON over NATS, in as many messages as the answer needs.
package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/internal/endpoint"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

const (
	queriesInFlightMax = 16
	queryWaitMax       = 30 * time.Second
	// chunkBytesMax leaves room for the headers, and for other messages between the chunks.
	chunkBytesMax = 256 << 10
	// ReplyBytesMax bounds one answer: it is held in memory on both sides, and in the server between them.
	ReplyBytesMax = 32 << 20
)

// The headers of an answer's messages.
const (
	chunkHeader = "Allied-Chunk" // the message's number, from 0
	endHeader   = "Allied-End"   // on the last message: how many there are
	errorHeader = "Allied-Error" // on the only message of an answer that is a refusal
)

// Subject is where a view is asked.
func Subject(view string) string { return "allied.query." + view }

// Server answers for the views of one process.
type Server struct {
	service *endpoint.Service
	zap     *zap.Logger
}

// NewServer starts a server without views.
func NewServer(dial endpoint.Dialer, log *zap.Logger) (*Server, error) {
	s, err := endpoint.New(dial, "views", log)
	if err != nil {
		return nil, err
	}
	return &Server{s, log}, nil
}

// Stop takes no new question and answers those that have arrived.
func (s *Server) Stop(ctx context.Context) error { return s.service.Stop(ctx) }

// Handle answers the questions to a view. Q is the request's shape: a field that it does not have is refused, since a filter that is ignored
// answers a wrong total. answer refuses with an *es.Refusal; any other error is the view's failure.
func Handle[Q, R any](s *Server, view string, answer func(context.Context, Q) (R, error)) error {
	serve := func(ctx context.Context, r *endpoint.Request) error {
		ctx, cancel := context.WithTimeout(ctx, queryWaitMax)
		defer cancel()
		var q Q
		if err := decode(r.Data, &q); err != nil {
			return refuse(r, err)
		}
		a, err := answer(ctx, q)
		if err != nil {
			var refusal *es.Refusal
			if !errors.As(err, &refusal) {
				s.zap.Error("query failed", zap.String("view", view), zap.Error(err))
			}
			return refuse(r, err)
		}
		data, err := json.Marshal(a)
		if err != nil {
			return refuse(r, fmt.Errorf("encode the answer of view %s: %w", view, err))
		}
		if len(data) > ReplyBytesMax {
			return refuse(r, &es.Refusal{
				Code: "answer_too_large", Reason: fmt.Sprintf("the answer has %d bytes, and at most %d are sent", len(data), ReplyBytesMax),
				Remedy: "ask for less, for instance for one donor",
			})
		}
		return send(r, data)
	}
	busy := func(r *endpoint.Request) error {
		return refuse(r, &es.Refusal{
			Code: "busy", Reason: fmt.Sprintf("%d queries are under way", queriesInFlightMax), Remedy: "ask again",
		})
	}
	return s.service.Add(view, Subject(view), queriesInFlightMax, endpoint.Handler{Serve: serve, Refuse: busy})
}

func send(r *endpoint.Request, data []byte) error {
	size := min(chunkBytesMax, int(r.PayloadBytesMax())/2)
	count := max(1, (len(data)+size-1)/size)
	for i := range count {
		h := nats.Header{chunkHeader: {strconv.Itoa(i)}}
		if i == count-1 {
			h[endHeader] = []string{strconv.Itoa(count)}
		}
		chunk := data[i*size : min((i+1)*size, len(data))]
		if err := r.Respond(chunk, h); err != nil {
			return err
		}
	}
	return nil
}

// problem is a refusal as it travels.
type problem struct {
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
	Remedy string `json:"remedy,omitempty"`
}

func refuse(r *endpoint.Request, err error) error {
	p := problem{Code: "view_failed", Reason: err.Error(), Remedy: "see the log of the service that holds the view"}
	var refusal *es.Refusal
	if errors.As(err, &refusal) {
		p = problem(*refusal)
	}
	data, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode refusal: %w", err)
	}
	return r.Respond(data, nats.Header{errorHeader: {p.Code}})
}
