package logtest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/allied-ledger/allied/events/es"
)

func closeLog(t testing.TB, l es.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// opened opens a log that is closed with the test.
func opened(t testing.TB, open func() es.Log) es.Log {
	t.Helper()
	l := open()
	t.Cleanup(func() {
		if err := l.Close(); err != nil && !errors.Is(err, es.ErrClosed) {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

func appendOne(t testing.TB, l es.Log, a es.Append) es.Result {
	t.Helper()
	results := l.Append(t.Context(), []es.Append{a})
	if len(results) != 1 {
		t.Fatalf("%d results for one append", len(results))
	}
	return results[0]
}

// mustAppend appends and returns the answer, which must be recorded.
func mustAppend(t testing.TB, l es.Log, a es.Append) es.Result {
	t.Helper()
	r := appendOne(t, l, a)
	if r.Err != nil {
		t.Fatalf("append of %d to %s at %d: %v", len(a.Records), a.Stream, a.Expected, r.Err)
	}
	return r
}

func wantConflict(t testing.TB, r es.Result, stream string, expected, actual int64) {
	t.Helper()
	var conflict *es.ConflictError
	if !errors.As(r.Err, &conflict) {
		t.Fatalf("append to %s at %d answered %+v; want a conflict, the stream is at %d", stream, expected, r, actual)
	}
	if want := (es.ConflictError{Stream: stream, Expected: expected, Actual: actual}); *conflict != want {
		t.Fatalf("conflict %+v; want %+v", *conflict, want)
	}
}

func head(t testing.TB, l es.Log) es.Head {
	t.Helper()
	h, err := l.Head(t.Context())
	if err != nil {
		t.Fatalf("head: %v", err)
	}
	return h
}

func readAfter(t testing.TB, l es.Log, after es.Position) []es.Entry {
	t.Helper()
	var out []es.Entry
	for e, err := range l.Read(t.Context(), after) {
		if err != nil {
			t.Fatalf("read after %d: %v", after, err)
		}
		out = append(out, e)
	}
	return out
}

func readStreamFrom(t testing.TB, l es.Log, stream string, from uint64) []es.Entry {
	t.Helper()
	var out []es.Entry
	for e, err := range l.ReadStream(t.Context(), stream, from) {
		if err != nil {
			t.Fatalf("read stream %s from %d: %v", stream, from, err)
		}
		out = append(out, e)
	}
	return out
}

// readWhole reads the log from the beginning and checks that its order is sound up to its head.
func readWhole(t testing.TB, l es.Log) []es.Entry {
	t.Helper()
	entries := readAfter(t, l, 0)
	checkOrder(t, entries)
	last := es.Head{}
	if n := len(entries); n > 0 {
		last = es.Head{Position: entries[n-1].Position, Events: uint64(n)}
	}
	if h := head(t, l); h != last {
		t.Fatalf("head %+v after reading up to %+v", h, last)
	}
	return entries
}

// checkOrder holds entries from the beginning of a log to its order: growing positions that name each other, counted ordinals, and
// revisions without gaps.
func checkOrder(t testing.TB, entries []es.Entry) {
	t.Helper()
	revisions := map[string]uint64{}
	var prev es.Position
	for i, e := range entries {
		switch {
		case e.Prev != prev || e.Position <= prev:
			t.Fatalf("entry %d is at %d after %d; the one before is at %d", i, e.Position, e.Prev, prev)
		case e.Ordinal != uint64(i):
			t.Fatalf("entry %d has ordinal %d", i, e.Ordinal)
		case e.Revision != revisions[e.Stream]:
			t.Fatalf("entry %d is revision %d of %s; want %d", i, e.Revision, e.Stream, revisions[e.Stream])
		}
		revisions[e.Stream]++
		prev = e.Position
	}
}

func sameEntry(a, b es.Entry) bool {
	return a.Position == b.Position && a.Prev == b.Prev && a.Ordinal == b.Ordinal && a.Stream == b.Stream &&
		a.Revision == b.Revision && a.ID == b.ID && bytes.Equal(a.Bytes, b.Bytes)
}

func wantEntries(t testing.TB, what string, got, want []es.Entry) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d entries; want %d", what, len(got), len(want))
	}
	for i := range got {
		if !sameEntry(got[i], want[i]) {
			t.Fatalf("%s: entry %d is %s revision %d at %d; want %s revision %d at %d, or its bytes differ", what, i,
				got[i].Stream, got[i].Revision, got[i].Position, want[i].Stream, want[i].Revision, want[i].Position)
		}
	}
}

func wantRecords(t testing.TB, what string, got []es.Entry, want []es.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d entries; want %d", what, len(got), len(want))
	}
	for i := range got {
		if got[i].ID != want[i].ID || !bytes.Equal(got[i].Bytes, want[i].Bytes) {
			t.Fatalf("%s: record %d is %s %q; want %s %q", what, i, got[i].ID, got[i].Bytes, want[i].ID, want[i].Bytes)
		}
	}
}
