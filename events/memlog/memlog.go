// Package memlog keeps a log in memory, for tests and for the development profile.
package memlog

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"
	"sync"

	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
)

// positionStep keeps positions apart, so that nobody comes to rely on their being consecutive.
const positionStep = 7

// Log is an es.Log whose entries live as long as the process. Its durability is that of memory; in all else it keeps the contract.
type Log struct {
	store  *store
	closed chan struct{} // closed by Close
	once   sync.Once
}

// store is what a log and the logs reopened from it share.
type store struct {
	id uuid.UUID

	mu      sync.RWMutex
	entries []es.Entry       // by ordinal; only ever appended to
	streams map[string][]int // ordinals by revision
	grown   chan struct{}    // closed and replaced at each commit
}

var _ es.Log = (*Log)(nil)

// New returns an empty log with an id of its own.
func New() *Log {
	return &Log{
		store:  &store{id: uuid.New(), streams: make(map[string][]int), grown: make(chan struct{})},
		closed: make(chan struct{}),
	}
}

// Reopen returns a log over the same entries, as a restart of a durable log would. The log it is called on should be closed first.
func (l *Log) Reopen() *Log { return &Log{store: l.store, closed: make(chan struct{})} }

// ID names the log; a reopened log keeps it.
func (l *Log) ID() uuid.UUID { return l.store.id }

// Close ends the log's use and its tails; what it holds stays for Reopen.
func (l *Log) Close() error {
	err := es.ErrClosed
	l.once.Do(func() {
		// Appends hold the lock, so none is under way after this.
		l.store.mu.Lock()
		defer l.store.mu.Unlock()
		close(l.closed)
		err = nil
	})
	return err
}

func (l *Log) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// Append judges and adds at once; it never answers es.ErrBusy.
func (l *Log) Append(ctx context.Context, appends []es.Append) []es.Result {
	results := make([]es.Result, len(appends))
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.entries)
	for i, a := range appends {
		if l.isClosed() {
			results[i].Err = es.ErrClosed
		} else if err := a.Check(); err != nil {
			results[i].Err = err
		} else if err := ctx.Err(); err != nil {
			results[i].Err = fmt.Errorf("append to stream %s: %w: %w", a.Stream, es.ErrUnknown, err)
		} else {
			results[i] = s.append(a)
		}
	}
	if len(s.entries) > before {
		close(s.grown)
		s.grown = make(chan struct{})
	}
	return results
}

func (s *store) append(a es.Append) es.Result {
	ordinals := s.streams[a.Stream]
	if actual := int64(len(ordinals)) - 1; actual != a.Expected {
		if last, ok := s.recorded(a, ordinals); ok {
			return es.Result{Position: last.Position, Ordinal: last.Ordinal, Repeated: true}
		}
		return es.Result{Err: &es.ConflictError{Stream: a.Stream, Expected: a.Expected, Actual: actual}}
	}
	for _, r := range a.Records {
		e := es.Entry{
			Prev: s.head().Position, Ordinal: uint64(len(s.entries)), Stream: a.Stream, Revision: uint64(len(ordinals)),
			Record: es.Record{ID: r.ID, Bytes: bytes.Clone(r.Bytes)},
		}
		e.Position = e.Prev + positionStep
		ordinals = append(ordinals, len(s.entries))
		s.entries = append(s.entries, e)
	}
	s.streams[a.Stream] = ordinals
	last := s.entries[len(s.entries)-1]
	return es.Result{Position: last.Position, Ordinal: last.Ordinal}
}

// recorded finds the append's records where a repeat would have them, and returns the last one.
func (s *store) recorded(a es.Append, ordinals []int) (last es.Entry, ok bool) {
	first := a.Expected + 1
	if first+int64(len(a.Records)) > int64(len(ordinals)) {
		return last, false
	}
	for i, r := range a.Records {
		last = s.entries[ordinals[first+int64(i)]]
		if last.ID != r.ID {
			return last, false
		}
	}
	return last, true
}

func (s *store) head() es.Head {
	if len(s.entries) == 0 {
		return es.Head{}
	}
	return es.Head{Position: s.entries[len(s.entries)-1].Position, Events: uint64(len(s.entries))}
}

// Head is the last entry's place.
func (l *Log) Head(ctx context.Context) (es.Head, error) {
	if l.isClosed() {
		return es.Head{}, es.ErrClosed
	}
	l.store.mu.RLock()
	defer l.store.mu.RUnlock()
	return l.store.head(), ctx.Err()
}

// after returns the entries that follow a position now, and what is closed when there are more.
func (s *store) after(position es.Position) ([]es.Entry, <-chan struct{}, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if head := s.head().Position; position > head {
		return nil, nil, fmt.Errorf("read after position %d: the log ends at %d; does the position come from another log?", position, head)
	}
	i := sort.Search(len(s.entries), func(i int) bool { return s.entries[i].Position > position })
	// Clipped, so that a reader that appends to a run cannot write into the log.
	return slices.Clip(s.entries[i:]), s.grown, nil
}

// Read yields the entries after a position that are there when it begins.
func (l *Log) Read(ctx context.Context, after es.Position) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		if l.isClosed() {
			yield(es.Entry{}, es.ErrClosed)
			return
		}
		entries, _, err := l.store.after(after)
		if err != nil {
			yield(es.Entry{}, err)
			return
		}
		l.each(ctx, entries, yield)
	}
}

// each yields entries until one of the reader, ctx and the log ends.
func (l *Log) each(ctx context.Context, entries []es.Entry, yield func(es.Entry, error) bool) {
	for _, e := range entries {
		if err := l.ended(ctx); err != nil {
			yield(es.Entry{}, err)
			return
		}
		if !yield(e, nil) {
			return
		}
	}
	if err := ctx.Err(); err != nil {
		yield(es.Entry{}, err)
	}
}

func (l *Log) ended(ctx context.Context) error {
	if l.isClosed() {
		return es.ErrClosed
	}
	return ctx.Err()
}

// ReadStream yields the stream's entries from a revision on that are there when it begins.
func (l *Log) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		if l.isClosed() {
			yield(es.Entry{}, es.ErrClosed)
			return
		}
		l.store.mu.RLock()
		var entries []es.Entry
		if ordinals := l.store.streams[stream]; from < uint64(len(ordinals)) {
			for _, o := range ordinals[from:] {
				entries = append(entries, l.store.entries[o])
			}
		}
		l.store.mu.RUnlock()
		l.each(ctx, entries, yield)
	}
}

// Tail yields each commit, or several at once to a slow reader, and ends with ctx's error or es.ErrClosed.
func (l *Log) Tail(ctx context.Context, after es.Position) iter.Seq2[[]es.Entry, error] {
	return func(yield func([]es.Entry, error) bool) {
		for {
			if err := l.ended(ctx); err != nil {
				yield(nil, err)
				return
			}
			run, grown, err := l.store.after(after)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(run) > 0 {
				if !yield(run, nil) {
					return
				}
				after = run[len(run)-1].Position
				continue
			}
			select {
			case <-grown:
			case <-ctx.Done():
			case <-l.closed:
			}
		}
	}
}
