package enginetest

import (
	"testing"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/payment"
	pay "github.com/allied-ledger/allied/events/payment/paymenttest"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/shipment"
	ship "github.com/allied-ledger/allied/events/shipment/shipmenttest"
	"github.com/allied-ledger/allied/events/wire"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// World decides commands of all aggregates, and keeps what they decide.
type World struct {
	T         testing.TB
	Log       *Log
	Pledges   map[string]*pledge.State
	Shipments map[string]*shipment.State
	Payments  map[string]*payment.State
	Last      *es.Fact
	// Envelope is what the next facts say beside what they state; its parties are given.
	Envelope *eventv1.Envelope
	// Crashed: the service dies before it gives back what a shipment or payment did not use.
	Crashed bool
	n       int // ids so far
}

// NewWorld returns a world in which nothing has happened.
func NewWorld(t testing.TB) *World {
	return &World{
		T: t, Log: NewLog(uuid.UUID{1: 7}), Pledges: map[string]*pledge.State{}, Shipments: map[string]*shipment.State{},
		Payments: map[string]*payment.State{}, Envelope: &eventv1.Envelope{}, n: 100,
	}
}

// ID is a number that was not used before.
func (w *World) ID() int { w.n++; return w.n }

// Pledge is the state of a pledge.
func (w *World) Pledge(stream string) *pledge.State {
	if w.Pledges[stream] == nil {
		w.Pledges[stream] = pledge.Initial(stream)
	}
	return w.Pledges[stream]
}

// Add appends a fact as it is decided or, in tests of what no decider writes, as it is made up.
func (w *World) Add(stream string, effective *eventv1.Effective, e es.Event) *es.Fact {
	w.T.Helper()
	env := &eventv1.Envelope{
		Donor: given.Donor, Beneficiary: given.Beneficiary, Effective: effective, Sources: w.Envelope.Sources, Flags: w.Envelope.Flags,
		Corrects: w.Envelope.Corrects, Observed: w.Envelope.Observed, Override: w.Envelope.Override, Actor: w.Envelope.Actor, Reason: w.Envelope.Reason,
	}
	f, err := wire.Decode(w.Log.AddFact(w.T, stream, env, e))
	if err != nil {
		w.T.Fatal(err)
	}
	w.Last = f
	return f
}

// TryPledge records what a pledge decides, or returns why it refuses.
func (w *World) TryPledge(stream string, c pledge.Command) error {
	w.T.Helper()
	s := w.Pledge(stream)
	events, err := pledge.Decide(s, c)
	for _, e := range events {
		pledge.Evolve(s, w.Add(stream, pledgetest.Meta().Effective, e))
	}
	return err
}

// ToPledge records what a pledge decides; it may not refuse.
func (w *World) ToPledge(stream string, c pledge.Command) {
	w.T.Helper()
	if err := w.TryPledge(stream, c); err != nil {
		w.T.Fatalf("%T is refused: %v", c, err)
	}
}

// TryShipment records what a shipment decides, and releases and settles its draws after it as the services do.
func (w *World) TryShipment(stream string, c shipment.Command) error {
	w.T.Helper()
	s := w.Shipments[stream]
	if s == nil {
		s = shipment.Initial(stream)
		w.Shipments[stream] = s
	}
	events, err := shipment.Decide(s, c)
	for _, e := range events {
		shipment.Evolve(s, w.Add(stream, ship.Meta().Effective, e))
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

// ToShipment is TryShipment of what may not be refused.
func (w *World) ToShipment(stream string, c shipment.Command) {
	w.T.Helper()
	if err := w.TryShipment(stream, c); err != nil {
		w.T.Fatalf("%T is refused: %v", c, err)
	}
}

// TryPayment is TryShipment for a payment.
func (w *World) TryPayment(stream string, c payment.Command) error {
	w.T.Helper()
	s := w.Payments[stream]
	if s == nil {
		s = payment.Initial(stream)
		w.Payments[stream] = s
	}
	events, err := payment.Decide(s, c)
	for _, e := range events {
		payment.Evolve(s, w.Add(stream, pay.Meta().Effective, e))
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

// ToPayment is TryPayment of what may not be refused.
func (w *World) ToPayment(stream string, c payment.Command) {
	w.T.Helper()
	if err := w.TryPayment(stream, c); err != nil {
		w.T.Fatalf("%T is refused: %v", c, err)
	}
}

func (w *World) release(unused ...*eventv1.Movement) {
	w.T.Helper()
	if w.Crashed {
		return
	}
	for _, m := range unused {
		c := &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: uuid.UUID(m.Draw)}
		if d := w.Pledge(m.Pledge).Draw(c.Draw); d.Asset != "" {
			c.Asset, c.Amount = d.Asset, drawn.Amount(m.Amount)
		}
		_ = w.TryPledge(m.Pledge, c) // refused where somebody else has released it
	}
}

// Draw reserves a part of an allocation for a stream, and returns the line that the shipment or payment carries.
func (w *World) Draw(meta pledge.Meta, on string, draw, allocation int, asset, text, stream string) *eventv1.DrawnLine {
	w.T.Helper()
	c := &pledge.ReserveDraw{Meta: meta, Draw: pledgetest.ID(draw), Allocation: pledgetest.ID(allocation), Asset: asset, ForStream: stream}
	if asset != "" {
		c.Amount = pledgetest.Amount(asset, text)
	}
	w.ToPledge(on, c)
	return w.DrawnLine(on, c)
}

// DrawnLine is what the shipment or payment of a draw carries.
func (w *World) DrawnLine(on string, c *pledge.ReserveDraw) *eventv1.DrawnLine {
	l := w.Pledge(on).Line(c.Allocation)
	d := &eventv1.DrawnLine{Draw: c.Draw[:], Pledge: on, Allocation: l.ID[:], Asset: c.Asset, Category: l.Category, Instrument: l.Instrument}
	if c.Asset != "" {
		d.Amount = c.Amount.Proto()
	}
	return d
}

// As lets facts be said with another envelope.
func (w *World) As(env *eventv1.Envelope, do func()) {
	before := w.Envelope
	w.Envelope = env
	do()
	w.Envelope = before
}

// ShipmentStream names the nth shipment of tests.
func ShipmentStream(n int) string { return es.StreamName(shipment.Kind, pledgetest.ID(1000+n)) }

// PaymentStream names the nth payment of tests.
func PaymentStream(n int) string { return es.StreamName(payment.Kind, pledgetest.ID(2000+n)) }

// Granted makes a line a grant of money.
func Granted(l *eventv1.Line) *eventv1.Line {
	l.Instrument, l.Category = eventv1.Instrument_INSTRUMENT_GRANT, "FIN.BUDGET"
	return l
}
