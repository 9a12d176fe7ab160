package enginetest

import (
	"context"
	"testing"

	"github.com/allied-ledger/allied/projections/engine"
)

// Replayed are the views of a log, folded in memory.
func Replayed(t testing.TB, log *Log, all ...engine.Projection) engine.Views {
	t.Helper()
	r, err := engine.Replay(t.Context(), log.All(), all...)
	if err != nil {
		t.Fatal(err)
	}
	return r.Sink
}

// View calls fn with a moment of views.
func View(t testing.TB, views engine.Views, fn func(engine.Snapshot) error) {
	t.Helper()
	if err := views.View(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// Ask returns what a query answers to a request, or why it refuses it.
func Ask[Q, R any](t testing.TB, views engine.Views, query func(context.Context, engine.Snapshot, Q) (R, error), request Q) (answer R, err error) {
	t.Helper()
	View(t, views, func(s engine.Snapshot) error {
		answer, err = query(t.Context(), s, request)
		return nil
	})
	return answer, err
}
