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
	if out == nil {
		return nil // it is judged again, and draws the same again
	}
	return h.settle(ctx, s, in, c, out)
}

// settle gives back what was drawn for a command that is refused, and does what a recorded one leaves to do at pledges, also where it is
// repeated, since a crash may have come in between. The answer stays what it is.
func (h *Host[S, C]) settle(ctx context.Context, s *stream[S], in Input, c C, out *apiv1.Answer) *apiv1.Answer {
	if h.spec.Drawing == nil {
		return out
	}
	switch out.Outcome {
	case Refused:
		h.spec.Drawing.Abandon(ctx, in, c)
		return out
	case Recorded, Repeated:
	default:
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
