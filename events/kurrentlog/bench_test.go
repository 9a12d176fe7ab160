package kurrentlog_test

import (
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/es/logtest"
	"github.com/allied-ledger/allied/events/kurrentlog"
	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
)

// BenchmarkStore appends to a server in this process, which shares the processors and keeps in memory what a real one writes to its disk.
func BenchmarkStore(b *testing.B) {
	logtest.Bench(b, func(b *testing.B) es.Log {
		store := kurrenttest.NewStore(kurrenttest.StoreConfig{AppendBytesMax: appendBytesMax})
		node := kurrenttest.StartT(b, store, kurrenttest.NodeConfig{})
		l, err := kurrentlog.Open(b.Context(), kurrentlog.Config{URL: node.URL()})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = l.Close() })
		return l
	})
}
