package exceptions_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/payment"
	pay "github.com/allied-ledger/allied/events/payment/paymenttest"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/shipment"
	ship "github.com/allied-ledger/allied/events/shipment/shipmenttest"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/exceptions"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

var (
	on      = enginetest.Stream(0) // the pledge of the histories
	other   = enginetest.Stream(1)
	convoy  = enginetest.ShipmentStream(1)
	paid    = enginetest.PaymentStream(1)
	stated  = pledgetest.Stated
	line    = pledgetest.Line
	undated = &eventv1.Effective{Precision: eventv1.Precision_PRECISION_UNKNOWN}
)

// told writes every exception on a line, open or not, the oldest first.
func (w *world) told() string {
	w.T.Helper()
	var b strings.Builder
	for _, e := range w.list(exceptions.ListRequest{Status: exceptions.All}).Exceptions {
		kind := e.Kind
		if e.Cause != "" {
			kind += " " + e.Cause
		}
		fmt.Fprintf(&b, "%s %s", kind, e.Status)
		if e.Asset != nil {
			fmt.Fprintf(&b, " %s of %s %s", *e.OpenAmount, *e.Amount, *e.Asset)
		}
		if e.Detail != "" {
			fmt.Fprintf(&b, "; %s", e.Detail)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// allocated opens the pledge with 100 euros committed and allocated on line 2, in kind, and the same on line 3, granted.
func (w *world) allocated() {
	w.ToPledge(on, pledgetest.Commit(line(1, stated(eur, "200"))))
	w.ToPledge(on, pledgetest.Allocate(line(2, stated(eur, "100"))))
	w.ToPledge(on, pledgetest.Allocate(enginetest.Granted(line(3, stated(eur, "100")))))
}

// planned lets a shipment carry all of line 2.
func (w *world) planned() {
	w.allocated()
	w.ToShipment(convoy, ship.Plan(w.Draw(pledgetest.Meta(), on, 4, 2, eur, "100", convoy)))
}

// instructed lets a payment pay all of line 3.
func (w *world) instructed() {
	w.allocated()
	w.ToPayment(paid, pay.Instruct(w.Draw(pledgetest.Meta(), on, 5, 3, eur, "100", paid)))
}

// uncountable lets a shipment carry an allocation with neither value nor quantity.
func (w *world) uncountable() {
	w.ToPledge(on, pledgetest.Commit(line(1, stated(eur, "200"))))
	w.ToPledge(on, pledgetest.Allocate(line(2, pledgetest.Missing("tracker", eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED))))
	w.ToShipment(convoy, ship.Plan(w.Draw(pledgetest.Meta(), on, 4, 2, "", "", convoy)))
	w.ToShipment(convoy, ship.Dispatch())
}

func (w *world) allocate(meta pledge.Meta, n int, text string) {
	w.As(&eventv1.Envelope{Observed: meta.Observed, Override: meta.Override, Sources: []*eventv1.Source{{Publisher: "P", ExternalId: "DEU33", Locator: "row 7"}}}, func() {
		c := pledgetest.Allocate(line(n, stated(eur, text)))
		c.Meta = meta
		w.ToPledge(on, c)
	})
}

func documented() *eventv1.Envelope {
	return &eventv1.Envelope{Sources: []*eventv1.Source{{Publisher: "bank", ContentHash: "sha256:00"}}}
}

// a part of a draw that a shipment carries.
func part(text string) shipment.Part { return ship.Part(4, eur, text) }

func (w *world) reverse(stream string, undone uuid.UUID) {
	w.ToShipment(stream, &shipment.Reverse{Meta: ship.Meta(), Event: undone})
}

var histories = []struct {
	name string
	do   func(w *world)
	want string
}{
	{"within a cap", func(w *world) {
		w.planned()
		w.ToShipment(convoy, ship.Dispatch())
		w.ToShipment(convoy, ship.HandOver())
	}, "unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for " + convoy + "\n"},

	{"observed beyond the commitments, and covered in part", func(w *world) {
		w.ToPledge(on, pledgetest.Commit(line(1, stated(eur, "100"))))
		w.allocate(pledgetest.Observed(), 2, "130")
		w.allocate(pledgetest.Observed(), 3, "20")
		w.ToPledge(on, pledgetest.Commit(line(4, stated(eur, "35"))))
	}, `over_allocated observed resolved 0.00 of 30.00 EUR/2@tracker; DEU33, row 7
over_allocated observed open 15.00 of 20.00 EUR/2@tracker; DEU33, row 7
`},
	{"overridden beyond the commitments", func(w *world) {
		w.ToPledge(on, pledgetest.Commit(line(1, stated(eur, "100"))))
		w.allocate(pledgetest.Overridden(), 2, "130")
	}, "over_allocated overridden open 30.00 of 30.00 EUR/2@tracker; by Cabinet decision 7: urgent need\n"},
	{"observed and overridden to be worth more than is committed, and the one corrected", func(w *world) {
		w.ToPledge(on, pledgetest.Commit(line(1, stated(eur, "100"))))
		w.allocate(pledgetest.Observed(), 2, "90")
		lift := func(meta pledge.Meta, line int, asset, text string) {
			c := &pledge.Revalue{Meta: meta, Line: pledgetest.ID(line), Stage: eventv1.Stage_STAGE_ALLOCATED, Asset: asset, Delta: amountOf(asset, text)}
			if line == 1 {
				c.Stage = eventv1.Stage_STAGE_COMMITTED
			}
			w.As(&eventv1.Envelope{Observed: meta.Observed, Override: meta.Override, Corrects: w.Envelope.Corrects, Sources: []*eventv1.Source{{ExternalId: "DEU33"}}}, func() { w.ToPledge(on, c) })
		}
		lift(pledgetest.Meta(), 2, eur, "5")
		lift(pledgetest.Observed(), 2, eur, "30")
		wrong := w.Last.ID
		lift(pledgetest.Overridden(), 2, eur, "20")
		lift(pledgetest.Observed(), 2, usd, "90") // no cap is counted in it
		lift(pledgetest.Observed(), 1, eur, "5")
		w.As(&eventv1.Envelope{Corrects: [][]byte{wrong[:]}}, func() { lift(pledgetest.Observed(), 2, eur, "-30") })
	}, `revalued observed resolved 0.00 of 30.00 EUR/2@tracker; DEU33
revalued overridden open 20.00 of 20.00 EUR/2@tracker; by Cabinet decision 7: urgent need
`},
	{"observed first value of an allocation", func(w *world) {
		w.ToPledge(on, pledgetest.Commit(line(1, stated(eur, "100"))))
		w.ToPledge(on, pledgetest.Allocate(line(2, pledgetest.Missing("tracker", eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED))))
		w.As(&eventv1.Envelope{Observed: true}, func() {
			w.ToPledge(on, &pledge.Revalue{Meta: pledgetest.Observed(), Line: pledgetest.ID(2), Stage: eventv1.Stage_STAGE_ALLOCATED, Asset: eur, Delta: amountOf(eur, "120")})
		})
	}, "revalued observed open 120.00 of 120.00 EUR/2@tracker\n"},
	{"against a cap that is not known", func(w *world) {
		w.ToPledge(on, pledgetest.Commit(line(1, pledgetest.Missing("tracker", eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED))))
		w.allocate(pledgetest.Observed(), 2, "130")
	}, ""},
	{"two draws beyond the allocation, of which the second is given back in part", func(w *world) {
		w.allocated()
		for n := range 2 {
			w.As(&eventv1.Envelope{Override: pledgetest.Overridden().Override}, func() {
				w.Draw(pledgetest.Overridden(), on, 6+n, 2, eur, "110", convoy)
			})
		}
		w.ToPledge(on, &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: pledgetest.ID(7), Asset: eur, Amount: amountOf(eur, "70")})
		w.ToPledge(on, &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: pledgetest.ID(6)})
	}, `over_reserved overridden resolved 0.00 of 10.00 EUR/2@tracker; by Cabinet decision 7: urgent need
unused_draw resolved 0.00 of 110.00 EUR/2@tracker; for ` + convoy + `
over_reserved overridden open 40.00 of 110.00 EUR/2@tracker; by Cabinet decision 7: urgent need
unused_draw open 40.00 of 110.00 EUR/2@tracker; for ` + convoy + `
`},
	{"a surplus at the hand-over, and another that is taken back", func(w *world) {
		w.planned()
		w.ToShipment(convoy, ship.Dispatch())
		w.ToShipment(convoy, ship.HandOver(part("101")))
		w.ToShipment(convoy, ship.HandOver(part("7")))
		w.reverse(convoy, w.Shipments[convoy].Moves[2].Event)
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + convoy + `
over_handed_over happened open 1.00 of 1.00 EUR/2@tracker
over_handed_over happened resolved 0.00 of 7.00 EUR/2@tracker
`},
	{"claimed beyond the allocation, and a gap in value alone", func(w *world) {
		w.allocated()
		w.As(&eventv1.Envelope{Observed: true}, func() {
			w.ToPledge(on, &pledge.ClaimDelivery{Meta: pledgetest.Observed(), Line: pledgetest.ID(2), Asset: eur, Amount: amountOf(eur, "103")})
			w.ToPledge(on, pledgetest.Allocate(line(8, stated(usd, "4.75"))))
			w.ToPledge(on, &pledge.ClaimDelivery{Meta: pledgetest.Observed(), Line: pledgetest.ID(8), Asset: usd, Amount: amountOf(usd, "3.75"), SameUnits: true})
		})
	}, `over_handed_over observed open 3.00 of 3.00 EUR/2@tracker
difference open -1.00 of -1.00 USD/2@donor_stated
`},
	{"a gap in value at a hand-over that is taken back", func(w *world) {
		w.ToPledge(on, pledgetest.Commit(line(1, stated(eur, "100"))))
		w.ToPledge(on, pledgetest.Allocate(line(2, stated(eur, "100"), stated(usd, "90"))))
		w.ToShipment(convoy, ship.Plan(w.Draw(pledgetest.Meta(), on, 4, 2, eur, "100", convoy)))
		w.ToShipment(convoy, ship.Dispatch())
		w.ToShipment(convoy, ship.HandOver(ship.Part(4, eur, "40", ship.Stated(usd, "38"))))
		w.ToShipment(convoy, ship.HandOver(ship.Part(4, eur, "60", ship.Stated(usd, "56"))))
		w.reverse(convoy, w.Shipments[convoy].Moves[1].Event)
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + convoy + `
difference resolved 0.00 of 2.00 USD/2@donor_stated
difference open 2.00 of 2.00 USD/2@donor_stated
`},
	{"claims on the commitment of an appropriation, on a grant, and on a loan's commitment", func(w *world) {
		bought := line(1, stated(eur, "100"))
		bought.Instrument = eventv1.Instrument_INSTRUMENT_APPROPRIATION
		w.ToPledge(on, pledgetest.Commit(bought))
		w.ToPledge(on, pledgetest.Allocate(enginetest.Granted(line(3, stated(eur, "100")))))
		lent := enginetest.Granted(line(4, stated(eur, "50")))
		lent.Instrument = eventv1.Instrument_INSTRUMENT_LOAN
		w.ToPledge(on, pledgetest.Commit(lent))
		w.ToPledge(on, &pledge.ClaimDelivery{Meta: pledgetest.Observed(), Line: pledgetest.ID(1), Asset: eur, Amount: amountOf(eur, "10")})
		w.ToPledge(on, &pledge.ClaimDelivery{Meta: pledgetest.Observed(), Line: pledgetest.ID(3), Asset: eur, Amount: amountOf(eur, "11")})
		w.ToPledge(on, &pledge.ClaimDelivery{Meta: pledgetest.Observed(), Line: pledgetest.ID(4), Asset: eur, Amount: amountOf(eur, "12")})
	}, `claim_on_commitment open 10.00 of 10.00 EUR/2@tracker
delivered_without_booking open 11.00 of 11.00 EUR/2@tracker
claim_on_commitment open 12.00 of 12.00 EUR/2@tracker
delivered_without_booking open 12.00 of 12.00 EUR/2@tracker
`},
	{"a claim in an asset that the allocation is not counted in", func(w *world) {
		w.allocated()
		w.ToPledge(on, &pledge.ClaimDelivery{Meta: pledgetest.Observed(), Line: pledgetest.ID(2), Asset: usd, Amount: amountOf(usd, "10")})
	}, ""},

	{"dispatched without a manifest, and taken back", func(w *world) {
		w.planned()
		for _, text := range []string{"60", "30"} {
			c := ship.Dispatch(part(text))
			c.ManifestHash = ""
			w.ToShipment(convoy, c)
		}
		w.reverse(convoy, w.Shipments[convoy].Moves[0].Event)
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + convoy + `
no_manifest resolved 0.00 of 60.00 EUR/2@tracker
no_manifest open 30.00 of 30.00 EUR/2@tracker
`},
	{"short, found in part and lost in part", func(w *world) {
		w.planned()
		w.ToShipment(convoy, ship.Dispatch())
		w.ToShipment(convoy, ship.Short(part("10")))
		w.ToShipment(convoy, ship.Short(part("5")))
		w.ToShipment(convoy, ship.Find(part("4")))
		w.ToShipment(convoy, ship.Lose(part("7"))) // all from missing
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + convoy + `
short resolved 0.00 of 10.00 EUR/2@tracker
short open 4.00 of 5.00 EUR/2@tracker
lost open 7.00 of 7.00 EUR/2@tracker; sunk
`},
	{"short, lost, and the loss recorded in error; another shortage too", func(w *world) {
		w.planned()
		w.ToShipment(convoy, ship.Dispatch())
		w.ToShipment(convoy, ship.Short(part("10")))
		w.ToShipment(convoy, ship.Lose(part("12"))) // two of which were under way
		w.reverse(convoy, w.Shipments[convoy].Moves[2].Event)
		w.ToShipment(convoy, ship.Short(part("3")))
		w.reverse(convoy, w.Shipments[convoy].Moves[2].Event)
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + convoy + `
short resolved 0.00 of 10.00 EUR/2@tracker
lost resolved 0.00 of 12.00 EUR/2@tracker; sunk
short open 10.00 of 10.00 EUR/2@tracker; short again, since the loss was recorded in error
short resolved 0.00 of 3.00 EUR/2@tracker
`},
	{"short and lost of what cannot be counted, and the loss recorded in error", func(w *world) {
		w.uncountable()
		w.ToShipment(convoy, ship.Short(ship.All(4)))
		w.ToShipment(convoy, ship.Lose())
		w.reverse(convoy, w.Shipments[convoy].Moves[2].Event)
	}, `unused_draw resolved; for ` + convoy + `
short resolved
lost resolved; sunk
short open; short again, since the loss was recorded in error
`},
	{"damaged, unmanifested, and a correction of the one", func(w *world) {
		w.planned()
		w.ToShipment(convoy, ship.Dispatch())
		w.ToShipment(convoy, ship.Report(eventv1.Discrepancy_DISCREPANCY_DAMAGED, part("3")))
		damaged := w.Last.ID
		w.ToShipment(convoy, ship.Report(eventv1.Discrepancy_DISCREPANCY_UNMANIFESTED, part("2")))
		w.As(&eventv1.Envelope{Corrects: [][]byte{damaged[:]}}, func() { w.ToShipment(convoy, &shipment.Arrive{Meta: ship.Meta(), Place: "Rzeszow"}) })
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + convoy + `
damaged resolved 0.00 of 3.00 EUR/2@tracker
unmanifested open 2.00 of 2.00 EUR/2@tracker
`},

	{"planned and paid on draws that were given back", func(w *world) {
		w.allocated()
		for n, to := range []string{convoy, paid} {
			l := w.Draw(pledgetest.Meta(), on, 4+n, 2+n, eur, "100", to)
			w.ToPledge(on, &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: pledgetest.ID(4 + n)})
			if to == convoy {
				w.ToShipment(convoy, ship.Plan(l))
			} else {
				w.ToPayment(paid, pay.Instruct(l))
			}
		}
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + convoy + `
released_draw open 100.00 of 100.00 EUR/2@tracker; used by ` + convoy + `
unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + paid + `
released_draw open 100.00 of 100.00 EUR/2@tracker; used by ` + paid + `
`},
	{"released by somebody else in parts, before and after a payment uses the draw, which is rejected then", func(w *world) {
		w.allocated()
		l := w.Draw(pledgetest.Meta(), on, 5, 3, eur, "100", paid)
		part := func(text string) {
			w.ToPledge(on, &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: pledgetest.ID(5), Asset: eur, Amount: amountOf(eur, text)})
		}
		part("10")
		w.ToPayment(paid, pay.Instruct(l))
		part("20")
		w.Crashed = true
		w.ToPayment(paid, pay.Reject())
		part("70")
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + paid + `
released_draw resolved 0.00 of 10.00 EUR/2@tracker; used by ` + paid + `
released_draw resolved 0.00 of 20.00 EUR/2@tracker; used by ` + paid + `
unreturned_draw resolved 0.00 of 70.00 EUR/2@tracker
rejected open 100.00 of 100.00 EUR/2@tracker; reason AC04
`},
	{"what cannot be counted, released while a shipment uses it and closes with it", func(w *world) {
		w.uncountable()
		w.ToPledge(on, &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: pledgetest.ID(4)})
	}, `unused_draw resolved; for ` + convoy + `
released_draw open; used by ` + convoy + `
`},
	{"a shipment closes with a part of its draw, a payment is rejected, and both services die before they give back; one is given back in parts", func(w *world) {
		w.planned()
		w.ToShipment(convoy, ship.Dispatch(part("60")))
		w.ToShipment(convoy, ship.HandOver())
		w.ToPayment(paid, pay.Instruct(w.Draw(pledgetest.Meta(), on, 5, 3, eur, "100", paid)))
		w.Crashed = true
		w.ToShipment(convoy, ship.Close())
		closed := w.Last.ID
		w.ToPayment(paid, pay.Reject())
		w.As(&eventv1.Envelope{Corrects: [][]byte{closed[:]}}, func() { // which releases nothing
			w.ToPledge(on, &pledge.SettleDraw{Meta: pledgetest.Meta(), Draw: pledgetest.ID(4)})
		})
		for _, text := range []string{"70", "10"} {
			w.ToPledge(on, &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: pledgetest.ID(5), Asset: eur, Amount: amountOf(eur, text)})
		}
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + convoy + `
unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + paid + `
unreturned_draw open 40.00 of 40.00 EUR/2@tracker
rejected open 100.00 of 100.00 EUR/2@tracker; reason AC04
unreturned_draw open 20.00 of 100.00 EUR/2@tracker
`},
	{"what cannot be counted is given up, and released later", func(w *world) {
		w.ToPledge(on, pledgetest.Commit(line(1, stated(eur, "200"))))
		w.ToPledge(on, pledgetest.Allocate(line(2, pledgetest.Missing("tracker", eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED))))
		w.Crashed = true
		for n := range 2 {
			w.ToShipment(enginetest.ShipmentStream(n), ship.Plan(w.Draw(pledgetest.Meta(), on, 4+n, 2, "", "", enginetest.ShipmentStream(n))))
			w.ToShipment(enginetest.ShipmentStream(n), ship.Close())
		}
		w.ToPledge(on, &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: pledgetest.ID(4)})
	}, `unused_draw resolved; for ` + enginetest.ShipmentStream(0) + `
unreturned_draw resolved
unused_draw resolved; for ` + enginetest.ShipmentStream(1) + `
unreturned_draw open
`},
	{"a draw that is settled, and one that nobody uses", func(w *world) {
		w.allocated()
		w.Draw(pledgetest.Meta(), on, 4, 2, eur, "40", convoy)
		w.ToPledge(on, &pledge.SettleDraw{Meta: pledgetest.Meta(), Draw: pledgetest.ID(4)})
		w.Draw(pledgetest.Meta(), on, 5, 2, eur, "60", convoy)
	}, `unused_draw resolved 0.00 of 40.00 EUR/2@tracker; for ` + convoy + `
unused_draw open 60.00 of 60.00 EUR/2@tracker; for ` + convoy + `
`},

	{"booked without a document, which comes with what corrects it", func(w *world) {
		w.instructed()
		w.ToPayment(paid, pay.BookPart(eur, "40", "1"))
		w.As(&eventv1.Envelope{Corrects: [][]byte{w.Last.ID[:]}, Sources: documented().Sources}, func() { w.ToPayment(paid, pay.BookPart(eur, "30", "0")) })
		w.ToPayment(paid, pay.BookPart(eur, "30", "0"))
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + paid + `
unsupported resolved 0.00 of 39.00 EUR/2@tracker; entry R-1
unsupported open 30.00 of 30.00 EUR/2@tracker; entry R-1
`},
	{"a document of what came back, or of a loan's service, is none of the booking", func(w *world) {
		w.instructed()
		w.ToPayment(paid, pay.Book())
		booked := w.Last.ID
		w.As(documented(), func() { w.ToPayment(paid, pay.ReturnPart(eur, "10")) })
		w.As(documented(), func() {
			w.Add(paid, undated, &eventv1.LoanInterestDue{Draw: w.Payments[paid].Line.Draw[:], Pledge: on, Asset: eur, Amount: amountOf(eur, "1").Proto()})
		})
		if got := w.told(); !strings.Contains(got, "unsupported open") {
			w.T.Errorf("before the correction:\n%s", got)
		}
		w.As(&eventv1.Envelope{Corrects: [][]byte{booked[:]}, Sources: documented().Sources}, func() { w.ToPayment(paid, pay.ReturnPart(eur, "5")) })
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + paid + `
unsupported resolved 0.00 of 100.00 EUR/2@tracker; entry R-1
`},
	{"instructed with a document, and booked without", func(w *world) {
		w.allocated()
		l := w.Draw(pledgetest.Meta(), on, 5, 3, eur, "100", paid)
		w.As(documented(), func() { w.ToPayment(paid, pay.Instruct(l)) })
		w.ToPayment(paid, pay.Book())
	}, "unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for " + paid + "\n"},
	{"booked without a document, which the acceptance brings later", func(w *world) {
		w.instructed()
		w.ToPayment(paid, pay.BookPart(eur, "40", "0"))
		w.As(documented(), func() { w.Add(paid, undated, &eventv1.PaymentAccepted{}) })
		w.ToPayment(paid, pay.BookPart(eur, "60", "0"))
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + paid + `
unsupported resolved 0.00 of 40.00 EUR/2@tracker; entry R-1
`},
	{"booked abroad without a document: one booking in error, one that comes back in part", func(w *world) {
		w.instructed()
		w.ToPayment(paid, pay.BookedIn(pay.BookPart(eur, "40", "0"), uah, "1600"))
		w.ToPayment(paid, pay.BookedIn(pay.BookPart(eur, "60", "0"), uah, "2400"))
		w.ToPayment(paid, &payment.Reverse{Meta: pay.Meta(), Event: w.Payments[paid].Bookings[0].Event})
		w.ToPayment(paid, pay.Reopening(pay.ReturnPart(eur, "15")))
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + paid + `
unsupported resolved 0.00 of 1600.00 UAH/2@donor_stated; entry R-1
unsupported open 1800.00 of 2400.00 UAH/2@donor_stated; entry R-1
owed_again open 15.00 of 15.00 EUR/2@tracker; reason AC04
unreturned_draw resolved 0.00 of 15.00 EUR/2@tracker
`},
	{"booked twice without a document: a part comes back, and the first is a booking in error", func(w *world) {
		w.instructed()
		w.ToPayment(paid, pay.BookPart(eur, "40", "0"))
		w.ToPayment(paid, pay.BookPart(eur, "60", "0"))
		w.ToPayment(paid, pay.Reopening(pay.ReturnPart(eur, "50")))
		w.ToPayment(paid, &payment.Reverse{Meta: pay.Meta(), Event: w.Payments[paid].Bookings[0].Event})
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + paid + `
unsupported resolved 0.00 of 40.00 EUR/2@tracker; entry R-1
unsupported open 10.00 of 60.00 EUR/2@tracker; entry R-1
unreturned_draw resolved 0.00 of 50.00 EUR/2@tracker
owed_again open 50.00 of 50.00 EUR/2@tracker; reason AC04
`},
	{"as much comes back as was booked with a document, and more", func(w *world) {
		w.instructed()
		w.As(documented(), func() { w.ToPayment(paid, pay.BookPart(eur, "60", "0")) })
		w.ToPayment(paid, pay.BookPart(eur, "40", "0"))
		w.ToPayment(paid, pay.Reopening(pay.ReturnPart(eur, "60")))
		w.ToPayment(paid, pay.Reopening(pay.ReturnPart(eur, "5")))
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + paid + `
unsupported open 35.00 of 40.00 EUR/2@tracker; entry R-1
unreturned_draw resolved 0.00 of 60.00 EUR/2@tracker
owed_again open 60.00 of 60.00 EUR/2@tracker; reason AC04
unreturned_draw resolved 0.00 of 5.00 EUR/2@tracker
owed_again open 5.00 of 5.00 EUR/2@tracker; reason AC04
`},
	{"rejected and returned to be owed again, instructed again in part, then cancelled", func(w *world) {
		w.allocated()
		w.ToPayment(paid, pay.Instruct(w.Draw(pledgetest.Meta(), on, 5, 3, eur, "60", paid)))
		w.ToPayment(paid, pay.Reject())
		second := enginetest.PaymentStream(2)
		w.ToPayment(second, pay.Instruct(w.Draw(pledgetest.Meta(), on, 6, 3, eur, "40", second)))
		w.As(documented(), func() { w.ToPayment(second, pay.Book()) })
		w.ToPayment(second, pay.Reopening(pay.ReturnPart(eur, "10")))
		third := enginetest.PaymentStream(3)
		w.ToPayment(third, pay.Instruct(w.Draw(pledgetest.Meta(), on, 7, 3, eur, "50", third)))
	}, `unused_draw resolved 0.00 of 60.00 EUR/2@tracker; for ` + paid + `
unreturned_draw resolved 0.00 of 60.00 EUR/2@tracker
rejected open 10.00 of 60.00 EUR/2@tracker; reason AC04
unused_draw resolved 0.00 of 40.00 EUR/2@tracker; for ` + enginetest.PaymentStream(2) + `
unreturned_draw resolved 0.00 of 10.00 EUR/2@tracker
owed_again open 10.00 of 10.00 EUR/2@tracker; reason AC04
unused_draw resolved 0.00 of 50.00 EUR/2@tracker; for ` + enginetest.PaymentStream(3) + `
`},
	{"what was rejected is owed no more when the rest is cancelled", func(w *world) {
		w.instructed()
		w.ToPayment(paid, pay.Reject())
		w.ToPledge(on, &pledge.CancelRemainder{Meta: pledgetest.Meta()})
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + paid + `
unreturned_draw resolved 0.00 of 100.00 EUR/2@tracker
rejected resolved 0.00 of 100.00 EUR/2@tracker; reason AC04
`},
	{"rejected, and the draw is given back when another has taken the rest", func(w *world) {
		w.allocated()
		w.ToPayment(paid, pay.Instruct(w.Draw(pledgetest.Meta(), on, 5, 3, eur, "60", paid)))
		w.Crashed = true
		w.ToPayment(paid, pay.Reject())
		w.Draw(pledgetest.Meta(), on, 6, 3, eur, "40", enginetest.PaymentStream(2))
		w.ToPledge(on, &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: pledgetest.ID(5)})
		w.Draw(pledgetest.Meta(), on, 7, 3, eur, "1", enginetest.PaymentStream(3))
	}, `unused_draw resolved 0.00 of 60.00 EUR/2@tracker; for ` + paid + `
unreturned_draw resolved 0.00 of 60.00 EUR/2@tracker
rejected open 59.00 of 60.00 EUR/2@tracker; reason AC04
unused_draw open 40.00 of 40.00 EUR/2@tracker; for ` + enginetest.PaymentStream(2) + `
unused_draw open 1.00 of 1.00 EUR/2@tracker; for ` + enginetest.PaymentStream(3) + `
`},
	{"rejected after somebody else had given the draw back, and paid again", func(w *world) {
		w.instructed()
		w.ToPledge(on, &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: pledgetest.ID(5)})
		w.ToPayment(paid, pay.Reject())
		second := enginetest.PaymentStream(2)
		w.ToPayment(second, pay.Instruct(w.Draw(pledgetest.Meta(), on, 6, 3, eur, "70", second)))
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + paid + `
released_draw resolved 0.00 of 100.00 EUR/2@tracker; used by ` + paid + `
rejected open 30.00 of 100.00 EUR/2@tracker; reason AC04
unused_draw resolved 0.00 of 70.00 EUR/2@tracker; for ` + enginetest.PaymentStream(2) + `
`},
	{"returned twice to be owed again, and the pledge gives back what came first after what came second", func(w *world) {
		w.instructed()
		w.As(documented(), func() { w.ToPayment(paid, pay.Book()) })
		w.Crashed = true
		w.ToPayment(paid, pay.Reopening(pay.ReturnPart(eur, "10")))
		w.Crashed = false
		w.ToPayment(paid, pay.Reopening(pay.ReturnPart(eur, "20")))
		w.ToPledge(on, &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: pledgetest.ID(5), Asset: eur, Amount: amountOf(eur, "10")})
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + paid + `
unreturned_draw resolved 0.00 of 10.00 EUR/2@tracker
owed_again open 10.00 of 10.00 EUR/2@tracker; reason AC04
unreturned_draw resolved 0.00 of 20.00 EUR/2@tracker
owed_again open 20.00 of 20.00 EUR/2@tracker; reason AC04
`},
	{"what was rejected is owed no more when the allocation is worth less", func(w *world) {
		w.instructed()
		w.ToPayment(paid, pay.Reject())
		w.ToPledge(on, &pledge.Revalue{Meta: pledgetest.Meta(), Line: pledgetest.ID(3), Stage: eventv1.Stage_STAGE_ALLOCATED, Asset: eur, Delta: amountOf(eur, "60").Neg()})
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + paid + `
unreturned_draw resolved 0.00 of 100.00 EUR/2@tracker
rejected open 40.00 of 100.00 EUR/2@tracker; reason AC04
`},
	{"rejected of a draw that was all beyond the allocation", func(w *world) {
		w.instructed()
		second := enginetest.PaymentStream(2)
		w.ToPayment(second, pay.Instruct(w.Draw(pledgetest.Overridden(), on, 6, 3, eur, "50", second)))
		w.ToPayment(second, pay.Reject())
	}, `unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for ` + paid + `
unused_draw resolved 0.00 of 50.00 EUR/2@tracker; for ` + enginetest.PaymentStream(2) + `
over_reserved happened resolved 0.00 of 50.00 EUR/2@tracker
unreturned_draw resolved 0.00 of 50.00 EUR/2@tracker
rejected resolved 0.00 of 50.00 EUR/2@tracker; reason AC04
`},
	{"returned for good", func(w *world) {
		w.instructed()
		w.As(documented(), func() { w.ToPayment(paid, pay.Book()) })
		w.ToPayment(paid, pay.Return())
	}, "unused_draw resolved 0.00 of 100.00 EUR/2@tracker; for " + paid + "\n"},

	{"flags: mere marks, a doubt told three times, and a code that nobody knows", func(w *world) {
		plug := []*eventv1.Flag{{Code: "plug", Note: "Consolidation"}}
		l, a := line(1, stated(eur, "9")), line(2, stated(eur, "9"))
		l.Flags, a.Flags = plug, plug
		it := pledgetest.Item("shell", "3")
		it.Flags = []*eventv1.Flag{{Code: "text_date"}, {Code: "of_another_importer"}}
		w.As(&eventv1.Envelope{Flags: append([]*eventv1.Flag{{Code: "synthetic"}}, plug...)}, func() {
			w.ToPledge(on, pledgetest.Commit(l))
			w.ToPledge(on, pledgetest.Allocate(a, it))
		})
	}, `doubtful open; plug: Consolidation
doubtful open; of_another_importer
`},
	{"a doubt that a later fact corrects", func(w *world) {
		w.As(&eventv1.Envelope{Flags: []*eventv1.Flag{{Code: "doubtful_date"}}}, func() { w.ToPledge(on, pledgetest.Commit(line(1, stated(eur, "9")))) })
		doubted := w.Last.ID
		w.As(&eventv1.Envelope{Corrects: [][]byte{doubted[:]}}, func() {
			w.ToPledge(on, &pledge.Revalue{Meta: pledgetest.Meta(), Line: pledgetest.ID(1), Stage: eventv1.Stage_STAGE_COMMITTED, Asset: eur, Delta: amountOf(eur, "1")})
		})
	}, "doubtful resolved; doubtful_date\n"},
	{"a doubt that a later fact corrects, and has itself", func(w *world) {
		doubt := &eventv1.Envelope{Flags: []*eventv1.Flag{{Code: "doubtful_date"}}}
		w.As(doubt, func() { w.ToPledge(on, pledgetest.Commit(line(1, stated(eur, "9")))) })
		doubt.Corrects = [][]byte{w.Last.ID[:]}
		w.As(doubt, func() {
			w.ToPledge(on, &pledge.Revalue{Meta: pledgetest.Meta(), Line: pledgetest.ID(1), Stage: eventv1.Stage_STAGE_COMMITTED, Asset: eur, Delta: amountOf(eur, "1")})
		})
	}, "doubtful resolved; doubtful_date\ndoubtful open; doubtful_date\n"},
	{"categories that are not known, of which one is told", func(w *world) {
		l, a := line(1, stated(eur, "9")), line(2, stated(eur, "9"))
		l.Category, a.Category = "MIL.UNMAPPED", "MIL.UNMAPPED"
		a.Mapping = &eventv1.CategoryMapping{Mapping: "m", Version: "1", AsFound: "Military / Weapons"}
		w.ToPledge(on, pledgetest.Commit(l))
		w.ToPledge(on, pledgetest.Allocate(a))
		it := pledgetest.Item("thing", "3")
		it.Category = "MIL.UNMAPPED"
		w.ToPledge(on, pledgetest.Allocate(line(3, pledgetest.Missing("tracker", eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED)), it, pledgetest.Item("shell", "3")))
		w.ToPledge(on, &pledge.Reclassify{Meta: pledgetest.Meta(), Line: pledgetest.ID(2), Category: "MIL.AMMO"})
	}, `unmapped open
unmapped resolved; Military / Weapons
unmapped open; 1 of 2 items
`},
	{"items of no known category: with their line, and beside it, until a fact corrects them", func(w *world) {
		packed := line(2, pledgetest.Missing("tracker", eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED))
		packed.Category = "HUM.UNMAPPED"
		with, beside := pledgetest.Item("thing", "3"), pledgetest.Item("shell", "3")
		with.Category, beside.Category = "HUM.UNMAPPED", "MIL.UNMAPPED"
		w.ToPledge(on, pledgetest.Commit(line(1, stated(eur, "9"))))
		w.ToPledge(on, pledgetest.Allocate(packed, with, beside))
		told := w.Last.ID
		for _, to := range []string{"HUM.AID", "MIL.UNMAPPED", "MIL.AMMO"} {
			w.ToPledge(on, &pledge.Reclassify{Meta: pledgetest.Meta(), Line: pledgetest.ID(2), Category: to})
		}
		if got := w.told(); got != "unmapped open; 1 of 2 items\nunmapped resolved\n" {
			w.T.Errorf("before the correction:\n%s", got)
		}
		w.As(&eventv1.Envelope{Corrects: [][]byte{told[:]}}, func() { w.ToPledge(on, pledgetest.Commit(line(4, stated(eur, "9")))) })
	}, "unmapped resolved; 1 of 2 items\nunmapped resolved\n"},
	{"two releases know a pledge by one outside id, until somebody links them", func(w *world) {
		known := func(stream, release string) {
			w.As(&eventv1.Envelope{Sources: []*eventv1.Source{{Publisher: "tracker", Release: release, ExternalId: "DEU33"}}}, func() {
				w.ToPledge(stream, pledgetest.Commit(line(1, stated(eur, "9"))))
				w.ToPledge(stream, pledgetest.Allocate(line(2, stated(eur, "9"))))
			})
		}
		known(on, "2024-06")
		known(other, "2024-08")
		known(enginetest.Stream(2), "2024-08") // of its own release, it says nothing
		w.ToPledge(on, &pledge.LinkTo{Meta: pledgetest.Meta(), Link: eventv1.Link_LINK_SAME, Pledge: other})
	}, `unmatched resolved; DEU33 is ` + on + ` in release 2024-06
unmatched open; DEU33 is ` + on + ` in release 2024-06
`},
	{"many pledges of two releases share an outside id that is a mere dash", func(w *world) {
		for n, release := range []string{"2024-06", "2024-06", "2024-06", "2024-07", "2024-08"} {
			w.As(&eventv1.Envelope{Sources: []*eventv1.Source{{Publisher: "tracker", Release: release, ExternalId: "-"}}}, func() {
				w.ToPledge(enginetest.Stream(n), pledgetest.Commit(line(1, stated(eur, "9"))))
			})
		}
		w.ToPledge(enginetest.Stream(3), &pledge.LinkTo{Meta: pledgetest.Meta(), Link: eventv1.Link_LINK_SAME, Pledge: enginetest.Stream(2)})
	}, `unmatched resolved; - is that of 3 pledges in release 2024-06, such as ` + enginetest.Stream(0) + `
unmatched open; - is ` + enginetest.Stream(3) + ` in release 2024-07
unmatched open; - is that of 3 pledges in release 2024-06, such as ` + enginetest.Stream(0) + `
`},
}

func TestHistories(t *testing.T) {
	raised := map[string]bool{}
	for _, h := range histories {
		t.Run(h.name, func(t *testing.T) {
			w := newWorld(t)
			h.do(w)
			got := w.told()
			if got != h.want {
				t.Errorf("got\n%swant\n%s", got, h.want)
			}
			for l := range strings.Lines(got) {
				kind, _, _ := strings.Cut(l, " ")
				raised[strings.TrimSuffix(kind, "\n")] = true
			}
		})
	}
	for _, kind := range exceptions.Kinds() {
		if !raised[kind] {
			t.Errorf("no history raises %s", kind)
		}
	}
}

// A quantity of items stands in the category of the items, whatever that of their package.
func TestAnExceptionStandsWhereTheBooksHaveIt(t *testing.T) {
	w := newWorld(t)
	packed := line(2, pledgetest.Missing("tracker", eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED))
	packed.Category = "MIL.MIXED"
	it := pledgetest.Item("shell", "10")
	it.Category = "MIL.AMMO"
	w.ToPledge(on, pledgetest.Commit(line(1, stated(eur, "200"))))
	w.ToPledge(on, pledgetest.Allocate(packed, it))
	w.ToShipment(convoy, ship.Plan(w.Draw(pledgetest.Meta(), on, 4, 2, shells, "10", convoy)))
	w.ToShipment(convoy, ship.Dispatch())
	w.ToShipment(convoy, ship.Short(ship.Part(4, shells, "3")))
	check := func(when string) {
		t.Helper()
		all := w.list(exceptions.ListRequest{Status: exceptions.All}).Exceptions
		if len(all) != 2 || all[0].Category != "MIL.AMMO" || all[1].Category != "MIL.AMMO" {
			t.Errorf("%s: %+v", when, all)
		}
	}
	check("at once")
	w.ToPledge(on, &pledge.Reclassify{Meta: pledgetest.Meta(), Line: pledgetest.ID(2), Category: "MIL.ARTY"})
	check("when the package is of another category")
}

// What an exception says of the fact that raised it.
func TestAnExceptionNamesItsFact(t *testing.T) {
	w := newWorld(t)
	w.ToPledge(on, pledgetest.Commit(line(1, stated(eur, "100"))))
	w.allocate(pledgetest.Observed(), 2, "130")
	over := w.Last
	w.ToPledge(on, &pledge.Reclassify{Meta: pledgetest.Meta(), Line: pledgetest.ID(2), Category: "MIL.ARTY"})
	w.Add(on, undated, &eventv1.PledgeLinked{Link: eventv1.Link_LINK_EXTENDS, Pledge: other})
	got := w.list(exceptions.ListRequest{}).Exceptions
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	e := got[0]
	if e.Event != over.ID.String() || e.Ordinal != over.Ordinal || e.Recorded != "1970-01-01" || *e.Effective != "2022-09-13" || e.ResolvedOrdinal != nil ||
		e.Stream != on || e.Pledge != on || e.Line != pledgetest.ID(2).String() || e.Draw != "" || e.Donor != "USA" || e.Beneficiary != "UKR" || e.Category != "MIL.ARTY" {
		t.Errorf("%+v", e)
	}
	w.ToPledge(on, pledgetest.Commit(line(4, stated(eur, "100"))))
	got = w.list(exceptions.ListRequest{Status: exceptions.Resolved}).Exceptions
	if len(got) != 1 || got[0].ID != e.ID || *got[0].ResolvedOrdinal != w.Last.Ordinal {
		t.Errorf("%+v", got)
	}
}
