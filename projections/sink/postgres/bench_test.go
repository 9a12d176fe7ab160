package postgres_test

import (
	"testing"

	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/sink/postgres/postgrestest"
	"github.com/google/uuid"
)

// pledgeEvents is how many events each pledge of a benchmark has.
const pledgeEvents = 5

func benchLog(n int) *enginetest.Log {
	log := enginetest.NewLog(logID)
	t := &testing.T{}
	for i := range (n + pledgeEvents - 1) / pledgeEvents {
		log.Decide(t, enginetest.Stream(i), enginetest.Donors[i%len(enginetest.Donors)],
			pledgetest.Commit(pledgetest.Line(10*i, pledgetest.Stated(pledgetest.EUR, "625.50"), pledgetest.Stated("USD/2@donor_stated", "700"))),
			pledgetest.Allocate(pledgetest.Line(10*i+1, pledgetest.Stated(pledgetest.EUR, "200")), pledgetest.Item("shell", "10")),
			pledgetest.Allocate(pledgetest.Line(10*i+2, pledgetest.Stated(pledgetest.EUR, "250")), pledgetest.Item("shell", "20")),
			pledgetest.Draw(10*i+3, 10*i+1, pledgetest.EUR, "100"),
			pledgetest.Allocate(pledgetest.Line(10*i+4, pledgetest.Stated(pledgetest.EUR, "75"))),
		)
	}
	return log
}

// BenchmarkRebuild decodes, folds and commits the balances of b.N events; -benchtime=1000000x takes a million.
func BenchmarkRebuild(b *testing.B) {
	log := benchLog(b.N)
	sink := open(b, postgrestest.URL(b))
	b.ResetTimer()
	enginetest.Build(b, log, sink, balances.New)
	b.ReportMetric(float64(len(log.Entries()))/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkSmallCommits commits one event at a time, as a quiet log does.
func BenchmarkSmallCommits(b *testing.B) {
	entries := benchLog(20_000).Entries()
	sink := open(b, postgrestest.URL(b))
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
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

var logID = uuid.UUID{1: 7}
