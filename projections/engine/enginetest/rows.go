package enginetest

import (
	"slices"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
)

func move(from engine.Checkpoint, to es.Position) engine.Checkpoint {
	return engine.Checkpoint{Projection: from.Projection, LogID: logID, Position: to, Ordinal: uint64(to) - 1}
}

func mustOpen(t *testing.T, s engine.Sink, spec engine.Spec) engine.Checkpoint {
	t.Helper()
	at, err := s.Open(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func commit(t *testing.T, s engine.Sink, from, to engine.Checkpoint, table int, rows ...engine.Row) engine.Checkpoint {
	t.Helper()
	err := s.Commit(t.Context(), from, to, func(yield func(int, engine.Row) error) error {
		reused := make(engine.Row, 0, 16) // a projection may use one row for all
		for _, row := range rows {
			reused = append(reused[:0], row...)
			if err := yield(table, reused); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func checkpoint(t *testing.T, s engine.Sink, spec engine.Spec) (at engine.Checkpoint) {
	t.Helper()
	err := s.View(t.Context(), func(v engine.Snapshot) (err error) {
		at, err = v.Checkpoint(t.Context(), spec)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func scan(t *testing.T, s engine.Views, table engine.Table, r engine.Range) (rows []engine.Row) {
	t.Helper()
	err := s.View(t.Context(), func(v engine.Snapshot) error {
		for row, err := range v.Scan(t.Context(), table, r) {
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

func equalRows(t *testing.T, got, want []engine.Row) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows, not %d", len(got), len(want))
	}
	for i := range got {
		if !slices.Equal(got[i], want[i]) {
			t.Fatalf("row %d is %v, not %v", i, got[i], want[i])
		}
	}
}
