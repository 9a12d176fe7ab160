package balances

import (
	"context"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	"github.com/allied-ledger/allied/projections/internal/sums"
	"github.com/allied-ledger/allied/projections/internal/tally"
)

type (
	// Request asks for balances. Basis and Stages are required: amounts of two bases never add, and no two rungs are collapsed.
	Request = sums.Request
	// Row is one sum. Of the dimensions only those asked for are set. A row that only counts unknowns has neither asset nor amount.
	Row = sums.Row
	// LeftOut is what an instrument would add.
	LeftOut = sums.LeftOut
)

// Report answers a Request.
type Report struct {
	sums.Summary
	Rows []Row `json:"rows"`
}

// Query answers a request from one moment of the view. What it cannot answer truly is refused with an *es.Refusal.
func Query(ctx context.Context, s engine.Snapshot, req Request) (*Report, error) {
	sum, err := sums.Begin(&req, Dimensions())
	if err != nil {
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
		b := tally.Read(row)
		if err := sum.Add(&b); err != nil {
			return nil, err
		}
	}
	out := &Report{Rows: []Row{}}
	if out.Summary, err = sum.Summary(at); err != nil {
		return nil, err
	}
	lines, err := sum.Rows()
	for _, l := range lines {
		out.Rows = append(out.Rows, l.Row)
	}
	return out, err
}
