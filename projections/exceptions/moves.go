package exceptions

import (
	"errors"
	"slices"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/payment"
	"github.com/allied-ledger/allied/projections/internal/draws"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// move raises and resolves what draws, shipments and payments tell of themselves.
func (p *Projection) move(f *es.Fact) error {
	p.support(f)
	switch e := f.Event.(type) {
	case *eventv1.DrawReserved:
		return p.reserved(f, e)
	case *eventv1.DrawReleased:
		p.release(f, e)
		return p.compare(f, f.Stream, e.Draw)
	case *eventv1.DrawSettled:
		p.settle(f, f.Stream, e.Draw)
		return p.compare(f, f.Stream, e.Draw)
	case *eventv1.ShipmentPlanned:
		for _, l := range e.Lines {
			if err := p.use(f, l); err != nil {
				return err
			}
		}
	case *eventv1.PaymentInstructed:
		return p.use(f, e.Line)
	case *eventv1.ShipmentDispatched:
		if e.ManifestHash == "" {
			return p.raiseEach(f, NoManifest, e.Movements, "")
		}
	case *eventv1.ShipmentDiscrepancy:
		return p.discrepancy(f, e)
	case *eventv1.ShipmentFound:
		for _, m := range e.Movements {
			p.reduceShort(f, m, drawn.Amount(m.Amount), uuid.Nil)
		}
	case *eventv1.ShipmentLost:
		for _, m := range e.Movements {
			p.reduceShort(f, m, fromMissing(m), uuid.Nil)
		}
		return p.raiseEach(f, Lost, e.Movements, e.Cause)
	case *eventv1.ShipmentReturned, *eventv1.ShipmentClosed:
		return p.giveUp(f)
	case *eventv1.ShipmentReversed:
		return p.reverse(f, e)
	case *eventv1.PaymentRejected:
		return errors.Join(p.owe(f, Rejected, e.Movement, e.ReasonCode), p.giveUp(f))
	case *eventv1.PaymentReturned:
		if e.Reopens {
			return errors.Join(p.owe(f, OwedAgain, e.Movement, e.ReasonCode), p.giveUp(f))
		}
	case *eventv1.PaymentBooked:
		return p.book(f, e)
	case *eventv1.PaymentReversed:
		p.resolveAll(f, p.byStream[f.Stream], func(x *exception) bool { return x.kind == Unsupported && x.event == uuid.UUID(e.Event) })
	}
	return nil
}

// raiseOf opens an exception of what a movement moves, in the category in which the books have it.
func (p *Projection) raiseOf(f *es.Fact, kind, pledge string, draw []byte, asset string, amount money.Amount, detail string) error {
	of := subject{pledge: pledge, draw: uuid.UUID(draw), asset: asset}
	if x := p.draws.Find(pledge, draw); x != nil {
		var err error
		if of.category, err = p.registers.Category(pledge, x.Allocation, asset); err != nil {
			return err
		}
		of.line = x.Allocation
	}
	_, err := p.raise(f, kind, of, amount, detail)
	return err
}

// raiseEach raises one exception for each movement.
func (p *Projection) raiseEach(f *es.Fact, kind string, movements []*eventv1.Movement, detail string) error {
	for _, m := range movements {
		if err := p.raiseOf(f, kind, m.Pledge, m.Draw, m.GetSplit().GetAsset(), drawn.Amount(m.Amount), detail); err != nil {
			return err
		}
	}
	return nil
}

func (p *Projection) reserved(f *es.Fact, e *eventv1.DrawReserved) error {
	if x := p.draws.Find(f.Stream, e.Draw); x == nil || !x.Unused() {
		return nil
	}
	return p.raiseOf(f, UnusedDraw, f.Stream, e.Draw, e.Asset, drawn.Amount(e.Amount), forStream(e.ForStream))
}

// release lessens what waits for its shipment or payment.
func (p *Projection) release(f *es.Fact, e *eventv1.DrawReleased) {
	if x := p.draws.Find(f.Stream, e.Draw); x != nil && x.Unused() {
		p.reduce(f, p.unused(f.Stream, e.Draw), drawn.Amount(e.Amount), all, oldest)
		return
	}
	p.settle(f, f.Stream, e.Draw)
}

func ofDraw(kind string, draw []byte) func(*exception) bool {
	id := uuid.UUID(draw)
	return func(e *exception) bool { return e.kind == kind && e.draw == id }
}

// settle: nothing of a draw waits for its shipment or payment any more.
func (p *Projection) settle(f *es.Fact, pledge string, draw []byte) {
	p.resolveAll(f, p.unused(pledge, draw), all)
}

// unused is what a draw raised when it was reserved, if anything. A pledge may have very many draws, so it is found by its id.
func (p *Projection) unused(pledge string, draw []byte) []*exception {
	x := p.draws.Find(pledge, draw)
	if x == nil {
		return nil
	}
	e := p.byID[idOf(x.Reserved.Event, UnusedDraw, subject{line: x.Allocation, draw: x.ID, asset: x.Asset}, kept(forStream(x.ForStream)))]
	if e == nil {
		return nil
	}
	return []*exception{e}
}

func forStream(stream string) string { return "for " + stream }

func all(*exception) bool { return true }

func (p *Projection) use(f *es.Fact, l *eventv1.DrawnLine) error {
	p.settle(f, l.Pledge, l.Draw)
	return p.compare(f, l.Pledge, l.Draw)
}

// compare compares what was released of a draw with what the shipment or payment that uses it has given up. What was released beyond that,
// before the draw was named or after, somebody else released; what is short of it has yet to be released.
func (p *Projection) compare(f *es.Fact, pledge string, draw []byte) error {
	x := p.draws.Find(pledge, draw)
	if x == nil {
		return nil
	}
	unreturned, any := x.Unreturned()
	if err := p.follow(f, UnreturnedDraw, x, any, unreturned, ""); err != nil {
		return err
	}
	return p.follow(f, ReleasedDraw, x, x.ReleasedInUse(), drawn.Sum(x.Released, x.GivenUp.Neg()), "used by "+x.UsedBy)
}

// follow makes what is open of a kind on a draw what there is of it.
func (p *Projection) follow(f *es.Fact, kind string, x *draws.Draw, any bool, amount money.Amount, detail string) error {
	known := p.byDraw[x.ID]
	is := func(e *exception) bool { return e.kind == kind && e.pledge == x.Pledge }
	if !any {
		p.resolveAll(f, known, is)
		return nil
	}
	raised := false
	for _, e := range known {
		if is(e) && !e.resolved {
			amount, raised = drawn.Sum(amount, e.open.Neg()), true
		}
	}
	if amount.Sign() > 0 || x.Asset == "" && !raised {
		return p.raiseOf(f, kind, x.Pledge, x.ID[:], x.Asset, amount, detail)
	}
	if x.Asset != "" {
		p.reduce(f, known, amount.Neg(), is, oldest)
	}
	return nil
}

// giveUp: a shipment or payment gives back what it does not use of its draws, and the pledge releases it after this.
func (p *Projection) giveUp(f *es.Fact) error {
	for _, m := range drawn.GivenUp(f.Event) {
		if err := p.compare(f, m.Pledge, m.Draw); err != nil {
			return err
		}
	}
	return nil
}

// discrepancy: a surplus stands beyond what was dispatched, and is told there.
func (p *Projection) discrepancy(f *es.Fact, e *eventv1.ShipmentDiscrepancy) error {
	kind := ""
	switch e.Kind {
	case eventv1.Discrepancy_DISCREPANCY_SHORT:
		kind = Short
	case eventv1.Discrepancy_DISCREPANCY_DAMAGED:
		kind = Damaged
	case eventv1.Discrepancy_DISCREPANCY_UNMANIFESTED:
		kind = Unmanifested
	default:
		return nil
	}
	return p.raiseEach(f, kind, []*eventv1.Movement{e.Movement}, "")
}

// reduceShort takes off what is short of a draw, first off what one event told.
func (p *Projection) reduceShort(f *es.Fact, m *eventv1.Movement, by money.Amount, told uuid.UUID) {
	p.reduce(f, p.byStream[f.Stream], by, ofDraw(Short, m.Draw), ofFact(told, uuid.UUID(m.Draw)))
}

// fromMissing is the part of a movement that was missing before.
func fromMissing(m *eventv1.Movement) (t money.Amount) {
	for _, x := range m.GetSplit().GetReliefs() {
		if x.Stage == eventv1.Stage_STAGE_MISSING {
			t = drawn.Sum(t, drawn.Amount(x.Amount))
		}
	}
	return t
}

// reverse takes back what an event told. What it took from missing is short again.
func (p *Projection) reverse(f *es.Fact, r *eventv1.ShipmentReversed) error {
	undone := uuid.UUID(r.Event)
	told := func(kind string, draw []byte) *exception {
		for _, e := range p.byStream[f.Stream] {
			if e.kind == kind && e.event == undone && e.draw == uuid.UUID(draw) {
				return e
			}
		}
		return nil
	}
	for _, m := range r.Movements {
		lost := told(Lost, m.Draw)
		switch {
		case told(Short, m.Draw) != nil:
			p.reduceShort(f, m, drawn.Amount(m.Amount), undone)
		case lost != nil && (!fromMissing(m).IsZero() || lost.asset == "" && p.shortUntil(f.Stream, lost)):
			err := p.raiseOf(f, Short, m.Pledge, m.Draw, m.GetSplit().GetAsset(), fromMissing(m), "short again, since the loss was recorded in error")
			if err != nil {
				return err
			}
		}
	}
	p.resolveAll(f, p.byStream[f.Stream], func(e *exception) bool {
		return e.event == undone && (e.kind == NoManifest || e.kind == Lost || e.kind == Difference)
	})
	return nil
}

// shortUntil tells whether what cannot be counted was short until it was lost.
func (p *Projection) shortUntil(stream string, lost *exception) bool {
	for _, e := range p.byStream[stream] {
		if e.kind == Short && e.draw == lost.draw && e.resolved && e.resolvedBy == lost.ordinal {
			return true
		}
	}
	return false
}

// owe raises what has to be paid again. The pledge releases it after this, unless somebody else has released it before.
func (p *Projection) owe(f *es.Fact, kind string, m *eventv1.Movement, reason string) error {
	if reason != "" {
		reason = "reason " + reason
	}
	return p.raiseEach(f, kind, []*eventv1.Movement{m}, reason)
}

// book raises a booking without a document, in the asset of the bank's entry, without what somebody kept on the way.
func (p *Projection) book(f *es.Fact, e *eventv1.PaymentBooked) error {
	if _, supported := p.supported[f.Stream]; supported || documented(f) {
		return nil
	}
	asset, amount := e.Movement.GetSplit().GetAsset(), drawn.Sum(drawn.Amount(e.Movement.Amount), drawn.Amount(e.Fee).Neg())
	if e.BookedAsset != "" {
		asset, amount = e.BookedAsset, drawn.Amount(e.BookedAmount)
	}
	detail := ""
	if e.BankReference != "" {
		detail = "entry " + e.BankReference
	}
	return p.raiseOf(f, Unsupported, e.Movement.Pledge, e.Movement.Draw, asset, amount, detail)
}

// support resolves the bookings of a payment that came without a document: all of them once its instruction or acceptance cites one, those that
// a fact names as what it corrects once that does. What tells of something else, such as a return, supports no booking.
func (p *Projection) support(f *es.Fact) {
	if f.Envelope.GetKind() != payment.Kind || !documented(f) {
		return
	}
	whole := ofPayment(f.Event)
	if _, known := p.supported[f.Stream]; whole && !known {
		p.supported[f.Stream] = struct{}{}
		p.newlySupported = append(p.newlySupported, f.Stream)
	}
	p.resolveAll(f, p.byStream[f.Stream], func(e *exception) bool {
		return e.kind == Unsupported && (whole || slices.ContainsFunc(f.Envelope.GetCorrects(), func(id []byte) bool { return uuid.UUID(id) == e.event }))
	})
}

// ofPayment tells the facts of a payment as a whole, whose document is that of every booking, before them or after.
func ofPayment(e es.Event) bool {
	switch e.(type) {
	case *eventv1.PaymentInstructed, *eventv1.PaymentAccepted:
		return true
	}
	return false
}

// documented tells whether a fact cites a document that can be held against it.
func documented(f *es.Fact) bool {
	for _, s := range f.Envelope.GetSources() {
		if s.ContentHash != "" {
			return true
		}
	}
	return false
}
