package storecopy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/events/kurrentlog"
	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
	"github.com/allied-ledger/allied/events/memlog"
	"github.com/allied-ledger/allied/services/internal/storecopy"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// filled is a log of random appends to a few streams: runs of one stream, appends of several events, large records.
func filled(r *rapid.T) *memlog.Log {
	log := memlog.New()
	revisions := map[string]int64{}
	for i := range rapid.IntRange(0, 60).Draw(r, "appends") {
		stream := es.StreamName("pledge", uuid.NewSHA1(uuid.NameSpaceOID, []byte{byte(rapid.IntRange(0, 3).Draw(r, "stream"))}))
		expected, known := revisions[stream]
		if !known {
			expected = es.NoStream
		}
		a := es.Append{Stream: stream, Expected: expected}
		for j := range rapid.IntRange(1, 4).Draw(r, "events") {
			size := rapid.SampledFrom([]int{0, 1, 100, 5000}).Draw(r, "bytes")
			a.Records = append(a.Records, es.Record{
				ID: uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "%d %d", i, j)), Bytes: bytes.Repeat([]byte{byte(i), byte(j)}, size),
			})
		}
		if res := log.Append(context.Background(), []es.Append{a})[0]; res.Err != nil {
			r.Fatal(res.Err)
		}
		revisions[stream] = expected + int64(len(a.Records))
	}
	return log
}

func source(log es.Log) storecopy.Source { return storecopy.Source{Read: log.Read, Head: log.Head} }

// target opens an empty place of a kind of store; each call of open opens what is there.
func targets(t *testing.T) map[string]func(r *rapid.T) (open func() storecopy.Target) {
	return map[string]func(r *rapid.T) func() storecopy.Target{
		"folder": func(r *rapid.T) func() storecopy.Target {
			dir := t.TempDir()
			return func() storecopy.Target {
				log, err := filelog.Open(filelog.Config{Dir: dir})
				if err != nil {
					r.Fatal(err)
				}
				return storecopy.Target{Log: log, InOrder: true}
			}
		},
		"server": func(r *rapid.T) func() storecopy.Target {
			store := kurrenttest.NewStore(kurrenttest.StoreConfig{AppendBytesMax: 16_000_000, Noise: kurrenttest.Noise{Seed: 3, EventsMax: 2}})
			node, err := kurrenttest.Start(store, kurrenttest.NodeConfig{})
			if err != nil {
				r.Fatal(err)
			}
			t.Cleanup(func() { _ = node.Stop() })
			return func() storecopy.Target {
				log, err := kurrentlog.Open(t.Context(), kurrentlog.Config{URL: node.URL()})
				if err != nil {
					r.Fatal(err)
				}
				return storecopy.Target{Log: log}
			}
		},
	}
}

// A copy that is broken off at random, and begun again, is in the end what the source is.
func TestBrokenOffCopiesGoOn(t *testing.T) {
	for name, place := range targets(t) {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				log := filled(r)
				open := place(r)
				for attempt := range 4 {
					to := open()
					ctx, cancel := context.WithCancel(t.Context())
					breakAt := uint64(rapid.IntRange(0, 150).Draw(r, "break"))
					report, err := storecopy.Copy(ctx, source(log), to, storecopy.Options{Progress: func(done, _ uint64) {
						if done >= breakAt && attempt < 3 {
							cancel()
						}
					}})
					cancel()
					if err != nil && (attempt == 3 || !errors.Is(err, context.Canceled) && !errors.Is(err, es.ErrUnknown)) {
						r.Fatal(err)
					}
					if err == nil {
						if err := storecopy.Verify(t.Context(), source(log), to, report, nil); err != nil {
							r.Fatal(err)
						}
						equal(r, log, to)
					}
					if err := to.Close(); err != nil {
						r.Fatal(err)
					}
				}
			})
		})
	}
}

// equal is a second reader, which knows nothing of how the copy was made or compared.
func equal(r *rapid.T, a, b es.Log) {
	type event struct {
		stream   string
		revision uint64
		ordinal  uint64
		id       uuid.UUID
		bytes    string
	}
	var lists [2][]event
	for i, log := range []es.Log{a, b} {
		for e, err := range log.Read(context.Background(), 0) {
			if err != nil {
				r.Fatal(err)
			}
			lists[i] = append(lists[i], event{e.Stream, e.Revision, e.Ordinal, e.ID, string(e.Bytes)})
		}
	}
	if len(lists[0]) != len(lists[1]) {
		r.Fatalf("%d events, and %d in the copy", len(lists[0]), len(lists[1]))
	}
	for i := range lists[0] {
		if lists[0][i] != lists[1][i] {
			r.Fatalf("event %d is %+v, and in the copy %+v", i, lists[0][i], lists[1][i])
		}
	}
}

func record(label string) es.Record {
	return es.Record{ID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(label)), Bytes: []byte(label)}
}

func logOf(t *testing.T, appends ...es.Append) es.Log {
	t.Helper()
	log := memlog.New()
	for _, a := range appends {
		if r := log.Append(t.Context(), []es.Append{a})[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	return log
}

func TestWhatIsNoCopyIsNamed(t *testing.T) {
	x, y := record("x"), record("y")
	changed := y
	changed.Bytes = []byte("z")
	at := func(stream string, expected int64, r ...es.Record) es.Append {
		return es.Append{Stream: stream, Expected: expected, Records: r}
	}
	from := logOf(t, at("a", -1, x), at("b", -1, y))
	for name, c := range map[string]struct {
		to      es.Log
		ordinal uint64
	}{
		"another stream": {logOf(t, at("b", -1, y)), 0},
		"another id":     {logOf(t, at("a", -1, y)), 0},
		"other bytes":    {logOf(t, at("a", -1, x), at("b", -1, changed)), 1},
		"more events":    {logOf(t, at("a", -1, x), at("b", -1, y), at("b", 0, x)), 2},
		"another order":  {logOf(t, at("b", -1, y), at("a", -1, x)), 0},
	} {
		_, err := storecopy.Copy(t.Context(), source(from), storecopy.Target{Log: c.to, InOrder: true}, storecopy.Options{})
		var differs *storecopy.DifferenceError
		if !errors.As(err, &differs) || differs.Ordinal != c.ordinal {
			t.Errorf("%s: %v; want event %d to differ", name, err, c.ordinal)
		}
	}
	head, err := from.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	short := logOf(t, at("a", -1, x))
	if err := storecopy.Verify(t.Context(), source(from), storecopy.Target{Log: short}, storecopy.Report{From: head}, nil); err == nil {
		t.Error("a copy without the last event passes")
	}
}

// What a source records while it is copied is for the next copy.
func TestAGrowingSourceIsCopiedToItsEndOfThen(t *testing.T) {
	from := logOf(t, es.Append{Stream: "a", Expected: -1, Records: []es.Record{record("x"), record("y")}})
	to := memlog.New()
	growing := source(from)
	growing.Read = func(ctx context.Context, after es.Position) iter.Seq2[es.Entry, error] {
		if r := from.Append(ctx, []es.Append{{Stream: "a", Expected: 1, Records: []es.Record{record("z")}}})[0]; r.Err != nil {
			t.Error(r.Err)
		}
		return from.Read(ctx, after)
	}
	report, err := storecopy.Copy(t.Context(), growing, storecopy.Target{Log: to, InOrder: true}, storecopy.Options{})
	if err != nil || report.Copied != 2 || report.To.Events != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	if report, err = storecopy.Copy(t.Context(), source(from), storecopy.Target{Log: to, InOrder: true}, storecopy.Options{}); err != nil || report.Found != 2 || report.Copied != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
}

// crowded is a log into which somebody else writes before each append.
type crowded struct {
	es.Log
	written int
}

func (c *crowded) Append(ctx context.Context, appends []es.Append) []es.Result {
	c.written++
	name := fmt.Sprint("other ", c.written)
	c.Log.Append(ctx, []es.Append{{Stream: name, Expected: es.NoStream, Records: []es.Record{record(name)}}})
	return c.Log.Append(ctx, appends)
}

// Who writes into the target, if only into other streams, is found at the first append, and not when all is copied in vain.
func TestAnotherWriterIsFoundAtOnce(t *testing.T) {
	from := logOf(t, es.Append{Stream: "a", Expected: -1, Records: []es.Record{record("x")}}, es.Append{Stream: "b", Expected: -1, Records: []es.Record{record("y")}})
	to := &crowded{Log: memlog.New()}
	report, err := storecopy.Copy(t.Context(), source(from), storecopy.Target{Log: to}, storecopy.Options{})
	var differs *storecopy.DifferenceError
	if !errors.As(err, &differs) || differs.Ordinal != 0 || report.Copied != 0 || to.written != 1 {
		t.Errorf("%d copied, %d appends, %v; want event 0 to differ", report.Copied, to.written, err)
	}
}
