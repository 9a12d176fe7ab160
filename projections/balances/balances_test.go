package balances_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func TestProjection(t *testing.T) { enginetest.TestProjection(t, balances.New) }

func TestProjectionOfAll(t *testing.T) {
	enginetest.TestProjectionOf(t, enginetest.RandomOfAll, balances.New)
}

// Double entry: what one row gains, others lose.
func TestStandingsOfEachAssetSumToZero(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		log := enginetest.RandomOfAll(t, r)
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

func TestSumBeyondTheBoundStopsTheView(t *testing.T) {
	log := enginetest.NewLog(uuid.UUID{1: 7})
	most := "9" + strings.Repeat("9", 35) + ".99" // no decider lets so much in
	for i := range 2 {
		log.Add(t, enginetest.Stream(i), "USA", enginetest.Announcement("most", money.MaxAmount.Proto()))
	}
	_, err := engine.Replay(t.Context(), log.All(), balances.New())
	var stopped *engine.FoldError
	if !errors.As(err, &stopped) || !errors.Is(err, money.ErrRange) || stopped.Ordinal != 1 {
		t.Fatal(err)
	}
	r, err := engine.Replay(t.Context(), enginetest.Seq(log.Entries()[:1]), balances.New())
	if err != nil {
		t.Fatal(err)
	}
	report, err := query(t, r.Sink, balances.Request{Basis: "donor_stated", Stages: []string{"announced"}})
	if err != nil || *report.Rows[0].Amount != most {
		t.Fatal(report, err)
	}
}
