package logtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
)

func emptyLog(t testing.TB, open func() es.Log) {
	l := opened(t, open)
	if l.ID() == uuid.Nil {
		t.Fatalf("the log has no id")
	}
	if entries := readWhole(t, l); len(entries) != 0 {
		t.Fatalf("an empty log yields %d entries", len(entries))
	}
	if entries := readStreamFrom(t, l, stream(0), 0); len(entries) != 0 {
		t.Fatalf("a stream without events yields %d entries", len(entries))
	}
	wantConflict(t, appendOne(t, l, to(stream(0), 0, records("early", 1))), stream(0), 0, es.NoStream)
}

// sixteenWriters: whoever is told that it won a revision finds its record there, and nobody else is told so.
func sixteenWriters(t testing.TB, open func() es.Log) {
	const writers, revisions = 16, 20
	l := opened(t, open)
	winners := make([][]string, revisions)
	var mu sync.Mutex
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for r := range revisions {
				label := fmt.Sprintf("writer %d at %d", w, r)
				// A writer may come before its round: then the stream is behind, and it knocks again.
				for {
					result := l.Append(t.Context(), []es.Append{to(stream(0), int64(r)-1, records(label, 1))})[0]
					var conflict *es.ConflictError
					if errors.As(result.Err, &conflict) {
						if conflict.Actual < int64(r)-1 {
							continue
						}
					} else if result.Err == nil {
						mu.Lock()
						winners[r] = append(winners[r], label)
						mu.Unlock()
					} else {
						t.Errorf("%s: %v", label, result.Err)
					}
					break
				}
			}
		})
	}
	group.Wait()
	entries := readStreamFrom(t, l, stream(0), 0)
	for r, won := range winners {
		if len(won) != 1 {
			t.Fatalf("revision %d was won by %d writers: %s", r, len(won), strings.Join(won, ", "))
		}
		if r >= len(entries) || entries[r].ID != records(won[0], 1)[0].ID {
			t.Fatalf("revision %d does not hold the record of %s, who won it", r, won[0])
		}
	}
	if len(entries) != revisions {
		t.Fatalf("the stream has %d events after %d revisions were won", len(entries), revisions)
	}
	readWhole(t, l)
}

func conflictNames(t testing.TB, open func() es.Log) {
	l := opened(t, open)
	wantConflict(t, appendOne(t, l, to(stream(0), 3, records("first", 1))), stream(0), 3, es.NoStream)
	mustAppend(t, l, to(stream(0), es.NoStream, records("begin", 3)))
	for _, expected := range []int64{es.NoStream, 0, 1, 3, 1 << 40} {
		wantConflict(t, appendOne(t, l, to(stream(0), expected, records("wrong", 2))), stream(0), expected, 2)
	}
	mustAppend(t, l, to(stream(0), 2, records("right", 1)))
	wantConflict(t, appendOne(t, l, to(stream(0), 2, records("late", 1))), stream(0), 2, 3)
	if n := len(readWhole(t, l)); n != 4 {
		t.Fatalf("%d events; the conflicts added some", n)
	}
}

// allOrNothing: readers beside the writers see each append whole or not at all.
func allOrNothing(t testing.TB, open func() es.Log) {
	const writers, rounds, size = 4, 12, 7
	l := opened(t, open)
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for r := range rounds {
				// Each append comes twice, with different ids: the second loses and must leave nothing.
				at := int64(r*size) - 1
				results := l.Append(t.Context(), []es.Append{
					to(stream(w), at, records(fmt.Sprintf("whole %d %d", w, r), size)),
					to(stream(w), at, records(fmt.Sprintf("nothing %d %d", w, r), size)),
				})
				if results[0].Err != nil || results[1].Err == nil {
					t.Errorf("writer %d round %d: %v, %v", w, r, results[0].Err, results[1].Err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	for finished := false; !finished; {
		select {
		case <-done:
			finished = true
		default:
		}
		counts := map[string]int{}
		for _, e := range readAfter(t, l, 0) {
			counts[e.Stream]++
		}
		for s, n := range counts {
			if n%size != 0 {
				t.Errorf("a reader saw %d events of %s, which are appended %d at a time", n, s, size)
			}
		}
	}
	if n := len(readWhole(t, l)); n != writers*rounds*size {
		t.Fatalf("%d events; want %d", n, writers*rounds*size)
	}
}

func lostAnswer(t testing.TB, open func() es.Log) {
	l := open()
	var appends []es.Append
	var answers []es.Result
	for i := range 6 {
		a := to(stream(i%2), int64(i/2*3)-1, records(fmt.Sprintf("append %d", i), 3))
		answer := mustAppend(t, l, a)
		if answer.Repeated {
			t.Fatalf("append %d answered that it is a repeat", i)
		}
		answer.Repeated = true // as every repeat of it will say
		appends, answers = append(appends, a), append(answers, answer)
	}
	repeat := func(when string) {
		t.Helper()
		before := head(t, l)
		for i, a := range appends {
			if r := appendOne(t, l, a); r != answers[i] {
				t.Fatalf("%s: the repeat of append %d answered %+v; the first answered %+v", when, i, r, answers[i])
			}
		}
		for i, r := range l.Append(t.Context(), appends) {
			if r != answers[i] {
				t.Fatalf("%s, in one call: the repeat of append %d answered %+v; the first answered %+v", when, i, r, answers[i])
			}
		}
		if after := head(t, l); after != before {
			t.Fatalf("%s: repeats moved the head from %+v to %+v", when, before, after)
		}
	}
	repeat("at once")
	closeLog(t, l)
	l = opened(t, open)
	repeat("after a reopen")
	mustAppend(t, l, to(stream(0), 8, records("moved on", 2)))
	mustAppend(t, l, to(stream(1), 8, records("moved on too", 1)))
	repeat("after the streams moved on")

	// Twice in one call, where the first is not durable yet when the second is judged.
	twice := to(stream(2), es.NoStream, records("twice", 2))
	results := l.Append(t.Context(), []es.Append{twice, twice})
	first := results[0]
	first.Repeated = true
	if first.Err != nil || results[0].Repeated || first != results[1] {
		t.Fatalf("the same append twice in one call answered %+v", results)
	}
	readWhole(t, l)
}

func sameIDsElsewhere(t testing.TB, open func() es.Log) {
	l := opened(t, open)
	ids := records("known", 2)
	mustAppend(t, l, to(stream(0), es.NoStream, ids))
	mustAppend(t, l, to(stream(0), 1, records("next", 2)))
	mustAppend(t, l, to(stream(1), es.NoStream, records("other", 1)))
	before := head(t, l)
	wantConflict(t, appendOne(t, l, to(stream(0), 0, ids)), stream(0), 0, 3)
	wantConflict(t, appendOne(t, l, to(stream(0), 7, ids)), stream(0), 7, 3)
	wantConflict(t, appendOne(t, l, to(stream(1), es.NoStream, ids)), stream(1), es.NoStream, 0)
	wantConflict(t, appendOne(t, l, to(stream(2), 0, ids)), stream(2), 0, es.NoStream)
	// Not the same append: one record more, or the ids in another order.
	wantConflict(t, appendOne(t, l, to(stream(0), es.NoStream, append(records("known", 2), records("more", 1)...))), stream(0), es.NoStream, 3)
	wantConflict(t, appendOne(t, l, to(stream(0), es.NoStream, []es.Record{ids[1], ids[0]})), stream(0), es.NoStream, 3)
	wantConflict(t, appendOne(t, l, to(stream(0), 2, append(records("next", 2)[1:], records("more", 1)...))), stream(0), 2, 3)
	if after := head(t, l); after != before {
		t.Fatalf("conflicts moved the head from %+v to %+v", before, after)
	}
}

func judgedInTurn(t testing.TB, open func() es.Log) {
	l := opened(t, open)
	results := l.Append(t.Context(), []es.Append{
		to(stream(0), es.NoStream, records("a", 2)),
		to(stream(0), 1, records("b", 1)),
		to(stream(1), es.NoStream, records("c", 1)),
		to(stream(0), 1, records("late", 1)),
		to(stream(0), 2, records("d", 3)),
	})
	for i, r := range results {
		if i == 3 {
			wantConflict(t, r, stream(0), 1, 2)
		} else if r.Err != nil {
			t.Fatalf("append %d of the call: %v", i, r.Err)
		}
	}
	want := append(append(records("a", 2), records("b", 1)...), records("d", 3)...)
	entries := readStreamFrom(t, l, stream(0), 0)
	wantRecords(t, "the stream", entries, want)
	for i, at := range map[int]int{0: 1, 1: 2, 4: 5} {
		if results[i].Position != entries[at].Position || results[i].Ordinal != entries[at].Ordinal {
			t.Fatalf("append %d answered %+v; its last record is at %d, ordinal %d", i, results[i], entries[at].Position, entries[at].Ordinal)
		}
	}
	readWhole(t, l)
	if got := l.Append(t.Context(), nil); len(got) != 0 {
		t.Fatalf("no appends were answered with %d results", len(got))
	}
}

func bounds(t testing.TB, open func() es.Log) {
	l := opened(t, open)
	big := func(n, size int) []es.Record {
		out := records("big", n)
		for i := range out {
			out[i].Bytes = make([]byte, size)
		}
		return out
	}
	bad := []es.Append{
		to("", es.NoStream, records("nameless", 1)),
		to(strings.Repeat("s", es.StreamBytesMax+1), es.NoStream, records("long name", 1)),
		to(stream(1), -2, records("below", 1)),
		to(stream(1), es.NoStream, nil),
		to(stream(1), es.NoStream, records("many", es.AppendRecordsMax+1)),
		to(stream(1), es.NoStream, big(1, es.RecordBytesMax+1)),
		to(stream(1), es.NoStream, big(9, es.RecordBytesMax)),
		to(stream(1), es.NoStream, []es.Record{{Bytes: []byte("without an id")}}),
	}
	call := []es.Append{to(stream(0), es.NoStream, records("good", 1))}
	call = append(call, bad...)
	call = append(call, to(stream(0), 0, records("good too", 1)))
	results := l.Append(t.Context(), call)
	for i, r := range results {
		if good := i == 0 || i == len(call)-1; good != (r.Err == nil) || !good && !errors.Is(r.Err, es.ErrInvalid) {
			t.Errorf("append %d of the call answered %v", i, r.Err)
		}
	}
	// At the bounds themselves.
	mustAppend(t, l, to(strings.Repeat("s", es.StreamBytesMax), es.NoStream, records("long", 1)))
	mustAppend(t, l, to(stream(2), es.NoStream, records("most", es.AppendRecordsMax)))
	mustAppend(t, l, to(stream(3), es.NoStream, big(8, es.RecordBytesMax)))
	if n := len(readWhole(t, l)); n != 2+1+es.AppendRecordsMax+8 {
		t.Fatalf("%d events after the bounds were tried", n)
	}
}

func cancellation(t testing.TB, open func() es.Log) {
	l := opened(t, open)
	mustAppend(t, l, to(stream(0), es.NoStream, records("first", 3)))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	a := to(stream(0), 2, records("cancelled", 1))
	if r := l.Append(cancelled, []es.Append{a})[0]; r.Err != nil && !errors.Is(r.Err, es.ErrUnknown) {
		t.Errorf("an append whose context has ended answered %v; want unknown", r.Err)
	}
	mustAppend(t, l, a) // the caller learns by repeating
	if n := len(readWhole(t, l)); n != 4 {
		t.Errorf("%d events; want 4", n)
	}
	wantCancelled := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s under an ended context: %v", what, err)
		}
	}
	for _, err := range l.Read(cancelled, 0) {
		wantCancelled("read", err)
		break
	}
	for _, err := range l.ReadStream(cancelled, stream(0), 0) {
		wantCancelled("read stream", err)
		break
	}
	for _, err := range l.Tail(cancelled, 0) {
		wantCancelled("tail", err)
		break
	}
	// A tail that waits at the head ends when its context does.
	waiting, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	atHead := make(chan struct{})
	go func() {
		var last error
		for run, err := range l.Tail(waiting, 0) {
			if last = err; err == nil && run[len(run)-1].Ordinal == 3 {
				close(atHead)
			}
		}
		ended <- last
	}()
	<-atHead
	stop()
	wantCancelled("a waiting tail", <-ended)
}

func reopen(t testing.TB, open func() es.Log) {
	l := open()
	id := l.ID()
	var want []es.Entry
	revisions := map[string]int64{}
	for round := range 4 {
		for i := range 10 {
			s := stream(i % 3)
			if _, ok := revisions[s]; !ok {
				revisions[s] = es.NoStream
			}
			mustAppend(t, l, to(s, revisions[s], records(fmt.Sprintf("round %d %d", round, i), i%4+1)))
			revisions[s] += int64(i%4 + 1)
		}
		got := readWhole(t, l)
		wantEntries(t, "what was there before", got[:len(want)], want)
		want = got
		closeLog(t, l)
		if l = open(); l.ID() != id {
			t.Fatalf("the log's id changed from %s to %s", id, l.ID())
		}
		wantEntries(t, "after a reopen", readWhole(t, l), want)
		for s, revision := range revisions {
			if n := len(readStreamFrom(t, l, s, 0)); n != int(revision)+1 {
				t.Fatalf("stream %s has %d events after a reopen; want %d", s, n, revision+1)
			}
			wantConflict(t, appendOne(t, l, to(s, revision+1, records("ahead", 1))), s, revision+1, revision)
		}
	}
	closeLog(t, l)
}

func closed(t testing.TB, open func() es.Log) {
	l := open()
	mustAppend(t, l, to(stream(0), es.NoStream, records("last", 1)))
	ended := make(chan error, 1)
	atHead := make(chan struct{})
	go func() {
		var last error
		for _, err := range l.Tail(t.Context(), 0) {
			if last = err; err == nil {
				close(atHead)
			}
		}
		ended <- last
	}()
	<-atHead
	closeLog(t, l)
	if err := <-ended; err != nil && !errors.Is(err, es.ErrClosed) {
		t.Errorf("a tail ended with %v when its log was closed", err)
	}
	if r := l.Append(t.Context(), []es.Append{to(stream(0), 0, records("after", 1))})[0]; !errors.Is(r.Err, es.ErrClosed) {
		t.Errorf("append to a closed log: %v", r.Err)
	}
	if _, err := l.Head(t.Context()); !errors.Is(err, es.ErrClosed) {
		t.Errorf("head of a closed log: %v", err)
	}
	wantClosed := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, es.ErrClosed) {
			t.Errorf("%s of a closed log: %v", what, err)
		}
	}
	for _, err := range l.Read(t.Context(), 0) {
		wantClosed("read", err)
	}
	for _, err := range l.ReadStream(t.Context(), stream(0), 0) {
		wantClosed("read stream", err)
	}
	if err := l.Close(); err != nil && !errors.Is(err, es.ErrClosed) {
		t.Errorf("close of a closed log: %v", err)
	}
}
