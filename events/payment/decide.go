package payment

import (
	"fmt"
	"regexp"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/stated"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// Decide applies the rules of one payment. It is pure: same state and command, same answer. Errors are *es.Refusal.
func Decide(s *State, cmd Command) ([]es.Event, error) {
	if err := s.admit(cmd); err != nil {
		return nil, err
	}
	switch c := cmd.(type) {
	case *Instruct:
		return s.instruct(c)
	case *Accept:
		if s.Phase == Accepted || len(s.Bookings) > 0 {
			return nil, refuse("accepted_already", "accept_payment", s.Stream+" is accepted or booked already", "nothing is left to do")
		}
		return one(&eventv1.PaymentAccepted{Status: c.Status})
	case *Reject:
		if len(s.Bookings) > 0 {
			return nil, refuse("booked_already", "reject_payment", s.Stream+" has been booked", "record a return, or reverse the booking")
		}
		return one(&eventv1.PaymentRejected{ReasonCode: c.ReasonCode, Movement: s.Line.Take(s.Line.Standing(instructed), 0, instructed)})
	case *Book:
		return s.bookIt(c)
	case *Return:
		return s.giveBack(c)
	case *Reverse:
		return s.reverse(c)
	case *Loan:
		return s.loan(c)
	}
	return nil, refuse("unknown_command", "", fmt.Sprintf("a payment does not know %T", cmd), "use a command of the API")
}

func one(e es.Event) ([]es.Event, error) { return []es.Event{e}, nil }

func refuse(code, field, reason, remedy string) *es.Refusal {
	return &es.Refusal{Code: code, Field: field, Reason: reason, Remedy: remedy}
}

// admit applies the rules that hold for every command.
func (s *State) admit(cmd Command) error {
	m := cmd.meta()
	if s.Phase != New && (m.Donor != "" && m.Donor != s.Donor || m.Beneficiary != "" && m.Beneficiary != s.Beneficiary) {
		return refuse("other_party", "donor", fmt.Sprintf("%s is of %s to %s", s.Stream, s.Donor, s.Beneficiary), "leave donor and beneficiary out, or check the stream")
	}
	if m.Effective == nil {
		return refuse("effective_missing", "effective", "the command does not say when it happened", "give a date, or `unknown`")
	}
	if err := dates.Check(m.Effective); err != nil {
		return refuse("bad_date", "effective", err.Error(), "give a date such as 2022-09-13, or `unknown`")
	}
	_, instruct := cmd.(*Instruct)
	switch {
	case instruct && s.Phase != New:
		return refuse("payment_exists", "stream", s.Stream+" is instructed already", "instruct another payment")
	case !instruct && s.Phase == New:
		return refuse("no_such_payment", "stream", s.Stream+" has no events", "instruct the payment first, or check the stream")
	case s.Phase == Rejected:
		return refuse("payment_rejected", "stream", s.Stream+" was rejected, and its draw released", "instruct another payment")
	}
	return nil
}

const identifierBytesMax = 35 // ISO 20022 Max35Text

var uetrForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func (s *State) instruct(c *Instruct) ([]es.Event, error) {
	const field = "instruct_payment"
	l := c.Line
	switch {
	case c.Of != "" && (c.Donor != "" && c.Donor != c.Of || c.Beneficiary != "" && c.Beneficiary != c.To):
		return nil, refuse("other_party", field+".pledge", fmt.Sprintf("%s is a pledge of %s to %s", l.Pledge, c.Of, c.To), "leave donor and beneficiary out, or check the pledge")
	case l.Asset == "":
		return nil, refuse("no_control", field+".asset", "the allocation states no value, so nothing of it can be paid", "revalue the allocation first")
	case !isMoney(l.Asset):
		return nil, refuse("bad_asset", field+".asset", l.Asset+" is not money", "a payment pays an amount of a currency")
	case len(c.EndToEndID) > identifierBytesMax:
		return nil, refuse("too_long", field+".end_to_end_id", fmt.Sprintf("%d characters, ISO 20022 allows %d", len(c.EndToEndID), identifierBytesMax), "shorten it")
	case c.UETR != "" && !uetrForm.MatchString(c.UETR):
		return nil, refuse("bad_uetr", field+".uetr", fmt.Sprintf("%q is not a UETR", c.UETR), "give a lower-case UUID of version 4, or leave it out")
	}
	if err := stated.Beside(field+".stated", c.Stated, l.Asset); err != nil {
		return nil, err
	}
	m := drawn.New(l).Take(drawn.Amount(l.Amount), 0, reserved)
	m.Stated = c.Stated
	ev := &eventv1.PaymentInstructed{Line: l, Movement: m, Debtor: c.Debtor, Creditor: c.Creditor, EndToEndId: c.EndToEndID, Uetr: c.UETR}
	if c.Tranche != uuid.Nil {
		ev.Tranche = c.Tranche[:]
	}
	return one(ev)
}

func isMoney(name string) bool {
	a, err := asset.Parse(name)
	return err == nil && !a.IsQuantity()
}

// bookIt: a payment is booked in one asset, so that what comes back can be told.
func (s *State) bookIt(c *Book) ([]es.Event, error) {
	const field = "book_payment"
	there := s.Line.Standing(instructed)
	want := there
	if c.Amount != nil {
		want = *c.Amount
	}
	switch {
	case c.Asset != "" && c.Asset != s.Line.Asset:
		return nil, refuse("not_control_asset", field+".asset", "the payment is instructed in "+s.Line.Asset, "name that asset; what was booked in another is booked_asset")
	case want.Sign() <= 0:
		return nil, refuse("nothing_to_book", field+".amount", s.Line.Text(there)+" is instructed and not booked", "check what the payment has done")
	case want.Cmp(there) > 0:
		return nil, refuse("exceeds_instructed", field+".amount", fmt.Sprintf("%s asked, %s is instructed and not booked", s.Line.Text(want), s.Line.Text(there)), "book less, and instruct the rest as another payment")
	case c.Fee.Sign() < 0 || c.Fee.Cmp(want) >= 0:
		return nil, refuse("bad_fee", field+".fee", fmt.Sprintf("a fee of %s in a booking of %s", s.Line.Text(c.Fee), s.Line.Text(want)), "a fee is zero or more, and less than what is booked")
	case c.Point == eventv1.BookingPoint_BOOKING_POINT_UNSPECIFIED:
		return nil, refuse("point_missing", field+".point", "`booked` always names whose account", "debited, at_intermediary or credited")
	}
	m := s.Line.Take(want, 0, instructed)
	ev := &eventv1.PaymentBooked{Movement: m, Point: c.Point, BankReference: c.Reference}
	if !c.Fee.IsZero() {
		ev.Fee = c.Fee.Proto()
	}
	in := s.Line.Asset
	if c.BookedAsset != "" && c.BookedAsset != s.Line.Asset {
		if !isMoney(c.BookedAsset) {
			return nil, refuse("bad_asset", field+".booked_asset", fmt.Sprintf("%q is not a currency on a basis", c.BookedAsset), "write it as UAH/2@donor_stated")
		}
		if err := stated.Scale(field+".booked_asset", c.BookedAsset); err != nil {
			return nil, err
		}
		if c.BookedAmount.Sign() <= 0 || !c.BookedAmount.IsEntry() {
			return nil, refuse("bad_amount", field+".booked_amount", "what was booked in another currency is not above zero and at most 10^28 of its smallest unit", "give the amount of the entry")
		}
		in, ev.BookedAsset, ev.BookedAmount = c.BookedAsset, c.BookedAsset, c.BookedAmount.Proto()
	}
	if s.Line.Has(booked) && s.Booked.Asset != in && !(s.Booked.Amount.IsZero() && s.Principal.IsZero() && s.Interest.IsZero()) {
		return nil, refuse("other_currency", field+".booked_asset", fmt.Sprintf("the payment is booked in %s, and now in %s", s.Booked.Asset, in), "instruct another payment for the other currency")
	}
	return one(ev)
}

// giveBack: a final return is recorded in the asset that was booked; one that reopens, in the one that was instructed, and states its part of
// what was booked in another.
func (s *State) giveBack(c *Return) ([]es.Event, error) {
	const field = "return_payment"
	there := s.Line.Standing(booked)
	want := there
	if c.Amount != nil {
		want = *c.Amount
	}
	if c.Asset != "" && c.Asset != s.Line.Asset {
		return nil, refuse("not_control_asset", field+".asset", "the payment is instructed in "+s.Line.Asset, "name that asset")
	}
	if want.Sign() <= 0 || want.Cmp(there) > 0 {
		return nil, refuse("exceeds_booked", field+".amount", fmt.Sprintf("%s asked, %s stands booked", s.Line.Text(want), s.Line.Text(there)), "return at most what was booked")
	}
	if s.lends() && s.Principal.Cmp(s.inBooked(want)) < 0 {
		return nil, refuse("repaid_already", field+".amount", "more of the loan is repaid or forgiven than would be left", "return less, or correct the repayment first")
	}
	m := &eventv1.Movement{Draw: s.Line.Draw[:], Pledge: s.Line.Pledge}
	relief := func(stage eventv1.Stage, a money.Amount) *eventv1.Relief {
		return &eventv1.Relief{Line: s.Line.Draw[:], Stage: stage, Amount: a.Proto()}
	}
	back := s.inBooked(want)
	if c.Reopens {
		m.Amount = want.Proto()
		if s.Booked.Asset != s.Line.Asset {
			m.Stated = []*eventv1.AssetAmount{{Asset: s.Booked.Asset, Amount: back.Proto()}}
		}
		m.Split = &eventv1.Split{Asset: s.Line.Asset, Reliefs: []*eventv1.Relief{relief(booked, want), relief(instructed, want)}}
	} else {
		if back.IsZero() {
			return nil, refuse("nothing_to_return", field+".amount", fmt.Sprintf("%s is less than the smallest unit of what was booked, %s", s.Line.Text(want), textOf(s.Booked.Amount, s.Booked.Asset)), "return more")
		}
		m.Amount = back.Proto()
		m.Split = &eventv1.Split{Asset: s.Booked.Asset, Reliefs: []*eventv1.Relief{relief(booked, back)}}
	}
	return one(&eventv1.PaymentReturned{Movement: m, Reopens: c.Reopens, ReasonCode: c.ReasonCode})
}

func (s *State) reverse(c *Reverse) ([]es.Event, error) {
	const field = "reverse_payment.event"
	for _, b := range s.Bookings {
		if b.Event != c.Event {
			continue
		}
		// What is left must stand in the asset that was instructed and in the one that was booked, or in neither.
		left := drawn.Sum(s.Line.Standing(booked), b.Fee, drawn.Amount(b.Movement.Amount).Neg())
		leftBooked := drawn.Sum(s.Booked.Amount, b.Booked.Amount.Neg())
		if b.Booked.Asset != s.Booked.Asset || left.Sign() < 0 || left.Sign() != leftBooked.Sign() || s.lends() && b.Booked.Amount.Cmp(s.Principal) > 0 {
			return nil, refuse("gone_further", field, fmt.Sprintf("%s of the payment stands booked, as %s", s.Line.Text(s.Line.Standing(booked)), textOf(s.Booked.Amount, s.Booked.Asset)), "correct what came after it first")
		}
		return one(&eventv1.PaymentReversed{Event: c.Event[:], Movement: b.Movement})
	}
	for _, r := range s.Returns {
		if r.Event != c.Event {
			continue
		}
		if name := r.Movement.GetSplit().GetAsset(); name != s.Booked.Asset {
			return nil, refuse("gone_further", field, fmt.Sprintf("it came back in %s, and the payment is booked in %s by now", name, s.Booked.Asset), "correct what came after it first")
		}
		return one(&eventv1.PaymentReversed{Event: c.Event[:], Movement: r.Movement})
	}
	return nil, refuse("nothing_to_reverse", field, fmt.Sprintf("%s holds no booking and no return for good %s that still stands", s.Stream, c.Event),
		"name the event of one; what came back to be owed again is instructed as another payment")
}

func (s *State) loan(c *Loan) ([]es.Event, error) {
	field := string(c.Kind)
	if !s.lends() {
		return nil, refuse("no_loan", field, s.Stream+" pays no loan", "check the stream")
	}
	if c.Asset != s.Booked.Asset || c.Asset == "" {
		return nil, refuse("bad_asset", field+".asset", fmt.Sprintf("the loan is booked in %q, not %q", s.Booked.Asset, c.Asset), "name the asset that was booked")
	}
	if c.Amount.Sign() <= 0 || !c.Amount.IsEntry() {
		return nil, refuse("bad_amount", field+".amount", "the amount is not above zero and at most 10^28 of its smallest unit", "give a positive amount")
	}
	draw, a := s.Line.Draw[:], c.Amount.Proto()
	switch c.Kind {
	case InterestDue:
		return one(&eventv1.LoanInterestDue{Draw: draw, Pledge: s.Line.Pledge, Asset: c.Asset, Amount: a})
	case InterestPaid:
		if c.Amount.Cmp(s.Interest) > 0 {
			return nil, refuse("exceeds_due", field+".amount", fmt.Sprintf("%s asked, %s is due", text(c), textOf(s.Interest, c.Asset)), "record what is due first")
		}
		return one(&eventv1.LoanInterestPaid{Draw: draw, Pledge: s.Line.Pledge, Asset: c.Asset, Amount: a})
	case Repaid, Forgiven:
	default:
		return nil, refuse("unknown_command", "", fmt.Sprintf("a loan does not know %q", c.Kind), "use a command of the API")
	}
	if c.Amount.Cmp(s.Principal) > 0 {
		return nil, refuse("exceeds_principal", field+".amount", fmt.Sprintf("%s asked, %s is still to be paid back", text(c), textOf(s.Principal, c.Asset)), "record less")
	}
	if c.Kind == Forgiven {
		return one(&eventv1.LoanForgiven{Draw: draw, Pledge: s.Line.Pledge, Asset: c.Asset, Amount: a})
	}
	if c.Source == "" {
		return nil, refuse("source_missing", field+".source_of_funds", "a repayment says where its money came from", "name it, such as the beneficiary's budget")
	}
	return one(&eventv1.LoanRepaid{Draw: draw, Pledge: s.Line.Pledge, Asset: c.Asset, Amount: a, SourceOfFunds: c.Source})
}

func text(c *Loan) string { return textOf(c.Amount, c.Asset) }

func textOf(a money.Amount, name string) string {
	x, err := asset.Parse(name)
	if err != nil {
		return a.Text(0)
	}
	return a.Text(x.Scale) + " of " + name
}
