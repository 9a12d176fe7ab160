package posting

import (
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// Pledges appends to into the pledges whose books a fact moves, each once: a pledge's own, or those that a shipment or payment names.
func Pledges(into []string, f *es.Fact) []string {
	if f.Envelope.GetKind() == "pledge" {
		return append(into, f.Stream)
	}
	add := func(pledge string) {
		for _, p := range into {
			if p == pledge {
				return
			}
		}
		into = append(into, pledge)
	}
	for _, m := range movements(f.Event) {
		add(m.Pledge)
	}
	if p := besides(f.Event); p != "" {
		add(p)
	}
	return into
}

// movements are those of an event, of whatever kind.
func movements(event es.Event) []*eventv1.Movement {
	one := func(m *eventv1.Movement) []*eventv1.Movement {
		if m == nil {
			return nil
		}
		return []*eventv1.Movement{m}
	}
	switch e := event.(type) {
	case interface{ GetMovements() []*eventv1.Movement }:
		return e.GetMovements()
	case interface{ GetMovement() *eventv1.Movement }:
		return one(e.GetMovement())
	}
	return nil
}

// besides is the pledge that an event without movements names.
func besides(event es.Event) string {
	switch e := event.(type) {
	case *eventv1.ShipmentRevalued:
		return e.Pledge
	case *eventv1.LoanInterestDue:
		return e.Pledge
	case *eventv1.LoanInterestPaid:
		return e.Pledge
	case *eventv1.LoanRepaid:
		return e.Pledge
	case *eventv1.LoanForgiven:
		return e.Pledge
	}
	return ""
}

// foldMovements posts what a fact of a shipment or payment moves in the books of one pledge.
func (r *Register) foldMovements(pledge string, f *es.Fact, j *Journal) error {
	for _, m := range movements(f.Event) {
		if m.Pledge != pledge {
			continue
		}
		d, err := r.findDraw(m.Draw)
		if err != nil {
			return err
		}
		begun := len(j.Postings)
		to, err := d.move(j, m, f.Event)
		if err != nil {
			return fmt.Errorf("draw %x: %w", m.Draw, err)
		}
		if to != eventv1.Stage_STAGE_UNSPECIFIED {
			d.remember(f.ID, to, j.Postings[begun:])
		}
	}
	if besides(f.Event) != pledge {
		return nil
	}
	return r.foldBeside(f.Event, j)
}

// remember keeps what an event posted; a reversal takes it back once.
func (d *draw) remember(event [16]byte, to eventv1.Stage, postings []Posting) {
	p := posted{event: event, to: to}
	for _, x := range postings {
		p.legs = append(p.legs, leg{x.Account, x.Asset, x.Amount})
	}
	d.facts = append(d.facts, p)
}

// move posts a movement, and returns the stage that it has reached where a reversal may take it back.
func (d *draw) move(j *Journal, m *eventv1.Movement, event es.Event) (to eventv1.Stage, err error) {
	switch e := event.(type) {
	case *eventv1.ShipmentDispatched:
		to = eventv1.Stage_STAGE_DISPATCHED
	case *eventv1.ShipmentHandedOver:
		to = handedOver(e.Evidence)
	case *eventv1.ShipmentVerified:
		to = eventv1.Stage_STAGE_VERIFIED
	case *eventv1.ShipmentDiscrepancy:
		if e.Kind != eventv1.Discrepancy_DISCREPANCY_SHORT {
			return 0, nil // told, and posted where it was handed over
		}
		to = eventv1.Stage_STAGE_MISSING
	case *eventv1.ShipmentLost:
		to = eventv1.Stage_STAGE_LOST
	case *eventv1.PaymentInstructed:
		to, d.lends = eventv1.Stage_STAGE_INSTRUCTED, e.Line.GetInstrument() == eventv1.Instrument_INSTRUMENT_LOAN
	case *eventv1.PaymentBooked:
		return eventv1.Stage_STAGE_BOOKED, d.book(j, m, e)
	case *eventv1.ShipmentReturned:
		if e.Reopens {
			return 0, d.reopen(j, m)
		}
		to = eventv1.Stage_STAGE_RETURNED
	case *eventv1.PaymentReturned:
		if e.Reopens {
			return 0, d.reopen(j, m)
		}
		if to = eventv1.Stage_STAGE_RETURNED; m.Amount != nil {
			back, err := money.FromProto(m.Amount)
			if err != nil {
				return 0, err
			}
			if err := d.lend(j, m.Split.GetAsset(), back.Neg()); err != nil {
				return 0, err
			}
		}
	case *eventv1.ShipmentFound:
		return 0, d.undo(j, m, eventv1.Stage_STAGE_MISSING, eventv1.Stage_STAGE_DISPATCHED)
	case *eventv1.PaymentRejected:
		return 0, d.undo(j, m, eventv1.Stage_STAGE_INSTRUCTED, eventv1.Stage_STAGE_RESERVED)
	case *eventv1.ShipmentReversed:
		return 0, d.reverse(j, key(e.Event))
	case *eventv1.PaymentReversed:
		return 0, d.reverse(j, key(e.Event))
	default:
		return 0, nil
	}
	return to, d.rise(j, m, to)
}

// rise takes a movement from the rungs that its split names to a higher one, or to an account beside the ladder.
func (d *draw) rise(j *Journal, m *eventv1.Movement, to eventv1.Stage) error {
	l := d.part
	d.hideRisen(j, m, to)
	if m.Split.GetAsset() == "" {
		return nil
	}
	relieved, err := d.give(j, m.Split)
	if err != nil {
		return err
	}
	return l.arrive(j, to, l, m.Split, m.Amount, m.Stated, relieved)
}

// hideRisen counts at a higher stage what is undisclosed of what is reserved, unless the movement states it.
func (d *draw) hideRisen(j *Journal, m *eventv1.Movement, to eventv1.Stage) {
	for _, u := range d.part.unknowns {
		if u.stage == eventv1.Stage_STAGE_RESERVED && !tells(u.basis, "", m.Stated) {
			d.hide(j, to, u.basis)
		}
	}
}

// give posts what the draw's own rungs give, and returns what they gave in assets other than the split's.
func (d *draw) give(j *Journal, split *eventv1.Split) (relieved amounts, err error) {
	for _, x := range split.Reliefs {
		t, err := money.FromProto(x.Amount)
		if err != nil {
			return nil, err
		}
		if err := d.part.give(j, x.Stage, split.Asset, t, &relieved); err != nil {
			return nil, err
		}
	}
	relieved.take(split.Asset)
	return relieved, nil
}

// undo posts the contra of a part of what went from one rung to the next: the movement's amount in the control asset; in others, in proportion
// to what stands on the upper rung and to what the lower one gave.
func (d *draw) undo(j *Journal, m *eventv1.Movement, from, to eventv1.Stage) error {
	t, err := money.FromProto(m.Amount)
	if err != nil {
		return err
	}
	return d.undoPart(j, t, from, to)
}

func (d *draw) undoPart(j *Journal, t money.Amount, from, to eventv1.Stage) error {
	l := d.part
	if l.control == "" {
		d.tell(j, from, "")
		return nil
	}
	given := l.total(Out(to), l.control).Neg()
	gone, err := l.shrink(j, from, t)
	if err != nil {
		return err
	}
	d.emptied(j, from)
	return gone.each(func(asset string, x money.Amount) error { return l.regain(j, to, asset, x, t, given) })
}

// regain gives back to a rung what it gave of an asset for a part of what it gave in the control asset; x is what came back from above.
func (l *line) regain(j *Journal, to eventv1.Stage, asset string, x, part, given money.Amount) (err error) {
	y := x
	if asset != l.control {
		if y, err = share(l.total(Out(to), asset).Neg(), part, given); err != nil {
			return err
		}
	}
	if err := l.post(j, Out(to), asset, y); err != nil {
		return err
	}
	gap, err := x.Sub(y)
	if err != nil {
		return err
	}
	account := Difference
	if !l.held(to, asset) {
		account = Unmeasured
	}
	return l.post(j, account, asset, gap)
}

// reopen posts the contra of every rung that a return undoes, from the one that the split names down to reserved, and what came back.
func (d *draw) reopen(j *Journal, m *eventv1.Movement) error {
	l := d.part
	if l.control == "" {
		for _, s := range []eventv1.Stage{
			eventv1.Stage_STAGE_VERIFIED, eventv1.Stage_STAGE_HANDED_OVER, eventv1.Stage_STAGE_CLAIMED, eventv1.Stage_STAGE_DISPATCHED,
			eventv1.Stage_STAGE_MISSING, eventv1.Stage_STAGE_LOST, eventv1.Stage_STAGE_BOOKED, eventv1.Stage_STAGE_INSTRUCTED,
		} {
			d.tell(j, s, "")
		}
		return nil
	}
	begun := len(j.Postings)
	for _, x := range m.Split.GetReliefs() { // the upper rungs first
		below, err := rungBelow(x.Stage)
		if err != nil {
			return err
		}
		part, err := money.FromProto(x.Amount)
		if err != nil {
			return err
		}
		if x.Stage == eventv1.Stage_STAGE_BOOKED {
			err = d.unbook(j, part, m.Stated)
		} else {
			err = d.undoPart(j, part, x.Stage, below)
		}
		if err != nil {
			return err
		}
	}
	top := In(m.Split.Reliefs[0].Stage)
	for _, p := range j.Postings[begun:len(j.Postings):len(j.Postings)] {
		if p.Account != top {
			continue
		}
		if err := l.pass(j, eventv1.Stage_STAGE_RETURNED, p.Asset, p.Amount.Neg()); err != nil {
			return err
		}
	}
	return nil
}

// pass posts what reaches a stage and leaves it in the same moment.
func (l *line) pass(j *Journal, s eventv1.Stage, asset string, a money.Amount) error {
	if err := l.post(j, In(s), asset, a); err != nil {
		return err
	}
	return l.post(j, Out(s), asset, a.Neg())
}

func rungBelow(s eventv1.Stage) (eventv1.Stage, error) {
	switch s {
	case eventv1.Stage_STAGE_VERIFIED:
		return eventv1.Stage_STAGE_HANDED_OVER, nil
	case eventv1.Stage_STAGE_HANDED_OVER, eventv1.Stage_STAGE_CLAIMED:
		return eventv1.Stage_STAGE_DISPATCHED, nil
	case eventv1.Stage_STAGE_DISPATCHED, eventv1.Stage_STAGE_INSTRUCTED:
		return eventv1.Stage_STAGE_RESERVED, nil
	case eventv1.Stage_STAGE_BOOKED:
		return eventv1.Stage_STAGE_INSTRUCTED, nil
	}
	return 0, fmt.Errorf("a return cannot undo stage %s", s)
}

// reverse posts the contra of all that an event of the draw posted. Where that leaves nothing which is counted on the rung, what was added
// to other assets there since is taken back too.
func (d *draw) reverse(j *Journal, event [16]byte) error {
	kept, found := d.facts[:0:0], false
	for _, p := range d.facts {
		if p.event != event {
			kept = append(kept, p)
			continue
		}
		found = true
		for _, x := range p.legs {
			if err := d.part.post(j, x.account, x.asset, x.amount.Neg()); err != nil {
				return err
			}
		}
		if err := d.part.sweep(j, p.to); err != nil {
			return err
		}
		d.emptied(j, p.to)
	}
	if !found {
		return fmt.Errorf("event %x posted nothing on this draw that is not taken back already", event)
	}
	d.facts = kept
	return nil
}

// book posts a booking: the fee beside what was booked, a change of currency, and for a loan what is to be paid back.
func (d *draw) book(j *Journal, m *eventv1.Movement, e *eventv1.PaymentBooked) error {
	l, asset := d.part, m.Split.GetAsset()
	whole, err := money.FromProto(m.Amount)
	if err != nil {
		return err
	}
	fee, err := money.FromProto(e.Fee)
	if err != nil {
		return err
	}
	net, err := whole.Sub(fee)
	if err != nil {
		return err
	}
	d.hideRisen(j, m, eventv1.Stage_STAGE_BOOKED)
	relieved, err := d.give(j, m.Split)
	if err != nil {
		return err
	}
	booked, amount := asset, net
	if e.BookedAsset != "" {
		booked = e.BookedAsset
		if amount, err = money.FromProto(e.BookedAmount); err != nil {
			return err
		}
		if err := l.post(j, Fx, booked, amount.Neg()); err != nil {
			return err
		}
		if err := l.post(j, Fx, asset, net); err != nil {
			return err
		}
	}
	if err := l.post(j, In(eventv1.Stage_STAGE_BOOKED), booked, amount); err != nil {
		return err
	}
	if !fee.IsZero() {
		if err := l.post(j, In(eventv1.Stage_STAGE_CHARGES), asset, fee); err != nil {
			return err
		}
	}
	if err := d.lend(j, booked, amount); err != nil {
		return err
	}
	return relieved.each(func(other string, r money.Amount) error {
		charged, err := share(r, fee, whole)
		if err != nil {
			return err
		}
		if !charged.IsZero() {
			if err := l.post(j, In(eventv1.Stage_STAGE_CHARGES), other, charged); err != nil {
				return err
			}
		}
		left, err := r.Sub(charged)
		if err != nil {
			return err
		}
		return l.post(j, In(eventv1.Stage_STAGE_BOOKED), other, left)
	})
}

// lend posts what a booked loan is to be paid back; what came back is not, and is negative.
func (d *draw) lend(j *Journal, asset string, a money.Amount) error {
	if !d.lends {
		return nil
	}
	if err := d.part.post(j, LoanPrincipal, asset, a); err != nil {
		return err
	}
	return d.part.post(j, LoanDrawn, asset, a.Neg())
}

// unbook posts the contra of a part of what was booked, in the asset that was instructed; what was booked in another currency, which the
// movement then states, goes back through the same change.
func (d *draw) unbook(j *Journal, t money.Amount, stated []*eventv1.AssetAmount) error {
	const booked, instructed = eventv1.Stage_STAGE_BOOKED, eventv1.Stage_STAGE_INSTRUCTED
	l := d.part
	if len(stated) == 0 { // booked as it was instructed
		if err := d.lend(j, l.control, t.Neg()); err != nil {
			return err
		}
		return d.undoPart(j, t, booked, instructed)
	}
	other := stated[0].Asset
	back, err := money.FromProto(stated[0].Amount)
	if err != nil {
		return err
	}
	whole, err := l.standing(booked, other)
	if err != nil {
		return err
	}
	given := l.total(Out(instructed), l.control).Neg()
	for i, n := 0, len(l.balances); i < n; i++ {
		b := l.balances[i]
		if b.account != In(booked) {
			continue
		}
		x := back
		if b.asset != other {
			if x, err = l.standing(booked, b.asset); err != nil {
				return err
			}
			if x, err = share(x, back, whole); err != nil {
				return err
			}
		}
		if err := l.post(j, In(booked), b.asset, x.Neg()); err != nil {
			return err
		}
		if b.asset != other { // a value beside what was paid
			if err := l.regain(j, instructed, b.asset, x, t, given); err != nil {
				return err
			}
			continue
		}
		if err := d.lend(j, b.asset, x.Neg()); err != nil {
			return err
		}
		if err := l.post(j, Fx, b.asset, x); err != nil {
			return err
		}
	}
	d.emptied(j, booked)
	if err := l.post(j, Fx, l.control, t.Neg()); err != nil {
		return err
	}
	return l.post(j, Out(instructed), l.control, t)
}

// foldBeside posts what touches no rung, or no unit.
func (r *Register) foldBeside(event es.Event, j *Journal) error {
	switch e := event.(type) {
	case *eventv1.ShipmentRevalued:
		d, err := r.findDraw(e.Draw)
		if err != nil {
			return err
		}
		d.tell(j, e.Stage, basisOf(e.Asset))
		return d.part.revalue(j, e.Stage, e.Asset, e.Delta)
	case *eventv1.LoanInterestDue:
		return r.loan(j, e.Draw, e.Asset, e.Amount, LoanInterestDue, LoanAccrued)
	case *eventv1.LoanInterestPaid:
		return r.loan(j, e.Draw, e.Asset, e.Amount, LoanInterestPaid, LoanInterestDue)
	case *eventv1.LoanRepaid:
		return r.loan(j, e.Draw, e.Asset, e.Amount, LoanRepaid, LoanPrincipal)
	case *eventv1.LoanForgiven:
		return r.loan(j, e.Draw, e.Asset, e.Amount, LoanForgiven, LoanPrincipal)
	}
	return nil
}

func (r *Register) loan(j *Journal, id []byte, asset string, a *eventv1.Amount, debit, credit Account) error {
	d, err := r.findDraw(id)
	if err != nil {
		return err
	}
	amount, err := money.FromProto(a)
	if err != nil {
		return err
	}
	if err := d.part.post(j, debit, asset, amount); err != nil {
		return err
	}
	return d.part.post(j, credit, asset, amount.Neg())
}
