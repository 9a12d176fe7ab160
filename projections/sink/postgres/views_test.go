package postgres_test

import (
	"flag"
	"strconv"
	"sync"
	"testing"

	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/exceptions"
	"github.com/allied-ledger/allied/projections/journal"
	"github.com/allied-ledger/allied/projections/payments"
	"github.com/allied-ledger/allied/projections/pledges"
	"github.com/allied-ledger/allied/projections/reservations"
	"github.com/allied-ledger/allied/projections/shipments"
	"github.com/allied-ledger/allied/projections/sink/postgres"
	"github.com/allied-ledger/allied/projections/sink/postgres/postgrestest"
	"github.com/allied-ledger/allied/projections/timeline"
	"pgregory.net/rapid"
)

var views = []func() engine.Projection{balances.New, pledges.New, shipments.New, payments.New, exceptions.New, timeline.New, journal.New}

// What PostgreSQL keeps of random histories, committed in small batches, is to the byte what memory keeps in one, and so is its state hash.
// Another sink keeps the view of the policies in the same database.
func TestViewsEqualMemoryUnderRandomHistories(t *testing.T) {
	fewer(t, 8)
	url := postgrestest.URL(t)
	sink, policies := open(t, url), open(t, url)
	rapid.Check(t, func(r *rapid.T) {
		log := enginetest.RandomOfAll(t, r)
		cfg := engine.Config{BatchEventsMax: rapid.IntRange(1, 9).Draw(r, "batch")}
		build := func(sink engine.Sink, create func() engine.Projection) engine.Projection {
			if err := sink.Reset(t.Context(), create().Spec()); err != nil {
				r.Fatal(err)
			}
			enginetest.Run(t, engine.NewWorker(create, log, sink, cfg), log)
			return create()
		}
		var all []engine.Projection
		var specs []engine.Spec
		for _, create := range views {
			all = append(all, build(sink, create))
			specs = append(specs, create().Spec())
		}
		all = append(all, build(policies, reservations.New))
		specs = append(specs, reservations.Spec)
		result, err := engine.Verify(t.Context(), log.All(), sink, all...)
		if err != nil {
			r.Fatal(err)
		}
		for _, check := range result.Views {
			if !check.OK() {
				r.Fatalf("%+v: %v", check, check.Difference)
			}
		}
		if hash := hashOf(t, sink, specs...); hash != result.StateHash {
			r.Fatalf("state hash %s, not %s", hash, result.StateHash)
		}
	})
}

// fewer divides how many random cases this test tries: each makes many tables.
func fewer(t *testing.T, by int) {
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	n, err := strconv.Atoi(before)
	if err == nil {
		err = checks.Value.Set(strconv.Itoa(max(1, n/by)))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := checks.Value.Set(before); err != nil {
			t.Error(err)
		}
	})
}

func hashOf(t *testing.T, kept engine.Views, specs ...engine.Spec) (hash string) {
	t.Helper()
	err := kept.View(t.Context(), func(s engine.Snapshot) (err error) {
		hash, err = engine.Hash(t.Context(), s, specs...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// A table for people without the asset of its amounts would show minor units as if they were whole ones.
func TestEveryAmountThatPeopleReadHasAnAsset(t *testing.T) {
	for _, create := range views {
		for _, table := range create().Spec().Tables {
			for i, c := range table.Columns {
				if _, ok := table.AssetOf(i); !ok && !table.Hidden && c.Kind == engine.Amount {
					t.Errorf("nothing says what column %s of table %s counts", c.Name, table.Name)
				}
			}
		}
	}
}

// All views are opened at once, as a process that starts on an empty database does, and none has to try again.
func TestViewsAreMadeAtTheSameTime(t *testing.T) {
	for range 5 {
		sink, err := postgres.Open(t.Context(), postgrestest.URL(t))
		if err != nil {
			t.Fatal(err)
		}
		var opening sync.WaitGroup
		for _, create := range views {
			opening.Go(func() {
				if _, err := sink.Open(t.Context(), create().Spec()); err != nil {
					t.Error(err)
				}
			})
		}
		opening.Wait()
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	}
}
