package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/internal/readable"
	"github.com/allied-ledger/allied/services/internal/strictjson"
	"github.com/allied-ledger/allied/services/relay"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
)

const (
	// patience bounds how long a test waits for a fact.
	patience = time.Minute
	// hurry is what a relay waits in tests for what it waits seconds for.
	hurry = 10 * time.Millisecond
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// server is a NATS server that keeps its streams in a folder.
type server struct {
	*embednats.Server
	js jetstream.JetStream
}

func startNATS(t testing.TB, dir string, port int) *server {
	t.Helper()
	s, err := embednats.Start(embednats.Config{StreamsDir: dir, KeptBytesMax: 4 << 30, StreamsMax: 8, Port: port, Logger: zap.NewNop()})
	must(t, err)
	t.Cleanup(s.Close)
	return &server{s, dial(t, s.URL())}
}

func newNATS(t testing.TB) *server { return startNATS(t, filepath.Join(t.TempDir(), "streams"), 0) }

func dial(t testing.TB, url string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(5*time.Millisecond), nats.ReconnectJitter(0, 0), nats.ReconnectBufSize(-1))
	must(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	must(t, err)
	return js
}

func newLog(n byte) *enginetest.Log { return enginetest.NewLog(uuid.UUID{1: n}) }

// running is a relay that runs until it is stopped.
type running struct {
	*relay.Relay
	ended  chan struct{}
	cancel context.CancelFunc
}

func config(t testing.TB) relay.Config {
	return relay.Config{Form: relay.Events, Witness: filepath.Join(t.TempDir(), "relay.json"), Logger: zaptest.NewLogger(t)}
}

func run(t testing.TB, js jetstream.JetStream, source engine.Source, cfg relay.Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{relay.New(js, source, cfg).Hurry(hurry), make(chan struct{}), cancel}
	go func() {
		defer close(r.ended)
		_ = r.Run(ctx) // ends with ctx only
	}()
	t.Cleanup(r.stop)
	return r
}

func (r *running) stop() {
	r.cancel()
	<-r.ended
}

// await returns once something holds that nobody announces.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	late := time.After(patience)
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-late:
			t.Fatalf("never: %s", what)
		case <-look.C:
		}
	}
}

// awaitEvents returns once a relay says that so many events are in the stream.
func (r *running) awaitEvents(t testing.TB, n int) {
	t.Helper()
	await(t, fmt.Sprintf("%d events are published: %+v", n, r.Status()), func() bool { return r.Status().Events >= uint64(n) })
}

func (r *running) awaitHeld(t testing.TB) *relay.HeldError {
	t.Helper()
	await(t, fmt.Sprintf("the relay holds %+v", r.Status()), func() bool { return r.Status().Held != nil })
	return r.Status().Held
}

// messages are all that a stream holds, in order.
func messages(t testing.TB, js jetstream.JetStream, stream string) (out []jetstream.Msg) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := js.Stream(ctx, stream)
	must(t, err)
	info, err := s.Info(ctx)
	must(t, err)
	if info.State.Msgs == 0 {
		return nil
	}
	c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	must(t, err)
	all, err := c.Messages()
	must(t, err)
	defer all.Stop()
	for range info.State.Msgs {
		m, err := all.Next(jetstream.NextContext(ctx))
		must(t, err)
		out = append(out, m)
	}
	return out
}

// ordinals are those of the messages of a stream.
func ordinals(t testing.TB, js jetstream.JetStream, stream string) (out []int) {
	t.Helper()
	for _, m := range messages(t, js, stream) {
		n, err := strconv.Atoi(m.Headers().Get(relay.OrdinalHeader))
		must(t, err)
		out = append(out, n)
	}
	return out
}

// upTo counts from a number to another, which is not counted.
func upTo(from, to int) (out []int) {
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}

// equals holds a stream to the log's own list: every entry once, in order, whole.
func equals(t testing.TB, js jetstream.JetStream, form relay.Form, log *enginetest.Log) {
	t.Helper()
	head, err := log.Head(context.Background())
	must(t, err)
	entries, got := log.Entries(), messages(t, js, form.Stream)
	if len(got) != len(entries) {
		t.Errorf("%d messages, and the log has %d events", len(got), len(entries))
	}
	for i, m := range got[:min(len(got), len(entries))] {
		if err := equal(m, form, head.LogID, entries[i]); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
}

func equal(m jetstream.Msg, form relay.Form, log uuid.UUID, e es.Entry) error {
	record, err := wire.DecodeRecord(e.Bytes)
	if err != nil {
		return err
	}
	fact, err := wire.Decode(e)
	if err != nil {
		return err
	}
	for name, want := range map[string]string{
		relay.LogHeader: log.String(), relay.PositionHeader: fmt.Sprint(e.Position), relay.PrevHeader: fmt.Sprint(e.Prev), relay.OrdinalHeader: fmt.Sprint(e.Ordinal),
		relay.StreamHeader: e.Stream, relay.RevisionHeader: fmt.Sprint(e.Revision), relay.EventHeader: e.ID.String(), relay.TypeHeader: record.GetType(),
		relay.RecordedHeader: fact.RecordedAt.Format(time.RFC3339Nano), relay.AbsentHeader: "",
	} {
		if got := m.Headers().Get(name); got != want {
			return fmt.Errorf("header %s is %q, not %q", name, got, want)
		}
	}
	if want := form.Subject(fact.Envelope.Kind, fact.Envelope.Donor, e.Stream); m.Subject() != want {
		return fmt.Errorf("its subject is %s, not %s", m.Subject(), want)
	}
	body := e.Bytes
	if form.Stream == relay.EventsJSON.Stream {
		if body, err = strictjson.Marshal(readable.Logged(e)); err != nil {
			return err
		}
	}
	if !bytes.Equal(m.Data(), body) {
		return fmt.Errorf("the body is %q, not %q", m.Data(), body)
	}
	return nil
}

// frame is what the recorder broadcasts of the entries after the first n.
func frame(log *enginetest.Log, n int) engine.Frame {
	head, _ := log.Head(context.Background())
	return engine.Frame{Head: head, Entries: log.Entries()[n:]}
}
