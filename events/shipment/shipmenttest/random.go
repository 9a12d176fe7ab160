package shipmenttest

import (
	"strconv"

	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/shipment"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// others are assets that a movement may state beside the one that it is counted in.
var others = []string{"USD/2@donor_stated", "EUR/2@net_book", "each/6:shell"}

// Random draws a command that a planned shipment might meet: mostly sensible, sometimes not.
func Random(t *rapid.T, s *shipment.State) shipment.Command {
	return given.Sensible(shipment.Decider, s, func() shipment.Command { return draw(t, s) })
}

func draw(t *rapid.T, s *shipment.State) shipment.Command {
	r := random{t, s}
	kind := rapid.SampledFrom([]string{
		"dispatch", "dispatch", "dispatch", "arrive", "hand over", "hand over", "hand over", "claim", "complete", "verify", "short", "damaged",
		"find", "lose", "return", "reopen", "reverse", "revalue", "close",
	}).Draw(t, "command")
	switch kind {
	case "dispatch":
		return Dispatch(r.parts(eventv1.Stage_STAGE_RESERVED)...)
	case "arrive":
		return &shipment.Arrive{Meta: Meta(), Place: "Rzeszow"}
	case "hand over":
		return HandOver(r.parts(eventv1.Stage_STAGE_DISPATCHED)...)
	case "claim":
		return Claim(r.parts(eventv1.Stage_STAGE_DISPATCHED)...)
	case "complete":
		return Complete(r.parts(eventv1.Stage_STAGE_DISPATCHED)...)
	case "verify":
		return Verify(r.parts(eventv1.Stage_STAGE_HANDED_OVER, eventv1.Stage_STAGE_CLAIMED)...)
	case "short":
		return Short(r.part(eventv1.Stage_STAGE_DISPATCHED))
	case "damaged":
		return Report(eventv1.Discrepancy_DISCREPANCY_DAMAGED, r.part(eventv1.Stage_STAGE_DISPATCHED))
	case "find":
		if !r.any(eventv1.Stage_STAGE_MISSING) {
			return Short(r.part(eventv1.Stage_STAGE_DISPATCHED))
		}
		return Find(r.parts(eventv1.Stage_STAGE_MISSING)...)
	case "lose":
		return Lose(r.parts(eventv1.Stage_STAGE_MISSING, eventv1.Stage_STAGE_DISPATCHED)...)
	case "return", "reopen":
		c := Return(r.parts(eventv1.Stage_STAGE_DISPATCHED, eventv1.Stage_STAGE_HANDED_OVER, eventv1.Stage_STAGE_CLAIMED)...)
		c.Reopens = kind == "reopen"
		return c
	case "reverse":
		c := &shipment.Reverse{Meta: Meta()}
		if len(s.Moves) > 0 {
			c.Event = rapid.SampledFrom(s.Moves).Draw(t, "move").Event
		}
		return c
	case "revalue":
		return r.revalue()
	default:
		if rapid.Bool().Draw(t, "not yet") {
			return Verify(r.parts(eventv1.Stage_STAGE_HANDED_OVER, eventv1.Stage_STAGE_CLAIMED)...)
		}
		return Close()
	}
}

type random struct {
	t *rapid.T
	s *shipment.State
}

// standing tells whether anything of a draw stands on one of the stages, as far as it can be counted.
func standing(s *shipment.State, draw uuid.UUID, stages []eventv1.Stage) (whole money.Amount, there bool) {
	l := s.Line(draw)
	for _, st := range stages {
		whole, _ = whole.Add(l.Standing(st))
		there = there || l.Asset == "" && l.Has(st)
	}
	return whole, there || !whole.IsZero()
}

// draw picks a draw, one that has something on the stages where there is one.
func (r random) draw(stages []eventv1.Stage) uuid.UUID {
	var all, some []uuid.UUID
	for _, l := range r.s.Lines {
		all = append(all, l.Draw)
		if _, there := standing(r.s, l.Draw, stages); there {
			some = append(some, l.Draw)
		}
	}
	switch {
	case len(all) == 0:
		return uuid.Nil
	case len(some) == 0:
		some = all
	}
	return rapid.SampledFrom(some).Draw(r.t, "draw")
}

// any tells whether anything stands at a stage.
func (r random) any(stage eventv1.Stage) bool {
	for _, l := range r.s.Lines {
		if _, there := standing(r.s, l.Draw, []eventv1.Stage{stage}); there {
			return true
		}
	}
	return false
}

// parts is a part of one draw, or all that stands.
func (r random) parts(stages ...eventv1.Stage) []shipment.Part {
	if rapid.IntRange(0, 3).Draw(r.t, "all") == 0 {
		return nil
	}
	return []shipment.Part{r.part(stages...)}
}

// part is all of a draw, some tenths of it, or a little more than all.
func (r random) part(stages ...eventv1.Stage) shipment.Part {
	p := shipment.Part{Draw: r.draw(stages)}
	l := r.s.Line(p.Draw)
	if l == nil || l.Asset == "" {
		return p
	}
	whole, _ := standing(r.s, p.Draw, stages)
	if n := rapid.IntRange(1, 11).Draw(r.t, "tenths"); n != 10 {
		a, err := money.MulDiv(whole, money.New(int64(n)), money.New(10))
		if err != nil {
			r.t.Fatal(err)
		}
		p.Amount, p.Asset = &a, l.Asset
	}
	if o := rapid.SampledFrom(others).Draw(r.t, "stated"); o != l.Asset && rapid.IntRange(0, 2).Draw(r.t, "states") == 0 {
		p.Stated = []*eventv1.AssetAmount{Stated(o, strconv.Itoa(rapid.IntRange(0, 100).Draw(r.t, "amount")))}
	}
	return p
}

func (r random) revalue() shipment.Command {
	stages := []eventv1.Stage{
		eventv1.Stage_STAGE_DISPATCHED, eventv1.Stage_STAGE_HANDED_OVER, eventv1.Stage_STAGE_CLAIMED, eventv1.Stage_STAGE_VERIFIED,
	}
	var some []eventv1.Stage
	for _, st := range stages {
		if r.any(st) {
			some = append(some, st)
		}
	}
	if len(some) == 0 {
		some = stages
	}
	stage := rapid.SampledFrom(some).Draw(r.t, "stage")
	c := &shipment.Revalue{Meta: Meta(), Draw: r.draw([]eventv1.Stage{stage}), Stage: stage, Asset: others[0]}
	if l := r.s.Line(c.Draw); l != nil && l.Asset == pledgetest.EUR && rapid.Bool().Draw(r.t, "in control") {
		c.Asset = l.Asset
	}
	c.Delta = pledgetest.Amount(c.Asset, strconv.Itoa(rapid.IntRange(-50, 50).Draw(r.t, "delta")))
	return c
}
