package enginetest

import (
	"slices"
	"strconv"
	"testing"

	"github.com/allied-ledger/allied/events/money"
	pay "github.com/allied-ledger/allied/events/payment/paymenttest"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	ship "github.com/allied-ledger/allied/events/shipment/shipmenttest"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

const (
	eur    = pledgetest.EUR
	usd    = "USD/2@donor_stated"
	shells = "each/6:shell"
)

// RandomOfAll makes a log of pledges with the shipments and payments that draw on them, of which the deciders accepted every event.
func RandomOfAll(t testing.TB, r *rapid.T) *Log { return Play(t, r).Log }

// Play makes what RandomOfAll does, and keeps the aggregates' states.
func Play(t testing.TB, r *rapid.T) *History {
	h := &History{NewWorld(t), r}
	for n := range 2 { // two releases know them by one id
		h.As(&eventv1.Envelope{Sources: []*eventv1.Source{{Publisher: "tracker", Release: strconv.Itoa(n), ExternalId: "-"}}}, func() { h.begin(n) })
	}
	for range rapid.IntRange(10, 120).Draw(r, "commands") {
		h.As(h.someEnvelope(), h.step)
	}
	return h
}

// History is a world in which things happen at random.
type History struct {
	*World
	r *rapid.T
}

// begin opens a pledge with allocations of every kind of control: values, quantities, nothing; in kind, granted and lent.
func (h *History) begin(n int) {
	stream, at := Stream(n), 10*n
	lent := Granted(pledgetest.Line(at+6, pledgetest.Stated(eur, "70")))
	lent.Instrument = eventv1.Instrument_INSTRUMENT_LOAN
	undisclosed := pledgetest.Missing("tracker", eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED)
	for _, c := range []pledge.Command{
		pledgetest.Commit(pledgetest.Line(at+1, pledgetest.Stated(eur, "1000"), pledgetest.Stated(usd, "1001"))),
		pledgetest.Allocate(pledgetest.Line(at+2, pledgetest.Stated(eur, "100"), pledgetest.Stated(usd, "0.97")), pledgetest.Item("shell", "7")),
		pledgetest.Allocate(pledgetest.Line(at+3, undisclosed), pledgetest.Item("shell", "10")),
		pledgetest.Allocate(pledgetest.Line(at+4, undisclosed)),
		pledgetest.Allocate(Granted(pledgetest.Line(at+5, pledgetest.Stated(eur, "100"), pledgetest.Stated(usd, "1.07")))),
		pledgetest.Allocate(lent),
	} {
		h.ToPledge(stream, c)
	}
}

func (h *History) someEnvelope() *eventv1.Envelope {
	env := &eventv1.Envelope{}
	switch rapid.IntRange(0, 5).Draw(h.r, "says") {
	case 0:
		env.Sources = []*eventv1.Source{{Publisher: "bank", ContentHash: "sha256:00"}}
	case 1:
		env.Flags = []*eventv1.Flag{{Code: rapid.SampledFrom([]string{"synthetic", "plug", "lookalike_letter"}).Draw(h.r, "flag")}}
	case 2:
		if h.Last != nil {
			env.Corrects = [][]byte{h.Last.ID[:]}
		}
	}
	return env
}

func (h *History) step() {
	kinds := []string{"pledge", "pledge", "pledge", "beyond", "link", "draw", "draw"}
	for range h.Shipments {
		kinds = append(kinds, "shipment", "shipment", "shipment", "shipment")
	}
	for range h.Payments {
		kinds = append(kinds, "payment", "payment")
	}
	stream := Stream(rapid.IntRange(0, 1).Draw(h.r, "pledge"))
	h.Crashed = rapid.IntRange(0, 4).Draw(h.r, "crashes") == 4
	switch rapid.SampledFrom(kinds).Draw(h.r, "step") {
	case "pledge":
		h.alter(stream)
	case "beyond":
		c := pledgetest.Allocate(pledgetest.Line(h.ID(), pledgetest.Stated(eur, strconv.Itoa(rapid.IntRange(1, 900).Draw(h.r, "allocated")))))
		c.Meta = pledgetest.Observed()
		h.Envelope.Observed = true
		_ = h.TryPledge(stream, c)
	case "link":
		_ = h.TryPledge(stream, &pledge.LinkTo{Meta: pledgetest.Meta(), Link: eventv1.Link_LINK_SAME, Pledge: Stream(rapid.IntRange(0, 2).Draw(h.r, "other"))})
	case "draw":
		h.reserve(stream)
	case "shipment":
		s := h.Shipments[h.one(keys(h.Shipments))]
		_ = h.TryShipment(s.Stream, ship.Random(h.r, s)) // what is refused is no fact
	case "payment":
		s := h.Payments[h.one(keys(h.Payments))]
		_ = h.TryPayment(s.Stream, pay.Random(h.r, s))
	}
}

func keys[S any](of map[string]S) (all []string) {
	for k := range of {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

func (h *History) one(of []string) string { return rapid.SampledFrom(of).Draw(h.r, "one") }

// alter changes the pledge itself. What becomes of draws that something uses is a matter of those who use them.
func (h *History) alter(stream string) {
	s := h.Pledge(stream)
	cmd := pledgetest.Random(h.r, s, h.ID)
	switch c := cmd.(type) {
	case *pledge.ReserveDraw:
		return
	case *pledge.Fulfil, *pledge.Lapse, *pledge.CancelRemainder: // which leave little to happen
		if rapid.IntRange(0, 9).Draw(h.r, "really") > 0 {
			return
		}
	case *pledge.ReleaseDraw:
		if h.used(c.Draw) && rapid.IntRange(0, 4).Draw(h.r, "in use") < 4 {
			return
		}
	case *pledge.SettleDraw:
		if h.used(c.Draw) {
			return
		}
	case *pledge.Revalue:
		if c.Draw != uuid.Nil {
			return
		}
	case *pledge.Allocate:
		h.Envelope.Observed, h.Envelope.Override = c.Observed, c.Override
	}
	_ = h.TryPledge(stream, cmd)
}

func (h *History) used(draw uuid.UUID) bool {
	for _, s := range h.Shipments {
		if s.Line(draw) != nil {
			return true
		}
	}
	for _, s := range h.Payments {
		if s.Line != nil && s.Line.Draw == draw {
			return true
		}
	}
	return false
}

// reserve draws for a shipment, a payment, or one that never comes.
func (h *History) reserve(stream string) {
	s := h.Pledge(stream)
	var allocations []*pledge.Line
	for _, l := range s.Lines {
		if l.Stage == eventv1.Stage_STAGE_ALLOCATED {
			allocations = append(allocations, l)
		}
	}
	l := rapid.SampledFrom(allocations).Draw(h.r, "allocation")
	isMoney := l.Instrument == eventv1.Instrument_INSTRUMENT_GRANT || l.Instrument == eventv1.Instrument_INSTRUMENT_LOAN
	pays := isMoney && rapid.Bool().Draw(h.r, "pays")
	at := ShipmentStream(rapid.IntRange(0, 2).Draw(h.r, "shipment"))
	if pays {
		at = PaymentStream(h.ID())
	}
	c := &pledge.ReserveDraw{Meta: pledgetest.Meta(), Draw: pledgetest.ID(h.ID()), Allocation: l.ID, ForStream: at}
	if rapid.IntRange(0, 2).Draw(h.r, "override") == 0 {
		c.Meta = pledgetest.Overridden()
		h.Envelope.Override = c.Override
	}
	if len(l.Controls) > 0 {
		c.Asset = l.Controls[0]
		c.Amount = money.New(int64(rapid.IntRange(1, 5_000).Draw(h.r, "cents")))
		if c.Asset == shells {
			c.Amount = pledgetest.Amount(shells, strconv.Itoa(rapid.IntRange(1, 5).Draw(h.r, "pieces")))
		}
	}
	if h.TryPledge(stream, c) != nil || rapid.IntRange(0, 4).Draw(h.r, "crash") == 4 {
		return
	}
	line := h.DrawnLine(stream, c)
	if !pays {
		_ = h.TryShipment(at, ship.Plan(line))
	} else if h.TryPayment(at, pay.Instruct(line)) != nil {
		delete(h.Payments, at)
	}
}
