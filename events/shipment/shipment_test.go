package shipment_test

import (
	"encoding/json"
	"testing"

	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/shipment"
	kit "github.com/allied-ledger/allied/events/shipment/shipmenttest"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/testing/protocmp"
)

const (
	shells = "each/6:shell"
	eur    = pledgetest.EUR
	usd    = "USD/2@donor_stated"

	reserved   = eventv1.Stage_STAGE_RESERVED
	dispatched = eventv1.Stage_STAGE_DISPATCHED
	handedOver = eventv1.Stage_STAGE_HANDED_OVER
	claimed    = eventv1.Stage_STAGE_CLAIMED
	verified   = eventv1.Stage_STAGE_VERIFIED
	missing    = eventv1.Stage_STAGE_MISSING
	lost       = eventv1.Stage_STAGE_LOST
	returned   = eventv1.Stage_STAGE_RETURNED

	short   = eventv1.Discrepancy_DISCREPANCY_SHORT
	over    = eventv1.Discrepancy_DISCREPANCY_OVER
	damaged = eventv1.Discrepancy_DISCREPANCY_DAMAGED
)

var id = pledgetest.ID

type aCase = given.Case[*shipment.State, shipment.Command]

// after is the case after commands, each of which must be accepted.
func after(t *testing.T, cmds ...shipment.Command) *aCase {
	t.Helper()
	c := given.History(shipment.Decider)
	for i, cmd := range cmds {
		a := c.When(cmd)
		if a.Err != nil {
			t.Fatalf("command %d, %T, of the history is refused: %v", i, cmd, a.Err)
		}
		c = a.Then(t, a.Events...)
	}
	return c
}

// ten is a plan of ten shells, draw 7 on allocation 2.
func ten() *shipment.Plan { return kit.Plan(kit.Line(7, 2, shells, "10")) }

// uncounted is a plan of a draw that has neither value nor quantity.
func uncounted() *shipment.Plan { return kit.Plan(kit.Line(9, 4, "", "")) }

// give is what one stage gives to a movement.
type give struct {
	stage  eventv1.Stage
	amount string
}

// moves is a movement of draw 7 in shells; one that nothing gives is only told.
func moves(amount string, gives ...give) *eventv1.Movement {
	u := id(7)
	m := &eventv1.Movement{
		Draw: u[:], Pledge: given.Stream("pledge"), Amount: pledgetest.Amount(shells, amount).Proto(), Split: &eventv1.Split{Asset: shells},
	}
	for _, g := range gives {
		m.Split.Reliefs = append(m.Split.Reliefs, &eventv1.Relief{Line: u[:], Stage: g.stage, Amount: pledgetest.Amount(shells, g.amount).Proto()})
	}
	return m
}

// used names draws of which something has moved.
func used(draws ...int) (out []*eventv1.Movement) {
	for _, d := range draws {
		u := id(d)
		out = append(out, &eventv1.Movement{Draw: u[:], Pledge: given.Stream("pledge")})
	}
	return out
}

// stands expects what of a draw reached a stage and stands there.
func stands(t *testing.T, c *aCase, draw int, stage eventv1.Stage, reached, standing string) {
	t.Helper()
	l := c.State().Line(id(draw))
	r := l.At(stage)
	if want := pledgetest.Amount(l.Asset, reached); r.Reached != want {
		t.Errorf("draw %d at %s: reached is %s, not %s", draw, stage, l.Text(r.Reached), reached)
	}
	if want := pledgetest.Amount(l.Asset, standing); r.Standing != want {
		t.Errorf("draw %d at %s: standing is %s, not %s", draw, stage, l.Text(r.Standing), standing)
	}
}

func TestAPlanCarriesItsDraws(t *testing.T) {
	l := kit.Line(7, 2, shells, "10")
	c := after(t).When(kit.Plan(l)).Then(t, &eventv1.ShipmentPlanned{Title: "ammunition by rail", Lines: []*eventv1.DrawnLine{l}})
	stands(t, c, 7, reserved, "10", "10")
	if s := c.State(); s.Phase != shipment.Open || s.Donor != given.Donor || s.Beneficiary != given.Beneficiary {
		t.Errorf("opened as %s of %s to %s", s.Phase, s.Donor, s.Beneficiary)
	}
	c = c.When(kit.Plan(kit.Line(8, 3, eur, "5"))).ThenRecord(t, &eventv1.ShipmentPlanned{})
	stands(t, c, 8, reserved, "5", "5")
}

func TestAPlanIsRefused(t *testing.T) {
	c := after(t, ten())
	c.When(kit.Plan()).ThenRefused(t, "bad_count")
	many := kit.Plan()
	for i := range 500 {
		many.Lines = append(many.Lines, kit.Plan(kit.Line(100+i, 2, shells, "1")).Lines...)
	}
	c.When(many).ThenRefused(t, "bad_count")
	for change, set := range map[string]func(*shipment.Drawn){
		"donor":       func(d *shipment.Drawn) { d.Donor = "GBR" },
		"beneficiary": func(d *shipment.Drawn) { d.Beneficiary = "MDA" },
	} {
		t.Run(change, func(t *testing.T) {
			p := kit.Plan(kit.Line(8, 2, shells, "1"))
			set(&p.Lines[0])
			c.When(p).ThenRefused(t, "other_party")
		})
	}
	mixed := kit.Plan(kit.Line(7, 2, shells, "1"), kit.Line(8, 2, shells, "1"))
	mixed.Lines[1].Donor = "GBR"
	after(t).When(mixed).ThenRefused(t, "other_party")
	c.When(ten()).ThenRefused(t, "draw_exists")
	after(t).When(kit.Plan(kit.Line(7, 2, shells, "1"), kit.Line(7, 2, shells, "1"))).ThenRefused(t, "draw_exists")
}

func TestWhatEveryCommandMustSay(t *testing.T) {
	c := after(t, ten())
	c.When(&shipment.Close{}).ThenRefused(t, "effective_missing")
	c.When(&shipment.Close{Meta: shipment.Meta{Effective: &eventv1.Effective{}}}).ThenRefused(t, "bad_date")
	for _, cmd := range []shipment.Command{
		kit.Dispatch(), &shipment.Arrive{Meta: kit.Meta(), Place: "Rzeszow"}, kit.HandOver(), kit.Verify(), kit.Short(kit.All(7)), kit.Find(), kit.Lose(),
		kit.Return(), kit.Reverse(0), kit.Revalue(7, dispatched, usd, "1"), kit.Close(),
	} {
		after(t).When(cmd).ThenRefused(t, "no_such_shipment")
	}
	closed := after(t, ten(), kit.Dispatch(), kit.HandOver(), kit.Close())
	for _, cmd := range []shipment.Command{
		kit.Plan(kit.Line(8, 2, shells, "1")), kit.Dispatch(), &shipment.Arrive{Meta: kit.Meta(), Place: "Rzeszow"}, kit.HandOver(),
		kit.Short(kit.All(7)), kit.Find(), kit.Lose(), kit.Close(),
	} {
		closed.When(cmd).ThenRefused(t, "shipment_closed")
	}
	c.When(struct{ shipment.Command }{kit.Close()}).ThenRefused(t, "unknown_command")
}

func TestADispatchRelievesWhatIsReserved(t *testing.T) {
	p := kit.Part(7, shells, "4", kit.Stated(usd, "400"))
	p.Serials = []string{"A-1", "A-2"}
	want := moves("4", give{reserved, "4"})
	want.Stated, want.Serials = p.Stated, p.Serials
	c := after(t, ten()).When(kit.Dispatch(p)).Then(t,
		&eventv1.ShipmentDispatched{Movements: []*eventv1.Movement{want}, Place: "Ramstein", ManifestHash: kit.Manifest})
	stands(t, c, 7, reserved, "10", "6")
	stands(t, c, 7, dispatched, "4", "4")
	c = c.When(kit.Dispatch()).Then(t,
		&eventv1.ShipmentDispatched{Movements: []*eventv1.Movement{moves("6", give{reserved, "6"})}, Place: "Ramstein", ManifestHash: kit.Manifest})
	stands(t, c, 7, dispatched, "10", "10")
}

func TestADispatchIsRefused(t *testing.T) {
	c := after(t, ten(), kit.Plan(kit.Line(8, 2, eur, "5"), kit.Line(9, 4, "", "")))
	badly := kit.Dispatch()
	badly.ManifestHash = "sha256:123"
	c.When(badly).ThenRefused(t, "bad_hash")
	refused := func(code string, p shipment.Part) {
		t.Helper()
		c.When(kit.Dispatch(p)).ThenRefused(t, code)
	}
	c.When(kit.Dispatch(make([]shipment.Part, 501)...)).ThenRefused(t, "bad_count")
	refused("draw_missing", shipment.Part{})
	refused("no_such_draw", kit.All(77))
	c.When(kit.Dispatch(kit.Part(7, shells, "1"), kit.All(7))).ThenRefused(t, "draw_twice")
	refused("too_many", shipment.Part{Draw: id(7), Serials: make([]string, 10_001)})
	refused("bad_asset", kit.All(7, &eventv1.AssetAmount{Asset: "shells"}))
	refused("value_twice", kit.All(7, kit.Stated(usd, "1"), kit.Stated(usd, "1")))
	refused("value_twice", kit.All(7, kit.Stated(shells, "1")))
	refused("bad_amount", kit.All(7, kit.Stated(usd, "-1")))
	refused("other_scale", kit.All(7, kit.Stated("USD/3@donor_stated", "1")))
	refused("no_control", shipment.Part{Draw: id(9), Amount: new(money.Amount)})
	refused("no_control", kit.All(9, kit.Stated(usd, "1")))
	refused("not_control_asset", kit.Part(7, usd, "1"))
	refused("bad_amount", kit.Part(7, shells, "0"))
	refused("bad_amount", kit.Part(7, shells, "-1"))
	refused("bad_amount", kit.Part(7, shells, "10000000000000000000000.000001"))
	refused("exceeds_reserved", kit.Part(7, shells, "10.000001"))
	gone := after(t, ten(), kit.Dispatch())
	gone.When(kit.Dispatch()).ThenRefused(t, "nothing_to_move")
	gone.When(kit.Dispatch(kit.All(7))).ThenRefused(t, "nothing_to_move")
}

func TestAShipmentArrivesAtAHub(t *testing.T) {
	c := after(t, ten(), kit.Dispatch())
	c.When(&shipment.Arrive{Meta: kit.Meta(), Place: "Rzeszow"}).Then(t, &eventv1.ShipmentArrived{Place: "Rzeszow"})
	c.When(&shipment.Arrive{Meta: kit.Meta()}).ThenRefused(t, "place_missing")
}

func TestAHandOverRelievesWhatIsDispatched(t *testing.T) {
	c := after(t, ten(), kit.Dispatch()).When(kit.HandOver(kit.Part(7, shells, "4"))).Then(t, &eventv1.ShipmentHandedOver{
		Movements: []*eventv1.Movement{moves("4", give{dispatched, "4"})}, Point: eventv1.DeliveryPoint_DELIVERY_POINT_BENEFICIARY,
		Evidence: eventv1.Evidence_EVIDENCE_SIGNED, Signatory: "Col. Shevchenko", Place: "Rzeszow",
	})
	stands(t, c, 7, dispatched, "10", "6")
	stands(t, c, 7, handedOver, "4", "4")
	// What nobody signed stands apart.
	c = c.When(kit.Claim()).Then(t, &eventv1.ShipmentHandedOver{
		Movements: []*eventv1.Movement{moves("6", give{dispatched, "6"})}, Point: eventv1.DeliveryPoint_DELIVERY_POINT_UNSTATED,
		Evidence: eventv1.Evidence_EVIDENCE_CLAIM,
	})
	stands(t, c, 7, handedOver, "4", "4")
	stands(t, c, 7, claimed, "6", "6")
}

func TestAHandOverIsRefused(t *testing.T) {
	c := after(t, ten(), kit.Dispatch())
	for code, change := range map[string]func(*shipment.HandOver){
		"point_missing":     func(h *shipment.HandOver) { h.Point = 0 },
		"evidence_missing":  func(h *shipment.HandOver) { h.Evidence = 0 },
		"signatory_missing": func(h *shipment.HandOver) { h.Signatory = "" },
	} {
		t.Run(code, func(t *testing.T) {
			h := kit.HandOver()
			change(h)
			c.When(h).ThenRefused(t, code)
		})
	}
	after(t, ten()).When(kit.HandOver()).ThenRefused(t, "nothing_to_move")
	after(t, ten()).When(kit.HandOver(kit.Part(7, shells, "1"))).ThenRefused(t, "not_there")
}

func TestASurplusIsRecordedAndTold(t *testing.T) {
	m := moves("12", give{dispatched, "10"})
	m.Split.Rest, m.Split.RestTo = pledgetest.Amount(shells, "2").Proto(), eventv1.RestTo_REST_TO_OVER
	c := after(t, ten(), kit.Dispatch()).When(kit.HandOver(kit.Part(7, shells, "12"))).Then(t,
		&eventv1.ShipmentHandedOver{
			Movements: []*eventv1.Movement{m}, Point: eventv1.DeliveryPoint_DELIVERY_POINT_BENEFICIARY,
			Evidence: eventv1.Evidence_EVIDENCE_SIGNED, Signatory: "Col. Shevchenko", Place: "Rzeszow",
		},
		&eventv1.ShipmentDiscrepancy{Kind: over, Movement: moves("2")})
	stands(t, c, 7, handedOver, "12", "12")
	if got := c.State().Line(id(7)).At(handedOver).Over; got != pledgetest.Amount(shells, "2") {
		t.Errorf("%s over", got.Text(6))
	}
}

func TestACompleteHandOverReportsWhatIsShort(t *testing.T) {
	c := after(t, ten(), kit.Dispatch()).When(kit.Complete(kit.Part(7, shells, "9"))).Then(t,
		&eventv1.ShipmentHandedOver{
			Movements: []*eventv1.Movement{moves("9", give{dispatched, "9"})}, Point: eventv1.DeliveryPoint_DELIVERY_POINT_BENEFICIARY,
			Evidence: eventv1.Evidence_EVIDENCE_SIGNED, Signatory: "Col. Shevchenko", Place: "Rzeszow",
		},
		&eventv1.ShipmentDiscrepancy{Kind: short, Movement: moves("1", give{dispatched, "1"})})
	stands(t, c, 7, dispatched, "10", "0")
	stands(t, c, 7, missing, "1", "1")
	after(t, ten(), kit.Dispatch()).When(kit.Complete()).ThenRecord(t, &eventv1.ShipmentHandedOver{})
}

func TestWhatIsHandedOverIsVerified(t *testing.T) {
	c := after(t, ten(), kit.Dispatch(), kit.HandOver(kit.Part(7, shells, "4")), kit.Claim()).When(kit.Verify(kit.Part(7, shells, "7"))).Then(t,
		&eventv1.ShipmentVerified{Movements: []*eventv1.Movement{moves("7", give{handedOver, "4"}, give{claimed, "3"})}, Verifier: "inspector general"})
	stands(t, c, 7, handedOver, "4", "0")
	stands(t, c, 7, claimed, "6", "3")
	stands(t, c, 7, verified, "7", "7")
	c.When(kit.Verify(kit.Part(7, shells, "4"))).ThenRefused(t, "exceeds_claimed")
	c.When(&shipment.Verify{Meta: kit.Meta()}).ThenRefused(t, "verifier_missing")
}

func TestDiscrepanciesAreReported(t *testing.T) {
	c := after(t, ten(), kit.Dispatch())
	c.When(kit.Short(kit.Part(7, shells, "11"))).ThenRefused(t, "exceeds_dispatched")
	c.When(kit.Report(over, kit.Part(7, shells, "1"))).ThenRefused(t, "hand_over_instead")
	c.When(kit.Report(0, kit.Part(7, shells, "1"))).ThenRefused(t, "kind_missing")
	c.When(kit.Report(damaged, kit.All(77))).ThenRefused(t, "no_such_draw")
	c.When(kit.Report(damaged, kit.Part(7, usd, "1"))).ThenRefused(t, "not_control_asset")
	c.When(kit.Report(damaged, kit.Part(7, shells, "0"))).ThenRefused(t, "bad_amount")
	c.When(kit.Report(damaged, kit.All(7, kit.Stated(usd, "-1")))).ThenRefused(t, "bad_amount")
	c.When(kit.Report(damaged, shipment.Part{Draw: id(7), Serials: make([]string, 10_001)})).ThenRefused(t, "too_many")
	one := pledgetest.Amount(shells, "1")
	after(t, uncounted()).When(kit.Report(damaged, shipment.Part{Amount: &one})).ThenRefused(t, "no_control")
	for _, kind := range []eventv1.Discrepancy{damaged, eventv1.Discrepancy_DISCREPANCY_UNMANIFESTED} {
		c = c.When(kit.Report(kind, kit.Part(7, shells, "3"))).Then(t, &eventv1.ShipmentDiscrepancy{Kind: kind, Movement: moves("3")})
	}
	stands(t, c, 7, dispatched, "10", "10") // told, and nothing moved
	c = c.When(kit.Short(kit.Part(7, shells, "3"))).Then(t, &eventv1.ShipmentDiscrepancy{Kind: short, Movement: moves("3", give{dispatched, "3"})})
	stands(t, c, 7, dispatched, "10", "7")
	stands(t, c, 7, missing, "3", "3")
}

func TestWhatIsMissingIsFoundOrLost(t *testing.T) {
	c := after(t, ten(), kit.Dispatch(), kit.Short(kit.Part(7, shells, "3")))
	c.When(kit.Find(kit.Part(7, shells, "4"))).ThenRefused(t, "exceeds_missing")
	c = c.When(kit.Find(kit.Part(7, shells, "2"))).Then(t, &eventv1.ShipmentFound{Movements: []*eventv1.Movement{moves("2", give{missing, "2"})}})
	stands(t, c, 7, missing, "1", "1")
	stands(t, c, 7, dispatched, "10", "9")
	c.When(kit.Lose(kit.Part(7, shells, "10.5"))).ThenRefused(t, "exceeds_dispatched")
	c = c.When(kit.Lose(kit.Part(7, shells, "4"))).Then(t,
		&eventv1.ShipmentLost{Movements: []*eventv1.Movement{moves("4", give{missing, "1"}, give{dispatched, "3"})}, Cause: "sunk"})
	stands(t, c, 7, missing, "1", "0")
	stands(t, c, 7, dispatched, "10", "6")
	stands(t, c, 7, lost, "4", "4")
	c.When(kit.Find()).ThenRefused(t, "nothing_to_move")
	after(t, ten()).When(kit.Lose(kit.All(7))).ThenRefused(t, "not_there")
}

func TestAReturnForGoodLeavesWhatWasReached(t *testing.T) {
	c := after(t, ten(), kit.Dispatch(), kit.HandOver(kit.Part(7, shells, "6"))).When(kit.Return(kit.Part(7, shells, "5"))).Then(t,
		&eventv1.ShipmentReturned{Movements: []*eventv1.Movement{moves("5", give{dispatched, "4"}, give{handedOver, "1"})}})
	stands(t, c, 7, dispatched, "10", "0")
	stands(t, c, 7, handedOver, "6", "5")
	stands(t, c, 7, returned, "5", "5")
	c.When(kit.Return(kit.Part(7, shells, "6"))).ThenRefused(t, "exceeds_claimed")
}

func TestAReturnThatReopensUndoesEveryRung(t *testing.T) {
	c := after(t, ten(), kit.Dispatch(), kit.HandOver(kit.Part(7, shells, "6"))).When(kit.Reopen(kit.Part(7, shells, "5"))).Then(t,
		&eventv1.ShipmentReturned{Reopens: true, Movements: []*eventv1.Movement{
			moves("4", give{dispatched, "4"}), moves("1", give{handedOver, "1"}, give{dispatched, "1"}),
		}})
	stands(t, c, 7, handedOver, "5", "5")
	stands(t, c, 7, dispatched, "5", "0")
	stands(t, c, 7, reserved, "5", "0") // released from the draw after it
	stands(t, c, 7, returned, "5", "0") // it passed through
}

func TestASurplusCannotReopen(t *testing.T) {
	c := after(t, ten(), kit.Dispatch(), kit.HandOver(kit.Part(7, shells, "12")))
	c.When(kit.Reopen(kit.Part(7, shells, "11"))).ThenRefused(t, "over_cannot_reopen")
	c = c.When(kit.Reopen(kit.Part(7, shells, "10"))).ThenRecord(t, &eventv1.ShipmentReturned{})
	stands(t, c, 7, reserved, "0", "0")
	stands(t, c, 7, handedOver, "2", "2")
	c.When(kit.Return()).ThenRecord(t, &eventv1.ShipmentReturned{})
}

// A draw of 100 that is worth 120 on the way still holds 100 of its allocation: no more is owed again.
func TestWhatARevaluationAddedCannotReopen(t *testing.T) {
	plan := kit.Plan(kit.Line(7, 2, eur, "100"))
	c := after(t, plan, kit.Dispatch(), kit.Revalue(7, dispatched, eur, "20"))
	c.When(kit.Reopen()).ThenRefused(t, "over_cannot_reopen")
	c = c.When(kit.Reopen(kit.Part(7, eur, "100"))).ThenRecord(t, &eventv1.ShipmentReturned{})
	stands(t, c, 7, reserved, "0", "0")
	stands(t, c, 7, dispatched, "20", "20")
	c = after(t, plan, kit.Dispatch(), kit.HandOver(), kit.Revalue(7, handedOver, eur, "20"))
	c.When(kit.Reopen()).ThenRefused(t, "over_cannot_reopen")
	// Two rungs give 70 and 50, and each of them could: together they are more than the draw.
	c = after(t, plan, kit.Dispatch(), kit.HandOver(kit.Part(7, eur, "50")), kit.Revalue(7, dispatched, eur, "20"))
	c.When(kit.Reopen()).ThenRefused(t, "over_cannot_reopen")
	c.When(kit.Reopen(kit.Part(7, eur, "100"))).ThenRecord(t, &eventv1.ShipmentReturned{})
}

func TestAReversalTakesBackWhatStillStands(t *testing.T) {
	c := after(t, ten(), kit.Dispatch(), kit.HandOver(kit.Part(7, shells, "4")))
	c.When(kit.Reverse(9)).ThenRefused(t, "nothing_to_reverse")
	c.When(kit.Reverse(0)).ThenRefused(t, "nothing_to_reverse") // a plan posts nothing
	c.When(kit.Reverse(1)).ThenRefused(t, "gone_further")
	e := kit.Event(2)
	c = c.When(kit.Reverse(2)).Then(t, &eventv1.ShipmentReversed{Event: e[:], Movements: []*eventv1.Movement{moves("4", give{dispatched, "4"})}})
	stands(t, c, 7, handedOver, "0", "0")
	stands(t, c, 7, dispatched, "10", "10")
	c.When(kit.Reverse(2)).ThenRefused(t, "nothing_to_reverse")
	c = c.When(kit.Reverse(1)).ThenRecord(t, &eventv1.ShipmentReversed{})
	stands(t, c, 7, dispatched, "0", "0")
	stands(t, c, 7, reserved, "10", "10")
}

func TestEveryMovementButOneThatIsUndoneCanBeReversed(t *testing.T) {
	for name, history := range map[string][]shipment.Command{
		"verified": {kit.HandOver(), kit.Verify()}, "short": {kit.Short(kit.Part(7, shells, "3"))}, "lost": {kit.Lose(kit.Part(7, shells, "3"))},
		"returned": {kit.Return(kit.Part(7, shells, "3"))}, "surplus": {kit.HandOver(kit.Part(7, shells, "12"))},
	} {
		t.Run(name, func(t *testing.T) {
			c := after(t, append([]shipment.Command{ten(), kit.Dispatch()}, history...)...)
			c.When(kit.Reverse(uint64(1+len(history)))).ThenRecord(t, &eventv1.ShipmentReversed{})
			l := c.State().Line(id(7))
			if sum, _ := l.Standing(dispatched).Add(l.Standing(handedOver)); sum != pledgetest.Amount(shells, "10") || !l.At(handedOver).Over.IsZero() {
				t.Errorf("%s stands again, %s over", l.Text(sum), l.Text(l.At(handedOver).Over))
			}
		})
	}
	after(t, ten(), kit.Dispatch(), kit.Short(kit.Part(7, shells, "3")), kit.Find()).When(kit.Reverse(2)).ThenRefused(t, "gone_further")
}

// What a reversal brings back under way must be able to move, so the shipment is open again.
func TestAReversalOpensAClosedShipment(t *testing.T) {
	c := after(t, ten(), kit.Dispatch(), kit.HandOver(), kit.Close()).When(kit.Reverse(2)).ThenRecord(t, &eventv1.ShipmentReversed{})
	c = c.When(kit.HandOver(kit.Part(7, shells, "9"))).ThenRecord(t, &eventv1.ShipmentHandedOver{})
	c.When(kit.Close()).ThenRefused(t, "still_under_way")
	c = c.When(kit.Lose()).ThenRecord(t, &eventv1.ShipmentLost{})
	c.When(kit.Close()).Then(t, &eventv1.ShipmentClosed{Used: used(7)})
	// A verification leads back to what is handed over: nothing is under way, and the shipment stays closed.
	c = after(t, ten(), kit.Dispatch(), kit.HandOver(), kit.Verify(), kit.Close()).When(kit.Reverse(3)).ThenRecord(t, &eventv1.ShipmentReversed{})
	c.When(kit.HandOver()).ThenRefused(t, "shipment_closed")
}

func TestARevaluationChangesValueNotUnits(t *testing.T) {
	c := after(t, kit.Plan(kit.Line(7, 2, eur, "100")), kit.Dispatch())
	c.When(kit.Revalue(7, dispatched, shells, "1")).ThenRefused(t, "bad_asset")
	c.When(&shipment.Revalue{Meta: kit.Meta(), Stage: dispatched, Asset: "euro"}).ThenRefused(t, "bad_asset")
	c.When(kit.Revalue(77, dispatched, eur, "1")).ThenRefused(t, "no_such_draw")
	c.When(kit.Revalue(7, reserved, eur, "1")).ThenRefused(t, "not_at_stage")
	c.When(kit.Revalue(7, handedOver, eur, "1")).ThenRefused(t, "not_at_stage")
	c.When(kit.Revalue(7, dispatched, eur, "0")).ThenRefused(t, "bad_amount")
	c.When(kit.Revalue(7, dispatched, "EUR/3@donor_stated", "1")).ThenRefused(t, "other_scale")
	c.When(kit.Revalue(7, dispatched, eur, "100000000000000000000000000.01")).ThenRefused(t, "bad_amount")
	c.When(kit.Revalue(7, dispatched, eur, "-101")).ThenRefused(t, "below_zero")
	c.When(kit.Revalue(7, dispatched, eur, "-100")).ThenRefused(t, "below_zero") // what stands is worth something
	u := id(7)
	revalued := func(asset, delta string) *eventv1.ShipmentRevalued {
		return &eventv1.ShipmentRevalued{
			Draw: u[:], Pledge: given.Stream("pledge"), Stage: dispatched, Asset: asset, Delta: pledgetest.Amount(asset, delta).Proto(),
		}
	}
	c = c.When(kit.Revalue(7, dispatched, eur, "-30")).Then(t, revalued(eur, "-30"))
	stands(t, c, 7, dispatched, "70", "70")
	c = c.When(kit.Revalue(7, dispatched, usd, "-500")).Then(t, revalued(usd, "-500")) // the books keep it
	stands(t, c, 7, dispatched, "70", "70")
	c = c.When(kit.HandOver()).ThenRecord(t, &eventv1.ShipmentHandedOver{})
	c.When(kit.Revalue(7, dispatched, eur, "5")).ThenRefused(t, "not_at_stage") // nothing of it stands there
	after(t, uncounted(), kit.Dispatch()).When(kit.Revalue(9, dispatched, eur, "5")).ThenRefused(t, "no_control")
}

func TestAShipmentClosesWhenNothingIsUnderWay(t *testing.T) {
	c := after(t, ten(), kit.Dispatch(kit.Part(7, shells, "6")))
	c.When(kit.Close()).ThenRefused(t, "still_under_way")
	c = c.When(kit.Complete(kit.Part(7, shells, "5"))).ThenRecord(t, &eventv1.ShipmentHandedOver{}, &eventv1.ShipmentDiscrepancy{})
	c.When(kit.Close()).ThenRefused(t, "still_under_way") // one is missing
	c = c.When(kit.Lose()).ThenRecord(t, &eventv1.ShipmentLost{})
	c = c.When(kit.Close()).Then(t, &eventv1.ShipmentClosed{Unused: []*eventv1.Movement{moves("4")}, Used: used(7)})
	stands(t, c, 7, reserved, "6", "0") // 4 are released from the draw after it
	c.When(kit.Verify()).ThenRecord(t, &eventv1.ShipmentVerified{})
}

func TestADrawThatCannotBeCountedMovesWhole(t *testing.T) {
	u := id(9)
	whole := &eventv1.Movement{Draw: u[:], Pledge: given.Stream("pledge")}
	all := []*eventv1.Movement{whole}
	c := after(t, uncounted())
	c.When(kit.HandOver(kit.All(9))).ThenRefused(t, "not_there")
	c = c.When(kit.Dispatch()).Then(t, &eventv1.ShipmentDispatched{Movements: all, Place: "Ramstein", ManifestHash: kit.Manifest})
	c.When(kit.Dispatch()).ThenRefused(t, "nothing_to_move")
	c.When(kit.Dispatch(kit.All(9))).ThenRefused(t, "moved_already")
	c = c.When(kit.Short(kit.All(9))).Then(t, &eventv1.ShipmentDiscrepancy{Kind: short, Movement: whole})
	c = c.When(kit.Find()).Then(t, &eventv1.ShipmentFound{Movements: all})
	c.When(kit.Find()).ThenRefused(t, "nothing_to_move")
	c = c.When(kit.HandOver()).ThenRecord(t, &eventv1.ShipmentHandedOver{})
	c.When(kit.Reverse(1)).ThenRefused(t, "gone_further")
	c = c.When(kit.Reverse(4)).ThenRecord(t, &eventv1.ShipmentReversed{})
	c = c.When(kit.HandOver()).ThenRecord(t, &eventv1.ShipmentHandedOver{})
	c = c.When(kit.Reopen()).Then(t, &eventv1.ShipmentReturned{Reopens: true, Movements: all})
	// The draw is released after it, so nothing of it can move and nothing of it is left to release.
	c.When(kit.Dispatch()).ThenRefused(t, "nothing_to_move")
	c.When(kit.Dispatch(kit.All(9))).ThenRefused(t, "not_there")
	c.When(kit.Close()).Then(t, &eventv1.ShipmentClosed{})
	// Not even what was missing of it.
	c = after(t, uncounted(), kit.Dispatch(), kit.Short(kit.All(9)), kit.Reopen())
	c.When(kit.Find(kit.All(9))).ThenRefused(t, "not_there")
	c.When(kit.Reverse(2)).ThenRefused(t, "gone_further")
	after(t, uncounted()).When(kit.Close()).Then(t, &eventv1.ShipmentClosed{Unused: all})
}

func TestAStateSurvivesItsSerialisation(t *testing.T) {
	c := after(t, ten(), kit.Plan(kit.Line(8, 3, eur, "5"), kit.Line(9, 4, "", "")), kit.Dispatch(), kit.HandOver(kit.Part(7, shells, "12", kit.Stated(usd, "3"))))
	data, err := json.Marshal(c.State())
	if err != nil {
		t.Fatal(err)
	}
	var got shipment.State
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.State(), &got, protocmp.Transform(), cmp.Comparer(func(a, b money.Amount) bool { return a == b })); diff != "" {
		t.Errorf("read back differently (-was +is):\n%s", diff)
	}
	if l := got.Line(id(7)); l == nil || l.Standing(handedOver) != pledgetest.Amount(shells, "12") || got.Line(uuid.Nil) != nil {
		t.Error("what stood is not found after reading back")
	}
	for _, other := range []string{`{"Schema": 99}`, `{}`, `[]`} {
		if err := json.Unmarshal([]byte(other), &got); err == nil {
			t.Errorf("%s is accepted", other)
		}
	}
}
