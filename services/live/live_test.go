package live_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/live"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func TestBucketAndSubscribersEqualTheReadModel(t *testing.T) {
	t.Parallel()
	s, log := startNATS(t, 0), newLog(7)
	b, fromTheStart := newBook(t, log), follow(t, s, "balances")
	publish(t, s.js, "balances", b, zap.NewNop())
	equal(t, b, s, "balances")
	for i := range 12 {
		promise(t, log, i)
		b.advance(1 + i%3)
		if i%4 == 3 {
			equal(t, b, s, "balances", fromTheStart, follow(t, s, "balances"))
		}
	}
	b.advance(0)
	equal(t, b, s, "balances", fromTheStart)
	if fromTheStart.gaps > 0 {
		t.Errorf("%d gaps in the revisions that a subscriber saw", fromTheStart.gaps)
	}
}

// Nothing is written while nothing changes, and what is there already is not written again.
func TestWhatIsEqualIsLeftAlone(t *testing.T) {
	t.Parallel()
	s, log := startNATS(t, 0), newLog(7)
	b := newBook(t, log)
	promise(t, log, 1)
	b.advance(0)
	for range 3 {
		stop := publish(t, s.js, "balances", b, zap.NewNop())
		b.idle()
		b.idle() // it has looked at the bucket
		stop()
	}
	held, last := read(t, s.js, "balances")
	stream, err := s.js.Stream(t.Context(), "KV_balances")
	must(t, err)
	if first := stream.CachedInfo().State.FirstSeq; last-first+1 != uint64(len(held)) {
		t.Errorf("%d writes of %d keys", last-first+1, len(held))
	}
	b.equals(t, "bucket", held)
}

// An event that changes no balance moves the mark alone.
func TestMarkFollowsTheLog(t *testing.T) {
	t.Parallel()
	s := startNATS(t, 0)
	b := newBook(t, newLog(7))
	b.head = headAt(uuid.UUID{1: 7}, 100)
	b.put(10, row("NOR", 5))
	publish(t, s.js, "balances", b, zap.NewNop())
	b.awaitMark(t, s.js, "balances")
	_, before := read(t, s.js, "balances")
	b.put(11)
	equal(t, b, s, "balances")
	if _, after := read(t, s.js, "balances"); after != before+1 {
		t.Errorf("%d writes", after-before)
	}
}

func headAt(id uuid.UUID, at es.Position) func(context.Context) (engine.LogHead, error) {
	return func(context.Context) (engine.LogHead, error) {
		return engine.LogHead{LogID: id, Head: es.Head{Position: at, Events: uint64(at) + 1}}, nil
	}
}

// A view that was built anew, by another version of its fold say, has other rows at the same position.
func TestRebuiltViewLeavesNoGhosts(t *testing.T) {
	t.Parallel()
	s, head := startNATS(t, 0), headAt(uuid.UUID{1: 7}, 20)
	old := newBook(t, newLog(7))
	old.head = head
	old.put(20, row("NOR", 5), row("DEU", 7), row("USA", 9))
	stop := publish(t, s.js, "balances", old, zap.NewNop())
	follower := follow(t, s, "balances")
	equal(t, old, s, "balances", follower)
	stop()

	rebuilt := newBook(t, newLog(7))
	rebuilt.head = head
	rebuilt.put(5, row("NOR", 1))
	publish(t, s.js, "balances", rebuilt, zap.NewNop())
	rebuilt.put(12, row("NOR", 3)) // still behind what the bucket was written at
	rebuilt.put(20, row("NOR", 5), row("POL", 7), row("USA", -9))
	follower.untilHeld(func(held map[string][]byte) bool {
		return len(held) == 4 && strings.Contains(string(held[usa]), `"-0.09"`)
	})
	held, _ := read(t, s.js, "balances")
	rebuilt.equals(t, "bucket", held)
	rebuilt.equals(t, "follower", follower.held)
}

const usa = "USA.UKR.grant.allocated.EUR=2F2=40tracker.MIL.AMMO"

// Another log under the same NATS server: the ledger was replaced. The same log, shorter than what the bucket was written at: it was restored
// from a copy.
func TestReplacedAndRestoredLedgersTakeTheBucket(t *testing.T) {
	t.Parallel()
	s := startNATS(t, 0)
	old := newBook(t, newLog(7))
	old.head = headAt(uuid.UUID{1: 7}, 20)
	old.put(20, row("NOR", 5), row("DEU", 7), row("USA", 9))
	stop := publish(t, s.js, "balances", old, zap.NewNop())
	follower := follow(t, s, "balances")
	equal(t, old, s, "balances", follower)
	stop()

	restored := newBook(t, newLog(7))
	restored.head = headAt(uuid.UUID{1: 7}, 16)
	restored.put(15, row("NOR", 5), row("DEU", 6))
	stop = publish(t, s.js, "balances", restored, zap.NewNop())
	equal(t, restored, s, "balances", follower)
	restored.put(16, row("DEU", 2))
	equal(t, restored, s, "balances", follower)
	stop()

	other := newBook(t, newLog(8))
	publish(t, s.js, "balances", other, zap.NewNop()) // an empty log
	equal(t, other, s, "balances", follower)
	promise(t, other.log, 1)
	other.advance(0)
	equal(t, other, s, "balances", follower)
}

// A view of a log that the recorder does not hold is not shown, whatever the bucket holds.
func TestViewOfAnotherLogIsNotPublished(t *testing.T) {
	t.Parallel()
	s := startNATS(t, 0)
	right := newBook(t, newLog(7))
	promise(t, right.log, 1)
	right.advance(0)
	publish(t, s.js, "balances", right, zap.NewNop())
	equal(t, right, s, "balances")

	logs, warned := watchLog()
	wrong := newBook(t, newLog(8))
	promise(t, wrong.log, 1)
	promise(t, wrong.log, 2)
	wrong.advance(0)
	wrong.head = right.log.Head
	publish(t, s.js, "balances", wrong, logs)
	if text := <-warned; !strings.Contains(text, "only that log's views are live") {
		t.Error(text)
	}
	equal(t, right, s, "balances")
}

// watchLog returns a logger, and the warnings that it gets.
func watchLog() (*zap.Logger, <-chan string) {
	warned := make(chan string, 1000)
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(lines(warned)), zap.WarnLevel)
	return zap.New(core), warned
}

type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// paused is a JetStream whose next write waits until it is let go.
type paused struct {
	jetstream.JetStream
	once    sync.Once
	reached chan struct{}
	goOn    chan struct{}
}

func (p *paused) PublishMsgAsync(m *nats.Msg, opts ...jetstream.PublishOpt) (jetstream.PubAckFuture, error) {
	p.once.Do(func() {
		close(p.reached)
		<-p.goOn
	})
	return p.JetStream.PublishMsgAsync(m, opts...)
}

// The process that publishes is stopped for a while right before it writes, and another takes over. What it then writes would be a figure of
// the past under a key that the other did not need to write: NOR is 5, was 6 between, and is 5 again; and POL has come and gone.
func TestLateWriteIsRefused(t *testing.T) {
	t.Parallel()
	s, head := startNATS(t, 0), headAt(uuid.UUID{1: 7}, 40)
	first := newBook(t, newLog(7))
	first.head = head
	first.put(10, row("NOR", 5), row("DEU", 7))
	stop := publish(t, s.js, "balances", first, zap.NewNop())
	follower := follow(t, s, "balances")
	equal(t, first, s, "balances", follower)
	stop()

	_, lateJS := dial(t, s.Server)
	late := &paused{JetStream: lateJS, reached: make(chan struct{}), goOn: make(chan struct{})}
	first.put(20, row("NOR", 6), row("POL", 1))
	logs, warned := watchLog()
	publish(t, late, "balances", first, logs)
	<-late.reached

	second := newBook(t, newLog(7))
	second.head = head
	second.put(30, row("NOR", 5), row("DEU", 7))
	publish(t, s.js, "balances", second, zap.NewNop())
	equal(t, second, s, "balances", follower)
	close(late.goOn)
	if text := <-warned; !strings.Contains(text, "it waits until the view has caught up") {
		t.Error(text) // it was refused, and has read the bucket again
	}
	equal(t, second, s, "balances", follower)
	second.put(31, row("DEU", 8))
	equal(t, second, s, "balances", follower)
	first.put(40, row("NOR", 9), row("DEU", 10)) // it catches up, and overtakes
	second.put(40, row("NOR", 9), row("POL", 1), row("DEU", 10))
	equal(t, second, s, "balances", follower)
}

// Somebody writes, deletes and removes what is not theirs.
func TestMeddlingIsMended(t *testing.T) {
	t.Parallel()
	s, log := startNATS(t, 0), newLog(7)
	b := newBook(t, log)
	promise(t, log, 0)
	promise(t, log, 1)
	b.advance(0)
	publish(t, s.js, "balances", b, zap.NewNop())
	equal(t, b, s, "balances")
	kv, err := s.js.KeyValue(t.Context(), "balances")
	must(t, err)
	var key string
	for key = range b.rows() {
		break
	}
	for name, meddle := range map[string]func() error{
		"a value":       func() error { _, err := kv.Put(t.Context(), key, []byte(`{"log_id":"x"}`)); return err },
		"a ghost":       func() error { _, err := kv.Put(t.Context(), "a.b.c", nil); return err },
		"the mark":      func() error { _, err := kv.Put(t.Context(), live.MarkKey, []byte("null")); return err },
		"a deletion":    func() error { return kv.Delete(t.Context(), key) },
		"a purge":       func() error { return kv.Purge(t.Context(), live.MarkKey) },
		"no bucket":     func() error { return s.js.DeleteKeyValue(t.Context(), "balances") },
		"other configs": func() error { return withoutRepublish(t, s.js) },
	} {
		must(t, meddle())
		b.awaitEqual(t, s, "balances", name)
	}
	follower := follow(t, s, "balances")
	promise(t, log, 2)
	b.advance(0)
	equal(t, b, s, "balances", follower)
}

// withoutRepublish makes the bucket one that a person made, and that holds what nobody knows.
func withoutRepublish(t *testing.T, js jetstream.JetStream) error {
	if err := js.DeleteKeyValue(t.Context(), "balances"); err != nil {
		return err
	}
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "balances", History: 5, TTL: time.Hour, Storage: jetstream.MemoryStorage})
	if err != nil && !errors.Is(err, jetstream.ErrBucketExists) { // the publisher may have been faster
		return err
	}
	if err == nil {
		_, err = kv.Put(t.Context(), "who.knows", []byte("what"))
	}
	return err
}

// What an operator chose for the bucket stays.
func TestBucketOfAnOperatorIsKept(t *testing.T) {
	t.Parallel()
	s, log := startNATS(t, 0), newLog(7)
	_, err := s.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{
		Bucket: "balances", History: 5, TTL: time.Hour, Storage: jetstream.MemoryStorage, MaxBytes: 1 << 20, Description: "of the operator",
	})
	must(t, err)
	b := newBook(t, log)
	promise(t, log, 0)
	b.advance(0)
	follower := follow(t, s, "balances")
	publish(t, s.js, "balances", b, zap.NewNop())
	equal(t, b, s, "balances", follower)
	stream, err := s.js.Stream(t.Context(), "KV_balances")
	must(t, err)
	cfg := stream.CachedInfo().Config
	if cfg.MaxBytes != 1<<20 || cfg.Description != "of the operator" || cfg.MaxMsgsPerSubject != 1 || cfg.MaxAge != 0 || cfg.RePublish == nil {
		t.Errorf("the bucket is %+v", cfg)
	}
}

// A bucket that is full is tried again until there is room; the mark does not say what is not there.
func TestFullBucketWaitsForRoom(t *testing.T) {
	t.Parallel()
	s, log := startNATS(t, 0), newLog(7)
	_, err := s.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "balances", Storage: jetstream.MemoryStorage, MaxBytes: 3000})
	must(t, err)
	b := newBook(t, log)
	for i := range 4 {
		promise(t, log, i)
	}
	b.advance(0)
	logs, warned := watchLog()
	publish(t, s.js, "balances", b, logs)
	if text := <-warned; !strings.Contains(text, "maximum bytes exceeded") {
		t.Error(text)
	}
	held, _ := read(t, s.js, "balances")
	if held[live.MarkKey] != nil || len(held) == 0 {
		t.Errorf("a full bucket holds %d keys and the mark %s", len(held), held[live.MarkKey])
	}
	stream, err := s.js.Stream(t.Context(), "KV_balances")
	must(t, err)
	cfg := stream.CachedInfo().Config
	cfg.MaxBytes = 1 << 20
	_, err = s.js.UpdateStream(t.Context(), cfg)
	must(t, err)
	equal(t, b, s, "balances")
	if len(warned) > 0 {
		t.Errorf("warned again: %s", <-warned)
	}
}

// A NATS server without JetStream is told of once. With JetStream, later, the views are there.
func TestServerWithoutJetStream(t *testing.T) {
	t.Parallel()
	s, err := embednats.Start(embednats.Config{Logger: zap.NewNop()})
	must(t, err)
	port := portOf(t, s)
	_, js := dial(t, s)
	log := newLog(7)
	b := newBook(t, log)
	promise(t, log, 1)
	b.advance(0)
	logs, warned := watchLog()
	publish(t, js, "balances", b, logs)
	if text := <-warned; !strings.Contains(text, "runs without JetStream") {
		t.Error(text)
	}
	s.Close()
	with := startNATS(t, port)
	equal(t, b, with, "balances")
	if len(warned) > 0 {
		t.Errorf("warned again: %s", <-warned)
	}
}

// The server that keeps the bucket in memory is away for a while and comes back empty. Who watches the bucket, in the ordinary way, sees all; the
// client's library takes twenty seconds to notice.
func TestRestartOfTheServer(t *testing.T) {
	t.Parallel()
	s, log := startNATS(t, 0), newLog(7)
	port := portOf(t, s.Server)
	b := newBook(t, log)
	promise(t, log, 0)
	promise(t, log, 1)
	b.advance(4)
	_, js := dial(t, s.Server)
	publish(t, js, "balances", b, zap.NewNop())
	equal(t, b, s, "balances")
	kv, err := s.js.KeyValue(t.Context(), "balances")
	must(t, err)
	w, err := kv.WatchAll(t.Context())
	must(t, err)
	watched := map[string][]byte{}
	untilMark := func() {
		late := time.After(patience)
		for {
			if mark := readMark(watched[live.MarkKey]); mark.Position == b.at.Position {
				return
			}
			select {
			case e := <-w.Updates():
				if e != nil {
					watched[e.Key()] = e.Value()
				}
			case <-late:
				t.Fatal("the watcher saw nothing more")
			}
		}
	}
	untilMark()
	_, before := read(t, s.js, "balances")

	s.Close()
	b.advance(1)
	again := startNATS(t, port)
	b.advance(0)
	equal(t, b, again, "balances")
	untilMark()
	b.equals(t, "watcher", watched)
	if _, after := read(t, again.js, "balances"); after <= before {
		t.Errorf("revisions went back from %d to %d", before, after)
	}
}

func portOf(t *testing.T, s *embednats.Server) (port int) {
	t.Helper()
	_, err := fmt.Sscanf(s.URL(), "nats://127.0.0.1:%d", &port)
	must(t, err)
	return port
}

// The longest names that a ledger takes fit into a key.
func TestLongestKey(t *testing.T) {
	t.Parallel()
	s := startNATS(t, 0)
	b := newBook(t, newLog(7))
	b.head = headAt(uuid.UUID{1: 7}, 1)
	long := row("EU-INST", 5)
	long[2], long[5] = engine.TextOf("MIL.ARMOUR.UNMAPPED"), engine.TextOf("")
	long[6] = engine.TextOf(strings.Repeat("u", 32) + "/6:" + strings.Repeat("Ж", 128))
	b.put(1, long)
	publish(t, s.js, "balances", b, zap.NewNop())
	equal(t, b, s, "balances", follow(t, s, "balances"))
}
