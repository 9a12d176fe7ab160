package kurrentlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/metadata"

	"github.com/allied-ledger/allied/events/es"
)

// leaderOnly asks for the cluster's leader. The client library means to, and sets the header where it is not sent.
func leaderOnly(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "requires-leader", "true")
}

// receive is r.Recv, which panics at messages that it does not know.
func receive(r *esdb.ReadStream) (e *esdb.ResolvedEvent, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the server sent a message that the client does not know: %v", p)
		}
	}()
	return r.Recv()
}

// within is a context that ends with ctx, and when the log is closed.
func (l *Log) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.life, cancel)
	return ctx, func() { stop(); cancel() }
}

const (
	readTriesMax     = 6 // without an event between
	readRetryWaitMin = 25 * time.Millisecond
	// readSilenceMax is how long a server may take for the next event of a read.
	readSilenceMax = 5 * time.Second
)

// errSilent: the server has taken a read, and does not answer.
var errSilent = fmt.Errorf("the server has said nothing for %s", readSilenceMax)

// opener begins a read on a client, after the last event that was read before, if any.
type opener func(ctx context.Context, c *esdb.Client, last *esdb.RecordedEvent) (*esdb.ReadStream, error)

// read yields the events of a read. Where the server goes away, or another node becomes the leader, it goes on behind the last event.
func (l *Log) read(ctx context.Context, begin opener) iter.Seq2[*esdb.RecordedEvent, error] {
	return func(yield func(*esdb.RecordedEvent, error) bool) {
		ctx, cancel := l.within(ctx)
		defer cancel()
		var last *esdb.RecordedEvent
		for try := 1; ; try++ {
			err := l.readOnce(ctx, last, begin, func(e *esdb.RecordedEvent) bool {
				if last == nil || e.EventNumber != last.EventNumber || e.StreamID != last.StreamID { // it may be taken up with the same
					try = 1
				}
				last = e
				return yield(e, nil)
			})
			if err == nil {
				return
			}
			if !isPassing(err) || try >= readTriesMax || pause(ctx, readRetryWaitMin<<(try-1)) != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// readOnce reads on one client, until the end or until yield wants no more.
func (l *Log) readOnce(ctx context.Context, last *esdb.RecordedEvent, begin opener, yield func(*esdb.RecordedEvent) bool) error {
	client, err := l.reads.take(ctx)
	if err != nil {
		return err
	}
	failed := true
	defer func() { l.reads.put(client, failed) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(readSilenceMax, func() { cancel(errSilent) })
	defer silence.Stop()
	r, err := begin(leaderOnly(ctx), client, last)
	if errors.Is(err, io.EOF) { // all was read, and only the end was not told
		failed = false
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		silence.Reset(readSilenceMax)
		e, err := receive(r)
		silence.Stop() // while the reader has it, the reader may take its time
		switch {
		case errors.Is(err, io.EOF), isNoStream(err):
			failed = false
			return nil
		case err != nil && errors.Is(context.Cause(ctx), errSilent):
			return errSilent
		case err != nil:
			return err
		case e.OriginalEvent() == nil:
			return errors.New("the server sent an event without content")
		}
		if !yield(e.OriginalEvent()) {
			failed = false
			return nil
		}
	}
}

// stream reads a stream of the server, by its stored name. A stream that is not there yields nothing.
func (l *Log) stream(ctx context.Context, stored string, from, countMax uint64) iter.Seq2[*esdb.RecordedEvent, error] {
	return l.read(ctx, func(ctx context.Context, c *esdb.Client, last *esdb.RecordedEvent) (*esdb.ReadStream, error) {
		options := esdb.ReadStreamOptions{From: esdb.Revision(from), RequiresLeader: true}
		count := countMax
		if last != nil {
			options.From, count = esdb.Revision(last.EventNumber+1), countMax-(last.EventNumber+1-from)
		}
		if count == 0 {
			return nil, io.EOF
		}
		return c.ReadStream(ctx, stored, options, count)
	})
}

// last reads the last event of a stream, by its stored name.
func (l *Log) last(ctx context.Context, stored string) iter.Seq2[*esdb.RecordedEvent, error] {
	options := esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}, RequiresLeader: true}
	return l.read(ctx, func(ctx context.Context, c *esdb.Client, _ *esdb.RecordedEvent) (*esdb.ReadStream, error) {
		return c.ReadStream(ctx, stored, options, 1)
	})
}

// lastRevision is the revision of a stream's last event, or es.NoStream.
func (l *Log) lastRevision(ctx context.Context, stored string) (int64, error) {
	last := es.NoStream
	for e, err := range l.last(ctx, stored) {
		if err != nil {
			return 0, err
		}
		last = int64(e.EventNumber)
	}
	return last, nil
}

// all reads $all from a position of an event on, that event included, or from the beginning where the position is 0. A read that is taken up
// again begins with an event that was yielded before.
func (l *Log) all(ctx context.Context, from es.Position) iter.Seq2[*esdb.RecordedEvent, error] {
	return l.read(ctx, func(ctx context.Context, c *esdb.Client, last *esdb.RecordedEvent) (*esdb.ReadStream, error) {
		options := esdb.ReadAllOptions{From: esdb.Start{}, RequiresLeader: true}
		switch {
		case last != nil:
			options.From = last.Position
		case from > 0:
			options.From = esdb.Position{Commit: uint64(from), Prepare: uint64(from)}
		}
		return c.ReadAll(ctx, options, math.MaxInt64)
	})
}

// lastPosition is the commit position of the last event of $all, of whatever kind; 0 where there is none.
func (l *Log) lastPosition(ctx context.Context) (last uint64, err error) {
	options := esdb.ReadAllOptions{Direction: esdb.Backwards, From: esdb.End{}, RequiresLeader: true}
	for e, err := range l.read(ctx, func(ctx context.Context, c *esdb.Client, _ *esdb.RecordedEvent) (*esdb.ReadStream, error) {
		return c.ReadAll(ctx, options, 1)
	}) {
		if err != nil {
			return 0, err
		}
		last = e.Position.Commit
	}
	return last, nil
}

// send appends events to a stream of the server, by its stored name.
func (l *Log) send(ctx context.Context, stored string, expected int64, events []esdb.EventData) (*esdb.WriteResult, error) {
	client, err := l.appends.take(ctx)
	if err != nil {
		return nil, err
	}
	wait := appendWaitMax
	options := esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}, Deadline: &wait, RequiresLeader: true}
	if expected != es.NoStream {
		options.ExpectedRevision = esdb.Revision(uint64(expected))
	}
	written, err := client.AppendToStream(leaderOnly(ctx), stored, options, events...)
	l.appends.put(client, err != nil && !isWrongRevision(err))
	return written, err
}
