// Package payment decides what may happen to one payment: what it pays of a pledge's allocation, and how far that has come.
package payment

import (
	"encoding/json"
	"fmt"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// Kind is the first token of a payment's stream name.
const Kind = "payment"

// Decider is the payment aggregate.
var Decider = es.Decider[*State, Command]{Kind: Kind, Initial: Initial, Decide: Decide, Evolve: Evolve}

// stateSchema is the version of the serialised State.
const stateSchema = 3

// Phase tells how a payment stands with its bank.
type Phase string

const (
	New        Phase = "new" // no event yet
	Instructed Phase = "instructed"
	Accepted   Phase = "accepted"
	Rejected   Phase = "rejected"
)

// State is what the rules need to know of one payment.
type State struct {
	Stream             string
	Phase              Phase
	Donor, Beneficiary string
	Line               *drawn.Line // its booked rung is in the instructed asset
	// Booked is what stands booked in the asset in which it was booked.
	Booked AssetAmount
	// Bookings and Returns are what a reversal may take back.
	Bookings []Booking
	Returns  []GivenBack
	// Principal is what of a loan is still to be paid back, and Interest what is due of it, in the asset that was booked.
	Principal, Interest money.Amount
}

// AssetAmount is an amount of an asset.
type AssetAmount struct {
	Asset  string
	Amount money.Amount
}

// Booking is one booking that stands: what it used up, the fee in it, and what was booked.
type Booking struct {
	Event    uuid.UUID
	Movement *eventv1.Movement
	Fee      money.Amount
	Booked   AssetAmount
}

// GivenBack is what came back for good: the movement in the asset that was booked, and what it took of the instructed asset's booked rung.
type GivenBack struct {
	Event    uuid.UUID
	Movement *eventv1.Movement
	Taken    money.Amount
}

// Initial is a payment without events.
func Initial(stream string) *State { return &State{Stream: stream, Phase: New} }

// MarshalJSON writes the state with its schema version.
func (s *State) MarshalJSON() ([]byte, error) {
	type plain State
	return json.Marshal(struct {
		Schema int
		*plain
	}{stateSchema, (*plain)(s)})
}

// UnmarshalJSON reads what MarshalJSON wrote; another schema version is an error.
func (s *State) UnmarshalJSON(data []byte) error {
	type plain State
	in := struct {
		Schema int
		*plain
	}{plain: (*plain)(s)}
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("read payment state: %w", err)
	}
	if in.Schema != stateSchema {
		return fmt.Errorf("read payment state: schema %d, and this program knows %d: fold the stream again", in.Schema, stateSchema)
	}
	return nil
}

const (
	reserved   = eventv1.Stage_STAGE_RESERVED
	instructed = eventv1.Stage_STAGE_INSTRUCTED
	booked     = eventv1.Stage_STAGE_BOOKED
)

// Evolve applies one fact to the state and returns it.
func Evolve(s *State, f *es.Fact) *State {
	switch e := f.Event.(type) {
	case *eventv1.PaymentInstructed:
		s.Phase = Instructed
		s.Donor, s.Beneficiary = f.Envelope.GetDonor(), f.Envelope.GetBeneficiary()
		s.Line = drawn.New(e.Line)
		s.Line.Apply(e.Movement, instructed, +1)
	case *eventv1.PaymentAccepted:
		s.Phase = Accepted
	case *eventv1.PaymentRejected:
		s.Phase = Rejected
		t := drawn.Amount(e.Movement.Amount)
		s.Line.Undo(t, instructed, reserved)
		s.Line.Release(t)
	case *eventv1.PaymentBooked:
		b := Booking{Event: f.ID, Movement: e.Movement, Fee: drawn.Amount(e.Fee)}
		b.Booked = AssetAmount{s.Line.Asset, drawn.Sum(drawn.Amount(e.Movement.Amount), b.Fee.Neg())}
		if e.BookedAsset != "" {
			b.Booked = AssetAmount{e.BookedAsset, drawn.Amount(e.BookedAmount)}
		}
		s.Booked.Asset = b.Booked.Asset
		s.book(b, +1)
		s.Bookings = append(s.Bookings, b)
	case *eventv1.PaymentReturned:
		s.returned(f.ID, e)
	case *eventv1.PaymentReversed:
		s.reversed(uuid.UUID(e.Event))
	case *eventv1.LoanInterestDue:
		s.Interest = drawn.Sum(s.Interest, drawn.Amount(e.Amount))
	case *eventv1.LoanInterestPaid:
		s.Interest = drawn.Sum(s.Interest, drawn.Amount(e.Amount).Neg())
	case *eventv1.LoanRepaid:
		s.Principal = drawn.Sum(s.Principal, drawn.Amount(e.Amount).Neg())
	case *eventv1.LoanForgiven:
		s.Principal = drawn.Sum(s.Principal, drawn.Amount(e.Amount).Neg())
	}
	return s
}

// book applies a booking, or with sign -1 takes it back. The fee does not stand booked.
func (s *State) book(b Booking, sign int) {
	signed := func(a money.Amount) money.Amount {
		if sign < 0 {
			return a.Neg()
		}
		return a
	}
	s.Line.Apply(b.Movement, booked, sign)
	s.Line.Revalue(booked, signed(b.Fee).Neg())
	s.Booked.Amount = drawn.Sum(s.Booked.Amount, signed(b.Booked.Amount))
	if s.lends() {
		s.Principal = drawn.Sum(s.Principal, signed(b.Booked.Amount))
	}
}

func (s *State) lends() bool { return s.Line.Instrument == eventv1.Instrument_INSTRUMENT_LOAN }

// returned: one that reopens undoes the booking and the instruction, and its part of the draw is released after it.
func (s *State) returned(event uuid.UUID, e *eventv1.PaymentReturned) {
	t := drawn.Amount(e.Movement.Amount) // in the asset of the movement's split
	if e.Reopens {
		back := t
		for _, a := range e.Movement.Stated { // what was booked in another currency
			back = drawn.Amount(a.Amount)
		}
		s.Line.Undo(t, booked, instructed)
		s.Line.Undo(t, instructed, reserved)
		s.Line.Reopen(t)
		s.Booked.Amount = drawn.Sum(s.Booked.Amount, back.Neg())
		if s.lends() {
			s.Principal = drawn.Sum(s.Principal, back.Neg())
		}
		return
	}
	x := t
	if s.Booked.Asset != s.Line.Asset {
		// What came back was cut toward zero on its way into what was booked. Here what stays is cut, so that the part that was asked comes out.
		there := s.Line.Standing(booked)
		stays := share(there, drawn.Sum(s.Booked.Amount, t.Neg()), s.Booked.Amount)
		x = drawn.Sum(there, stays.Neg())
	}
	r := GivenBack{event, e.Movement, x}
	s.giveBackFor(r, +1)
	s.Returns = append(s.Returns, r)
}

// giveBackFor applies a return for good, or with sign -1 takes it back.
func (s *State) giveBackFor(r GivenBack, sign int) {
	back := drawn.Amount(r.Movement.Amount)
	if sign > 0 {
		back = back.Neg()
	}
	s.Booked.Amount = drawn.Sum(s.Booked.Amount, back)
	if s.lends() {
		s.Principal = drawn.Sum(s.Principal, back)
	}
	s.Line.Apply(&eventv1.Movement{Amount: r.Taken.Proto(), Split: &eventv1.Split{
		Reliefs: []*eventv1.Relief{{Stage: booked, Amount: r.Taken.Proto()}},
	}}, eventv1.Stage_STAGE_RETURNED, sign)
}

// reversed takes back a booking or a return for good.
func (s *State) reversed(event uuid.UUID) {
	for i, b := range s.Bookings {
		if b.Event == event {
			s.book(b, -1)
			s.Bookings = append(s.Bookings[:i:i], s.Bookings[i+1:]...)
			return
		}
	}
	for i, r := range s.Returns {
		if r.Event == event {
			s.giveBackFor(r, -1)
			s.Returns = append(s.Returns[:i:i], s.Returns[i+1:]...)
			return
		}
	}
}

// inBooked is the part of what stands booked that belongs to a part in the instructed asset.
func (s *State) inBooked(t money.Amount) money.Amount {
	if s.Booked.Asset == s.Line.Asset {
		return t
	}
	return share(s.Booked.Amount, t, s.Line.Standing(booked))
}

// share is the part of an amount that belongs to a part of a whole, cut toward zero; the whole takes all.
func share(a, part, whole money.Amount) money.Amount {
	if part == whole {
		return a
	}
	x, err := money.MulDiv(a, part, whole)
	if err != nil {
		panic(fmt.Sprintf("payment: %v", err))
	}
	return x
}
