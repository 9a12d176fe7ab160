package boot_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/feed"
	"github.com/allied-ledger/allied/services/internal/health"
	"github.com/allied-ledger/allied/services/relay"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// awaitOrdinals returns once a stream holds so many messages, and expects the ordinals from 0 on.
func awaitOrdinals(t *testing.T, nc *nats.Conn, stream string, n uint64) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer all.Stop()
	for ordinal := range n {
		m, err := all.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatalf("ordinal %d of %s: %v", ordinal, stream, err)
		}
		if got := m.Headers().Get(relay.OrdinalHeader); got != strconv.FormatUint(ordinal, 10) {
			t.Fatalf("ordinal %s, not %d", got, ordinal)
		}
	}
	s, err := js.Stream(ctx, stream)
	if err != nil || s.CachedInfo().State.Msgs != n {
		t.Errorf("%s holds %+v, not %d messages: %v", stream, s.CachedInfo().State, n, err)
	}
}

// A ledger in one process keeps its stream of events over restarts, and publishes none again. Where the stream is lost it says so until an operator
// has said where to go on; who asks the API is served meanwhile.
func TestEventsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	events := uint64(0)
	for day := range 3 {
		n, stop := start(t, boot.Config{DataDir: dir, HTTPListen: freePort, RelayJSON: day > 0})
		nc, err := nats.Connect(n.URL())
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			submit(t, client.New(nc, client.Config{}), commit("5.00"), "recorded")
			events++
		}
		awaitOrdinals(t, nc, relay.Events.Stream, events)
		if day > 0 {
			awaitOrdinals(t, nc, relay.EventsJSON.Stream, events)
		}
		awaitReady(t, n, http.StatusOK)
		if _, body := get(t, n, "/metrics"); !strings.Contains(body, `allied_relay_held{stream="ALLIED_EVENTS"} 0`) || !strings.Contains(body, `allied_relay_published_total{stream="ALLIED_EVENTS"} 5`) {
			t.Errorf("metrics:\n%s", body)
		}
		nc.Close()
		stop()
	}

	if err := os.RemoveAll(filepath.Join(dir, "events.streams")); err != nil {
		t.Fatal(err)
	}
	n, _ := start(t, boot.Config{DataDir: dir, HTTPListen: freePort})
	var f health.Check
	for f.OK || f.Check == "" { // until the relay has looked
		f = failing(awaitReady(t, n, http.StatusOK))
	}
	if f.Check != "relay ALLIED_EVENTS" || !strings.Contains(f.Remedy, "allied relay refill --from 15`") {
		t.Errorf("%+v", f)
	}
	if _, body := get(t, n, "/metrics"); !strings.Contains(body, `allied_relay_held{stream="ALLIED_EVENTS"} 1`) {
		t.Errorf("metrics:\n%s", body)
	}
	nc, err := nats.Connect(n.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := relay.Refill(t.Context(), js, feed.New(nc, zap.NewNop()), relay.Events, 0); err != nil {
		t.Fatal(err)
	}
	awaitOrdinals(t, nc, relay.Events.Stream, events)
	for failing(awaitReady(t, n, http.StatusOK)).Check != "" { // until the relay has noted it
	}
}
