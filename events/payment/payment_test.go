package payment_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/payment"
	kit "github.com/allied-ledger/allied/events/payment/paymenttest"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
)

const (
	eur = pledgetest.EUR
	usd = "USD/2@donor_stated"
	uah = kit.UAH

	reserved   = eventv1.Stage_STAGE_RESERVED
	instructed = eventv1.Stage_STAGE_INSTRUCTED
	booked     = eventv1.Stage_STAGE_BOOKED
	returned   = eventv1.Stage_STAGE_RETURNED
	credited   = eventv1.BookingPoint_BOOKING_POINT_CREDITED
)

var (
	id     = pledgetest.ID
	amount = pledgetest.Amount
)

type aCase = given.Case[*payment.State, payment.Command]

// after is the case after commands, each of which must be accepted.
func after(t *testing.T, cmds ...payment.Command) *aCase {
	t.Helper()
	c := given.History(payment.Decider)
	for i, cmd := range cmds {
		a := c.When(cmd)
		if a.Err != nil {
			t.Fatalf("command %d, %T, of the history is refused: %v", i, cmd, a.Err)
		}
		c = a.Then(t, a.Events...)
	}
	return c
}

// hundred instructs 100 euros, draw 7 on allocation 2.
func hundred() *payment.Instruct { return kit.Instruct(kit.Line(7, 2, eur, "100")) }

// lent instructs a loan of 100 euros.
func lent() *payment.Instruct { return kit.Instruct(kit.Lent(7, 2, eur, "100")) }

// give is what one stage gives to a movement.
type give struct {
	stage  eventv1.Stage
	amount string
}

// moves is a movement of draw 7 in an asset.
func moves(asset, text string, gives ...give) *eventv1.Movement {
	u := id(7)
	m := &eventv1.Movement{Draw: u[:], Pledge: given.Stream("pledge"), Amount: amount(asset, text).Proto(), Split: &eventv1.Split{Asset: asset}}
	for _, g := range gives {
		m.Split.Reliefs = append(m.Split.Reliefs, &eventv1.Relief{Line: u[:], Stage: g.stage, Amount: amount(asset, g.amount).Proto()})
	}
	return m
}

// stands expects what reached a stage and stands there.
func stands(t *testing.T, c *aCase, stage eventv1.Stage, reached, standing string) {
	t.Helper()
	l := c.State().Line
	r := l.At(stage)
	if r.Reached != amount(l.Asset, reached) || r.Standing != amount(l.Asset, standing) {
		t.Errorf("at %s reached is %s and standing %s, not %s and %s", stage, l.Text(r.Reached), l.Text(r.Standing), reached, standing)
	}
}

func TestAPaymentIsInstructedWithWhatWasDrawn(t *testing.T) {
	l := kit.Line(7, 2, eur, "100")
	cmd := kit.Instruct(l, kit.Stated(usd, "110"))
	cmd.Tranche, cmd.UETR = id(20), "97ed4827-7b6f-4491-a06f-b548d5a7512d"
	m := moves(eur, "100", give{reserved, "100"})
	m.Stated = cmd.Stated
	tranche := id(20)
	c := after(t).When(cmd).Then(t, &eventv1.PaymentInstructed{
		Line: l, Movement: m, Tranche: tranche[:], Debtor: cmd.Debtor, Creditor: cmd.Creditor, EndToEndId: "E2E-1", Uetr: cmd.UETR,
	})
	stands(t, c, reserved, "100", "0")
	stands(t, c, instructed, "100", "100")
	if s := c.State(); s.Phase != payment.Instructed || s.Donor != given.Donor || s.Beneficiary != given.Beneficiary {
		t.Errorf("opened as %s of %s to %s", s.Phase, s.Donor, s.Beneficiary)
	}
}

func TestAnInstructionIsRefused(t *testing.T) {
	for code, change := range map[string]func(*payment.Instruct){
		"no_control":  func(c *payment.Instruct) { c.Line = kit.Line(7, 2, "", "") },
		"bad_asset":   func(c *payment.Instruct) { c.Line = kit.Line(7, 2, "each/6:shell", "1") },
		"too_long":    func(c *payment.Instruct) { c.EndToEndID = strings.Repeat("x", 36) },
		"bad_uetr":    func(c *payment.Instruct) { c.UETR = "97ED4827-7B6F-4491-A06F-B548D5A7512D" },
		"value_twice": func(c *payment.Instruct) { c.Stated = []*eventv1.AssetAmount{kit.Stated(eur, "1")} },
		"bad_amount":  func(c *payment.Instruct) { c.Stated = []*eventv1.AssetAmount{kit.Stated(usd, "-1")} },
		"other_scale": func(c *payment.Instruct) { c.Stated = []*eventv1.AssetAmount{kit.Stated("USD/3@donor_stated", "1")} },
	} {
		t.Run(code, func(t *testing.T) {
			cmd := hundred()
			change(cmd)
			after(t).When(cmd).ThenRefused(t, code)
		})
	}
	badly := kit.Instruct(kit.Line(7, 2, eur, "100"), &eventv1.AssetAmount{Asset: "dollars"})
	after(t).When(badly).ThenRefused(t, "bad_asset")
	after(t).When(kit.Instruct(kit.Line(7, 2, eur, "100"), kit.Stated(usd, "1"), kit.Stated(usd, "1"))).ThenRefused(t, "value_twice")
	after(t, hundred()).When(hundred()).ThenRefused(t, "payment_exists")
}

func TestWhatEveryCommandMustSay(t *testing.T) {
	c := after(t, hundred())
	c.When(&payment.Accept{}).ThenRefused(t, "effective_missing")
	c.When(&payment.Accept{Meta: payment.Meta{Effective: &eventv1.Effective{}}}).ThenRefused(t, "bad_date")
	c.When(struct{ payment.Command }{kit.Accept()}).ThenRefused(t, "unknown_command")
	for _, cmd := range []payment.Command{
		kit.Accept(), kit.Reject(), kit.Book(), kit.Return(), kit.Reverse(0), kit.Loan(payment.InterestDue, eur, "1"),
	} {
		after(t).When(cmd).ThenRefused(t, "no_such_payment")
		after(t, lent(), kit.Reject()).When(cmd).ThenRefused(t, "payment_rejected")
	}
	after(t, hundred(), kit.Reject()).When(hundred()).ThenRefused(t, "payment_exists")
}

func TestABankAcceptsOnce(t *testing.T) {
	c := after(t, hundred()).When(kit.Accept()).Then(t, &eventv1.PaymentAccepted{Status: "ACSP"})
	stands(t, c, instructed, "100", "100") // accepted is not booked
	c.When(kit.Accept()).ThenRefused(t, "accepted_already")
	after(t, hundred(), kit.Book()).When(kit.Accept()).ThenRefused(t, "accepted_already")
	// A booking recorded in error says nothing of the bank.
	after(t, hundred(), kit.Book(), kit.Reverse(1)).When(kit.Accept()).ThenRecord(t, &eventv1.PaymentAccepted{})
}

func TestARejectedPaymentGivesItsDrawBack(t *testing.T) {
	c := after(t, hundred(), kit.Accept()).When(kit.Reject()).Then(t,
		&eventv1.PaymentRejected{ReasonCode: "AC04", Movement: moves(eur, "100", give{instructed, "100"})})
	stands(t, c, instructed, "0", "0")
	stands(t, c, reserved, "0", "0") // released after it
	after(t, hundred(), kit.BookPart(eur, "1", "0")).When(kit.Reject()).ThenRefused(t, "booked_already")
	// As the refusal advises: a booking in error is reversed, and then the payment is rejected.
	after(t, hundred(), kit.Book(), kit.Reverse(1)).When(kit.Reject()).ThenRecord(t, &eventv1.PaymentRejected{})
}

func TestAPaymentIsBookedInParts(t *testing.T) {
	c := after(t, hundred()).When(kit.BookPart(eur, "30", "0")).Then(t,
		&eventv1.PaymentBooked{Movement: moves(eur, "30", give{instructed, "30"}), Point: credited, BankReference: "R-1"})
	stands(t, c, instructed, "100", "70")
	stands(t, c, booked, "30", "30")
	c.When(kit.BookPart(eur, "70.01", "0")).ThenRefused(t, "exceeds_instructed")
	c = c.When(kit.Book()).Then(t, &eventv1.PaymentBooked{Movement: moves(eur, "70", give{instructed, "70"}), Point: credited, BankReference: "R-1"})
	stands(t, c, instructed, "100", "0")
	stands(t, c, booked, "100", "100")
	c.When(kit.Book()).ThenRefused(t, "nothing_to_book")
}

func TestABookingIsRefused(t *testing.T) {
	c := after(t, hundred())
	c.When(kit.BookPart(eur, "0", "0")).ThenRefused(t, "nothing_to_book")
	c.When(kit.BookPart(eur, "-1", "0")).ThenRefused(t, "nothing_to_book")
	c.When(kit.BookPart(eur, "10", "10")).ThenRefused(t, "bad_fee")
	c.When(kit.BookPart(eur, "10", "-1")).ThenRefused(t, "bad_fee")
	nowhere := kit.Book()
	nowhere.Point = 0
	c.When(nowhere).ThenRefused(t, "point_missing")
	c.When(kit.BookedIn(kit.Book(), "each/6:shell", "1")).ThenRefused(t, "bad_asset")
	c.When(kit.BookedIn(kit.Book(), uah, "0")).ThenRefused(t, "bad_amount")
	c.When(kit.BookedIn(kit.Book(), uah, "100000000000000000000000000.01")).ThenRefused(t, "bad_amount")
}

func TestAFeeIsAPartOfTheBooking(t *testing.T) {
	c := after(t, hundred()).When(kit.BookPart(eur, "100", "2")).Then(t, &eventv1.PaymentBooked{
		Movement: moves(eur, "100", give{instructed, "100"}), Point: credited, BankReference: "R-1", Fee: amount(eur, "2").Proto(),
	})
	stands(t, c, instructed, "100", "0")
	stands(t, c, booked, "98", "98")
	c.When(kit.ReturnPart(eur, "99")).ThenRefused(t, "exceeds_booked")
	c.When(kit.Return()).Then(t, &eventv1.PaymentReturned{Movement: moves(eur, "98", give{booked, "98"}), ReasonCode: "AC04"})
}

func TestAPaymentIsBookedInOneOtherCurrency(t *testing.T) {
	c := after(t, hundred()).When(kit.BookedIn(kit.BookPart(eur, "50", "0"), uah, "2000")).Then(t, &eventv1.PaymentBooked{
		Movement: moves(eur, "50", give{instructed, "50"}), Point: credited, BankReference: "R-1",
		BookedAsset: uah, BookedAmount: amount(uah, "2000").Proto(),
	})
	stands(t, c, booked, "50", "50")
	if b := c.State().Booked; b.Asset != uah || b.Amount != amount(uah, "2000") {
		t.Errorf("booked is %+v", b)
	}
	c.When(kit.BookedIn(kit.Book(), "UAH/5@donor_stated", "50")).ThenRefused(t, "other_scale")
	c.When(kit.Book()).ThenRefused(t, "other_currency")
	c.When(kit.BookedIn(kit.Book(), usd, "50")).ThenRefused(t, "other_currency")
	// A currency that is named, and is the instructed one, is no other.
	after(t, hundred()).When(kit.BookedIn(kit.Book(), eur, "7")).Then(t,
		&eventv1.PaymentBooked{Movement: moves(eur, "100", give{instructed, "100"}), Point: credited, BankReference: "R-1"})
	// Where nothing stands booked any more, the other currency is free.
	c.When(kit.Return()).ThenRecord(t, &eventv1.PaymentReturned{})
	c.When(kit.Book()).ThenRecord(t, &eventv1.PaymentBooked{})
	// A loan keeps its currency while anything of it is open.
	uneven := after(t, lent(), kit.BookedIn(kit.BookPart(eur, "50", "0"), uah, "2000"), kit.Loan(payment.InterestDue, uah, "1"), kit.Return())
	uneven.When(kit.Book()).ThenRefused(t, "other_currency")
	// What came back is not owed, whether the donor still owes it or not.
	if p := uneven.State().Principal; !p.IsZero() {
		t.Errorf("%s of the principal is left of a loan that came back", p.Text(2))
	}
}

func TestAReturnThatReopensUndoesBookingAndInstruction(t *testing.T) {
	c := after(t, hundred(), kit.Book()).When(kit.Reopening(kit.ReturnPart(eur, "40"))).Then(t, &eventv1.PaymentReturned{
		Movement: moves(eur, "40", give{booked, "40"}, give{instructed, "40"}), Reopens: true, ReasonCode: "AC04",
	})
	stands(t, c, booked, "60", "60")
	stands(t, c, instructed, "60", "0")
	stands(t, c, reserved, "60", "0") // released after it
	stands(t, c, returned, "40", "0") // it passed through
	c.When(kit.Reopening(kit.ReturnPart(eur, "61"))).ThenRefused(t, "exceeds_booked")
	c.When(kit.ReturnPart(eur, "0")).ThenRefused(t, "exceeds_booked")
	after(t, hundred()).When(kit.Return()).ThenRefused(t, "exceeds_booked")
}

func TestAReturnForGoodLeavesWhatWasReached(t *testing.T) {
	c := after(t, hundred(), kit.Book()).When(kit.ReturnPart(eur, "40")).Then(t,
		&eventv1.PaymentReturned{Movement: moves(eur, "40", give{booked, "40"}), ReasonCode: "AC04"})
	stands(t, c, booked, "100", "60")
	stands(t, c, returned, "40", "40")
	stands(t, c, instructed, "100", "0")
	stands(t, c, reserved, "100", "0")
}

// 100 euros arrived as 4,000 hryvnias. A quarter that comes back for good is 1,000 hryvnias; a third of what is left is 1,000 more.
func TestAReturnIsToldInWhatWasBooked(t *testing.T) {
	c := after(t, hundred(), kit.BookedIn(kit.Book(), uah, "4000")).When(kit.ReturnPart(eur, "25")).Then(t,
		&eventv1.PaymentReturned{Movement: moves(uah, "1000", give{booked, "1000"}), ReasonCode: "AC04"})
	stands(t, c, booked, "100", "75")
	if got := c.State().Booked.Amount; got != amount(uah, "3000") {
		t.Errorf("%s stand booked", got.Text(2))
	}
	reopened := moves(eur, "25", give{booked, "25"}, give{instructed, "25"})
	reopened.Stated = []*eventv1.AssetAmount{kit.Stated(uah, "1000")}
	c = c.When(kit.Reopening(kit.ReturnPart(eur, "25"))).Then(t, &eventv1.PaymentReturned{Movement: reopened, Reopens: true, ReasonCode: "AC04"})
	stands(t, c, booked, "75", "50")
	stands(t, c, reserved, "75", "0")
	if got := c.State().Booked.Amount; got != amount(uah, "2000") {
		t.Errorf("%s stand booked", got.Text(2))
	}
	// An amount that no rate divides evenly comes back as it was asked, also twice.
	uneven := after(t, hundred(), kit.BookedIn(kit.BookPart(eur, "100", "0.07"), uah, "4198"), kit.ReturnPart(eur, "33.34"))
	stands(t, uneven, booked, "99.93", "66.59")
	stands(t, uneven, returned, "33.34", "33.34")
	uneven = uneven.When(kit.ReturnPart(eur, "33.33")).ThenRecord(t, &eventv1.PaymentReturned{})
	stands(t, uneven, returned, "66.67", "66.67")
	uneven = uneven.When(kit.Return()).ThenRecord(t, &eventv1.PaymentReturned{})
	stands(t, uneven, returned, "99.93", "99.93")
	if got := uneven.State().Booked.Amount; !got.IsZero() {
		t.Errorf("%s stand booked", got.Text(2))
	}
	// A part that is less than the smallest unit of what was booked is nothing.
	little := after(t, hundred(), kit.BookedIn(kit.Book(), uah, "0.03"))
	little.When(kit.ReturnPart(eur, "10")).ThenRefused(t, "nothing_to_return")
}

func TestABookingIsReversed(t *testing.T) {
	c := after(t, hundred(), kit.BookPart(eur, "60", "1"), kit.Book())
	c.When(kit.Reverse(0)).ThenRefused(t, "nothing_to_reverse")
	e := kit.Event(1)
	c = c.When(kit.Reverse(1)).Then(t, &eventv1.PaymentReversed{Event: e[:], Movement: moves(eur, "60", give{instructed, "60"})})
	stands(t, c, booked, "40", "40")
	stands(t, c, instructed, "100", "60")
	c.When(kit.Reverse(1)).ThenRefused(t, "nothing_to_reverse")
	after(t, hundred(), kit.Book(), kit.ReturnPart(eur, "1")).When(kit.Reverse(1)).ThenRefused(t, "gone_further")
}

// 50 euros arrived as 2,000 and 50 as 1,800 hryvnias; half of the euros came back, so half of the hryvnias did, 1,900. Neither booking is
// what stands: one is more, the other would leave hryvnias without euros.
func TestAReturnForGoodIsReversed(t *testing.T) {
	c := after(t, lent(), kit.BookedIn(kit.BookPart(eur, "60", "0"), uah, "2400"), kit.ReturnPart(eur, "25"))
	stands(t, c, booked, "60", "35")
	e := kit.Event(2)
	back := moves(uah, "1000", give{booked, "1000"})
	c = c.When(kit.Reverse(2)).Then(t, &eventv1.PaymentReversed{Event: e[:], Movement: back})
	stands(t, c, booked, "60", "60")
	stands(t, c, eventv1.Stage_STAGE_RETURNED, "0", "0")
	if s := c.State(); s.Booked.Amount != amount(uah, "2400") || s.Principal != amount(uah, "2400") {
		t.Errorf("booked are %v, and %v of the loan is owed", s.Booked, s.Principal)
	}
	c.When(kit.Reverse(2)).ThenRefused(t, "nothing_to_reverse")
	c.When(kit.Reverse(1)).ThenRecord(t, &eventv1.PaymentReversed{})
	after(t, hundred(), kit.Book(), kit.Reopening(kit.ReturnPart(eur, "1"))).When(kit.Reverse(2)).ThenRefused(t, "nothing_to_reverse")
	// What came back in one currency cannot stand again beside another.
	other := after(t, hundred(), kit.BookedIn(kit.BookPart(eur, "60", "0"), uah, "2400"), kit.Return(), kit.Book())
	other.When(kit.Reverse(2)).ThenRefused(t, "gone_further")
}

func TestABookingOfWhichPartOfThePriceIsGoneIsNotReversed(t *testing.T) {
	c := after(t, hundred(), kit.BookedIn(kit.BookPart(eur, "50", "0"), uah, "2000"), kit.BookedIn(kit.Book(), uah, "1800"), kit.ReturnPart(eur, "50"))
	c.When(kit.Reverse(1)).ThenRefused(t, "gone_further")
	c.When(kit.Reverse(2)).ThenRefused(t, "gone_further")
	// A booking that came back whole is not that of the other currency after it.
	c = after(t, hundred(), kit.BookedIn(kit.BookPart(eur, "10", "0"), uah, "5"), kit.Return(), kit.Book())
	c.When(kit.Reverse(1)).ThenRefused(t, "gone_further")
}

func TestALoanIsServed(t *testing.T) {
	u := id(7)
	row := func(text string) (draw []byte, pledge, asset string, a *eventv1.Amount) {
		return u[:], given.Stream("pledge"), eur, amount(eur, text).Proto()
	}
	c := after(t, lent())
	c.When(kit.Loan(payment.InterestDue, eur, "1")).ThenRefused(t, "bad_asset") // nothing is booked
	c.When(&payment.Loan{Meta: kit.Meta(), Kind: payment.InterestDue, Amount: amount(eur, "1")}).ThenRefused(t, "bad_asset")
	c = after(t, lent(), kit.Book())
	after(t, hundred(), kit.Book()).When(kit.Loan(payment.InterestDue, eur, "1")).ThenRefused(t, "no_loan")
	c.When(kit.Loan(payment.InterestDue, usd, "1")).ThenRefused(t, "bad_asset")
	c.When(kit.Loan(payment.InterestDue, eur, "0")).ThenRefused(t, "bad_amount")
	c.When(kit.Loan("lend", eur, "1")).ThenRefused(t, "unknown_command")

	d, p, a, n := row("3")
	c = c.When(kit.Loan(payment.InterestDue, eur, "3")).Then(t, &eventv1.LoanInterestDue{Draw: d, Pledge: p, Asset: a, Amount: n})
	c.When(kit.Loan(payment.InterestPaid, eur, "3.01")).ThenRefused(t, "exceeds_due")
	d, p, a, n = row("2")
	c = c.When(kit.Loan(payment.InterestPaid, eur, "2")).Then(t, &eventv1.LoanInterestPaid{Draw: d, Pledge: p, Asset: a, Amount: n})
	c.When(kit.Loan(payment.Repaid, eur, "100.01")).ThenRefused(t, "exceeds_principal")
	c.When(kit.Loan(payment.Forgiven, eur, "100.01")).ThenRefused(t, "exceeds_principal")
	nobody := kit.Loan(payment.Repaid, eur, "40")
	nobody.Source = ""
	c.When(nobody).ThenRefused(t, "source_missing")
	d, p, a, n = row("40")
	c = c.When(kit.Loan(payment.Repaid, eur, "40")).Then(t,
		&eventv1.LoanRepaid{Draw: d, Pledge: p, Asset: a, Amount: n, SourceOfFunds: "budget of the beneficiary"})
	d, p, a, n = row("50")
	c = c.When(kit.Loan(payment.Forgiven, eur, "50")).Then(t, &eventv1.LoanForgiven{Draw: d, Pledge: p, Asset: a, Amount: n})
	if s := c.State(); s.Principal != amount(eur, "10") || s.Interest != amount(eur, "1") {
		t.Errorf("%s of the principal and %s of interest are open", s.Principal.Text(2), s.Interest.Text(2))
	}
	c.When(kit.Reopening(kit.ReturnPart(eur, "11"))).ThenRefused(t, "repaid_already")
	c.When(kit.Reverse(1)).ThenRefused(t, "gone_further")
	c = c.When(kit.Reopening(kit.ReturnPart(eur, "10"))).ThenRecord(t, &eventv1.PaymentReturned{})
	if !c.State().Principal.IsZero() {
		t.Errorf("%s are still to be paid back", c.State().Principal.Text(2))
	}
}

func TestAStateSurvivesItsSerialisation(t *testing.T) {
	c := after(t, lent(), kit.Accept(), kit.BookedIn(kit.BookPart(eur, "60", "1"), uah, "2400"), kit.Loan(payment.InterestDue, uah, "5"), kit.ReturnPart(eur, "9"))
	data, err := json.Marshal(c.State())
	if err != nil {
		t.Fatal(err)
	}
	var got payment.State
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.State(), &got, protocmp.Transform(), cmp.Comparer(func(a, b money.Amount) bool { return a == b })); diff != "" {
		t.Errorf("read back differently (-was +is):\n%s", diff)
	}
	for _, other := range []string{`{"Schema": 99}`, `{}`, `[]`} {
		if err := json.Unmarshal([]byte(other), &got); err == nil {
			t.Errorf("%s is accepted", other)
		}
	}
}
