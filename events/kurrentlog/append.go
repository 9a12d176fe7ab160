package kurrentlog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/allied-ledger/allied/events/es"
)

const (
	// maxAppendSizeMin is what the server's setting MaxAppendSize must allow. Little more can be set there.
	maxAppendSizeMin = 16_000_000
	// metadataBytesMax bounds the copies of an append's records for the server's tools, beside the records and their types; others are left out.
	metadataBytesMax = maxAppendSizeMin - es.AppendBytesMax - es.AppendRecordsMax*1024
	// judgeTriesMax bounds how often an append is sent again whose stream came to the expected revision while the answer was under way.
	judgeTriesMax = 5
)

// Append sends appends to different streams at the same time, and those to one stream in turn.
func (l *Log) Append(ctx context.Context, appends []es.Append) []es.Result {
	l.mu.RLock()
	defer l.mu.RUnlock()
	results := make([]es.Result, len(appends))
	streams := make(map[string][]int, len(appends))
	for i, a := range appends {
		switch err := a.Check(); {
		case l.isClosed():
			results[i].Err = es.ErrClosed
		case err != nil:
			results[i].Err = err
		case l.cfg.ReadOnly:
			results[i].Err = errReadOnly
		default:
			streams[a.Stream] = append(streams[a.Stream], i)
		}
	}
	var sending sync.WaitGroup
	for _, places := range streams {
		sending.Go(func() {
			for _, i := range places {
				results[i] = l.append(ctx, appends[i])
			}
		})
	}
	sending.Wait()
	return results
}

// append sends one append, and answers once the follower has seen it.
func (l *Log) append(ctx context.Context, a es.Append) es.Result {
	if err := l.follow.refusal(); errors.As(err, new(*DamagedError)) || errors.Is(err, errSetBack) {
		return es.Result{Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, appendWaitMax)
	defer cancel()
	events, err := l.events(a)
	if err != nil {
		return es.Result{Err: err}
	}
	for range judgeTriesMax {
		x := l.follow.expect(a)
		result, found, err := l.try(ctx, x, events)
		l.follow.forget(x)
		if found || err != nil {
			result.Err = err
			return result
		}
	}
	return es.Result{Err: unknown(a.Stream, errors.New("the stream moves on and on"))}
}

// unknown is the answer to an append that may have been recorded. What hinders its sender from learning it may be an es.ErrBusy, and its answer is none.
func unknown(stream string, err error) error {
	if errors.Is(err, es.ErrBusy) {
		err = errors.New(err.Error())
	}
	return fmt.Errorf("append to stream %s: %w: %w", stream, es.ErrUnknown, err)
}

// try sends an append once, and returns what became of it. Where it returns neither a result nor an error, the append is to be sent again.
func (l *Log) try(ctx context.Context, x *expected, events []esdb.EventData) (result es.Result, found bool, err error) {
	written, err := l.send(ctx, l.names.stored(x.Stream), x.Expected, events)
	switch {
	case err == nil:
		if result, err = l.confirm(ctx, x, written); err != nil {
			err = unknown(x.Stream, err)
		}
		return result, err == nil, err
	case isWrongRevision(err):
		return l.judge(ctx, x.Append)
	case ctx.Err() != nil:
		return result, false, unknown(x.Stream, ctx.Err())
	}
	return result, false, sendError(x.Stream, err)
}

// confirm returns the result of an append that the server has confirmed, perhaps as a repeat of an earlier one, which the follower may have
// seen long ago. The server has it, whatever the error.
func (l *Log) confirm(ctx context.Context, x *expected, written *esdb.WriteResult) (result es.Result, err error) {
	passed := written.CommitPosition
	if passed == 0 { // the server need not tell it
		if passed, err = l.lastPosition(ctx); err != nil {
			return result, err
		}
	}
	err = l.follow.until(ctx, func() bool {
		result = x.result // copied here, since the follower may yet set it
		return result.Position > 0 || l.follow.passed(passed)
	})
	if err != nil || result.Position > 0 {
		return result, err
	}
	result, found, err := l.find(ctx, x.Append)
	if err == nil && !found {
		err = errors.New("the server confirms it, and its stream does not hold it")
	}
	return result, err
}

// judge returns what became of an append to a stream that is not at the expected revision: the result of the append that it repeats, or a
// conflict. Where neither is so any more, it returns nothing.
func (l *Log) judge(ctx context.Context, a es.Append) (result es.Result, found bool, err error) {
	result, found, err = l.find(ctx, a)
	if d := (*es.DamageError)(nil); errors.As(err, &d) {
		return result, false, &DamagedError{d} // and not recorded, since the server refused it
	}
	if found {
		return result, true, nil
	}
	actual := a.Expected
	if err == nil {
		actual, err = l.lastRevision(ctx, l.names.stored(a.Stream))
	}
	switch {
	case err != nil: // it may repeat one that was recorded
		return result, false, unknown(a.Stream, err)
	case actual != a.Expected:
		return result, false, &es.ConflictError{Stream: a.Stream, Expected: a.Expected, Actual: actual}
	}
	return result, false, nil
}

// find looks for an append's records where a repeat would have them.
func (l *Log) find(ctx context.Context, a es.Append) (result es.Result, found bool, err error) {
	n := 0
	for e, err := range l.readStream(ctx, a.Stream, uint64(a.Expected+1), uint64(len(a.Records))) {
		if err != nil {
			return result, false, err
		}
		if e.ID != a.Records[n].ID {
			return result, false, nil
		}
		result = es.Result{Position: e.Position, Ordinal: e.Ordinal, Repeated: true}
		n++
	}
	return result, n == len(a.Records), nil
}

// events are an append's records as the server keeps them.
func (l *Log) events(a es.Append) ([]esdb.EventData, error) {
	events := make([]esdb.EventData, len(a.Records))
	metadataBytes := 0
	for i, r := range a.Records {
		kind, metadata := l.cfg.Describe(r)
		if !strings.HasPrefix(kind, typePrefix) {
			return nil, fmt.Errorf("%w: append to stream %s: record %d has type %q; types begin with %s, by which the log knows its events",
				es.ErrInvalid, a.Stream, i, kind, typePrefix)
		}
		if metadataBytes += len(metadata); metadataBytes > metadataBytesMax {
			metadata = nil
		}
		events[i] = esdb.EventData{EventID: r.ID, EventType: kind, ContentType: esdb.ContentTypeBinary, Data: r.Bytes, Metadata: metadata}
	}
	return events, nil
}
