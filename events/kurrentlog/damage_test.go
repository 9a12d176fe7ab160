package kurrentlog_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/kurrentlog"
	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
)

// damageOf is the damage that an error tells of, nil where it tells of none.
func damageOf(err error) *es.DamageError {
	var d *es.DamageError
	errors.As(err, &d)
	return d
}

func lastError[T any](entries func(func(T, error) bool)) (last error) {
	for _, err := range entries {
		last = err
	}
	return last
}

// wantDamage wants an error that names the damage and tells what to do.
func wantDamage(t *testing.T, what string, err error, detail string) {
	t.Helper()
	d := damageOf(err)
	if d == nil || !strings.Contains(d.Detail, detail) || d.Remedy == "" || d.File == "" {
		t.Errorf("%s: %v; want damage of which it says %q", what, err, detail)
	}
}

// What others write among the ledger's events is passed over; what they do to the ledger's own streams is damage.
func TestWhatOthersDoToTheLogIsFound(t *testing.T) {
	begun := func(t *testing.T) (place, *kurrentlog.Log, *load) {
		p := newPlace(t, kurrenttest.StoreConfig{})
		l := p.open(t)
		t.Cleanup(func() { closeLog(t, l) })
		w := &load{writers: 2, rounds: 3}
		w.run(t.Context(), t, l)
		return p, l, w
	}
	reopened := func(t *testing.T, p place) *kurrentlog.Log {
		l := p.open(t)
		t.Cleanup(func() { closeLog(t, l) })
		return l
	}
	t.Run("events in streams of their own", func(t *testing.T) {
		p, l, w := begun(t)
		p.store.Insert("customer-1", kurrenttest.Event{ID: uuid.New(), Type: "customer.moved", Data: []byte("{}")})
		p.store.Insert("$stats-1", kurrenttest.Event{ID: uuid.New(), Type: "allied.pretended", Data: []byte("{}")})
		w.check(t, l)
		w.check(t, reopened(t, p))
	})
	t.Run("an event in a stream of the ledger", func(t *testing.T) {
		p, l, w := begun(t)
		p.store.Insert(w.stream(0), kurrenttest.Event{ID: uuid.New(), Type: "note", Data: []byte("{}")})
		wantDamage(t, "the stream", lastError(l.ReadStream(t.Context(), w.stream(0), 0)), "has not written")
		r := l.Append(t.Context(), []es.Append{{Stream: w.stream(0), Expected: 5, Records: w.records(0, 3, 0)}})[0]
		wantDamage(t, "an append before it", r.Err, "has not written")
		if !errors.Is(r.Err, es.ErrBusy) {
			t.Errorf("an append is answered %v; nothing was recorded", r.Err)
		}
	})
	t.Run("an event whose prepare is apart from its commit", func(t *testing.T) {
		p, l, w := begun(t)
		p.store.Insert(w.stream(5), kurrenttest.Event{ID: uuid.New(), Type: "allied.record", Data: []byte("x"), Apart: 7})
		_, err := l.Head(t.Context())
		wantDamage(t, "head", err, "prepared at")
		wantDamage(t, "read", lastError(l.Read(t.Context(), 0)), "prepared at")
		wantDamage(t, "tail", lastError(l.Tail(t.Context(), 0)), "prepared at")
		wantDamage(t, "append", l.Append(t.Context(), []es.Append{{Stream: w.stream(7), Expected: -1, Records: w.records(7, 0, 0)}})[0].Err, "prepared at")
		wantDamage(t, "refusal", l.Refusal(), "prepared at")
		_, err = kurrentlog.Open(t.Context(), kurrentlog.Config{URL: p.node.URL()})
		wantDamage(t, "open", err, "prepared at")
	})
	t.Run("a stream deleted for ever", func(t *testing.T) {
		p, l, w := begun(t)
		p.store.Tombstone(w.stream(0))
		wantDamage(t, "the stream", lastError(l.ReadStream(t.Context(), w.stream(0), 0)), "deleted")
		r := l.Append(t.Context(), []es.Append{{Stream: w.stream(0), Expected: 5, Records: w.records(0, 3, 0)}})[0]
		wantDamage(t, "append", r.Err, "deleted")
		if !errors.Is(r.Err, es.ErrBusy) {
			t.Errorf("an append is answered %v; nothing was recorded", r.Err)
		}
	})
	t.Run("a stream truncated", func(t *testing.T) {
		p, l, w := begun(t)
		client := p.client(t)
		var meta esdb.StreamMetadata
		meta.SetTruncateBefore(2)
		if _, err := client.SetStreamMetadata(t.Context(), w.stream(0), esdb.AppendToStreamOptions{}, meta); err != nil {
			t.Fatal(err)
		}
		wantDamage(t, "the stream", lastError(l.ReadStream(t.Context(), w.stream(0), 0)), "truncated")
	})
	t.Run("a stream deleted softly", func(t *testing.T) {
		p, l, w := begun(t)
		p.store.Delete(w.stream(0))
		wantDamage(t, "the stream", lastError(l.ReadStream(t.Context(), w.stream(0), 0)), "deleted or limited")
		r := l.Append(t.Context(), []es.Append{{Stream: w.stream(0), Expected: es.NoStream, Records: w.records(0, 9, 0)}})[0]
		wantDamage(t, "an append that begins it anew", r.Err, "truncated or deleted")
	})
}

func (p place) client(t *testing.T) *esdb.Client {
	t.Helper()
	config, err := esdb.ParseConnectionString(p.node.URL())
	if err != nil {
		t.Fatal(err)
	}
	config.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// A store that was set back to an earlier state is found by a log that has seen more, and by positions that lie beyond it.
func TestAStoreSetBackIsFound(t *testing.T) {
	p := newPlace(t, kurrenttest.StoreConfig{})
	l := p.open(t)
	defer closeLog(t, l)
	(&load{writers: 2, rounds: 3}).run(t.Context(), t, l)
	head, err := l.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old := newPlace(t, kurrenttest.StoreConfig{}) // as restored from a backup of before
	fresh := old.open(t)
	defer closeLog(t, fresh)
	if err := lastError(fresh.Read(t.Context(), head.Position)); err == nil {
		t.Error("a position beyond the end is read")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := lastError(fresh.Tail(ctx, head.Position)); err == nil || ctx.Err() != nil {
		t.Errorf("a tail beyond the end: %v", err)
	}
}
