package posting_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/posting"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

const (
	eur    = pledgetest.EUR
	usd    = "USD/2@donor_stated"
	shells = "each/6:shell"
)

var (
	line        = pledgetest.Line
	stated      = pledgetest.Stated
	missing     = pledgetest.Missing
	commit      = pledgetest.Commit
	allocate    = pledgetest.Allocate
	item        = pledgetest.Item
	draw        = pledgetest.Draw
	id          = pledgetest.ID
	undisclosed = eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED
)

// books runs commands through the decider and posts what it answers.
type books struct {
	t        *testing.T
	decide   *given.Case[*pledge.State, pledge.Command]
	register *posting.Register
	journal  posting.Journal
	revision uint64
}

func open(t *testing.T, history ...pledge.Command) *books {
	t.Helper()
	b := &books{t: t, decide: given.History(pledge.Decider), register: posting.NewRegister()}
	for _, cmd := range history {
		b.do(cmd)
	}
	return b
}

// do posts one command's events.
func (b *books) do(cmd pledge.Command) {
	b.t.Helper()
	a := b.decide.When(cmd)
	if a.Err != nil {
		b.t.Fatalf("%T is refused: %v", cmd, a.Err)
	}
	a.Then(b.t, a.Events...)
	for _, e := range a.Events {
		if err := b.register.Fold(b.decide.State().Stream, given.Fact(b.decide.State().Stream, b.revision, e), &b.journal); err != nil {
			b.t.Fatal(err)
		}
		b.revision++
	}
}

// posts expects what a command posts: a leg a line, as `account line asset amount`, and `unknown stage line basis delta`.
func (b *books) posts(cmd pledge.Command, want string) {
	b.t.Helper()
	b.do(cmd)
	var got []string
	for _, p := range b.journal.Postings {
		if !p.Amount.IsZero() {
			got = append(got, fmt.Sprintf("%s %d %s %s", p.Account, number(p.Line), p.Asset, text(p.Asset, p.Amount)))
		}
	}
	for _, u := range b.journal.Unknowns {
		got = append(got, fmt.Sprintf("unknown %s %d %s %+d", posting.In(u.Stage), number(u.Line), u.Basis, u.Delta))
	}
	var lines []string
	for l := range strings.Lines(want) {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	if g, w := strings.Join(got, "\n"), strings.Join(lines, "\n"); g != w {
		b.t.Errorf("%T posts\n%s\nnot\n%s", cmd, g, w)
	}
	checkZero(b.t, &b.journal)
}

func number(id [16]byte) byte { return id[15] }

func text(name string, a money.Amount) string {
	x, err := asset.Parse(name)
	if err != nil {
		panic(err)
	}
	return a.Text(x.Scale)
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkZero: the postings of one event sum to zero per asset.
func checkZero(t fataler, j *posting.Journal) {
	t.Helper()
	sums := map[string]money.Amount{}
	for _, p := range j.Postings {
		var err error
		if sums[p.Asset], err = sums[p.Asset].Add(p.Amount); err != nil {
			t.Fatalf("%v", err)
		}
	}
	for a, s := range sums {
		if !s.IsZero() {
			t.Fatalf("postings in %s sum to %s, not zero", a, s.Text(0))
		}
	}
}

func observed(c *pledge.Allocate) *pledge.Allocate {
	c.Meta = pledgetest.Observed()
	return c
}

func TestAnnounced(t *testing.T) {
	open(t).posts(pledgetest.Announce(line(1, stated(eur, "100"), stated(usd, "110")), line(2, missing("tracker", undisclosed))), `
		announced:in 1 EUR/2@tracker 100.00
		origin 1 EUR/2@tracker -100.00
		announced:in 1 USD/2@donor_stated 110.00
		origin 1 USD/2@donor_stated -110.00
		unknown announced:in 2 tracker +1`)
}

func TestCommittedRelievesAnnounced(t *testing.T) {
	b := open(t, pledgetest.Announce(line(1, stated(eur, "100"), stated(usd, "110"))))
	b.posts(commit(line(2, stated(eur, "40"), stated(usd, "45"))), `
		announced:out 1 EUR/2@tracker -40.00
		announced:out 1 USD/2@donor_stated -44.00
		committed:in 2 EUR/2@tracker 40.00
		committed:in 2 USD/2@donor_stated 45.00
		difference 2 USD/2@donor_stated -1.00`)
	b.posts(commit(line(3, stated(eur, "70"))), `
		announced:out 1 EUR/2@tracker -60.00
		announced:out 1 USD/2@donor_stated -66.00
		origin 3 EUR/2@tracker -10.00
		committed:in 3 EUR/2@tracker 70.00
		unmeasured 3 USD/2@donor_stated 66.00`)
}

func TestCommittedFromOrigin(t *testing.T) {
	open(t).posts(commit(line(1, stated(eur, "625"), stated(usd, "700"))), `
		origin 1 EUR/2@tracker -625.00
		committed:in 1 EUR/2@tracker 625.00
		committed:in 1 USD/2@donor_stated 700.00
		origin 1 USD/2@donor_stated -700.00`)
}

// 300 + 250 + 125 of 625: the last posts 75 and over:allocated 50 (worked in domain.md).
func TestAllocatedOverTheCap(t *testing.T) {
	b := open(t, commit(line(1, stated(eur, "625"))), allocate(line(2, stated(eur, "300"))), allocate(line(3, stated(eur, "250"))))
	b.posts(observed(allocate(line(4, stated(eur, "125")))), `
		committed:out 1 EUR/2@tracker -75.00
		over:allocated 4 EUR/2@tracker -50.00
		allocated:in 4 EUR/2@tracker 125.00`)
}

func TestALaterCommitmentCoversAnExcess(t *testing.T) {
	b := open(t, commit(line(1, stated(eur, "50"))), observed(allocate(line(2, stated(eur, "80")), item("shell", "9"))))
	b.posts(commit(line(3, stated(eur, "60"), stated(usd, "66"))), `
		origin 3 EUR/2@tracker -60.00
		committed:in 3 EUR/2@tracker 60.00
		committed:in 3 USD/2@donor_stated 66.00
		origin 3 USD/2@donor_stated -66.00
		over:allocated 2 EUR/2@tracker 30.00
		committed:out 3 EUR/2@tracker -30.00
		committed:out 3 USD/2@donor_stated -33.00
		unmeasured 2 USD/2@donor_stated 33.00`)
}

// Other assets go in proportion, cut toward zero, and the last allocation takes the rest: 100 of which 33, 33, 34 in control thirds.
func TestOtherAssetsAreRelievedInProportion(t *testing.T) {
	b := open(t, commit(line(1, stated(eur, "3.00"), stated(usd, "1.00"))))
	b.posts(allocate(line(2, stated(eur, "1.00"), stated(usd, "0.40")), item("shell", "7")), `
		committed:out 1 EUR/2@tracker -1.00
		committed:out 1 USD/2@donor_stated -0.33
		allocated:in 2 EUR/2@tracker 1.00
		allocated:in 2 USD/2@donor_stated 0.40
		difference 2 USD/2@donor_stated -0.07
		allocated:in 2 each/6:shell 7.000000
		unmeasured 2 each/6:shell -7.000000`)
	b.posts(allocate(line(3, stated(eur, "1.00"))), `
		committed:out 1 EUR/2@tracker -1.00
		committed:out 1 USD/2@donor_stated -0.33
		allocated:in 3 EUR/2@tracker 1.00
		unmeasured 3 USD/2@donor_stated 0.33`)
	b.posts(allocate(line(4, stated(eur, "1.00"), stated(usd, "0.34"))), `
		committed:out 1 EUR/2@tracker -1.00
		committed:out 1 USD/2@donor_stated -0.34
		allocated:in 4 EUR/2@tracker 1.00
		allocated:in 4 USD/2@donor_stated 0.34`)
}

// 14 pieces without value: asset each:item alone, undisclosed + 1 (worked in domain.md).
func TestWithoutValueQuantitiesStandAlone(t *testing.T) {
	b := open(t, commit(line(1, missing("tracker", undisclosed))))
	b.posts(allocate(line(2, missing("tracker", undisclosed)), item("shell", "14")), `
		unmeasured 2 each/6:shell -14.000000
		allocated:in 2 each/6:shell 14.000000
		unknown allocated:in 2 tracker +1`)
	b.posts(draw(7, 2, shells, "4"), `
		allocated:out 2 each/6:shell -4.000000
		reserved:in 2 each/6:shell 4.000000
		unknown reserved:in 2 tracker +1`)
}

func TestAnUnknownCapIsCountedOnce(t *testing.T) {
	b := open(t, commit(line(1, missing("tracker", undisclosed))))
	b.posts(allocate(line(2, stated(eur, "5"))), `
		unmeasured 2 EUR/2@tracker -5.00
		allocated:in 2 EUR/2@tracker 5.00`)
	b = open(t, commit(line(1, stated(usd, "9"))))
	b.posts(allocate(line(2, stated(eur, "5"))), `
		unmeasured 2 EUR/2@tracker -5.00
		allocated:in 2 EUR/2@tracker 5.00
		unknown committed:in 2 tracker +1`)
	b.posts(allocate(line(3, stated(eur, "5"))), `
		unmeasured 3 EUR/2@tracker -5.00
		allocated:in 3 EUR/2@tracker 5.00`)
}

func TestDrawReservedAndReleased(t *testing.T) {
	b := open(t, commit(line(1, stated(eur, "100"))), allocate(line(2, stated(eur, "100"), stated(usd, "110")), item("shell", "10")))
	first := draw(7, 2, eur, "40")
	first.Stated = []*eventv1.AssetAmount{{Asset: shells, Amount: pledgetest.Amount(shells, "5").Proto()}}
	b.posts(first, `
		allocated:out 2 EUR/2@tracker -40.00
		allocated:out 2 USD/2@donor_stated -44.00
		allocated:out 2 each/6:shell -4.000000
		reserved:in 2 EUR/2@tracker 40.00
		reserved:in 2 each/6:shell 5.000000
		difference 2 each/6:shell -1.000000
		reserved:in 2 USD/2@donor_stated 44.00`)
	over := draw(8, 2, eur, "70")
	over.Meta = pledgetest.Overridden()
	b.posts(over, `
		allocated:out 2 EUR/2@tracker -60.00
		allocated:out 2 USD/2@donor_stated -66.00
		allocated:out 2 each/6:shell -6.000000
		over:reserved 2 EUR/2@tracker -10.00
		reserved:in 2 EUR/2@tracker 70.00
		reserved:in 2 USD/2@donor_stated 66.00
		reserved:in 2 each/6:shell 6.000000`)
	b.posts(&pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: id(8)}, `
		reserved:in 2 EUR/2@tracker -70.00
		reserved:in 2 USD/2@donor_stated -66.00
		reserved:in 2 each/6:shell -6.000000
		allocated:out 2 EUR/2@tracker 60.00
		over:reserved 2 EUR/2@tracker 10.00
		allocated:out 2 USD/2@donor_stated 66.00
		allocated:out 2 each/6:shell 6.000000`)
	b.posts(&pledge.SettleDraw{Meta: pledgetest.Meta(), Draw: id(7)}, ``)
}

func TestADrawWithoutAmountCountsOneUnknown(t *testing.T) {
	b := open(t, allocate(line(2, missing("tracker", undisclosed))))
	none := draw(7, 2, eur, "0")
	none.Asset = ""
	b.posts(none, `unknown reserved:in 2 tracker +1`)
	b.posts(&pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: id(7)}, `unknown reserved:in 2 tracker -1`)
}

func TestReducedCancelledLapsed(t *testing.T) {
	history := []pledge.Command{commit(line(1, stated(eur, "100"), stated(usd, "200"))), allocate(line(2, stated(eur, "60"), stated(usd, "120")))}
	b := open(t, history...)
	b.posts(&pledge.Reduce{Meta: pledgetest.Meta(), Asset: eur, Amount: pledgetest.Amount(eur, "50")}, `
		committed:out 1 EUR/2@tracker -40.00
		committed:out 1 USD/2@donor_stated -80.00
		cancelled:in 1 EUR/2@tracker 40.00
		cancelled:in 1 USD/2@donor_stated 80.00
		allocated:out 2 EUR/2@tracker -10.00
		allocated:out 2 USD/2@donor_stated -20.00
		cancelled:in 2 EUR/2@tracker 10.00
		cancelled:in 2 USD/2@donor_stated 20.00`)
	b.posts(&pledge.CancelRemainder{Meta: pledgetest.Meta()}, `
		allocated:out 2 EUR/2@tracker -50.00
		allocated:out 2 USD/2@donor_stated -100.00
		cancelled:in 2 EUR/2@tracker 50.00
		cancelled:in 2 USD/2@donor_stated 100.00`)
	open(t, history...).posts(&pledge.Lapse{Meta: pledgetest.Meta()}, `
		committed:out 1 EUR/2@tracker -40.00
		committed:out 1 USD/2@donor_stated -80.00
		lapsed:in 1 EUR/2@tracker 40.00
		lapsed:in 1 USD/2@donor_stated 80.00
		allocated:out 2 EUR/2@tracker -60.00
		allocated:out 2 USD/2@donor_stated -120.00
		lapsed:in 2 EUR/2@tracker 60.00
		lapsed:in 2 USD/2@donor_stated 120.00`)
}

func TestFulfilledPassesOtherAssetsToUnmeasured(t *testing.T) {
	b := open(t, commit(line(1, stated(eur, "10"))), allocate(line(2, stated(eur, "10"))), draw(7, 2, eur, "10"),
		&pledge.Revalue{Meta: pledgetest.Meta(), Line: id(1), Stage: eventv1.Stage_STAGE_COMMITTED, Asset: usd, Delta: pledgetest.Amount(usd, "3")},
		&pledge.SettleDraw{Meta: pledgetest.Meta(), Draw: id(7)})
	b.posts(&pledge.Fulfil{Meta: pledgetest.Meta()}, `
		committed:out 1 USD/2@donor_stated -3.00
		unmeasured 1 USD/2@donor_stated 3.00`)
}

func TestContingentScheduledActivatedExpired(t *testing.T) {
	schedule := pledgetest.Contingent(20, 2, line(1, stated(eur, "50"), stated(usd, "60")))
	open(t).posts(schedule, `
		contingent:in 1 EUR/2@tracker 50.00
		origin 1 EUR/2@tracker -50.00
		contingent:in 1 USD/2@donor_stated 60.00
		origin 1 USD/2@donor_stated -60.00`)
	open(t, schedule).posts(&pledge.ExpireTranche{Meta: pledgetest.Meta(), Tranche: id(20)}, `
		contingent:out 1 EUR/2@tracker -50.00
		contingent:out 1 USD/2@donor_stated -60.00
		lapsed:in 1 EUR/2@tracker 50.00
		lapsed:in 1 USD/2@donor_stated 60.00`)
	b := open(t, commit(line(3, stated(eur, "5"))), observed(allocate(line(4, stated(eur, "15")))), schedule)
	b.posts(&pledge.ActivateTranche{Meta: pledgetest.Meta(), Tranche: id(20), ThreatLevel: 2, Firmness: eventv1.Firmness_FIRMNESS_FIRM}, `
		contingent:out 1 EUR/2@tracker -50.00
		contingent:out 1 USD/2@donor_stated -60.00
		committed:in 1 EUR/2@tracker 50.00
		committed:in 1 USD/2@donor_stated 60.00
		over:allocated 4 EUR/2@tracker 10.00
		committed:out 1 EUR/2@tracker -10.00
		committed:out 1 USD/2@donor_stated -12.00
		unmeasured 4 USD/2@donor_stated 12.00`)
}

func TestContingentUndisclosedCountsAtBothStages(t *testing.T) {
	b := open(t, pledgetest.Contingent(20, 2, line(1, missing("tracker", undisclosed))))
	b.posts(&pledge.ActivateTranche{Meta: pledgetest.Meta(), Tranche: id(20), ThreatLevel: 2, Firmness: eventv1.Firmness_FIRMNESS_FIRM},
		`unknown committed:in 1 tracker +1`)
}

func TestDueDatesAndLinksPostNothing(t *testing.T) {
	b := open(t, commit(line(1, stated(eur, "10"))))
	b.posts(pledgetest.Due(20, 1, eur, "10"), ``)
	b.posts(&pledge.RescheduleTranche{Meta: pledgetest.Meta(), Tranche: id(20), Due: pledgetest.Meta().Effective}, ``)
	b.posts(&pledge.LinkTo{Meta: pledgetest.Meta(), Link: eventv1.Link_LINK_SAME, Pledge: "pledge-" + id(9).String()}, ``)
}

func TestRevalued(t *testing.T) {
	b := open(t, commit(line(1, stated(eur, "10"))), commit(line(2, missing("tracker", undisclosed))))
	revalue := func(n int, text string) *pledge.Revalue {
		return &pledge.Revalue{Meta: pledgetest.Meta(), Line: id(n), Stage: eventv1.Stage_STAGE_COMMITTED, Asset: eur, Delta: pledgetest.Amount(eur, text)}
	}
	b.posts(revalue(1, "-4"), `
		committed:in 1 EUR/2@tracker -4.00
		difference 1 EUR/2@tracker 4.00`)
	b.posts(revalue(2, "8"), `
		committed:in 2 EUR/2@tracker 8.00
		difference 2 EUR/2@tracker -8.00
		unknown committed:in 2 tracker -1`)
}

func TestReclassifiedMovesEverythingOfTheLine(t *testing.T) {
	tanks := item("tank", "2")
	tanks.Category = "MIL.ARMOUR.TANK"
	b := open(t, commit(line(1, stated(eur, "100"))), allocate(line(2, stated(eur, "30"), missing("donor_stated", undisclosed)), tanks, item("shell", "5")))
	b.do(&pledge.Reclassify{Meta: pledgetest.Meta(), Line: id(2), Category: "MIL.ARTY", Instrument: eventv1.Instrument_INSTRUMENT_SERVICE})
	var got []string
	for _, p := range b.journal.Postings {
		got = append(got, fmt.Sprintf("%s %s %d %s %s", p.Account, p.Category, p.Instrument, p.Asset, text(p.Asset, p.Amount)))
	}
	for _, u := range b.journal.Unknowns {
		got = append(got, fmt.Sprintf("unknown %s %d %+d", u.Category, u.Instrument, u.Delta))
	}
	want := `allocated:in MIL.AMMO 1 EUR/2@tracker -30.00
allocated:in MIL.ARTY 2 EUR/2@tracker 30.00
allocated:in MIL.ARMOUR.TANK 1 each/6:tank -2.000000
allocated:in MIL.ARMOUR.TANK 2 each/6:tank 2.000000
unmeasured MIL.ARMOUR.TANK 1 each/6:tank 2.000000
unmeasured MIL.ARMOUR.TANK 2 each/6:tank -2.000000
allocated:in MIL.AMMO 1 each/6:shell -5.000000
allocated:in MIL.ARTY 2 each/6:shell 5.000000
unmeasured MIL.AMMO 1 each/6:shell 5.000000
unmeasured MIL.ARTY 2 each/6:shell -5.000000
unknown MIL.AMMO 1 -1
unknown MIL.ARTY 2 +1`
	if g := strings.Join(got, "\n"); g != want {
		t.Errorf("posts\n%s\nnot\n%s", g, want)
	}
}

func TestAnEventThatCannotFollowIsAnError(t *testing.T) {
	u := id(1)
	for _, e := range []interface{ GetLine() []byte }{&eventv1.LineRevalued{Line: u[:], Stage: 3, Asset: eur}} {
		r := posting.NewRegister()
		err := r.Fold(given.Stream("pledge"), given.Fact(given.Stream("pledge"), 0, e.(*eventv1.LineRevalued)), &posting.Journal{})
		if err == nil || !strings.Contains(err.Error(), id(1).String()) {
			t.Errorf("error %v does not name the line", err)
		}
	}
}

func TestADrawGivesBackItsPart(t *testing.T) {
	b := open(t, commit(line(1, stated(eur, "100"))), allocate(line(2, stated(eur, "100"), stated(usd, "110")), item("shell", "10")))
	first := draw(7, 2, eur, "40")
	first.Stated = []*eventv1.AssetAmount{{Asset: shells, Amount: pledgetest.Amount(shells, "5").Proto()}}
	b.do(first)
	// 10 of 40: a quarter of what is reserved, and of what the allocation gave; a quarter of the gap between the two goes back too.
	b.posts(&pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: id(7), Asset: eur, Amount: pledgetest.Amount(eur, "10")}, `
		reserved:in 2 EUR/2@tracker -10.00
		reserved:in 2 each/6:shell -1.250000
		reserved:in 2 USD/2@donor_stated -11.00
		allocated:out 2 EUR/2@tracker 10.00
		allocated:out 2 each/6:shell 1.000000
		difference 2 each/6:shell 0.250000
		allocated:out 2 USD/2@donor_stated 11.00`)
	b.posts(&pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: id(7)}, `
		reserved:in 2 EUR/2@tracker -30.00
		reserved:in 2 each/6:shell -3.750000
		reserved:in 2 USD/2@donor_stated -33.00
		allocated:out 2 EUR/2@tracker 30.00
		allocated:out 2 each/6:shell 3.000000
		difference 2 each/6:shell 0.750000
		allocated:out 2 USD/2@donor_stated 33.00`)
}

// An allocation whose value is undisclosed counts once at reserved, however many draws there are on it.
func TestDrawsHideAnAllocationOnce(t *testing.T) {
	b := open(t, allocate(line(2, missing("tracker", undisclosed)), item("shell", "14")))
	b.posts(draw(7, 2, shells, "4"), `
		allocated:out 2 each/6:shell -4.000000
		reserved:in 2 each/6:shell 4.000000
		unknown reserved:in 2 tracker +1`)
	b.posts(draw(8, 2, shells, "6"), `
		allocated:out 2 each/6:shell -6.000000
		reserved:in 2 each/6:shell 6.000000`)
	b.posts(&pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: id(7)}, `
		reserved:in 2 each/6:shell -4.000000
		allocated:out 2 each/6:shell 4.000000`)
	b.posts(&pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: id(8)}, `
		reserved:in 2 each/6:shell -6.000000
		allocated:out 2 each/6:shell 6.000000
		unknown reserved:in 2 tracker -1`)
}

func TestACapThatBecomesKnownIsNoLongerUnknown(t *testing.T) {
	b := open(t)
	b.posts(allocate(line(2, stated(eur, "5"))), `
		unmeasured 2 EUR/2@tracker -5.00
		allocated:in 2 EUR/2@tracker 5.00
		unknown committed:in 2 tracker +1`)
	b.posts(commit(line(1, stated(eur, "5"))), `
		origin 1 EUR/2@tracker -5.00
		committed:in 1 EUR/2@tracker 5.00
		unknown committed:in 2 tracker -1`)
}

// Quantities keep the category of their items; where items of one quantity differ, the line's.
func TestQuantitiesKeepTheirItemsCategory(t *testing.T) {
	other := func(category string) *eventv1.Item {
		it := item("shell", "3")
		it.Category = category
		return it
	}
	categories := func(b *books) (out []string) {
		for _, p := range b.journal.Postings {
			if p.Asset == shells {
				out = append(out, fmt.Sprintf("%s %s %s", p.Account, p.Category, text(p.Asset, p.Amount)))
			}
		}
		return out
	}
	mixed := open(t, allocate(line(2, stated(eur, "9")), item("shell", "5"), other("MIL.ARTY")))
	if got := strings.Join(categories(mixed), ", "); got != "allocated:in MIL.AMMO 8.000000, unmeasured MIL.AMMO -8.000000" {
		t.Errorf("posts %s", got)
	}
	own := open(t, allocate(line(2, stated(eur, "9")), other("MIL.ARTY")),
		&pledge.Reclassify{Meta: pledgetest.Meta(), Line: id(2), Category: "MIL.ARTY"},
		&pledge.Reclassify{Meta: pledgetest.Meta(), Line: id(2), Category: "MIL.AIRDEF"},
		draw(7, 2, eur, "9"))
	if got := strings.Join(categories(own), ", "); got != "allocated:out MIL.ARTY -3.000000, reserved:in MIL.ARTY 3.000000" {
		t.Errorf("posts %s", got)
	}
}

func TestClaims(t *testing.T) {
	claim := func(line int, amount string, same bool) *pledge.ClaimDelivery {
		return &pledge.ClaimDelivery{Meta: pledgetest.Observed(), Line: id(line), Asset: eur, Amount: pledgetest.Amount(eur, amount), SameUnits: same}
	}
	b := open(t, commit(line(1, stated(eur, "20"))), allocate(line(2, stated(eur, "4.75")), item("shell", "3")), allocate(line(3, stated(eur, "2"))))
	b.posts(claim(2, "6.48", true), `
		allocated:out 2 EUR/2@tracker -4.75
		allocated:out 2 each/6:shell -3.000000
		difference 2 EUR/2@tracker -1.73
		claimed:in 2 EUR/2@tracker 6.48
		claimed:in 2 each/6:shell 3.000000`)
	fewer := open(t, commit(line(1, stated(eur, "20"))), allocate(line(2, stated(eur, "4.75")), item("shell", "3")))
	fewer.posts(claim(2, "4.00", true), `
		allocated:out 2 EUR/2@tracker -4.75
		allocated:out 2 each/6:shell -3.000000
		difference 2 EUR/2@tracker 0.75
		claimed:in 2 EUR/2@tracker 4.00
		claimed:in 2 each/6:shell 3.000000`)
	b.posts(claim(3, "2.50", false), `
		allocated:out 3 EUR/2@tracker -2.00
		over:handed_over 3 EUR/2@tracker -0.50
		claimed:in 3 EUR/2@tracker 2.50`)
	b.posts(claim(1, "7", false), `
		unmeasured 1 EUR/2@tracker -7.00
		claimed:in 1 EUR/2@tracker 7.00`)
}

func TestARestWithoutAPlaceStopsTheFold(t *testing.T) {
	l := line(2, stated(eur, "5"))
	e := &eventv1.PledgeAllocated{Line: l, Splits: []*eventv1.Split{{Asset: eur, Rest: pledgetest.Amount(eur, "5").Proto(), RestTo: 9}}}
	stream := given.Stream("pledge")
	if err := posting.NewRegister().Fold(stream, given.Fact(stream, 0, e), &posting.Journal{}); err == nil || !strings.Contains(err.Error(), eur) {
		t.Errorf("folded with %v", err)
	}
}
