package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/allied-ledger/allied/events/es"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/pause"
	"github.com/allied-ledger/allied/services/internal/route"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

const (
	answerWaitMax = 10 * time.Second
	triesMax      = 10
	retryDelayMin = 50 * time.Millisecond
	retryDelayMax = 2 * time.Second
)

// Submit sends a command and returns its answer. It fills an empty command id and stream in cmd, so that the caller can repeat it; what is
// answered busy or unknown it repeats itself with the same id, some ten seconds long, unless the ledger is at a Standstill. Its answer is as true as the services' own: busy
// only where no try may have been recorded. The error is ctx's, with an answer that then is unknown, or that of a command that cannot be
// encoded.
func (c *Client) Submit(ctx context.Context, cmd *apiv1.Command) (*apiv1.Answer, error) {
	if cmd.CommandId == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("make a command id: %w", err)
		}
		cmd.CommandId = id.String()
	}
	service, err := route.Service(cmd)
	if err == nil {
		_, err = route.Complete(cmd)
	}
	if err != nil {
		return refused(cmd, err)
	}
	data, err := proto.Marshal(cmd)
	if err != nil {
		return nil, fmt.Errorf("encode command %s: %w", cmd.CommandId, err)
	}
	if limit := c.nc.MaxPayload(); int64(len(data)) > limit {
		return refused(cmd, &es.Refusal{
			Code: "command_too_large", Reason: fmt.Sprintf("the command has %d bytes, and a message carries %d", len(data), limit), Remedy: "split it",
		})
	}
	return c.submit(ctx, cmd, route.Subject(service, cmd.Stream), data)
}

func (c *Client) submit(ctx context.Context, cmd *apiv1.Command, subject string, data []byte) (*apiv1.Answer, error) {
	perhaps := false // some try may be recorded
	delay := retryDelayMin
	for try := 1; ; try++ {
		a := c.send(ctx, cmd, subject, data)
		perhaps = perhaps || a.Outcome == command.Unknown
		if a.Outcome != command.Busy && a.Outcome != command.Unknown {
			return a, nil
		}
		if perhaps && a.Outcome == command.Busy {
			a.Outcome, a.Reason = command.Unknown, "an earlier try was not answered, and now: "+a.Reason
			a.Remedy = "send the same command with the same id again, and learn"
		}
		if ctx.Err() != nil {
			return a, fmt.Errorf("submit command %s: %w", cmd.CommandId, ctx.Err())
		}
		if try == c.triesMax || c.nc.IsClosed() || Standstill(a) {
			return a, nil
		}
		c.zap.Info("command sent again", zap.String("command", cmd.CommandId), zap.String("outcome", a.Outcome), zap.String("code", a.Code))
		if err := pause.For(ctx, delay/2+rand.N(delay/2)); err != nil {
			return a, fmt.Errorf("submit command %s: %w", cmd.CommandId, err)
		}
		delay = min(2*delay, retryDelayMax)
	}
}

// Standstill tells that the event store takes nothing until somebody frees or mends its disk: it is of no use to send more.
func Standstill(a *apiv1.Answer) bool {
	return a.GetCode() == "store_full" || a.GetCode() == "store_latched"
}

// send tries once. What is not answered is unknown, unless nobody was there to take it.
func (c *Client) send(ctx context.Context, cmd *apiv1.Command, subject string, data []byte) *apiv1.Answer {
	out := &apiv1.Answer{Outcome: command.Unknown, CommandId: cmd.CommandId, Stream: cmd.Stream, Code: "no_answer", Remedy: "send the same command with the same id again, and learn"}
	if !c.nc.IsConnected() { // else the request would wait for the connection, and its sender for the request
		out.Outcome, out.Code, out.Reason = command.Busy, "not_connected", "not connected: "+c.Address()
		out.Remedy = "send the command again once the server is back"
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, answerWaitMax)
	defer cancel()
	m, err := c.nc.RequestWithContext(ctx, subject, data)
	if errors.Is(err, nats.ErrNoResponders) {
		out.Outcome, out.Code, out.Reason = command.Busy, "service_unavailable", fmt.Sprintf("nobody answers %s at %s", subject, c.Address())
		out.Remedy = "start the service, for instance with `allied serve`, and send the command again"
		return out
	}
	if err != nil {
		out.Reason = err.Error()
		return out
	}
	a := new(apiv1.Answer)
	if err := proto.Unmarshal(m.Data, a); err != nil {
		out.Reason = "the answer cannot be read: " + err.Error()
		return out
	}
	if a.CommandId == "" { // an answer given before the command was read
		a.CommandId, a.Stream = cmd.CommandId, cmd.Stream
	}
	return a
}

func refused(cmd *apiv1.Command, err error) (*apiv1.Answer, error) {
	var r *es.Refusal
	if !errors.As(err, &r) {
		return nil, err
	}
	return &apiv1.Answer{
		Outcome: command.Refused, CommandId: cmd.CommandId, Stream: cmd.Stream, Code: r.Code, Field: r.Field, Reason: r.Reason, Remedy: r.Remedy,
	}, nil
}
