package kurrenttest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
)

// callSecondsMax is far above what any call here needs.
const callSecondsMax = 30

func client(t testing.TB, n *kurrenttest.Node) *esdb.Client {
	t.Helper()
	return clientOf(t, n.URL())
}

func clientOf(t testing.TB, url string) *esdb.Client {
	t.Helper()
	config, err := esdb.ParseConnectionString(url)
	if err != nil {
		t.Fatal(err)
	}
	config.Logger = esdb.NoopLogging()
	c, err := esdb.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), callSecondsMax*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// proposals are events whose ids follow from their names, so that a repetition has the same.
func proposals(names ...string) []esdb.EventData {
	var out []esdb.EventData
	for _, name := range names {
		out = append(out, esdb.EventData{
			EventID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)), EventType: "type-" + name, ContentType: esdb.ContentTypeBinary,
			Data: []byte("data " + name), Metadata: []byte("metadata " + name),
		})
	}
	return out
}

func appendTo(t testing.TB, c *esdb.Client, stream string, expected esdb.ExpectedRevision, names ...string) (*esdb.WriteResult, error) {
	t.Helper()
	return c.AppendToStream(within(t), stream, esdb.AppendToStreamOptions{ExpectedRevision: expected}, proposals(names...)...)
}

func mustAppend(t testing.TB, c *esdb.Client, stream string, expected esdb.ExpectedRevision, names ...string) *esdb.WriteResult {
	t.Helper()
	result, err := appendTo(t, c, stream, expected, names...)
	if err != nil {
		t.Fatalf("append %v to %s: %v", names, stream, err)
	}
	return result
}

func wantCode(t testing.TB, err error, code esdb.ErrorCode) {
	t.Helper()
	var e *esdb.Error
	if !errors.As(err, &e) || e.Code() != code {
		t.Fatalf("the error is %v, not of code %d", err, code)
	}
}

func collect(r *esdb.ReadStream, err error) ([]*esdb.RecordedEvent, error) {
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []*esdb.RecordedEvent
	for {
		e, err := r.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, e.OriginalEvent())
	}
}

func readStream(t testing.TB, c *esdb.Client, stream string, options esdb.ReadStreamOptions) ([]*esdb.RecordedEvent, error) {
	t.Helper()
	return collect(c.ReadStream(within(t), stream, options, 1000))
}

func readAll(t testing.TB, c *esdb.Client, options esdb.ReadAllOptions) []*esdb.RecordedEvent {
	t.Helper()
	events, err := collect(c.ReadAll(within(t), options, 1000))
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// names tells events by what they carry.
func names(events []*esdb.RecordedEvent) string {
	var out []string
	for _, e := range events {
		out = append(out, string(e.Data))
	}
	return fmt.Sprint(out)
}

func wantNames(t testing.TB, events []*esdb.RecordedEvent, want ...string) {
	t.Helper()
	for i := range want {
		want[i] = "data " + want[i]
	}
	if got := names(events); got != fmt.Sprint(want) {
		t.Fatalf("read %s, not %v", got, want)
	}
}

func TestAppendReadSubscribe(t *testing.T) {
	n := kurrenttest.StartT(t, kurrenttest.NewStore(kurrenttest.StoreConfig{}), kurrenttest.NodeConfig{})
	c := client(t, n)
	result := mustAppend(t, c, "s-1", esdb.NoStream{}, "a", "b")
	if result.NextExpectedVersion != 1 || result.CommitPosition == 0 {
		t.Fatalf("the append gives %+v", result)
	}
	events, err := readStream(t, c, "s-1", esdb.ReadStreamOptions{From: esdb.Start{}})
	if err != nil {
		t.Fatal(err)
	}
	wantNames(t, events, "a", "b")
	wantNames(t, readAll(t, c, esdb.ReadAllOptions{From: esdb.Start{}}), "a", "b")
	sub, err := c.SubscribeToAll(within(t), esdb.SubscribeToAllOptions{From: esdb.Start{}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	for _, want := range []string{"a", "b"} {
		if e := sub.Recv(); e.EventAppeared == nil || string(e.EventAppeared.OriginalEvent().Data) != "data "+want {
			t.Fatalf("the subscription gives %+v, not %s", e, want)
		}
	}
	if e := sub.Recv(); e.CaughtUp == nil {
		t.Fatalf("the subscription gives %+v, not that it caught up", e)
	}
	mustAppend(t, c, "s-2", esdb.NoStream{}, "c")
	if e := sub.Recv(); e.EventAppeared == nil || string(e.EventAppeared.OriginalEvent().Data) != "data c" {
		t.Fatalf("the subscription gives %+v, not c", e)
	}
}

func TestStopAndStartAgain(t *testing.T) {
	n := kurrenttest.StartT(t, kurrenttest.NewStore(kurrenttest.StoreConfig{}), kurrenttest.NodeConfig{})
	url := n.URL()
	mustAppend(t, client(t, n), "s-1", esdb.NoStream{}, "a")
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	if n.URL() != url {
		t.Fatalf("the node moved from %s to %s", url, n.URL())
	}
	events, err := readStream(t, client(t, n), "s-1", esdb.ReadStreamOptions{From: esdb.Start{}})
	if err != nil {
		t.Fatal(err)
	}
	wantNames(t, events, "a")
}
