// Package posting turns events into double-entry postings that sum to zero per asset.
package posting

import (
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/term"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// Account is what a posting debits (a positive amount) or credits (a negative one). Each rung of the ladder has `:in` and `:out`.
type Account uint8

// Accounts that are no rung.
const (
	Origin          Account = 200 + iota // where promises come from
	OverAllocated                        // allocated beyond what is committed
	OverReserved                         // drawn beyond what is allocated
	OverHandedOver                       // handed over beyond what was dispatched or allocated
	Unmeasured                           // an asset that appears or disappears on the way
	Difference                           // the gap between a stated and a relieved value
	Fx                                   // where one currency becomes another
	LoanPrincipal                        // what of a loan is to be paid back
	LoanDrawn                            // contra of the principal
	LoanInterestDue                      // interest due and not paid
	LoanAccrued                          // contra of the interest due
	LoanInterestPaid
	LoanRepaid
	LoanForgiven
)

var names = func() (n [256]string) {
	for s := range eventv1.Stage_name {
		if s > 0 {
			word := term.Word(eventv1.Stage(s))
			n[In(eventv1.Stage(s))], n[Out(eventv1.Stage(s))] = word+":in", word+":out"
		}
	}
	n[Origin], n[Unmeasured], n[Difference] = "origin", "unmeasured", "difference"
	n[OverAllocated], n[OverReserved], n[OverHandedOver] = "over:allocated", "over:reserved", "over:handed_over"
	n[Fx], n[LoanPrincipal], n[LoanDrawn], n[LoanInterestDue], n[LoanAccrued] = "fx", "loan:principal", "loan:drawn", "loan:interest_due", "loan:accrued"
	n[LoanInterestPaid], n[LoanRepaid], n[LoanForgiven] = "loan:interest_paid", "loan:repaid", "loan:forgiven"
	return n
}()

// In is the account of what reached a stage.
func In(s eventv1.Stage) Account { return Account(2 * s) }

// Out is the account of what left a stage.
func Out(s eventv1.Stage) Account { return Account(2*s + 1) }

// Stage is the account's rung, or STAGE_UNSPECIFIED.
func (a Account) Stage() eventv1.Stage {
	if a >= Origin {
		return eventv1.Stage_STAGE_UNSPECIFIED
	}
	return eventv1.Stage(a / 2)
}

// In tells whether the account is what reached a stage.
func (a Account) In() bool { return a < Origin && a%2 == 0 }

// Out tells whether the account is what left a stage.
func (a Account) Out() bool { return a < Origin && a%2 == 1 }

// String writes the account as the books do: allocated:in, over:allocated, origin.
func (a Account) String() string { return names[a] }

// Posting is one leg of an event: a debit where Amount is positive, a credit where it is negative. Donor and beneficiary are those of the
// event's envelope.
type Posting struct {
	Account    Account
	Line       [16]byte
	Category   string
	Instrument eventv1.Instrument
	Asset      string
	Amount     money.Amount
}

// Unknown counts values that are undisclosed on a basis: +1 where one comes, -1 where it is told or taken back.
type Unknown struct {
	Stage      eventv1.Stage
	Line       [16]byte
	Category   string
	Instrument eventv1.Instrument
	Basis      string
	Delta      int
}

// Journal is what one event posts. The caller keeps it from event to event; Fold empties it first.
type Journal struct {
	Postings []Posting
	Unknowns []Unknown
}

func (j *Journal) reset() {
	j.Postings, j.Unknowns = j.Postings[:0], j.Unknowns[:0]
}
