package logtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
)

const (
	benchRecordBytes = 200
	benchStreams     = 64 // for each caller
	benchReadEvents  = 50_000
)

// Bench measures a log as every other: appends of one event of 200 bytes, by callers that wait for each answer, and reading all of it. An op is
// one event. open makes an empty log.
func Bench(b *testing.B, open func(b *testing.B) es.Log) {
	for _, shape := range []struct{ callers, call int }{{1, 1}, {64, 1}, {16, 64}} {
		b.Run(fmt.Sprintf("append/callers=%d/call=%d", shape.callers, shape.call), func(b *testing.B) {
			l := open(b)
			b.ResetTimer()
			appendEvents(b, l, shape.callers, shape.call, b.N)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
	b.Run("read", func(b *testing.B) {
		l := open(b)
		appendEvents(b, l, 16, benchStreams, benchReadEvents)
		b.ResetTimer()
		for n := 0; n < b.N; { // again from the beginning, as often as it takes
			for _, err := range l.Read(b.Context(), 0) {
				if err != nil {
					b.Fatal(err)
				}
				if n++; n == b.N {
					break
				}
			}
		}
		b.StopTimer()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
}

// appendEvents appends n events, call of them at a time by each caller, to streams of its own in turn.
func appendEvents(b *testing.B, l es.Log, callers, call, n int) {
	content := bytes.Repeat([]byte("x"), benchRecordBytes)
	var group sync.WaitGroup
	for c := range callers {
		mine := n / callers
		if c < n%callers {
			mine++
		}
		group.Go(func() {
			for done := 0; done < mine; {
				appends := make([]es.Append, min(call, mine-done))
				for i := range appends {
					var id uuid.UUID
					binary.LittleEndian.PutUint64(id[:], uint64(done))
					binary.LittleEndian.PutUint64(id[8:], uint64(c)+1)
					appends[i] = es.Append{
						Stream: fmt.Sprintf("pledge-%d-%d", c, done%benchStreams), Expected: int64(done/benchStreams) - 1,
						Records: []es.Record{{ID: id, Bytes: content}},
					}
					done++
				}
				for _, r := range l.Append(b.Context(), appends) {
					if r.Err != nil {
						b.Error(r.Err)
						return
					}
				}
			}
		})
	}
	group.Wait()
}
