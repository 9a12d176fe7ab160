package journal

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/imports"
	"github.com/allied-ledger/allied/events/payment"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/shipment"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	"github.com/allied-ledger/allied/projections/internal/words"
)

// pageScannedEventsMax bounds what is looked through for the few events of a page that pass.
const pageScannedEventsMax = 20_000

// ListRequest asks for recorded facts. Filters that are empty let everything pass.
type ListRequest struct {
	// Kind is one of Kinds.
	Kind  string `json:"kind,omitempty"`
	Donor string `json:"donor,omitempty"`
	// Group passes facts of donors that were members of a group of states on the day GroupOn, such as NATO on 2022-02-24.
	Group   string `json:"group,omitempty"`
	GroupOn string `json:"group_on,omitempty"`
	// Category passes facts of a line in it or below it.
	Category string `json:"category,omitempty"`
	// Type is a stored name such as allied.event.v1.PledgeAllocated, or its last part for all versions.
	Type string `json:"type,omitempty"`
	// Stream is one stream, or its UUID alone.
	Stream string `json:"stream,omitempty"`
	// Text passes facts whose words, names, outside ids, amounts or ids hold it, in whatever case.
	Text string `json:"text,omitempty"`
	// Before passes facts with a lower ordinal; all where zero.
	Before uint64 `json:"before,omitempty"`
	// Limit is the size of a page, up to 1000; 100 where zero.
	Limit int `json:"limit,omitempty"`
	// Cursor is the next of the page before.
	Cursor string `json:"cursor,omitempty"`
	// AtLeast is a position that the view must hold.
	AtLeast es.Position `json:"at_least,omitempty"`
}

// Listing answers a ListRequest: facts, the latest recorded first.
type Listing struct {
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	Events   []Event     `json:"events"`
	// Next is the cursor of the following page; empty on the last. Where few facts pass, a page ends before it is full.
	Next string `json:"next,omitempty"`
	// Members of the group asked for, on the day GroupOn.
	Members []string `json:"members,omitempty"`
	GroupOn string   `json:"group_on,omitempty"`
}

// Event is a recorded fact in one line.
type Event struct {
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	Stream   string      `json:"stream"`
	Revision uint64      `json:"revision"`
	EventID  string      `json:"event_id"`
	// Type is the stored name, such as allied.event.v1.PledgeAllocated.
	Type string `json:"type"`
	// RecordedAt is as stamped by the recorder, in UTC.
	RecordedAt string `json:"recorded_at"`
	// Effective is when it happened, in the words of commands.
	Effective   string `json:"effective"`
	Donor       string `json:"donor"`
	Beneficiary string `json:"beneficiary"`
	Title       string `json:"title"`
	// Categories of the lines that it concerns, in order.
	Categories []string `json:"categories"`
	// Amounts that it states, in its order, at most ten.
	Amounts []Amount `json:"amounts"`
	// Unknown is how many values it says are undisclosed.
	Unknown int64  `json:"unknown"`
	Actor   string `json:"actor"`
	Reason  string `json:"reason"`
	// Corrects are the ids of events.
	Corrects []string `json:"corrects"`
	Flags    []string `json:"flags"`
}

// Amount is an amount of an asset.
type Amount struct {
	Asset  string `json:"asset"`
	Amount string `json:"amount"`
}

// Kinds are the kinds of streams.
func Kinds() []string { return []string{pledge.Kind, shipment.Kind, payment.Kind, imports.Kind} }

// List answers from one moment of the view. It reads from the latest fact on, as far as a page needs or may. What it cannot answer is refused
// with an *es.Refusal.
func List(ctx context.Context, s engine.Snapshot, req ListRequest) (*Listing, error) {
	f, err := req.check()
	if err != nil {
		return nil, err
	}
	at, err := listing.Checkpoint(ctx, s, Spec, req.AtLeast)
	if err != nil {
		return nil, err
	}
	out := &Listing{Position: at.Position, Ordinal: at.Ordinal, Events: []Event{}, Members: f.members, GroupOn: req.GroupOn}
	scanned, last := 0, int64(0)
	for row, err := range f.rows(ctx, s) {
		if err != nil {
			return nil, err
		}
		if len(out.Events) == f.limit || scanned == pageScannedEventsMax {
			out.Next = listing.Cursor(Spec.Name, place{last})
			break
		}
		scanned, last = scanned+1, row[ordinalColumn].Int()
		if f.passes(row) {
			out.Events = append(out.Events, read(row))
		}
	}
	return out, nil
}

// place is the ordinal of the last event that a page has looked at.
type place struct {
	Ordinal int64 `json:"o"`
}

// filter is a request that has been checked.
type filter struct {
	*ListRequest
	limit   int
	before  *int64 // an ordinal that none on the page reaches; nil for none
	streams []string
	members []string
	text    string
}

func (r *ListRequest) check() (*filter, error) {
	f := &filter{ListRequest: r, text: strings.ToLower(r.Text)}
	if r.Kind != "" {
		if err := words.Check("kind", r.Kind, Kinds()); err != nil {
			return nil, err
		}
	}
	if err := words.CheckFilters(r.Donor, "", r.Category); err != nil {
		return nil, err
	}
	var err error
	if f.members, err = words.Members(r.Group, r.GroupOn); err != nil {
		return nil, err
	}
	if err := checkType(r.Type); err != nil {
		return nil, err
	}
	if r.Stream != "" {
		if f.streams, err = listing.Streams("stream", r.Stream, Kinds()...); err != nil {
			return nil, err
		}
	}
	if f.limit, err = listing.Limit(r.Limit); err != nil {
		return nil, err
	}
	if r.Before > 0 {
		before := int64(min(r.Before, 1<<62))
		f.before = &before
	}
	after, err := listing.ParseCursor[place](Spec.Name, r.Cursor)
	if after != nil && (f.before == nil || after.Ordinal < *f.before) {
		f.before = &after.Ordinal
	}
	return f, err
}

// checkType refuses what is neither the stored name of an event nor the last part of one.
func checkType(name string) error {
	if name == "" || slices.Contains(wire.Types(), name) {
		return nil
	}
	return words.Check("type", name, wire.ShortNames())
}

// rows yields the events that a page looks through, the latest first.
func (f *filter) rows(ctx context.Context, s engine.Snapshot) iter.Seq2[engine.Row, error] {
	if f.streams == nil {
		return s.Scan(ctx, Spec.Tables[eventTable], f.within())
	}
	return func(yield func(engine.Row, error) bool) {
		ordinals, err := f.ordinals(ctx, s)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, n := range ordinals {
			row, err := eventAt(ctx, s, n)
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// within is the range below f.before of a table whose key is a prefix and the ordinal.
func (f *filter) within(prefix ...engine.Value) engine.Range {
	r := engine.Range{Prefix: prefix, Descending: true}
	if f.before != nil {
		r.After = append(slices.Clone(prefix), engine.IntOf(*f.before))
	}
	return r
}

// ordinals are those of the streams' events, the latest first, one more than a page looks through. A UUID alone may be that of streams of several
// kinds.
func (f *filter) ordinals(ctx context.Context, s engine.Snapshot) (found []int64, err error) {
	for _, stream := range f.streams {
		n := 0
		for row, err := range s.Scan(ctx, Spec.Tables[streamEventTable], f.within(engine.TextOf(stream))) {
			if err != nil {
				return nil, err
			}
			if found = append(found, row[1].Int()); n == pageScannedEventsMax {
				break
			}
			n++
		}
	}
	slices.SortFunc(found, func(a, b int64) int { return cmp.Compare(b, a) })
	return found, nil
}

// eventAt is the row of an ordinal that another table names.
func eventAt(ctx context.Context, s engine.Snapshot, ordinal int64) (engine.Row, error) {
	for row, err := range s.Scan(ctx, Spec.Tables[eventTable], engine.Range{Prefix: []engine.Value{engine.IntOf(ordinal)}}) {
		return row, err
	}
	return nil, fmt.Errorf("the journal has no row of ordinal %d", ordinal)
}

func (f *filter) passes(row engine.Row) bool {
	stored := row[typeColumn].Text()
	return (f.Kind == "" || strings.HasPrefix(row[streamColumn].Text(), f.Kind+"-")) &&
		(f.Donor == "" || row[donorColumn].Text() == f.Donor) &&
		words.Among(f.members, row[donorColumn].Text()) &&
		(f.Type == "" || stored == f.Type || wire.ShortName(stored) == f.Type) &&
		(f.Category == "" || slices.ContainsFunc(strings.Fields(row[categoriesColumn].Text()), func(c string) bool { return words.Within(c, f.Category) })) &&
		strings.Contains(row[searchColumn].Text(), f.text)
}

// read writes a row as people read it.
func read(row engine.Row) Event {
	text := func(column int) string { return row[column].Text() }
	e := Event{
		Position: es.Position(row[positionColumn].Int()), Ordinal: uint64(row[ordinalColumn].Int()), Stream: text(streamColumn),
		Revision: uint64(row[revisionColumn].Int()), EventID: text(eventColumn), Type: text(typeColumn), RecordedAt: text(recordedColumn),
		Effective: text(effectiveColumn), Donor: text(donorColumn), Beneficiary: text(beneficiaryColumn), Title: text(titleColumn),
		Categories: strings.Fields(text(categoriesColumn)), Amounts: []Amount{}, Unknown: row[unknownColumn].Int(), Actor: text(actorColumn),
		Reason: text(reasonColumn), Corrects: strings.Fields(text(correctsColumn)), Flags: strings.Fields(text(flagsColumn)),
	}
	for line := range strings.Lines(text(amountsColumn)) {
		amount, asset, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		e.Amounts = append(e.Amounts, Amount{asset, amount})
	}
	return e
}
