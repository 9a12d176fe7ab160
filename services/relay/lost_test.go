package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/services/relay"
	"github.com/nats-io/nats.go/jetstream"
)

// world is a relay with its server, log and folders, of which any may be lost.
type world struct {
	t       *testing.T
	streams string
	server  *server
	log     *enginetest.Log
	cfg     relay.Config
	relay   *running
}

// newWorld has 100 events published.
func newWorld(t *testing.T) *world {
	w := &world{t: t, streams: filepath.Join(t.TempDir(), "streams"), log: newLog(1), cfg: config(t)}
	w.log.Fill(t, 100)
	w.begin()
	w.relay.awaitEvents(t, 100)
	return w
}

func (w *world) begin() {
	w.server = startNATS(w.t, w.streams, 0)
	w.relay = run(w.t, dial(w.t, w.server.URL()), w.log, w.cfg)
}

func (w *world) end() {
	w.relay.stop()
	w.server.Close()
}

// remove deletes a stream, and returns once its files are gone: one that is made again before may have what was in it.
func (w *world) remove(stream string) {
	w.t.Helper()
	must(w.t, w.server.js.DeleteStream(w.t.Context(), stream))
	await(w.t, stream+" is gone", func() bool {
		_, err := os.Stat(filepath.Join(w.streams, "jetstream", "$G", "streams", stream))
		return errors.Is(err, fs.ErrNotExist)
	})
}

func (w *world) stream() jetstream.Stream {
	w.t.Helper()
	s, err := w.server.js.Stream(w.t.Context(), relay.Events.Stream)
	must(w.t, err)
	return s
}

// heldAt expects that nothing is published until an operator says where to go on, and then the ordinals that the stream holds.
func (w *world) heldUntil(from uint64, want []int) {
	w.t.Helper()
	h := w.relay.awaitHeld(w.t)
	if h.Reason == "" || !strings.Contains(h.Remedy, "allied relay refill --from") {
		w.t.Errorf("held: %+v", h)
	}
	var before []int
	if _, err := w.server.js.Stream(w.t.Context(), relay.Events.Stream); err == nil {
		before = ordinals(w.t, w.server.js, relay.Events.Stream)
	}
	w.log.Fill(w.t, 5)
	w.log.Beat()
	for range 3 { // and it looks again
		w.report(func(r relay.Report) bool { return r.Held != nil })
	}
	if len(before) > 0 && !slices.Equal(ordinals(w.t, w.server.js, relay.Events.Stream), before) {
		w.t.Error("it publishes, and says that it holds")
	}
	w.refill(from)
	w.relay.awaitEvents(w.t, len(w.log.Entries()))
	await(w.t, "the relay goes on", func() bool { return w.relay.Status().Held == nil })
	if got := ordinals(w.t, w.server.js, relay.Events.Stream); !slices.Equal(got, append(before, want...)) {
		w.t.Errorf("after %s: the stream holds %v", h.Reason, got)
	}
	w.goesOn()
}

// report asks from outside until the answer is right.
func (w *world) report(right func(relay.Report) bool) {
	w.t.Helper()
	var last relay.Report
	await(w.t, "the report is right", func() bool {
		var err error
		last, err = relay.Inspect(w.t.Context(), w.server.js, w.log, relay.Events)
		return err == nil && right(last)
	})
}

func (w *world) refill(from uint64) {
	w.t.Helper()
	must(w.t, relay.Refill(w.t.Context(), w.server.js, w.log, relay.Events, from))
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if taken, err := relay.AwaitRefill(ctx, w.server.js, relay.Events); err != nil || !taken {
		w.t.Fatalf("the refill is not taken up: %v", err)
	}
}

// goesOn expects that nothing is published again after a restart, and that what is new is.
func (w *world) goesOn() {
	w.t.Helper()
	before := ordinals(w.t, w.server.js, relay.Events.Stream)
	n := len(w.log.Entries())
	w.end()
	w.begin()
	w.log.Fill(w.t, 5)
	w.log.Beat()
	w.relay.awaitEvents(w.t, n+5)
	if got := ordinals(w.t, w.server.js, relay.Events.Stream); !slices.Equal(got, append(before, upTo(n, n+5)...)) {
		w.t.Errorf("%v was followed by %v", before, got)
	}
}

// copyFolder copies what a server keeps, while none runs.
func copyFolder(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	must(t, os.CopyFS(to, os.DirFS(from)))
	return to
}

// What is lost is not published again before an operator says so, whatever was lost and whether the relay ran meanwhile.
func TestALostStreamIsRefilledByChoiceAlone(t *testing.T) {
	t.Parallel()
	lose := map[string]func(*world){
		"deleted": func(w *world) { w.remove(relay.Events.Stream) },
		"made anew": func(w *world) {
			w.remove(relay.Events.Stream)
			_, err := w.server.js.CreateStream(w.t.Context(), jetstream.StreamConfig{Name: relay.Events.Stream, Subjects: []string{"allied.events.>"}})
			must(w.t, err)
		},
		"made anew with later sequences": func(w *world) {
			w.remove(relay.Events.Stream)
			_, err := w.server.js.CreateStream(w.t.Context(), jetstream.StreamConfig{Name: relay.Events.Stream, Subjects: []string{"allied.events.>"}, FirstSeq: 1000})
			must(w.t, err)
		},
		"deleted with the bucket": func(w *world) {
			w.remove(relay.Events.Stream)
			w.remove("KV_" + relay.Bucket)
		},
	}
	for name, lose := range lose {
		for _, choice := range []struct {
			from uint64
			want []int
		}{{0, upTo(0, 105)}, {60, upTo(60, 105)}, {100, upTo(100, 105)}, {103, upTo(103, 105)}} {
			t.Run(fmt.Sprintf("%s from %d", name, choice.from), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				lose(w) // while the relay runs
				w.heldUntil(choice.from, choice.want)
			})
		}
		t.Run(name+" while no relay ran", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.relay.stop()
			lose(w)
			w.end()
			w.begin()
			w.heldUntil(0, upTo(0, 105))
		})
	}
}

// Where the server has lost all that it holds, the relay's own file remembers.
func TestAWipedServerIsRefilledByChoiceAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.end()
	must(t, os.RemoveAll(w.streams))
	w.begin()
	w.heldUntil(0, upTo(0, 105))
	w.end()
	must(t, os.RemoveAll(w.streams))
	must(t, os.WriteFile(w.cfg.Witness, []byte("{"), 0o600))
	w.begin()
	if h := w.relay.awaitHeld(t); !strings.Contains(h.Reason, "relay.json") {
		t.Errorf("%v", h)
	}
}

// A server that lost its last messages, as by a power failure, is gone on with.
func TestTheLastMessagesAreLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.end()
	before := copyFolder(t, w.streams)
	w.begin()
	w.log.Fill(t, 50)
	w.log.Beat()
	w.relay.awaitEvents(t, 150)
	w.end() // notes where it is in its own file
	w.streams = before
	w.begin()
	w.goesOnAfter(150, 100)
}

// goesOnAfter expects that a stream which lost its newest messages has them again, each event at the sequence that it had.
func (w *world) goesOnAfter(had, left int) {
	w.t.Helper()
	w.relay.awaitEvents(w.t, had)
	w.log.Fill(w.t, 5)
	w.log.Beat()
	w.relay.awaitEvents(w.t, had+5)
	if got := ordinals(w.t, w.server.js, relay.Events.Stream); !slices.Equal(got, upTo(0, had+5)) {
		w.t.Errorf("a stream that was left with %d messages holds %v", left, got)
	}
	for _, sequence := range []int{left, left + 1, had, had + 5} {
		m, err := w.stream().GetMsg(w.t.Context(), uint64(sequence))
		must(w.t, err)
		if got := m.Header.Get("Allied-Ledger-Ordinal"); got != fmt.Sprint(sequence-1) {
			w.t.Errorf("sequence %d has ordinal %s", sequence, got)
		}
	}
	w.goesOn()
}

// Where the stream alone has lost them, the checkpoint tells.
func TestTheStreamIsSetBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg.Witness = ""
	w.end()
	before := copyFolder(t, w.streams)
	w.begin()
	w.log.Fill(t, 50)
	w.log.Beat()
	w.relay.awaitEvents(t, 150)
	w.end()
	stream := filepath.Join("jetstream", "$G", "streams", relay.Events.Stream)
	must(t, os.RemoveAll(filepath.Join(w.streams, stream)))
	must(t, os.CopyFS(filepath.Join(w.streams, stream), os.DirFS(filepath.Join(before, stream))))
	w.begin()
	w.goesOnAfter(150, 100)
}

// What a durable consumer knows may survive messages that are lost. Its server sets it back with the stream, so that it hears the events again, each
// with the sequence that it had.
func TestADurableConsumerHearsAgainWhatWasLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.stream().CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "treasury", AckPolicy: jetstream.AckExplicitPolicy})
	must(t, err)
	hear := func(n int) (heard []int) {
		c, err := w.stream().Consumer(t.Context(), "treasury")
		must(t, err)
		all, err := c.Messages()
		must(t, err)
		defer all.Stop()
		for range n {
			m, err := all.Next(jetstream.NextMaxWait(patience))
			must(t, err)
			must(t, m.DoubleAck(t.Context()))
			of, err := m.Metadata()
			must(t, err)
			if got := m.Headers().Get(relay.OrdinalHeader); got != fmt.Sprint(of.Sequence.Stream-1) {
				t.Errorf("ordinal %s has sequence %d", got, of.Sequence.Stream)
			}
			heard = append(heard, int(of.Sequence.Stream)-1)
		}
		return heard
	}
	if got := hear(100); !slices.Equal(got, upTo(0, 100)) {
		t.Errorf("heard %v", got)
	}
	w.end()
	before := copyFolder(t, w.streams)
	w.begin()
	w.log.Fill(t, 50)
	w.log.Beat()
	w.relay.awaitEvents(t, 150)
	if got := hear(50); !slices.Equal(got, upTo(100, 150)) {
		t.Errorf("heard %v", got)
	}
	w.end()
	messages := filepath.Join("jetstream", "$G", "streams", relay.Events.Stream, "msgs")
	must(t, os.RemoveAll(filepath.Join(w.streams, messages)))
	must(t, os.CopyFS(filepath.Join(w.streams, messages), os.DirFS(filepath.Join(before, messages))))
	w.begin()
	w.relay.awaitEvents(t, 150)
	w.log.Fill(t, 5)
	w.log.Beat()
	if got := hear(55); !slices.Equal(got, upTo(100, 155)) {
		t.Errorf("after the loss it heard %v", got)
	}
}

// A stream that is set back to before a refill does not hold what was published since, though it reaches as far in the log: its sequences have been
// those of other events.
func TestTheStreamIsSetBackBeforeARefill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.end()
	before := copyFolder(t, w.streams)
	w.begin()
	w.refill(50)
	await(t, "the refill is published", func() bool { return len(ordinals(t, w.server.js, relay.Events.Stream)) == 150 })
	w.end()
	w.streams = before
	w.begin()
	w.heldUntil(50, upTo(50, 105))
}

// Two refills may bring sequences and ordinals back in step; what the stream held before them is other events all the same.
func TestTheStreamIsSetBackBeforeTwoRefills(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.end()
	before := copyFolder(t, w.streams)
	w.begin()
	w.refill(50) // sequence 150 has ordinal 99
	await(t, "the refill is published", func() bool { return len(ordinals(t, w.server.js, relay.Events.Stream)) == 150 })
	w.relay.stop()
	w.log.Fill(t, 60)
	must(t, relay.Refill(t.Context(), w.server.js, w.log, relay.Events, 150))
	w.relay = run(t, dial(t, w.server.URL()), w.log, w.cfg)
	w.relay.awaitEvents(t, 160) // sequence 160 has ordinal 159
	w.end()
	w.streams = before
	w.begin()
	w.heldUntil(100, upTo(100, 165))
}

// A stream that lost its newest messages is not gone on with where the log has lost what was in them: others have their ordinals now.
func TestStreamAndLogAreSetBack(t *testing.T) {
	t.Parallel()
	for name, grow := range map[string]int{"the log is shorter": 0, "the log has grown again": 60} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.end()
			before := copyFolder(t, w.streams)
			w.begin()
			w.log.Fill(t, 50)
			w.log.Beat()
			w.relay.awaitEvents(t, 150)
			w.end()
			w.streams = before
			w.log.Cut(30)
			w.log.Fill(t, grow)
			for i := range grow {
				w.log.Entries()[120+i].ID[15]++ // another event
			}
			w.begin()
			w.heldUntil(110, upTo(110, 125+grow))
		})
	}
}

// A stream that is put back from a copy which has everything is gone on with.
func TestAStreamFromACopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.end()
	before := copyFolder(t, w.streams)
	w.begin()
	w.remove(relay.Events.Stream)
	w.relay.awaitHeld(t)
	w.end()
	w.streams = before
	w.begin()
	await(t, "the relay goes on", func() bool { s := w.relay.Status(); return s.Held == nil && s.Events == 100 })
	w.goesOn()
}

// What is removed from a stream by its limits, by its consumers or by hand is published, and not again.
func TestWhatIsRemovedIsNotLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.stream().Purge(t.Context()))
	w.log.Fill(t, 5)
	w.log.Beat()
	w.relay.awaitEvents(t, 105)
	must(t, w.stream().DeleteMsg(t.Context(), 105))
	w.goesOn()
	w.relay.stop()
	must(t, w.stream().Purge(t.Context()))
	w.goesOn()
	if got := ordinals(t, w.server.js, relay.Events.Stream); !slices.Equal(got, upTo(110, 115)) {
		t.Errorf("%v", got)
	}
}

// An operator may have all published again while the relay publishes. No id of a message is used twice, so that the server takes none for a
// duplicate, however long it remembers them.
func TestARefillWhileTheRelayPublishes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.stream().CachedInfo().Config
	cfg.Duplicates = time.Hour
	_, err := w.server.js.UpdateStream(t.Context(), cfg)
	must(t, err)
	must(t, w.stream().Purge(t.Context()))
	for i, from := range []uint64{0, 50, 200} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { // the log grows meanwhile
			defer close(done)
			for ctx.Err() == nil {
				if len(w.log.Entries()) < int(w.relay.Status().Events)+4000 { // so that it may catch up
					w.log.Fill(t, 1000) // much is under way when the choice comes
				}
				w.log.Beat()
			}
		}()
		w.relay.awaitEvents(t, 1000*(i+1))
		w.refill(from)
		w.relay.awaitEvents(t, 500)
		cancel()
		<-done
		w.log.Beat()
		await(t, "all is published", func() bool { return int(w.relay.Status().Events) == len(w.log.Entries()) })
		got := ordinals(t, w.server.js, relay.Events.Stream)
		seam := 0
		for j := 1; j < len(got); j++ {
			if got[j] != got[j-1]+1 {
				seam++
			}
		}
		last := slices.Index(got, int(from))
		for j := range got {
			if j > 0 && got[j] != got[j-1]+1 {
				last = j
			}
		}
		if want := upTo(int(from), len(w.log.Entries())); seam > 1 || !slices.Equal(got[last:], want) {
			t.Fatalf("from %d: %d seams, %d messages after the last", from, seam, len(got[last:]))
		}
		must(t, w.stream().Purge(t.Context()))
		if h := w.relay.Status().Held; h != nil {
			t.Fatal(h)
		}
	}
	var refused *es.Refusal
	if err := relay.Refill(t.Context(), w.server.js, w.log, relay.Events, 1_000_000_000); !errors.As(err, &refused) || refused.Field != "from" {
		t.Errorf("beyond the log: %v", err)
	}
}

// Who waits for a refill is told at once that the connection was closed.
func TestAwaitRefillOverAClosedConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.relay.stop()
	must(t, relay.Refill(t.Context(), w.server.js, w.log, relay.Events, 0))
	js := dial(t, w.server.URL())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := relay.AwaitRefill(ctx, js, relay.Events)
		ended <- err
	}()
	await(t, "it waits", func() bool { return js.Conn().NumSubscriptions() > 1 }) // that of answers, and that of the key
	js.Conn().Close()
	if err := <-ended; err == nil || ctx.Err() != nil {
		t.Errorf("it ended with %v", err)
	}
}
