package draws_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/internal/draws"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

const eur = "EUR/2@net_book"

func id(kind byte, n int) uuid.UUID { return uuid.UUID{0: kind, 15: byte(n)} }

func bytesOf(u uuid.UUID) []byte { return u[:] }

func pledge(n int) string { return es.StreamName("pledge", id(1, n)) }

func shipment(n int) string { return es.StreamName("shipment", id(2, n)) }

func payment(n int) string { return es.StreamName("payment", id(3, n)) }

func draw(n int) uuid.UUID { return id(4, n) }

func line(n int) []byte { return bytesOf(id(5, n)) }

func amount(cents int64) *eventv1.Amount { return money.New(cents).Proto() }

// happening is an event in a stream.
type happening struct {
	stream string
	event  es.Event
}

func allocated(on, l int) happening {
	return happening{pledge(on), &eventv1.PledgeAllocated{Line: &eventv1.Line{Line: line(l)}}}
}

func reserved(on, d, l int, cents int64, forStream string) happening {
	e := &eventv1.DrawReserved{Draw: bytesOf(draw(d)), Allocation: line(l), ForStream: forStream}
	if cents > 0 {
		e.Asset, e.Amount = eur, amount(cents)
	}
	return happening{pledge(on), e}
}

// released releases a part of a draw, or all of it where there are no cents.
func released(on, d int, cents int64) happening {
	e := &eventv1.DrawReleased{Draw: bytesOf(draw(d))}
	if cents > 0 {
		e.Amount = amount(cents)
	}
	return happening{pledge(on), e}
}

func settled(on, d int) happening {
	return happening{pledge(on), &eventv1.DrawSettled{Draw: bytesOf(draw(d))}}
}

func drawnLine(on, d int) *eventv1.DrawnLine {
	return &eventv1.DrawnLine{Draw: bytesOf(draw(d)), Pledge: pledge(on)}
}

func planned(n int, lines ...*eventv1.DrawnLine) happening {
	return happening{shipment(n), &eventv1.ShipmentPlanned{Lines: lines}}
}

func instructed(n, on, d int) happening {
	return happening{payment(n), &eventv1.PaymentInstructed{Line: drawnLine(on, d)}}
}

func movement(on, d int, cents int64) *eventv1.Movement {
	m := &eventv1.Movement{Draw: bytesOf(draw(d)), Pledge: pledge(on)}
	if cents > 0 {
		m.Amount = amount(cents)
	}
	return m
}

// closed, returned, rejected and paidBack give up what they tell of, or could.
func closed(n, on, d int, cents int64) happening {
	return happening{shipment(n), &eventv1.ShipmentClosed{Unused: []*eventv1.Movement{movement(on, d, cents)}}}
}

func returned(n, on, d int, cents int64, reopens bool) happening {
	return happening{shipment(n), &eventv1.ShipmentReturned{Movements: []*eventv1.Movement{movement(on, d, cents)}, Reopens: reopens}}
}

func rejected(n, on, d int, cents int64) happening {
	return happening{payment(n), &eventv1.PaymentRejected{Movement: movement(on, d, cents)}}
}

func paidBack(n, on, d int, cents int64, reopens bool) happening {
	return happening{payment(n), &eventv1.PaymentReturned{Movement: movement(on, d, cents), Reopens: reopens}}
}

// fact is what happened at an ordinal, an hour after the one before.
func fact(ordinal int, h happening) *es.Fact {
	return &es.Fact{
		ID: id(9, ordinal+1), Stream: h.stream, Ordinal: uint64(ordinal), RecordedAt: time.Unix(int64(3600*ordinal), 0).UTC(),
		Envelope: &eventv1.Envelope{Donor: "NOR", Beneficiary: "UKR", Marking: eventv1.Marking_MARKING_SECRET, CorrelationId: bytesOf(id(8, 1))},
		Event:    h.event,
	}
}

// said writes what is told of each draw that changed.
func said(d *draws.Draws) string {
	var out []string
	for _, x := range d.Changed() {
		words := []string{fmt.Sprint(x.ID[15])}
		if x.Unused() {
			words = append(words, "unused")
		}
		if left, any := x.Unreturned(); any {
			words = append(words, "unreturned "+left.Text(0))
		}
		if x.ReleasedInUse() {
			words = append(words, "released in use")
		}
		out = append(out, strings.Join(words, " "))
	}
	return strings.Join(out, ", ")
}

func TestWhichDrawsNobodyHasUsed(t *testing.T) {
	begin := []happening{allocated(1, 1), reserved(1, 1, 1, 500, shipment(1))}
	for name, c := range map[string]struct {
		then []happening
		want string
	}{
		"left by a crash":                           {nil, "1 unused"},
		"planned":                                   {[]happening{planned(1, drawnLine(1, 2), drawnLine(1, 1))}, "1, 2"},
		"paid":                                      {[]happening{reserved(1, 2, 1, 500, payment(1)), instructed(1, 1, 2)}, "1 unused, 2"},
		"the same id on another pledge":             {[]happening{reserved(2, 1, 1, 500, shipment(2)), planned(2, drawnLine(2, 1))}, "1 unused, 1"},
		"given back":                                {[]happening{released(1, 1, 500)}, "1"},
		"given back without an amount":              {[]happening{released(1, 1, 0)}, "1"},
		"given back in part":                        {[]happening{released(1, 1, 200)}, "1 unused"},
		"given back in parts":                       {[]happening{released(1, 1, 200), released(1, 1, 300)}, "1"},
		"given back in part, then the rest":         {[]happening{released(1, 1, 200), released(1, 1, 0)}, "1"},
		"settled":                                   {[]happening{settled(1, 1)}, "1"},
		"given back, then planned":                  {[]happening{released(1, 1, 500), planned(1, drawnLine(1, 1))}, "1 released in use"},
		"given back in part, then planned":          {[]happening{released(1, 1, 200), planned(1, drawnLine(1, 1))}, "1 released in use"},
		"planned, then given back":                  {[]happening{planned(1, drawnLine(1, 1)), released(1, 1, 500)}, "1 released in use"},
		"planned, closed, and given back":           {[]happening{planned(1, drawnLine(1, 1)), closed(1, 1, 1, 500), released(1, 1, 500)}, "1"},
		"planned, closed, and not given back yet":   {[]happening{planned(1, drawnLine(1, 1)), closed(1, 1, 1, 500)}, "1 unreturned 500"},
		"planned, closed, and given back in part":   {[]happening{planned(1, drawnLine(1, 1)), closed(1, 1, 1, 500), released(1, 1, 200)}, "1 unreturned 300"},
		"given back in part, and closed with all":   {[]happening{planned(1, drawnLine(1, 1)), released(1, 1, 200), closed(1, 1, 1, 500)}, "1 unreturned 300"},
		"uncounted, planned, closed":                {[]happening{reserved(1, 2, 1, 0, shipment(1)), planned(1, drawnLine(1, 2)), closed(1, 1, 2, 0)}, "1 unused, 2 unreturned 0"},
		"uncounted, planned, returned, settled":     {[]happening{reserved(1, 2, 1, 0, shipment(1)), planned(1, drawnLine(1, 2)), returned(1, 1, 2, 0, true), settled(1, 2)}, "1 unused, 2"},
		"planned, returned, more given back":        {[]happening{planned(1, drawnLine(1, 1)), returned(1, 1, 1, 200, true), released(1, 1, 201)}, "1 released in use"},
		"planned, returned for good, given back":    {[]happening{planned(1, drawnLine(1, 1)), returned(1, 1, 1, 200, false), released(1, 1, 200)}, "1 released in use"},
		"paid, rejected, and given back":            {[]happening{instructed(1, 1, 1), rejected(1, 1, 1, 500), released(1, 1, 500)}, "1"},
		"paid, returned to be owed, and given back": {[]happening{instructed(1, 1, 1), paidBack(1, 1, 1, 500, true), released(1, 1, 500)}, "1"},
		"paid, returned for good, and given back":   {[]happening{instructed(1, 1, 1), paidBack(1, 1, 1, 500, false), released(1, 1, 500)}, "1 released in use"},
		"uncounted, planned, closed, given back":    {[]happening{reserved(1, 2, 1, 0, shipment(1)), planned(1, drawnLine(1, 2)), closed(1, 1, 2, 0), released(1, 2, 0)}, "1 unused, 2"},
		"uncounted, planned, given back":            {[]happening{reserved(1, 2, 1, 0, shipment(1)), planned(1, drawnLine(1, 2)), released(1, 2, 0)}, "1 unused, 2 released in use"},
		"planned, given back, and planned again":    {[]happening{planned(1, drawnLine(1, 1)), released(1, 1, 500), planned(1, drawnLine(1, 1))}, "1 released in use"},
		"without an asset":                          {[]happening{reserved(1, 2, 1, 0, shipment(1))}, "1 unused, 2 unused"},
		"without an asset, given back":              {[]happening{reserved(1, 2, 1, 0, shipment(1)), released(1, 2, 0)}, "1 unused, 2"},
		"planned before it is reserved":             {[]happening{planned(1, drawnLine(1, 2)), reserved(1, 2, 1, 5, shipment(1))}, "1 unused, 2"},
		"released and settled, and nobody knows it": {[]happening{released(1, 2, 0), released(1, 3, 5), settled(1, 4)}, "1 unused, 2, 3, 4"},
	} {
		t.Run(name, func(t *testing.T) {
			d := draws.New()
			for i, h := range slices.Concat(begin, c.then) {
				if err := d.Fold(fact(i, h)); err != nil {
					t.Fatal(err)
				}
			}
			if got := said(d); got != c.want {
				t.Errorf("%s, not %s", got, c.want)
			}
		})
	}
}

// What was recorded while the clock was put back counts as recorded when the event before it was.
func TestWhatIsKeptOfADraw(t *testing.T) {
	d := draws.New()
	back := fact(2, reserved(1, 1, 1, 500, shipment(1)))
	back.RecordedAt = time.Unix(5, 0)
	for _, f := range []*es.Fact{
		fact(0, allocated(1, 1)), fact(1, happening{pledge(2), &eventv1.PledgeFulfilled{}}), back,
		fact(3, released(1, 1, 200)),
	} {
		if err := d.Fold(f); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.Changed()) != 1 {
		t.Fatalf("%d draws", len(d.Changed()))
	}
	x := d.Changed()[0]
	left, err := x.Left()
	if err != nil || left != money.New(300) || x.Pledge != pledge(1) || x.ID != draw(1) || x.ForStream != shipment(1) ||
		x.Allocation != uuid.UUID(line(1)) || x.Asset != eur || x.Amount != money.New(500) || x.Marking != "secret" || x.Correlation != id(8, 1) ||
		x.Reserved != (draws.Mark{Event: id(9, 3), Ordinal: 2, RecordedAt: time.Unix(3600, 0).UTC()}) {
		t.Errorf("%+v", x)
	}
}

// open tells what was given up and is not finished, by the last byte of its draw, as the rows have it.
func open(t testing.TB, d *draws.Draws) (all []*draws.GivenUp) {
	t.Helper()
	err := d.Flush(func(table int, row engine.Row) error {
		if table != draws.GivenUpTable {
			return nil
		}
		g, err := draws.ReadGivenUp(row)
		if err == nil && !g.Finished {
			all = append(all, g)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// by is a fact that a command records.
func by(f *es.Fact, command uuid.UUID) *es.Fact {
	f.Envelope.CommandId = command[:]
	return f
}

func TestWhatIsKeptOfWhatWasGivenUp(t *testing.T) {
	first, second := id(7, 1), id(7, 2)
	begin := []*es.Fact{
		fact(0, reserved(1, 1, 1, 500, shipment(1))), fact(1, planned(1, drawnLine(1, 1))),
		by(fact(2, returned(1, 1, 1, 100, true)), first), by(fact(3, closed(1, 1, 1, 50)), second),
	}
	release := func(of uuid.UUID) uuid.UUID { return ident.ReleaseCommand(shipment(1), of, 0) }
	for name, c := range map[string]struct {
		then []*es.Fact
		want []uuid.UUID // the releases that are still to come
	}{
		"nothing is released":                     {nil, []uuid.UUID{release(first), release(second)}},
		"the first is":                            {[]*es.Fact{by(fact(4, released(1, 1, 100)), release(first))}, []uuid.UUID{release(second)}},
		"the second is":                           {[]*es.Fact{by(fact(4, released(1, 1, 50)), release(second))}, []uuid.UUID{release(first)}},
		"less of the first is":                    {[]*es.Fact{by(fact(4, released(1, 1, 10)), release(first))}, []uuid.UUID{release(second)}},
		"as much is by another":                   {[]*es.Fact{by(fact(4, released(1, 1, 100)), id(7, 3))}, []uuid.UUID{release(first), release(second)}},
		"all is by another":                       {[]*es.Fact{by(fact(4, released(1, 1, 150)), id(7, 3))}, nil},
		"all is by another, and more is given up": {[]*es.Fact{fact(4, released(1, 1, 150)), by(fact(5, returned(1, 1, 1, 7, true)), id(7, 4))}, []uuid.UUID{release(id(7, 4))}},
		"all is by another before it is given up": {[]*es.Fact{fact(4, released(1, 1, 157)), by(fact(5, returned(1, 1, 1, 7, true)), id(7, 4))}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := draws.New()
			for _, f := range slices.Concat(begin, c.then) {
				if err := d.Fold(f); err != nil {
					t.Fatal(err)
				}
			}
			var got []uuid.UUID
			for _, g := range open(t, d) {
				got = append(got, g.Release)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v are open, not %v", got, c.want)
			}
		})
	}
	d := draws.New()
	for _, f := range begin {
		if err := d.Fold(f); err != nil {
			t.Fatal(err)
		}
	}
	want := draws.GivenUp{
		Pledge: pledge(1), Draw: draw(1), Release: release(second), Amount: money.New(50),
		Cause:   draws.Mark{Event: id(9, 4), Ordinal: 3, RecordedAt: time.Unix(3*3600, 0).UTC()},
		Marking: "secret", Correlation: id(8, 1),
	}
	if got := open(t, d)[1]; *got != want {
		t.Errorf("%+v", got)
	}
}

func TestNamesTellsWhatAFactUses(t *testing.T) {
	for want, h := range map[bool]happening{true: planned(1, drawnLine(1, 2), drawnLine(1, 1)), false: instructed(1, 1, 2)} {
		if draws.Names(fact(0, h), pledge(1), draw(1)) != want {
			t.Errorf("%v does not say %t", h.event, want)
		}
	}
	if draws.Names(fact(0, planned(1, drawnLine(2, 1))), pledge(1), draw(1)) || draws.Names(fact(0, settled(1, 1)), pledge(1), draw(1)) {
		t.Error("a draw is named by what does not name it")
	}
}

func TestOtherFactsCostNothing(t *testing.T) {
	d := draws.New()
	f := fact(1, happening{shipment(1), &eventv1.ShipmentDispatched{Movements: []*eventv1.Movement{{Pledge: pledge(1)}}}})
	if n := testing.AllocsPerRun(100, func() {
		if err := d.Fold(f); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Read is the inverse of what Flush yields.
func TestARowHoldsAllOfADraw(t *testing.T) {
	d := draws.New()
	for i, h := range []happening{allocated(1, 1), reserved(1, 1, 1, 500, shipment(1)), released(1, 1, 200), released(1, 1, 300), planned(1, drawnLine(1, 1)), closed(1, 1, 1, 400), settled(1, 1)} {
		if err := d.Fold(fact(i, h)); err != nil {
			t.Fatal(err)
		}
	}
	shown := func(x *draws.Draw) string {
		return strings.Replace(fmt.Sprintf("%+v", *x), "changed:true", "changed:false", 1)
	}
	want := shown(d.Changed()[0])
	err := d.Flush(func(table int, row engine.Row) error {
		if table != draws.DrawTable {
			return nil
		}
		got, err := draws.Read(row)
		if err == nil && shown(got) != want {
			t.Errorf("%s was written, and this read: %s", want, shown(got))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// alone is a projection of draws and nothing else.
type alone struct{ *draws.Draws }

func (alone) Spec() engine.Spec {
	return engine.Spec{Name: "alone", Version: 1, Tables: draws.Tables("alone")}
}

// random makes a log of few draws with everything that may happen to them, in any order.
func random(t testing.TB, r *rapid.T) *enginetest.Log {
	log := enginetest.NewLog(uuid.UUID{1: 7})
	few := rapid.IntRange(1, 3)
	for range rapid.IntRange(1, 40).Draw(r, "facts") {
		on, n, l, cents := few.Draw(r, "pledge"), few.Draw(r, "draw"), few.Draw(r, "line"), rapid.Int64Range(0, 3).Draw(r, "cents")
		all := []happening{
			allocated(on, l), reserved(on, n, l, cents, shipment(n)), released(on, n, cents), settled(on, n),
			planned(n, drawnLine(on, n), drawnLine(on, l)), instructed(n, on, n),
			{pledge(on), &eventv1.PledgeFulfilled{}},
			closed(n, on, n, cents), returned(n, on, n, cents, l > 1), rejected(n, on, n, cents), paidBack(n, on, n, cents, l > 1),
		}
		h := all[rapid.IntRange(0, len(all)-1).Draw(r, "kind")]
		log.Add(t, h.stream, "NOR", h.event)
	}
	return log
}

func TestRowsAreTheFoldHoweverItIsCut(t *testing.T) {
	enginetest.TestProjectionOf(t, random, func() engine.Projection { return alone{draws.New()} })
	enginetest.TestKinds(t, random, 11)
}
