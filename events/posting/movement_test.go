package posting_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/payment"
	pay "github.com/allied-ledger/allied/events/payment/paymenttest"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/events/shipment"
	ship "github.com/allied-ledger/allied/events/shipment/shipmenttest"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

const (
	tanks   = "each/6:tank"
	netBook = "EUR/2@net_book"
	uah     = pay.UAH

	dispatched = eventv1.Stage_STAGE_DISPATCHED
	handedOver = eventv1.Stage_STAGE_HANDED_OVER
)

var withheld = eventv1.ValueStatus_VALUE_STATUS_WITHHELD

// ways is a pledge with one shipment and one payment that draw on it.
type ways struct {
	*books
	shipment *given.Case[*shipment.State, shipment.Command]
	payment  *given.Case[*payment.State, payment.Command]
	at       map[string]uint64 // the next revision of a stream
	legs     []string          // of the last command, in the order of their text
	sums     totals
}

// drawOn opens a pledge of which one allocation, line 2, is drawn on.
func drawOn(t *testing.T, history ...pledge.Command) *ways {
	t.Helper()
	w := &ways{
		books: open(t), shipment: given.History(shipment.Decider), payment: given.History(payment.Decider), at: map[string]uint64{}, sums: totals{},
	}
	for _, cmd := range history {
		w.do(cmd)
	}
	return w
}

// valued is an allocation of 100 euros that is worth 110 dollars and holds ten shells, all drawn by draw 7.
func valued(t *testing.T) *ways {
	return drawOn(t, commit(line(1, stated(eur, "1000"))), allocate(line(2, stated(eur, "100"), stated(usd, "110")), item("shell", "10")), draw(7, 2, eur, "100"))
}

// pieces is an allocation of ten shells without a value, all drawn by draw 7.
func pieces(t *testing.T) *ways {
	return drawOn(t, allocate(line(2, missing("tracker", withheld)), item("shell", "10")), draw(7, 2, shells, "10"))
}

// do obeys commands of all three kinds, in order.
func (w *ways) do(cmds ...any) *ways {
	w.t.Helper()
	for _, cmd := range cmds {
		switch c := cmd.(type) {
		case pledge.Command:
			obey(w, w.decide, "pledge", c)
		case shipment.Command:
			obey(w, w.shipment, "shipment", c)
		case payment.Command:
			obey(w, w.payment, "payment", c)
		default:
			w.t.Fatalf("%T is no command", cmd)
		}
	}
	return w
}

func obey[S, C any](w *ways, c *given.Case[S, C], kind string, cmd C) {
	w.t.Helper()
	a := c.When(cmd)
	if a.Err != nil {
		w.t.Fatalf("%T is refused: %v", cmd, a.Err)
	}
	a.Then(w.t, a.Events...)
	w.legs = nil
	for _, e := range a.Events {
		w.fold(given.Stream(kind), e)
	}
}

func (w *ways) fold(stream string, e es.Event) {
	w.t.Helper()
	if err := w.register.Fold(given.Stream("pledge"), given.Fact(stream, w.at[stream], e), &w.journal); err != nil {
		w.t.Fatal(err)
	}
	w.at[stream]++
	checkZero(w.t, &w.journal)
	w.sums.add(w.t, &w.journal)
	for _, p := range w.journal.Postings {
		if !p.Amount.IsZero() {
			w.legs = append(w.legs, fmt.Sprintf("%s %d %s %s", p.Account, number(p.Line), p.Asset, text(p.Asset, p.Amount)))
		}
	}
	for _, u := range w.journal.Unknowns {
		w.legs = append(w.legs, fmt.Sprintf("unknown %s %d %s %+d", posting.In(u.Stage), number(u.Line), u.Basis, u.Delta))
	}
}

// posts expects what all events of a command post, in any order.
func (w *ways) posts(cmd any, want string) {
	w.t.Helper()
	w.do(cmd)
	slices.Sort(w.legs)
	var lines []string
	for l := range strings.Lines(want) {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	slices.Sort(lines)
	if g, e := strings.Join(w.legs, "\n"), strings.Join(lines, "\n"); g != e {
		w.t.Errorf("%T posts\n%s\nnot\n%s", cmd, g, e)
	}
}

// stands expects what of a line reached a stage and stands there.
func (w *ways) stands(n int, s eventv1.Stage, asset, reached, standing string) {
	w.t.Helper()
	in, out := w.sums[total{posting.In(s), id(n), asset}], w.sums[total{posting.Out(s), id(n), asset}]
	sum, err := in.Add(out)
	if err != nil {
		w.t.Fatal(err)
	}
	if in != pledgetest.Amount(asset, reached) || sum != pledgetest.Amount(asset, standing) {
		w.t.Errorf("line %d at %s in %s: reached is %s and standing %s, not %s and %s", n, s, asset, text(asset, in), text(asset, sum), reached, standing)
	}
}

func plan(draws ...int) *shipment.Plan {
	var lines []*eventv1.DrawnLine
	for _, d := range draws {
		lines = append(lines, ship.Line(d, 2, eur, "100"))
	}
	return ship.Plan(lines...)
}

func planPieces() *shipment.Plan { return ship.Plan(ship.Line(7, 2, shells, "10")) }

func instruct(also ...*eventv1.AssetAmount) *payment.Instruct {
	return pay.Instruct(pay.Line(7, 2, eur, "100"), also...)
}

func release(draw int, asset, amount string) *pledge.ReleaseDraw {
	return &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: id(draw), Asset: asset, Amount: pledgetest.Amount(asset, amount)}
}

func TestPlannedAndArrivedPostNothing(t *testing.T) {
	w := valued(t)
	w.posts(plan(7), ``)
	w.do(ship.Dispatch())
	w.posts(&shipment.Arrive{Meta: ship.Meta(), Place: "Rzeszow"}, ``)
}

func TestDispatched(t *testing.T) {
	valued(t).do(plan(7)).posts(ship.Dispatch(ship.Part(7, eur, "40")), `
		dispatched:in 2 EUR/2@tracker 40.00
		dispatched:in 2 USD/2@donor_stated 44.00
		dispatched:in 2 each/6:shell 4.000000
		reserved:out 2 EUR/2@tracker -40.00
		reserved:out 2 USD/2@donor_stated -44.00
		reserved:out 2 each/6:shell -4.000000`)
}

// Thirds of a dollar are cut toward zero, and the last takes the rest.
func TestTheLastMovementTakesTheRest(t *testing.T) {
	w := drawOn(t, allocate(line(2, stated(eur, "3"), stated(usd, "1"))), draw(7, 2, eur, "3")).do(ship.Plan(ship.Line(7, 2, eur, "3")))
	for _, dollars := range []string{"0.33", "0.33", "0.34"} {
		w.posts(ship.Dispatch(ship.Part(7, eur, "1")), `
			dispatched:in 2 EUR/2@tracker 1.00
			dispatched:in 2 USD/2@donor_stated `+dollars+`
			reserved:out 2 EUR/2@tracker -1.00
			reserved:out 2 USD/2@donor_stated -`+dollars)
	}
}

func TestInstructed(t *testing.T) {
	w := valued(t)
	w.posts(instruct(), `
		instructed:in 2 EUR/2@tracker 100.00
		instructed:in 2 USD/2@donor_stated 110.00
		instructed:in 2 each/6:shell 10.000000
		reserved:out 2 EUR/2@tracker -100.00
		reserved:out 2 USD/2@donor_stated -110.00
		reserved:out 2 each/6:shell -10.000000`)
	w.posts(pay.Accept(), ``)
}

func TestHandedOver(t *testing.T) {
	w := valued(t).do(plan(7), ship.Dispatch(ship.Part(7, eur, "40")))
	w.posts(ship.HandOver(ship.Part(7, eur, "10")), `
		dispatched:out 2 EUR/2@tracker -10.00
		dispatched:out 2 USD/2@donor_stated -11.00
		dispatched:out 2 each/6:shell -1.000000
		handed_over:in 2 EUR/2@tracker 10.00
		handed_over:in 2 USD/2@donor_stated 11.00
		handed_over:in 2 each/6:shell 1.000000`)
	// 35 of the 30 that are left: 5 are over, and their dollars and shells are nowhere.
	w.posts(ship.HandOver(ship.Part(7, eur, "35")), `
		dispatched:out 2 EUR/2@tracker -30.00
		dispatched:out 2 USD/2@donor_stated -33.00
		dispatched:out 2 each/6:shell -3.000000
		over:handed_over 2 EUR/2@tracker -5.00
		handed_over:in 2 EUR/2@tracker 35.00
		handed_over:in 2 USD/2@donor_stated 33.00
		handed_over:in 2 each/6:shell 3.000000`)
}

func TestClaimedByAShipment(t *testing.T) {
	pieces(t).do(planPieces(), ship.Dispatch()).posts(ship.Claim(ship.Part(7, shells, "11")), `
		claimed:in 2 each/6:shell 11.000000
		dispatched:out 2 each/6:shell -10.000000
		over:handed_over 2 each/6:shell -1.000000`)
}

func TestVerified(t *testing.T) {
	valued(t).do(plan(7), ship.Dispatch(), ship.HandOver(ship.Part(7, eur, "40")), ship.Claim()).posts(ship.Verify(ship.Part(7, eur, "70")), `
		claimed:out 2 EUR/2@tracker -30.00
		claimed:out 2 USD/2@donor_stated -33.00
		claimed:out 2 each/6:shell -3.000000
		handed_over:out 2 EUR/2@tracker -40.00
		handed_over:out 2 USD/2@donor_stated -44.00
		handed_over:out 2 each/6:shell -4.000000
		verified:in 2 EUR/2@tracker 70.00
		verified:in 2 USD/2@donor_stated 77.00
		verified:in 2 each/6:shell 7.000000`)
}

func TestShortFoundAndLost(t *testing.T) {
	w := valued(t).do(plan(7), ship.Dispatch())
	w.posts(ship.Short(ship.Part(7, eur, "30")), `
		dispatched:out 2 EUR/2@tracker -30.00
		dispatched:out 2 USD/2@donor_stated -33.00
		dispatched:out 2 each/6:shell -3.000000
		missing:in 2 EUR/2@tracker 30.00
		missing:in 2 USD/2@donor_stated 33.00
		missing:in 2 each/6:shell 3.000000`)
	w.posts(ship.Find(ship.Part(7, eur, "10")), `
		dispatched:out 2 EUR/2@tracker 10.00
		dispatched:out 2 USD/2@donor_stated 11.00
		dispatched:out 2 each/6:shell 1.000000
		missing:in 2 EUR/2@tracker -10.00
		missing:in 2 USD/2@donor_stated -11.00
		missing:in 2 each/6:shell -1.000000`)
	// Of 50 that are lost, 20 were missing and 30 of the 80 were under way.
	w.posts(ship.Lose(ship.Part(7, eur, "50")), `
		dispatched:out 2 EUR/2@tracker -30.00
		dispatched:out 2 USD/2@donor_stated -33.00
		dispatched:out 2 each/6:shell -3.000000
		lost:in 2 EUR/2@tracker 50.00
		lost:in 2 USD/2@donor_stated 55.00
		lost:in 2 each/6:shell 5.000000
		missing:out 2 EUR/2@tracker -20.00
		missing:out 2 USD/2@donor_stated -22.00
		missing:out 2 each/6:shell -2.000000`)
	w.posts(ship.Report(eventv1.Discrepancy_DISCREPANCY_DAMAGED, ship.All(7)), ``)
}

// 10 dispatched, 9 received, 1 lost: handed over 9, missing 1 then lost 1, dispatched standing 0 (worked in domain.md).
func TestWorkedTenDispatchedNineReceived(t *testing.T) {
	w := pieces(t).do(planPieces(), ship.Dispatch())
	w.posts(ship.Complete(ship.Part(7, shells, "9")), `
		dispatched:out 2 each/6:shell -9.000000
		handed_over:in 2 each/6:shell 9.000000
		dispatched:out 2 each/6:shell -1.000000
		missing:in 2 each/6:shell 1.000000`)
	w.posts(ship.Lose(), `
		missing:out 2 each/6:shell -1.000000
		lost:in 2 each/6:shell 1.000000`)
	w.posts(ship.Close(), ``)
	w.stands(2, dispatched, shells, "10", "0")
	w.stands(2, handedOver, shells, "9", "9")
	w.stands(2, eventv1.Stage_STAGE_MISSING, shells, "1", "0")
	w.stands(2, eventv1.Stage_STAGE_LOST, shells, "1", "1")
}

func TestAClosedShipmentReleasesWhatItDidNotUse(t *testing.T) {
	w := valued(t).do(plan(7), ship.Dispatch(ship.Part(7, eur, "40")), ship.HandOver())
	w.posts(ship.Close(), ``)
	w.posts(release(7, eur, "60"), `
		allocated:out 2 EUR/2@tracker 60.00
		allocated:out 2 USD/2@donor_stated 66.00
		allocated:out 2 each/6:shell 6.000000
		reserved:in 2 EUR/2@tracker -60.00
		reserved:in 2 USD/2@donor_stated -66.00
		reserved:in 2 each/6:shell -6.000000`)
}

func TestStatedOnRelieving(t *testing.T) {
	w := valued(t).do(plan(7))
	w.posts(ship.Dispatch(ship.Part(7, eur, "40", ship.Stated(usd, "50"))), `
		difference 2 USD/2@donor_stated -6.00
		dispatched:in 2 EUR/2@tracker 40.00
		dispatched:in 2 USD/2@donor_stated 50.00
		dispatched:in 2 each/6:shell 4.000000
		reserved:out 2 EUR/2@tracker -40.00
		reserved:out 2 USD/2@donor_stated -44.00
		reserved:out 2 each/6:shell -4.000000`)
	w.posts(ship.HandOver(ship.Part(7, eur, "40", ship.Stated(usd, "41"), ship.Stated(shells, "5"))), `
		difference 2 USD/2@donor_stated 9.00
		difference 2 each/6:shell -1.000000
		dispatched:out 2 EUR/2@tracker -40.00
		dispatched:out 2 USD/2@donor_stated -50.00
		dispatched:out 2 each/6:shell -4.000000
		handed_over:in 2 EUR/2@tracker 40.00
		handed_over:in 2 USD/2@donor_stated 41.00
		handed_over:in 2 each/6:shell 5.000000`)
	valued(t).posts(instruct(ship.Stated(usd, "108")), `
		difference 2 USD/2@donor_stated 2.00
		instructed:in 2 EUR/2@tracker 100.00
		instructed:in 2 USD/2@donor_stated 108.00
		instructed:in 2 each/6:shell 10.000000
		reserved:out 2 EUR/2@tracker -100.00
		reserved:out 2 USD/2@donor_stated -110.00
		reserved:out 2 each/6:shell -10.000000`)
}

// An asset appears where the donor values at dispatch what nobody valued before, and disappears where the dispatch is undone.
func TestAnAssetAppearsAndDisappears(t *testing.T) {
	w := pieces(t).do(planPieces())
	w.posts(ship.Dispatch(ship.Part(7, shells, "4", ship.Stated(netBook, "30"))), `
		dispatched:in 2 EUR/2@net_book 30.00
		dispatched:in 2 each/6:shell 4.000000
		reserved:out 2 each/6:shell -4.000000
		unmeasured 2 EUR/2@net_book -30.00`)
	w.posts(ship.Reopen(ship.Part(7, shells, "2")), `
		dispatched:in 2 EUR/2@net_book -15.00
		dispatched:in 2 each/6:shell -2.000000
		reserved:out 2 each/6:shell 2.000000
		returned:in 2 EUR/2@net_book 15.00
		returned:in 2 each/6:shell 2.000000
		returned:out 2 EUR/2@net_book -15.00
		returned:out 2 each/6:shell -2.000000
		unmeasured 2 EUR/2@net_book 15.00`)
	w.posts(ship.HandOver(), `
		dispatched:out 2 EUR/2@net_book -15.00
		dispatched:out 2 each/6:shell -2.000000
		handed_over:in 2 EUR/2@net_book 15.00
		handed_over:in 2 each/6:shell 2.000000`)
}

func TestRevaluedAtARung(t *testing.T) {
	w := valued(t).do(plan(7), ship.Dispatch(ship.Part(7, eur, "40")))
	w.posts(ship.Revalue(7, dispatched, usd, "6"), `
		difference 2 USD/2@donor_stated -6.00
		dispatched:in 2 USD/2@donor_stated 6.00`)
	w.posts(ship.Revalue(7, dispatched, eur, "-20"), `
		difference 2 EUR/2@tracker 20.00
		dispatched:in 2 EUR/2@tracker -20.00`)
	// 20 of control now carry 50 dollars and 4 shells.
	w.posts(ship.HandOver(ship.Part(7, eur, "10")), `
		dispatched:out 2 EUR/2@tracker -10.00
		dispatched:out 2 USD/2@donor_stated -25.00
		dispatched:out 2 each/6:shell -2.000000
		handed_over:in 2 EUR/2@tracker 10.00
		handed_over:in 2 USD/2@donor_stated 25.00
		handed_over:in 2 each/6:shell 2.000000`)
	w.posts(ship.Revalue(7, handedOver, netBook, "7"), `
		difference 2 EUR/2@net_book -7.00
		handed_over:in 2 EUR/2@net_book 7.00`)
}

func TestReversedInKind(t *testing.T) {
	w := valued(t).do(plan(7), ship.Dispatch(ship.Part(7, eur, "40", ship.Stated(usd, "50"))), ship.HandOver(ship.Part(7, eur, "45")))
	w.posts(ship.Reverse(2), `
		dispatched:out 2 EUR/2@tracker 40.00
		dispatched:out 2 USD/2@donor_stated 50.00
		dispatched:out 2 each/6:shell 4.000000
		handed_over:in 2 EUR/2@tracker -45.00
		handed_over:in 2 USD/2@donor_stated -50.00
		handed_over:in 2 each/6:shell -4.000000
		over:handed_over 2 EUR/2@tracker 5.00`)
	w.posts(ship.Reverse(1), `
		difference 2 USD/2@donor_stated 6.00
		dispatched:in 2 EUR/2@tracker -40.00
		dispatched:in 2 USD/2@donor_stated -50.00
		dispatched:in 2 each/6:shell -4.000000
		reserved:out 2 EUR/2@tracker 40.00
		reserved:out 2 USD/2@donor_stated 44.00
		reserved:out 2 each/6:shell 4.000000`)
}

// Where a reversal leaves nothing of the control asset on the rung, what was added to its other assets there goes back to where it came from.
func TestAReversalLeavesNoDust(t *testing.T) {
	w := valued(t).do(plan(7), ship.Dispatch(ship.Part(7, eur, "40")), ship.Revalue(7, dispatched, usd, "5"))
	w.posts(ship.Reverse(1), `
		difference 2 USD/2@donor_stated 5.00
		dispatched:in 2 EUR/2@tracker -40.00
		dispatched:in 2 USD/2@donor_stated -44.00
		dispatched:in 2 USD/2@donor_stated -5.00
		dispatched:in 2 each/6:shell -4.000000
		reserved:out 2 EUR/2@tracker 40.00
		reserved:out 2 USD/2@donor_stated 44.00
		reserved:out 2 each/6:shell 4.000000`)
}

func TestReturnedReopeningInKind(t *testing.T) {
	w := pieces(t).do(planPieces(), ship.Dispatch(), ship.HandOver(ship.Part(7, shells, "6")))
	// 4 that are under way, and 1 that was handed over.
	w.posts(ship.Reopen(ship.Part(7, shells, "5")), `
		dispatched:in 2 each/6:shell -4.000000
		reserved:out 2 each/6:shell 4.000000
		returned:in 2 each/6:shell 4.000000
		returned:out 2 each/6:shell -4.000000
		handed_over:in 2 each/6:shell -1.000000
		dispatched:out 2 each/6:shell 1.000000
		dispatched:in 2 each/6:shell -1.000000
		reserved:out 2 each/6:shell 1.000000
		returned:in 2 each/6:shell 1.000000
		returned:out 2 each/6:shell -1.000000`)
	w.posts(release(7, shells, "5"), `
		allocated:out 2 each/6:shell 5.000000
		reserved:in 2 each/6:shell -5.000000`)
	w.stands(2, eventv1.Stage_STAGE_ALLOCATED, shells, "10", "5")
	w.stands(2, eventv1.Stage_STAGE_RESERVED, shells, "5", "0")
	w.stands(2, dispatched, shells, "5", "0")
	w.stands(2, handedOver, shells, "5", "5")
	w.stands(2, eventv1.Stage_STAGE_RETURNED, shells, "5", "0")
}

func TestReturnedReopeningInMoney(t *testing.T) {
	w := valued(t).do(instruct(), pay.Book())
	w.posts(pay.Reopening(pay.ReturnPart(eur, "40")), `
		booked:in 2 EUR/2@tracker -40.00
		booked:in 2 USD/2@donor_stated -44.00
		booked:in 2 each/6:shell -4.000000
		instructed:out 2 EUR/2@tracker 40.00
		instructed:out 2 USD/2@donor_stated 44.00
		instructed:out 2 each/6:shell 4.000000
		instructed:in 2 EUR/2@tracker -40.00
		instructed:in 2 USD/2@donor_stated -44.00
		instructed:in 2 each/6:shell -4.000000
		reserved:out 2 EUR/2@tracker 40.00
		reserved:out 2 USD/2@donor_stated 44.00
		reserved:out 2 each/6:shell 4.000000
		returned:in 2 EUR/2@tracker 40.00
		returned:in 2 USD/2@donor_stated 44.00
		returned:in 2 each/6:shell 4.000000
		returned:out 2 EUR/2@tracker -40.00
		returned:out 2 USD/2@donor_stated -44.00
		returned:out 2 each/6:shell -4.000000`)
	w.posts(release(7, eur, "40"), `
		allocated:out 2 EUR/2@tracker 40.00
		allocated:out 2 USD/2@donor_stated 44.00
		allocated:out 2 each/6:shell 4.000000
		reserved:in 2 EUR/2@tracker -40.00
		reserved:in 2 USD/2@donor_stated -44.00
		reserved:in 2 each/6:shell -4.000000`)
}

// grant is an allocation of 100 euros worth 110 dollars, all drawn and instructed; a loan where lent.
func grant(t *testing.T, lent bool) *ways {
	l := line(2, stated(eur, "100"), stated(usd, "110"))
	l.Instrument = eventv1.Instrument_INSTRUMENT_GRANT
	order := instruct()
	if lent {
		l.Instrument, order = eventv1.Instrument_INSTRUMENT_LOAN, pay.Instruct(pay.Lent(7, 2, eur, "100"))
	}
	return drawOn(t, commit(line(1, stated(eur, "1000"))), allocate(l), draw(7, 2, eur, "100")).do(order)
}

// Paid 100 and returned: allocated standing 100, booked reached 0, returned reached 100 (worked in domain.md).
func TestWorkedPaidAndReturned(t *testing.T) {
	w := grant(t, false).do(pay.Book(), pay.Reopening(pay.Return()), release(7, eur, "100"))
	for _, a := range []struct{ asset, n string }{{eur, "100"}, {usd, "110"}} {
		w.stands(2, eventv1.Stage_STAGE_ALLOCATED, a.asset, a.n, a.n)
		for _, s := range []eventv1.Stage{eventv1.Stage_STAGE_RESERVED, eventv1.Stage_STAGE_INSTRUCTED, eventv1.Stage_STAGE_BOOKED} {
			w.stands(2, s, a.asset, "0", "0")
		}
		w.stands(2, eventv1.Stage_STAGE_RETURNED, a.asset, a.n, "0")
	}
}

func TestRejected(t *testing.T) {
	w := grant(t, false)
	w.posts(pay.Reject(), `
		instructed:in 2 EUR/2@tracker -100.00
		instructed:in 2 USD/2@donor_stated -110.00
		reserved:out 2 EUR/2@tracker 100.00
		reserved:out 2 USD/2@donor_stated 110.00`)
	w.posts(release(7, eur, "100"), `
		allocated:out 2 EUR/2@tracker 100.00
		allocated:out 2 USD/2@donor_stated 110.00
		reserved:in 2 EUR/2@tracker -100.00
		reserved:in 2 USD/2@donor_stated -110.00`)
}

func TestBooked(t *testing.T) {
	w := grant(t, false)
	w.posts(pay.BookPart(eur, "60", "0"), `
		booked:in 2 EUR/2@tracker 60.00
		booked:in 2 USD/2@donor_stated 66.00
		instructed:out 2 EUR/2@tracker -60.00
		instructed:out 2 USD/2@donor_stated -66.00`)
	// Of the 40 left, and their 44 dollars, 2 are a fee: 44 × 2 ÷ 40 = 2.20.
	w.posts(pay.BookPart(eur, "40", "2"), `
		booked:in 2 EUR/2@tracker 38.00
		booked:in 2 USD/2@donor_stated 41.80
		charges:in 2 EUR/2@tracker 2.00
		charges:in 2 USD/2@donor_stated 2.20
		instructed:out 2 EUR/2@tracker -40.00
		instructed:out 2 USD/2@donor_stated -44.00`)
	w.posts(pay.Reverse(2), `
		booked:in 2 EUR/2@tracker -38.00
		booked:in 2 USD/2@donor_stated -41.80
		charges:in 2 EUR/2@tracker -2.00
		charges:in 2 USD/2@donor_stated -2.20
		instructed:out 2 EUR/2@tracker 40.00
		instructed:out 2 USD/2@donor_stated 44.00`)
}

func TestBookedInAnotherCurrency(t *testing.T) {
	booked := func() *payment.Book { return pay.BookedIn(pay.BookPart(eur, "100", "1"), uah, "4000") }
	w := grant(t, false)
	w.posts(booked(), `
		booked:in 2 UAH/2@donor_stated 4000.00
		booked:in 2 USD/2@donor_stated 108.90
		charges:in 2 EUR/2@tracker 1.00
		charges:in 2 USD/2@donor_stated 1.10
		fx 2 EUR/2@tracker 99.00
		fx 2 UAH/2@donor_stated -4000.00
		instructed:out 2 EUR/2@tracker -100.00
		instructed:out 2 USD/2@donor_stated -110.00`)
	// A third of what is booked comes back for good: the dollars beside it do too, 108.90 ÷ 3. 4000 ÷ 3 is cut toward zero.
	w.posts(pay.ReturnPart(eur, "33"), `
		booked:out 2 UAH/2@donor_stated -1333.33
		booked:out 2 USD/2@donor_stated -36.29
		returned:in 2 UAH/2@donor_stated 1333.33
		returned:in 2 USD/2@donor_stated 36.29`)
	w = grant(t, false).do(booked())
	w.posts(pay.Reverse(1), `
		booked:in 2 UAH/2@donor_stated -4000.00
		booked:in 2 USD/2@donor_stated -108.90
		charges:in 2 EUR/2@tracker -1.00
		charges:in 2 USD/2@donor_stated -1.10
		fx 2 EUR/2@tracker -99.00
		fx 2 UAH/2@donor_stated 4000.00
		instructed:out 2 EUR/2@tracker 100.00
		instructed:out 2 USD/2@donor_stated 110.00`)
}

// 100 euros arrived as 4,000 hryvnias, of which half came back for good. A quarter of the euros that reopens is half of what is left.
func TestReturnedReopeningInAnotherCurrency(t *testing.T) {
	w := grant(t, false).do(pay.BookedIn(pay.Book(), uah, "4000"), pay.ReturnPart(eur, "50"))
	w.posts(pay.Reopening(pay.ReturnPart(eur, "25")), `
		booked:in 2 UAH/2@donor_stated -1000.00
		booked:in 2 USD/2@donor_stated -27.50
		fx 2 EUR/2@tracker -25.00
		fx 2 UAH/2@donor_stated 1000.00
		instructed:out 2 EUR/2@tracker 25.00
		instructed:out 2 USD/2@donor_stated 27.50
		instructed:in 2 EUR/2@tracker -25.00
		instructed:in 2 USD/2@donor_stated -27.50
		reserved:out 2 EUR/2@tracker 25.00
		reserved:out 2 USD/2@donor_stated 27.50
		returned:in 2 UAH/2@donor_stated 1000.00
		returned:in 2 USD/2@donor_stated 27.50
		returned:out 2 UAH/2@donor_stated -1000.00
		returned:out 2 USD/2@donor_stated -27.50`)
	w.posts(release(7, eur, "25"), `
		allocated:out 2 EUR/2@tracker 25.00
		allocated:out 2 USD/2@donor_stated 27.50
		reserved:in 2 EUR/2@tracker -25.00
		reserved:in 2 USD/2@donor_stated -27.50`)
	w.stands(2, eventv1.Stage_STAGE_BOOKED, uah, "3000", "1000")
}

func TestReturnedForGood(t *testing.T) {
	pieces(t).do(planPieces(), ship.Dispatch(), ship.HandOver(ship.Part(7, shells, "6"))).posts(ship.Return(ship.Part(7, shells, "5")), `
		dispatched:out 2 each/6:shell -4.000000
		handed_over:out 2 each/6:shell -1.000000
		returned:in 2 each/6:shell 5.000000`)
	grant(t, false).do(pay.Book()).posts(pay.ReturnPart(eur, "40"), `
		booked:out 2 EUR/2@tracker -40.00
		booked:out 2 USD/2@donor_stated -44.00
		returned:in 2 EUR/2@tracker 40.00
		returned:in 2 USD/2@donor_stated 44.00`)
}

func TestALoan(t *testing.T) {
	w := grant(t, true)
	w.posts(pay.BookPart(eur, "100", "2"), `
		booked:in 2 EUR/2@tracker 98.00
		booked:in 2 USD/2@donor_stated 107.80
		charges:in 2 EUR/2@tracker 2.00
		charges:in 2 USD/2@donor_stated 2.20
		instructed:out 2 EUR/2@tracker -100.00
		instructed:out 2 USD/2@donor_stated -110.00
		loan:drawn 2 EUR/2@tracker -98.00
		loan:principal 2 EUR/2@tracker 98.00`)
	w.posts(pay.Loan(payment.InterestDue, eur, "3"), `
		loan:accrued 2 EUR/2@tracker -3.00
		loan:interest_due 2 EUR/2@tracker 3.00`)
	w.posts(pay.Loan(payment.InterestPaid, eur, "2"), `
		loan:interest_due 2 EUR/2@tracker -2.00
		loan:interest_paid 2 EUR/2@tracker 2.00`)
	w.posts(pay.Loan(payment.Repaid, eur, "40"), `
		loan:principal 2 EUR/2@tracker -40.00
		loan:repaid 2 EUR/2@tracker 40.00`)
	w.posts(pay.Loan(payment.Forgiven, eur, "50"), `
		loan:forgiven 2 EUR/2@tracker 50.00
		loan:principal 2 EUR/2@tracker -50.00`)
	// 8 of the principal are left. 3 come back for good: 107.80 × 3 ÷ 98 = 3.30 dollars.
	w.posts(pay.ReturnPart(eur, "3"), `
		booked:out 2 EUR/2@tracker -3.00
		booked:out 2 USD/2@donor_stated -3.30
		returned:in 2 EUR/2@tracker 3.00
		returned:in 2 USD/2@donor_stated 3.30
		loan:drawn 2 EUR/2@tracker 3.00
		loan:principal 2 EUR/2@tracker -3.00`)
	w.posts(pay.Reverse(6), `
		booked:out 2 EUR/2@tracker 3.00
		booked:out 2 USD/2@donor_stated 3.30
		returned:in 2 EUR/2@tracker -3.00
		returned:in 2 USD/2@donor_stated -3.30
		loan:drawn 2 EUR/2@tracker -3.00
		loan:principal 2 EUR/2@tracker 3.00`)
	w.do(pay.ReturnPart(eur, "3"))
	// And 5 to be owed again: 104.50 × 5 ÷ 95 = 5.50 dollars.
	w.posts(pay.Reopening(pay.ReturnPart(eur, "5")), `
		booked:in 2 EUR/2@tracker -5.00
		booked:in 2 USD/2@donor_stated -5.50
		instructed:out 2 EUR/2@tracker 5.00
		instructed:out 2 USD/2@donor_stated 5.50
		instructed:in 2 EUR/2@tracker -5.00
		instructed:in 2 USD/2@donor_stated -5.50
		reserved:out 2 EUR/2@tracker 5.00
		reserved:out 2 USD/2@donor_stated 5.50
		returned:in 2 EUR/2@tracker 5.00
		returned:in 2 USD/2@donor_stated 5.50
		returned:out 2 EUR/2@tracker -5.00
		returned:out 2 USD/2@donor_stated -5.50
		loan:drawn 2 EUR/2@tracker 5.00
		loan:principal 2 EUR/2@tracker -5.00`)
}

// What a payment lends is what it was instructed to, as the payment itself has it, whatever the allocation is called since.
func TestWhatWasLentIsOwedWhateverItsLineBecomes(t *testing.T) {
	call := func(i eventv1.Instrument) *pledge.Reclassify {
		return &pledge.Reclassify{Meta: pledgetest.Meta(), Line: id(2), Instrument: i}
	}
	principal := func(w *ways, want string) {
		t.Helper()
		if got := w.sums[total{posting.LoanPrincipal, id(2), eur}]; got != pledgetest.Amount(eur, want) {
			t.Errorf("%s are to be paid back, not %s", text(eur, got), want)
		}
	}
	w := grant(t, true).do(pay.BookPart(eur, "60", "0"), call(eventv1.Instrument_INSTRUMENT_GRANT))
	principal(w, "60")
	w.do(pay.BookPart(eur, "40", "0"))
	principal(w, "100")
	w.do(pay.ReturnPart(eur, "30"), pay.Reopening(pay.ReturnPart(eur, "20")))
	principal(w, "50")
	w.do(pay.Loan(payment.Repaid, eur, "45"), call(eventv1.Instrument_INSTRUMENT_LOAN), pay.ReturnPart(eur, "5"))
	principal(w, "0")

	w = grant(t, false).do(pay.BookPart(eur, "60", "0"), call(eventv1.Instrument_INSTRUMENT_LOAN))
	w.do(pay.BookPart(eur, "40", "0"), pay.ReturnPart(eur, "30"), pay.Reopening(pay.ReturnPart(eur, "20")))
	principal(w, "0")
}

func TestALoanInAnotherCurrency(t *testing.T) {
	w := grant(t, true).do(pay.BookedIn(pay.Book(), uah, "4000"))
	w.stands(2, eventv1.Stage_STAGE_BOOKED, uah, "4000", "4000")
	w.do(pay.Reopening(pay.ReturnPart(eur, "25")))
	for account, want := range map[posting.Account]string{posting.LoanPrincipal: "3000", posting.LoanDrawn: "-3000", posting.Fx: "-3000"} {
		if got := w.sums[total{account, id(2), uah}]; got != pledgetest.Amount(uah, want) {
			t.Errorf("%s is %s, not %s", account, text(uah, got), want)
		}
	}
}

// Two draws on one allocation hold different pieces (worked in domain.md): each moves its own, and never those of the other.
func TestWorkedTwoDrawsHoldDifferentPieces(t *testing.T) {
	on := func(n int, euros, tank, shell string) *pledge.ReserveDraw {
		d := draw(n, 2, eur, euros)
		d.Stated = []*eventv1.AssetAmount{ship.Stated(tanks, tank), ship.Stated(shells, shell)}
		return d
	}
	w := drawOn(t, commit(line(1, stated(eur, "100"))), allocate(line(2, stated(eur, "100")), item("tank", "2"), item("shell", "10")))
	w.posts(on(7, "60", "2", "0"), `
		allocated:out 2 EUR/2@tracker -60.00
		allocated:out 2 each/6:tank -1.200000
		allocated:out 2 each/6:shell -6.000000
		reserved:in 2 EUR/2@tracker 60.00
		reserved:in 2 each/6:tank 2.000000
		difference 2 each/6:tank -0.800000
		difference 2 each/6:shell 6.000000`)
	w.posts(on(8, "40", "0", "10"), `
		allocated:out 2 EUR/2@tracker -40.00
		allocated:out 2 each/6:tank -0.800000
		allocated:out 2 each/6:shell -4.000000
		reserved:in 2 EUR/2@tracker 40.00
		reserved:in 2 each/6:shell 10.000000
		difference 2 each/6:tank 0.800000
		difference 2 each/6:shell -6.000000`)
	w.do(ship.Plan(ship.Line(7, 2, eur, "60"), ship.Line(8, 2, eur, "40")))
	w.posts(ship.Dispatch(ship.Part(7, eur, "30")), `
		dispatched:in 2 EUR/2@tracker 30.00
		dispatched:in 2 each/6:tank 1.000000
		reserved:out 2 EUR/2@tracker -30.00
		reserved:out 2 each/6:tank -1.000000`)
	w.posts(ship.Dispatch(ship.All(8)), `
		dispatched:in 2 EUR/2@tracker 40.00
		dispatched:in 2 each/6:shell 10.000000
		reserved:out 2 EUR/2@tracker -40.00
		reserved:out 2 each/6:shell -10.000000`)
}

// What cannot be counted moves as one unknown of its basis.
func TestADrawWithoutAmountMovesItsUnknown(t *testing.T) {
	none := draw(7, 2, eur, "0")
	none.Asset = ""
	w := drawOn(t, allocate(line(2, missing("tracker", undisclosed))), none).do(ship.Plan(ship.Line(7, 2, "", "")))
	w.posts(ship.Dispatch(), `unknown dispatched:in 2 tracker +1`)
	w.posts(ship.Short(ship.All(7)), `unknown missing:in 2 tracker +1`)
	w.posts(ship.Find(), `unknown missing:in 2 tracker -1`)
	w.posts(ship.HandOver(), `unknown handed_over:in 2 tracker +1`)
	w.posts(ship.Reverse(4), `unknown handed_over:in 2 tracker -1`)
	w.do(ship.Short(ship.All(7)))
	w.posts(ship.Reopen(), `
		unknown dispatched:in 2 tracker -1
		unknown missing:in 2 tracker -1`)
	w.posts(&pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: id(7)}, `unknown reserved:in 2 tracker -1`)
}

func TestAShipmentOfAnotherPledgePostsNothingHere(t *testing.T) {
	w := pieces(t).do(planPieces())
	a := w.shipment.When(ship.Dispatch())
	f := given.Fact(given.Stream("shipment"), 1, a.Events[0])
	if got := posting.Pledges(nil, f); !slices.Equal(got, []string{given.Stream("pledge")}) {
		t.Errorf("the dispatch moves the books of %v", got)
	}
	var j posting.Journal
	if err := w.register.Fold("pledge-"+id(9).String(), f, &j); err != nil || len(j.Postings) > 0 {
		t.Errorf("posts %v with error %v", j.Postings, err)
	}
	if err := posting.NewRegister().Fold(given.Stream("pledge"), f, &j); err == nil || !strings.Contains(err.Error(), id(7).String()) {
		t.Errorf("a movement of a draw that no event reserved folds with %v", err)
	}
}
