package exceptions_test

import (
	"context"
	"testing"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/payment"
	pay "github.com/allied-ledger/allied/events/payment/paymenttest"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/shipment"
	ship "github.com/allied-ledger/allied/events/shipment/shipmenttest"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/exceptions"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

const (
	eur    = pledgetest.EUR
	usd    = "USD/2@donor_stated"
	uah    = pay.UAH
	shells = "each/6:shell"
)

// world decides commands of all aggregates, and keeps what they decide.
type world struct {
	t         testing.TB
	log       *enginetest.Log
	pledges   map[string]*pledge.State
	shipments map[string]*shipment.State
	payments  map[string]*payment.State
	last      *es.Fact
	// envelope is what the next facts say beside what they state; its parties are given.
	envelope *eventv1.Envelope
	n        int // ids so far
	// crashed: the service dies before it gives back what a shipment or payment did not use.
	crashed bool
}

func newWorld(t testing.TB) *world {
	return &world{
		t: t, log: enginetest.NewLog(uuid.UUID{1: 7}), pledges: map[string]*pledge.State{}, shipments: map[string]*shipment.State{},
		payments: map[string]*payment.State{}, envelope: &eventv1.Envelope{}, n: 100,
	}
}

func (w *world) id() int { w.n++; return w.n }

func (w *world) pledge(stream string) *pledge.State {
	if w.pledges[stream] == nil {
		w.pledges[stream] = pledge.Initial(stream)
	}
	return w.pledges[stream]
}

// add appends a fact as it is decided or, in tests of what no decider writes, as it is made up.
func (w *world) add(stream string, effective *eventv1.Effective, e es.Event) *es.Fact {
	w.t.Helper()
	env := &eventv1.Envelope{
		Donor: given.Donor, Beneficiary: given.Beneficiary, Effective: effective, Sources: w.envelope.Sources, Flags: w.envelope.Flags,
		Corrects: w.envelope.Corrects, Observed: w.envelope.Observed, Override: w.envelope.Override,
	}
	f, err := wire.Decode(w.log.AddFact(w.t, stream, env, e))
	if err != nil {
		w.t.Fatal(err)
	}
	w.last = f
	return f
}

func (w *world) tryPledge(stream string, c pledge.Command) error {
	w.t.Helper()
	s := w.pledge(stream)
	events, err := pledge.Decide(s, c)
	for _, e := range events {
		pledge.Evolve(s, w.add(stream, pledgetest.Meta().Effective, e))
	}
	return err
}

func (w *world) toPledge(stream string, c pledge.Command) {
	w.t.Helper()
	if err := w.tryPledge(stream, c); err != nil {
		w.t.Fatalf("%T is refused: %v", c, err)
	}
}

// tryShipment records what a shipment decides, and releases and settles its draws after it as the services do.
func (w *world) tryShipment(stream string, c shipment.Command) error {
	w.t.Helper()
	s := w.shipments[stream]
	if s == nil {
		s = shipment.Initial(stream)
		w.shipments[stream] = s
	}
	events, err := shipment.Decide(s, c)
	for _, e := range events {
		shipment.Evolve(s, w.add(stream, ship.Meta().Effective, e))
	}
	for _, e := range events {
		switch e := e.(type) {
		case *eventv1.ShipmentClosed:
			w.release(e.Unused...)
		case *eventv1.ShipmentReturned:
			if e.Reopens {
				w.release(e.Movements...)
			}
		}
	}
	return err
}

func (w *world) toShipment(stream string, c shipment.Command) {
	w.t.Helper()
	if err := w.tryShipment(stream, c); err != nil {
		w.t.Fatalf("%T is refused: %v", c, err)
	}
}

func (w *world) tryPayment(stream string, c payment.Command) error {
	w.t.Helper()
	s := w.payments[stream]
	if s == nil {
		s = payment.Initial(stream)
		w.payments[stream] = s
	}
	events, err := payment.Decide(s, c)
	for _, e := range events {
		payment.Evolve(s, w.add(stream, pay.Meta().Effective, e))
	}
	for _, e := range events {
		switch e := e.(type) {
		case *eventv1.PaymentRejected:
			w.release(e.Movement)
		case *eventv1.PaymentReturned:
			if e.Reopens {
				w.release(e.Movement)
			}
		}
	}
	return err
}

func (w *world) toPayment(stream string, c payment.Command) {
	w.t.Helper()
	if err := w.tryPayment(stream, c); err != nil {
		w.t.Fatalf("%T is refused: %v", c, err)
	}
}

func (w *world) release(unused ...*eventv1.Movement) {
	w.t.Helper()
	if w.crashed {
		return
	}
	for _, m := range unused {
		c := &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: uuid.UUID(m.Draw)}
		if d := w.pledge(m.Pledge).Draw(c.Draw); d.Asset != "" {
			c.Asset, c.Amount = d.Asset, drawn.Amount(m.Amount)
		}
		_ = w.tryPledge(m.Pledge, c) // refused where somebody else has released it
	}
}

// draw reserves a part of an allocation for a stream, and returns the line that the shipment or payment carries.
func (w *world) draw(meta pledge.Meta, on string, draw, allocation int, asset, text, stream string) *eventv1.DrawnLine {
	w.t.Helper()
	c := &pledge.ReserveDraw{Meta: meta, Draw: pledgetest.ID(draw), Allocation: pledgetest.ID(allocation), Asset: asset, ForStream: stream}
	if asset != "" {
		c.Amount = pledgetest.Amount(asset, text)
	}
	w.toPledge(on, c)
	return w.drawnLine(on, c)
}

func (w *world) drawnLine(on string, c *pledge.ReserveDraw) *eventv1.DrawnLine {
	l := w.pledge(on).Line(c.Allocation)
	d := &eventv1.DrawnLine{Draw: c.Draw[:], Pledge: on, Allocation: l.ID[:], Asset: c.Asset, Category: l.Category, Instrument: l.Instrument}
	if c.Asset != "" {
		d.Amount = c.Amount.Proto()
	}
	return d
}

// as lets facts be said with another envelope.
func (w *world) as(env *eventv1.Envelope, do func()) {
	before := w.envelope
	w.envelope = env
	do()
	w.envelope = before
}

func (w *world) list(req exceptions.ListRequest) *exceptions.Listing {
	w.t.Helper()
	l, err := w.tryList(req)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func (w *world) tryList(req exceptions.ListRequest) (l *exceptions.Listing, err error) {
	w.t.Helper()
	r, failed := engine.Replay(context.Background(), w.log.All(), exceptions.New())
	if failed == nil {
		failed = r.Sink.View(context.Background(), func(s engine.Snapshot) error {
			l, err = exceptions.List(context.Background(), s, req)
			return nil
		})
	}
	if failed != nil {
		w.t.Fatal(failed)
	}
	return l, err
}

func shipmentStream(n int) string { return es.StreamName(shipment.Kind, pledgetest.ID(1000+n)) }

func paymentStream(n int) string { return es.StreamName(payment.Kind, pledgetest.ID(2000+n)) }

func granted(l *eventv1.Line) *eventv1.Line {
	l.Instrument, l.Category = eventv1.Instrument_INSTRUMENT_GRANT, "FIN.BUDGET"
	return l
}

func amountOf(asset, text string) money.Amount { return pledgetest.Amount(asset, text) }
