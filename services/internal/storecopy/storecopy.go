// Package storecopy copies a log from one store to another, and proves the copy.
package storecopy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/internal/pause"
	"golang.org/x/time/rate"
)

const (
	// batchAppendsMax and batchBytesMax bound what is handed to a store at once that keeps the order of appends.
	batchAppendsMax = 512
	batchBytesMax   = 4 << 20
)

// Source is a log that is read. It may grow meanwhile; what it held when the copy began is copied.
type Source struct {
	// Read yields the entries after a position, in log order.
	Read func(ctx context.Context, after es.Position) iter.Seq2[es.Entry, error]
	// Head is where the log ends.
	Head func(ctx context.Context) (es.Head, error)
}

// Target is the log that the copy is.
type Target struct {
	es.Log
	// InOrder: the log records the appends of one call in their order. Where it does not, each append waits for the one before.
	InOrder bool
}

// Options of a copy.
type Options struct {
	// EventsPerSecondMax is how fast events are appended; 0 is as fast as the target takes them.
	EventsPerSecondMax int
	// Progress is told how many of the source's events have been compared or copied; nil tells nobody.
	Progress func(done, of uint64)
}

// Report is what a copy did.
type Report struct {
	From, To es.Head
	// Found is how many events the target held already; they were compared.
	Found uint64
	// Copied is how many were appended, in Took.
	Copied uint64
	Took   time.Duration
}

// DifferenceError: the target holds something else than the source, so it is no copy of it.
type DifferenceError struct {
	Ordinal uint64
	Detail  string
}

func (e *DifferenceError) Error() string {
	return fmt.Sprintf("event %d differs: %s", e.Ordinal, e.Detail)
}

// Copy appends to the target what the source holds beyond it, in the source's order. What the target holds already is compared, byte by byte: it is what a
// copy that was broken off has left, and anything else is a *DifferenceError. Each append is a run of consecutive events of one stream.
func Copy(ctx context.Context, from Source, to Target, o Options) (Report, error) {
	var r Report
	var err error
	if r.From, err = from.Head(ctx); err != nil {
		return r, fmt.Errorf("read the source: %w", err)
	}
	if o.Progress == nil {
		o.Progress = func(uint64, uint64) {}
	}
	next, stop := pull(ctx, from, r.From.Events)
	defer stop()
	if r.Found, err = compare(to.Read(ctx, 0), next, func(done uint64) { o.Progress(done, r.From.Events) }); err != nil {
		return r, err
	}
	began := time.Now()
	w := writer{to: to, pace: pace(o.EventsPerSecondMax), copied: func() { o.Progress(r.Found+r.Copied, r.From.Events) }, report: &r}
	for {
		e, ok, err := next()
		if err != nil {
			return r, err
		}
		if !ok {
			break
		}
		if err := w.add(ctx, e); err != nil {
			return r, err
		}
	}
	if err := w.flush(ctx); err != nil {
		return r, err
	}
	r.Took = time.Since(began)
	if r.To, err = to.Head(ctx); err != nil {
		return r, fmt.Errorf("read the target: %w", err)
	}
	return r, nil
}

// Verify reads both logs again, and compares as many events as the source held when it was copied.
func Verify(ctx context.Context, from Source, to Target, r Report, progress func(done, of uint64)) error {
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	next, stop := pull(ctx, from, r.From.Events)
	defer stop()
	n, err := compare(to.Read(ctx, 0), next, func(done uint64) { progress(done, r.From.Events) })
	if err == nil && n != r.From.Events {
		err = &DifferenceError{n, fmt.Sprintf("the source holds %d events, and the copy ends here", r.From.Events)}
	}
	return err
}

// Until yields the first entries of a log, as many as its events were.
func Until(entries iter.Seq2[es.Entry, error], events uint64) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		for e, err := range entries {
			if err == nil && e.Ordinal >= events || !yield(e, err) {
				return
			}
		}
	}
}

// pull returns a source's entries one by one; ok is false after the last of them.
func pull(ctx context.Context, from Source, events uint64) (next func() (e es.Entry, ok bool, err error), stop func()) {
	entries, stop := iter.Pull2(Until(from.Read(ctx, 0), events))
	return func() (es.Entry, bool, error) {
		e, err, ok := entries()
		if err != nil {
			return e, false, fmt.Errorf("read the source: %w", err)
		}
		return e, ok, nil
	}, stop
}

// compare holds a target's entries to the source's, and returns how many there are.
func compare(target iter.Seq2[es.Entry, error], next func() (es.Entry, bool, error), compared func(uint64)) (n uint64, err error) {
	for have, err := range target {
		if err != nil {
			return n, fmt.Errorf("read the target: %w", err)
		}
		want, ok, err := next()
		switch {
		case err != nil:
			return n, err
		case !ok:
			return n, &DifferenceError{n, fmt.Sprintf("the source ends here, and the target goes on with revision %d of stream %s", have.Revision, have.Stream)}
		}
		if err := same(have, want); err != nil {
			return n, err
		}
		n++
		compared(n)
	}
	return n, nil
}

func same(have, want es.Entry) error {
	switch {
	case have.Ordinal != want.Ordinal:
		return &DifferenceError{want.Ordinal, fmt.Sprintf("the target counts it as %d", have.Ordinal)}
	case have.Stream != want.Stream || have.Revision != want.Revision:
		return &DifferenceError{want.Ordinal, fmt.Sprintf("revision %d of stream %s in the source, revision %d of stream %s in the target",
			want.Revision, want.Stream, have.Revision, have.Stream)}
	case have.ID != want.ID:
		return &DifferenceError{want.Ordinal, fmt.Sprintf("id %s in the source, %s in the target", want.ID, have.ID)}
	case !bytes.Equal(have.Bytes, want.Bytes):
		return &DifferenceError{want.Ordinal, fmt.Sprintf("revision %d of stream %s has other bytes in the target", want.Revision, want.Stream)}
	}
	return nil
}

func pace(eventsPerSecondMax int) *rate.Limiter {
	if eventsPerSecondMax <= 0 {
		return rate.NewLimiter(rate.Inf, math.MaxInt)
	}
	return rate.NewLimiter(rate.Limit(eventsPerSecondMax), max(eventsPerSecondMax/10, 1))
}

// writer gathers entries into appends, and appends into calls.
type writer struct {
	to     Target
	pace   *rate.Limiter
	copied func()
	report *Report

	batch []es.Append
	ends  []uint64 // the ordinals of the last record of each
	bytes int      // of the batch
	run   int      // of the last append
}

// add takes the next entry.
func (w *writer) add(ctx context.Context, e es.Entry) error {
	n := len(w.batch)
	if n > 0 && w.batch[n-1].Stream == e.Stream && len(w.batch[n-1].Records) < es.AppendRecordsMax && w.run+len(e.Bytes) <= es.AppendBytesMax {
		w.batch[n-1].Records = append(w.batch[n-1].Records, e.Record)
		w.bytes, w.run, w.ends[n-1] = w.bytes+len(e.Bytes), w.run+len(e.Bytes), e.Ordinal
		return nil
	}
	if n > 0 && (!w.to.InOrder || n == batchAppendsMax || w.bytes >= batchBytesMax || n >= w.pace.Burst()) {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	w.batch = append(w.batch, es.Append{Stream: e.Stream, Expected: int64(e.Revision) - 1, Records: []es.Record{e.Record}})
	w.ends = append(w.ends, e.Ordinal)
	w.bytes, w.run = w.bytes+len(e.Bytes), len(e.Bytes)
	return nil
}

// flush appends what is gathered. An answer that is lost is asked for again.
func (w *writer) flush(ctx context.Context) error {
	events := 0
	for _, a := range w.batch {
		events += len(a.Records)
	}
	for left := events; left > 0; { // a limiter refuses more than its burst at once
		n := min(left, w.pace.Burst())
		if err := w.pace.WaitN(ctx, n); err != nil {
			return err
		}
		left -= n
	}
	if err := w.append(ctx); err != nil {
		return err
	}
	w.report.Copied += uint64(events)
	w.copied()
	w.batch, w.ends, w.bytes = w.batch[:0], w.ends[:0], 0
	return nil
}

const (
	tryDelayMin = 50 * time.Millisecond
	tryDelayMax = 2 * time.Second
	// triesMax bounds how often a store is asked that does not take an append or does not say whether it did: some minutes.
	triesMax = 120
)

func (w *writer) append(ctx context.Context) error {
	delay := tryDelayMin
	for try := 1; len(w.batch) > 0; try++ {
		results := w.to.Append(ctx, w.batch)
		done := 0
		for ; done < len(results) && results[done].Err == nil; done++ {
			if want, have := w.ends[done], results[done].Ordinal; have != want {
				return &DifferenceError{want, fmt.Sprintf("the target counts it as %d: somebody else writes into the target", have)}
			}
		}
		// What follows one that is not recorded may be recorded all the same where it is of another stream; it is then answered as a repeat.
		w.batch, w.ends = w.batch[done:], w.ends[done:]
		if done == len(results) {
			return nil
		}
		err := results[done].Err
		a := w.batch[0]
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, new(*es.ConflictError)):
			return fmt.Errorf("append event at revision %d of stream %s: %w: somebody else writes into the target", a.Expected+1, a.Stream, err)
		case !errors.Is(err, es.ErrBusy) && !errors.Is(err, es.ErrUnknown), try == triesMax:
			return fmt.Errorf("append event at revision %d of stream %s: %w", a.Expected+1, a.Stream, err)
		}
		if err := pause.For(ctx, delay); err != nil {
			return err
		}
		delay = min(2*delay, tryDelayMax)
	}
	return nil
}
