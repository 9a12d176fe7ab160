// Package paymenttest builds payment commands and values for tests.
package paymenttest

import (
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/payment"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// UAH is the currency that builders book in where it is another than what was instructed.
const UAH = "UAH/2@donor_stated"

// Meta is a day.
func Meta() payment.Meta {
	day, err := dates.Day(2022, 11, 1)
	if err != nil {
		panic(err)
	}
	return payment.Meta{Effective: day}
}

// Event is the id of the event at a revision of the payment of package given.
func Event(revision uint64) uuid.UUID {
	return given.Fact(given.Stream(payment.Kind), revision, &eventv1.PaymentAccepted{}).ID
}

// Line is what a draw on an allocation of the pledge of package given reserved, as a grant.
func Line(draw, allocation int, asset, text string) *eventv1.DrawnLine {
	d, a := pledgetest.ID(draw), pledgetest.ID(allocation)
	l := &eventv1.DrawnLine{
		Draw: d[:], Pledge: given.Stream(pledge.Kind), Allocation: a[:], Asset: asset,
		Category: "FIN.BUDGET", Instrument: eventv1.Instrument_INSTRUMENT_GRANT,
	}
	if asset != "" {
		l.Amount = pledgetest.Amount(asset, text).Proto()
	}
	return l
}

// Lent is Line as a loan.
func Lent(draw, allocation int, asset, text string) *eventv1.DrawnLine {
	l := Line(draw, allocation, asset, text)
	l.Instrument = eventv1.Instrument_INSTRUMENT_LOAN
	return l
}

// Instruct instructs a bank to pay what was drawn.
func Instruct(l *eventv1.DrawnLine, stated ...*eventv1.AssetAmount) *payment.Instruct {
	return &payment.Instruct{
		Meta: Meta(), Line: l, Stated: stated, Debtor: &eventv1.Party{Name: "Treasury"}, Creditor: &eventv1.Party{Name: "Ministry of Finance"},
		EndToEndID: "E2E-1",
	}
}

// Stated is an amount beside the one that a draw is counted in.
func Stated(asset, text string) *eventv1.AssetAmount {
	return &eventv1.AssetAmount{Asset: asset, Amount: pledgetest.Amount(asset, text).Proto()}
}

// Accept takes the instruction.
func Accept() *payment.Accept { return &payment.Accept{Meta: Meta(), Status: "ACSP"} }

// Reject refuses the instruction.
func Reject() *payment.Reject { return &payment.Reject{Meta: Meta(), ReasonCode: "AC04"} }

// Book books all that is instructed.
func Book() *payment.Book {
	return &payment.Book{Meta: Meta(), Point: eventv1.BookingPoint_BOOKING_POINT_CREDITED, Reference: "R-1"}
}

// BookPart books a part of what is instructed, a fee included.
func BookPart(asset, text, fee string) *payment.Book {
	b, a := Book(), pledgetest.Amount(asset, text)
	b.Amount, b.Fee = &a, pledgetest.Amount(asset, fee)
	return b
}

// BookedIn lets what a booking booked arrive in another currency.
func BookedIn(b *payment.Book, asset, text string) *payment.Book {
	b.BookedAsset, b.BookedAmount = asset, pledgetest.Amount(asset, text)
	return b
}

// Return gives all that is booked back for good.
func Return() *payment.Return { return &payment.Return{Meta: Meta(), ReasonCode: "AC04"} }

// ReturnPart gives a part of what is booked back for good.
func ReturnPart(asset, text string) *payment.Return {
	r, a := Return(), pledgetest.Amount(asset, text)
	r.Amount = &a
	return r
}

// Reopening is a return after which the amount is owed again.
func Reopening(r *payment.Return) *payment.Return {
	r.Reopens = true
	return r
}

// Reverse takes back the booking at a revision.
func Reverse(revision uint64) *payment.Reverse {
	return &payment.Reverse{Meta: Meta(), Event: Event(revision)}
}

// Loan moves a loan.
func Loan(kind payment.LoanKind, asset, text string) *payment.Loan {
	c := &payment.Loan{Meta: Meta(), Kind: kind, Asset: asset, Amount: pledgetest.Amount(asset, text)}
	if kind == payment.Repaid {
		c.Source = "budget of the beneficiary"
	}
	return c
}
