// Package draws folds which draws on pledges no shipment or payment has used, and which were released although one uses them.
//
// A service reserves a draw at the pledge, and then records in a stream of its own what the draw is for. A crash between the two leaves a
// draw that nobody uses; a service that comes back after such a draw was released may still use it. Both are told from the facts alone.
package draws

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/term"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// Mark is where an event stands in the log; the zero Mark is none.
type Mark struct {
	Event   uuid.UUID
	Ordinal uint64
	// RecordedAt is the running maximum in log order.
	RecordedAt time.Time
}

// None tells that there is no such event.
func (m Mark) None() bool { return m.Event == uuid.Nil }

// Draw is one draw. Its fields belong to the fold and are read only.
type Draw struct {
	Pledge           string // stream
	ID               uuid.UUID
	ForStream        string    // the shipment or payment that it is for
	Allocation       uuid.UUID // the pledge's line
	Asset            string    // empty where nothing of the draw can be counted
	Amount, Released money.Amount
	Settled          bool
	// GivenUp is what the shipment or payment itself gave back, by a return, a rejection or its end, before it was released; GaveUp tells
	// that it gave anything.
	GivenUp money.Amount
	GaveUp  bool
	// Marking is the word for who may read the draw's own event, and Correlation its business transaction; uuid.Nil for none.
	Marking     string
	Correlation uuid.UUID
	// Reserved is the draw's own event. Used is the first that names the draw in a shipment or payment, and GivenBack the one with which
	// all of the draw was released.
	Reserved, Used, GivenBack Mark
	UsedBy                    string // the stream of Used

	changed bool
}

// Unused tells that the draw holds something for a shipment or payment that does not name it.
func (x *Draw) Unused() bool {
	return !x.Reserved.None() && x.Used.None() && x.GivenBack.None() && !x.Settled
}

// ReleasedInUse tells that more of the draw was released than the shipment or payment that names it has given up: somebody else released it,
// before or after it was named.
func (x *Draw) ReleasedInUse() bool {
	return !x.Used.None() && (x.Released.Cmp(x.GivenUp) > 0 || !x.GivenBack.None() && !x.GaveUp)
}

// Unreturned is what its shipment or payment has given up of the draw and nobody has released, and whether there is any. Of a draw that cannot
// be counted the amount is zero: it is released whole, or settled as used.
func (x *Draw) Unreturned() (money.Amount, bool) {
	switch {
	case x.Reserved.None() || !x.GaveUp:
		return money.Amount{}, false
	case x.Asset == "":
		return money.Amount{}, x.GivenBack.None() && !x.Settled
	}
	left := drawn.Sum(x.GivenUp, x.Released.Neg())
	return money.Max(left, money.Amount{}), left.Sign() > 0
}

// Left is what the draw still holds, in its asset.
func (x *Draw) Left() (money.Amount, error) { return x.Amount.Sub(x.Released) }

// Draws are all draws of a log, some hundred bytes each.
type Draws struct {
	byKey       map[key]*Draw
	givenUp     map[key][]*GivenUp // what is not finished, by its draw, the oldest first
	allocations map[key]struct{}
	at          time.Time // the latest recorded_at so far

	changed        []*Draw
	changedGivenUp []*GivenUp
	newAllocations []key
	flushedAt      time.Time
}

// key names a draw or a line: its id is unique within its pledge.
type key struct {
	pledge string
	id     uuid.UUID
}

func (k key) compare(o key) int {
	return cmp.Or(strings.Compare(k.pledge, o.pledge), slices.Compare(k.id[:], o.id[:]))
}

// New returns the draws of an empty log.
func New() *Draws {
	return &Draws{byKey: map[key]*Draw{}, givenUp: map[key][]*GivenUp{}, allocations: map[key]struct{}{}}
}

// Fold applies the next fact of the log. It never changes or keeps it. A fact about a draw that is not known, which no log holds, is kept
// until the draw is.
func (d *Draws) Fold(f *es.Fact) error {
	if f.RecordedAt.After(d.at) {
		d.at = f.RecordedAt
	}
	switch e := f.Event.(type) {
	case *eventv1.PledgeAllocated:
		k := key{f.Stream, uuid.UUID(e.Line.Line)}
		if _, known := d.allocations[k]; !known {
			d.allocations[k] = struct{}{}
			d.newAllocations = append(d.newAllocations, k)
		}
	case *eventv1.DrawReserved:
		return d.reserve(f, e)
	case *eventv1.DrawReleased:
		return d.release(f, e)
	case *eventv1.DrawSettled:
		x := d.change(f.Stream, e.Draw)
		x.Settled = true
		d.finish(x, nil)
	case *eventv1.ShipmentPlanned:
		for _, l := range e.Lines {
			d.use(f, l)
		}
	case *eventv1.PaymentInstructed:
		d.use(f, e.Line)
	}
	return d.giveUp(f)
}

// Names tells whether a fact names a draw as what its shipment or payment uses.
func Names(f *es.Fact, pledge string, draw uuid.UUID) bool {
	is := func(l *eventv1.DrawnLine) bool { return l.Pledge == pledge && uuid.UUID(l.Draw) == draw }
	switch e := f.Event.(type) {
	case *eventv1.ShipmentPlanned:
		return slices.ContainsFunc(e.Lines, is)
	case *eventv1.PaymentInstructed:
		return is(e.Line)
	}
	return false
}

func (d *Draws) mark(f *es.Fact) Mark { return Mark{f.ID, f.Ordinal, d.at} }

// change returns a draw that is about to change.
func (d *Draws) change(pledge string, id []byte) *Draw {
	k := key{pledge, uuid.UUID(id)}
	x := d.byKey[k]
	if x == nil {
		x = &Draw{Pledge: pledge, ID: k.id}
		d.byKey[k] = x
	}
	if !x.changed {
		x.changed = true
		d.changed = append(d.changed, x)
	}
	return x
}

func (d *Draws) reserve(f *es.Fact, e *eventv1.DrawReserved) error {
	x := d.change(f.Stream, e.Draw)
	if !x.Reserved.None() {
		return nil // a draw is reserved once
	}
	amount, err := money.FromProto(e.Amount)
	if err != nil {
		return fmt.Errorf("draw %s: %w", x.ID, err)
	}
	x.ForStream, x.Allocation, x.Asset, x.Amount = e.ForStream, uuid.UUID(e.Allocation), e.Asset, amount
	x.Marking = term.Word(f.Envelope.GetMarking())
	copy(x.Correlation[:], f.Envelope.GetCorrelationId())
	x.Reserved = d.mark(f)
	return nil
}

// release gives back a part; an event without an amount, all that is left.
func (d *Draws) release(f *es.Fact, e *eventv1.DrawReleased) error {
	x := d.change(f.Stream, e.Draw)
	t, err := money.FromProto(e.Amount)
	if e.Amount == nil {
		t, err = x.Left()
	}
	if err == nil {
		x.Released, err = x.Released.Add(t)
	}
	if err != nil {
		return fmt.Errorf("draw %s: %w", x.ID, err)
	}
	if e.Amount == nil || x.Released == x.Amount {
		x.GivenBack = d.mark(f)
	}
	d.finish(x, f.Envelope.GetCommandId())
	return nil
}

func (d *Draws) use(f *es.Fact, l *eventv1.DrawnLine) {
	if x := d.change(l.Pledge, l.Draw); x.Used.None() {
		x.Used, x.UsedBy = d.mark(f), f.Stream
	}
}

// Find is a draw of a pledge, or nil.
func (d *Draws) Find(pledge string, id []byte) *Draw { return d.byKey[key{pledge, uuid.UUID(id)}] }

// Allocated tells whether a line of a pledge is an allocation.
func (d *Draws) Allocated(pledge string, line []byte) bool {
	_, known := d.allocations[key{pledge, uuid.UUID(line)}]
	return known
}

// RecordedAt is the latest recorded_at so far.
func (d *Draws) RecordedAt() time.Time { return d.at }

// Changed are the draws that changed since the last Flush, in the order of their rows.
func (d *Draws) Changed() []*Draw {
	slices.SortFunc(d.changed, func(a, b *Draw) int { return a.key().compare(b.key()) })
	return d.changed
}

func (x *Draw) key() key { return key{x.Pledge, x.ID} }
