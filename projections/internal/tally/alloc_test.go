package tally_test

import (
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/internal/registers"
	"github.com/allied-ledger/allied/projections/timeline"
	"github.com/google/uuid"
)

// A fact that opens no row costs no memory beside the registers.
func TestAFactIsAddedWithoutAllocation(t *testing.T) {
	const known, more, rounds = 4, 20, 10
	var commands []pledge.Command
	for i := range known + more {
		commands = append(commands, pledgetest.Commit(pledgetest.Line(i+1, pledgetest.Stated(pledgetest.EUR, "10"))))
	}
	log := enginetest.NewLog(uuid.UUID{1: 7})
	log.Decide(t, enginetest.Stream(1), "USA", commands...)
	var facts []*es.Fact
	for _, e := range log.Entries() {
		f, err := wire.Decode(e)
		if err != nil {
			t.Fatal(err)
		}
		facts = append(facts, f)
	}
	allocations := func(create func() func(*es.Fact) error) int {
		var folds []func(*es.Fact) error
		for range rounds + 1 { // AllocsPerRun warms up once
			fold := create()
			for _, f := range facts[:known] {
				if err := fold(f); err != nil {
					t.Fatal(err)
				}
			}
			folds = append(folds, fold)
		}
		return int(testing.AllocsPerRun(rounds, func() {
			for _, f := range facts[known:] {
				if err := folds[0](f); err != nil {
					t.Fatal(err)
				}
			}
			folds = folds[1:]
		}))
	}
	needed := allocations(func() func(*es.Fact) error {
		r, j := registers.New(), &posting.Journal{}
		return func(f *es.Fact) error { return r.Fold(f, j, func(string) error { return nil }) }
	})
	for name, create := range map[string]func() engine.Projection{"balances": balances.New, "timeline": timeline.New} {
		if got := allocations(func() func(*es.Fact) error { return create().Fold }); got > needed {
			t.Errorf("%s: %d allocations for %d facts, and the registers need %d", name, got, more, needed)
		}
	}
}
