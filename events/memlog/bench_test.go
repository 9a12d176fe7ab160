package memlog_test

import (
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/es/logtest"
	"github.com/allied-ledger/allied/events/memlog"
)

func BenchmarkStore(b *testing.B) {
	logtest.Bench(b, func(*testing.B) es.Log { return memlog.New() })
}
