// Package recorder is the service that alone holds the event store: it stamps, encodes and appends what deciders decided, and broadcasts it.
package recorder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/allied-ledger/allied/events/es"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/allied-ledger/allied/services/internal/endpoint"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

// The subjects of the recorder's protocol, whose messages are those of allied.log.v1.
const (
	AppendSubject = "allied.log.append"
	ReadSubject   = "allied.log.read"
	StreamSubject = "allied.log.stream"
	HeadSubject   = "allied.log.head"
	FramesSubject = "allied.log.frames"
)

// DirHeader of the answer to HeadSubject is the folder whose log the recorder holds, on its own machine, escaped as in a URL's path. There is
// none where the log is not in a folder.
const DirHeader = "Allied-Ledger-Dir"

// RefusalHeader of the answer to HeadSubject says why the log takes no appends now: an es.Refusal as JSON. There is none where it takes them.
const RefusalHeader = "Allied-Ledger-Refusal"

// RecorderHeader of a broadcast names the recorder that sends it, where a log has several.
const RecorderHeader = "Allied-Ledger-Recorder"

const (
	appendsInFlightMax = 1024
	readsInFlightMax   = 32
	headsInFlightMax   = 64
	// messageSlackBytes is what a message needs beside the records that it carries.
	messageSlackBytes = 4 << 10
	otherWaitMax      = 2 * time.Second
)

// Config is what a recorder needs beside its log.
type Config struct {
	// Dir is the absolute path of the ledger's folder, for who copies its files; empty where there is none.
	Dir string
	// Shared: other recorders may hold the same log. They share the requests, and one of them broadcasts.
	Shared bool
	// Clock stamps what is recorded.
	Clock  func() time.Time
	Logger *zap.Logger
	// Metrics is where the recorder's measurements go; nil for nowhere.
	Metrics prometheus.Registerer
}

// Recorder serves one log.
type Recorder struct {
	log     es.Log
	id      string
	dir     string
	clock   func() time.Time
	zap     *zap.Logger
	service *endpoint.Service
	metrics *metrics
	turn    *turn // nil where this is the log's only recorder
	// recordBytesMax keeps every record small enough to be read back in one message.
	recordBytesMax int
	pageBytesMax   int
}

// New starts to answer appends and reads. A NATS server that has a recorder of another log already is refused: two logs behind one subject
// would answer in turns. Run broadcasts.
func New(ctx context.Context, dial endpoint.Dialer, log es.Log, cfg Config) (*Recorder, error) {
	if err := refuseSecond(ctx, dial, log, cfg.Shared); err != nil {
		return nil, err
	}
	measured, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, err
	}
	s, err := endpoint.New(dial, "recorder", cfg.Logger)
	if err != nil {
		return nil, err
	}
	r := &Recorder{log: log, id: log.ID().String(), dir: cfg.Dir, clock: cfg.Clock, zap: cfg.Logger, service: s, metrics: measured}
	if cfg.Shared {
		r.turn = newTurn(dial)
	}
	r.pageBytesMax = int(s.PayloadBytesMax()) - messageSlackBytes
	r.recordBytesMax = min(es.RecordBytesMax, r.pageBytesMax-entryOverheadBytes)
	for _, e := range []struct {
		name, subject string
		inFlightMax   int
		handler       endpoint.Handler
	}{
		{"append", AppendSubject, appendsInFlightMax, endpoint.Handler{Serve: r.append, Refuse: r.refuseAppend}},
		{"read", ReadSubject, readsInFlightMax, endpoint.Handler{Serve: r.read, Refuse: overloaded}},
		{"stream", StreamSubject, readsInFlightMax, endpoint.Handler{Serve: r.readStream, Refuse: overloaded}},
		{"head", HeadSubject, headsInFlightMax, endpoint.Handler{Serve: r.head, Refuse: overloaded}},
	} {
		if err := s.Add(e.name, e.subject, e.inFlightMax, e.handler); err != nil {
			return nil, errors.Join(err, s.Stop(ctx))
		}
	}
	return r, nil
}

// Stop takes no new appends, answers those that have arrived, and leaves the log to its owner.
func (r *Recorder) Stop(ctx context.Context) error { return r.service.Stop(ctx) }

func refuseSecond(ctx context.Context, dial endpoint.Dialer, log es.Log, shared bool) error {
	nc, err := dial(nats.Name("allied recorder, before start"))
	if err != nil {
		return fmt.Errorf("start recorder: %w", err)
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(ctx, otherWaitMax)
	defer cancel()
	m, err := nc.RequestWithContext(ctx, HeadSubject, nil)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("start recorder: ask whether %s has one: %w", nc.ConnectedUrl(), err)
	}
	var h logv1.Head
	if err := proto.Unmarshal(m.Data, &h); err != nil {
		return fmt.Errorf("start recorder: something else answers %s at %s: %w", HeadSubject, nc.ConnectedUrl(), err)
	}
	if shared && h.LogId == log.ID().String() {
		return nil
	}
	return fmt.Errorf("start recorder: %s has one, of log %s; one NATS server carries one ledger: stop it, or use another server", nc.ConnectedUrl(), h.LogId)
}

// overloaded answers a read beyond the bound.
func overloaded(r *endpoint.Request) error {
	return r.Fail("busy", "the recorder serves as many reads as it may; try again")
}

func respond(r *endpoint.Request, m proto.Message) error {
	return respondWith(r, m, nil)
}

func respondWith(r *endpoint.Request, m proto.Message, header nats.Header) error {
	data, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return r.Respond(data, header)
}
