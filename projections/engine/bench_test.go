package engine_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/exceptions"
	"github.com/allied-ledger/allied/projections/journal"
	"github.com/allied-ledger/allied/projections/pledges"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
	"github.com/allied-ledger/allied/projections/timeline"
)

// benchLog is made once for all benchmarks.
var benchLog = sync.OnceValue(func() *enginetest.Log { return enginetest.BenchLog(20_000) })

var views = []struct {
	name   string
	create func() engine.Projection
}{{"balances", balances.New}, {"pledges", pledges.New}, {"exceptions", exceptions.New}, {"timeline", timeline.New}, {"journal", journal.New}}

// BenchmarkFold folds decoded facts, without a sink.
func BenchmarkFold(b *testing.B) {
	var facts []*es.Fact
	for _, e := range benchLog().Entries() {
		f, err := wire.Decode(e)
		if err != nil {
			b.Fatal(err)
		}
		facts = append(facts, f)
	}
	for _, v := range views {
		b.Run(v.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				p := v.create()
				for _, f := range facts {
					if err := p.Fold(f); err != nil {
						b.Fatal(err)
					}
				}
			}
			enginetest.PerSecond(b, len(facts))
		})
	}
}

// BenchmarkReplay decodes, folds both views and hashes them.
func BenchmarkReplay(b *testing.B) {
	log := benchLog()
	for range b.N {
		if _, err := engine.Replay(b.Context(), log.All(), balances.New(), pledges.New()); err != nil {
			b.Fatal(err)
		}
	}
	enginetest.PerSecond(b, len(log.Entries()))
}

// BenchmarkRebuild rebuilds one view in SQLite.
func BenchmarkRebuild(b *testing.B) {
	for _, v := range views {
		b.Run(v.name, func(b *testing.B) {
			dir, n := b.TempDir(), 0
			enginetest.BenchRebuild(b, benchLog(), func() (engine.Sink, error) {
				n++
				return sqlite.Open(filepath.Join(dir, fmt.Sprint(n, ".db")))
			}, v.create)
		})
	}
}

func BenchmarkSmallCommits(b *testing.B) {
	sink, err := sqlite.Open(filepath.Join(b.TempDir(), "views.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	enginetest.BenchSmallCommits(b, benchLog(), sink, balances.New())
}
