package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/exceptions"
	"github.com/allied-ledger/allied/projections/journal"
	"github.com/allied-ledger/allied/projections/payments"
	"github.com/allied-ledger/allied/projections/pledges"
	"github.com/allied-ledger/allied/projections/shipments"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
	"github.com/allied-ledger/allied/projections/timeline"
	"pgregory.net/rapid"
)

// What SQLite keeps of random histories, committed in small batches, is to the byte what memory keeps in one.
func TestViewsEqualMemoryUnderRandomHistories(t *testing.T) {
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(r *rapid.T) {
		log := enginetest.RandomOfAll(t, r)
		n++
		sink, err := sqlite.Open(filepath.Join(dir, fmt.Sprintf("%d.db", n)))
		if err != nil {
			r.Fatal(err)
		}
		defer func() {
			if err := sink.Close(); err != nil {
				r.Error(err)
			}
		}()
		cfg := engine.Config{BatchEventsMax: rapid.IntRange(1, 9).Draw(r, "batch")}
		for _, create := range []func() engine.Projection{balances.New, pledges.New, shipments.New, payments.New, exceptions.New, timeline.New, journal.New} {
			enginetest.Run(t, engine.NewWorker(create, log, sink, cfg), log)
		}
		result, err := engine.Verify(t.Context(), log.All(), sink, balances.New(), pledges.New(), shipments.New(), payments.New(), exceptions.New(), timeline.New(), journal.New())
		if err != nil {
			r.Fatal(err)
		}
		for _, check := range result.Views {
			if !check.OK() {
				r.Fatalf("%+v: %v", check, check.Difference)
			}
		}
	})
}
