package kurrentlog_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/kurrentlog"
	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
)

// BenchmarkAppend appends single events of 200 bytes to a server in this process, which shares the processors: calls of 64 appends to streams of
// their own, so that many are under way.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 4} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l := benchLog(b)
			const appends = 64
			payload := bytes.Repeat([]byte("x"), 200)
			b.ResetTimer()
			var group sync.WaitGroup
			for c := range callers {
				group.Go(func() {
					revision := es.NoStream
					for done := c; done < b.N; done += callers * appends {
						call := make([]es.Append, appends)
						for i := range call {
							call[i] = es.Append{
								Stream: fmt.Sprintf("pledge-%d-%d", c, i), Expected: revision, Records: []es.Record{{ID: uuid.New(), Bytes: payload}},
							}
						}
						for _, r := range l.Append(b.Context(), call) {
							if r.Err != nil {
								b.Error(r.Err)
								return
							}
						}
						revision++
					}
				})
			}
			group.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkRead reads the log from its beginning.
func BenchmarkRead(b *testing.B) {
	l := benchLog(b)
	payload := bytes.Repeat([]byte("x"), 200)
	for done := 0; done < b.N; {
		a := es.Append{Stream: "pledge-1", Expected: int64(done) - 1}
		for range min(es.AppendRecordsMax, b.N-done) {
			a.Records = append(a.Records, es.Record{ID: uuid.New(), Bytes: payload})
		}
		if r := l.Append(b.Context(), []es.Append{a})[0]; r.Err != nil {
			b.Fatal(r.Err)
		}
		done += len(a.Records)
	}
	b.ResetTimer()
	n := 0
	for _, err := range l.Read(b.Context(), 0) {
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	if n != b.N {
		b.Fatalf("%d entries of %d", n, b.N)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

func benchLog(b *testing.B) es.Log {
	b.Helper()
	store := kurrenttest.NewStore(kurrenttest.StoreConfig{AppendBytesMax: appendBytesMax})
	node := kurrenttest.StartT(b, store, kurrenttest.NodeConfig{})
	l, err := kurrentlog.Open(b.Context(), kurrentlog.Config{URL: node.URL()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	return l
}
