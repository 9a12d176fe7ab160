package chaos

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/relay"
	"github.com/nats-io/nats.go/jetstream"
)

// comparePublished holds a stream of events to the log's files: each event once, in order.
func comparePublished(t *testing.T, dir string, form relay.Form) {
	t.Helper()
	owner, err := boot.ReadOwner(dir)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := boot.Dial(owner.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := js.OrderedConsumer(ctx, form.Stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer all.Stop()
	n := uint64(0)
	for e, err := range filelog.Scan(nil, dir) {
		if err != nil {
			t.Fatal(err)
		}
		m, err := all.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatalf("%s after %d messages: %v", form.Stream, n, err)
		}
		at := fmt.Sprint(m.Headers().Get(relay.PositionHeader), " ", m.Headers().Get(relay.OrdinalHeader), " ", m.Headers().Get(relay.EventHeader))
		if want := fmt.Sprint(e.Position, " ", strconv.FormatUint(e.Ordinal, 10), " ", e.ID); at != want {
			t.Fatalf("%s: message %d is event %s, and the log has %s", form.Stream, n, at, want)
		}
		if form.Stream == relay.Events.Stream && string(m.Data()) != string(e.Bytes) {
			t.Fatalf("message %d has not the bytes of the log", n)
		}
		n++
	}
	if s, err := js.Stream(ctx, form.Stream); err != nil || s.CachedInfo().State.Msgs != n || s.CachedInfo().State.FirstSeq != 1 {
		t.Errorf("%d events, and %s holds %+v: %v", n, form.Stream, s.CachedInfo().State, err)
	}
	if n < 100 {
		t.Errorf("only %d events", n)
	}
}
