// Package listing cuts what a view lists into pages, mostly by donor, then by the first day, what has none first, then by stream.
package listing

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/projections/engine"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

const (
	// pageRowsMax bounds a page; pageRows is its size where none is asked for.
	pageRowsMax = 1000
	pageRows    = 100
)

// Page is the part of a listing that a request asks for.
type Page struct {
	view  string
	limit int
	after *place
}

// CheckPage reads the limit and cursor of a request to a view. Errors are *es.Refusal.
func CheckPage(view string, limit int, cursor string) (Page, error) {
	limit, err := Limit(limit)
	if err != nil {
		return Page{}, err
	}
	p := Page{view: view, limit: limit}
	p.after, err = ParseCursor[place](view, cursor)
	return p, err
}

// Limit is how many rows a page has of which a request names the limit. Its error is an *es.Refusal.
func Limit(limit int) (int, error) {
	if limit < 0 || limit > pageRowsMax {
		return 0, &es.Refusal{
			Code: "out_of_range", Field: "limit", Reason: fmt.Sprintf("%d is not within 1 and %d", limit, pageRowsMax), Remedy: "ask for the next page by its cursor",
		}
	}
	return cmp.Or(limit, pageRows), nil
}

// Columns are where a table keeps what its rows are listed by: by donor, then by the first number or day, then by stream.
type Columns struct{ Stream, Donor, First int }

// NotByDonor stands for the column of the donor where rows are not listed by it.
const NotByDonor = -1

// Cut sorts rows, and returns those of the page with the cursor of the next; it is empty on the last.
func (p Page) Cut(rows []engine.Row, c Columns) (page []engine.Row, next string) {
	slices.SortFunc(rows, func(a, b engine.Row) int { return c.place(a).compare(c.place(b)) })
	if p.after != nil {
		begin, _ := slices.BinarySearchFunc(rows, *p.after, func(row engine.Row, after place) int {
			if c.place(row).compare(after) <= 0 {
				return -1
			}
			return 1
		})
		rows = rows[begin:]
	}
	if len(rows) > p.limit {
		rows = rows[:p.limit]
		next = Cursor(p.view, c.place(rows[p.limit-1]))
	}
	return rows, next
}

// place is where a row stands in a listing.
type place struct {
	Donor  string `json:"d"`
	First  int64  `json:"f"`
	Stream string `json:"s"`
}

// undatedFirst sorts before every day of the calendar.
const undatedFirst = -1 << 40

func (c Columns) place(row engine.Row) place {
	p := place{First: row[c.First].Int(), Stream: row[c.Stream].Text()}
	if c.Donor != NotByDonor {
		p.Donor = row[c.Donor].Text()
	}
	if row[c.First].IsNull() {
		p.First = undatedFirst
	}
	return p
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.Donor, o.Donor), cmp.Compare(p.First, o.First), cmp.Compare(p.Stream, o.Stream))
}

// cursor is what a cursor says. It names its view: in another, its place would mean something else.
type cursor[P any] struct {
	View  string `json:"v"`
	Place P      `json:"p"`
}

// Cursor writes a place where a page of a view ends. P holds texts and numbers.
func Cursor[P any](view string, at P) string {
	b, err := json.Marshal(cursor[P]{view, at})
	if err != nil {
		panic(err) // texts and numbers always encode
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseCursor reads what Cursor wrote; nil where there is none. Its error is an *es.Refusal.
func ParseCursor[P any](view, text string) (*P, error) {
	if text == "" {
		return nil, nil
	}
	var c cursor[P]
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil || c.View != view {
		return nil, &es.Refusal{
			Code: "bad_cursor", Field: "cursor", Reason: fmt.Sprintf("%q is not the end of a page of %s", text, view), Remedy: "use the next of the page before, or none",
		}
	}
	return &c.Place, nil
}

// Checkpoint is where a view stands; one that is not yet where a request wants it is refused with an *es.Refusal.
func Checkpoint(ctx context.Context, s engine.Snapshot, spec engine.Spec, atLeast es.Position) (engine.Checkpoint, error) {
	at, err := s.Checkpoint(ctx, spec)
	if err == nil && at.Position < atLeast {
		err = &es.Refusal{
			Code: "behind", Field: "at_least", Reason: fmt.Sprintf("the %s hold events up to position %d, not yet %d", spec.Name, at.Position, atLeast),
			Remedy: "ask again when the view has caught up",
		}
	}
	return at, err
}

// Lookup finds the row of a stream of a kind, by its name or its UUID alone. What is not there is refused with an *es.Refusal.
func Lookup(ctx context.Context, s engine.Snapshot, t engine.Table, kind, id string) (engine.Row, error) {
	if id == "" {
		return nil, &es.Refusal{Code: "missing", Field: "id", Reason: fmt.Sprintf("no %s is named", kind), Remedy: "name a stream"}
	}
	for _, stream := range names(kind, id) {
		for row, err := range s.Scan(ctx, t, engine.Range{Prefix: []engine.Value{engine.TextOf(stream)}}) {
			return row, err
		}
	}
	return nil, &es.Refusal{
		Code: "not_found", Field: "id", Reason: fmt.Sprintf("there is no %s %q", kind, id), Remedy: fmt.Sprintf("list the %ss, and use the stream of one", kind),
	}
}

// names are the streams that a text may mean.
func names(kind, id string) []string { return []string{id, kind + "-" + strings.ToLower(id)} }

// Pledge is the stream of the pledge that a filter names, by it or by its UUID alone; what cannot be one is refused with an *es.Refusal.
func Pledge(field, id string) (string, error) {
	for _, stream := range names(pledge.Kind, id) {
		if kind, _, err := es.ParseStream(stream); err == nil && kind == pledge.Kind {
			return stream, nil
		}
	}
	return "", &es.Refusal{
		Code: "bad_stream", Field: field, Reason: fmt.Sprintf("%q is not a pledge's stream", id), Remedy: "name it as pledge-<uuid>, or by the UUID alone",
	}
}

// Streams are the streams of some kinds that a filter may mean, which names one, or its UUID alone; what can be none is refused with an
// *es.Refusal.
func Streams(field, id string, kinds ...string) (streams []string, err error) {
	text := strings.ToLower(id)
	for _, kind := range kinds {
		for _, stream := range []string{text, kind + "-" + text} {
			if of, _, err := es.ParseStream(stream); err == nil && of == kind {
				streams = append(streams, stream)
			}
		}
	}
	if streams == nil {
		return nil, &es.Refusal{
			Code: "bad_stream", Field: field, Reason: fmt.Sprintf("%q is no stream of kind %s", id, strings.Join(kinds, " or ")),
			Remedy: fmt.Sprintf("name it as %s-<uuid>, or by the UUID alone", strings.Join(kinds, "-<uuid> or ")),
		}
	}
	return streams, nil
}

// StreamsWhere names the streams, which are the first column, of a table's rows that match.
func StreamsWhere(ctx context.Context, s engine.Snapshot, t engine.Table, match func(engine.Row) bool) (map[string]bool, error) {
	streams := map[string]bool{}
	for row, err := range s.Scan(ctx, t, engine.Range{}) {
		if err != nil {
			return nil, err
		}
		if match(row) {
			streams[row[0].Text()] = true
		}
	}
	return streams, nil
}

// Days are the earliest and the latest day of some facts; neither where no date is known.
type Days struct {
	known       bool
	first, last int32
}

// Widen adds a fact's days. Until gives a latest day only; an unknown date gives none.
func (d *Days) Widen(e *eventv1.Effective) {
	first, last := e.GetEarliestDay(), e.GetLatestDay()
	switch e.GetPrecision() {
	case eventv1.Precision_PRECISION_UNKNOWN, eventv1.Precision_PRECISION_UNSPECIFIED:
		return
	case eventv1.Precision_PRECISION_UNTIL:
		first = last
	}
	if !d.known {
		*d = Days{true, first, last}
		return
	}
	d.first, d.last = min(d.first, first), max(d.last, last)
}

// Values are the two days as a row keeps them, null where none is known.
func (d Days) Values() (first, last engine.Value) {
	if !d.known {
		return engine.NullOf(engine.Day), engine.NullOf(engine.Day)
	}
	return engine.DayOf(d.first), engine.DayOf(d.last)
}

// DaysOf reads back what Values wrote.
func DaysOf(first, last engine.Value) Days {
	return Days{!first.IsNull(), int32(first.Int()), int32(last.Int())}
}

// DayText writes a day such as 2022-09-13; nil for null.
func DayText(v engine.Value) *string {
	if v.IsNull() {
		return nil
	}
	text := time.Unix(v.Int()*24*60*60, 0).UTC().Format(time.DateOnly)
	return &text
}
