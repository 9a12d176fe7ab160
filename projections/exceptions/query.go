package exceptions

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/payment"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/shipment"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	"github.com/allied-ledger/allied/projections/internal/words"
)

// ListRequest asks for exceptions. Filters that are empty let everything pass.
type ListRequest struct {
	// Kinds are some of Kinds.
	Kinds       []string `json:"kinds,omitempty"`
	Donor       string   `json:"donor,omitempty"`
	Beneficiary string   `json:"beneficiary,omitempty"`
	// Category passes exceptions in it or below it.
	Category string `json:"category,omitempty"`
	// Stream passes exceptions of a pledge, shipment or payment: its stream, or the UUID alone. A pledge has those of what draws on it.
	Stream string `json:"stream,omitempty"`
	// Status is one of Statuses; open where empty.
	Status string `json:"status,omitempty"`
	// RaisedBefore passes exceptions that were recorded before a day, such as 2024-05-31.
	RaisedBefore string `json:"raised_before,omitempty"`
	// Asset passes exceptions with an amount of it.
	Asset string `json:"asset,omitempty"`
	// MinAmount passes exceptions of at least so much, whatever the sign, as decimal text of Asset: of open ones what is open, of resolved ones
	// what was raised.
	MinAmount string `json:"min_amount,omitempty"`
	// Text passes exceptions of which the detail holds it, in whatever case.
	Text string `json:"text,omitempty"`
	// Limit is the size of a page, up to 1000; 100 where zero.
	Limit int `json:"limit,omitempty"`
	// Cursor is the next of the page before.
	Cursor string `json:"cursor,omitempty"`
	// AtLeast is a position that the view must hold.
	AtLeast es.Position `json:"at_least,omitempty"`
}

// Listing answers a ListRequest: the oldest first, as they were recorded.
type Listing struct {
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	// Total is how many exceptions pass the filters, over all pages.
	Total int `json:"total"`
	// Summary counts what passes the filters, whatever its status, in the order of Kinds; kinds of which there is none are left out.
	Summary    []Summary   `json:"summary"`
	Exceptions []Exception `json:"exceptions"`
	// Next is the cursor of the following page; empty on the last.
	Next string `json:"next,omitempty"`
}

// Summary counts the exceptions of one kind.
type Summary struct {
	Kind     string `json:"kind"`
	Open     int    `json:"open"`
	Resolved int    `json:"resolved"`
	// WithoutAmount is how many of the open ones have no amount. They are no zeros.
	WithoutAmount int `json:"without_amount"`
	// Amounts are what is open, in each asset apart.
	Amounts []AssetAmount `json:"amounts"`
}

// AssetAmount is an amount of an asset.
type AssetAmount struct {
	Asset  string `json:"asset"`
	Amount string `json:"amount"`
}

// Exception is one thing to look at.
type Exception struct {
	// ID is a UUID that is derived from the fact and what it raises, and so the same on every copy.
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Status string `json:"status"`
	// Cause is observed, overridden or happened where a cap was exceeded or may be, else empty.
	Cause string `json:"cause"`
	// Stream is where it stands: a pledge, shipment or payment. Pledge is the pledge whose books it concerns.
	Stream string `json:"stream"`
	Pledge string `json:"pledge"`
	// Line and Draw are UUIDs; empty where there is none.
	Line        string `json:"line"`
	Draw        string `json:"draw"`
	Donor       string `json:"donor"`
	Beneficiary string `json:"beneficiary"`
	Category    string `json:"category"`
	// Asset, Amount and OpenAmount are null where nothing is counted. Amount is what was raised, OpenAmount what of it is not resolved.
	Asset      *string `json:"asset"`
	Amount     *string `json:"amount"`
	OpenAmount *string `json:"open_amount"`
	// Event is the fact that raised it, by its id and by its place in the log; Recorded is the day on which it was recorded, such as 2024-05-31.
	Event    string `json:"event"`
	Ordinal  uint64 `json:"ordinal"`
	Recorded string `json:"recorded"`
	// Effective is the latest day on which it took place; null where no date is known.
	Effective *string `json:"effective"`
	// ResolvedOrdinal is the place in the log of the fact that resolved it; null while it is open.
	ResolvedOrdinal *uint64 `json:"resolved_ordinal"`
	// Detail is a sentence on what the rest does not say; empty where there is nothing to add.
	Detail string `json:"detail"`
}

// List answers from one moment of the view. It reads every exception, whatever the page. What it cannot answer is refused with an *es.Refusal.
func List(ctx context.Context, s engine.Snapshot, req ListRequest) (*Listing, error) {
	wanted, err := req.check()
	if err != nil {
		return nil, err
	}
	at, err := listing.Checkpoint(ctx, s, Spec, req.AtLeast)
	if err != nil {
		return nil, err
	}
	all, err := scan(ctx, s)
	if err != nil {
		return nil, err
	}
	var found []engine.Row
	sums := map[string]*sum{}
	for _, row := range all {
		if !wanted.passes(row) {
			continue
		}
		kind := row[kindColumn].Text()
		if sums[kind] == nil {
			sums[kind] = &sum{amounts: map[string]money.Amount{}}
		}
		if err := sums[kind].add(row); err != nil {
			return nil, fmt.Errorf("sum exceptions %s: %w", kind, err)
		}
		if wanted.hasStatus(row) {
			found = append(found, row)
		}
	}
	out := &Listing{Position: at.Position, Ordinal: at.Ordinal, Total: len(found), Summary: []Summary{}, Exceptions: []Exception{}}
	for _, kind := range Kinds() {
		if sums[kind] == nil {
			continue
		}
		summary, err := sums[kind].summary(kind)
		if err != nil {
			return nil, err
		}
		out.Summary = append(out.Summary, summary)
	}
	found, out.Next = wanted.page.Cut(found, listing.Columns{Stream: idColumn, Donor: listing.NotByDonor, First: placed(ordinalColumn)})
	for _, row := range found {
		e, err := read(row)
		if err != nil {
			return nil, err
		}
		out.Exceptions = append(out.Exceptions, *e)
	}
	return out, nil
}

// scan reads every exception, each with its place behind it: the two tables have the same keys in the same order.
func scan(ctx context.Context, s engine.Snapshot) (all []engine.Row, err error) {
	for row, err := range s.Scan(ctx, Spec.Tables[exceptionTable], engine.Range{}) {
		if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	n := 0
	for place, err := range s.Scan(ctx, Spec.Tables[placeTable], engine.Range{}) {
		if err != nil {
			return nil, err
		}
		if n == len(all) || all[n][idColumn] != place[idColumn] {
			return nil, fmt.Errorf("exception %s has a place, and is not there", place[idColumn].Text())
		}
		all[n] = append(all[n][:exceptionColumns:exceptionColumns], place[1:]...)
		n++
	}
	if n < len(all) {
		return nil, fmt.Errorf("exception %s has no place", all[n][idColumn].Text())
	}
	return all, nil
}

// placed is where a column of the place stands in what scan returns.
func placed(column int) int { return exceptionColumns + column - 1 }

// filter is a request that has been checked.
type filter struct {
	*ListRequest
	page    listing.Page
	status  string
	streams []string
	before  int32
	least   money.Amount
}

func (r *ListRequest) check() (*filter, error) {
	f := &filter{ListRequest: r, status: r.Status}
	for _, kind := range r.Kinds {
		if err := words.Check("kinds", kind, Kinds()); err != nil {
			return nil, err
		}
	}
	if err := words.CheckFilters(r.Donor, r.Beneficiary, r.Category); err != nil {
		return nil, err
	}
	if f.status == "" {
		f.status = Open
	}
	if err := words.Check("status", f.status, Statuses()); err != nil {
		return nil, err
	}
	if r.Stream != "" {
		var err error
		if f.streams, err = listing.Streams("stream", r.Stream, pledge.Kind, shipment.Kind, payment.Kind); err != nil {
			return nil, err
		}
	}
	var err error
	if r.RaisedBefore != "" {
		if f.before, err = words.Day("raised_before", r.RaisedBefore); err != nil {
			return nil, err
		}
	}
	if err := f.checkAmount(); err != nil {
		return nil, err
	}
	f.page, err = listing.CheckPage(Spec.Name, r.Limit, r.Cursor)
	return f, err
}

func (f *filter) checkAmount() error {
	if f.Asset == "" {
		if f.MinAmount != "" {
			return &es.Refusal{
				Code: "missing", Field: "asset", Reason: "amounts of two assets do not compare, and none is named for min_amount", Remedy: "name the asset, such as EUR/2@net_book",
			}
		}
		return nil
	}
	a, err := asset.Parse(f.Asset)
	if err != nil {
		return &es.Refusal{Code: "bad_asset", Field: "asset", Reason: err.Error(), Remedy: "write it as EUR/2@net_book or each/6:item"}
	}
	if f.MinAmount == "" {
		return nil
	}
	if f.least, err = money.Parse(f.MinAmount, a.Scale); err != nil || f.least.Sign() < 0 {
		return &es.Refusal{
			Code: "bad_amount", Field: "min_amount", Reason: fmt.Sprintf("%q is not an amount of %s, from zero", f.MinAmount, f.Asset), Remedy: "write decimal text such as 1000.00",
		}
	}
	return nil
}

// passes tells whether an exception is within the request, whatever its status.
func (f *filter) passes(row engine.Row) bool {
	return (len(f.Kinds) == 0 || slices.Contains(f.Kinds, row[kindColumn].Text())) &&
		(f.Donor == "" || row[donorColumn].Text() == f.Donor) &&
		(f.Beneficiary == "" || row[beneficiaryColumn].Text() == f.Beneficiary) &&
		words.Within(row[categoryColumn].Text(), f.Category) &&
		(f.streams == nil || slices.Contains(f.streams, row[streamColumn].Text()) || slices.Contains(f.streams, row[pledgeColumn].Text())) &&
		(f.RaisedBefore == "" || row[placed(dayColumn)].Int() < int64(f.before)) &&
		(f.Asset == "" || row[assetColumn].Text() == f.Asset) &&
		(f.MinAmount == "" || outstanding(row).Abs().Cmp(f.least) >= 0) &&
		(f.Text == "" || words.Holds(row[detailColumn].Text(), f.Text))
}

func (f *filter) hasStatus(row engine.Row) bool {
	return f.status == All || row[resolvedColumn].Bool() == (f.status == Resolved)
}

// outstanding is what is open of an exception, or of a resolved one what was raised.
func outstanding(row engine.Row) money.Amount {
	if row[resolvedColumn].Bool() {
		return row[amountColumn].Amount()
	}
	return row[openColumn].Amount()
}

// sum counts the exceptions of one kind.
type sum struct {
	open, resolved, withoutAmount int
	amounts                       map[string]money.Amount
}

func (s *sum) add(row engine.Row) (err error) {
	of := row[assetColumn].Text()
	switch {
	case row[resolvedColumn].Bool():
		s.resolved++
		return nil
	case of == "":
		s.withoutAmount++
	default:
		s.amounts[of], err = s.amounts[of].Add(row[openColumn].Amount())
	}
	s.open++
	return err
}

func (s *sum) summary(kind string) (Summary, error) {
	out := Summary{Kind: kind, Open: s.open, Resolved: s.resolved, WithoutAmount: s.withoutAmount, Amounts: []AssetAmount{}}
	for name, amount := range s.amounts {
		a, err := asset.Parse(name)
		if err != nil {
			return out, err
		}
		out.Amounts = append(out.Amounts, AssetAmount{name, amount.Text(a.Scale)})
	}
	slices.SortFunc(out.Amounts, func(a, b AssetAmount) int { return strings.Compare(a.Asset, b.Asset) })
	return out, nil
}

// read writes a row as people read it.
func read(row engine.Row) (*Exception, error) {
	text := func(column int) string { return row[column].Text() }
	e := &Exception{
		ID: text(idColumn), Kind: text(kindColumn), Status: Open, Cause: text(causeColumn), Stream: text(streamColumn), Pledge: text(pledgeColumn),
		Line: text(lineColumn), Draw: text(drawColumn), Donor: text(donorColumn), Beneficiary: text(beneficiaryColumn), Category: text(categoryColumn),
		Event: text(eventColumn), Ordinal: uint64(row[placed(ordinalColumn)].Int()), Recorded: *listing.DayText(row[placed(dayColumn)]),
		Effective: listing.DayText(row[effectiveColumn]), Detail: text(detailColumn),
	}
	if row[resolvedColumn].Bool() {
		by := uint64(row[placed(resolvedByColumn)].Int())
		e.Status, e.ResolvedOrdinal = Resolved, &by
	}
	name := text(assetColumn)
	if name == "" {
		return e, nil
	}
	a, err := asset.Parse(name)
	if err != nil {
		return nil, err
	}
	amount, open := row[amountColumn].Amount().Text(a.Scale), row[openColumn].Amount().Text(a.Scale)
	e.Asset, e.Amount, e.OpenAmount = &name, &amount, &open
	return e, nil
}
