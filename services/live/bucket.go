package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// bucketBytesMax bounds what a bucket holds: some hundred thousand rows.
	bucketBytesMax = 64 << 20
	valueBytesMax  = 16 << 10
	// putsInFlightMax bounds what is sent and not yet acknowledged.
	putsInFlightMax = 512
	// duplicatesKept bounds how many ids of puts the server remembers. None is ever sent twice.
	duplicatesKept = time.Second
	putsWaitMax    = 10 * time.Second // for so many
	readWaitMax    = 30 * time.Second // for the whole bucket
	requestWaitMax = 5 * time.Second
)

// errConflict: somebody else has written the bucket, or it is another one by now.
var errConflict = errors.New("the bucket was changed by somebody else")

// bucket is what a publisher knows of its bucket: all of it, up to the revision seq.
type bucket struct {
	*Publisher
	stream   jetstream.Stream
	created  time.Time
	seq      uint64
	entries  map[string]*entry
	mark     []byte
	head     engine.LogHead    // of the recorder, asked after the bucket was read
	position es.Position       // the highest that a value of the recorder's log carries
	at       engine.Checkpoint // of the last round
	rounds   int
}

// entry is one key. Until a round has compared it, it is known by its value, and then by its row, which costs less to compare.
type entry struct {
	value []byte
	row   engine.Row
	round int // that last saw the row in the read model
}

type put struct {
	key   string
	value []byte // nil deletes
}

// open makes sure that there is a bucket, and reads all of it.
func (p *Publisher) open(ctx context.Context) (*bucket, error) {
	ctx, cancel := context.WithTimeout(ctx, readWaitMax)
	defer cancel()
	p.js.CleanupPublisher() // what an earlier session has sent is of no more interest
	stream, err := p.view.prepare(ctx, p.js)
	if err != nil {
		return nil, err
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return nil, err
	}
	b := &bucket{Publisher: p, stream: stream, created: info.Created, seq: info.State.LastSeq, entries: map[string]*entry{}}
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	// Asked last, so that what the bucket holds of this log's history lies before the head.
	if b.head, err = p.model.Head(ctx); err != nil {
		return nil, fmt.Errorf("ask for the log's head: %w", err)
	}
	b.position = b.highest(b.head.LogID)
	return b, nil
}

// Prepare makes sure that there is a bucket for the view, for a server that has room for no other stream.
func (v View) Prepare(ctx context.Context, js jetstream.JetStream) error {
	_, err := v.prepare(ctx, js)
	return err
}

// prepare creates the bucket, or sets right in another's what the view needs. The rest, such as replicas and storage, stays as an operator
// made it.
func (v View) prepare(ctx context.Context, js jetstream.JetStream) (jetstream.Stream, error) {
	name := "KV_" + v.Bucket
	stream, err := js.Stream(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		cfg := v.needed(jetstream.StreamConfig{Name: name, Storage: jetstream.MemoryStorage, MaxBytes: bucketBytesMax, MaxMsgSize: valueBytesMax})
		// Revisions go on where those of a lost bucket ended: a watcher that reconnects, and a publisher that was paused, must not take new ones
		// for old ones. No bucket is written a thousand times in every millisecond of its life.
		cfg.FirstSeq = uint64(time.Now().UnixMilli())
		return js.CreateStream(ctx, cfg)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("%w: the NATS server runs without JetStream; start it with JetStream to have live views, without them the ledger is whole", err)
	case err != nil:
		return nil, err
	}
	have := stream.CachedInfo().Config
	if need := v.needed(have); !reflect.DeepEqual(have, need) {
		return js.UpdateStream(ctx, need)
	}
	return stream, nil
}

func (v View) needed(cfg jetstream.StreamConfig) jetstream.StreamConfig {
	all := "$KV." + v.Bucket + ".>"
	cfg.Subjects = []string{all}
	cfg.MaxMsgsPerSubject = 1
	cfg.MaxMsgs, cfg.MaxConsumers, cfg.MaxAge = -1, -1, 0
	cfg.Discard = jetstream.DiscardNew
	cfg.AllowRollup, cfg.DenyDelete, cfg.AllowDirect = true, true, true
	cfg.Duplicates = duplicatesKept
	cfg.RePublish = &jetstream.RePublish{Source: all, Destination: Subject(v.Bucket, ">")}
	return cfg
}

// read takes every value. One that is written meanwhile and not seen has a revision beyond seq, and refuses the next put.
func (b *bucket) read(ctx context.Context) error {
	kv, err := b.js.KeyValue(ctx, b.view.Bucket)
	if err != nil {
		return err
	}
	all, err := kv.WatchAll(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err := all.Stop(); !errors.Is(err, nats.ErrConnectionClosed) {
			for range all.Updates() { // what nobody takes would keep the library's goroutine, and all that it still has to hand over
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("read after %d keys: %w", len(b.entries), ctx.Err())
		case e, open := <-all.Updates():
			if !open {
				return errors.New("the connection was closed")
			}
			if e == nil {
				return nil
			}
			b.take(e)
		}
	}
}

func (b *bucket) take(e jetstream.KeyValueEntry) {
	b.seq = max(b.seq, e.Revision())
	switch {
	case e.Operation() != jetstream.KeyValuePut:
		delete(b.entries, e.Key())
	case e.Key() == MarkKey:
		b.mark = e.Value()
	default:
		b.entries[e.Key()] = &entry{value: e.Value()}
	}
}

func (b *bucket) highest(log uuid.UUID) es.Position {
	var highest es.Position
	see := func(value []byte) {
		if s := readStamp(value); s.LogID == log {
			highest = max(highest, s.Position)
		}
	}
	see(b.mark)
	for _, e := range b.entries {
		see(e.value)
	}
	return highest
}

// check returns errConflict where the bucket is not as this publisher left it.
func (b *bucket) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestWaitMax)
	defer cancel()
	info, err := b.stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("look at bucket %s: %w", b.view.Bucket, err)
	}
	if info.State.LastSeq != b.seq || !info.Created.Equal(b.created) {
		return errConflict
	}
	return nil
}

// round brings the bucket to what the read model is now, and tells whether anything had to be written.
func (b *bucket) round(ctx context.Context) (wrote bool, err error) {
	var puts []put
	var at engine.Checkpoint
	err = b.model.View(ctx, func(s engine.Snapshot) (err error) {
		if at, err = s.Checkpoint(ctx, b.view.Spec); err != nil {
			return err
		}
		if at.Position == 0 {
			at.LogID = b.head.LogID // the view of a log that is empty
		}
		puts, err = b.compare(ctx, s, at)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("read view %s: %w", b.view.Spec.Name, err)
	}
	if err := b.judge(at); err != nil {
		return false, err
	}
	mark, err := json.Marshal(Mark{LogID: at.LogID, Position: at.Position, Ordinal: at.Ordinal, Keys: len(b.entries)})
	if err != nil {
		return false, fmt.Errorf("encode mark: %w", err)
	}
	if len(puts) > 0 || !bytes.Equal(mark, b.mark) {
		puts = append(puts, put{MarkKey, mark})
	}
	for some := range slices.Chunk(puts, putsInFlightMax) {
		if err := b.send(ctx, some); err != nil {
			return false, fmt.Errorf("write bucket %s: %w", b.view.Bucket, err)
		}
	}
	b.mark, b.at, b.position = mark, at, at.Position
	return len(puts) > 0, nil
}

// judge tells whether this publisher may write: nil, or why another's word counts.
func (b *bucket) judge(at engine.Checkpoint) error {
	switch {
	case at.LogID != b.head.LogID:
		return fmt.Errorf("view %s was built from log %s, and the recorder holds log %s: only that log's views are live",
			b.view.Spec.Name, at.LogID, b.head.LogID)
	case at.Position < b.at.Position:
		return fmt.Errorf("view %s went back from position %d to %d: it is being rebuilt", b.view.Spec.Name, b.at.Position, at.Position)
	case at.Position < b.position && b.position <= b.head.Position:
		return fmt.Errorf("view %s is at position %d, and bucket %s was written at %d: it waits until the view has caught up",
			b.view.Spec.Name, at.Position, b.view.Bucket, b.position)
	}
	return nil // what the bucket may hold from beyond the log's end is of a log that has been cut, or restored from a copy
}

// compare makes the entries what the read model has, and returns what to write for it, in the order of the rows and vanished keys at the end.
func (b *bucket) compare(ctx context.Context, s engine.Snapshot, at engine.Checkpoint) (puts []put, err error) {
	b.rounds++
	for row, err := range s.Scan(ctx, b.view.Spec.Tables[b.view.Table], engine.Range{}) {
		if err != nil {
			return nil, err
		}
		key := b.view.Key(row)
		e := b.entries[key]
		same, err := b.same(e, row, at)
		if err != nil {
			return nil, err
		}
		if !same {
			value, err := b.view.Value(row, at)
			if err != nil {
				return nil, err
			}
			puts = append(puts, put{key, value})
		}
		if e == nil {
			e = &entry{}
			b.entries[key] = e
		}
		e.value, e.row, e.round = nil, row, b.rounds
	}
	kept := len(puts)
	for key, e := range b.entries {
		if e.round != b.rounds {
			puts = append(puts, put{key: key})
			delete(b.entries, key)
		}
	}
	slices.SortFunc(puts[kept:], func(a, b put) int { return strings.Compare(a.key, b.key) })
	return puts, nil
}

// same tells whether the bucket holds the row. The position at which it was written does not count, unless the view has never been there.
func (b *bucket) same(e *entry, row engine.Row, at engine.Checkpoint) (bool, error) {
	switch {
	case e == nil:
		return false, nil
	case e.row != nil:
		return slices.Equal(e.row, row), nil
	}
	written := readStamp(e.value)
	if written.LogID != at.LogID || written.Position > at.Position {
		return false, nil
	}
	at.Position, at.Ordinal = written.Position, written.Ordinal
	value, err := b.view.Value(row, at)
	return bytes.Equal(e.value, value), err
}

// send writes in order. The first put is on condition that the bucket is at the revision that is known, each other that the put before it is
// the bucket's last: what is stored when an error comes is a beginning of puts, and nothing of anybody else lies between. Revisions alone would
// not do: where somebody else writes right before the first put, the second would find the revision that it expects.
func (b *bucket) send(ctx context.Context, puts []put) error {
	ctx, cancel := context.WithTimeout(ctx, putsWaitMax)
	defer cancel()
	answers := make([]jetstream.PubAckFuture, len(puts))
	condition := jetstream.WithExpectLastSequence(b.seq)
	for i, p := range puts {
		m := nats.NewMsg("$KV." + b.view.Bucket + "." + p.key)
		if m.Data = p.value; p.value == nil {
			m.Header.Set("KV-Operation", "DEL")
		}
		id := uuid.NewString()
		var err error
		if answers[i], err = b.js.PublishMsgAsync(m, jetstream.WithMsgID(id), condition); err != nil {
			return err
		}
		condition = jetstream.WithExpectLastMsgID(id)
	}
	for _, a := range answers {
		if err := b.settle(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// settle waits for the answer to the next put.
func (b *bucket) settle(ctx context.Context, a jetstream.PubAckFuture) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("no answer to a put: %w", ctx.Err())
	case err := <-a.Err():
		if isConflict(err) {
			return fmt.Errorf("%w: %w", errConflict, err)
		}
		return err
	case ack := <-a.Ok():
		if b.seq++; ack.Sequence != b.seq {
			return fmt.Errorf("%w: a put got revision %d, not %d", errConflict, ack.Sequence, b.seq)
		}
		return nil
	}
}

// isConflict tells that a put was refused for its condition.
func isConflict(err error) bool {
	const wrongLastMsgID = 10070 // of the server; the client's library does not name it
	var refused *jetstream.APIError
	if !errors.As(err, &refused) {
		return false
	}
	switch refused.ErrorCode {
	case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant, wrongLastMsgID:
		return true
	}
	return false
}
