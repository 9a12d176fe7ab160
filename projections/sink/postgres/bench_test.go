package postgres_test

import (
	"testing"

	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/sink/postgres"
	"github.com/allied-ledger/allied/projections/sink/postgres/postgrestest"
)

// rebuiltEvents is how many events BenchmarkRebuild folds, which is what the claim is made for.
const rebuiltEvents = 1_000_000

func BenchmarkRebuild(b *testing.B) {
	log := enginetest.BenchLog(rebuiltEvents)
	b.ResetTimer()
	enginetest.BenchRebuild(b, log, func() (engine.Sink, error) { return postgres.Open(b.Context(), postgrestest.URL(b)) }, balances.New)
}

func BenchmarkSmallCommits(b *testing.B) {
	enginetest.BenchSmallCommits(b, enginetest.BenchLog(20_000), open(b, postgrestest.URL(b)), balances.New())
}
