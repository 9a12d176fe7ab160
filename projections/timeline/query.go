package timeline

import (
	"context"
	"slices"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	"github.com/allied-ledger/allied/projections/internal/sums"
	"github.com/allied-ledger/allied/projections/internal/tally"
)

// Request asks what came to the stages, and how what stands there changed, within months. It may report by month too; without it, all
// months asked for are summed.
type Request struct {
	sums.Request
	// From and To are the first and the last month, such as 2022-02 and 2023-12, both within; without one there is no such bound.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// Report answers a Request.
type Report struct {
	sums.Summary
	// Rows are by month, then as balances are.
	Rows []Row `json:"rows"`
	// Undated is what happened on a day that nobody knows: in no month, and no part of Rows. It has no dimensions, whatever was asked for.
	Undated []Row `json:"undated"`
}

// Row is one sum; Month, such as 2023-04, is set where it is asked for.
type Row struct {
	Month *string `json:"month,omitempty"`
	sums.Row
}

// Dimensions are what a request may report by.
func Dimensions() []string { return append([]string{sums.Month}, sums.Dimensions()...) }

// Query answers a request from one moment of the view. What it cannot answer truly is refused with an *es.Refusal.
func Query(ctx context.Context, s engine.Snapshot, req Request) (*Report, error) {
	sum, err := sums.Begin(&req.Request, Dimensions())
	if err != nil {
		return nil, err
	}
	if err := sums.CheckMonths(req.From, req.To); err != nil {
		return nil, err
	}
	at, err := listing.Checkpoint(ctx, s, Spec, req.AtLeast)
	if err != nil {
		return nil, err
	}
	for row, err := range s.Scan(ctx, Spec.Tables[0], sum.Within()) {
		if err != nil {
			return nil, err
		}
		r := tally.Read(row)
		switch {
		case r.Month == "":
			err = sum.AddUndated(&r)
		case r.Month >= req.From && (req.To == "" || r.Month <= req.To):
			err = sum.Add(&r)
		}
		if err != nil {
			return nil, err
		}
	}
	return req.report(sum, at)
}

func (r *Request) report(sum *sums.Sums, at engine.Checkpoint) (*Report, error) {
	summary, err := sum.Summary(at)
	if err != nil {
		return nil, err
	}
	out := &Report{Summary: summary, Rows: []Row{}, Undated: []Row{}}
	lines, err := sum.Rows()
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		row := Row{Row: l.Row}
		if slices.Contains(r.By, sums.Month) {
			row.Month = &l.Month
		}
		out.Rows = append(out.Rows, row)
	}
	undated, err := sum.Undated()
	for _, l := range undated {
		out.Undated = append(out.Undated, Row{Row: l.Row})
	}
	return out, err
}
