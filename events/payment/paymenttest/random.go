package paymenttest

import (
	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/payment"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// Random draws a command that an instructed payment might meet: mostly sensible, sometimes not.
func Random(t *rapid.T, s *payment.State) payment.Command {
	return given.Sensible(payment.Decider, s, func() payment.Command { return draw(t, s) })
}

func draw(t *rapid.T, s *payment.State) payment.Command {
	r := random{t, s}
	kinds := []string{"book", "book", "book", "book in another currency", "return", "return", "reopen", "reopen", "reverse"}
	if s.Phase == payment.Instructed && s.Line.Standing(eventv1.Stage_STAGE_BOOKED).IsZero() || rapid.IntRange(0, 15).Draw(t, "the bank says it late") == 0 {
		kinds = append(kinds, "accept", "accept", "reject")
	}
	if s.Line.Instrument == eventv1.Instrument_INSTRUMENT_LOAN {
		kinds = append(kinds, "due", "paid", "repaid", "forgiven")
	}
	switch rapid.SampledFrom(kinds).Draw(t, "command") {
	case "accept":
		return Accept()
	case "reject":
		return Reject()
	case "book":
		return r.book()
	case "book in another currency":
		b := r.book()
		b.BookedAsset, b.BookedAmount = UAH, money.New(int64(rapid.IntRange(0, 1_000_000).Draw(t, "booked")))
		return b
	case "return":
		return &payment.Return{Meta: Meta(), Amount: r.part(s.Line.Standing(eventv1.Stage_STAGE_BOOKED)), ReasonCode: "AC04"}
	case "reopen":
		return &payment.Return{Meta: Meta(), Amount: r.part(s.Line.Standing(eventv1.Stage_STAGE_BOOKED)), Reopens: true, ReasonCode: "AC04"}
	case "reverse":
		c := &payment.Reverse{Meta: Meta()}
		if moves := Reversible(s); len(moves) > 0 {
			c.Event = rapid.SampledFrom(moves).Draw(t, "event")
		}
		return c
	case "due":
		return r.loan(payment.InterestDue, money.New(1_000))
	case "paid":
		return r.loan(payment.InterestPaid, s.Interest)
	case "repaid":
		return r.loan(payment.Repaid, s.Principal)
	default:
		return r.loan(payment.Forgiven, s.Principal)
	}
}

// Reversible are the events that a reversal may take back.
func Reversible(s *payment.State) (events []uuid.UUID) {
	for _, b := range s.Bookings {
		events = append(events, b.Event)
	}
	for _, r := range s.Returns {
		events = append(events, r.Event)
	}
	return events
}

type random struct {
	t *rapid.T
	s *payment.State
}

func (r random) book() *payment.Book {
	b := Book()
	b.Amount = r.part(r.s.Line.Standing(eventv1.Stage_STAGE_INSTRUCTED))
	if b.Amount != nil && rapid.Bool().Draw(r.t, "with a fee") {
		b.Fee = r.tenths(*b.Amount, 0)
	}
	return b
}

// part is some tenths of a whole, a little more than all, or nil for all.
func (r random) part(whole money.Amount) *money.Amount {
	if rapid.IntRange(0, 3).Draw(r.t, "all") == 0 {
		return nil
	}
	a := r.tenths(whole, 1)
	return &a
}

func (r random) tenths(whole money.Amount, least int) money.Amount {
	n, err := money.MulDiv(whole, money.New(int64(rapid.IntRange(least, 11).Draw(r.t, "tenths"))), money.New(10))
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r random) loan(kind payment.LoanKind, whole money.Amount) payment.Command {
	return &payment.Loan{Meta: Meta(), Kind: kind, Asset: r.s.Booked.Asset, Amount: r.tenths(whole, 1), Source: "budget of the beneficiary"}
}
