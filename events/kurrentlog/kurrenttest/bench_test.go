package kurrenttest_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
)

// BenchmarkAppend tells how many appends the server and the client bear together, so that a benchmark of a log above them is known to time the log.
func BenchmarkAppend(b *testing.B) {
	const inFlight = 64
	_, _, c := open(b, kurrenttest.StoreConfig{})
	data := make([]byte, 200)
	var streams atomic.Int64
	b.SetParallelism(inFlight / 2) // times the two processors that the claim is made for
	b.RunParallel(func(pb *testing.PB) {
		name := fmt.Sprint("s-", streams.Add(1))
		for pb.Next() {
			_, err := c.AppendToStream(b.Context(), name, esdb.AppendToStreamOptions{ExpectedRevision: esdb.Any{}},
				esdb.EventData{EventType: "t", ContentType: esdb.ContentTypeBinary, Data: data})
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}
