package logtest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
)

// write appends rounds of 1 to 5 records by several writers, each to streams of its own, and returns how many records those are.
func write(t testing.TB, l es.Log, writers, rounds int) (events int) {
	for w := range writers {
		for r := range rounds {
			events += (w+r)%5 + 1
		}
	}
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			revision := es.NoStream
			for r := range rounds {
				n := (w+r)%5 + 1
				a := to(stream(w), revision, records(fmt.Sprintf("writer %d round %d", w, r), n))
				if result := l.Append(t.Context(), []es.Append{a})[0]; result.Err != nil {
					t.Errorf("writer %d round %d: %v", w, r, result.Err)
					return
				}
				revision += int64(n)
			}
		})
	}
	group.Wait()
	return events
}

// follow reads the tail after a position until it has seen n entries, calling seen after each run.
func follow(t testing.TB, l es.Log, after es.Position, n int, seen func()) []es.Entry {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []es.Entry
	for run, err := range l.Tail(ctx, after) {
		if err != nil {
			t.Errorf("tail after %d entries: %v", len(got), err)
			return got
		}
		if len(run) == 0 {
			t.Errorf("the tail yielded an empty run")
			return got
		}
		if got = append(got, run...); len(got) >= n {
			return got
		}
		seen()
	}
	t.Errorf("the tail ended by itself after %d entries", len(got))
	return got
}

func tailUnderWriters(t testing.TB, open func() es.Log) {
	const writers, rounds, readers = 8, 25, 3
	l := opened(t, open)
	events := 0
	for w := range writers {
		for r := range rounds {
			events += (w+r)%5 + 1
		}
	}
	tails := make([][]es.Entry, readers)
	var group sync.WaitGroup
	for i := range readers {
		group.Go(func() { tails[i] = follow(t, l, 0, events, func() {}) })
	}
	if n := write(t, l, writers, rounds); n != events {
		t.Fatalf("wrote %d events; want %d", n, events)
	}
	group.Wait()
	whole := readWhole(t, l)
	for i, tail := range tails {
		wantEntries(t, fmt.Sprintf("tail %d", i), tail, whole)
	}
}

// slowTail: the reader holds its first run until the writers are far ahead.
func slowTail(t testing.TB, open func() es.Log) {
	l := opened(t, open)
	mustAppend(t, l, to(stream(99), es.NoStream, records("first", 1)))
	first, finished := make(chan struct{}), make(chan struct{})
	var events int
	go func() {
		<-first
		events = write(t, l, 4, 50)
		// Far more bytes than a log would keep in memory for its tails.
		for i := range 6 {
			big := records(fmt.Sprintf("big %d", i), 8)
			for j := range big {
				big[j].Bytes = bytes.Repeat([]byte{byte(i)}, es.RecordBytesMax/2)
			}
			if r := l.Append(t.Context(), []es.Append{to(stream(50), int64(i*8)-1, big)})[0]; r.Err != nil {
				t.Errorf("big append %d: %v", i, r.Err)
			}
			events += len(big)
		}
		close(finished)
	}()
	var once sync.Once
	total := 1 << 30 // until the writers say how many there are
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []es.Entry
	for run, err := range l.Tail(ctx, 0) {
		if err != nil {
			t.Fatalf("tail: %v", err)
		}
		got = append(got, run...)
		once.Do(func() {
			close(first)
			<-finished
			total = events + 1
		})
		if len(got) >= total {
			break
		}
	}
	wantEntries(t, "the slow tail", got, readWhole(t, l))
}

func tailFromAnywhere(t testing.TB, open func() es.Log) {
	l := opened(t, open)
	write(t, l, 3, 6)
	whole := readWhole(t, l)
	for i, e := range whole[:len(whole)-1] {
		wantEntries(t, "tail", follow(t, l, e.Position, len(whole)-i-1, func() {}), whole[i+1:])
	}
	// From the head on: only what comes later.
	next := make(chan []es.Entry, 1)
	h := head(t, l)
	go func() { next <- follow(t, l, h.Position, 2, func() {}) }()
	mustAppend(t, l, to(stream(70), es.NoStream, records("later", 2)))
	wantEntries(t, "tail from the head", <-next, readAfter(t, l, h.Position))
}

func readFromAnywhere(t testing.TB, open func() es.Log) {
	l := opened(t, open)
	write(t, l, 3, 8)
	whole := readWhole(t, l)
	check := func(after es.Position) {
		t.Helper()
		i := slices.IndexFunc(whole, func(e es.Entry) bool { return e.Position > after })
		if i < 0 {
			i = len(whole)
		}
		wantEntries(t, fmt.Sprintf("after position %d", after), readAfter(t, l, after), whole[i:])
	}
	last := whole[len(whole)-1].Position
	for _, e := range whole {
		for _, p := range []es.Position{e.Position - 1, e.Position, e.Position + 1, e.Prev + (e.Position-e.Prev)/2} {
			if p <= last {
				check(p)
			}
		}
	}
}

func readBeyondHead(t testing.TB, open func() es.Log) {
	l := opened(t, open)
	for range 2 {
		beyond := head(t, l).Position + 1
		failed := false
		for _, err := range l.Read(t.Context(), beyond) {
			failed = err != nil
		}
		if !failed {
			t.Errorf("reading after %d, beyond the head, is no error", beyond)
		}
		failed = false
		for _, err := range l.Tail(t.Context(), beyond) {
			failed = err != nil
			break
		}
		if !failed {
			t.Errorf("a tail after %d, beyond the head, is no error", beyond)
		}
		appendOne(t, l, to(stream(0), es.NoStream, records("one", 1)))
	}
}

// readStream: also among streams whose names begin alike.
func readStream(t testing.TB, open func() es.Log) {
	l := opened(t, open)
	names := []string{"a", "a-", "a-1", "a-10", "a-100", "a\x00", "a-1\xff", "b"}
	want := map[string][]es.Record{}
	for round := range 5 {
		for i, name := range names {
			r := records(fmt.Sprintf("%s %d", name, round), (i+round)%3+1)
			mustAppend(t, l, to(name, int64(len(want[name]))-1, r))
			want[name] = append(want[name], r...)
		}
	}
	whole := readWhole(t, l)
	for _, name := range names {
		var mine []es.Entry
		for _, e := range whole {
			if e.Stream == name {
				mine = append(mine, e)
			}
		}
		wantRecords(t, "the log's entries of "+name, mine, want[name])
		for from := range len(mine) + 2 {
			wantEntries(t, fmt.Sprintf("%q from %d", name, from), readStreamFrom(t, l, name, uint64(from)), mine[min(from, len(mine)):])
		}
	}
	for _, absent := range []string{"", "a-1000", "c", "a-1\x00"} {
		if got := readStreamFrom(t, l, absent, 0); len(got) != 0 {
			t.Errorf("stream %q has %d entries that nobody wrote", absent, len(got))
		}
	}
	// Leaving a loop early is fine.
	for range l.ReadStream(t.Context(), "a", 0) {
		break
	}
	for range l.Read(t.Context(), 0) {
		break
	}
}

func verbatim(t testing.TB, open func() es.Log) {
	l := open()
	rng := rand.New(rand.NewPCG(1, 2))
	var want, given []es.Record
	for _, size := range []int{0, 1, 2, 3, 63, 64, 255, 256, 4095, 4096, 4097, 65535, 65536, 300_000, es.RecordBytesMax} {
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(rng.Uint32())
		}
		id := uuid.NewSHA1(uuid.NameSpaceOID, content)
		want = append(want, es.Record{ID: id, Bytes: content})
		given = append(given, es.Record{ID: id, Bytes: bytes.Clone(content)})
	}
	for i := range given {
		mustAppend(t, l, to(stream(0), int64(i)-1, given[i:i+1]))
		clear(given[i].Bytes) // the caller's bytes are the caller's again
	}
	wantRecords(t, "read", readWhole(t, l), want)
	wantRecords(t, "tail", follow(t, l, 0, len(want), func() {}), want)
	closeLog(t, l)
	l = opened(t, open)
	wantRecords(t, "stream after a reopen", readStreamFrom(t, l, stream(0), 0), want)
}
