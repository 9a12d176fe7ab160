package kurrentlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"sort"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"go.uber.org/zap"

	"github.com/allied-ledger/allied/events/es"
)

const (
	runEntriesMax = 512
	runBytesMax   = 1 << 20
)

// Read yields the entries after a position, from the server.
func (l *Log) Read(ctx context.Context, after es.Position) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		err := l.ended(ctx)
		if err == nil {
			err = l.reach(ctx, after)
		}
		if err != nil {
			yield(es.Entry{}, err)
			return
		}
		for e, err := range l.readAfter(ctx, after) {
			err = l.cause(ctx, err)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// reach refuses a position that lies beyond the log's end.
func (l *Log) reach(ctx context.Context, after es.Position) error {
	head := l.follow.head()
	if after > head.Position {
		var err error
		if head, err = l.sync(ctx); err != nil {
			return err
		}
	}
	if after > head.Position {
		return fmt.Errorf("read after position %d: the log ends at %d; does the position come from another log?", after, head.Position)
	}
	return nil
}

// readAfter yields the entries after a position. It counts them, and holds them to what the follower counted.
func (l *Log) readAfter(ctx context.Context, after es.Position) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		ordinal, prev := l.follow.count(after)
		known := l.follow.head()
		for try := 1; ; try++ {
			for e, err := range l.readOn(ctx, ordinal, prev) {
				if !yield(e, err) || err != nil {
					return
				}
				prev, ordinal = e.Position, ordinal+1
			}
			if ordinal >= known.Events {
				return
			}
			// The node that was asked may have lost the lead, and not know it yet.
			l.reads.closeIdle()
			var err error
			if try == readTriesMax {
				err = damage("$all", prev, "the log held %d events up to position %d, and the server now has %d: the last were removed",
					known.Events, known.Position, ordinal)
			} else {
				err = pause(ctx, readRetryWaitMin<<(try-1))
			}
			if err != nil {
				yield(es.Entry{}, err)
				return
			}
		}
	}
}

// readOn yields what one read shows after the entry at prev; ordinal is the next entry's.
func (l *Log) readOn(ctx context.Context, ordinal uint64, prev es.Position) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		var due []es.Position // what the index says comes next
		for e, err := range l.all(ctx, prev) {
			var entry es.Entry
			var own bool
			if err == nil {
				entry, own, err = l.names.entry(e)
			}
			if err == nil && (!own || entry.Position <= prev) {
				continue
			}
			if err == nil {
				if len(due) == 0 {
					due = l.follow.due(ordinal)
				}
				if len(due) > 0 && due[0] != entry.Position {
					err = damage("$all", prev, "event %d of the log was at position %d, and the server now has another after %d, at %d: events were removed, or added between",
						ordinal, due[0], prev, entry.Position)
				} else if len(due) > 0 {
					due = due[1:]
				}
			}
			entry.Prev, entry.Ordinal = prev, ordinal
			if !yield(entry, err) || err != nil {
				return
			}
			prev, ordinal = entry.Position, ordinal+1
		}
	}
}

// count is how many entries stand at or before a position, and the position of the last of them.
func (f *follower) count(at es.Position) (events uint64, last es.Position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.index.count(at)
}

// place is the ordinal of the entry at a position, and the position before it.
func (f *follower) place(at es.Position) (ordinal uint64, prev es.Position, found bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ordinal, prev = f.index.count(at - 1)
	next := f.index.run(ordinal)
	return ordinal, prev, len(next) > 0 && next[0] == at
}

// due are the positions of the next entries from an ordinal on, as far as one page of the index has them.
func (f *follower) due(ordinal uint64) []es.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.index.run(ordinal)
}

// ReadStream yields the stream's entries from a revision on, from the server's leader.
func (l *Log) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		if err := l.ended(ctx); err != nil {
			yield(es.Entry{}, err)
			return
		}
		if stream == "" || len(stream) > es.StreamBytesMax {
			return // no append has such a stream
		}
		empty := true
		for e, err := range l.readStream(ctx, stream, from, math.MaxInt64) {
			empty = false
			err = l.cause(ctx, err)
			if !yield(e, err) || err != nil {
				return
			}
		}
		if empty && from == 0 {
			if err := l.checkUntouched(ctx, stream); err != nil {
				yield(es.Entry{}, err)
			}
		}
	}
}

// checkUntouched refuses a stream that the server shows as empty although it may have had events: its metadata says which are shown.
func (l *Log) checkUntouched(ctx context.Context, stream string) error {
	var last []byte
	for e, err := range l.last(ctx, "$$"+l.names.stored(stream)) {
		if err != nil {
			return fmt.Errorf("read the metadata of stream %s: %w", stream, l.cause(ctx, err))
		}
		last = e.Data
	}
	var shows struct {
		TruncateBefore *int64 `json:"$tb"`
		MaxCount       *int64 `json:"$maxCount"`
		MaxAge         *int64 `json:"$maxAge"`
	}
	if len(last) > 0 && json.Unmarshal(last, &shows) == nil && (shows.TruncateBefore != nil || shows.MaxCount != nil || shows.MaxAge != nil) {
		return damage("stream "+stream, 0, "the stream was deleted or limited: its metadata on the server is %s", last)
	}
	return nil
}

// readStream yields a stream's entries from a revision on, at most so many.
func (l *Log) readStream(ctx context.Context, stream string, from, countMax uint64) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		next := from
		for e, err := range l.stream(ctx, l.names.stored(stream), from, countMax) {
			var entry es.Entry
			if err == nil {
				entry, err = l.place(ctx, stream, next, e)
			} else if isCode(err, esdb.ErrorCodeStreamDeleted) {
				err = damage("stream "+stream, 0, "the stream was deleted for ever")
			}
			if !yield(entry, err) || err != nil {
				return
			}
			next++
		}
	}
}

// place finds the place in the log of a stream's event.
func (l *Log) place(ctx context.Context, stream string, revision uint64, e *esdb.RecordedEvent) (es.Entry, error) {
	at := "stream " + stream
	if e.EventNumber != revision {
		return es.Entry{}, damage(at, 0, "its revisions %d to %d are not there: the stream was truncated or deleted", revision, e.EventNumber-1)
	}
	if c := e.Position.Commit; c == 0 || c > math.MaxInt64 {
		return es.Entry{}, fmt.Errorf("read stream %s: the server does not tell the positions of a stream's events; version 22.10 or newer is needed", stream)
	}
	entry, own, err := l.names.entry(e)
	if err == nil && !own {
		err = damage(at, es.Position(e.Position.Commit), "revision %d is an event of type %s that the ledger has not written", revision, e.EventType)
	}
	if err == nil {
		err = l.follow.await(ctx, e.Position.Commit)
	}
	if err != nil {
		return es.Entry{}, err
	}
	var found bool
	if entry.Ordinal, entry.Prev, found = l.follow.place(entry.Position); !found {
		return es.Entry{}, damage(at, entry.Prev, "its revision %d is at position %d, where $all has no such event", revision, entry.Position)
	}
	return entry, nil
}

// Tail yields what follows a position as it is committed: from memory to readers near the head, from the server to others. While the server
// cannot be reached it waits.
func (l *Log) Tail(ctx context.Context, after es.Position) iter.Seq2[[]es.Entry, error] {
	return func(yield func([]es.Entry, error) bool) {
		err := l.ended(ctx)
		if err == nil {
			err = l.reach(ctx, after)
		}
		for delay := retryDelayMin; err == nil; {
			var run []es.Entry
			var behind bool
			err = l.follow.until(ctx, func() bool {
				run, behind = l.follow.after(after)
				return len(run) > 0 || behind
			})
			switch {
			case err != nil:
			case !behind:
				if !yield(run, nil) {
					return
				}
				after = run[len(run)-1].Position
			default:
				from := after
				if after, err = l.catchUp(ctx, after, yield); errors.Is(err, errReaderLeft) {
					return
				}
				if after > from {
					delay = retryDelayMin
				}
				if err != nil && !errors.As(err, new(*es.DamageError)) && l.ended(ctx) == nil {
					l.cfg.Logger.Warn("the tail waits for the store", zap.Duration("retry_in", delay), zap.Error(err))
					err = pause(ctx, delay)
					delay = min(2*delay, retryDelayMax)
				}
			}
		}
		yield(nil, l.cause(ctx, err))
	}
}

// after returns a run of entries that follows a position from memory; behind tells that memory does not reach back so far.
func (f *follower) after(position es.Position) (run []es.Entry, behind bool) {
	if position >= f.last.Position {
		return nil, false
	}
	if len(f.ring) == 0 || f.ring[0].Prev > position {
		return nil, true
	}
	i := sort.Search(len(f.ring), func(i int) bool { return f.ring[i].Position > position })
	end := min(len(f.ring), i+runEntriesMax)
	return f.ring[i:end:end], false
}

// errReaderLeft ends a loop whose reader wants no more.
var errReaderLeft = errors.New("the reader left")

// catchUp yields runs from the server up to its end of now, and returns where it ended.
func (l *Log) catchUp(ctx context.Context, after es.Position, yield func([]es.Entry, error) bool) (es.Position, error) {
	var run []es.Entry
	bytes := 0
	flush := func() error {
		if len(run) > 0 {
			if !yield(run, nil) {
				return errReaderLeft
			}
			after = run[len(run)-1].Position
		}
		run, bytes = nil, 0
		return nil
	}
	for e, err := range l.readAfter(ctx, after) {
		if err != nil {
			return after, errors.Join(flush(), err)
		}
		run, bytes = append(run, e), bytes+len(e.Bytes)
		if len(run) < runEntriesMax && bytes < runBytesMax {
			continue
		}
		if err := flush(); err != nil {
			return after, err
		}
	}
	return after, flush()
}
