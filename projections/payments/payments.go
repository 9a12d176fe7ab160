// Package payments shows every payment: what it draws, how it stands with its bank, and what was booked, kept on the way and returned.
package payments

import (
	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/payment"
	"github.com/allied-ledger/allied/events/term"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// The tables' places in Spec.
const (
	paymentTable = iota
	bookingTable
	returnTable
)

// The columns of payments.
const (
	streamColumn = iota
	donorColumn
	beneficiaryColumn
	statusColumn
	firstColumn
	lastColumn
	eventsColumn
	drawColumn
	pledgeColumn
	allocationColumn
	categoryColumn
	instrumentColumn
	assetColumn
	acceptedColumn
	figureColumn // and what follows, as figures has it
)

// Spec declares the view.
var Spec = engine.Spec{Name: "payments", Version: 4, Tables: []engine.Table{
	paymentTable: {Name: "payments", Key: 1, About: "One row for each payment", Columns: append([]engine.Column{
		streamColumn:      {Name: "stream", Kind: engine.Text, About: "stream of the payment: payment- and a UUID"},
		donorColumn:       {Name: "donor", Kind: engine.Text, About: "who gives, such as NOR"},
		beneficiaryColumn: {Name: "beneficiary", Kind: engine.Text, About: "who receives, such as UKR"},
		statusColumn:      {Name: "status", Kind: engine.Text, About: "instructed, accepted, rejected, booked, returned"},
		firstColumn:       {Name: "first", Kind: engine.Day, Null: true, About: "the earliest day of its facts; null where no date is known"},
		lastColumn:        {Name: "last", Kind: engine.Day, Null: true, About: "the latest day of its facts; null where no date is known"},
		eventsColumn:      {Name: "events", Kind: engine.Int, About: "how many facts"},
		drawColumn:        {Name: "draw", Kind: engine.Text, About: "UUID of the draw on the pledge"},
		pledgeColumn:      {Name: "pledge", Kind: engine.Text, About: "stream of the pledge that it draws on"},
		allocationColumn:  {Name: "allocation", Kind: engine.Text, About: "UUID of the pledge's line"},
		categoryColumn:    {Name: "category", Kind: engine.Text, About: "what for, such as MIL.AIRDEF"},
		instrumentColumn:  {Name: "instrument", Kind: engine.Text, About: "in_kind, service, grant, loan, guarantee, swap, appropriation, unknown; guarantees and swaps enter a total only by name"},
		assetColumn:       {Name: "asset", Kind: engine.Text, About: "in which it is instructed, such as EUR/2@donor_stated"},
		acceptedColumn:    {Name: "accepted", Kind: engine.Bool, About: "the bank has taken the instruction, which books nothing"},
	}, append(figureColumns(), textColumns()...)...)},
	bookingTable: {Name: "payment_bookings", Key: 2, Hidden: true, Columns: []engine.Column{
		{Name: "stream", Kind: engine.Text},
		{Name: "event", Kind: engine.Text},
		{Name: "used", Kind: engine.Amount},   // of what is instructed, the fee included
		{Name: "fee", Kind: engine.Amount},    // in the instructed asset
		{Name: "asset", Kind: engine.Text},    // in which it was booked
		{Name: "booked", Kind: engine.Amount}, // in that asset
		{Name: "stands", Kind: engine.Bool},   // a reversal may take it back
	}},
	returnTable: {Name: "payment_returns", Key: 2, Hidden: true, Columns: []engine.Column{
		{Name: "stream", Kind: engine.Text},
		{Name: "event", Kind: engine.Text},
		{Name: "taken", Kind: engine.Amount}, // of what was booked, in the instructed asset
		{Name: "asset", Kind: engine.Text},   // in which it was booked
		{Name: "back", Kind: engine.Amount},  // in that asset
		{Name: "stands", Kind: engine.Bool},  // a reversal may take it back
	}},
}}

// figureColumns are in the instructed asset up to drawn, and in the booked asset from booked_amount.
func figureColumns() []engine.Column {
	return []engine.Column{
		{Name: "instructed", Kind: engine.Amount, About: "reached, net of what was rejected or returned to be owed again"},
		{Name: "instructed_standing", Kind: engine.Amount, About: "instructed and not booked"},
		{Name: "booked", Kind: engine.Amount, About: "reached, without charges, net of what was returned to be owed again"},
		{Name: "booked_standing", Kind: engine.Amount, About: "booked and not returned"},
		{Name: "charges", Kind: engine.Amount, About: "what somebody kept on the way"},
		{Name: "returned", Kind: engine.Amount, About: "all that came back"},
		{Name: "returned_open", Kind: engine.Amount, About: "the part of what came back that is owed again"},
		{Name: "drawn", Kind: engine.Amount, About: "what the instruction asked to be paid, whatever came of it"},
		{Name: "booked_amount", Kind: engine.Amount, Asset: "booked_asset", About: "in the booked asset: what stands booked"},
		{Name: "principal", Kind: engine.Amount, Asset: "booked_asset", About: "in the booked asset: of a loan, still to be paid back"},
		{Name: "interest", Kind: engine.Amount, Asset: "booked_asset", About: "in the booked asset: of a loan, due and not paid"},
	}
}

func textColumns() []engine.Column {
	return []engine.Column{
		{Name: "booked_asset", Kind: engine.Text, About: "in which it was booked; empty before a booking"},
		{Name: "bank_code", Kind: engine.Text, About: "the bank's latest ISO 20022 status or reason; empty where it gave none"},
		{Name: "point", Kind: engine.Text, About: "of the latest booking: debited, at_intermediary, credited; empty before one"},
		{Name: "bank_reference", Kind: engine.Text, About: "of the latest booking; empty where the bank gave none"},
		{Name: "debtor", Kind: engine.Text, About: "who pays, as instructed; empty where it is not stated"},
		{Name: "debtor_account", Kind: engine.Text, About: "the account that pays, as instructed; empty where it is not stated"},
		{Name: "debtor_agent", Kind: engine.Text, About: "the bank that pays, as instructed; empty where it is not stated"},
		{Name: "creditor", Kind: engine.Text, About: "who is paid, as instructed; empty where it is not stated"},
		{Name: "creditor_account", Kind: engine.Text, About: "the account that is paid, as instructed; empty where it is not stated"},
		{Name: "creditor_agent", Kind: engine.Text, About: "the bank that is paid, as instructed; empty where it is not stated"},
		{Name: "end_to_end_id", Kind: engine.Text, About: "ISO 20022 end-to-end id; empty where there is none"},
		{Name: "uetr", Kind: engine.Text, About: "unique end-to-end transaction reference; empty where there is none"},
		{Name: "tranche", Kind: engine.Text, About: "UUID of the tranche; empty for none"},
	}
}

// Projection folds payments into their rows. All payments are in memory, some hundred bytes each.
type Projection struct {
	byStream map[string]*account
	changed  []*account
}

// account is one payment: the state that its rules are judged by, and what people want to read beside it.
type account struct {
	state  *payment.State
	days   listing.Days
	events int64
	// Of the instructed asset.
	reopened, drawn money.Amount
	texts

	changed         bool
	changedBookings map[uuid.UUID]booking
	changedReturns  map[uuid.UUID]giveBack
}

type texts struct {
	bankCode, point, reference string
	debtor, creditor           Party
	endToEndID, uetr, tranche  string
}

type booking struct {
	payment.Booking
	stands bool
}

type giveBack struct {
	payment.GivenBack
	stands bool
}

// New returns the view of an empty log.
func New() engine.Projection { return &Projection{byStream: map[string]*account{}} }

// Spec implements engine.Projection.
func (p *Projection) Spec() engine.Spec { return Spec }

// Fold implements engine.Projection. What a fact does to the amounts is the aggregate's to say, so that the view shows what the rules see.
func (p *Projection) Fold(f *es.Fact) error {
	if f.Envelope.GetKind() != payment.Kind {
		return nil
	}
	a := p.byStream[f.Stream]
	if a == nil {
		a = newAccount(f.Stream)
		p.byStream[f.Stream] = a
	}
	if !a.changed {
		a.changed = true
		p.changed = append(p.changed, a)
	}
	a.events++
	a.days.Widen(f.Envelope.GetEffective())
	bookings, returns := len(a.state.Bookings), len(a.state.Returns)
	a.state = payment.Evolve(a.state, f)
	if len(a.state.Bookings) > bookings { // movements are made anew, which lets go of the fact
		b := &a.state.Bookings[bookings]
		b.Movement = a.booked(drawn.Amount(b.Movement.Amount))
		a.changedBookings[b.Event] = booking{*b, true}
	}
	if len(a.state.Returns) > returns {
		r := &a.state.Returns[returns]
		r.Movement = a.cameBack(r.Movement.GetSplit().GetAsset(), drawn.Amount(r.Movement.Amount))
		a.changedReturns[r.Event] = giveBack{*r, true}
	}
	a.describe(f)
	if e, ok := f.Event.(*eventv1.PaymentReversed); ok {
		a.reverse(uuid.UUID(e.Event), len(a.state.Returns) < returns)
	}
	return nil
}

func newAccount(stream string) *account {
	return &account{state: payment.Initial(stream), changedBookings: map[uuid.UUID]booking{}, changedReturns: map[uuid.UUID]giveBack{}}
}

// booked is what a reversal of a booking takes back: it relieves what is instructed and nothing else.
func (a *account) booked(used money.Amount) *eventv1.Movement {
	return a.movement(eventv1.Stage_STAGE_INSTRUCTED, a.state.Line.Asset, used)
}

// cameBack is what a reversal of a return for good takes back.
func (a *account) cameBack(asset string, back money.Amount) *eventv1.Movement {
	return a.movement(eventv1.Stage_STAGE_BOOKED, asset, back)
}

func (a *account) movement(from eventv1.Stage, asset string, t money.Amount) *eventv1.Movement {
	draw := a.state.Line.Draw
	return &eventv1.Movement{Draw: draw[:], Amount: t.Proto(), Split: &eventv1.Split{
		Asset: asset, Reliefs: []*eventv1.Relief{{Line: draw[:], Stage: from, Amount: t.Proto()}},
	}}
}

func (a *account) reverse(event uuid.UUID, returned bool) {
	if returned {
		a.changedReturns[event] = giveBack{GivenBack: payment.GivenBack{Event: event}}
		return
	}
	a.changedBookings[event] = booking{Booking: payment.Booking{Event: event}}
	if len(a.state.Bookings) == 0 {
		a.point, a.reference = "", ""
	}
}

// describe takes from a fact what the rules do not need.
func (a *account) describe(f *es.Fact) {
	switch e := f.Event.(type) {
	case *eventv1.PaymentInstructed:
		a.drawn = drawn.Amount(e.Movement.Amount)
		a.debtor, a.creditor = partyOf(e.Debtor), partyOf(e.Creditor)
		a.endToEndID, a.uetr = e.EndToEndId, e.Uetr
		if len(e.Tranche) > 0 {
			a.tranche = uuid.UUID(e.Tranche).String()
		}
	case *eventv1.PaymentAccepted:
		a.bankCode = e.Status
	case *eventv1.PaymentRejected:
		a.bankCode = e.ReasonCode
	case *eventv1.PaymentBooked:
		a.point, a.reference = term.Word(e.Point), e.BankReference
	case *eventv1.PaymentReturned:
		a.bankCode = e.ReasonCode
		if e.Reopens {
			a.reopened = drawn.Sum(a.reopened, drawn.Amount(e.Movement.Amount))
		}
	}
}

func partyOf(p *eventv1.Party) Party { return Party{p.GetName(), p.GetAccount(), p.GetAgent()} }

// The words for how a payment stands. One of which a part is booked is booked: its amounts tell what is not.
const (
	instructed = "instructed"
	accepted   = "accepted"
	rejected   = "rejected"
	Booked     = "booked"   // an amount stands booked that no statement has confirmed
	returned   = "returned" // and nothing stands booked
)

// Statuses are the words for how a payment stands.
func Statuses() []string { return []string{instructed, accepted, rejected, Booked, returned} }

func (a *account) status() string {
	switch {
	case a.state.Phase == payment.Rejected:
		return rejected
	case !a.state.Line.Standing(eventv1.Stage_STAGE_BOOKED).IsZero():
		return Booked
	case !a.returned().IsZero():
		return returned
	case a.state.Phase == payment.Accepted:
		return accepted
	}
	return instructed
}

// returned is all that came back.
func (a *account) returned() money.Amount {
	return a.state.Line.At(eventv1.Stage_STAGE_RETURNED).Reached
}

// charges are the fees of the bookings that stand.
func (a *account) charges() (all money.Amount) {
	for _, b := range a.state.Bookings {
		all = drawn.Sum(all, b.Fee)
	}
	return all
}

// lends tells whether the payment pays a loan out.
func (a *account) lends() bool { return a.state.Line.Instrument == eventv1.Instrument_INSTRUMENT_LOAN }
