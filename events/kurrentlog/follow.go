package kurrentlog

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/allied-ledger/allied/events/es"
)

const (
	retryDelayMin = 50 * time.Millisecond
	retryDelayMax = 2 * time.Second
	ringBytesMax  = 8 << 20
	// ringEntryBytes is what an entry takes beside its record.
	ringEntryBytes = 256
	// silenceMax is how long a subscription may bring nothing while somebody waits for what the server is known to have; it is given up within
	// twice as long.
	silenceMax = 3 * time.Second
)

// follower is what is known of the log from $all as it grows.
type follower struct {
	names  names
	closed <-chan struct{} // with the log

	mu      sync.Mutex
	seen    es.Position // the last event of $all, of whatever kind
	wanted  es.Position // an event of $all that the server has, as somebody knows who waits for it
	last    es.Head
	index   index
	ring    []es.Entry // the newest entries
	bytes   int        // of ring
	gone    int        // bytes of entries that were let go, and that the memory behind ring still holds
	waiting map[string][]*expected
	failed  *es.DamageError // what ended the following for good
	lost    error           // why the server is not followed now
	grown   chan struct{}   // closed and replaced when anything here changes
	watched bool            // somebody waits for grown
}

func newFollower(n names, closed <-chan struct{}) *follower {
	return &follower{
		names: n, closed: closed, waiting: make(map[string][]*expected), grown: make(chan struct{}),
		lost: fmt.Errorf("%w: the store is not followed yet", es.ErrBusy),
	}
}

// resume begins with a loaded index, and where that ends.
func (f *follower) resume(x index, last es.Position) {
	f.index, f.seen, f.last = x, last, es.Head{Position: last, Events: x.len()}
}

// expected is an append that waits to be seen.
type expected struct {
	es.Append
	seen    int       // how many of its records
	differs bool      // one of them with other bytes
	result  es.Result // once all were seen
}

// expect watches for an append until forget.
func (f *follower) expect(a es.Append) *expected {
	x := &expected{Append: a}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting[a.Stream] = append(f.waiting[a.Stream], x)
	return x
}

func (f *follower) forget(x *expected) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := slices.DeleteFunc(f.waiting[x.Stream], func(other *expected) bool { return other == x })
	if len(all) == 0 {
		delete(f.waiting, x.Stream)
		return
	}
	f.waiting[x.Stream] = all
}

// meet notes an entry that may belong to the append.
func (x *expected) meet(e es.Entry) {
	if x.seen == len(x.Records) || int64(e.Revision) != x.Expected+1+int64(x.seen) || e.ID != x.Records[x.seen].ID {
		return
	}
	x.differs = x.differs || !bytes.Equal(e.Bytes, x.Records[x.seen].Bytes)
	if x.seen++; x.seen == len(x.Records) {
		x.result = es.Result{Position: e.Position, Ordinal: e.Ordinal, Repeated: x.differs}
	}
}

// followAll follows $all until ctx ends or the log is found damaged, over as many subscriptions as it takes.
func (l *Log) followAll(ctx context.Context) {
	for delay := retryDelayMin; ; delay = min(2*delay, retryDelayMax) {
		began := l.follow.position()
		err := l.subscribe(ctx)
		if ctx.Err() != nil {
			return
		}
		if l.follow.position() > began {
			delay = retryDelayMin
		}
		l.follow.lose(err)
		if errors.As(err, new(*es.DamageError)) {
			l.cfg.Logger.Error("the log is damaged", zap.Error(err))
			return
		}
		l.cfg.Logger.Warn("the store is not followed; trying again", zap.Duration("retry_in", delay), zap.Error(err))
		if pause(ctx, delay) != nil {
			return
		}
	}
}

// subscribe follows $all until the subscription ends, and says why it did.
func (l *Log) subscribe(ctx context.Context) error {
	// A connection of its own: those of the pool may all be lent to readers that wait for what comes here.
	client, err := l.reads.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // never fails
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watching.Go(func() { l.follow.watch(ctx, cancel) })
	options := esdb.SubscribeToAllOptions{From: esdb.Start{}, RequiresLeader: true}
	// From an event of the log, since the server may have removed others, and then refuses their places.
	if last := l.follow.rewind(); last.Position > 0 {
		if err := holds(ctx, client, last); err != nil {
			return err
		}
		options.From = esdb.Position{Commit: uint64(last.Position), Prepare: uint64(last.Position)}
	}
	s, err := client.SubscribeToAll(leaderOnly(ctx), options)
	if err != nil {
		return err
	}
	defer s.Close()
	l.follow.lose(nil)
	for {
		m := s.Recv()
		switch {
		case m.SubscriptionDropped != nil:
			return fmt.Errorf("the subscription was dropped: %w", cmp.Or(context.Cause(ctx), m.SubscriptionDropped.Error))
		case m.EventAppeared != nil && m.EventAppeared.OriginalEvent() != nil:
			if err := l.follow.absorb(m.EventAppeared.OriginalEvent()); err != nil {
				return err
			}
		}
	}
}

// errSetBack: the server does not hold what it held. Nothing is appended then: it would stand in the place of what is missing.
var errSetBack = errors.New("the store was set back to an earlier state, or its leader lags behind")

// rewind goes back to the log's last entry and returns it; of one that is known from the index there is the position alone. Others' events behind
// it come again, or not at all where the store was set back to before them: then an event of the log may come in their place.
func (f *follower) rewind() es.Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = f.last.Position
	if n := len(f.ring); n > 0 {
		return f.ring[n-1]
	}
	return es.Entry{Position: f.last.Position}
}

// holds checks that the server has the log's last entry where it was seen before.
func holds(ctx context.Context, client *esdb.Client, last es.Entry) error {
	at := uint64(last.Position)
	r, err := client.ReadAll(leaderOnly(ctx), esdb.ReadAllOptions{From: esdb.Position{Commit: at, Prepare: at}, RequiresLeader: true}, 1)
	if err != nil {
		return err
	}
	defer r.Close()
	e, err := receive(r)
	switch {
	case errors.Is(err, io.EOF), strings.Contains(strings.ToLower(serverStatus(err).Message()), "position"): // where no event begins
	case err != nil:
		return err
	case e.OriginalEvent() != nil && e.OriginalEvent().Position.Commit == at && (last.ID == uuid.Nil || last.ID == e.OriginalEvent().EventID):
		return nil
	}
	return fmt.Errorf("%w: it does not hold the log's event at position %d", errSetBack, at)
}

// absorb takes the next event of $all. Its error is an *es.DamageError.
func (f *follower) absorb(e *esdb.RecordedEvent) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := es.Position(e.Position.Commit)
	if at <= f.seen {
		return nil // a repeat
	}
	entry, own, err := f.names.entry(e)
	if err != nil {
		return err
	}
	f.seen = at
	if own {
		entry.Prev, entry.Ordinal = f.last.Position, f.last.Events
		f.last = es.Head{Position: at, Events: f.last.Events + 1}
		f.index.add(at)
		f.keep(entry)
		for _, x := range f.waiting[entry.Stream] {
			x.meet(entry)
		}
	}
	f.wake()
	return nil
}

// keep puts an entry into the ring, and lets the oldest go. Readers hold parts of it, so nothing in it is written twice. The caller holds mu.
func (f *follower) keep(e es.Entry) {
	f.ring, f.bytes = append(f.ring, e), f.bytes+len(e.Bytes)+ringEntryBytes
	n := 0
	for ; f.bytes > ringBytesMax && n < len(f.ring)-1; n++ {
		gone := len(f.ring[n].Bytes) + ringEntryBytes
		f.bytes, f.gone = f.bytes-gone, f.gone+gone
	}
	f.ring = f.ring[n:]
	if f.gone > ringBytesMax {
		f.ring, f.gone = slices.Clone(f.ring), 0
	}
}

// wake tells who waits that something changed. The caller holds mu.
func (f *follower) wake() {
	if f.watched {
		close(f.grown)
		f.grown, f.watched = make(chan struct{}), false
	}
}

// lose notes why the server is not followed now, or that it is.
func (f *follower) lose(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = err
	var d *es.DamageError
	if errors.As(err, &d) {
		f.failed = d
	}
	f.wake()
}

func (f *follower) position() es.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

func (f *follower) head() es.Head {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// refusal is nil while appends are taken.
func (f *follower) refusal() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.failed != nil:
		return &DamagedError{f.failed}
	case f.lost != nil && !errors.Is(f.lost, es.ErrBusy):
		return fmt.Errorf("%w: %w", es.ErrBusy, f.lost)
	}
	return f.lost
}

// until returns once ready does, asked again whenever something has changed; its errors are the damage, ctx's, and es.ErrClosed. ready is
// called with mu held.
func (f *follower) until(ctx context.Context, ready func() bool) error {
	for {
		f.mu.Lock()
		if ready() {
			f.mu.Unlock()
			return nil
		}
		failed, grown := f.failed, f.grown
		f.watched = true
		f.mu.Unlock()
		if failed != nil {
			return failed
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		case <-f.closed:
			return es.ErrClosed
		}
	}
}

// await returns once the follower has passed a position of $all.
func (f *follower) await(ctx context.Context, at uint64) error {
	return f.until(ctx, func() bool { return f.passed(at) })
}

// passed tells whether the follower has seen all of $all up to a position that the server is known to have. The caller holds mu.
func (f *follower) passed(at uint64) bool {
	f.wanted = max(f.wanted, es.Position(at))
	return uint64(f.seen) >= at
}

// watch gives a subscription up that has fallen silent: its node may be cut off from the others, and its connection stand all the same.
func (f *follower) watch(ctx context.Context, giveUp context.CancelCauseFunc) {
	tick := time.NewTicker(silenceMax)
	defer tick.Stop()
	lagged, before := false, es.Position(0)
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		f.mu.Lock()
		lags, seen := f.wanted > f.seen, f.seen
		f.mu.Unlock()
		if lags && lagged && seen == before {
			giveUp(fmt.Errorf("it has brought nothing after position %d for %s, and the server has more", seen, silenceMax))
			return
		}
		lagged, before = lags, seen
	}
}

// awaitPage returns a page once it is full; ok is false where ctx ends, or the log is closed or damaged, before.
func (f *follower) awaitPage(ctx context.Context, n int) (p page, ok bool) {
	err := f.until(ctx, func() bool {
		ok = n < len(f.index.pages)
		if ok {
			p = f.index.pages[n]
		}
		return ok
	})
	return p, err == nil
}

// entry makes an entry of an event of $all or of a stream, without what only the log's order tells. own is false for others' events.
func (n names) entry(e *esdb.RecordedEvent) (entry es.Entry, own bool, err error) {
	stream, ok := n.ledger(e.StreamID)
	if !ok || !strings.HasPrefix(e.EventType, typePrefix) {
		return entry, false, nil
	}
	at := es.Position(e.Position.Commit)
	if e.Position.Prepare != e.Position.Commit {
		return entry, true, damage("$all", at, "event %s of stream %s was prepared at %d and committed at %d: an append of several streams, or of an old version of the server, which the ledger never makes",
			e.EventID, e.StreamID, e.Position.Prepare, e.Position.Commit)
	}
	return es.Entry{
		Position: at, Stream: stream, Revision: e.EventNumber, Record: es.Record{ID: e.EventID, Bytes: e.Data},
	}, true, nil
}

// pause returns after a while, or with ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
