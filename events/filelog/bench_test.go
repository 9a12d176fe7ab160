package filelog_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/es/logtest"
	"github.com/allied-ledger/allied/events/filelog"
)

const (
	benchRecordBytes  = 200
	benchStreams      = 10_000
	benchRoundRecords = 20_000
	rawFileBytes      = 64 << 20
)

// BenchmarkAppend compares the log with a raw preallocated file. Both get the same records from the same callers, who wait for their
// answers; both take all calls that wait, write them at once and call fdatasync once, and then answer. The raw file holds the records'
// bytes and nothing else. The two take turns in short rounds, so that both meet the machine's good and bad moments. An op is one record.
func BenchmarkAppend(b *testing.B) {
	for _, shape := range []struct{ callers, call int }{{64, 1}, {16, 16}, {16, 64}, {4, 1000}} {
		b.Run(fmt.Sprintf("callers=%d/call=%d", shape.callers, shape.call), func(b *testing.B) {
			dir := b.TempDir()
			l, err := filelog.Open(filelog.Config{Dir: filepath.Join(dir, "ledger")})
			if err != nil {
				b.Fatal(err)
			}
			raw, err := newRawFile(filepath.Join(dir, "raw"))
			if err != nil {
				b.Fatal(err)
			}
			inLog, inRaw := newLoad(shape.callers, shape.call), newLoad(shape.callers, shape.call)
			var logSeconds, rawSeconds float64
			b.ResetTimer()
			for done := 0; done < b.N; done += benchRoundRecords {
				n := min(benchRoundRecords, b.N-done)
				before := b.Elapsed()
				inLog.round(b, l, n)
				middle := b.Elapsed()
				inRaw.round(b, raw, n)
				logSeconds += (middle - before).Seconds()
				rawSeconds += (b.Elapsed() - middle).Seconds()
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/logSeconds, "filelog-records/s")
			b.ReportMetric(float64(b.N)/rawSeconds, "raw-records/s")
			b.ReportMetric(100*rawSeconds/logSeconds, "%-of-raw")
			b.ReportMetric(0, "ns/op")
			if err := errors.Join(l.Close(), raw.close()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

type appender interface {
	Append(context.Context, []es.Append) []es.Result
}

// load appends one record at a time to streams in turn.
type load struct {
	callers, call int
	streams       []string
	revisions     []int64
	next          []int // by caller
	record        []byte
	ids           atomic.Uint64
}

func newLoad(callers, call int) *load {
	d := &load{callers: callers, call: call, record: make([]byte, benchRecordBytes), next: make([]int, callers)}
	for i := range benchStreams {
		d.streams = append(d.streams, es.StreamName("pledge", uuid.NewSHA1(uuid.NameSpaceURL, fmt.Append(nil, i))))
		d.revisions = append(d.revisions, es.NoStream)
	}
	for i := range d.next {
		d.next[i] = i
	}
	return d
}

// round appends n records; each caller has streams of its own.
func (d *load) round(b *testing.B, to appender, n int) {
	var callers sync.WaitGroup
	for caller := range d.callers {
		callers.Go(func() {
			appends := make([]es.Append, 0, d.call)
			records := make([]es.Record, d.call)
			mine := n / d.callers
			if caller < n%d.callers {
				mine++
			}
			for at := 0; at < mine; at += len(appends) {
				appends = appends[:0]
				for i := range min(d.call, mine-at) {
					s := d.next[caller]
					records[i] = es.Record{Bytes: d.record}
					binary.LittleEndian.PutUint64(records[i].ID[:], d.ids.Add(1))
					appends = append(appends, es.Append{Stream: d.streams[s], Expected: d.revisions[s], Records: records[i : i+1]})
					d.revisions[s]++
					if d.next[caller] = s + d.callers; d.next[caller] >= benchStreams {
						d.next[caller] = caller
					}
				}
				for _, r := range to.Append(b.Context(), appends) {
					if r.Err != nil {
						b.Error(r.Err)
						return
					}
				}
			}
		})
	}
	callers.Wait()
}

// rawFile is filled with zeros before the clock starts, and written from its beginning again when it is full.
type rawFile struct {
	file  *os.File
	at    int64
	calls chan rawCall
	ended chan struct{}
}

type rawCall struct {
	appends []es.Append
	done    chan error
}

func newRawFile(path string) (*rawFile, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(make([]byte, rawFileBytes)); err != nil {
		return nil, err
	}
	r := &rawFile{file: f, calls: make(chan rawCall, 1024), ended: make(chan struct{})}
	go r.run()
	return r, f.Sync()
}

func (r *rawFile) close() error {
	close(r.calls)
	<-r.ended
	return r.file.Close()
}

func (r *rawFile) Append(_ context.Context, appends []es.Append) []es.Result {
	call := rawCall{appends, make(chan error, 1)}
	r.calls <- call
	results := make([]es.Result, len(appends))
	if err := <-call.done; err != nil {
		for i := range results {
			results[i].Err = err
		}
	}
	return results
}

func (r *rawFile) run() {
	defer close(r.ended)
	var group []byte
	var waiting []rawCall
	for call := range r.calls {
		group, waiting = group[:0], waiting[:0]
		for more := true; more; {
			for _, a := range call.appends {
				for _, record := range a.Records {
					group = append(group, record.Bytes...)
				}
			}
			waiting = append(waiting, call)
			select {
			case call, more = <-r.calls:
			default:
				more = false
			}
		}
		err := r.write(group)
		for _, w := range waiting {
			w.done <- err
		}
	}
}

func (r *rawFile) write(group []byte) error {
	if r.at+int64(len(group)) > rawFileBytes {
		r.at = 0
	}
	if _, err := r.file.WriteAt(group, r.at); err != nil {
		return err
	}
	r.at += int64(len(group))
	return dataSync(r.file)
}

// BenchmarkAppendAlone is a caller that waits for each record before it sends the next.
func BenchmarkAppendAlone(b *testing.B) {
	l, err := filelog.Open(filelog.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	d := newLoad(1, 1)
	b.ResetTimer()
	d.round(b, l, b.N)
	b.StopTimer()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkStore(b *testing.B) {
	logtest.Bench(b, func(b *testing.B) es.Log {
		l, err := filelog.Open(filelog.Config{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = l.Close() })
		return l
	})
}
