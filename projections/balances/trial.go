package balances

import (
	"context"
	"fmt"
	"slices"

	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/engine"
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
		b := fromRow(row)
		if b.asset == "" {
			continue
		}
		if sums[b.asset], err = sums[b.asset].Add(b.standing); err != nil {
			return t, fmt.Errorf("trial balance of %s: %w", b.asset, err)
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
