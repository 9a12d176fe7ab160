package pledge

import (
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/stated"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

func (s *State) reserveDraw(c *ReserveDraw) ([]es.Event, error) {
	const field = "reserve_draw"
	if c.Draw == uuid.Nil {
		return nil, refuse("id_missing", field+".draw", "the draw has no id", "give a UUID")
	}
	if s.draw[c.Draw] != nil {
		return nil, refuse("draw_exists", field+".draw", fmt.Sprintf("draw %s is %s", c.Draw, s.draw[c.Draw].Status), "use another id; a released draw never comes back")
	}
	l, err := s.needLine(field+".allocation", c.Allocation)
	if err != nil {
		return nil, err
	}
	if l.Stage != eventv1.Stage_STAGE_ALLOCATED {
		return nil, refuse("not_allocated", field+".allocation", fmt.Sprintf("line %s is %s", l.ID, stageWord(l.Stage)), "draw on an allocation")
	}
	if _, _, err := es.ParseStream(c.ForStream); err != nil {
		return nil, refuse("bad_stream", field+".for_stream", err.Error(), "name the shipment or payment that draws")
	}
	ev := &eventv1.DrawReserved{Draw: c.Draw[:], Allocation: c.Allocation[:], ForStream: c.ForStream}
	if len(l.Controls) == 0 {
		if c.Asset != "" || len(c.Stated) > 0 {
			return nil, refuse("no_control", field+".asset", "the allocation states neither value nor quantity, so a draw has no amount", "leave asset and amount empty")
		}
		return one(ev)
	}
	want := AssetAmount{c.Asset, c.Amount}
	if err := l.checkControl(field, want); err != nil {
		return nil, err
	}
	if err := stated.Beside(field+".stated", c.Stated, l.Controls...); err != nil {
		return nil, err
	}
	if err := l.roomFor(field+".amount", eventv1.Stage_STAGE_RESERVED, want); err != nil {
		return nil, err
	}
	split := s.relieve(want, takings{}, eventv1.RestTo_REST_TO_OVER, func(x *Line) bool { return x == l }, eventv1.Stage_STAGE_ALLOCATED)
	if split.RestTo == eventv1.RestTo_REST_TO_OVER && !c.mayExceed() {
		return nil, exceeds("exceeds_allocated", field+".amount", want, amountOf(split.Rest), "allocated and not yet drawn", remedyOverride)
	}
	ev.Asset, ev.Amount, ev.Split, ev.Stated = c.Asset, c.Amount.Proto(), split, c.Stated
	return one(ev)
}

// openDraw finds a draw that is not released; one that is settled may still give back what is returned.
func (s *State) openDraw(field string, id uuid.UUID) (*Draw, error) {
	switch d := s.draw[id]; {
	case d == nil:
		return nil, refuse("no_such_draw", field, fmt.Sprintf("%s has no draw %s", s.Stream, id), "check the id")
	case d.Status == Released:
		return nil, refuse("draw_ended", field, fmt.Sprintf("draw %s is %s", id, d.Status), "nothing more can be done with it")
	default:
		return d, nil
	}
}

// releaseDraw gives back first what went over the allocation.
func (s *State) releaseDraw(c *ReleaseDraw) ([]es.Event, error) {
	const field = "release_draw"
	d, err := s.openDraw(field+".draw", c.Draw)
	if err != nil {
		return nil, err
	}
	if c.Asset == "" && d.Status == Settled {
		return nil, refuse("draw_ended", field+".draw", fmt.Sprintf("draw %s is %s, and what it used is not given back", d.ID, d.Status), "release the amount that came back")
	}
	if d.Asset == "" {
		return one(&eventv1.DrawReleased{Draw: c.Draw[:]})
	}
	if c.Asset != "" && c.Asset != d.Asset {
		return nil, refuse("not_control_asset", field+".asset", fmt.Sprintf("draw %s is counted in %s", d.ID, d.Asset), "name "+d.Asset)
	}
	holds := sum(d.Amount, d.Released.Neg())
	t := holds
	if c.Asset != "" {
		t = c.Amount
	}
	if t.Sign() <= 0 || t.Cmp(holds) > 0 {
		return nil, refuse("exceeds_reserved", field+".amount", fmt.Sprintf("%s of %s asked, the draw holds %s", text(t, d.Asset), d.Asset, text(holds, d.Asset)), "release at most what it holds")
	}
	over := money.Min(t, d.Over)
	split := &eventv1.Split{Asset: d.Asset}
	if back := sum(t, over.Neg()); !back.IsZero() {
		split.Reliefs = []*eventv1.Relief{{Line: d.Allocation[:], Stage: eventv1.Stage_STAGE_ALLOCATED, Amount: back.Proto()}}
	}
	if !over.IsZero() {
		split.Rest, split.RestTo = over.Proto(), eventv1.RestTo_REST_TO_OVER
	}
	return one(&eventv1.DrawReleased{Draw: c.Draw[:], Amount: t.Proto(), Split: split})
}

// revalueDraw changes what one draw holds. In the asset that it is counted in, that is a matter of the draw: it is released, and drawn anew.
func (s *State) revalueDraw(c *Revalue, l *Line) ([]es.Event, error) {
	const field = "revalue_line"
	d := s.draw[c.Draw]
	switch {
	case d == nil || d.Allocation != l.ID:
		return nil, refuse("no_such_draw", field+".draw", fmt.Sprintf("line %s has no draw %s, and what is reserved is revalued draw by draw", l.ID, c.Draw), "name the draw")
	case c.Stage != eventv1.Stage_STAGE_RESERVED:
		return nil, refuse("not_at_stage", field+".stage", "a draw stands at reserved", "say reserved, or leave the draw out")
	case d.Asset == "":
		return nil, refuse("no_control", field+".draw", "the draw has no amount", "release it, revalue the allocation, and draw again")
	case d.Status != Reserved:
		return nil, refuse("draw_ended", field+".draw", fmt.Sprintf("draw %s is %s", d.ID, d.Status), "revalue the shipment or payment")
	case l.controlledBy(c.Asset):
		return nil, refuse("control_asset", field+".asset", c.Asset+" is the asset that the draw is counted in", "release the draw, and draw again")
	}
	return one(&eventv1.LineRevalued{Line: l.ID[:], Stage: c.Stage, Asset: c.Asset, Delta: c.Delta.Proto(), Draw: d.ID[:]})
}

// claimDelivery relieves what is allocated on the line. On a commitment, and in an asset that the line is not counted in, nothing is relieved:
// nobody knows of what.
func (s *State) claimDelivery(c *ClaimDelivery) ([]es.Event, error) {
	const field = "claim_delivery"
	l, err := s.needLine(field+".line", c.Line)
	if err != nil {
		return nil, err
	}
	if l.Stage != eventv1.Stage_STAGE_ALLOCATED && l.Stage != eventv1.Stage_STAGE_COMMITTED {
		return nil, refuse("not_allocated", field+".line", fmt.Sprintf("line %s is %s", l.ID, stageWord(l.Stage)), "name an allocation or a commitment")
	}
	want := AssetAmount{c.Asset, c.Amount}
	if err := positive(field+".amount", want); err != nil {
		return nil, err
	}
	if err := stated.Beside(field+".stated", c.Stated, append([]string{c.Asset}, l.Controls...)...); err != nil {
		return nil, err
	}
	if err := l.roomFor(field+".amount", eventv1.Stage_STAGE_CLAIMED, want); err != nil {
		return nil, err
	}
	rest := eventv1.RestTo_REST_TO_OVER
	switch {
	case l.Stage == eventv1.Stage_STAGE_COMMITTED || !l.controlledBy(c.Asset):
		rest = eventv1.RestTo_REST_TO_UNMEASURED
	case c.SameUnits:
		rest = eventv1.RestTo_REST_TO_DIFFERENCE
	}
	split := s.relieve(want, takings{}, rest, func(x *Line) bool { return x == l && l.Stage == eventv1.Stage_STAGE_ALLOCATED }, eventv1.Stage_STAGE_ALLOCATED)
	if rest == eventv1.RestTo_REST_TO_DIFFERENCE {
		split = l.allOf(want)
	}
	if split.RestTo == eventv1.RestTo_REST_TO_OVER && !c.mayExceed() {
		return nil, exceeds("exceeds_allocated", field+".amount", want, amountOf(split.Rest), "allocated and not yet drawn or claimed", remedyOverride)
	}
	return one(&eventv1.DeliveryClaimed{Line: l.ID[:], Asset: c.Asset, Amount: c.Amount.Proto(), Split: split, Stated: c.Stated, Point: c.Point})
}

// allOf relieves all that is allocated on the line, since all its units came, and lets the gap in value go to difference, whichever way it is.
func (l *Line) allOf(claimed AssetAmount) *eventv1.Split {
	split := &eventv1.Split{Asset: claimed.Asset}
	t := l.Standing(eventv1.Stage_STAGE_ALLOCATED, claimed.Asset)
	if t.Sign() > 0 {
		split.Reliefs = []*eventv1.Relief{{Line: l.ID[:], Stage: eventv1.Stage_STAGE_ALLOCATED, Amount: t.Proto()}}
	}
	if gap := sum(claimed.Amount, t.Neg()); !gap.IsZero() {
		split.Rest, split.RestTo = gap.Proto(), eventv1.RestTo_REST_TO_DIFFERENCE
	}
	return split
}
