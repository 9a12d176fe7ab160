package logtest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/es/logtest"
	"github.com/allied-ledger/allied/events/memlog"
)

func openMemory(testing.TB) func() es.Log {
	var last *memlog.Log
	return func() es.Log {
		if last == nil {
			last = memlog.New()
		} else {
			last = last.Reopen()
		}
		return last
	}
}

// caseDurationMax ends a case that waits for what a broken log never gives.
const caseDurationMax = time.Second

// TestBrokenLogsAreNamed breaks a log that keeps the contract, one clause at a time, and wants the suite to name that clause.
func TestBrokenLogsAreNamed(t *testing.T) {
	for _, broken := range []struct {
		how   string
		wrap  func(es.Log) es.Log
		named string
	}{
		{
			"without the revision check", func(l es.Log) es.Log { return unchecked{l} },
			"sixteen writers race one stream and one wins each revision",
		},
		{
			"without the read-back of repeats", func(l es.Log) es.Log { return forgetful{l} },
			"a lost answer and a retry add nothing and answer as the first did",
		},
		{
			"with appends torn", func(l es.Log) es.Log { return tearing{l} },
			"an append of several events is all or nothing",
		},
		{
			"with a tail that skips", func(l es.Log) es.Log { return &skipping{Log: l} },
			"the tail shows every commit once, in order, while writers run",
		},
	} {
		t.Run(broken.how, func(t *testing.T) {
			var failed []string
			for _, c := range logtest.Cases() {
				open := openMemory(t)
				ctx, cancel := context.WithTimeout(t.Context(), caseDurationMax)
				r := &recorder{TB: t, ctx: ctx}
				r.run(func() { c.Run(r, func() es.Log { return broken.wrap(open()) }) })
				cancel()
				if r.failed() {
					t.Logf("named: %s: %s", c.Name, r.messages[0])
					failed = append(failed, c.Name)
				}
			}
			if !slices.Contains(failed, broken.named) {
				t.Errorf("a log %s failed %q; want %q among them", broken.how, failed, broken.named)
			}
		})
	}
}

// recorder takes a case's failures for itself.
type recorder struct {
	testing.TB
	ctx      context.Context // ends where a broken log keeps a case waiting
	mu       sync.Mutex
	messages []string
	cleanups []func()
}

func (r *recorder) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
	for _, c := range slices.Backward(r.cleanups) {
		c()
	}
}

func (r *recorder) failed() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.messages) > 0 }

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Cleanup(f func())         { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// unchecked appends wherever the stream ends.
type unchecked struct{ es.Log }

func (l unchecked) Append(ctx context.Context, appends []es.Append) []es.Result {
	results := make([]es.Result, len(appends))
	for i, a := range appends {
		for {
			results[i] = l.Log.Append(ctx, []es.Append{a})[0]
			var conflict *es.ConflictError
			if !errors.As(results[i].Err, &conflict) {
				break
			}
			a.Expected = conflict.Actual
		}
	}
	return results
}

// forgetful takes a repeat for a conflict.
type forgetful struct{ es.Log }

func (l forgetful) Append(ctx context.Context, appends []es.Append) []es.Result {
	results := make([]es.Result, len(appends))
	for i, a := range appends {
		before, _ := l.Head(ctx)
		if results[i] = l.Log.Append(ctx, []es.Append{a})[0]; results[i].Err == nil && results[i].Position <= before.Position {
			results[i] = es.Result{Err: &es.ConflictError{Stream: a.Stream, Expected: a.Expected, Actual: a.Expected + 1}}
		}
	}
	return results
}

// tearing keeps the first half of an append.
type tearing struct{ es.Log }

func (l tearing) Append(ctx context.Context, appends []es.Append) []es.Result {
	torn := slices.Clone(appends)
	for i, a := range torn {
		if a.Check() == nil {
			torn[i].Records = a.Records[:(len(a.Records)+1)/2]
		}
	}
	return l.Log.Append(ctx, torn)
}

// skipping drops one entry of its tails, once.
type skipping struct {
	es.Log
	mu      sync.Mutex
	skipped bool
}

func (l *skipping) Tail(ctx context.Context, after es.Position) iter.Seq2[[]es.Entry, error] {
	return func(yield func([]es.Entry, error) bool) {
		for run, err := range l.Log.Tail(ctx, after) {
			l.mu.Lock()
			skip := !l.skipped && len(run) > 1
			l.skipped = l.skipped || skip
			l.mu.Unlock()
			if skip {
				run = run[1:]
			}
			if !yield(run, err) {
				return
			}
		}
	}
}
