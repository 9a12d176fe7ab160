package balances

import (
	"context"
	"fmt"
	"slices"

	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/tally"
)

// TrialBalance sums the standing amounts of every asset over all rows.
type TrialBalance struct {
	// Assets is how many there are.
	Assets int
	// Unbalanced are those whose sum is not zero, by name. Every event posts what sums to zero, so that one means damage or a bug.
	Unbalanced []string
}

// Trial draws up the trial balance of one moment.
func Trial(ctx context.Context, s engine.Snapshot) (t TrialBalance, err error) {
	sums := map[string]money.Amount{}
	for row, err := range s.Scan(ctx, Spec.Tables[0], engine.Range{}) {
		if err != nil {
			return t, fmt.Errorf("trial balance: %w", err)
		}
		b := tally.Read(row)
		if b.Asset == "" {
			continue
		}
		if sums[b.Asset], err = sums[b.Asset].Add(b.Standing); err != nil {
			return t, fmt.Errorf("trial balance of %s: %w", b.Asset, err)
		}
	}
	t.Assets = len(sums)
	for asset, sum := range sums {
		if !sum.IsZero() {
			t.Unbalanced = append(t.Unbalanced, asset)
		}
	}
	slices.Sort(t.Unbalanced)
	return t, nil
}
