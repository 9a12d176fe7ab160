package kurrenttest_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
)

func TestReadStream(t *testing.T) {
	_, _, c := open(t, kurrenttest.StoreConfig{})
	mustAppend(t, c, "s", esdb.NoStream{}, "a", "b", "c")
	for _, q := range []struct {
		options esdb.ReadStreamOptions
		count   uint64
		want    []string
	}{
		{esdb.ReadStreamOptions{From: esdb.Start{}}, 10, []string{"a", "b", "c"}},
		{esdb.ReadStreamOptions{From: esdb.Start{}}, 2, []string{"a", "b"}},
		{esdb.ReadStreamOptions{From: esdb.Revision(1)}, 10, []string{"b", "c"}},
		{esdb.ReadStreamOptions{From: esdb.Revision(3)}, 10, nil},
		{esdb.ReadStreamOptions{From: esdb.End{}}, 10, nil},
		{esdb.ReadStreamOptions{From: esdb.End{}, Direction: esdb.Backwards}, 2, []string{"c", "b"}},
		{esdb.ReadStreamOptions{From: esdb.Revision(1), Direction: esdb.Backwards}, 10, []string{"b", "a"}},
		{esdb.ReadStreamOptions{From: esdb.Start{}, Direction: esdb.Backwards}, 10, []string{"a"}},
	} {
		events, err := collect(c.ReadStream(within(t), "s", q.options, q.count))
		if err != nil {
			t.Fatal(err)
		}
		wantNames(t, events, q.want...)
	}
	_, err := readStream(t, c, "absent", esdb.ReadStreamOptions{From: esdb.Start{}})
	wantCode(t, err, esdb.ErrorCodeResourceNotFound)
}

func TestReadTruncatedStream(t *testing.T) {
	_, _, c := open(t, kurrenttest.StoreConfig{})
	mustAppend(t, c, "s", esdb.NoStream{}, "a", "b", "c", "d")
	var meta esdb.StreamMetadata
	meta.SetTruncateBefore(1)
	if _, err := c.SetStreamMetadata(within(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, meta); err != nil {
		t.Fatal(err)
	}
	events, err := readStream(t, c, "s", esdb.ReadStreamOptions{From: esdb.Start{}})
	if err != nil {
		t.Fatal(err)
	}
	wantNames(t, events, "b", "c", "d")
	if events, err = readStream(t, c, "s", esdb.ReadStreamOptions{From: esdb.Revision(0)}); err != nil {
		t.Fatal(err)
	}
	wantNames(t, events, "b", "c", "d")
	sub, err := c.SubscribeToStream(within(t), "s", esdb.SubscribeToStreamOptions{From: esdb.Start{}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	wantTold(t, sub, "data b", "data c", "data d", "caught up")
	meta.SetMaxCount(2)
	if _, err := c.SetStreamMetadata(within(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.Any{}}, meta); err != nil {
		t.Fatal(err)
	}
	if events, err = readStream(t, c, "s", esdb.ReadStreamOptions{From: esdb.End{}, Direction: esdb.Backwards}); err != nil {
		t.Fatal(err)
	}
	wantNames(t, events, "d", "c")
	if events, err = readStream(t, c, "$$s", esdb.ReadStreamOptions{From: esdb.Start{}}); err != nil || len(events) != 1 || events[0].EventNumber != 1 {
		t.Fatalf("the stream of the metadata shows %v, %v", events, err)
	}
	if got, err := c.GetStreamMetadata(within(t), "s", esdb.ReadStreamOptions{From: esdb.End{}, Direction: esdb.Backwards}); err != nil || *got.MaxCount() != 2 {
		t.Fatalf("the metadata is %+v, %v", got, err)
	}
}

func TestReadAll(t *testing.T) {
	store, _, c := open(t, kurrenttest.StoreConfig{})
	mustAppend(t, c, "s", esdb.NoStream{}, "a")
	mustAppend(t, c, "r", esdb.NoStream{}, "b", "c")
	at := func(i int) esdb.Position {
		e := store.All()[i]
		return esdb.Position{Commit: e.Commit, Prepare: e.Prepare}
	}
	wantNames(t, readAll(t, c, esdb.ReadAllOptions{From: esdb.Start{}}), "a", "b", "c")
	wantNames(t, readAll(t, c, esdb.ReadAllOptions{From: esdb.End{}}))
	wantNames(t, readAll(t, c, esdb.ReadAllOptions{From: at(1)}), "b", "c") // forwards inclusive
	wantNames(t, readAll(t, c, esdb.ReadAllOptions{From: at(1), Direction: esdb.Backwards}), "a")
	wantNames(t, readAll(t, c, esdb.ReadAllOptions{From: esdb.End{}, Direction: esdb.Backwards}), "c", "b", "a")
	wrong := at(1)
	wrong.Commit++
	_, err := collect(c.ReadAll(within(t), esdb.ReadAllOptions{From: wrong}, 10))
	var e *esdb.Error
	if !errors.As(err, &e) || status.Code(e.Err()) != codes.Unknown {
		t.Fatalf("reading from within a record gives %v", err)
	}
}

func TestReadByStreamTellsPositionsOrNot(t *testing.T) {
	for _, told := range []kurrenttest.StreamPositions{kurrenttest.StreamPositionsTold, kurrenttest.StreamPositionsUntold} {
		store, _, c := open(t, kurrenttest.StoreConfig{StreamReads: told})
		store.Insert("s", kurrenttest.Event{Type: "one"}, kurrenttest.Event{Type: "apart", Apart: 9})
		events, err := readStream(t, c, "s", esdb.ReadStreamOptions{From: esdb.Start{}})
		if err != nil {
			t.Fatal(err)
		}
		if got := events[0].Position.Commit != 1<<64-1; got != (told == kurrenttest.StreamPositionsTold) {
			t.Errorf("%d: the position is %v", told, events[0].Position)
		}
		if events[1].Position.Commit != 1<<64-1 {
			t.Errorf("an event with another commit tells %v", events[1].Position)
		}
		all := readAll(t, c, esdb.ReadAllOptions{From: esdb.Start{}})
		if p := all[1].Position; p.Commit != p.Prepare+9 {
			t.Errorf("an event whose commit is apart is at %v", p)
		}
	}
}

func TestLinksAreResolved(t *testing.T) {
	store, _, c := open(t, kurrenttest.StoreConfig{})
	mustAppend(t, c, "s", esdb.NoStream{}, "a")
	store.Insert("$ce-s", kurrenttest.Event{Type: "$>", Data: []byte("0@s")}, kurrenttest.Event{Type: "$>", Data: []byte("7@s")})
	r, err := c.ReadStream(within(t), "$ce-s", esdb.ReadStreamOptions{From: esdb.Start{}, ResolveLinkTos: true}, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	first, err := r.Recv()
	if err != nil || first.Event == nil || string(first.Event.Data) != "data a" || first.Link == nil || first.Link.StreamID != "$ce-s" {
		t.Fatalf("the link gives %+v, %v", first, err)
	}
	second, err := r.Recv()
	if err != nil || second.Event != nil || second.Link == nil {
		t.Fatalf("the link to nothing gives %+v, %v", second, err)
	}
	events, err := readStream(t, c, "$ce-s", esdb.ReadStreamOptions{From: esdb.Start{}})
	if err != nil || events[0].EventType != "$>" {
		t.Fatalf("unresolved links are %v, %v", events, err)
	}
}

func TestNoiseFollowsItsSeed(t *testing.T) {
	shape := func(seed uint64) string {
		store, _, c := open(t, kurrenttest.StoreConfig{Noise: kurrenttest.Noise{Seed: seed, EventsMax: 3}})
		for i := range 40 {
			mustAppend(t, c, fmt.Sprintf("s-%d", i), esdb.NoStream{}, "a", "b")
		}
		ours, others, kinds := 0, 0, map[string]bool{}
		text := ""
		for _, e := range store.All() {
			if e.Stream[0] == 's' {
				ours++
			} else {
				others++
				kinds[e.Type] = true
			}
			text += e.Stream + "/" + e.Type + "/" + fmt.Sprint(e.Commit) + " "
		}
		if ours != 80 || others == 0 || len(kinds) != 4 {
			t.Fatalf("%d events are ours, %d of others, of %d types", ours, others, len(kinds))
		}
		return text
	}
	first := shape(1)
	if shape(1) != first {
		t.Error("the same seed makes other noise")
	}
	if shape(2) == first {
		t.Error("another seed makes the same noise")
	}
}
