package payments

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/payment"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	"github.com/allied-ledger/allied/projections/internal/words"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// Restore implements engine.Projection.
func (p *Projection) Restore(table int, row engine.Row) error {
	stream := row[0].Text()
	if table == paymentTable {
		a, err := restoreAccount(row)
		if err != nil {
			return fmt.Errorf("stream %s: %w", stream, err)
		}
		p.byStream[stream] = a
		return nil
	}
	a := p.byStream[stream]
	switch {
	case a == nil:
		return fmt.Errorf("stream %s has bookings or returns, but no payment", stream)
	case !row[len(row)-1].Bool(): // taken back
		return nil
	}
	event, err := uuid.Parse(row[1].Text())
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	if table == returnTable {
		a.state.Returns = append(a.state.Returns, payment.GivenBack{Event: event, Movement: a.cameBack(row[3].Text(), row[4].Amount()), Taken: row[2].Amount()})
		return nil
	}
	a.state.Bookings = append(a.state.Bookings, payment.Booking{
		Event: event, Movement: a.booked(row[2].Amount()), Fee: row[3].Amount(), Booked: payment.AssetAmount{Asset: row[4].Text(), Amount: row[5].Amount()},
	})
	return nil
}

func restoreAccount(row engine.Row) (*account, error) {
	a := newAccount(row[streamColumn].Text())
	s := a.state
	s.Donor, s.Beneficiary = row[donorColumn].Text(), row[beneficiaryColumn].Text()
	a.days, a.events = listing.DaysOf(row[firstColumn], row[lastColumn]), row[eventsColumn].Int()
	l := &drawn.Line{Pledge: row[pledgeColumn].Text(), Category: row[categoryColumn].Text(), Asset: row[assetColumn].Text()}
	s.Line = l
	var err error
	if l.Draw, err = uuid.Parse(row[drawColumn].Text()); err != nil {
		return nil, err
	}
	if l.Allocation, err = uuid.Parse(row[allocationColumn].Text()); err != nil {
		return nil, err
	}
	if l.Instrument, err = words.InstrumentOf(row[instrumentColumn].Text()); err != nil {
		return nil, err
	}
	figures := row[figureColumn:]
	a.reopened, a.drawn = figures[6].Amount(), figures[7].Amount()
	l.Rungs = []drawn.Rung{
		{Stage: eventv1.Stage_STAGE_INSTRUCTED, Reached: figures[0].Amount(), Standing: figures[1].Amount()},
		{Stage: eventv1.Stage_STAGE_BOOKED, Reached: figures[2].Amount(), Standing: figures[3].Amount()},
		{Stage: eventv1.Stage_STAGE_RETURNED, Reached: figures[5].Amount(), Standing: drawn.Sum(figures[5].Amount(), a.reopened.Neg())},
	}
	s.Booked.Amount, s.Principal, s.Interest = figures[8].Amount(), figures[9].Amount(), figures[10].Amount()
	for i, into := range a.kept() {
		*into = figures[len(figureColumns())+i].Text()
	}
	s.Phase = payment.Instructed
	switch {
	case row[statusColumn].Text() == rejected:
		s.Phase = payment.Rejected
	case row[acceptedColumn].Bool():
		s.Phase = payment.Accepted
	}
	return a, nil
}

// kept are the texts of a row, in their order.
func (a *account) kept() []*string {
	d, c := &a.debtor, &a.creditor
	return []*string{
		&a.state.Booked.Asset, &a.bankCode, &a.point, &a.reference, &d.Name, &d.Account, &d.Agent, &c.Name, &c.Account, &c.Agent,
		&a.endToEndID, &a.uetr, &a.tranche,
	}
}

// Flush implements engine.Projection.
func (p *Projection) Flush(yield func(table int, row engine.Row) error) error {
	slices.SortFunc(p.changed, func(a, b *account) int { return cmp.Compare(a.state.Stream, b.state.Stream) })
	for _, a := range p.changed {
		if err := yield(paymentTable, a.row()); err != nil {
			return err
		}
	}
	for _, a := range p.changed {
		if err := a.flushBookings(yield); err != nil {
			return err
		}
	}
	for _, a := range p.changed {
		if err := a.flushReturns(yield); err != nil {
			return err
		}
	}
	for _, a := range p.changed {
		a.changed = false
		clear(a.changedBookings)
		clear(a.changedReturns)
	}
	p.changed = p.changed[:0]
	return nil
}

func (a *account) row() engine.Row {
	text, amount := engine.TextOf, engine.AmountOf
	s, l := a.state, a.state.Line
	first, last := a.days.Values()
	to, in := l.At(eventv1.Stage_STAGE_INSTRUCTED), l.At(eventv1.Stage_STAGE_BOOKED)
	row := engine.Row{
		text(s.Stream), text(s.Donor), text(s.Beneficiary), text(a.status()), first, last, engine.IntOf(a.events), text(l.Draw.String()), text(l.Pledge),
		text(l.Allocation.String()), text(l.Category), text(words.Instrument(l.Instrument)), text(l.Asset), engine.BoolOf(s.Phase == payment.Accepted),
		amount(to.Reached), amount(to.Standing), amount(in.Reached), amount(in.Standing), amount(a.charges()), amount(a.returned()), amount(a.reopened), amount(a.drawn),
		amount(s.Booked.Amount), amount(s.Principal), amount(s.Interest),
	}
	for _, t := range a.kept() {
		row = append(row, text(*t))
	}
	return row
}

func (a *account) flushBookings(yield func(table int, row engine.Row) error) error {
	for _, event := range inOrder(a.changedBookings) {
		b := a.changedBookings[event]
		err := yield(bookingTable, engine.Row{
			engine.TextOf(a.state.Stream), engine.TextOf(event.String()), engine.AmountOf(drawn.Amount(b.Movement.GetAmount())), engine.AmountOf(b.Fee),
			engine.TextOf(b.Booked.Asset), engine.AmountOf(b.Booked.Amount), engine.BoolOf(b.stands),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *account) flushReturns(yield func(table int, row engine.Row) error) error {
	for _, event := range inOrder(a.changedReturns) {
		r := a.changedReturns[event]
		err := yield(returnTable, engine.Row{
			engine.TextOf(a.state.Stream), engine.TextOf(event.String()), engine.AmountOf(r.Taken), engine.TextOf(r.Movement.GetSplit().GetAsset()),
			engine.AmountOf(drawn.Amount(r.Movement.GetAmount())), engine.BoolOf(r.stands),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inOrder are the events of changed rows in the order of their keys.
func inOrder[V any](changed map[uuid.UUID]V) []uuid.UUID {
	return slices.SortedFunc(maps.Keys(changed), func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) })
}
