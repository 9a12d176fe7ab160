// Package command hosts deciders: it loads a stream's state, has a command judged, and has the recorder append what was decided.
package command

import (
	"context"
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/internal/endpoint"
	"github.com/allied-ledger/allied/services/internal/remotelog"
	"github.com/allied-ledger/allied/services/internal/route"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

// The outcomes of a command.
const (
	Recorded = "recorded" // durable, and readers may see it
	Repeated = "repeated" // the same command was recorded before; nothing was added
	Refused  = "refused"  // against a rule; nothing was recorded
	Busy     = "busy"     // not recorded; the same command may be sent again
	Unknown  = "unknown"  // perhaps recorded; send the same command again and learn
)

// commandsInFlightMax bounds the commands under way, those that wait for an earlier one of their stream included.
const commandsInFlightMax = 1024

// Input is a command whose envelope has been read.
type Input struct {
	ID       uuid.UUID
	Stream   string
	Command  *apiv1.Command
	Envelope *eventv1.Envelope
}

// Spec is what a host needs to know of one aggregate.
type Spec[S, C any] struct {
	// Service is the name under which clients find the decider.
	Service string
	Decider es.Decider[S, C]
	// Parse reads the command's body; errors are *es.Refusal.
	Parse func(Input) (C, error)
	// Parties are donor and beneficiary of a stream's facts, for a command that does not repeat them; `_` for a donor where there is none.
	Parties func(S) (donor, beneficiary string)
	// Draw is the present status of what a command drew, or nil.
	Draw func(S, C) *apiv1.DrawStatus
	// Drawing is of an aggregate whose commands draw on pledges; nil for others.
	Drawing *Drawing[C]
}

// Drawing is what a command does at pledges around its own stream (design section 5). All of it is safe to repeat: its command ids derive from
// the command's.
type Drawing[C any] struct {
	// Reserve draws what the command needs, once its stream would take it, and lets the command and its envelope know. An answer ends the
	// command; nothing of it is recorded.
	Reserve func(ctx context.Context, in Input, c C) *apiv1.Answer
	// Abandon gives back what Reserve drew for the command, if it did, since it is refused.
	Abandon func(ctx context.Context, in Input, c C)
	// Finish does what the recorded events leave to do. What it cannot do now a repeat of the command does, or a person who is shown it.
	Finish func(ctx context.Context, in Input, events []*es.Fact) error
}

// Host takes the commands of one aggregate: one at a time for each stream, many streams at once.
type Host[S, C any] struct {
	spec    Spec[S, C]
	service *endpoint.Service
	nc      *nats.Conn // to the recorder
	log     *remotelog.Log
	appends *appender
	lanes   lanes
	cache   *cache[S]
	answers answers
	zap     *zap.Logger
}

// Config is what a host needs beside its aggregate.
type Config struct {
	Logger *zap.Logger
	// Metrics is where the host's measurements go; nil for nowhere.
	Metrics prometheus.Registerer
}

// New starts to take commands; they are answered once Run runs.
func New[S, C any](dial endpoint.Dialer, spec Spec[S, C], cfg Config) (*Host[S, C], error) {
	answers, err := newAnswers(spec.Service, cfg.Metrics)
	if err != nil {
		return nil, err
	}
	nc, err := dial(nats.Name("allied "+spec.Service+" to recorder"), nats.MaxReconnects(-1))
	if err != nil {
		return nil, fmt.Errorf("start service %s: %w", spec.Service, err)
	}
	h := &Host[S, C]{spec: spec, nc: nc, log: remotelog.New(nc), cache: newCache[S](), answers: answers, zap: cfg.Logger}
	h.appends = newAppender(h.log, int(nc.MaxPayload()))
	if h.service, err = endpoint.New(dial, spec.Service, cfg.Logger); err != nil {
		nc.Close()
		return nil, err
	}
	handler := endpoint.Handler{Serve: h.serve, Refuse: h.refuse}
	if err := h.service.Add("command", route.Subject(spec.Service, "*"), commandsInFlightMax, handler); err != nil {
		_ = h.service.Stop(context.Background()) // the error above says what happened
		nc.Close()
		return nil, err
	}
	return h, nil
}

// Run carries appends to the recorder until ctx ends, which it must not before Stop has returned.
func (h *Host[S, C]) Run(ctx context.Context) error { return h.appends.Run(ctx) }

// Stop takes no new commands and answers those that have arrived.
func (h *Host[S, C]) Stop(ctx context.Context) error {
	defer h.nc.Close()
	return h.service.Stop(ctx)
}

func (h *Host[S, C]) serve(ctx context.Context, r *endpoint.Request) error {
	cmd := new(apiv1.Command)
	if err := proto.Unmarshal(r.Data, cmd); err != nil {
		return h.reply(r, &apiv1.Answer{Outcome: Refused, Code: "malformed_command", Reason: err.Error(), Remedy: "send an allied.api.v1.Command"})
	}
	if sent := route.Subject(h.spec.Service, cmd.Stream); r.Subject != sent {
		return h.reply(r, refusal(cmd, &es.Refusal{
			Code: "other_subject", Field: "stream", Reason: fmt.Sprintf("sent to %s, and its stream belongs to %s", r.Subject, sent),
			Remedy: "send a command to the subject of its stream",
		}))
	}
	return h.reply(r, h.handle(ctx, cmd))
}

func (h *Host[S, C]) refuse(r *endpoint.Request) error {
	return h.reply(r, &apiv1.Answer{
		Outcome: Busy, Code: "service_busy", Reason: fmt.Sprintf("%d commands are under way", commandsInFlightMax), Remedy: "send it again",
	})
}

func (h *Host[S, C]) reply(r *endpoint.Request, a *apiv1.Answer) error {
	h.answers.count(a.Outcome)
	data, err := proto.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return r.Respond(data, nil)
}

func refusal(cmd *apiv1.Command, r *es.Refusal) *apiv1.Answer {
	return &apiv1.Answer{
		Outcome: Refused, CommandId: cmd.CommandId, Stream: cmd.Stream, Code: r.Code, Field: r.Field, Reason: r.Reason, Remedy: r.Remedy,
	}
}
