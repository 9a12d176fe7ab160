package kurrenttest_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
)

func subscribeAll(t testing.TB, c *esdb.Client, options esdb.SubscribeToAllOptions) *esdb.Subscription {
	t.Helper()
	sub, err := c.SubscribeToAll(within(t), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Close() })
	return sub
}

// told is what a subscription says next, in a word.
func told(sub *esdb.Subscription) string {
	switch e := sub.Recv(); {
	case e.EventAppeared != nil:
		return string(e.EventAppeared.OriginalEvent().Data)
	case e.CaughtUp != nil:
		return "caught up"
	case e.FellBehind != nil:
		return "fell behind"
	case e.CheckPointReached != nil:
		return fmt.Sprint("checkpoint ", e.CheckPointReached.Commit)
	case e.SubscriptionDropped != nil:
		return fmt.Sprint("dropped ", status.Code(e.SubscriptionDropped.Error))
	}
	return "nothing"
}

func wantTold(t testing.TB, sub *esdb.Subscription, want ...string) {
	t.Helper()
	for i, w := range want {
		if got := told(sub); got != w {
			t.Fatalf("word %d of the subscription is %q, not %q", i, got, w)
		}
	}
}

func TestSubscribeFromPlaces(t *testing.T) {
	store, _, c := open(t, kurrenttest.StoreConfig{})
	mustAppend(t, c, "s", esdb.NoStream{}, "a", "b")
	end := store.All()[1]
	subs := map[string]*esdb.Subscription{
		"start": subscribeAll(t, c, esdb.SubscribeToAllOptions{From: esdb.Start{}}),
		// Unlike that of a read, the position is known already.
		"first": subscribeAll(t, c, esdb.SubscribeToAllOptions{From: esdb.Position{Commit: store.All()[0].Commit, Prepare: store.All()[0].Prepare}}),
		"end":   subscribeAll(t, c, esdb.SubscribeToAllOptions{From: esdb.End{}}),
		"ahead": subscribeAll(t, c, esdb.SubscribeToAllOptions{From: esdb.Position{Commit: end.Commit + 1e6, Prepare: end.Prepare + 1e6}}),
	}
	wantTold(t, subs["start"], "data a", "data b", "caught up")
	wantTold(t, subs["first"], "data b", "caught up")
	wantTold(t, subs["end"], "caught up")
	wantTold(t, subs["ahead"], "caught up")
	mustAppend(t, c, "r", esdb.NoStream{}, "c")
	for _, name := range []string{"start", "first", "end"} {
		wantTold(t, subs[name], "data c")
	}
	store.Insert("far", kurrenttest.Event{Type: "t", Data: []byte("far"), Apart: 2e6})
	wantTold(t, subs["ahead"], "far") // c was before the place it named
	_, err := c.SubscribeToAll(within(t), esdb.SubscribeToAllOptions{From: esdb.Position{Commit: end.Commit - 1, Prepare: end.Commit - 1}})
	if err == nil {
		t.Fatal("subscribed from within a record")
	}
}

func TestSubscribeToStream(t *testing.T) {
	store, _, c := open(t, kurrenttest.StoreConfig{})
	mustAppend(t, c, "s", esdb.NoStream{}, "a", "b")
	of := func(stream string, from esdb.StreamPosition) *esdb.Subscription {
		sub, err := c.SubscribeToStream(within(t), stream, esdb.SubscribeToStreamOptions{From: from})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sub.Close() })
		return sub
	}
	all, after, end, absent := of("s", esdb.Start{}), of("s", esdb.Revision(0)), of("s", esdb.End{}), of("absent", esdb.Start{})
	wantTold(t, all, "data a", "data b", "caught up")
	wantTold(t, after, "data b", "caught up")
	wantTold(t, end, "caught up")
	wantTold(t, absent, "caught up")
	mustAppend(t, c, "r", esdb.NoStream{}, "r")
	mustAppend(t, c, "s", esdb.Any{}, "c")
	mustAppend(t, c, "absent", esdb.Any{}, "d")
	wantTold(t, all, "data c")
	wantTold(t, after, "data c")
	wantTold(t, end, "data c")
	wantTold(t, absent, "data d")
	store.Tombstone("s")
	wantTold(t, all, "", "dropped FailedPrecondition")
	wantTold(t, of("s", esdb.Start{}), "dropped FailedPrecondition")
	store.Delete("absent")
	wantTold(t, of("absent", esdb.Start{}), "caught up")
}

func TestFiltersAndCheckpoints(t *testing.T) {
	store, _, c := open(t, kurrenttest.StoreConfig{})
	for i := range 4 {
		mustAppend(t, c, fmt.Sprintf("other-%d", i), esdb.NoStream{}, "x")
		mustAppend(t, c, fmt.Sprintf("ours-%d", i), esdb.NoStream{}, "a")
	}
	at := func(i int) string { return fmt.Sprint("checkpoint ", store.All()[i].Commit) }
	for _, filter := range []*esdb.SubscriptionFilter{
		{Type: esdb.StreamFilterType, Prefixes: []string{"none", "ours-"}},
		{Type: esdb.StreamFilterType, Regex: "^ours-[0-9]$"},
		{Type: esdb.EventFilterType, Prefixes: []string{"type-a"}},
		{Type: esdb.EventFilterType, Regex: "^type-[^x]"},
	} {
		sub := subscribeAll(t, c, esdb.SubscribeToAllOptions{From: esdb.Start{}, Filter: filter, MaxSearchWindow: 3, CheckpointInterval: 1})
		wantTold(t, sub, "data a", at(2), "data a", "data a", at(5), "data a", at(7), "caught up")
	}
	sub := subscribeAll(t, c, esdb.SubscribeToAllOptions{
		From: esdb.End{}, Filter: esdb.ExcludeSystemEventsFilter(), MaxSearchWindow: 2, CheckpointInterval: 1,
	})
	wantTold(t, sub, "caught up")
	store.Insert("$system", kurrenttest.Event{Type: "$t"}, kurrenttest.Event{Type: "$t"})
	wantTold(t, sub, at(9))
}

func TestNoGapAndNoRepetitionWhileWriting(t *testing.T) {
	const writers, each = 4, 100
	store, n, c := open(t, kurrenttest.StoreConfig{Noise: kurrenttest.Noise{Seed: 1, EventsMax: 2}})
	var group sync.WaitGroup
	var subs []*esdb.Subscription
	for w := range writers {
		writing := client(t, n)
		group.Go(func() {
			for i := range each {
				if _, err := appendTo(t, writing, fmt.Sprint("w-", w), esdb.Any{}, fmt.Sprint(w, "/", i)); err != nil {
					t.Error(err)
				}
			}
		})
		subs = append(subs, subscribeAll(t, c, esdb.SubscribeToAllOptions{From: esdb.Start{}}))
	}
	group.Wait()
	all := store.All()
	for _, sub := range subs {
		for i := 0; i < len(all); {
			e := sub.Recv()
			if e.SubscriptionDropped != nil {
				t.Fatal(e.SubscriptionDropped.Error)
			}
			if e.EventAppeared == nil {
				continue
			}
			if got := e.EventAppeared.OriginalEvent(); got.EventID != all[i].ID || got.Position.Commit != all[i].Commit {
				t.Fatalf("event %d is %v at %v, not %v at %d", i, got.EventID, got.Position, all[i].ID, all[i].Commit)
			}
			i++
		}
	}
}

func TestFallsBehindAndCatchesUp(t *testing.T) {
	store, _, c := open(t, kurrenttest.StoreConfig{LiveEventsMax: 2})
	sub := subscribeAll(t, c, esdb.SubscribeToAllOptions{From: esdb.Start{}})
	wantTold(t, sub, "caught up")
	store.Insert("s", kurrenttest.Event{Data: []byte("a")}, kurrenttest.Event{Data: []byte("b")}, kurrenttest.Event{Data: []byte("c")})
	wantTold(t, sub, "fell behind", "a", "b", "c", "caught up")
	store.Insert("s", kurrenttest.Event{Data: []byte("d")}, kurrenttest.Event{Data: []byte("e")})
	wantTold(t, sub, "d", "e")
}

func TestSubscriptionFaults(t *testing.T) {
	store, n, c := open(t, kurrenttest.StoreConfig{})
	mustAppend(t, c, "s", esdb.NoStream{}, "a", "b", "c")
	release := make(chan struct{})
	for _, f := range []struct {
		fault kurrenttest.Fault
		want  []string
	}{
		{kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.Unavailable, AfterEvents: 2}, []string{"data a", "data b", "dropped Unavailable"}},
		{kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.Aborted, AfterEvents: 3}, []string{"data a", "data b", "data c", "caught up", "dropped Aborted"}},
		{kurrenttest.Fault{Release: release, AfterEvents: 1}, []string{"data a", "data b", "data c", "caught up"}},
	} {
		store.OnRead(func(kurrenttest.ReadCall) kurrenttest.Fault { return f.fault })
		sub := subscribeAll(t, client(t, n), esdb.SubscribeToAllOptions{From: esdb.Start{}})
		for i, want := range f.want {
			if i == 1 && f.fault.Release != nil {
				close(release)
			}
			if got := told(sub); got != want {
				t.Fatalf("%+v: word %d is %q, not %q", f.fault, i, got, want)
			}
		}
	}
	// A cut may take along what was sent before it.
	store.OnRead(func(kurrenttest.ReadCall) kurrenttest.Fault {
		return kurrenttest.Fault{Kind: kurrenttest.Cut, AfterEvents: 1}
	})
	if sub, err := c.SubscribeToAll(within(t), esdb.SubscribeToAllOptions{From: esdb.Start{}}); err == nil {
		word := told(sub)
		if word == "data a" {
			word = told(sub)
		}
		if word != "dropped Unavailable" {
			t.Fatalf("the cut subscription says %q", word)
		}
	}
	store.OnRead(nil)
	sub := subscribeAll(t, client(t, n), esdb.SubscribeToAllOptions{From: esdb.End{}})
	wantTold(t, sub, "caught up")
	store.DropSubscriptions()
	wantTold(t, sub, "dropped Aborted")
}

func TestStalledSubscriptionEndsWithItsCaller(t *testing.T) {
	store, n, c := open(t, kurrenttest.StoreConfig{})
	mustAppend(t, c, "s", esdb.NoStream{}, "a", "b")
	store.OnRead(func(kurrenttest.ReadCall) kurrenttest.Fault {
		return kurrenttest.Fault{Kind: kurrenttest.Silence, AfterEvents: 1}
	})
	ctx, cancel := context.WithCancel(within(t))
	sub, err := c.SubscribeToAll(ctx, esdb.SubscribeToAllOptions{From: esdb.Start{}})
	if err != nil {
		t.Fatal(err)
	}
	wantTold(t, sub, "data a")
	cancel()
	wantTold(t, sub, "dropped Canceled")
	if err := n.StopGracefully(); err != nil { // it would wait for a call that did not end
		t.Fatal(err)
	}
}
