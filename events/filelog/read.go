package filelog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/allied-ledger/allied/events/es"
)

const (
	pageAppendsMax = 512
	runBytesMax    = 1 << 20
)

// view is what readers see now.
func (l *Log) view() (head es.Head, segments []segment, grown <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head, l.segments[:len(l.segments):len(l.segments)], l.grown
}

// ended says why a reader must stop.
func (l *Log) ended(ctx context.Context) error {
	select {
	case <-l.closed:
		return es.ErrClosed
	default:
		return ctx.Err()
	}
}

func beyond(after es.Position, head es.Head) error {
	return fmt.Errorf("read after position %d: the log ends at %d; does the position come from another log?", after, head.Position)
}

// Read yields the entries after a position, from the segments.
func (l *Log) Read(ctx context.Context, after es.Position) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		if err := l.ended(ctx); err != nil {
			yield(es.Entry{}, err)
			return
		}
		head, segments, _ := l.view()
		if after > head.Position {
			yield(es.Entry{}, beyond(after, head))
			return
		}
		c := newCursor(l.folder.fs, segments, uint64(after), uint64(head.Position), scanChunkBytes)
		each(ctx, c, func(f frame, err error) bool {
			if err == nil {
				err = l.ended(ctx)
			}
			return yield(f.entry, err) && err == nil
		})
	}
}

// each calls yield with the frames that end after the cursor's position, up to an error or the limit, and closes the cursor.
func each(ctx context.Context, c *cursor, yield func(frame, error) bool) {
	err := c.seek(ctx, c.at)
	for err == nil {
		var f frame
		if f, err = c.next(); err == nil && !yield(f, nil) {
			err = io.EOF
		}
	}
	closed := c.close()
	if errors.Is(err, io.EOF) {
		err = closed
	}
	if err != nil {
		yield(frame{}, err)
	}
}

// ReadStream yields the stream's entries from a revision on. Where the index has failed it reads the whole log for them.
func (l *Log) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		if err := l.ended(ctx); err != nil {
			yield(es.Entry{}, err)
			return
		}
		head, _, _ := l.view()
		for e, err := range l.readStream(ctx, stream, from, head) {
			if err == nil {
				err = l.ended(ctx)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// readStream reads up to a head that may be the committer's own, ahead of the readers'.
func (l *Log) readStream(ctx context.Context, stream string, from uint64, head es.Head) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		if stream == "" || len(stream) > es.StreamBytesMax {
			return // no append has such a stream
		}
		_, segments, _ := l.view()
		c := newCursor(l.folder.fs, segments, 0, uint64(head.Position), lookupChunkBytes)
		next, more, err := from, true, error(nil)
		for more && err == nil {
			var page []location
			if page, more, err = l.index.page(stream, next); err != nil {
				err = l.scanStream(ctx, c, stream, next, yield)
				break
			}
			if next, err = readPage(c, stream, next, page, yield); err == nil && more {
				err = ctx.Err()
			}
		}
		if closed := c.close(); err == nil {
			err = closed
		}
		if err != nil && !errors.Is(err, errReaderLeft) {
			yield(es.Entry{}, err)
		}
	}
}

// errReaderLeft ends a loop whose reader wants no more.
var errReaderLeft = errors.New("the reader left")

// readPage yields the entries of the appends of a page, from a revision on, and returns the revision that comes next.
func readPage(c *cursor, stream string, from uint64, page []location, yield func(es.Entry, error) bool) (next uint64, err error) {
	for _, l := range page {
		if l.start >= c.limit {
			return from, errReaderLeft // appended after the reader began
		}
		if l.first > from {
			return from, c.damage("the index of stream %s leaves out its revisions %d to %d", stream, from, l.first-1)
		}
		if l.start != c.at || !c.known {
			c.jump(l.start)
		}
		for revision := l.first; revision <= l.last(); revision++ {
			f, err := c.next()
			if err != nil {
				return from, err
			}
			if f.entry.Stream != stream || f.entry.Revision != revision {
				return from, c.damage("the index expects revision %d of stream %s before this place, and finds revision %d of stream %s",
					revision, stream, f.entry.Revision, f.entry.Stream)
			}
			if revision < from {
				continue
			}
			if !yield(f.entry, nil) {
				return from, errReaderLeft
			}
			from = revision + 1
		}
	}
	return from, nil
}

// scanStream finds a stream's entries without the index.
func (l *Log) scanStream(ctx context.Context, c *cursor, stream string, from uint64, yield func(es.Entry, error) bool) error {
	c.jump(0)
	for {
		f, err := c.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if f.entry.Stream == stream && f.entry.Revision >= from && !yield(f.entry, nil) {
			return errReaderLeft
		}
	}
}

// Tail yields what follows a position as it is committed: from memory to readers near the head, from the segments to others.
func (l *Log) Tail(ctx context.Context, after es.Position) iter.Seq2[[]es.Entry, error] {
	return func(yield func([]es.Entry, error) bool) {
		for {
			if err := l.ended(ctx); err != nil {
				yield(nil, err)
				return
			}
			l.mu.Lock()
			head, grown, run := l.head, l.grown, l.ring.after(after)
			l.mu.Unlock()
			if after > head.Position {
				yield(nil, beyond(after, head))
				return
			}
			if after == head.Position {
				select {
				case <-grown:
				case <-ctx.Done():
				case <-l.closed:
				}
				continue
			}
			if len(run) == 0 {
				var err error
				if after, err = l.catchUp(ctx, after, yield); err != nil {
					if !errors.Is(err, errReaderLeft) {
						yield(nil, err)
					}
					return
				}
				continue
			}
			if !yield(run, nil) {
				return
			}
			after = run[len(run)-1].Position
		}
	}
}

// catchUp yields runs of whole appends from the segments up to the head of now, and returns where it ended.
func (l *Log) catchUp(ctx context.Context, after es.Position, yield func([]es.Entry, error) bool) (_ es.Position, err error) {
	head, segments, _ := l.view()
	var run []es.Entry
	runBytes := 0
	left := false
	c := newCursor(l.folder.fs, segments, uint64(after), uint64(head.Position), scanChunkBytes)
	each(ctx, c, func(f frame, failed error) bool {
		if failed == nil {
			failed = l.ended(ctx)
		}
		if err = failed; err != nil {
			return false
		}
		run, runBytes = append(run, f.entry), runBytes+f.length
		if f.following > 0 || runBytes < runBytesMax && f.entry.Position < head.Position {
			return true
		}
		after = f.entry.Position
		left = !yield(run, nil)
		run, runBytes = nil, 0
		return !left
	})
	if left && err == nil {
		err = errReaderLeft
	}
	return after, err
}
