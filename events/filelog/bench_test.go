package filelog_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
)

const (
	benchRecordBytes  = 200
	benchGroupRecords = 1000 // the records of one call, and of one write and sync of the raw file
	benchCallers      = 2
	benchStreams      = 10_000
)

// BenchmarkAppend compares the log with a raw preallocated file that gets the same records in the same groups, each with one write and
// one fdatasync. The two take turns in short rounds, so that both meet the disk's good and bad moments; each op is one record.
func BenchmarkAppend(b *testing.B) {
	dir := b.TempDir()
	l, err := filelog.Open(filelog.Config{Dir: filepath.Join(dir, "ledger")})
	if err != nil {
		b.Fatal(err)
	}
	raw, err := newRawFile(filepath.Join(dir, "raw"))
	if err != nil {
		b.Fatal(err)
	}
	load := newLoad()
	const roundRecords = 50_000
	var spent [2]float64 // seconds
	b.ResetTimer()
	for done := 0; done < b.N; done += roundRecords {
		n := min(roundRecords, b.N-done)
		before := b.Elapsed()
		load.appendTo(b, l, n)
		middle := b.Elapsed()
		for at := 0; at < n; at += benchGroupRecords {
			if err := raw.write(min(benchGroupRecords, n-at)); err != nil {
				b.Fatal(err)
			}
		}
		spent[0] += (middle - before).Seconds()
		spent[1] += (b.Elapsed() - middle).Seconds()
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/spent[0], "filelog-records/s")
	b.ReportMetric(float64(b.N)/spent[1], "raw-records/s")
	b.ReportMetric(100*spent[1]/spent[0], "%-of-raw")
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	if err := raw.file.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAppendSingle is a caller that waits for each record before it sends the next.
func BenchmarkAppendSingle(b *testing.B) {
	l, err := filelog.Open(filelog.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	record := make([]byte, benchRecordBytes)
	stream := es.StreamName("pledge", uuid.New())
	for i := 0; b.Loop(); i++ {
		r := l.Append(b.Context(), []es.Append{{Stream: stream, Expected: int64(i) - 1, Records: []es.Record{{ID: uuid.New(), Bytes: record}}}})
		if r[0].Err != nil {
			b.Fatal(r[0].Err)
		}
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

// load appends one record at a time to streams in turn, a call holding as many appends as the raw file's group.
type load struct {
	streams   []string
	revisions []int64
	record    []byte
	ids       atomic.Uint64
}

func newLoad() *load {
	d := &load{record: make([]byte, benchRecordBytes)}
	for i := range benchStreams {
		d.streams = append(d.streams, es.StreamName("pledge", uuid.NewSHA1(uuid.NameSpaceURL, fmt.Append(nil, i))))
		d.revisions = append(d.revisions, es.NoStream)
	}
	return d
}

// appendTo appends n records; each caller has streams of its own.
func (d *load) appendTo(b *testing.B, l es.Log, n int) {
	var callers sync.WaitGroup
	for caller := range benchCallers {
		callers.Go(func() {
			appends := make([]es.Append, 0, benchGroupRecords)
			for at, next := 0, caller; at < n/benchCallers; at += len(appends) {
				appends = appends[:0]
				for len(appends) < min(benchGroupRecords/benchCallers, n/benchCallers-at) {
					var id uuid.UUID
					binary.LittleEndian.PutUint64(id[:], d.ids.Add(1))
					appends = append(appends, es.Append{Stream: d.streams[next], Expected: d.revisions[next], Records: []es.Record{{ID: id, Bytes: d.record}}})
					d.revisions[next]++
					next = (next + benchCallers) % benchStreams
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
	callers.Wait()
}

// rawFile is filled with zeros before the clock starts, and written from its beginning again when it is full.
type rawFile struct {
	file  *os.File
	at    int64
	group []byte
}

const rawFileBytes = 64 << 20

func newRawFile(path string) (*rawFile, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(make([]byte, rawFileBytes)); err != nil {
		return nil, err
	}
	return &rawFile{file: f, group: make([]byte, benchGroupRecords*benchRecordBytes)}, f.Sync()
}
