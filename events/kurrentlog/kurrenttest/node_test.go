package kurrenttest_test

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
)

func TestAppendFaults(t *testing.T) {
	for _, f := range []struct {
		fault kurrenttest.Fault
		code  esdb.ErrorCode
	}{
		{kurrenttest.Busy(), esdb.ErrorUnavailable},
		{kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.ResourceExhausted}, esdb.ErrorCodeUnknown},
		{kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.DeadlineExceeded}, esdb.ErrorCodeDeadlineExceeded},
		{kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.Aborted}, esdb.ErrorAborted},
		{kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.Internal}, esdb.ErrorCodeUnknown},
		{kurrenttest.Fault{Kind: kurrenttest.Cut}, esdb.ErrorUnavailable},
		{kurrenttest.Fault{Kind: kurrenttest.Unled}, esdb.ErrorCodeNotLeader},
		{kurrenttest.Fault{Kind: kurrenttest.LeaderGone}, esdb.ErrorCodeUnknown},
	} {
		for _, after := range []bool{false, true} {
			store, _, c := open(t, kurrenttest.StoreConfig{})
			f.fault.After = after
			store.OnAppend(func(call kurrenttest.AppendCall) kurrenttest.Fault {
				if call.Stream != "s" || call.Expected != kurrenttest.NoStream || len(call.IDs) != 1 || call.Number > 1 {
					return kurrenttest.Fault{}
				}
				return f.fault
			})
			_, err := appendTo(t, c, "s", esdb.NoStream{}, "a")
			wantCode(t, err, f.code)
			if got := len(store.Stream("s")); got != 0 != after {
				t.Fatalf("%+v: %d events are stored", f.fault, got)
			}
			// The repetition succeeds either way, and the event is there once.
			mustAppend(t, c, "s", esdb.NoStream{}, "a")
			if got := len(store.Stream("s")); got != 1 {
				t.Fatalf("%+v: %d events are stored after the repetition", f.fault, got)
			}
		}
	}
}

func TestSilenceLastsUntilTheCallerGivesUp(t *testing.T) {
	for _, after := range []bool{false, true} {
		store, _, c := open(t, kurrenttest.StoreConfig{})
		sub := subscribeAll(t, c, esdb.SubscribeToAllOptions{From: esdb.Start{}})
		wantTold(t, sub, "caught up")
		asked := make(chan struct{})
		store.OnAppend(func(kurrenttest.AppendCall) kurrenttest.Fault {
			close(asked)
			return kurrenttest.Fault{Kind: kurrenttest.Silence, After: after}
		})
		ctx, giveUp := context.WithCancel(within(t))
		done := make(chan error, 1)
		go func() {
			_, err := c.AppendToStream(ctx, "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, proposals("a")...)
			done <- err
		}()
		<-asked
		if after {
			wantTold(t, sub, "data a")
		}
		giveUp()
		var e *esdb.Error
		if err := <-done; !errors.As(err, &e) || status.Code(e.Err()) != codes.Canceled {
			t.Fatalf("the silenced append gives %v", err)
		}
		if got := len(store.Stream("s")); got != 0 != after {
			t.Fatalf("after %v: %d events are stored", after, got)
		}
	}
}

func TestRestartForgetsIDs(t *testing.T) {
	store, n, c := open(t, kurrenttest.StoreConfig{})
	mustAppend(t, c, "s", esdb.NoStream{}, "a")
	mustAppend(t, c, "s", esdb.Any{}, "a")
	if got := len(store.Stream("s")); got != 1 {
		t.Fatalf("%d events are stored", got)
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	c = client(t, n)
	mustAppend(t, c, "s", esdb.NoStream{}, "a") // found by its revision
	if got := len(store.Stream("s")); got != 1 {
		t.Fatalf("%d events are stored after the restart", got)
	}
	mustAppend(t, c, "s", esdb.Any{}, "a") // not found by its id
	if got := len(store.Stream("s")); got != 2 {
		t.Fatalf("%d events are stored after a repetition that no revision tells", got)
	}
}

func TestDelayedAppend(t *testing.T) {
	store, _, c := open(t, kurrenttest.StoreConfig{})
	release, asked := make(chan struct{}), make(chan struct{})
	store.OnAppend(func(kurrenttest.AppendCall) kurrenttest.Fault {
		close(asked)
		return kurrenttest.Fault{Release: release}
	})
	done := make(chan error, 1)
	go func() {
		_, err := appendTo(t, c, "s", esdb.NoStream{}, "a")
		done <- err
	}()
	<-asked
	if len(store.Stream("s")) != 0 {
		t.Fatal("the delayed append is stored")
	}
	close(release)
	if err := <-done; err != nil || len(store.Stream("s")) != 1 {
		t.Fatalf("released, the append gives %v and %d events", err, len(store.Stream("s")))
	}
}

func TestReadFault(t *testing.T) {
	store, _, c := open(t, kurrenttest.StoreConfig{})
	mustAppend(t, c, "s", esdb.NoStream{}, "a", "b")
	store.OnRead(func(call kurrenttest.ReadCall) kurrenttest.Fault {
		if call.Stream != "s" || call.Subscription {
			return kurrenttest.Fault{}
		}
		return kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.Aborted, AfterEvents: 1}
	})
	events, err := readStream(t, c, "s", esdb.ReadStreamOptions{From: esdb.Start{}})
	wantCode(t, err, esdb.ErrorAborted)
	wantNames(t, events, "a")
	wantNames(t, readAll(t, c, esdb.ReadAllOptions{From: esdb.Start{}}), "a", "b")
}

func TestStopEndsSubscriptions(t *testing.T) {
	for name, stop := range map[string]func(*kurrenttest.Node) error{"hard": (*kurrenttest.Node).Stop, "graceful": (*kurrenttest.Node).StopGracefully} {
		_, n, c := open(t, kurrenttest.StoreConfig{})
		sub := subscribeAll(t, c, esdb.SubscribeToAllOptions{From: esdb.Start{}})
		wantTold(t, sub, "caught up")
		if err := stop(n); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		wantTold(t, sub, "dropped Unavailable")
		if err := n.Start(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		mustAppend(t, client(t, n), "s", esdb.NoStream{}, "a")
	}
}

// rawly calls without the client, which hides trailers and never sends the header.
func rawly(t testing.TB, n *kurrenttest.Node) api.StreamsClient {
	t.Helper()
	conn, err := grpc.NewClient(n.Endpoint(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return api.NewStreamsClient(conn)
}

func rawAppend(t testing.TB, n *kurrenttest.Node, ctx context.Context, dataBytes int) (metadata.MD, error) {
	t.Helper()
	var trailers metadata.MD
	call, err := rawly(t, n).Append(ctx, grpc.Trailer(&trailers))
	if err != nil {
		t.Fatal(err)
	}
	_ = call.Send(&api.AppendReq{Content: &api.AppendReq_Options_{Options: &api.AppendReq_Options{
		StreamIdentifier:       &shared.StreamIdentifier{StreamName: []byte("raw")},
		ExpectedStreamRevision: &api.AppendReq_Options_Any{Any: &shared.Empty{}},
	}}})
	_ = call.Send(&api.AppendReq{Content: &api.AppendReq_ProposedMessage_{ProposedMessage: &api.AppendReq_ProposedMessage{
		Id:       &shared.UUID{Value: &shared.UUID_String_{String_: "00000000-0000-0000-0000-000000000001"}},
		Metadata: map[string]string{"type": "t", "content-type": "application/json"}, Data: make([]byte, dataBytes),
	}}})
	_, err = call.CloseAndRecv()
	return trailers, err
}

func wantTrailer(t testing.TB, trailers metadata.MD, key, want string) {
	t.Helper()
	if got := trailers.Get(key); len(got) != 1 || got[0] != want {
		t.Errorf("trailer %s is %v, not %q", key, got, want)
	}
}

func TestFollowers(t *testing.T) {
	store := kurrenttest.NewStore(kurrenttest.StoreConfig{})
	leader := kurrenttest.StartT(t, store, kurrenttest.NodeConfig{})
	follower := kurrenttest.StartT(t, store, kurrenttest.NodeConfig{})
	mustAppend(t, client(t, follower), "s", esdb.NoStream{}, "a") // forwarded
	wantNames(t, readAll(t, client(t, follower), esdb.ReadAllOptions{From: esdb.Start{}}), "a")

	required := metadata.AppendToOutgoingContext(within(t), "requires-leader", "true")
	trailers, err := rawAppend(t, follower, required, 1)
	if status.Code(err) != codes.NotFound {
		t.Fatalf("a follower that must lead answers %v", err)
	}
	wantTrailer(t, trailers, "exception", "not-leader")
	wantTrailer(t, trailers, "leader-endpoint-host", "127.0.0.1")
	if got := trailers.Get("leader-endpoint-port"); len(got) != 1 || leader.Endpoint() != "127.0.0.1:"+got[0] {
		t.Errorf("the leader is at %s, not at %v", leader.Endpoint(), got)
	}

	// The client follows: it reconnects to the leader it is told.
	c := client(t, follower)
	_, err = c.AppendToStream(required, "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.Revision(0)}, proposals("b")...)
	wantCode(t, err, esdb.ErrorCodeNotLeader)
	if _, err = c.AppendToStream(required, "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.Revision(0)}, proposals("b")...); err != nil {
		t.Fatalf("the client did not follow: %v", err)
	}
	_, err = collect(client(t, follower).ReadAll(required, esdb.ReadAllOptions{From: esdb.Start{}}, 10))
	wantCode(t, err, esdb.ErrorCodeNotLeader)

	store.Lead(follower)
	if _, err := rawAppend(t, follower, required, 1); err != nil {
		t.Fatalf("the new leader answers %v", err)
	}
	if _, err := rawAppend(t, leader, required, 1); status.Code(err) != codes.NotFound {
		t.Fatalf("the old leader answers %v", err)
	}
	store.Lead(nil)
	if _, err := rawAppend(t, leader, within(t), 1); status.Code(err) != codes.Unavailable {
		t.Fatalf("without a leader an append gives %v", err)
	}
}

func TestGossip(t *testing.T) {
	store := kurrenttest.NewStore(kurrenttest.StoreConfig{})
	one := kurrenttest.StartT(t, store, kurrenttest.NodeConfig{})
	two := kurrenttest.StartT(t, store, kurrenttest.NodeConfig{})
	store.Lead(two)
	asked := make(chan *kurrenttest.Node, 1)
	store.OnAppend(func(call kurrenttest.AppendCall) kurrenttest.Fault {
		asked <- call.Node
		return kurrenttest.Fault{}
	})
	if err := one.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := one.Start(); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, clientOf(t, store.URL()), "s", esdb.NoStream{}, "a")
	if got := <-asked; got != two {
		t.Fatalf("the client of the cluster wrote at %s, not at the leader %s", got.Endpoint(), two.Endpoint())
	}
}

func TestTrailersOfTooLargeAndDeleted(t *testing.T) {
	store, n, _ := open(t, kurrenttest.StoreConfig{AppendBytesMax: 10})
	trailers, err := rawAppend(t, n, within(t), 11)
	if status.Code(err) != codes.InvalidArgument {
		t.Fatalf("11 bytes give %v", err)
	}
	wantTrailer(t, trailers, "exception", "maximum-append-size-exceeded")
	wantTrailer(t, trailers, "maximum-append-size", strconv.Itoa(10))
	store.Tombstone("raw")
	trailers, err = rawAppend(t, n, within(t), 1)
	if status.Code(err) != codes.FailedPrecondition {
		t.Fatalf("a tombstoned stream gives %v", err)
	}
	wantTrailer(t, trailers, "exception", "stream-deleted")
	wantTrailer(t, trailers, "stream-name", "raw")
}

func TestTLSAndCredentials(t *testing.T) {
	authority := kurrenttest.TLS(t)
	store := kurrenttest.NewStore(kurrenttest.StoreConfig{})
	n := kurrenttest.StartT(t, store, kurrenttest.NodeConfig{Authority: authority, Username: "ledger", Password: "secret"})
	mustAppend(t, client(t, n), "s", esdb.NoStream{}, "a")
	bare := "esdb://" + n.Endpoint() + "?tls=true&tlsCaFile=" + authority.File
	_, err := appendTo(t, clientOf(t, bare), "s", esdb.Any{}, "b")
	wantCode(t, err, esdb.ErrorCodeAccessDenied)
	_, err = appendTo(t, clientOf(t, "esdb://ledger:wrong@"+n.Endpoint()+"?tls=true&tlsCaFile="+authority.File), "s", esdb.Any{}, "b")
	wantCode(t, err, esdb.ErrorCodeUnauthenticated)
	_, err = appendTo(t, clientOf(t, "esdb://ledger:secret@"+n.Endpoint()+"?tls=true&maxDiscoverAttempts=1"), "s", esdb.Any{}, "b")
	if err == nil {
		t.Error("a client trusts an authority that it does not know")
	}
	if len(store.Stream("s")) != 1 {
		t.Errorf("%d events are stored", len(store.Stream("s")))
	}
}
