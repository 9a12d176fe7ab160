package journal_test

import (
	"errors"
	"testing"

	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/payment"
	pay "github.com/allied-ledger/allied/events/payment/paymenttest"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	ship "github.com/allied-ledger/allied/events/shipment/shipmenttest"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/journal"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

const (
	eur    = pledgetest.EUR
	shells = "each/6:shell"
)

var (
	on       = enginetest.Stream(0)
	convoy   = enginetest.ShipmentStream(0)
	paid     = enginetest.PaymentStream(0)
	imported = es.StreamName("import", uuid.UUID{15: 9})
)

// told is a history in which every kind of stream has facts: ammunition that is pledged, shipped and partly lost, a grant that is paid, what the
// tracker says of another donor, and its import.
func told(t testing.TB) *enginetest.World {
	t.Helper()
	w := enginetest.NewWorld(t)
	commit := pledgetest.Commit(pledgetest.Line(1, pledgetest.Stated(eur, "625")))
	commit.Title = "Ammunition for 2022"
	w.As(&eventv1.Envelope{Actor: "A. Clerk", Sources: []*eventv1.Source{{ExternalId: "USA7"}}}, func() { w.ToPledge(on, commit) })
	w.ToPledge(on, pledgetest.Allocate(pledgetest.Line(2, pledgetest.Stated(eur, "200")), pledgetest.Item("shell", "10")))
	w.ToPledge(on, pledgetest.Allocate(enginetest.Granted(pledgetest.Line(3, pledgetest.Stated(eur, "100"), pledgetest.Missing("net_book", undisclosed)))))
	w.ToShipment(convoy, ship.Plan(w.Draw(pledgetest.Meta(), on, 4, 2, eur, "100", convoy)))
	w.ToShipment(convoy, ship.Dispatch())
	w.Add(convoy, dates.Unknown(), &eventv1.ShipmentArrived{Place: "Constanța"})
	w.ToShipment(convoy, ship.HandOver(ship.Part(4, eur, "60")))
	w.ToShipment(convoy, ship.Short(ship.Part(4, eur, "40")))
	w.ToShipment(convoy, ship.Claim(ship.Part(4, eur, "1")))
	w.ToPayment(paid, pay.Instruct(w.Draw(pledgetest.Meta(), on, 5, 3, eur, "50", paid)))
	w.ToPayment(paid, pay.Accept())
	w.ToPayment(paid, pay.BookedIn(pay.BookPart(eur, "50", "1"), pay.UAH, "1960"))
	wrong := w.Last.ID
	w.As(&eventv1.Envelope{Corrects: [][]byte{wrong[:]}, Reason: "booked twice"}, func() {
		w.ToPayment(paid, &payment.Reverse{Meta: pay.Meta(), Event: w.Payments[paid].Bookings[0].Event})
	})
	flagged := &eventv1.Envelope{Donor: "NOR", Beneficiary: "UKR", Effective: dates.Unknown(), Observed: true, Flags: []*eventv1.Flag{{Code: "synthetic"}, {Code: "plug"}}}
	w.Log.AddFact(t, enginetest.Stream(1), flagged, &eventv1.PledgeAnnounced{Lines: []*eventv1.Line{
		{Line: make([]byte, 16), Title: "Fjord patrol boats", Category: "MIL.NAVAL", Instrument: eventv1.Instrument_INSTRUMENT_SWAP, ControlAsset: eur, Values: []*eventv1.Valuation{pledgetest.Stated(eur, "9.5")}},
	}})
	w.Log.AddFact(t, imported, &eventv1.Envelope{Donor: "_", Effective: dates.Unknown()}, &eventv1.ImportCompleted{
		Dataset: "ukraine-support-tracker", Release: "2024-06", Columns: []*eventv1.ColumnTotal{{Column: "total", Asset: "EUR/2@tracker", Sum: pledgetest.Amount(eur, "1234567.89").Proto()}},
	})
	w.As(&eventv1.Envelope{Override: pledgetest.Overridden().Override}, func() { w.ToPledge(on, &pledge.Lapse{Meta: pledgetest.Meta()}) })
	return w
}

const undisclosed = eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED

// view asks the view of a log.
func view(t testing.TB, log *enginetest.Log, fn func(engine.Snapshot) error) {
	t.Helper()
	enginetest.View(t, enginetest.Replayed(t, log, journal.New()), fn)
}

func refusal(t *testing.T, err error, code, field string) {
	t.Helper()
	var r *es.Refusal
	if !errors.As(err, &r) || r.Code != code || r.Field != field || r.Reason == "" || r.Remedy == "" {
		t.Errorf("%v, and not %s at %s", err, code, field)
	}
}
