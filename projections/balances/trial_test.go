package balances_test

import (
	"slices"
	"testing"

	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
)

func trial(t *testing.T, views engine.Views) (out balances.TrialBalance) {
	t.Helper()
	if err := views.View(t.Context(), func(s engine.Snapshot) (err error) {
		out, err = balances.Trial(t.Context(), s)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestATrialBalanceFindsWhatDoesNotSumToZero(t *testing.T) {
	log, sink := ledger(t), engine.NewMemSink()
	enginetest.Build(t, log, sink, balances.New)
	if got := trial(t, sink); got.Assets != 3 || got.Unbalanced != nil {
		t.Errorf("of what events posted: %+v", got)
	}
	// A row that no event posted, as damage might leave it.
	at, err := sink.Open(t.Context(), balances.Spec)
	if err != nil {
		t.Fatal(err)
	}
	to := at
	to.Position++
	err = sink.Commit(t.Context(), at, to, func(yield func(table int, row engine.Row) error) error {
		var row engine.Row
		for _, text := range []string{"DEU", "UKR", "MIL.AMMO", "grant", "committed", "tracker", "USD/2@tracker"} {
			row = append(row, engine.TextOf(text))
		}
		return yield(0, append(row, engine.AmountOf(money.New(0)), engine.AmountOf(money.New(1)), engine.IntOf(0)))
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := trial(t, sink); got.Assets != 3 || !slices.Equal(got.Unbalanced, []string{"USD/2@tracker"}) {
		t.Errorf("with a row that no event posted: %+v", got)
	}
}
