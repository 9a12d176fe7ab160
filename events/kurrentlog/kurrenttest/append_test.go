package kurrenttest_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
)

func open(t testing.TB, config kurrenttest.StoreConfig) (*kurrenttest.Store, *kurrenttest.Node, *esdb.Client) {
	t.Helper()
	store := kurrenttest.NewStore(config)
	n := kurrenttest.StartT(t, store, kurrenttest.NodeConfig{})
	return store, n, client(t, n)
}

func TestEventsComeBackAsWritten(t *testing.T) {
	_, _, c := open(t, kurrenttest.StoreConfig{})
	proposed := proposals("a")[0]
	proposed.Data, proposed.Metadata = []byte{0, 255, 1}, []byte{7}
	result, err := c.AppendToStream(within(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, proposed)
	if err != nil {
		t.Fatal(err)
	}
	events, err := readStream(t, c, "s", esdb.ReadStreamOptions{From: esdb.Start{}})
	if err != nil || len(events) != 1 {
		t.Fatalf("read %d events, %v", len(events), err)
	}
	e := events[0]
	if e.EventID != proposed.EventID || e.EventType != proposed.EventType || e.StreamID != "s" || e.EventNumber != 0 ||
		!bytes.Equal(e.Data, proposed.Data) || !bytes.Equal(e.UserMetadata, proposed.Metadata) || e.ContentType != "application/octet-stream" ||
		e.CreatedDate.IsZero() || e.Position.Commit != result.CommitPosition || e.Position.Prepare != result.PreparePosition {
		t.Fatalf("wrote %+v at %+v, read %+v", proposed, result, e)
	}
}

func TestExpectedRevisions(t *testing.T) {
	for _, c := range []struct {
		name     string
		before   []string
		expected esdb.ExpectedRevision
		ok       bool
		tells    string
	}{
		{"none of none", nil, esdb.NoStream{}, true, ""},
		{"none of some", []string{"a"}, esdb.NoStream{}, false, "expecting 'no_stream' but got '0'"},
		{"a revision of none", nil, esdb.Revision(0), false, "expecting '0' but got 'no_stream'"},
		{"the last", []string{"a", "b"}, esdb.Revision(1), true, ""},
		{"an earlier one", []string{"a", "b"}, esdb.Revision(0), false, "expecting '0' but got '1'"},
		{"a later one", []string{"a", "b"}, esdb.Revision(2), false, "expecting '2' but got '1'"},
		{"any of none", nil, esdb.Any{}, true, ""},
		{"any of some", []string{"a"}, esdb.Any{}, true, ""},
		{"existing of none", nil, esdb.StreamExists{}, false, "expecting 'stream_exists' but got 'no_stream'"},
		{"existing of some", []string{"a"}, esdb.StreamExists{}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, _, client := open(t, kurrenttest.StoreConfig{})
			if len(c.before) > 0 {
				mustAppend(t, client, "s", esdb.NoStream{}, c.before...)
			}
			result, err := appendTo(t, client, "s", c.expected, "new", "newer")
			if !c.ok {
				wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
				if !strings.Contains(err.Error(), c.tells) || len(store.Stream("s")) != len(c.before) {
					t.Fatalf("the error is %v, and the stream has %d events", err, len(store.Stream("s")))
				}
				return
			}
			if err != nil || result.NextExpectedVersion != uint64(len(c.before)+1) {
				t.Fatalf("appended with %+v, %v", result, err)
			}
		})
	}
}

func TestRepeatedAppends(t *testing.T) {
	for _, c := range []struct {
		name     string
		expected esdb.ExpectedRevision
		ids      []string
		last     uint64
		ok       bool
	}{
		{"the same", esdb.NoStream{}, []string{"a", "b", "c"}, 2, true},
		{"the beginning", esdb.NoStream{}, []string{"a", "b"}, 1, true},
		{"the end", esdb.Revision(0), []string{"b", "c"}, 2, true},
		{"the middle", esdb.Revision(0), []string{"b"}, 1, true},
		{"any, the middle", esdb.Any{}, []string{"b"}, 1, true},
		{"another first", esdb.NoStream{}, []string{"x", "b", "c"}, 0, false},
		{"another later", esdb.NoStream{}, []string{"a", "x"}, 0, false},
		{"more than stored", esdb.NoStream{}, []string{"a", "b", "c", "d"}, 0, false},
		{"any, another later", esdb.Any{}, []string{"a", "x"}, 0, false},
		{"at another place", esdb.Revision(1), []string{"b"}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, _, client := open(t, kurrenttest.StoreConfig{})
			mustAppend(t, client, "s", esdb.NoStream{}, "a", "b", "c")
			result, err := appendTo(t, client, "s", c.expected, c.ids...)
			if len(store.Stream("s")) != 3 {
				t.Fatalf("the stream has %d events", len(store.Stream("s")))
			}
			if !c.ok {
				wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
				return
			}
			if err != nil || result.NextExpectedVersion != c.last || result.CommitPosition != store.Stream("s")[c.last].Commit {
				t.Fatalf("the repetition gives %+v, %v", result, err)
			}
		})
	}
}

func TestAnIDIsKnownInItsStream(t *testing.T) {
	store, _, c := open(t, kurrenttest.StoreConfig{})
	mustAppend(t, c, "s", esdb.Any{}, "a")
	mustAppend(t, c, "r", esdb.Any{}, "a")
	if len(store.Stream("r")) != 1 {
		t.Fatal("an id of another stream made the append a repetition")
	}
}

func TestStreamThatExistsByItsMetadata(t *testing.T) {
	_, _, c := open(t, kurrenttest.StoreConfig{})
	if _, err := c.SetStreamMetadata(within(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, esdb.StreamMetadata{}); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, c, "s", esdb.StreamExists{}, "a")
}

func TestRepeatedAppendOfTruncatedEventsTellsNoPosition(t *testing.T) {
	_, _, c := open(t, kurrenttest.StoreConfig{})
	mustAppend(t, c, "s", esdb.NoStream{}, "a", "b")
	var meta esdb.StreamMetadata
	meta.SetTruncateBefore(1)
	if _, err := c.SetStreamMetadata(within(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, meta); err != nil {
		t.Fatal(err)
	}
	if again := mustAppend(t, c, "s", esdb.NoStream{}, "a"); again.CommitPosition != 0 {
		t.Fatalf("a repetition of what is truncated tells %+v", again)
	}
}

func TestPositionOfRepeatedAppends(t *testing.T) {
	for answer, want := range map[kurrenttest.RepeatedAnswer]func([]kurrenttest.Event) uint64{
		kurrenttest.RepeatedFirst: func(e []kurrenttest.Event) uint64 { return e[0].Commit },
		kurrenttest.RepeatedLast:  func(e []kurrenttest.Event) uint64 { return e[1].Commit },
		kurrenttest.RepeatedNone:  func([]kurrenttest.Event) uint64 { return 0 },
	} {
		store, _, c := open(t, kurrenttest.StoreConfig{Repeated: answer})
		mustAppend(t, c, "s", esdb.NoStream{}, "a", "b")
		again := mustAppend(t, c, "s", esdb.NoStream{}, "a", "b")
		if again.CommitPosition != want(store.Stream("s")) || again.NextExpectedVersion != 1 {
			t.Errorf("answer %d is %+v", answer, again)
		}
	}
}

func TestOneOfManyWriters(t *testing.T) {
	store, _, c := open(t, kurrenttest.StoreConfig{})
	var won sync.Map
	var group sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		group.Go(func() {
			if _, err := appendTo(t, c, "s", esdb.NoStream{}, name, name+"2"); err == nil {
				won.Store(name, true)
			}
		})
	}
	group.Wait()
	events := store.Stream("s")
	if len(events) != 2 {
		t.Fatalf("%d events are stored", len(events))
	}
	count := 0
	won.Range(func(name, _ any) bool {
		count++
		if string(events[0].Data) != "data "+name.(string) {
			t.Errorf("%s was told that it won, but %s is stored", name, events[0].Data)
		}
		return true
	})
	if count != 1 {
		t.Errorf("%d writers won", count)
	}
}

func TestAppendTooLarge(t *testing.T) {
	store, _, c := open(t, kurrenttest.StoreConfig{AppendBytesMax: 100})
	small := proposals("a")
	small[0].Metadata, small[0].Data = nil, make([]byte, 100-2*len(small[0].EventType))
	if _, err := c.AppendToStream(within(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.Any{}}, small...); err != nil {
		t.Fatalf("100 bytes: %v", err)
	}
	large := proposals("b")
	large[0].Metadata, large[0].Data = []byte{1}, small[0].Data
	_, err := c.AppendToStream(within(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.Any{}}, large...)
	var e *esdb.Error
	if !errors.As(err, &e) || status.Code(e.Err()) != codes.InvalidArgument || len(store.Stream("s")) != 1 {
		t.Fatalf("101 bytes: %v, and %d events", err, len(store.Stream("s")))
	}
}

func TestDeletedStreams(t *testing.T) {
	store, _, c := open(t, kurrenttest.StoreConfig{})
	mustAppend(t, c, "s", esdb.NoStream{}, "a", "b")
	if _, err := c.DeleteStream(within(t), "s", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(0)}); err == nil {
		t.Fatal("deleted at a wrong revision")
	}
	if _, err := c.DeleteStream(within(t), "s", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(1)}); err != nil {
		t.Fatal(err)
	}
	_, err := readStream(t, c, "s", esdb.ReadStreamOptions{From: esdb.Start{}})
	wantCode(t, err, esdb.ErrorCodeResourceNotFound)
	_, err = appendTo(t, c, "s", esdb.StreamExists{}, "x")
	wantCode(t, err, esdb.ErrorCodeStreamDeleted)
	// Its old events stay in the log, and its revisions go on.
	if result := mustAppend(t, c, "s", esdb.NoStream{}, "c"); result.NextExpectedVersion != 2 {
		t.Fatalf("the stream goes on with %+v", result)
	}
	events, err := readStream(t, c, "s", esdb.ReadStreamOptions{From: esdb.Start{}})
	if err != nil {
		t.Fatal(err)
	}
	wantNames(t, events, "c")
	if _, err := c.TombstoneStream(within(t), "s", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}}); err != nil {
		t.Fatal(err)
	}
	_, err = readStream(t, c, "s", esdb.ReadStreamOptions{From: esdb.Start{}})
	wantCode(t, err, esdb.ErrorCodeStreamDeleted)
	_, err = appendTo(t, c, "s", esdb.Any{}, "d")
	wantCode(t, err, esdb.ErrorCodeStreamDeleted)
	last := store.Stream("s")[3]
	if last.Type != "$streamDeleted" || last.Revision != 1<<63-1 {
		t.Fatalf("the tombstone is %+v", last)
	}
}
