package pledge_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	eventv2 "github.com/allied-ledger/allied/proto/gen/allied/event/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/testing/protocmp"
)

const eur = pledgetest.EUR

const usd = "USD/2@donor_stated"

var (
	line     = pledgetest.Line
	stated   = pledgetest.Stated
	missing  = pledgetest.Missing
	commit   = pledgetest.Commit
	allocate = pledgetest.Allocate
	item     = pledgetest.Item
	drawOn   = pledgetest.Draw
	id       = pledgetest.ID

	undisclosed = eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED
	withheld    = eventv1.ValueStatus_VALUE_STATUS_WITHHELD
	committed   = eventv1.Stage_STAGE_COMMITTED
	allocated   = eventv1.Stage_STAGE_ALLOCATED
	reserved    = eventv1.Stage_STAGE_RESERVED
)

// after is the case after commands, each of which must be accepted.
func after(t *testing.T, cmds ...pledge.Command) *given.Case[*pledge.State, pledge.Command] {
	t.Helper()
	c := given.History(pledge.Decider)
	for i, cmd := range cmds {
		a := c.When(cmd)
		if a.Err != nil {
			t.Fatalf("command %d, %T, of the history is refused: %v", i, cmd, a.Err)
		}
		c = a.Then(t, a.Events...)
	}
	return c
}

func relief(n int, stage eventv1.Stage, asset, text string) *eventv1.Relief {
	u := id(n)
	return &eventv1.Relief{Line: u[:], Stage: stage, Amount: pledgetest.Amount(asset, text).Proto()}
}

func split(asset string, reliefs ...*eventv1.Relief) *eventv1.Split {
	return &eventv1.Split{Asset: asset, Reliefs: reliefs}
}

func rest(s *eventv1.Split, to eventv1.RestTo, text string) *eventv1.Split {
	s.Rest, s.RestTo = pledgetest.Amount(s.Asset, text).Proto(), to
	return s
}

func wantStanding(t *testing.T, c *given.Case[*pledge.State, pledge.Command], n int, stage eventv1.Stage, asset, want string) {
	t.Helper()
	if got := c.State().Line(id(n)).Standing(stage, asset); got != pledgetest.Amount(asset, want) {
		t.Errorf("line %d at %s in %s: %s stands, not %s", n, stage, asset, got.Text(2), want)
	}
}

func TestCommitOpensAPledgeFromOrigin(t *testing.T) {
	l := line(1, stated(eur, "625"))
	after(t).When(commit(l)).Then(t, &eventv1.PledgeCommitted{Commitments: []*eventv1.Commitment{{
		Line: l, Firmness: eventv1.Firmness_FIRMNESS_FIRM, Splits: []*eventv1.Split{rest(split(eur), eventv1.RestTo_REST_TO_ORIGIN, "625")},
	}}})
}

func TestCommitRelievesAnnouncementsOldestFirst(t *testing.T) {
	l := line(3, stated(eur, "150"))
	c := after(t, pledgetest.Announce(line(1, stated(eur, "100")), line(2, stated(eur, "100")))).When(commit(l)).Then(t,
		&eventv1.PledgeCommitted{Commitments: []*eventv1.Commitment{{
			Line: l, Firmness: eventv1.Firmness_FIRMNESS_FIRM,
			Splits: []*eventv1.Split{split(eur, relief(1, eventv1.Stage_STAGE_ANNOUNCED, eur, "100"), relief(2, eventv1.Stage_STAGE_ANNOUNCED, eur, "50"))},
		}}})
	wantStanding(t, c, 2, eventv1.Stage_STAGE_ANNOUNCED, eur, "50")
}

func TestTwoCommitmentsOfOneCommandDoNotRelieveTheSameTwice(t *testing.T) {
	c := after(t, pledgetest.Announce(line(1, stated(eur, "100"))), commit(line(2, stated(eur, "80")), line(3, stated(eur, "80"))))
	wantStanding(t, c, 1, eventv1.Stage_STAGE_ANNOUNCED, eur, "0")
	wantStanding(t, c, 3, committed, eur, "80")
}

// Worked in domain.md: 625 committed, 200 + 250 + 75 allocated.
func TestAllocationsDrawDownTheCommitment(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "625"))), allocate(line(2, stated(eur, "200"))), allocate(line(3, stated(eur, "250"))), allocate(line(4, stated(eur, "75"))))
	wantStanding(t, c, 1, committed, eur, "100")
	wantStanding(t, c, 3, allocated, eur, "250")
}

// Worked in domain.md: 300 + 250 + 125 of 625: the last posts 75 and over:allocated 50.
func TestAPersonExceedsTheCapOnlyByOverride(t *testing.T) {
	history := []pledge.Command{commit(line(1, stated(eur, "625"))), allocate(line(2, stated(eur, "300"))), allocate(line(3, stated(eur, "250")))}
	want := func(l *eventv1.Line) *eventv1.PledgeAllocated {
		return &eventv1.PledgeAllocated{Line: l, Splits: []*eventv1.Split{rest(split(eur, relief(1, committed, eur, "75")), eventv1.RestTo_REST_TO_OVER, "50")}}
	}
	r := after(t, history...).When(allocate(line(4, stated(eur, "125")))).ThenRefused(t, "exceeds_committed")
	if want := "125.00 of EUR/2@tracker asked, 75.00 committed and not yet allocated"; r.Reason != want {
		t.Errorf("reason %q, not %q", r.Reason, want)
	}
	for _, meta := range []pledge.Meta{pledgetest.Observed(), pledgetest.Overridden()} {
		cmd := allocate(line(4, stated(eur, "125")))
		cmd.Meta = meta
		after(t, history...).When(cmd).Then(t, want(cmd.Line))
	}
}

func TestALaterCommitmentCoversAnExcess(t *testing.T) {
	over := allocate(line(2, stated(eur, "80")))
	over.Meta = pledgetest.Observed()
	l := line(3, stated(eur, "50"))
	c := after(t, commit(line(1, stated(eur, "50"))), over).When(commit(l)).Then(t, &eventv1.PledgeCommitted{Commitments: []*eventv1.Commitment{{
		Line: l, Firmness: eventv1.Firmness_FIRMNESS_FIRM,
		Splits: []*eventv1.Split{rest(split(eur), eventv1.RestTo_REST_TO_ORIGIN, "50")},
		Covers: []*eventv1.Split{split(eur, relief(2, allocated, eur, "30"))},
	}}})
	wantStanding(t, c, 3, committed, eur, "20")
	if got := c.State().Line(id(2)).Balances[0].Over; !got.IsZero() {
		t.Errorf("%s still stands over the cap", got.Text(2))
	}
}

func TestACommitmentCoversTheOldestExcessFirst(t *testing.T) {
	over := func(n int) *pledge.Allocate {
		a := allocate(line(n, stated(eur, "30")))
		a.Meta = pledgetest.Observed()
		return a
	}
	c := after(t, commit(line(1, stated(eur, "0"))), over(2), over(3), commit(line(4, stated(eur, "40"))))
	wantStanding(t, c, 4, committed, eur, "0")
	for n, want := range map[int]string{2: "0", 3: "20"} {
		if got := c.State().Line(id(n)).Balances[0].Over; got != pledgetest.Amount(eur, want) {
			t.Errorf("allocation %d: %s stands over the cap, not %s", n, got.Text(2), want)
		}
	}
}

func TestNoCapIsKnownWhereACommitmentIsOpaqueOrInAnotherAsset(t *testing.T) {
	for name, first := range map[string]*pledge.Commit{
		"undisclosed":   commit(line(1, missing("tracker", undisclosed))),
		"withheld":      commit(line(1, missing("tracker", withheld))),
		"one of two":    commit(line(1, stated(eur, "10")), line(5, missing("tracker", undisclosed))),
		"another asset": commit(line(1, stated(usd, "10"))),
	} {
		t.Run(name, func(t *testing.T) {
			a := after(t, first).When(allocate(line(2, stated(eur, "40"))))
			if a.Err != nil {
				t.Fatalf("nothing is refused where the cap is unknown: %v", a.Err)
			}
			s := a.Events[0].(*eventv1.PledgeAllocated).Splits[0]
			if s.RestTo != eventv1.RestTo_REST_TO_UNMEASURED {
				t.Errorf("the rest goes to %s", s.RestTo)
			}
		})
	}
}

// Worked in domain.md: 14 pieces without value are counted as themselves.
func TestWithoutValueEachQuantityControls(t *testing.T) {
	const guns, shells = "each/6:gun", "each/6:shell"
	c := after(t, allocate(line(1, missing("tracker", undisclosed)), item("gun", "14"), item("shell", "100"), item("shell", "50")))
	if got, want := c.State().Line(id(1)).Controls, []string{guns, shells}; !reflect.DeepEqual(got, want) {
		t.Fatalf("controls %q, not %q", got, want)
	}
	wantStanding(t, c, 1, allocated, shells, "150")
	c = c.When(drawOn(7, 1, guns, "4")).ThenRecord(t, &eventv1.DrawReserved{})
	wantStanding(t, c, 1, allocated, guns, "10")
	wantStanding(t, c, 1, allocated, shells, "150")
}

func TestWithNeitherValueNorQuantityADrawHasNoAmount(t *testing.T) {
	c := after(t, allocate(line(1, missing("tracker", undisclosed))))
	empty := drawOn(7, 1, eur, "1")
	c.When(empty).ThenRefused(t, "no_control")
	empty.Asset, empty.Amount = "", money.Amount{}
	c.When(empty).ThenRecord(t, &eventv1.DrawReserved{}).When(&pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: id(7)}).ThenRecord(t, &eventv1.DrawReleased{})
}

func TestDrawsReserveReleaseAndSettle(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "100"))), allocate(line(2, stated(eur, "100"))), drawOn(7, 2, eur, "60"))
	wantStanding(t, c, 2, allocated, eur, "40")
	wantStanding(t, c, 2, reserved, eur, "60")
	c.When(drawOn(8, 2, eur, "41")).ThenRefused(t, "exceeds_allocated")
	c.When(drawOn(7, 2, eur, "1")).ThenRefused(t, "draw_exists")
	c.When(drawOn(9, 1, eur, "1")).ThenRefused(t, "not_allocated")
	c.When(drawOn(9, 2, usd, "1")).ThenRefused(t, "not_control_asset")
	c.When(drawOn(9, 2, eur, "0")).ThenRefused(t, "bad_amount")
	c.When(drawOn(9, 3, eur, "1")).ThenRefused(t, "no_such_line")

	release := &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: id(7)}
	c = c.When(release).ThenRecord(t, &eventv1.DrawReleased{})
	wantStanding(t, c, 2, allocated, eur, "100")
	wantStanding(t, c, 2, reserved, eur, "0")
	c.When(release).ThenRefused(t, "draw_ended")
	c.When(drawOn(7, 2, eur, "1")).ThenRefused(t, "draw_exists")
	c.When(&pledge.SettleDraw{Meta: pledgetest.Meta(), Draw: id(99)}).ThenRefused(t, "no_such_draw")
}

func TestADrawOverTheAllocationIsGivenBackWhole(t *testing.T) {
	over := drawOn(7, 2, eur, "130")
	over.Meta = pledgetest.Overridden()
	c := after(t, commit(line(1, stated(eur, "100"))), allocate(line(2, stated(eur, "100"))), over)
	if d := c.State().Draw(id(7)); d.Over != pledgetest.Amount(eur, "30") {
		t.Errorf("over %s, not 30", d.Over.Text(2))
	}
	c = c.When(&pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: id(7)}).ThenRecord(t, &eventv1.DrawReleased{})
	wantStanding(t, c, 2, allocated, eur, "100")
}

func TestOnlyUnreservedAmountsAreReducedCommittedFirst(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "100"))), allocate(line(2, stated(eur, "70"))), drawOn(7, 2, eur, "50"))
	reduce := func(text string) *pledge.Reduce {
		return &pledge.Reduce{Meta: pledgetest.Meta(), Asset: eur, Amount: pledgetest.Amount(eur, text)}
	}
	c.When(reduce("51")).ThenRefused(t, "exceeds_unreserved")
	c.When(reduce("40")).Then(t, &eventv2.PledgeReduced{Split: split(eur, relief(1, committed, eur, "30"), relief(2, allocated, eur, "10"))})
	c.When(&pledge.CancelRemainder{Meta: pledgetest.Meta()}).Then(t, &eventv1.RemainderCancelled{Splits: []*eventv1.Split{split(eur, relief(2, allocated, eur, "10"))}}).
		When(&pledge.CancelRemainder{Meta: pledgetest.Meta()}).ThenRefused(t, "nothing_to_cancel")
}

func TestAPledgeIsFulfilledWhenItsControlIsUsedUp(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "100"))), allocate(line(2, stated(eur, "100"))))
	fulfil := &pledge.Fulfil{Meta: pledgetest.Meta()}
	c.When(fulfil).ThenRefused(t, "not_used_up")
	c = c.When(drawOn(7, 2, eur, "100")).ThenRecord(t, &eventv1.DrawReserved{})
	c.When(fulfil).ThenRefused(t, "draw_open")
	c = c.When(&pledge.SettleDraw{Meta: pledgetest.Meta(), Draw: id(7)}).ThenRecord(t, &eventv1.DrawSettled{}).
		When(fulfil).Then(t, &eventv1.PledgeFulfilled{})
	c.When(commit(line(3, stated(eur, "1")))).ThenRefused(t, "pledge_closed")
	late := commit(line(3, stated(eur, "1")))
	late.Meta = pledgetest.Observed()
	c.When(late).ThenRecord(t, &eventv1.PledgeCommitted{})
}

func TestALapseTakesWhatIsUnreservedAndLetsDrawsEnd(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "100"))), allocate(line(2, stated(eur, "70"))), drawOn(7, 2, eur, "50")).
		When(&pledge.Lapse{Meta: pledgetest.Meta()}).
		Then(t, &eventv1.PledgeLapsed{Splits: []*eventv1.Split{split(eur, relief(1, committed, eur, "30"), relief(2, allocated, eur, "20"))}})
	c.When(&pledge.SettleDraw{Meta: pledgetest.Meta(), Draw: id(7)}).ThenRecord(t, &eventv1.DrawSettled{})
}

func TestContingentSupportIsActivatedByTheThreatLevel(t *testing.T) {
	over := allocate(line(5, stated(eur, "30")))
	over.Meta = pledgetest.Observed()
	c := after(t, commit(line(4, stated(eur, "10"))), over, pledgetest.Contingent(20, 3, line(1, stated(eur, "500"))))
	activate := func(level uint32) *pledge.ActivateTranche {
		return &pledge.ActivateTranche{Meta: pledgetest.Meta(), Tranche: id(20), ThreatLevel: level, Firmness: eventv1.Firmness_FIRMNESS_STATED}
	}
	c.When(activate(2)).ThenRefused(t, "threat_level_too_low")
	tranche, l := id(20), id(1)
	c = c.When(activate(4)).Then(t, &eventv1.TrancheActivated{
		Tranche: tranche[:], ThreatLevel: 4, Firmness: eventv1.Firmness_FIRMNESS_STATED, Line: l[:],
		Splits: []*eventv1.Split{split(eur, relief(1, eventv1.Stage_STAGE_CONTINGENT, eur, "500"))},
		Covers: []*eventv1.Split{split(eur, relief(5, allocated, eur, "20"))},
	})
	wantStanding(t, c, 1, committed, eur, "480")
	c.When(activate(4)).ThenRefused(t, "tranche_ended")
	c.When(&pledge.ExpireTranche{Meta: pledgetest.Meta(), Tranche: id(20)}).ThenRefused(t, "tranche_ended")
}

func TestContingentSupportExpires(t *testing.T) {
	c := after(t, pledgetest.Contingent(20, 3, line(1, stated(eur, "500"))))
	tranche, l := id(20), id(1)
	c = c.When(&pledge.ExpireTranche{Meta: pledgetest.Meta(), Tranche: id(20)}).Then(t, &eventv1.TrancheExpired{
		Tranche: tranche[:], Line: l[:], Splits: []*eventv1.Split{split(eur, relief(1, eventv1.Stage_STAGE_CONTINGENT, eur, "500"))},
	})
	wantStanding(t, c, 1, eventv1.Stage_STAGE_CONTINGENT, eur, "0")
}

func TestDuePartsOfALineAddUpToTheLine(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "100"))), pledgetest.Due(20, 1, eur, "60"))
	c.When(pledgetest.Due(21, 1, eur, "41")).ThenRefused(t, "exceeds_line")
	c.When(pledgetest.Due(20, 1, eur, "1")).ThenRefused(t, "tranche_exists")
	c.When(&pledge.ActivateTranche{Meta: pledgetest.Meta(), Tranche: id(20), ThreatLevel: 9, Firmness: eventv1.Firmness_FIRMNESS_FIRM}).ThenRefused(t, "not_contingent")
	c = c.When(&pledge.ExpireTranche{Meta: pledgetest.Meta(), Tranche: id(20)}).ThenRecord(t, &eventv1.TrancheExpired{})
	c.When(pledgetest.Due(21, 1, eur, "100")).ThenRecord(t, &eventv1.TrancheScheduled{})
}

func TestAReschedulKeepsTheOriginalDueDate(t *testing.T) {
	due := pledgetest.Due(20, 1, eur, "60")
	later := pledgetest.Meta().Effective
	later.EarliestDay, later.LatestDay = later.EarliestDay+30, later.LatestDay+30
	reschedule := &pledge.RescheduleTranche{Meta: pledgetest.Meta(), Tranche: id(20), Due: later}
	u := id(20)
	want := &eventv1.TrancheRescheduled{Tranche: u[:], Due: later, OriginalDue: due.Due}
	after(t, commit(line(1, stated(eur, "100"))), due).When(reschedule).Then(t, want).When(reschedule).Then(t, want)
}

func TestARevaluationKeepsControlAboveZero(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "100"))))
	revalue := func(asset, text string) *pledge.Revalue {
		return &pledge.Revalue{Meta: pledgetest.Meta(), Line: id(1), Stage: committed, Asset: asset, Delta: pledgetest.Amount(asset, text)}
	}
	c.When(revalue(eur, "-100.01")).ThenRefused(t, "below_zero")
	c.When(revalue(eur, "0")).ThenRefused(t, "bad_amount")
	c.When(revalue("each/6:tank", "1")).ThenRefused(t, "bad_asset")
	c = c.When(revalue(eur, "-40")).ThenRecord(t, &eventv1.LineRevalued{})
	wantStanding(t, c, 1, committed, eur, "60")
	c.When(revalue(usd, "-5")).ThenRecord(t, &eventv1.LineRevalued{})
}

func TestAFirstValueMakesTheCapKnown(t *testing.T) {
	value := &pledge.Revalue{Meta: pledgetest.Meta(), Line: id(1), Stage: committed, Asset: eur, Delta: pledgetest.Amount(eur, "100")}
	c := after(t, commit(line(1, missing("tracker", undisclosed))), value)
	c.When(allocate(line(2, stated(eur, "101")))).ThenRefused(t, "exceeds_committed")
	if got := c.State().Line(id(1)); len(got.Undisclosed) > 0 {
		t.Errorf("the line is still undisclosed: %+v", got)
	}
}

func TestReclassifyChangesCategoryOrInstrument(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "100"))))
	u := id(1)
	c.When(&pledge.Reclassify{Meta: pledgetest.Meta(), Line: id(1), Category: "MIL.ARTY"}).Then(t, &eventv1.LineReclassified{
		Line: u[:], FromCategory: "MIL.AMMO", ToCategory: "MIL.ARTY",
		FromInstrument: eventv1.Instrument_INSTRUMENT_IN_KIND, ToInstrument: eventv1.Instrument_INSTRUMENT_IN_KIND,
	}).When(&pledge.Reclassify{Meta: pledgetest.Meta(), Line: id(1), Category: "MIL.ARTY"}).ThenRefused(t, "nothing_to_reclassify")
	c.When(&pledge.Reclassify{Meta: pledgetest.Meta(), Line: id(1), Category: "MIL.ARTILERY"}).ThenRefused(t, "unknown_category")
}

func TestPledgesAreLinkedOnce(t *testing.T) {
	other := "pledge-" + id(50).String()
	link := func(to string) *pledge.LinkTo {
		return &pledge.LinkTo{Meta: pledgetest.Meta(), Link: eventv1.Link_LINK_FUNDS, Pledge: to}
	}
	c := after(t, commit(line(1, stated(eur, "100"))))
	c.When(link(c.State().Stream)).ThenRefused(t, "same_pledge")
	c.When(link("shipment-"+id(50).String())).ThenRefused(t, "bad_stream")
	c.When(link(other)).ThenRecord(t, &eventv1.PledgeLinked{}).When(link(other)).ThenRefused(t, "link_exists")
}

func TestWhatEveryCommandMustSay(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "100"))))
	cmd := func(change func(*pledge.Meta)) pledge.Command {
		k := commit(line(2, stated(eur, "1")))
		change(&k.Meta)
		return k
	}
	for code, change := range map[string]func(*pledge.Meta){
		"other_donor":             func(m *pledge.Meta) { m.Donor = "DEU" },
		"other_beneficiary":       func(m *pledge.Meta) { m.Beneficiary = "MDA" },
		"effective_missing":       func(m *pledge.Meta) { m.Effective = nil },
		"bad_date":                func(m *pledge.Meta) { m.Effective = &eventv1.Effective{} },
		"observed_without_source": func(m *pledge.Meta) { m.Observed = true },
		"observed_and_override":   func(m *pledge.Meta) { *m = pledgetest.Observed(); m.Override = pledgetest.Overridden().Override },
		"override_incomplete":     func(m *pledge.Meta) { m.Override = &eventv1.Override{Authority: "x"} },
	} {
		c.When(cmd(change)).ThenRefused(t, code)
	}
	fresh := given.History(pledge.Decider)
	fresh.When(cmd(func(m *pledge.Meta) { m.Donor = "" })).ThenRefused(t, "party_missing")
	fresh.When(cmd(func(m *pledge.Meta) { m.Donor = m.Beneficiary })).ThenRefused(t, "same_party")
	fresh.When(&pledge.Fulfil{Meta: pledgetest.Meta()}).ThenRefused(t, "no_such_pledge")
}

func TestWhatALineMustSay(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "100"))))
	with := func(change func(*eventv1.Line)) *pledge.Commit {
		l := line(2, stated(eur, "1"))
		change(l)
		return commit(l)
	}
	for code, change := range map[string]func(*eventv1.Line){
		"line_exists":              func(l *eventv1.Line) { u := id(1); l.Line = u[:] },
		"id_missing":               func(l *eventv1.Line) { l.Line = nil },
		"unknown_category":         func(l *eventv1.Line) { l.Category = "MIL.AMO" },
		"instrument_missing":       func(l *eventv1.Line) { l.Instrument = 0 },
		"value_missing":            func(l *eventv1.Line) { l.Values, l.ControlAsset = nil, "" },
		"status_missing":           func(l *eventv1.Line) { l.Values[0].Status = 0 },
		"bad_asset":                func(l *eventv1.Line) { l.Values[0].Asset = "EURO" },
		"basis_differs":            func(l *eventv1.Line) { l.Values[0].Basis = "net_book" },
		"bad_amount":               func(l *eventv1.Line) { l.Values[0].Amount = money.New(-1).Proto() },
		"value_twice":              func(l *eventv1.Line) { l.Values = append(l.Values, stated(eur, "2")) },
		"unknown_basis":            func(l *eventv1.Line) { l.Values = append(l.Values, missing("traker", undisclosed)) },
		"missing_with_amount":      func(l *eventv1.Line) { l.Values[0].Status = undisclosed },
		"control_asset_missing":    func(l *eventv1.Line) { l.Values, l.ControlAsset = append(l.Values, stated(usd, "2")), "" },
		"control_asset_not_stated": func(l *eventv1.Line) { l.ControlAsset = usd },
	} {
		t.Run(code, func(t *testing.T) { c.When(with(change)).ThenRefused(t, code) })
	}
	c.When(commit()).ThenRefused(t, "bad_count")
	c.When(commit(line(2, stated(eur, "1")), line(2, stated(eur, "1")))).ThenRefused(t, "line_exists")
	c.When(allocate(line(2, stated(eur, "1")), &eventv1.Item{Category: "MIL.AMMO"})).ThenRefused(t, "name_missing")
	c.When(commit(line(2, stated(eur, "1"), missing("tracker", undisclosed)))).ThenRefused(t, "value_twice")
}

func TestAStateSurvivesItsSerialisation(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "100"), stated(usd, "110"))), allocate(line(2, stated(eur, "70")), item("gun", "2.5")),
		drawOn(7, 2, eur, "50"), pledgetest.Due(20, 1, eur, "60"), pledgetest.Contingent(21, 1, line(3, missing("tracker", undisclosed))))
	data, err := json.Marshal(c.State())
	if err != nil {
		t.Fatal(err)
	}
	var got pledge.State
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.State(), &got, protocmp.Transform(), cmpopts.IgnoreUnexported(pledge.State{}), cmp.Comparer(func(a, b money.Amount) bool { return a == b })); diff != "" {
		t.Errorf("read back differently (-was +is):\n%s", diff)
	}
	if got.Draw(id(7)) == nil || got.Tranche(id(21)) == nil || got.Line(id(2)).Standing(allocated, eur) != pledgetest.Amount(eur, "20") {
		t.Error("what stood is not found after reading back")
	}
	if err := json.Unmarshal([]byte(`{"Schema": 99}`), &got); err == nil {
		t.Error("another schema version is accepted")
	}
}

var _ es.Event = (*eventv1.PledgeAllocated)(nil)

// No fact states so much that a view could meet a sum which it cannot hold.
func TestAnAmountBeyondAllMeasureIsRefused(t *testing.T) {
	most := "100000000000000000000000000.00" // 10^28 cents
	beyond := "100000000000000000000000000.01"
	after(t, commit(line(1, stated(eur, most)), line(2, stated(usd, most))))
	c := after(t, commit(line(1, stated(eur, "100"))), allocate(line(2, stated(eur, "100")), pledgetest.Item("shell", "1")))
	c.When(commit(line(3, stated(eur, beyond)))).ThenRefused(t, "bad_amount")
	c.When(allocate(line(3, missing("tracker", undisclosed)), pledgetest.Item("shell", "10000000000000000000000.000001"))).ThenRefused(t, "bad_amount")
	c.When(&pledge.Revalue{Meta: pledgetest.Meta(), Line: id(1), Stage: committed, Asset: usd, Delta: pledgetest.Amount(usd, beyond)}).ThenRefused(t, "bad_amount")
	d := drawOn(7, 2, eur, "1")
	d.Stated = []*eventv1.AssetAmount{{Asset: usd, Amount: pledgetest.Amount(usd, beyond).Proto()}}
	c.When(d).ThenRefused(t, "bad_amount")
}

func TestACurrencyHasOneScale(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "625"))))
	r := c.When(allocate(line(2, stated("EUR/3@tracker", "99999")))).ThenRefused(t, "other_scale")
	if !strings.Contains(r.Remedy, eur) {
		t.Errorf("the remedy %q does not name %s", r.Remedy, eur)
	}
	c.When(commit(line(3, stated("JPY/2@tracker", "1")))).ThenRefused(t, "other_scale")
}

// A commitment that is undisclosed on a basis makes the cap on it unknown, also where another basis is stated.
func TestOneUndisclosedCommitmentMakesTheCapUnknown(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "100")), line(2, stated(usd, "50"), missing("tracker", undisclosed))))
	a := c.When(allocate(line(3, stated(eur, "150"))))
	a.ThenRecord(t, &eventv1.PledgeAllocated{})
	if got := a.Events[0].(*eventv1.PledgeAllocated).Splits[0]; got.RestTo != eventv1.RestTo_REST_TO_UNMEASURED {
		t.Errorf("the rest goes to %s", got.RestTo)
	}
	pieces := line(1, stated("each/6:shell", "10"), missing("tracker", undisclosed))
	pieces.ControlAsset = ""
	c = after(t, commit(pieces), &pledge.Revalue{Meta: pledgetest.Meta(), Line: id(1), Stage: committed, Asset: eur, Delta: pledgetest.Amount(eur, "100")})
	more := line(2, missing("tracker", undisclosed))
	c.When(allocate(more, pledgetest.Item("shell", "20"))).ThenRefused(t, "exceeds_committed")
}

func TestACapIsNotPassedByInAnotherAsset(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "100"), stated(usd, "110"))))
	other := line(2, stated(usd, "500"), stated(eur, "450"))
	r := c.When(allocate(other)).ThenRefused(t, "control_asset_differs")
	if !strings.Contains(r.Remedy, eur) {
		t.Errorf("the remedy %q does not name %s", r.Remedy, eur)
	}
	found := allocate(other)
	found.Meta = pledgetest.Observed()
	c.When(found).ThenRecord(t, &eventv1.PledgeAllocated{})
}

// What no commitment gave uses the cap up all the same.
func TestWhatCameInPastTheCapUsesItUp(t *testing.T) {
	lift := func(amount string) *pledge.Revalue {
		return &pledge.Revalue{Meta: pledgetest.Meta(), Line: id(2), Stage: allocated, Asset: eur, Delta: pledgetest.Amount(eur, amount)}
	}
	first := after(t, commit(line(1, stated(eur, "100"))), allocate(line(2, missing("tracker", undisclosed))))
	first.When(lift("500")).ThenRefused(t, "exceeds_committed")
	first.When(lift("60")).ThenRecord(t, &eventv1.LineRevalued{}).When(allocate(line(3, stated(eur, "41")))).ThenRefused(t, "exceeds_committed")

	early := after(t, allocate(line(2, stated(eur, "5"))), commit(line(1, stated(eur, "5"))))
	early.When(allocate(line(3, stated(eur, "5")))).ThenRefused(t, "exceeds_committed")

	lowered := after(t, commit(line(1, stated(eur, "100"))), allocate(line(2, stated(eur, "100"))), lift("-40"))
	lowered.When(allocate(line(3, stated(eur, "40")))).ThenRefused(t, "exceeds_committed")
}

func TestALineSaysWhyItHasNoValue(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "100"))))
	c.When(allocate(line(2), pledgetest.Item("shell", "14"))).ThenRefused(t, "value_missing")
	silent := pledgetest.Item("shell", "14")
	silent.QuantityStatus, silent.QuantityAsset, silent.Quantity = 0, "", nil
	c.When(allocate(line(2, stated(eur, "1")), silent)).ThenRefused(t, "status_missing")
}

func TestAnAllocationOfAPledgeThatIsNotThereIsRefused(t *testing.T) {
	mistyped := allocate(line(1, stated(eur, "88888")))
	mistyped.Named = true
	given.History(pledge.Decider).When(mistyped).ThenRefused(t, "no_such_pledge")
	mistyped.Observed, mistyped.Sourced = true, true
	given.History(pledge.Decider).When(mistyped).ThenRecord(t, &eventv1.PledgeAllocated{})
}

// A pledge that has ended keeps nothing that nobody can end.
func TestWhatStandsOnAClosedPledgeCanEnd(t *testing.T) {
	c := after(t, commit(line(1, stated(eur, "100"))), allocate(line(2, stated(eur, "100"))), drawOn(7, 2, eur, "60"), &pledge.Lapse{Meta: pledgetest.Meta()})
	c = c.When(&pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: id(7)}).ThenRecord(t, &eventv1.DrawReleased{})
	c = c.When(&pledge.CancelRemainder{Meta: pledgetest.Meta()}).ThenRecord(t, &eventv1.RemainderCancelled{})
	wantStanding(t, c, 2, allocated, eur, "0")
	c.When(&pledge.Lapse{Meta: pledgetest.Observed()}).ThenRefused(t, "pledge_closed")

	waiting := after(t, pledgetest.Contingent(8, 3, line(1, stated(eur, "500"))))
	waiting.When(&pledge.Lapse{Meta: pledgetest.Meta()}).ThenRefused(t, "tranche_open")
	waiting.When(&pledge.Fulfil{Meta: pledgetest.Meta()}).ThenRefused(t, "tranche_open")
}

func TestADrawIsReleasedInPart(t *testing.T) {
	over := drawOn(7, 2, eur, "70")
	over.Meta = pledgetest.Overridden()
	c := after(t, commit(line(1, stated(eur, "60"))), allocate(line(2, stated(eur, "60"))), over)
	part := func(amount string) *pledge.ReleaseDraw {
		return &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: id(7), Asset: eur, Amount: pledgetest.Amount(eur, amount)}
	}
	c.When(part("70.01")).ThenRefused(t, "exceeds_reserved")
	c = c.When(part("25")).ThenRecord(t, &eventv1.DrawReleased{}) // the 10 over the allocation first
	wantStanding(t, c, 2, allocated, eur, "15")
	if d := c.State().Draw(id(7)); d.Status != pledge.Reserved || !d.Over.IsZero() {
		t.Errorf("the draw is %+v", d)
	}
	c = c.When(&pledge.SettleDraw{Meta: pledgetest.Meta(), Draw: id(7)}).ThenRecord(t, &eventv1.DrawSettled{})
	c.When(&pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: id(7)}).ThenRefused(t, "draw_ended")
	c = c.When(part("45")).ThenRecord(t, &eventv1.DrawReleased{}) // what is returned of a settled draw
	wantStanding(t, c, 2, allocated, eur, "60")
	c.When(part("1")).ThenRefused(t, "draw_ended")
}

func TestADeliveryIsClaimed(t *testing.T) {
	claim := func(line int, amount string, change ...func(*pledge.ClaimDelivery)) *pledge.ClaimDelivery {
		c := &pledge.ClaimDelivery{Meta: pledgetest.Meta(), Line: id(line), Asset: eur, Amount: pledgetest.Amount(eur, amount)}
		for _, f := range change {
			f(c)
		}
		return c
	}
	c := after(t, commit(line(1, stated(eur, "10"))), allocate(line(2, stated(eur, "4.75"))))
	rest := func(a given.Answered[*pledge.State, pledge.Command], want eventv1.RestTo, amount string) {
		t.Helper()
		a.ThenRecord(t, &eventv1.DeliveryClaimed{})
		s := a.Events[0].(*eventv1.DeliveryClaimed).Split
		if s.RestTo != want || s.Rest.GetLo() != pledgetest.Amount(eur, amount).Proto().Lo {
			t.Errorf("the split is %v, want %s to %s", s, amount, want)
		}
	}
	c.When(claim(2, "6.48")).ThenRefused(t, "exceeds_allocated")
	rest(after(t, commit(line(1, stated(eur, "10"))), allocate(line(2, stated(eur, "4.75")))).
		When(claim(2, "6.48", func(c *pledge.ClaimDelivery) { c.SameUnits = true })), eventv1.RestTo_REST_TO_DIFFERENCE, "1.73")
	rest(after(t, commit(line(1, stated(eur, "10"))), allocate(line(2, stated(eur, "4.75")))).
		When(claim(2, "6.48", func(c *pledge.ClaimDelivery) { c.Meta = pledgetest.Observed() })), eventv1.RestTo_REST_TO_OVER, "1.73")
	rest(c.When(claim(1, "3")), eventv1.RestTo_REST_TO_UNMEASURED, "3") // on a commitment, of which allocation nobody knows
	c.When(claim(9, "3")).ThenRefused(t, "no_such_line")
}
