package chaos

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/term"
	"github.com/allied-ledger/allied/events/wire"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

const asset = "EUR/2@donor_stated"

// drawing makes the commands of shipments and payments that draw on what is recorded.
type drawing struct {
	allocations [][2]string // pledge and line
	going       []*going
}

// going is a shipment or payment and how far it has been brought.
type going struct {
	stream  string
	payment bool
	steps   int
}

// recorded learns from a command that is in the ledger.
func (d *drawing) recorded(cmd *apiv1.Command) {
	switch b := cmd.Body.(type) {
	case *apiv1.Command_AllocatePledge:
		d.allocations = append(d.allocations, [2]string{cmd.Stream, b.AllocatePledge.Line.Line})
	case *apiv1.Command_PlanShipment:
		d.going = append(d.going, &going{stream: cmd.Stream})
	case *apiv1.Command_InstructPayment:
		d.going = append(d.going, &going{stream: cmd.Stream, payment: true})
	}
}

// next fills a command, or tells that there is nothing to draw on.
func (d *drawing) next(random *rand.Rand, cmd *apiv1.Command) bool {
	if len(d.allocations) == 0 {
		return false
	}
	if len(d.going) == 0 || random.IntN(4) == 0 {
		d.open(random, cmd)
		return true
	}
	i := random.IntN(len(d.going))
	g := d.going[i]
	cmd.Stream, cmd.Donor, cmd.Beneficiary = g.stream, "", ""
	g.steps++
	if !g.payment {
		if g.step(random, cmd); g.steps == 4 {
			d.going = append(d.going[:i], d.going[i+1:]...)
		}
		return true
	}
	g.pay(random, cmd)
	if g.steps == 2 {
		d.going = append(d.going[:i], d.going[i+1:]...)
	}
	return true
}

func (d *drawing) open(random *rand.Rand, cmd *apiv1.Command) {
	on := func() *apiv1.PlanLine {
		a := d.allocations[random.IntN(len(d.allocations))]
		return &apiv1.PlanLine{Pledge: a[0], Allocation: a[1], Asset: asset, Amount: "9.00"}
	}
	cmd.Donor, cmd.Beneficiary = "", ""
	if random.IntN(2) == 0 {
		l := on()
		cmd.Body = &apiv1.Command_InstructPayment{InstructPayment: &apiv1.InstructPayment{Pledge: l.Pledge, Allocation: l.Allocation, Asset: asset, Amount: l.Amount}}
		return
	}
	cmd.Body = &apiv1.Command_PlanShipment{PlanShipment: &apiv1.PlanShipment{Lines: []*apiv1.PlanLine{on(), on()}}}
}

// step brings a shipment on: dispatched, handed over with something short, that lost, closed. Some are sent again by a return.
func (g *going) step(random *rand.Rand, cmd *apiv1.Command) {
	switch g.steps {
	case 1:
		cmd.Body = &apiv1.Command_DispatchShipment{DispatchShipment: &apiv1.DispatchShipment{}}
	case 2:
		cmd.Body = &apiv1.Command_HandOverShipment{HandOverShipment: &apiv1.HandOverShipment{Point: "hub", Evidence: "claim", Complete: true}}
	case 3:
		cmd.Body = &apiv1.Command_ReturnShipment{ReturnShipment: &apiv1.ReturnShipment{Reopens: random.IntN(2) == 0}}
	default:
		cmd.Body = &apiv1.Command_CloseShipment{CloseShipment: &apiv1.CloseShipment{}}
	}
}

func (g *going) pay(random *rand.Rand, cmd *apiv1.Command) {
	switch {
	case g.steps == 1 && random.IntN(4) == 0:
		cmd.Body = &apiv1.Command_RejectPayment{RejectPayment: &apiv1.RejectPayment{ReasonCode: "AC04"}}
	case g.steps == 1:
		cmd.Body = &apiv1.Command_BookPayment{BookPayment: &apiv1.BookPayment{Point: "debited", Asset: asset, Fee: "0.25"}}
	default:
		cmd.Body = &apiv1.Command_ReturnPayment{ReturnPayment: &apiv1.ReturnPayment{Reopens: random.IntN(2) == 0}}
	}
}

// compareBooks adds up the facts by hand, with nothing of the postings or the views, and holds the views' balances against the sums. Every
// draw belongs to a shipment or payment that is in the ledger, or is released.
func (h *history) compareBooks(dir, binary string) {
	h.t.Helper()
	b := books{t: h.t, standing: map[string]money.Amount{}, reserved: map[uuid.UUID]string{}, streams: map[string]bool{}}
	for e, err := range filelog.Scan(nil, dir) {
		if err != nil {
			h.t.Fatal(err)
		}
		f, err := wire.Decode(e)
		if err != nil {
			h.t.Fatal(err)
		}
		b.add(f)
	}
	drawn := 0
	for draw, stream := range b.reserved {
		if drawn++; !b.streams[stream] {
			h.t.Errorf("draw %s is reserved for %s, which is not in the ledger", draw, stream)
		}
	}
	var report struct {
		Rows []struct{ Stage, Amount string }
	}
	stages := "allocated,reserved,dispatched,handed_over,returned,instructed,booked,charges"
	out := run(h.t.Context(), h.t, binary, "balances", "--data", dir, "--basis", "donor_stated", "--standing", "--stage", stages, "-o", "json")
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		h.t.Fatal(err)
	}
	for _, row := range report.Rows {
		if want := b.standing[row.Stage].Text(2); row.Amount != want {
			h.t.Errorf("%s stands as %s in the view, and the facts add up to %s", row.Amount, row.Stage, want)
		}
		delete(b.standing, row.Stage)
	}
	for stage, left := range b.standing {
		if !left.IsZero() {
			h.t.Errorf("the facts add up to %s %s, and the view has none", left.Text(2), stage)
		}
	}
	h.t.Logf("%d draws open or used; %s", drawn, out)
}

// books are sums of facts.
type books struct {
	t        *testing.T
	standing map[string]money.Amount
	reserved map[uuid.UUID]string // draws that hold something, and for which stream
	streams  map[string]bool
}

func (b *books) move(from, to string, a *eventv1.Amount) {
	n, err := money.FromProto(a)
	if err != nil {
		b.t.Fatal(err)
	}
	for stage, x := range map[string]money.Amount{from: n.Neg(), to: n} {
		if stage == "" {
			continue
		}
		if b.standing[stage], err = b.standing[stage].Add(x); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *books) add(f *es.Fact) {
	b.streams[f.Stream] = true
	switch e := f.Event.(type) {
	case *eventv1.PledgeAllocated:
		b.move("", "allocated", e.Line.Values[0].Amount)
	case *eventv1.DrawReserved:
		b.move("allocated", "reserved", e.Amount)
		b.reserved[uuid.UUID(e.Draw)] = e.ForStream
	case *eventv1.DrawReleased:
		b.move("reserved", "allocated", e.Amount)
		delete(b.reserved, uuid.UUID(e.Draw))
	case *eventv1.ShipmentDispatched:
		b.all(e.Movements, "reserved", "dispatched")
	case *eventv1.ShipmentHandedOver:
		b.all(e.Movements, "dispatched", "handed_over")
	case *eventv1.ShipmentReturned:
		for _, m := range e.Movements {
			b.back(m, e.Reopens)
		}
	case *eventv1.PaymentInstructed:
		b.move("reserved", "instructed", e.Movement.Amount)
	case *eventv1.PaymentRejected:
		b.move("instructed", "reserved", e.Movement.Amount)
	case *eventv1.PaymentBooked:
		b.move("instructed", "booked", e.Movement.Amount)
		b.move("booked", "charges", e.Fee)
	case *eventv1.PaymentReturned:
		b.back(e.Movement, e.Reopens)
	}
}

// back takes a return from where the event says: one that reopens from the highest rung that it names, all of it.
func (b *books) back(m *eventv1.Movement, reopens bool) {
	if reopens {
		b.move(rung(m.Split.Reliefs[0].Stage), "reserved", m.Amount)
		return
	}
	for _, x := range m.Split.Reliefs {
		b.move(rung(x.Stage), "returned", x.Amount)
	}
}

func rung(s eventv1.Stage) string {
	if s == eventv1.Stage_STAGE_CLAIMED {
		return "handed_over"
	}
	return term.Word(s)
}

func (b *books) all(movements []*eventv1.Movement, from, to string) {
	for _, m := range movements {
		b.move(from, to, m.Amount)
	}
}
