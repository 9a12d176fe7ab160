package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/live"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// checkEvery is how long a bucket that is lost, or made anew, stays unseen.
	checkEvery     = 2 * time.Second
	requestWaitMax = 5 * time.Second
)

// watch follows one bucket, as long as it is the same.
type watch struct {
	board   *board
	stream  jetstream.Stream
	created time.Time
	// read: what there was has been handed over.
	read bool
	seen uint64 // the last revision
	// needed is the revision that a mark must have to be believed: a value that was overwritten before it was seen is here again by then.
	needed uint64
	// changed are the values since the last round; all that there are before the first.
	changed map[string][]byte
	begun   bool
	mark    *live.Mark
	marked  uint64 // its revision
	stuck   bool   // at the last check there was more than had been seen
}

// session follows the bucket until something fails, or it is another.
func (b *board) session(ctx context.Context) error {
	opening, cancel := context.WithTimeout(ctx, requestWaitMax)
	defer cancel()
	stream, err := b.js.Stream(opening, "KV_"+b.bucket)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		b.refuse(&es.Refusal{
			Code: "no_live_views", Field: "view", Reason: "the NATS server runs without JetStream, which keeps the live views",
			Remedy: "start it with JetStream, or ask /v1/balances; the stream of events, without view, needs none",
		})
		return err
	case err != nil:
		return fmt.Errorf("look at bucket %s: %w", b.bucket, err)
	}
	w := &watch{board: b, stream: stream, created: stream.CachedInfo().Created, changed: map[string][]byte{}}
	kv, err := b.js.KeyValue(opening, b.bucket)
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", b.bucket, err)
	}
	following, stop := context.WithCancel(ctx)
	defer stop()
	all, err := kv.WatchAll(following)
	if err != nil {
		return fmt.Errorf("watch bucket %s: %w", b.bucket, err)
	}
	defer func() {
		if err := all.Stop(); !errors.Is(err, nats.ErrConnectionClosed) {
			for range all.Updates() { // what nobody takes would keep the library's goroutine
			}
		}
	}()
	return w.follow(ctx, all.Updates())
}

func (w *watch) follow(ctx context.Context, updates <-chan jetstream.KeyValueEntry) error {
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-check.C:
			if _, err := w.check(ctx); err != nil {
				return err
			}
		case e, open := <-updates:
			if !open {
				return errors.New("the connection was closed")
			}
			if err := w.take(ctx, e); err != nil {
				return err
			}
		}
	}
}

// check makes sure that the bucket is still the same, and that all it holds arrives. It returns the bucket's last revision.
func (w *watch) check(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestWaitMax)
	defer cancel()
	info, err := w.stream.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("look at bucket %s: %w", w.board.bucket, err)
	}
	last := info.State.LastSeq
	if !info.Created.Equal(w.created) {
		return 0, fmt.Errorf("%w: bucket %s was made anew", errAgain, w.board.bucket)
	}
	if w.stuck && w.read && last > w.seen {
		return 0, fmt.Errorf("%w: bucket %s is at revision %d, and %d was the last to arrive", errAgain, w.board.bucket, last, w.seen)
	}
	w.stuck = last > w.seen
	return last, nil
}

// take notes a value, and publishes what there is at a mark.
func (w *watch) take(ctx context.Context, e jetstream.KeyValueEntry) (err error) {
	switch {
	case e == nil: // after all that there was
		w.read = true
		if w.needed, err = w.check(ctx); err != nil {
			return err
		}
		return w.publish()
	case w.read && e.Revision() != w.seen+1:
		if w.needed, err = w.check(ctx); err != nil {
			return err
		}
	}
	w.stuck, w.seen = false, max(w.seen, e.Revision())
	switch {
	case e.Key() != live.MarkKey && e.Operation() == jetstream.KeyValuePut:
		w.changed[e.Key()] = keyed(e.Key(), e.Value())
		return nil
	case e.Key() != live.MarkKey:
		w.changed[e.Key()] = nil
		return nil
	}
	w.mark, w.marked = readMark(e), e.Revision()
	return w.publish()
}

// publish makes the round that ends with the mark the readers', if all of it is here.
func (w *watch) publish() error {
	if !w.read || w.mark == nil || w.marked < w.needed || w.marked != w.seen {
		return nil
	}
	values := w.changed
	if !w.begun || !follows(w.board.look().mark, *w.mark) {
		values = w.board.whole(values, !w.begun)
	}
	if n := w.board.count(values); n != w.mark.Keys {
		return fmt.Errorf("%w: bucket %s has %d keys where its mark says %d", errAgain, w.board.bucket, n, w.mark.Keys)
	}
	w.board.publish(*w.mark, values)
	w.changed, w.begun, w.mark = map[string][]byte{}, true, nil
	return nil
}

// readMark returns what a mark says; nil where there is none, or somebody else wrote it.
func readMark(e jetstream.KeyValueEntry) *live.Mark {
	m := &live.Mark{}
	if e.Operation() != jetstream.KeyValuePut || json.Unmarshal(e.Value(), m) != nil || m.LogID == uuid.Nil {
		return nil
	}
	return m
}

// keyed is a value with its key, on one line. What is no JSON object is somebody else's, and is gone before the next mark.
func keyed(key string, value []byte) []byte {
	var line bytes.Buffer
	if len(value) < 2 || value[0] != '{' || json.Compact(&line, value) != nil || line.Len() == len(`{}`) {
		return []byte(`{}`)
	}
	return append(fmt.Appendf(nil, `{"key":%q,`, key), line.Bytes()[1:]...)
}
