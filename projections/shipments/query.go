package shipments

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/shipment"
	"github.com/allied-ledger/allied/events/term"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	"github.com/allied-ledger/allied/projections/internal/words"
)

// ListRequest asks for shipments. Filters that are empty let everything pass.
type ListRequest struct {
	Donor       string `json:"donor,omitempty"`
	Beneficiary string `json:"beneficiary,omitempty"`
	// Category passes shipments with a line in it or below it.
	Category string `json:"category,omitempty"`
	// Pledge passes shipments that draw on it: its stream, or the UUID alone.
	Pledge string `json:"pledge,omitempty"`
	// Status is one of Statuses.
	Status string `json:"status,omitempty"`
	// Text passes shipments whose title or places hold it, in whatever case.
	Text string `json:"text,omitempty"`
	// Limit is the size of a page, up to 1000; 100 where zero.
	Limit int `json:"limit,omitempty"`
	// Cursor is the next of the page before.
	Cursor string `json:"cursor,omitempty"`
	// AtLeast is a position that the view must hold.
	AtLeast es.Position `json:"at_least,omitempty"`
}

// Listing answers a ListRequest: shipments by donor, then by their first day, those without one first, then by stream.
type Listing struct {
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	// Total is how many shipments pass the filters, over all pages.
	Total     int        `json:"total"`
	Shipments []Shipment `json:"shipments"`
	// Next is the cursor of the following page; empty on the last.
	Next string `json:"next,omitempty"`
}

// Shipment is one shipment with its sums.
type Shipment struct {
	Stream      string `json:"stream"`
	Donor       string `json:"donor"`
	Beneficiary string `json:"beneficiary"`
	Title       string `json:"title"`
	Status      string `json:"status"`
	// First and Last are the earliest and latest day of its facts, such as 2022-09-13; null where no date is known.
	First  *string `json:"first"`
	Last   *string `json:"last"`
	Events int64   `json:"events"`
	// The places are as stated, each the latest; empty where none was.
	DispatchedFrom string `json:"dispatched_from"`
	ArrivedAt      string `json:"arrived_at"`
	HandedOverAt   string `json:"handed_over_at"`
	// Point and Evidence are of the latest hand-over; empty before one.
	Point     string `json:"point"`
	Evidence  string `json:"evidence"`
	Signatory string `json:"signatory"`
	Verifier  string `json:"verifier"`
	// ManifestHash is of the latest dispatch; null where it has no manifest.
	ManifestHash *string `json:"manifest_hash"`
	// Discrepancies is how many are told and not reversed.
	Discrepancies int `json:"discrepancy_count"`
	// Lines is how many draws it carries; Rungs sums them, no asset with another.
	Lines int    `json:"line_count"`
	Rungs []Rung `json:"rungs"`
}

// Rung is what reached a stage, in one asset. Where the lines have none, nothing can be counted: the figures are null.
type Rung struct {
	Stage    string  `json:"stage"`
	Asset    string  `json:"asset"`
	Reached  *string `json:"reached"`
	Standing *string `json:"standing"`
	// Over is what of reached no lower rung gave.
	Over *string `json:"over"`
	// Lines is how many lines ever came there.
	Lines int `json:"lines"`
}

// Detail answers a ShowRequest.
type Detail struct {
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	Shipment
	Drawn []Line        `json:"lines"`
	Told  []Discrepancy `json:"discrepancies"`
}

// Line is one draw of a shipment.
type Line struct {
	Draw       string `json:"draw"`
	Pledge     string `json:"pledge"`
	Allocation string `json:"allocation"`
	Category   string `json:"category"`
	Instrument string `json:"instrument"`
	Asset      string `json:"asset"`
	Rungs      []Rung `json:"rungs"`
}

// Discrepancy is what came and is not what was sent.
type Discrepancy struct {
	Event string `json:"event"`
	Kind  string `json:"kind"`
	Draw  string `json:"draw"`
	Asset string `json:"asset"`
	// Amount is null where none is known.
	Amount    *string `json:"amount"`
	Serials   int64   `json:"serials"`
	Effective string  `json:"effective"`
	// Reversed: it was recorded in error.
	Reversed bool `json:"reversed"`
}

// ShowRequest asks for one shipment.
type ShowRequest struct {
	// ID is a stream, or its UUID alone.
	ID string `json:"id"`
	// AtLeast is a position that the view must hold.
	AtLeast es.Position `json:"at_least,omitempty"`
}

// List answers from one moment of the view. It reads every shipment, whatever the page. What it cannot answer is refused with an *es.Refusal.
func List(ctx context.Context, s engine.Snapshot, req ListRequest) (*Listing, error) {
	page, err := req.check()
	if err != nil {
		return nil, err
	}
	at, err := listing.Checkpoint(ctx, s, Spec, req.AtLeast)
	if err != nil {
		return nil, err
	}
	found, err := req.find(ctx, s)
	if err != nil {
		return nil, err
	}
	out := &Listing{Position: at.Position, Ordinal: at.Ordinal, Total: len(found), Shipments: []Shipment{}}
	found, out.Next = page.Cut(found, listing.Columns{Stream: streamColumn, Donor: donorColumn, First: firstColumn})
	for _, row := range found {
		d, err := read(ctx, s, row)
		if err != nil {
			return nil, err
		}
		out.Shipments = append(out.Shipments, d.Shipment)
	}
	return out, nil
}

func (r *ListRequest) check() (page listing.Page, err error) {
	if err := words.CheckFilters(r.Donor, r.Beneficiary, r.Category); err != nil {
		return page, err
	}
	if r.Status != "" {
		if err := words.Check("status", r.Status, Statuses()); err != nil {
			return page, err
		}
	}
	if r.Pledge != "" {
		if r.Pledge, err = listing.Pledge("pledge", r.Pledge); err != nil {
			return page, err
		}
	}
	return listing.CheckPage(Spec.Name, r.Limit, r.Cursor)
}

// find returns the rows of all shipments that pass.
func (r *ListRequest) find(ctx context.Context, s engine.Snapshot) ([]engine.Row, error) {
	var of map[string]bool // those of which a line passes; nil where lines do not matter
	if r.Category != "" || r.Pledge != "" {
		var err error
		of, err = listing.StreamsWhere(ctx, s, Spec.Tables[lineTable], func(row engine.Row) bool {
			return words.Within(row[5].Text(), r.Category) && (r.Pledge == "" || row[3].Text() == r.Pledge)
		})
		if err != nil {
			return nil, err
		}
	}
	var found []engine.Row
	for row, err := range s.Scan(ctx, Spec.Tables[shipmentTable], engine.Range{}) {
		if err != nil {
			return nil, err
		}
		if r.passes(row) && (of == nil || of[row[streamColumn].Text()]) {
			found = append(found, row)
		}
	}
	return found, nil
}

func (r *ListRequest) passes(row engine.Row) bool {
	text := strings.ToLower(r.Text)
	holds := func(v engine.Value) bool { return strings.Contains(strings.ToLower(v.Text()), text) }
	return (r.Donor == "" || row[donorColumn].Text() == r.Donor) &&
		(r.Beneficiary == "" || row[beneficiaryColumn].Text() == r.Beneficiary) &&
		(r.Status == "" || row[statusColumn].Text() == r.Status) &&
		(text == "" || holds(row[titleColumn]) || slices.ContainsFunc(row[placeColumn:placeColumn+3], holds))
}

// Show answers from one moment of the view. A shipment that is not there is refused with an *es.Refusal.
func Show(ctx context.Context, s engine.Snapshot, req ShowRequest) (*Detail, error) {
	at, err := listing.Checkpoint(ctx, s, Spec, req.AtLeast)
	if err != nil {
		return nil, err
	}
	row, err := listing.Lookup(ctx, s, Spec.Tables[shipmentTable], shipment.Kind, req.ID)
	if err != nil {
		return nil, err
	}
	d, err := read(ctx, s, row)
	if err != nil {
		return nil, err
	}
	d.Position, d.Ordinal = at.Position, at.Ordinal
	return d, nil
}

// read completes a shipment's row with its lines and discrepancies.
func read(ctx context.Context, s engine.Snapshot, row engine.Row) (*Detail, error) {
	a := restoreAccount(row)
	d := &Detail{Drawn: []Line{}, Told: []Discrepancy{}, Shipment: Shipment{
		Stream: a.state.Stream, Donor: a.state.Donor, Beneficiary: a.state.Beneficiary, Title: a.title, Status: row[statusColumn].Text(),
		First: listing.DayText(row[firstColumn]), Last: listing.DayText(row[lastColumn]), Events: a.events,
		DispatchedFrom: a.dispatchedFrom, ArrivedAt: a.arrivedAt, HandedOverAt: a.handedOverAt,
		Point: a.point, Evidence: a.evidence, Signatory: a.signatory, Verifier: a.verifier,
	}}
	if a.hash != "" {
		d.ManifestHash = &a.hash
	}
	within := engine.Range{Prefix: row[:1]}
	for row, err := range s.Scan(ctx, Spec.Tables[lineTable], within) {
		if err == nil {
			err = a.restoreLine(row)
		}
		if err != nil {
			return nil, err
		}
	}
	for row, err := range s.Scan(ctx, Spec.Tables[discrepancyTable], within) {
		if err == nil {
			err = a.restoreDiscrepancy(row)
		}
		if err != nil {
			return nil, err
		}
	}
	return d, d.fill(a)
}

// fill writes the account's figures as people read them.
func (d *Detail) fill(a *account) (err error) {
	for _, l := range a.state.Lines {
		line := Line{
			Draw: l.Draw.String(), Pledge: l.Pledge, Allocation: l.Allocation.String(), Category: l.Category, Instrument: words.Instrument(l.Instrument), Asset: l.Asset,
		}
		if line.Rungs, err = sum([]*drawn.Line{l}); err != nil {
			return err
		}
		d.Drawn = append(d.Drawn, line)
	}
	for _, x := range a.discrepancies {
		told := Discrepancy{
			Event: x.event.String(), Kind: x.kind, Draw: x.draw.String(), Asset: x.asset, Serials: x.serials, Effective: x.effective, Reversed: x.reversed,
		}
		if !x.amount.IsNull() {
			if told.Amount, err = text(x.asset, x.amount.Amount()); err != nil {
				return err
			}
		}
		if !x.reversed {
			d.Discrepancies++
		}
		d.Told = append(d.Told, told)
	}
	d.Lines = len(d.Drawn)
	d.Rungs, err = sum(a.state.Lines)
	return err
}

// sum adds the rungs of lines, asset by asset: from the lowest rung, assets in order.
func sum(lines []*drawn.Line) ([]Rung, error) {
	out := []Rung{}
	for _, s := range rungs {
		sums := map[string]*total{}
		for _, l := range lines {
			if !l.Has(s) {
				continue
			}
			if sums[l.Asset] == nil {
				sums[l.Asset] = &total{}
			}
			if err := sums[l.Asset].add(l.At(s)); err != nil {
				return nil, fmt.Errorf("sum %s in %s: %w", term.Word(s), l.Asset, err)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(sums)) {
			of := sums[name]
			r := Rung{Stage: term.Word(s), Asset: name, Lines: of.lines}
			for into, a := range map[**string]money.Amount{&r.Reached: of.reached, &r.Standing: of.standing, &r.Over: of.over} {
				var err error
				if *into, err = text(name, a); err != nil {
					return nil, err
				}
			}
			out = append(out, r)
		}
	}
	return out, nil
}

type total struct {
	reached, standing, over money.Amount
	lines                   int
}

func (t *total) add(r drawn.Rung) (err error) {
	t.lines++
	if t.reached, err = t.reached.Add(r.Reached); err != nil {
		return err
	}
	if t.standing, err = t.standing.Add(r.Standing); err != nil {
		return err
	}
	t.over, err = t.over.Add(r.Over)
	return err
}

// text writes an amount of an asset; nil where there is no asset, so that nothing can be counted.
func text(name string, a money.Amount) (*string, error) {
	if name == "" {
		return nil, nil
	}
	of, err := asset.Parse(name)
	if err != nil {
		return nil, err
	}
	t := a.Text(of.Scale)
	return &t, nil
}
