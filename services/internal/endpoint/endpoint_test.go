package endpoint_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/internal/endpoint"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap/zaptest"
)

type fixture struct {
	nats    *embednats.Server
	nc      *nats.Conn
	service *endpoint.Service
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	n, err := embednats.Start(embednats.Config{InProcess: true, Logger: zaptest.NewLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	s, err := endpoint.New(n.Dial, "echo", zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	nc, err := n.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return &fixture{n, nc, s}
}

// ask sends a request, and returns once the server has it.
func (f *fixture) ask(t *testing.T, text string) *nats.Subscription {
	t.Helper()
	inbox := f.nc.NewInbox()
	sub, err := f.nc.SubscribeSync(inbox)
	if err == nil {
		err = f.nc.PublishRequest("echo", inbox, []byte(text))
	}
	if err == nil {
		err = f.nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

func answer(t *testing.T, sub *nats.Subscription) (*nats.Msg, error) {
	t.Helper()
	m, err := sub.NextMsg(10 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return m, endpoint.Failure(m)
}

func busy(r *endpoint.Request) error { return r.Fail("busy", "later") }

func TestRequestsBeyondTheBoundAreRefusedAtOnce(t *testing.T) {
	f := newFixture(t)
	begun, release := make(chan struct{}), make(chan struct{})
	serve := func(_ context.Context, r *endpoint.Request) error {
		begun <- struct{}{}
		<-release
		return r.Respond(r.Data, nil)
	}
	if err := f.service.Add("echo", "echo", 2, endpoint.Handler{Serve: serve, Refuse: busy}); err != nil {
		t.Fatal(err)
	}
	one, two := f.ask(t, "one"), f.ask(t, "two")
	<-begun
	<-begun
	var failed *endpoint.FailedError
	if _, err := answer(t, f.ask(t, "three")); !errors.As(err, &failed) || failed.Code != "busy" {
		t.Errorf("answered %v", err)
	}
	close(release)
	for sub, want := range map[*nats.Subscription]string{one: "one", two: "two"} {
		if m, err := answer(t, sub); err != nil || string(m.Data) != want {
			t.Errorf("answered %q, %v", m.Data, err)
		}
	}
	if err := f.service.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStopAnswersWhatHasArrived(t *testing.T) {
	f := newFixture(t)
	begun, release := make(chan struct{}, 100), make(chan struct{})
	serve := func(_ context.Context, r *endpoint.Request) error {
		begun <- struct{}{}
		<-release
		return r.Respond(r.Data, nil)
	}
	if err := f.service.Add("echo", "echo", 100, endpoint.Handler{Serve: serve, Refuse: busy}); err != nil {
		t.Fatal(err)
	}
	var asked []*nats.Subscription
	for range 100 {
		asked = append(asked, f.ask(t, "x"))
	}
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- f.service.Stop(context.Background()) }()
	// Whoever asks after the stop began is told that nobody is there.
	for {
		if _, err := f.nc.Request("echo", nil, 10*time.Millisecond); errors.Is(err, nats.ErrNoResponders) {
			break
		}
	}
	close(release)
	for _, sub := range asked {
		if m, err := answer(t, sub); err != nil || string(m.Data) != "x" {
			t.Fatalf("answered %q, %v", m.Data, err)
		}
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestStopThatRunsOutOfPatienceBreaksOff(t *testing.T) {
	f := newFixture(t)
	begun := make(chan struct{})
	serve := func(ctx context.Context, _ *endpoint.Request) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}
	if err := f.service.Add("echo", "echo", 1, endpoint.Handler{Serve: serve, Refuse: busy}); err != nil {
		t.Fatal(err)
	}
	f.ask(t, "x")
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.service.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped with %v", err)
	}
}

func TestStopDoesNotWaitForAServerThatIsGone(t *testing.T) {
	n, err := embednats.Start(embednats.Config{Logger: zaptest.NewLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	lost := make(chan struct{})
	s, err := endpoint.New(func(opts ...nats.Option) (*nats.Conn, error) {
		return nats.Connect(n.URL(), append(opts, nats.DisconnectErrHandler(func(*nats.Conn, error) { close(lost) }))...)
	}, "echo", zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	serve := func(_ context.Context, r *endpoint.Request) error { return r.Respond(r.Data, nil) }
	if err := s.Add("echo", "echo", 1, endpoint.Handler{Serve: serve, Refuse: busy}); err != nil {
		t.Fatal(err)
	}
	n.Close()
	<-lost
	if err := s.Stop(t.Context()); err != nil { // it would wait for a drain and for a flush, and say that they timed out
		t.Error(err)
	}
}
