package payment

import (
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// Command is one of the commands below.
type Command interface{ meta() *Meta }

// Meta is what the rules need to know of every command's envelope.
type Meta struct {
	// Donor and Beneficiary are empty, or those of the pledges that are drawn on.
	Donor, Beneficiary string
	Effective          *eventv1.Effective
}

func (m *Meta) meta() *Meta { return m }

// Instruct opens a payment with what was drawn on an allocation.
type Instruct struct {
	Meta
	Line             *eventv1.DrawnLine // as its pledge answered it
	Of, To           string             // the pledge's donor and beneficiary; empty before it is drawn
	Stated           []*eventv1.AssetAmount
	Tranche          uuid.UUID
	Debtor, Creditor *eventv1.Party
	EndToEndID, UETR string
}

// Accept: the bank has taken the instruction.
type Accept struct {
	Meta
	Status string
}

// Reject: the bank has refused it.
type Reject struct {
	Meta
	ReasonCode string
}

// Book: an account was debited or credited. Amount is what is used up of the instructed amount, the fee included; nil stands for all of it.
type Book struct {
	Meta
	Asset        string // in which Amount and Fee are written; may be empty without them
	Amount       *money.Amount
	Fee          money.Amount
	Point        eventv1.BookingPoint
	BookedAsset  string
	BookedAmount money.Amount
	Reference    string
}

// Return: the money came back. Amount is in the instructed asset; nil stands for all that is booked.
type Return struct {
	Meta
	Asset      string
	Amount     *money.Amount
	Reopens    bool
	ReasonCode string
}

// Reverse takes back an earlier booking that was recorded in error.
type Reverse struct {
	Meta
	Event uuid.UUID
}

// Loan is a movement of a booked loan that touches no rung.
type Loan struct {
	Meta
	Kind   LoanKind
	Asset  string
	Amount money.Amount
	// Source says where a repayment's money came from.
	Source string
}

// LoanKind says what happened to a loan.
type LoanKind string

const (
	InterestDue  LoanKind = "accrue_interest"
	InterestPaid LoanKind = "pay_interest"
	Repaid       LoanKind = "repay_loan"
	Forgiven     LoanKind = "forgive_loan"
)
