package exceptions

import (
	"strings"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/projections/internal/words"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// post raises and resolves what the journal of one pledge tells.
func (p *Projection) post(f *es.Fact, pledge string) error {
	if e, ok := f.Event.(*eventv1.LineReclassified); ok {
		p.reclassify(f, pledge, e)
		return nil
	}
	overs := 0
	for i := range p.journal.Postings {
		leg := &p.journal.Postings[i]
		var err error
		switch leg.Account {
		case posting.OverAllocated, posting.OverReserved, posting.OverHandedOver:
			err = p.over(f, pledge, leg, overs)
			overs++
		case posting.Difference:
			err = p.difference(f, pledge, leg)
		case posting.In(eventv1.Stage_STAGE_ALLOCATED):
			err = p.revalue(f, pledge, leg)
		case posting.In(eventv1.Stage_STAGE_CLAIMED):
			err = p.claim(f, pledge, leg)
		case posting.In(eventv1.Stage_STAGE_BOOKED):
			err = p.boundUnsupported(f, pledge, leg)
		}
		if err != nil {
			return err
		}
		switch leg.Account {
		case posting.In(eventv1.Stage_STAGE_ALLOCATED), posting.Out(eventv1.Stage_STAGE_ALLOCATED), posting.OverReserved:
			if err := p.boundOwed(f, pledge, leg); err != nil {
				return err
			}
		}
	}
	return nil
}

func overKind(a posting.Account) string {
	switch a {
	case posting.OverAllocated:
		return OverAllocated
	case posting.OverReserved:
		return OverReserved
	}
	return OverHandedOver
}

// over follows what stands beyond a cap. A credit goes beyond it; a debit covers it or takes it back.
func (p *Projection) over(f *es.Fact, pledge string, leg *posting.Posting, nth int) error {
	kind, beyond, draw := overKind(leg.Account), leg.Amount.Neg(), drawBeyond(f, pledge, nth)
	if beyond.Sign() > 0 {
		e, err := p.raise(f, kind, subject{pledge, leg.Line, draw, leg.Category, leg.Asset}, beyond, overDetail(f))
		if err == nil {
			e.cause = causeOf(f)
		}
		return err
	}
	undone := uuid.Nil
	if r, ok := f.Event.(*eventv1.ShipmentReversed); ok {
		undone = uuid.UUID(r.Event)
	}
	p.reduce(f, p.byPledge[pledge], leg.Amount, func(e *exception) bool {
		return e.kind == kind && e.line == leg.Line && e.asset == leg.Asset
	}, ofFact(undone, draw))
	return nil
}

// drawBeyond is the draw of the nth leg beyond a cap that a fact posts in the books of a pledge: those of movements come in their order.
func drawBeyond(f *es.Fact, pledge string, nth int) (draw uuid.UUID) {
	switch e := f.Event.(type) {
	case *eventv1.DrawReserved:
		copy(draw[:], e.Draw)
	case *eventv1.DrawReleased:
		copy(draw[:], e.Draw)
	}
	for _, m := range carried(f) {
		if m.Pledge != pledge || m.GetSplit().GetRestTo() != eventv1.RestTo_REST_TO_OVER || drawn.Amount(m.Split.Rest).IsZero() {
			continue
		}
		if nth == 0 {
			return uuid.UUID(m.Draw)
		}
		nth--
	}
	return draw
}

// carried are the movements of a hand-over, or of what takes one back.
func carried(f *es.Fact) []*eventv1.Movement {
	switch e := f.Event.(type) {
	case *eventv1.ShipmentHandedOver:
		return e.Movements
	case *eventv1.ShipmentReversed:
		return e.Movements
	}
	return nil
}

func causeOf(f *es.Fact) string {
	switch {
	case f.Envelope.GetOverride() != nil:
		return Overridden
	case f.Envelope.GetObserved():
		return Observed
	}
	return Happened
}

// overDetail says who decided, or who reports.
func overDetail(f *es.Fact) string {
	if o := f.Envelope.GetOverride(); o != nil {
		return "by " + o.Authority + ": " + o.Reason
	}
	return cited(f)
}

// cited is how the first source of a fact calls it, such as `DEU33, rows 10-22`.
func cited(f *es.Fact) string {
	for _, s := range f.Envelope.GetSources() {
		switch {
		case s.ExternalId != "" && s.Locator != "":
			return s.ExternalId + ", " + s.Locator
		case s.ExternalId != "" || s.Locator != "":
			return s.ExternalId + s.Locator
		}
	}
	return ""
}

// difference raises the gaps in value of claims and hand-overs: more is stated than relieved where it is above zero. Units that are no proportional
// part are no gap in value, and the books have them.
func (p *Projection) difference(f *es.Fact, pledge string, leg *posting.Posting) error {
	if strings.ContainsRune(leg.Asset, ':') {
		return nil
	}
	var draw uuid.UUID
	switch e := f.Event.(type) {
	case *eventv1.DeliveryClaimed:
	case *eventv1.ShipmentHandedOver:
		draw = p.onlyDraw(e.Movements, pledge, leg.Line)
	default:
		return nil
	}
	_, err := p.raise(f, Difference, subject{pledge, leg.Line, draw, leg.Category, leg.Asset}, leg.Amount.Neg(), cited(f))
	return err
}

// revalue raises what lifts an allocation past the cap, in the assets that are capped. The books post it to difference, where no commitment covers it.
func (p *Projection) revalue(f *es.Fact, pledge string, leg *posting.Posting) error {
	cause := causeOf(f)
	if _, ok := f.Event.(*eventv1.LineRevalued); !ok || cause == Happened || leg.Amount.Sign() <= 0 {
		return nil
	}
	if capped, err := p.registers.Controls(pledge, leg.Line, leg.Asset); err != nil || !capped {
		return err
	}
	e, err := p.raise(f, Revalued, subject{pledge, leg.Line, uuid.Nil, leg.Category, leg.Asset}, leg.Amount, overDetail(f))
	if err == nil {
		e.cause = cause
	}
	return err
}

// onlyDraw is the draw on an allocation that movements name, where they name one alone.
func (p *Projection) onlyDraw(movements []*eventv1.Movement, pledge string, line uuid.UUID) (only uuid.UUID) {
	for _, m := range movements {
		x := p.draws.Find(m.Pledge, m.Draw)
		if m.Pledge != pledge || x == nil || x.Allocation != line {
			continue
		}
		if only != uuid.Nil {
			return uuid.Nil
		}
		only = x.ID
	}
	return only
}

// claim judges what is said to have arrived without a shipment.
func (p *Projection) claim(f *es.Fact, pledge string, leg *posting.Posting) error {
	e, ok := f.Event.(*eventv1.DeliveryClaimed)
	if !ok || leg.Asset != e.Asset {
		return nil
	}
	of := subject{pledge, leg.Line, uuid.Nil, leg.Category, leg.Asset}
	if !p.draws.Allocated(pledge, e.Line) {
		if _, err := p.raise(f, ClaimOnCommitment, of, leg.Amount, cited(f)); err != nil {
			return err
		}
	}
	if !words.IsMoney(leg.Instrument) {
		return nil
	}
	_, err := p.raise(f, DeliveredWithoutBooking, of, leg.Amount, cited(f))
	return err
}

// boundOwed resolves what is owed again no longer of the allocation that a leg is of: as soon as it is instructed again, cancelled, lapsed or
// revalued, less of the allocation stands; and what was drawn beyond it stands nowhere. What the pledge has yet to release does not stand
// there, and nothing of its draw is judged.
func (p *Projection) boundOwed(f *es.Fact, pledge string, leg *posting.Posting) error {
	stands, err := p.registers.Standing(pledge, leg.Line, eventv1.Stage_STAGE_ALLOCATED, leg.Asset)
	if err != nil {
		return err
	}
	p.reduceTo(f, p.owed[pledge], stands, func(e *exception) bool { return e.line == leg.Line && e.asset == leg.Asset && p.isOwed(e) })
	return nil
}

// boundUnsupported resolves what is not booked any more, since it came back to be owed again or was booked in error: no more is unsupported than
// is booked. Nobody says which booking it was that came back, so it is one with a document, while there is any.
func (p *Projection) boundUnsupported(f *es.Fact, pledge string, leg *posting.Posting) error {
	m, ok := f.Event.(interface{ GetMovement() *eventv1.Movement })
	if !ok {
		return nil
	}
	booked, err := p.registers.Reached(pledge, uuid.UUID(m.GetMovement().Draw), eventv1.Stage_STAGE_BOOKED, leg.Asset)
	if err != nil {
		return err
	}
	p.reduceTo(f, p.byStream[f.Stream], booked, func(e *exception) bool { return e.kind == Unsupported && !e.resolved && e.asset == leg.Asset })
	return nil
}

// reduceTo takes off what is open of some exceptions, the oldest first, until no more than an amount is.
func (p *Projection) reduceTo(f *es.Fact, of []*exception, bound money.Amount, which func(*exception) bool) {
	var open money.Amount
	for _, e := range of {
		if which(e) {
			open = drawn.Sum(open, e.open)
		}
	}
	if !open.IsZero() {
		p.reduce(f, of, drawn.Sum(open, money.Max(bound, money.Amount{}).Neg()), which, oldest)
	}
}

// isOwed tells whether something is owed still, and all that its draw gave up has been released.
func (p *Projection) isOwed(e *exception) bool {
	if e.resolved {
		return false
	}
	x := p.draws.Find(e.pledge, e.draw[:])
	return x != nil && x.Released.Cmp(x.GivenUp) >= 0
}

// reclassify moves what is open on a line to its new category, as the books do: a quantity of items that have a category of their own keeps it.
func (p *Projection) reclassify(f *es.Fact, pledge string, r *eventv1.LineReclassified) {
	for _, e := range p.byPledge[pledge] {
		if e.resolved || e.line != uuid.UUID(r.Line) || e.ofItems {
			continue
		}
		if e.kind == Unmapped && !unmapped(r.ToCategory) {
			p.resolve(f, e)
			continue
		}
		if to := p.newCategory(e, r); to != e.category {
			e.category = to
			p.change(e)
		}
	}
}

func (p *Projection) newCategory(e *exception, r *eventv1.LineReclassified) string {
	if legs := p.journal.Postings; e.asset != "" {
		for i := 0; i+1 < len(legs); i += 2 { // from the old category, to the new one
			if legs[i].Line == e.line && legs[i].Asset == e.asset {
				return legs[i+1].Category
			}
		}
	}
	if e.category == r.FromCategory {
		return r.ToCategory
	}
	return e.category
}
