package posting_test

import (
	"strconv"
	"testing"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/payment"
	pay "github.com/allied-ledger/allied/events/payment/paymenttest"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/events/shipment"
	ship "github.com/allied-ledger/allied/events/shipment/shipmenttest"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

const (
	shipmentsMax = 3
	paymentsMax  = 3
)

// Histories of a pledge with the shipments and payments that draw on it: after every event the postings sum to zero, agree with what the
// aggregates hold and leave nothing of a control asset below zero; and when all is closed, nothing is left on the way in any asset.
func TestBooksAgreeWithAllAggregates(t *testing.T) {
	tally := given.NewTally()
	rapid.Check(t, func(t *rapid.T) {
		h := begin(t, tally)
		for range rapid.IntRange(20, 100).Draw(t, "commands") {
			h.step()
		}
		h.finish()
	})
	tally.Report(t)
}

// history is one pledge, and what draws on it.
type history struct {
	t         *rapid.T
	tally     given.Tally
	n         int // ids so far
	pledge    *pledge.State
	shipments []*shipment.State
	payments  []*payment.State
	// pending is what is reserved, and neither planned nor instructed yet.
	pending *drawn.Line
	// exchanged are the lines of which a payment was booked in another currency.
	exchanged map[uuid.UUID]bool
	next      map[string]uint64 // the next revision of a stream
	register  *posting.Register
	journal   posting.Journal
	sums      totals
}

func (h *history) id() int { h.n++; return h.n }

// begin opens a pledge with allocations of every kind of control: values, quantities, nothing; in kind, granted and lent.
func begin(t *rapid.T, tally given.Tally) *history {
	h := &history{
		t: t, tally: tally, n: 100, pledge: pledge.Initial(given.Stream("pledge")), exchanged: map[uuid.UUID]bool{}, next: map[string]uint64{},
		register: posting.NewRegister(), sums: totals{},
	}
	granted, lent := line(5, stated(eur, "100"), stated(usd, "1.07")), line(6, stated(eur, "70"))
	granted.Instrument, lent.Instrument = eventv1.Instrument_INSTRUMENT_GRANT, eventv1.Instrument_INSTRUMENT_LOAN
	for _, cmd := range []pledge.Command{
		commit(line(1, stated(eur, "1000"), stated(usd, "1001"))),
		allocate(line(2, stated(eur, "100"), stated(usd, "0.97")), item("shell", "7"), item("tank", "0.000011")),
		allocate(line(3, missing("tracker", withheld), missing("donor_stated", undisclosed)), item("shell", "10")),
		allocate(line(4, missing("tracker", undisclosed))),
		allocate(granted), allocate(lent),
	} {
		if err := h.toPledge(cmd); err != nil {
			t.Fatalf("%T is refused: %v", cmd, err)
		}
	}
	return h
}

func (h *history) step() {
	kinds := []string{"pledge", "pledge", "pledge", "ship", "pay"}
	for range h.shipments {
		kinds = append(kinds, "shipment", "shipment", "shipment", "shipment")
	}
	for range h.payments {
		kinds = append(kinds, "payment", "payment")
	}
	switch rapid.SampledFrom(kinds).Draw(h.t, "step") {
	case "pledge":
		h.alter()
	case "ship":
		h.ship()
	case "pay":
		h.pay()
	case "shipment":
		s := rapid.SampledFrom(h.shipments).Draw(h.t, "shipment")
		h.toShipment(s, ship.Random(h.t, s))
	case "payment":
		s := rapid.SampledFrom(h.payments).Draw(h.t, "payment")
		h.toPayment(s, pay.Random(h.t, s))
	}
}

// alter changes the pledge itself. What becomes of its draws is a matter of those who drew, and it stays open.
func (h *history) alter() {
	cmd := pledgetest.Random(h.t, h.pledge, h.id)
	switch c := cmd.(type) {
	case *pledge.Revalue:
		// The pledge does not know whether anything of the draw is still reserved; its service asks before it revalues there.
		if c.Draw != uuid.Nil && !h.reserved(c.Draw) {
			return
		}
	case *pledge.ReserveDraw, *pledge.ReleaseDraw, *pledge.SettleDraw, *pledge.ClaimDelivery, *pledge.Fulfil, *pledge.Lapse:
		return
	}
	_ = h.toPledge(cmd)
}

// reserved tells whether anything of a draw still stands as reserved.
func (h *history) reserved(draw uuid.UUID) bool {
	for _, s := range h.shipments {
		if l := s.Line(draw); l != nil {
			return !l.Standing(eventv1.Stage_STAGE_RESERVED).IsZero()
		}
	}
	return false // a payment is instructed whole
}

// draw reserves on one of the allocations, as a service does before it plans or instructs. It is nil where the pledge refuses.
func (h *history) draw(stream string, allocations ...int) *eventv1.DrawnLine {
	l := h.pledge.Line(id(rapid.SampledFrom(allocations).Draw(h.t, "allocation")))
	c := &pledge.ReserveDraw{Meta: pledgetest.Meta(), Draw: id(h.id()), Allocation: l.ID, ForStream: stream}
	if rapid.IntRange(0, 4).Draw(h.t, "override") == 0 {
		c.Meta = pledgetest.Overridden()
	}
	if len(l.Controls) > 0 {
		c.Asset = l.Controls[0]
		c.Amount = money.New(int64(rapid.IntRange(1, 5_000).Draw(h.t, "amount")))
		if c.Asset == shells {
			c.Amount = pledgetest.Amount(shells, strconv.Itoa(rapid.IntRange(1, 5).Draw(h.t, "pieces")))
		} else if rapid.IntRange(0, 3).Draw(h.t, "states tanks") == 0 {
			c.Stated = []*eventv1.AssetAmount{ship.Stated(tanks, strconv.Itoa(rapid.IntRange(0, 2).Draw(h.t, "tanks")))}
		}
	}
	d := &eventv1.DrawnLine{
		Draw: c.Draw[:], Pledge: h.pledge.Stream, Allocation: l.ID[:], Asset: c.Asset, Category: l.Category, Instrument: l.Instrument,
	}
	if c.Asset != "" {
		d.Amount = c.Amount.Proto()
	}
	h.pending = drawn.New(d)
	if h.toPledge(c) != nil {
		h.pending = nil
		return nil
	}
	return d
}

// ship plans another line of a shipment; a draw of which the plan is refused is released at once.
func (h *history) ship() {
	i := rapid.IntRange(0, shipmentsMax-1).Draw(h.t, "shipment")
	s := shipment.Initial(es.StreamName("shipment", id(1_000+i)))
	if i < len(h.shipments) {
		s = h.shipments[i]
	}
	l := h.draw(s.Stream, 2, 2, 3, 4, 5)
	if l == nil {
		return
	}
	if i >= len(h.shipments) {
		h.shipments = append(h.shipments, s)
	}
	if h.toShipment(s, ship.Plan(l)) != nil {
		h.pending = nil
		h.release(&eventv1.Movement{Draw: l.Draw, Amount: l.Amount})
		h.compare()
	}
}

func (h *history) pay() {
	if len(h.payments) == paymentsMax {
		return
	}
	s := payment.Initial(es.StreamName("payment", id(2_000+len(h.payments))))
	l := h.draw(s.Stream, 2, 5, 5, 6, 6)
	if l == nil {
		return
	}
	cmd := pay.Instruct(l)
	if rapid.Bool().Draw(h.t, "states dollars") {
		cmd.Stated = []*eventv1.AssetAmount{pay.Stated(usd, "3.33")}
	}
	if err := h.toPayment(s, cmd); err != nil {
		h.t.Fatalf("a payment is refused: %v", err)
	}
}

func (h *history) toPledge(cmd pledge.Command) error {
	before := h.sums.caps(h.pledge)
	events, err := pledge.Decide(h.pledge, cmd)
	h.tally.Count(cmd, err)
	for _, e := range events {
		pledge.Evolve(h.pledge, h.fold(h.pledge.Stream, e))
		h.compare()
	}
	if !mayExceed(cmd) {
		before.keeps(h.t, cmd, h.sums.caps(h.pledge))
	}
	return err
}

func (h *history) toShipment(s *shipment.State, cmd shipment.Command) error {
	before := h.sums.caps(h.pledge)
	events, err := shipment.Decide(s, cmd)
	h.tally.Count(cmd, err)
	for _, e := range events {
		shipment.Evolve(s, h.fold(s.Stream, e))
		switch e := e.(type) {
		case *eventv1.ShipmentPlanned:
			h.pending = nil
		case *eventv1.ShipmentClosed:
			h.release(e.Unused...)
		case *eventv1.ShipmentReturned:
			if e.Reopens {
				h.release(e.Movements...)
			}
		}
		h.compare()
	}
	before.keeps(h.t, cmd, h.sums.caps(h.pledge))
	return err
}

func (h *history) toPayment(s *payment.State, cmd payment.Command) error {
	before := h.sums.caps(h.pledge)
	events, err := payment.Decide(s, cmd)
	h.tally.Count(cmd, err)
	for _, e := range events {
		payment.Evolve(s, h.fold(s.Stream, e))
		switch e := e.(type) {
		case *eventv1.PaymentInstructed:
			h.pending = nil
			h.payments = append(h.payments, s)
		case *eventv1.PaymentBooked:
			if e.BookedAsset != "" {
				h.exchanged[s.Line.Allocation] = true
			}
		case *eventv1.PaymentRejected:
			h.release(e.Movement)
		case *eventv1.PaymentReturned:
			if e.Reopens {
				h.release(e.Movement)
			}
		}
		h.compare()
	}
	before.keeps(h.t, cmd, h.sums.caps(h.pledge))
	return err
}

// release gives back to the pledge what draws did not use, as the services do; the pledge may not refuse it.
func (h *history) release(unused ...*eventv1.Movement) {
	for _, m := range unused {
		c := &pledge.ReleaseDraw{Meta: pledgetest.Meta(), Draw: uuid.UUID(m.Draw)}
		if d := h.pledge.Draw(c.Draw); d.Asset != "" {
			c.Asset, c.Amount = d.Asset, drawn.Amount(m.Amount)
		}
		events, err := pledge.Decide(h.pledge, c)
		if err != nil {
			h.t.Fatalf("a release is refused: %v", err)
		}
		for _, e := range events {
			pledge.Evolve(h.pledge, h.fold(h.pledge.Stream, e))
		}
	}
}

// fold posts an event and reads the register back; what follows must go on as if it had stayed in memory.
func (h *history) fold(stream string, e es.Event) *es.Fact {
	f := given.Fact(stream, h.next[stream], e)
	h.next[stream]++
	if err := h.register.Fold(h.pledge.Stream, f, &h.journal); err != nil {
		h.t.Fatal(err)
	}
	checkZero(h.t, &h.journal)
	h.sums.add(h.t, &h.journal)
	h.register = reread(h.t, h.register)
	return f
}

// holding is what a line of the pledge holds at a stage in an asset, by its aggregates.
type holding struct {
	line  uuid.UUID
	stage eventv1.Stage
	asset string
}

// compare: what is posted on a line is what all draws on it hold together, in the asset that they are counted in.
func (h *history) compare() {
	h.sums.compareAt(h.t, h.pledge, func(s eventv1.Stage) bool { return s != eventv1.Stage_STAGE_RESERVED })
	reached, standing, over := map[holding]money.Amount{}, map[holding]money.Amount{}, map[holding]money.Amount{}
	add := func(l *drawn.Line) {
		if l.Asset == "" {
			return
		}
		for _, r := range l.Rungs {
			k := holding{l.Allocation, r.Stage, l.Asset}
			reached[k], standing[k] = drawn.Sum(reached[k], r.Reached), drawn.Sum(standing[k], r.Standing)
			o := holding{l.Allocation, 0, l.Asset}
			over[o] = drawn.Sum(over[o], r.Over)
		}
	}
	for _, s := range h.shipments {
		for _, l := range s.Lines {
			add(l)
		}
	}
	for _, s := range h.payments {
		add(s.Line)
	}
	if h.pending != nil {
		add(h.pending)
	}
	for k := range reached {
		beside := k.stage == eventv1.Stage_STAGE_BOOKED || k.stage == eventv1.Stage_STAGE_RETURNED
		if beside && h.exchanged[k.line] {
			continue // compared below, in the currency that was booked
		}
		in, at := h.posted(k)
		if at != standing[k] || in != reached[k] {
			h.t.Fatalf("line %s at %s in %s: posted %s reached and %s standing, decided %s and %s", k.line, k.stage, k.asset,
				text(k.asset, in), text(k.asset, at), text(k.asset, reached[k]), text(k.asset, standing[k]))
		}
		if in.Sign() < 0 || at.Sign() < 0 {
			h.t.Fatalf("line %s at %s in %s: %s reached and %s standing", k.line, k.stage, k.asset, text(k.asset, in), text(k.asset, at))
		}
	}
	for k, want := range over {
		if got := h.sums[total{posting.OverHandedOver, k.line, k.asset}].Neg(); got != want {
			h.t.Fatalf("line %s in %s: posted %s over what was dispatched, decided %s", k.line, k.asset, text(k.asset, got), text(k.asset, want))
		}
	}
	h.compareBooked()
}

// compareBooked: what stands booked, in the currency that was booked, and what of loans is open.
func (h *history) compareBooked() {
	booked, open := map[holding]money.Amount{}, map[total]money.Amount{}
	for _, s := range h.payments {
		if s.Booked.Asset == "" {
			continue
		}
		k := holding{s.Line.Allocation, eventv1.Stage_STAGE_BOOKED, s.Booked.Asset}
		booked[k] = drawn.Sum(booked[k], s.Booked.Amount)
		p, i := total{posting.LoanPrincipal, k.line, k.asset}, total{posting.LoanInterestDue, k.line, k.asset}
		open[p], open[i] = drawn.Sum(open[p], s.Principal), drawn.Sum(open[i], s.Interest)
	}
	for k, want := range booked {
		if in, at := h.posted(k); at != want || in.Sign() < 0 {
			h.t.Fatalf("line %s in %s: posted %s reached and %s standing booked, decided %s", k.line, k.asset, text(k.asset, in), text(k.asset, at), text(k.asset, want))
		}
	}
	for k, want := range open {
		if got := h.sums[k]; got != want {
			h.t.Fatalf("%s of line %x in %s: posted %s, decided %s", k.account, k.line, k.asset, text(k.asset, got), text(k.asset, want))
		}
	}
}

// posted is what reached a stage and stands there by the postings.
func (h *history) posted(k holding) (reached, standing money.Amount) {
	reached = h.sums[total{posting.In(k.stage), k.line, k.asset}]
	return reached, drawn.Sum(reached, h.sums[total{posting.Out(k.stage), k.line, k.asset}])
}

// finish lets everything arrive and be paid: nothing may be left on the way in any asset, dust neither.
func (h *history) finish() {
	for _, s := range h.shipments {
		if s.Phase == shipment.Closed {
			continue
		}
		for _, cmd := range []shipment.Command{ship.HandOver(), ship.Lose()} {
			_ = h.toShipment(s, cmd) // refused where nothing is there to move
		}
		if err := h.toShipment(s, ship.Close()); err != nil {
			h.t.Fatalf("a shipment does not close: %v", err)
		}
	}
	for _, s := range h.payments {
		if s.Phase != payment.Rejected && !s.Line.Standing(eventv1.Stage_STAGE_INSTRUCTED).IsZero() {
			cmd := pay.Book()
			if s.Booked.Asset != s.Line.Asset && s.Booked.Asset != "" {
				cmd = pay.BookedIn(cmd, s.Booked.Asset, "1")
			}
			if err := h.toPayment(s, cmd); err != nil {
				h.t.Fatalf("a payment is not booked: %v", err)
			}
		}
	}
	for _, stage := range []eventv1.Stage{
		eventv1.Stage_STAGE_RESERVED, eventv1.Stage_STAGE_DISPATCHED, eventv1.Stage_STAGE_MISSING, eventv1.Stage_STAGE_INSTRUCTED,
	} {
		for k := range h.sums {
			if _, at := h.posted(holding{k.line, stage, k.asset}); !at.IsZero() {
				h.t.Fatalf("all is closed, and %s of %s still stands as %s on line %x", text(k.asset, at), k.asset, stage, k.line)
			}
		}
	}
}
