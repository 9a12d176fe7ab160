package engine_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/exceptions"
	"github.com/allied-ledger/allied/projections/pledges"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
)

const benchPledges = 4000 // of five events each

var benchLog = sync.OnceValue(func() *enginetest.Log {
	log := enginetest.NewLog(logID)
	t := &testing.T{}
	for i := range benchPledges {
		log.Decide(t, enginetest.Stream(i), enginetest.Donors[i%len(enginetest.Donors)],
			pledgetest.Commit(pledgetest.Line(10*i, pledgetest.Stated(pledgetest.EUR, "625.50"), pledgetest.Stated("USD/2@donor_stated", "700"))),
			pledgetest.Allocate(pledgetest.Line(10*i+1, pledgetest.Stated(pledgetest.EUR, "200")), pledgetest.Item("shell", "10")),
			pledgetest.Allocate(pledgetest.Line(10*i+2, pledgetest.Stated(pledgetest.EUR, "250")), pledgetest.Item("shell", "20")),
			pledgetest.Draw(10*i+3, 10*i+1, pledgetest.EUR, "100"),
			pledgetest.Allocate(pledgetest.Line(10*i+4, pledgetest.Stated(pledgetest.EUR, "75"))),
		)
	}
	return log
})

var views = []struct {
	name   string
	create func() engine.Projection
}{{"balances", balances.New}, {"pledges", pledges.New}, {"exceptions", exceptions.New}}

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
			perSecond(b, len(facts))
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
	perSecond(b, len(log.Entries()))
}

// BenchmarkRebuild decodes, folds and commits one view to SQLite.
func BenchmarkRebuild(b *testing.B) {
	log := benchLog()
	for _, v := range views {
		b.Run(v.name, func(b *testing.B) {
			dir := b.TempDir()
			for i := range b.N {
				sink, err := sqlite.Open(filepath.Join(dir, fmt.Sprint(i, ".db")))
				if err != nil {
					b.Fatal(err)
				}
				enginetest.Build(b, log, sink, v.create)
				if err := sink.Close(); err != nil {
					b.Fatal(err)
				}
			}
			perSecond(b, len(log.Entries()))
		})
	}
}

// BenchmarkSmallCommits commits one event at a time to SQLite, as a quiet log does.
func BenchmarkSmallCommits(b *testing.B) {
	entries := benchLog().Entries()
	sink, err := sqlite.Open(filepath.Join(b.TempDir(), "views.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	p := balances.New()
	at, err := sink.Open(b.Context(), p.Spec())
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for i := range b.N {
		e := entries[i%len(entries)]
		f, err := wire.Decode(e)
		if err != nil {
			b.Fatal(err)
		}
		if i < len(entries) {
			if err := p.Fold(f); err != nil {
				b.Fatal(err)
			}
		}
		to := engine.Checkpoint{Projection: at.Projection, LogID: logID, Position: at.Position + 1, Ordinal: uint64(i)}
		if err := sink.Commit(b.Context(), at, to, p.Flush); err != nil {
			b.Fatal(err)
		}
		at = to
	}
	perSecond(b, 1)
}

func perSecond(b *testing.B, events int) {
	b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
