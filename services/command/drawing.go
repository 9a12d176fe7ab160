package command

import (
	"context"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"go.uber.org/zap"
)

// draw reserves what the command needs, and then records it. What was drawn for a command that is refused after all is given back at once.
// It returns nil where another writer came first.
func (h *Host[S, C]) draw(ctx context.Context, s *stream[S], in Input, c C, events []es.Event) *apiv1.Answer {
	if h.spec.Drawing == nil {
		return h.record(ctx, s, in, c, events)
	}
	if out := h.spec.Drawing.Reserve(ctx, in, c); out != nil {
		h.cache.put(s)
		return out
	}
	out, events := h.decide(s, in, c) // now with what the pledges answered
	if out == nil {
		out = h.record(ctx, s, in, c, events)
	}
	switch {
	case out == nil:
	case out.Outcome == Refused:
		h.spec.Drawing.Abandon(ctx, in, c)
	default:
		return h.finish(ctx, s, in, out)
	}
	return out
}

// finish does what a recorded command leaves to do at pledges, also where it is repeated, since a crash may have come in between. The answer
// stays what it is: the command is recorded.
func (h *Host[S, C]) finish(ctx context.Context, s *stream[S], in Input, out *apiv1.Answer) *apiv1.Answer {
	if h.spec.Drawing == nil || out.Outcome != Recorded && out.Outcome != Repeated {
		return out
	}
	facts, err := h.recorded(ctx, s, out)
	if err == nil {
		err = h.spec.Drawing.Finish(ctx, in, facts)
	}
	if err != nil {
		h.zap.Warn("recorded, and its draws not settled yet", zap.String("stream", in.Stream), zap.String("command", in.ID.String()), zap.Error(err))
	}
	return out
}

// recorded reads the events that an answer tells of.
func (h *Host[S, C]) recorded(ctx context.Context, s *stream[S], out *apiv1.Answer) ([]*es.Fact, error) {
	var facts []*es.Fact
	first := out.Revision + 1 - uint64(len(out.EventIds))
	for e, err := range h.log.ReadStream(ctx, s.name, first) {
		if err != nil {
			return nil, err
		}
		if e.Revision > out.Revision {
			break
		}
		f, err := wire.Decode(e)
		if err != nil {
			return nil, err
		}
		facts = append(facts, f)
	}
	return facts, nil
}
