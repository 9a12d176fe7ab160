package kurrentlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"

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

// read yields the events of a read on a client of its own.
func (l *Log) read(ctx context.Context, begin func(context.Context, *esdb.Client) (*esdb.ReadStream, error)) iter.Seq2[*esdb.RecordedEvent, error] {
	return func(yield func(*esdb.RecordedEvent, error) bool) {
		ctx, cancel := l.within(ctx)
		defer cancel()
		client, err := l.reads.take(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		failed := true
		defer func() { l.reads.put(client, failed) }()
		r, err := begin(leaderOnly(ctx), client)
		if err != nil {
			yield(nil, err)
			return
		}
		defer r.Close()
		for {
			e, err := receive(r)
			switch {
			case errors.Is(err, io.EOF), isCode(err, esdb.ErrorCodeResourceNotFound):
				failed = false
				return
			case err != nil:
				yield(nil, err)
				return
			case e.OriginalEvent() == nil:
				yield(nil, errors.New("the server sent an event without content"))
				return
			}
			if !yield(e.OriginalEvent(), nil) {
				failed = false
				return
			}
		}
	}
}

// stream reads a stream of the server, by its stored name. A stream that is not there yields nothing.
func (l *Log) stream(ctx context.Context, stored string, from, countMax uint64) iter.Seq2[*esdb.RecordedEvent, error] {
	options := esdb.ReadStreamOptions{From: esdb.Revision(from), RequiresLeader: true}
	return l.read(ctx, func(ctx context.Context, c *esdb.Client) (*esdb.ReadStream, error) {
		return c.ReadStream(ctx, stored, options, countMax)
	})
}

// lastRevision is the revision of a stream's last event, or es.NoStream.
func (l *Log) lastRevision(ctx context.Context, stored string) (int64, error) {
	options := esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}, RequiresLeader: true}
	last := es.NoStream
	for e, err := range l.read(ctx, func(ctx context.Context, c *esdb.Client) (*esdb.ReadStream, error) {
		return c.ReadStream(ctx, stored, options, 1)
	}) {
		if err != nil {
			return 0, err
		}
		last = int64(e.EventNumber)
	}
	return last, nil
}

// all reads $all from a position of an event on, that event included, or from the beginning where the position is 0.
func (l *Log) all(ctx context.Context, from es.Position) iter.Seq2[*esdb.RecordedEvent, error] {
	options := esdb.ReadAllOptions{From: esdb.Start{}, RequiresLeader: true}
	if from > 0 {
		options.From = esdb.Position{Commit: uint64(from), Prepare: uint64(from)}
	}
	return l.read(ctx, func(ctx context.Context, c *esdb.Client) (*esdb.ReadStream, error) {
		return c.ReadAll(ctx, options, math.MaxInt64)
	})
}

// lastPosition is the commit position of the last event of $all, of whatever kind; 0 where there is none.
func (l *Log) lastPosition(ctx context.Context) (last uint64, err error) {
	options := esdb.ReadAllOptions{Direction: esdb.Backwards, From: esdb.End{}, RequiresLeader: true}
	for e, err := range l.read(ctx, func(ctx context.Context, c *esdb.Client) (*esdb.ReadStream, error) {
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
