package kurrentlog_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/kurrentlog"
	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
)

// Several recorders on one store share the log: writers that send each append through whichever, under faults, lose and double nothing.
func TestSeveralRecordersShareALog(t *testing.T) {
	leavesNothing(t, func() {
		p := newPlace(t, kurrenttest.StoreConfig{})
		a, b := p.open(t), p.open(t)
		defer closeLog(t, a)
		defer closeLog(t, b)
		if a.ID() != b.ID() {
			t.Fatalf("logs %s and %s on one store", a.ID(), b.ID())
		}
		var n atomic.Int64
		p.store.OnAppend(func(kurrenttest.AppendCall) kurrenttest.Fault {
			if n.Add(1)%5 > 0 {
				return kurrenttest.Fault{}
			}
			return kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.Unavailable, Message: "EOF", After: true}
		})
		w := &load{writers: 8, rounds: 20}
		w.run(t.Context(), t, a, b)
		p.store.OnAppend(nil)
		w.check(t, a)
		w.check(t, b)
	})
}

// Sixteen writers race through two recorders, and one wins each revision; the head of either includes what the other has answered.
func TestRevisionsFenceSeveralRecorders(t *testing.T) {
	p := newPlace(t, kurrenttest.StoreConfig{})
	logs := []es.Log{p.open(t), p.open(t)}
	for _, l := range logs {
		defer closeLog(t, l)
	}
	stream := es.StreamName("pledge", uuid.New())
	for revision := range int64(20) {
		won := make(chan es.Result, 16)
		for writer := range 16 {
			go func() {
				r := es.Record{ID: uuid.New(), Bytes: fmt.Appendf(nil, "writer %d", writer)}
				won <- logs[writer%2].Append(t.Context(), []es.Append{{Stream: stream, Expected: revision - 1, Records: []es.Record{r}}})[0]
			}()
		}
		winners := 0
		for range 16 {
			r := <-won
			var conflict *es.ConflictError
			switch {
			case r.Err == nil:
				winners++
				for i, l := range logs {
					if h, err := l.Head(t.Context()); err != nil || h.Position < r.Position {
						t.Errorf("recorder %d has its head at %d, %v, when position %d is answered", i, h.Position, err, r.Position)
					}
				}
			case !errors.As(r.Err, &conflict) || conflict.Actual < revision:
				t.Errorf("revision %d: %v", revision, r.Err)
			}
		}
		if winners != 1 {
			t.Fatalf("revision %d was won by %d writers", revision, winners)
		}
	}
}

// A repeat sent to another recorder with other content is told from a first append, however far that recorder is behind.
func TestARepeatThroughAnotherRecorderIsKnown(t *testing.T) {
	p := newPlace(t, kurrenttest.StoreConfig{})
	a, b := p.open(t), p.open(t)
	defer closeLog(t, a)
	defer closeLog(t, b)
	for i := range 50 {
		id := uuid.New()
		send := func(l es.Log, content string) es.Result {
			return l.Append(t.Context(), []es.Append{{Stream: es.StreamName("pledge", id), Expected: -1, Records: []es.Record{{ID: id, Bytes: []byte(content)}}}})[0]
		}
		first, second := send(a, "one"), send(b, "two")
		if first.Err != nil || first.Repeated || second.Err != nil || !second.Repeated || second.Position != first.Position || second.Ordinal != first.Ordinal {
			t.Fatalf("round %d: %+v, and the repeat %+v", i, first, second)
		}
	}
}

// A start reads the pages that are kept, and not the whole log; whoever kept them, they are what counting gives.
func TestPagesOfTheIndexAreKept(t *testing.T) {
	p := newPlace(t, kurrenttest.StoreConfig{Noise: kurrenttest.Noise{Seed: 5, EventsMax: 1}})
	l, beside := p.open(t), p.open(t) // both keep pages
	stream := es.StreamName("pledge", uuid.New())
	events := 2*kurrentlog.PageEvents + 10
	for done := 0; done < events; {
		a := es.Append{Stream: stream, Expected: int64(done) - 1}
		for range min(500, events-done) {
			a.Records = append(a.Records, es.Record{ID: uuid.New(), Bytes: []byte("x")})
		}
		if r := l.Append(t.Context(), []es.Append{a})[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
		done += len(a.Records)
	}
	for len(p.store.Stream("allied_index")) < 2 { // which end the test by its own deadline, if they never come
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
	want := entries(t, l)
	closeLog(t, l)
	closeLog(t, beside)
	if n := len(p.store.Stream("allied_index")); n != 2 {
		t.Fatalf("%d pages are kept of %d events", n, events)
	}
	again := p.open(t)
	defer closeLog(t, again)
	got := entries(t, again)
	if len(got) != len(want) {
		t.Fatalf("%d entries; want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Position != want[i].Position || got[i].Prev != want[i].Prev || got[i].Ordinal != want[i].Ordinal || got[i].ID != want[i].ID {
			t.Fatalf("entry %d is %+v; want %+v", i, got[i], want[i])
		}
	}
	for i, e := range want {
		if i%997 != 0 {
			continue
		}
		next := 0
		for e2, err := range again.ReadStream(t.Context(), stream, e.Revision) {
			if err != nil || e2.Ordinal != e.Ordinal || e2.Prev != e.Prev {
				t.Fatalf("revision %d is %+v, %v; want %+v", e.Revision, e2, err, e)
			}
			if next++; next == 1 {
				break
			}
		}
	}
}

// An index that cannot be read is counted again: it is no part of the record.
func TestAnIndexThatIsGoneIsCountedAgain(t *testing.T) {
	for name, spoil := range map[string]func(*kurrenttest.Store){
		"deleted for ever": func(s *kurrenttest.Store) { s.Tombstone("allied_index") },
		"deleted":          func(s *kurrenttest.Store) { s.Delete("allied_index") },
		"no page": func(s *kurrenttest.Store) {
			s.Insert("allied_index", kurrenttest.Event{ID: uuid.New(), Type: "AlliedIndexPage", Data: []byte("no page")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, kurrenttest.StoreConfig{})
			w := &load{writers: 2, rounds: 3}
			l := p.open(t)
			w.run(t.Context(), t, l)
			closeLog(t, l)
			spoil(p.store)
			again := p.open(t)
			defer closeLog(t, again)
			w.check(t, again)
		})
	}
}

func entries(t *testing.T, l es.Log) (out []es.Entry) {
	t.Helper()
	for e, err := range l.Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// The leader of a cluster changes under load; appends go on with the next one.
func TestTheLeaderChangesUnderLoad(t *testing.T) {
	leavesNothing(t, func() {
		store := kurrenttest.NewStore(kurrenttest.StoreConfig{AppendBytesMax: appendBytesMax})
		nodes := []*kurrenttest.Node{
			kurrenttest.StartT(t, store, kurrenttest.NodeConfig{}), kurrenttest.StartT(t, store, kurrenttest.NodeConfig{}),
			kurrenttest.StartT(t, store, kurrenttest.NodeConfig{}),
		}
		l, err := kurrentlog.Open(t.Context(), kurrentlog.Config{URL: store.URL()})
		if err != nil {
			t.Fatal(err)
		}
		defer closeLog(t, l)
		w := &load{writers: 6, rounds: 40}
		written := make(chan struct{})
		go func() { w.run(t.Context(), t, l); close(written) }()
		for round := 0; !isDone(written); round++ {
			awaitMore(t, store, written)
			store.Lead(nodes[round%len(nodes)])
		}
		w.check(t, l)
	})
}

func TestAFollowersAddressLeadsToTheLeader(t *testing.T) {
	store := kurrenttest.NewStore(kurrenttest.StoreConfig{AppendBytesMax: appendBytesMax})
	kurrenttest.StartT(t, store, kurrenttest.NodeConfig{})
	follower := kurrenttest.StartT(t, store, kurrenttest.NodeConfig{})
	l, err := kurrentlog.Open(t.Context(), kurrentlog.Config{URL: follower.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer closeLog(t, l)
	w := &load{writers: 2, rounds: 2}
	w.run(t.Context(), t, l)
	w.check(t, l)
}

func TestTLSAndCredentials(t *testing.T) {
	t.Parallel()
	store := kurrenttest.NewStore(kurrenttest.StoreConfig{AppendBytesMax: appendBytesMax})
	node := kurrenttest.StartT(t, store, kurrenttest.NodeConfig{Authority: kurrenttest.TLS(t), Username: "ledger", Password: "s3cret:@/"})
	l, err := kurrentlog.Open(t.Context(), kurrentlog.Config{URL: node.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer closeLog(t, l)
	w := &load{writers: 2, rounds: 2}
	w.run(t.Context(), t, l)
	w.check(t, l)
	wrong := strings.Replace(node.URL(), "ledger:", "ledger:x", 1)
	_, err = kurrentlog.Open(t.Context(), kurrentlog.Config{URL: wrong})
	if err == nil || !errors.Is(err, es.ErrBusy) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), url.QueryEscape("s3cret:@/")) {
		t.Errorf("with a wrong password: %v", err)
	}
	_, tail, _ := strings.Cut(node.URL(), "?")
	plain := strings.Replace(node.URL(), tail, "tls=false", 1)
	if _, err := kurrentlog.Open(t.Context(), kurrentlog.Config{URL: plain}); err == nil {
		t.Error("without TLS the server is reached")
	}
}

func TestConnectionStringsAreJudged(t *testing.T) {
	for text, want := range map[string]string{
		"esdb://127.0.0.1:2113?tsl=false":         `no setting "tsl"`,
		"http://127.0.0.1:2113":                   "scheme",
		"esdb://u:secret@127.0.0.1:x?tls=false":   "port",
		"esdb://u:secret@127.0.0.1:2113?tls=what": "tls",
		"": "",
	} {
		_, err := kurrentlog.Open(t.Context(), kurrentlog.Config{URL: text})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// A password that is not written as in a URL is easily taken for another part of the string; no message shows any of it.
func TestNoPasswordIsTold(t *testing.T) {
	for _, text := range []string{
		"esdb://u:p?secret@127.0.0.1:2113", "esdb://u:p?secret=1@127.0.0.1:2113", "esdb://u:123?secret@127.0.0.1:2113",
		"esdb://u:p#secret@127.0.0.1:2113", "esdb://u:p/secret@127.0.0.1:2113", "esdb://u:%secret@127.0.0.1:2113",
		`esdb://u:secret"@127.0.0.1:2113?tls=what`, `esdb://u:secret"@127.0.0.1:x`, "esdb://u:secret\x7f@127.0.0.1:2113",
		"esdb+discover://u:secret@", "esdb:/u:secret@127.0.0.1:2113", "u:secret@127.0.0.1:2113",
	} {
		_, err := kurrentlog.Open(t.Context(), kurrentlog.Config{URL: text})
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(kurrentlog.Place(text), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestOpeningWithoutALog(t *testing.T) {
	p := newPlace(t, kurrenttest.StoreConfig{})
	for _, config := range []kurrentlog.Config{{ReadOnly: true}, {Existing: true}} {
		config.URL = p.node.URL()
		if _, err := kurrentlog.Open(t.Context(), config); !errors.Is(err, kurrentlog.ErrNoLog) {
			t.Errorf("%+v: %v", config, err)
		}
	}
	if n := len(p.store.All()); n != 0 {
		t.Fatalf("looking has written %d events", n)
	}
	w := &load{writers: 2, rounds: 2}
	l := p.open(t)
	w.run(t.Context(), t, l)
	closeLog(t, l)
	before := len(p.store.All())
	reader, err := kurrentlog.Open(t.Context(), kurrentlog.Config{URL: p.node.URL(), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer closeLog(t, reader)
	w.check(t, reader)
	if r := reader.Append(t.Context(), []es.Append{{Stream: w.stream(0), Expected: 0, Records: w.records(0, 0, 0)}})[0]; !errors.Is(r.Err, es.ErrInvalid) {
		t.Errorf("a log that is only read answers an append: %v", r.Err)
	}
	if after := len(p.store.All()); after != before {
		t.Errorf("reading has written %d events", after-before)
	}
}

// Two that begin a log at the same time begin one.
func TestALogIsBegunOnce(t *testing.T) {
	for range 10 {
		p := newPlace(t, kurrenttest.StoreConfig{})
		ids := make(chan uuid.UUID, 4)
		for range cap(ids) {
			go func() {
				l, err := kurrentlog.Open(context.Background(), kurrentlog.Config{URL: p.node.URL()})
				if err != nil {
					t.Error(err)
					ids <- uuid.Nil
					return
				}
				ids <- l.ID()
				closeLog(t, l)
			}()
		}
		first := <-ids
		for range cap(ids) - 1 {
			if id := <-ids; id != first {
				t.Fatalf("logs %s and %s were begun", first, id)
			}
		}
	}
}
