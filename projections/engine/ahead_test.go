package engine

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/allied-ledger/allied/events/es"
)

// endless yields entries until its context ends, or until failAt; ended then tells.
func endless(failAt int, failure error, ended *bool) func(context.Context) iter.Seq2[es.Entry, error] {
	return func(ctx context.Context) iter.Seq2[es.Entry, error] {
		return func(yield func(es.Entry, error) bool) {
			defer func() { *ended = true }()
			for i := 0; ctx.Err() == nil; i++ {
				if i == failAt {
					yield(es.Entry{}, failure)
					return
				}
				if !yield(es.Entry{Position: es.Position(i + 1)}, nil) {
					return
				}
			}
			yield(es.Entry{}, ctx.Err())
		}
	}
}

func TestReadingAheadKeepsTheOrderAndEndsWithTheError(t *testing.T) {
	failure := errors.New("the log cannot be read")
	for _, n := range []int{0, 1, aheadChunkEventsMax, 3*aheadChunkEventsMax + 1} {
		var ended bool
		next := es.Position(1)
		var got error
		for d, err := range readAhead(t.Context(), endless(n, failure, &ended)) {
			if err != nil {
				got = err
				continue
			}
			if d.Position != next || d.err == nil { // an entry without bytes holds no fact
				t.Fatalf("entry %d is %d, %v", next, d.Position, d.err)
			}
			next++
		}
		if int(next) != n+1 || !errors.Is(got, failure) || !ended {
			t.Fatalf("%d entries of %d, %v", next-1, n, got)
		}
	}
}

func TestReadingAheadEndsWithTheLoop(t *testing.T) {
	var ended bool
	for range readAhead(t.Context(), endless(-1, nil, &ended)) {
		break
	}
	if !ended {
		t.Fatal("the reader goes on behind the loop that left it")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got error
	for _, err := range readAhead(ctx, endless(-1, nil, &ended)) {
		cancel()
		got = err
	}
	if !errors.Is(got, context.Canceled) {
		t.Fatalf("ended with %v", got)
	}
}
