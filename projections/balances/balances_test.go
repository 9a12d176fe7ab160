package balances_test

import (
	"testing"

	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"pgregory.net/rapid"
)

func TestProjection(t *testing.T) { enginetest.TestProjection(t, balances.New) }

// Double entry: what one row gains, others lose.
func TestStandingsOfEachAssetSumToZero(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		log := enginetest.Random(t, r)
		result, err := engine.Replay(t.Context(), log.All(), balances.New())
		if err != nil {
			r.Fatal(err)
		}
		sums := map[string]money.Amount{}
		for _, row := range rows(t, result.Sink) {
			asset := row[6].Text()
			if sums[asset], err = sums[asset].Add(row[8].Amount()); err != nil {
				r.Fatal(err)
			}
			if row[9].Int() < 0 {
				r.Fatalf("%v counts fewer than no unknowns", row)
			}
		}
		for asset, sum := range sums {
			if !sum.IsZero() {
				r.Fatalf("standings of %s sum to %s", asset, sum.Text(0))
			}
		}
	})
}

func rows(t *testing.T, views engine.Views) (rows []engine.Row) {
	t.Helper()
	err := views.View(t.Context(), func(s engine.Snapshot) error {
		for row, err := range s.Scan(t.Context(), balances.Spec.Tables[0], engine.Range{}) {
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
