package kurrentlog_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/kurrentlog"
	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
)

// More readers than there are connections wait for the follower, and do not keep it from coming back.
func TestReadersLeaveTheFollowerRoom(t *testing.T) {
	p := newPlace(t, kurrenttest.StoreConfig{})
	l := p.open(t)
	defer closeLog(t, l)
	lost, back := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var reads atomic.Int64
	p.store.OnRead(func(c kurrenttest.ReadCall) kurrenttest.Fault {
		switch {
		case c.Subscription && !isDone(back):
			once.Do(func() { close(lost) })
			return kurrenttest.Fault{Kind: kurrenttest.Cut}
		case strings.HasPrefix(c.Stream, "pledge-"):
			reads.Add(1)
		}
		return kurrenttest.Fault{}
	})
	p.store.DropSubscriptions()
	<-lost
	stream := es.StreamName("pledge", uuid.New())
	p.store.Insert(stream, kurrenttest.Event{ID: uuid.New(), Type: "allied.record", Data: []byte("x")})
	ctx, cancel := context.WithTimeout(t.Context(), answerWaitMax)
	defer cancel()
	var reading sync.WaitGroup
	for range 100 {
		reading.Go(func() {
			if err := lastError(l.ReadStream(ctx, stream, 0)); err != nil {
				t.Error(err)
			}
		})
	}
	awaitThat(t, ctx, func() bool { return reads.Load() >= 64 }) // all connections are lent
	close(back)
	reading.Wait()
}

// awaitThat returns once something is so.
func awaitThat(t *testing.T, ctx context.Context, so func() bool) {
	t.Helper()
	for !so() {
		wait, stop := context.WithTimeout(ctx, time.Millisecond)
		<-wait.Done()
		stop()
		if ctx.Err() != nil {
			t.Fatal("it never came")
		}
	}
}

// A subscription that says nothing more, on a connection that stands, is given up, and the log followed again.
func TestASilentSubscriptionIsGivenUp(t *testing.T) {
	t.Parallel()
	p := newPlace(t, kurrenttest.StoreConfig{})
	var once sync.Once
	p.store.OnRead(func(c kurrenttest.ReadCall) (f kurrenttest.Fault) {
		if c.Subscription {
			once.Do(func() { f = kurrenttest.Fault{Kind: kurrenttest.Silence, AfterEvents: 3} })
		}
		return f
	})
	l := p.open(t)
	defer closeLog(t, l)
	w := &load{writers: 2, rounds: 3}
	w.run(t.Context(), t, l)
	w.check(t, l)
}

// A log that goes on while its store is set back to an earlier state appends nothing there: not while events are missing, and not when others stand
// in their places.
func TestALogRefusesToGoOnInAStoreSetBack(t *testing.T) {
	p := newPlace(t, kurrenttest.StoreConfig{})
	l := p.open(t)
	defer closeLog(t, l)
	w := &load{writers: 2, rounds: 3}
	w.run(t.Context(), t, l)
	all := p.store.All()
	lost := all[len(all)-1]
	if err := p.node.Stop(); err != nil {
		t.Fatal(err)
	}
	p.store.SetBack(len(all) - 1)
	if err := p.node.Start(); err != nil {
		t.Fatal(err)
	}
	refuses := func() bool {
		err := l.Refusal()
		return err != nil && strings.Contains(err.Error(), "set back")
	}
	refused := func(when string) {
		t.Helper()
		before := len(p.store.All())
		r := l.Append(t.Context(), []es.Append{{Stream: w.stream(9), Expected: es.NoStream, Records: w.records(9, 0, 0)}})[0]
		if !errors.Is(r.Err, es.ErrBusy) || len(p.store.All()) != before {
			t.Errorf("%s, an append is answered %v, and %d events are added", when, r.Err, len(p.store.All())-before)
		}
		if h, err := l.Head(t.Context()); err == nil {
			t.Errorf("%s, the head is told as %+v", when, h)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), answerWaitMax)
	defer cancel()
	awaitThat(t, ctx, refuses)
	refused("with an event missing")
	other := kurrenttest.Event{ID: uuid.New(), Type: lost.Type, Data: lost.Data, Metadata: lost.Metadata}
	if at := p.store.Insert(lost.Stream, other)[0].Commit; at != lost.Commit {
		t.Fatalf("the other event is at position %d, not %d", at, lost.Commit)
	}
	var looks atomic.Int64
	p.store.OnRead(func(c kurrenttest.ReadCall) kurrenttest.Fault {
		if c.Stream == "" {
			looks.Add(1)
		}
		return kurrenttest.Fault{}
	})
	awaitThat(t, ctx, func() bool { return looks.Load() >= 2 })
	if !refuses() {
		t.Errorf("with another event in its place: %v", l.Refusal())
	}
	refused("with another event in its place")
}

// A log that cannot be followed from where its index ends says so when it is opened.
func TestAnIndexBeyondTheLogIsTold(t *testing.T) {
	t.Parallel()
	p := newPlace(t, kurrenttest.StoreConfig{})
	l := p.open(t)
	(&load{writers: 1, rounds: 1}).run(t.Context(), t, l)
	closeLog(t, l)
	p.store.Insert("allied_index", kurrenttest.Event{ID: uuid.New(), Type: "AlliedIndexPage", Data: bytes.Repeat([]byte{1}, kurrentlog.PageEvents)})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := kurrentlog.Open(ctx, kurrentlog.Config{URL: p.node.URL()})
	if err == nil || !strings.Contains(err.Error(), "does not hold the log's event at position 4096") {
		t.Errorf("opened with %v", err)
	}
}

// A node that has lost the lead and does not know it shows less than was seen before: that is no damage while another shows all.
func TestALeaderThatIsBehindIsNoDamage(t *testing.T) {
	p := newPlace(t, kurrenttest.StoreConfig{})
	l := p.open(t)
	defer closeLog(t, l)
	w := &load{writers: 2, rounds: 3}
	w.run(t.Context(), t, l)
	behind := true
	p.store.OnRead(func(c kurrenttest.ReadCall) (f kurrenttest.Fault) {
		if c.Stream == "" && !c.Subscription && !c.Backwards && behind {
			behind = false
			f = kurrenttest.Fault{Kind: kurrenttest.Behind, AfterEvents: 4}
		}
		return f
	})
	w.check(t, l)
	p.store.OnRead(func(c kurrenttest.ReadCall) (f kurrenttest.Fault) {
		if c.Stream == "" && !c.Subscription && !c.Backwards {
			f = kurrenttest.Fault{Kind: kurrenttest.Behind, AfterEvents: 0}
		}
		return f
	})
	wantDamage(t, "a server that never shows the last events", lastError(l.Read(t.Context(), 0)), "the last were removed")
}

// A read that is cut off in its middle, or that the server has taken and does not answer, goes on behind its last event on another connection, also for
// callers who set no time.
func TestABrokenReadGoesOn(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]kurrenttest.Fault{
		"cut": {Kind: kurrenttest.Cut}, "silent": {Kind: kurrenttest.Silence}, "refused": {Kind: kurrenttest.Answer, Code: codes.Unavailable, Message: "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, kurrenttest.StoreConfig{})
			l := p.open(t)
			defer closeLog(t, l)
			w := &load{writers: 1, rounds: 6}
			w.run(t.Context(), t, l)
			for stream, read := range map[string]func(context.Context) iter.Seq2[es.Entry, error]{
				w.stream(0): func(ctx context.Context) iter.Seq2[es.Entry, error] { return l.ReadStream(ctx, w.stream(0), 0) },
				"":          func(ctx context.Context) iter.Seq2[es.Entry, error] { return l.Read(ctx, 0) },
			} {
				struck := false
				p.store.OnRead(func(c kurrenttest.ReadCall) (f kurrenttest.Fault) {
					if c.Stream == stream && !c.Subscription && !c.Backwards && !struck {
						struck = true
						f = fault
						f.AfterEvents = 5
					}
					return f
				})
				ctx, cancel := context.WithTimeout(t.Context(), answerWaitMax)
				next := uint64(0)
				for e, err := range read(ctx) {
					if err != nil || e.Revision != next || e.Ordinal != next {
						t.Fatalf("stream %q, event %d: %+v, %v", stream, next, e, err)
					}
					next++
				}
				cancel()
				if next != 12 || !struck {
					t.Errorf("stream %q: %d events are read; want 12", stream, next)
				}
			}
		})
	}
}

// A read that gets no further is given up: the event with which it is taken up again is none.
func TestAReadThatGetsNoFurtherEnds(t *testing.T) {
	p := newPlace(t, kurrenttest.StoreConfig{})
	l := p.open(t)
	defer closeLog(t, l)
	(&load{writers: 1, rounds: 2}).run(t.Context(), t, l)
	p.store.OnRead(func(c kurrenttest.ReadCall) kurrenttest.Fault {
		if c.Stream != "" || c.Subscription || c.Backwards {
			return kurrenttest.Fault{}
		}
		return kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.Unavailable, Message: "EOF", AfterEvents: 1}
	})
	ctx, cancel := context.WithTimeout(t.Context(), answerWaitMax/4)
	defer cancel()
	if err := lastError(l.Read(ctx, 0)); err == nil || ctx.Err() != nil {
		t.Errorf("it ended with %v, and its caller with %v", err, ctx.Err())
	}
}

// A store that was set back to the log's last event, and lost only others' events behind it, is gone on with: what comes in their place is seen.
func TestEventsInThePlaceOfOthersThatWereLostAreSeen(t *testing.T) {
	p := newPlace(t, kurrenttest.StoreConfig{})
	l := p.open(t)
	defer closeLog(t, l)
	w := &load{writers: 1, rounds: 2}
	w.run(t.Context(), t, l)
	kept := len(p.store.All())
	for range 50 {
		p.store.Insert("customer-1", kurrenttest.Event{ID: uuid.New(), Type: "customer.moved", Data: bytes.Repeat([]byte("x"), 1000)})
	}
	if _, err := l.Head(t.Context()); err != nil { // and the follower has passed them
		t.Fatal(err)
	}
	if err := p.node.Stop(); err != nil {
		t.Fatal(err)
	}
	p.store.SetBack(kept)
	if err := p.node.Start(); err != nil {
		t.Fatal(err)
	}
	w.rounds, w.resent = 5, true
	w.run(t.Context(), t, l)
	w.check(t, l)
	again := p.open(t)
	defer closeLog(t, again)
	w.check(t, again)
}
