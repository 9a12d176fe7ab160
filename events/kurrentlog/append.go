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
	if err := l.follow.refusal(); errors.As(err, new(*DamagedError)) {
		return es.Result{Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, appendWaitMax)
	defer cancel()
	unknown := func(err error) es.Result {
		return es.Result{Err: fmt.Errorf("append to stream %s: %w: %w", a.Stream, es.ErrUnknown, err)}
	}
	events, err := l.events(a)
	if err != nil {
		return es.Result{Err: err}
	}
	for try := 1; ; try++ {
		x := l.follow.expect(a)
		written, err := l.send(ctx, l.names.stored(a.Stream), a.Expected, events)
		var result es.Result
		var found bool
		switch {
		case err == nil:
			result, found, err = l.confirm(ctx, x, written)
		case isWrongRevision(err):
			result, found, err = l.judge(ctx, a)
		case ctx.Err() != nil:
			err = fmt.Errorf("%w: %w", es.ErrUnknown, ctx.Err())
		default:
			err = sendError(a.Stream, err)
		}
		l.follow.forget(x)
		switch {
		case found:
			return result
		case err == nil && try < judgeTriesMax:
			continue
		case err == nil:
			return unknown(errors.New("the stream moves on and on"))
		case isAnswer(err):
			return es.Result{Err: err}
		}
		return unknown(err)
	}
}

// isAnswer tells an error that says what became of an append.
func isAnswer(err error) bool {
	var conflict *es.ConflictError
	return errors.As(err, &conflict) || errors.Is(err, es.ErrBusy) || errors.Is(err, es.ErrInvalid) || errors.Is(err, es.ErrUnknown)
}

// confirm returns the result of an append that the server has confirmed, perhaps as a repeat of an earlier one, which the follower may have
// seen long ago.
func (l *Log) confirm(ctx context.Context, x *expected, written *esdb.WriteResult) (result es.Result, found bool, err error) {
	passed := written.CommitPosition
	if passed == 0 { // the server need not tell it
		if passed, err = l.lastPosition(ctx); err != nil {
			return result, false, err
		}
	}
	err = l.follow.until(ctx, l.life.Done(), func() bool { return x.result.Position > 0 || uint64(l.follow.seen) >= passed })
	if err == nil && x.result.Position == 0 {
		return l.find(ctx, x.Append)
	}
	return x.result, err == nil, err
}

// judge returns what became of an append to a stream that is not at the expected revision: the result of the append that it repeats, or a
// conflict. Where neither is so any more, it returns nothing.
func (l *Log) judge(ctx context.Context, a es.Append) (result es.Result, found bool, err error) {
	result, found, err = l.find(ctx, a)
	if d := (*es.DamageError)(nil); errors.As(err, &d) {
		return result, false, &DamagedError{d} // and not recorded, since the server refused it
	}
	if found || err != nil {
		return result, found, err
	}
	actual, err := l.lastRevision(ctx, l.names.stored(a.Stream))
	if err == nil && actual != a.Expected {
		err = &es.ConflictError{Stream: a.Stream, Expected: a.Expected, Actual: actual}
	}
	return es.Result{}, false, err
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
