package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/live"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"pgregory.net/rapid"
)

// patience bounds how long a test waits for a fact.
const patience = time.Minute

// tester is a test, or one case of a random one.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

var (
	_ tester = (*testing.T)(nil)
	_ tester = (*rapid.T)(nil)
)

func must(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

// natsServer is a server that outlives publishers.
type natsServer struct {
	*embednats.Server
	js jetstream.JetStream
	nc *nats.Conn
}

func startNATS(t testing.TB, port int) *natsServer {
	t.Helper()
	s, err := embednats.Start(embednats.Config{Port: port, StreamsDir: filepath.Join(t.TempDir(), "streams"), Logger: zap.NewNop()})
	must(t, err)
	t.Cleanup(s.Close)
	nc, js := dial(t, s)
	return &natsServer{s, js, nc}
}

// dial connects over the network, and again after the server was away.
func dial(t testing.TB, s *embednats.Server) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(s.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0), nats.ReconnectBufSize(-1))
	must(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	must(t, err)
	return nc, js
}

// book is a read model that a test moves by hand, and the log that it is of.
type book struct {
	t    tester
	log  *enginetest.Log
	fold engine.Projection
	head func(context.Context) (engine.LogHead, error)

	mu       sync.Mutex
	sink     *engine.MemSink
	at       engine.Checkpoint
	moved    chan struct{} // closed and replaced whenever at changes
	awaiting chan struct{} // closed and replaced whenever somebody waits for more than there is
}

func newBook(t tester, log *enginetest.Log) *book {
	b := &book{
		t: t, log: log, fold: balances.New(), sink: engine.NewMemSink(), at: engine.Checkpoint{Projection: "balances"},
		moved: make(chan struct{}), awaiting: make(chan struct{}), head: log.Head,
	}
	_, err := b.sink.Open(context.Background(), balances.Spec)
	must(t, err)
	return b
}

// advance folds the next n events in one commit; all that there are where n is 0.
func (b *book) advance(n int) es.Position {
	b.t.Helper()
	entries := b.log.Entries()[b.at.Events():]
	if n > 0 {
		entries = entries[:n]
	}
	if len(entries) == 0 {
		return b.at.Position
	}
	head, err := b.log.Head(context.Background())
	must(b.t, err)
	to := b.at
	for _, e := range entries {
		f, err := wire.Decode(e)
		must(b.t, err)
		must(b.t, b.fold.Fold(f))
		to.LogID, to.Position, to.Ordinal = head.LogID, e.Position, e.Ordinal
	}
	b.commit(to, b.fold.Flush)
	return to.Position
}

// put commits rows that no event made, at a position of the book's log.
func (b *book) put(at es.Position, rows ...engine.Row) {
	b.t.Helper()
	head, err := b.head(context.Background())
	must(b.t, err)
	b.commit(engine.Checkpoint{Projection: "balances", LogID: head.LogID, Position: at, Ordinal: uint64(at)}, func(yield func(int, engine.Row) error) error {
		for _, row := range rows {
			if err := yield(0, row); err != nil {
				return err
			}
		}
		return nil
	})
}

// row is a balance of a donor.
func row(donor string, standing int64) engine.Row {
	var out engine.Row
	for _, word := range []string{donor, "UKR", "MIL.AMMO", "grant", "allocated", "tracker", "EUR/2@tracker"} {
		out = append(out, engine.TextOf(word))
	}
	return append(out, engine.AmountOf(money.New(1000)), engine.AmountOf(money.New(standing)), engine.IntOf(0))
}

func (b *book) commit(to engine.Checkpoint, flush func(func(int, engine.Row) error) error) {
	b.t.Helper()
	must(b.t, b.sink.Commit(context.Background(), b.at, to, flush))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = to
	close(b.moved)
	b.moved = make(chan struct{})
}

func (b *book) await(ctx context.Context, at es.Position) error {
	for {
		b.mu.Lock()
		now, moved := b.at, b.moved
		if now.Position < at {
			close(b.awaiting)
			b.awaiting = make(chan struct{})
		}
		b.mu.Unlock()
		if now.Position >= at {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// idle returns once a publisher waits for more than the read model holds.
func (b *book) idle() {
	b.t.Helper()
	b.mu.Lock()
	awaiting := b.awaiting
	b.mu.Unlock()
	select {
	case <-awaiting:
	case <-time.After(patience):
		b.t.Fatalf("no publisher waits")
	}
}

func (b *book) model() live.Model {
	return live.Model{Views: b.sink, Head: b.head, Await: b.await}
}

func view(bucket string) live.View {
	return live.View{Bucket: bucket, Spec: balances.Spec, Key: balances.LiveKey, Value: balances.LiveValue}
}

// publish runs a publisher until stop, or the end of the test.
func publish(t testing.TB, js jetstream.JetStream, bucket string, b *book, log *zap.Logger) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	p := live.New(js, view(bucket), b.model(), log).Hurry(20 * time.Millisecond)
	go func() {
		defer close(done)
		_ = p.Run(ctx) // ends with ctx only
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// rows are what a bucket must hold beside the mark.
func (b *book) rows() map[string]engine.Row {
	rows := map[string]engine.Row{}
	must(b.t, b.sink.View(context.Background(), func(s engine.Snapshot) error {
		for row, err := range s.Scan(context.Background(), balances.Spec.Tables[0], engine.Range{}) {
			if err != nil {
				return err
			}
			rows[balances.LiveKey(row)] = row
		}
		return nil
	}))
	return rows
}

// equals compares what somebody holds of a bucket with the read model.
func (b *book) equals(t tester, who string, held map[string][]byte) {
	t.Helper()
	rows := b.rows()
	for key, value := range held {
		if key == live.MarkKey {
			continue
		}
		row, ok := rows[key]
		if !ok {
			t.Errorf("%s: the ghost %s", who, key)
			continue
		}
		var at balances.Live
		must(t, json.Unmarshal(value, &at))
		if at.LogID != b.mark().LogID || at.Position > b.at.Position {
			t.Errorf("%s: %s was written at position %d of log %s, and the read model is at %d of %s", who, key, at.Position, at.LogID, b.at.Position, b.at.LogID)
		}
		want, err := balances.LiveValue(row, engine.Checkpoint{LogID: at.LogID, Position: at.Position, Ordinal: at.Ordinal})
		must(t, err)
		if string(want) != string(value) {
			t.Errorf("%s: %s is stale:\n%s, not\n%s", who, key, value, want)
		}
	}
	for key := range rows {
		if held[key] == nil {
			t.Errorf("%s: %s is missing", who, key)
		}
	}
	if got, want := readMark(held[live.MarkKey]), b.mark(); got != want {
		t.Errorf("%s: the mark is %+v, not %+v", who, got, want)
	}
}

// mark is that of a bucket which equals the read model.
func (b *book) mark() live.Mark {
	head, err := b.head(context.Background())
	must(b.t, err)
	return live.Mark{LogID: head.LogID, Position: b.at.Position, Ordinal: b.at.Ordinal, Keys: len(b.rows())}
}

func readMark(value []byte) (m live.Mark) {
	_ = json.Unmarshal(value, &m) // no mark is the zero one
	return m
}

// read returns all that a bucket holds, and its last revision.
func read(t tester, js jetstream.JetStream, bucket string) (map[string][]byte, uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kv, err := js.KeyValue(ctx, bucket)
	must(t, err)
	w, err := kv.WatchAll(ctx)
	must(t, err)
	defer func() { must(t, w.Stop()) }()
	held, last := map[string][]byte{}, uint64(0)
	for e := range w.Updates() {
		if e == nil {
			return held, last
		}
		last = e.Revision()
		if e.Operation() == jetstream.KeyValuePut {
			held[e.Key()] = e.Value()
		}
	}
	t.Fatalf("the watch ended")
	return nil, 0
}

// lastMark is the mark of a bucket; zero where there is none.
func lastMark(ctx context.Context, js jetstream.JetStream, bucket string) live.Mark {
	s, err := js.Stream(ctx, "KV_"+bucket)
	if err != nil {
		return live.Mark{}
	}
	m, err := s.GetLastMsgForSubject(ctx, "$KV."+bucket+"."+live.MarkKey)
	if err != nil {
		return live.Mark{}
	}
	return readMark(m.Data)
}

// awaitMark returns once the bucket's mark is as it should be, or the publisher ended.
func awaitMark(t tester, js jetstream.JetStream, bucket string, right func(live.Mark) bool, ended <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		mark := lastMark(ctx, js, bucket)
		if right(mark) {
			return
		}
		look, done := context.WithTimeout(ctx, 5*time.Millisecond) // until the next look at what nobody announces
		select {
		case <-ended:
			done()
			return
		case <-look.Done():
			done()
		}
		if ctx.Err() != nil {
			t.Fatalf("bucket %s stays at %+v", bucket, mark)
		}
	}
}

// awaitMark returns once the mark says that the bucket equals the read model.
func (b *book) awaitMark(t tester, js jetstream.JetStream, bucket string) {
	t.Helper()
	awaitMark(t, js, bucket, func(m live.Mark) bool { return m == b.mark() }, nil)
}

// mirror is a subscriber on core NATS that began with what the bucket held.
type mirror struct {
	t      tester
	bucket string
	sub    *nats.Subscription
	held   map[string][]byte
	seen   uint64 // the revision of the last message
	gaps   int
}

// follow subscribes, and reads the bucket only then, so that nothing falls between the two.
func follow(t tester, s *natsServer, bucket string) *mirror {
	t.Helper()
	sub, err := s.nc.SubscribeSync(live.Subject(bucket, ">"))
	must(t, err)
	must(t, sub.SetPendingLimits(-1, -1))
	must(t, s.nc.Flush())
	m := &mirror{t: t, bucket: bucket, sub: sub, held: map[string][]byte{}}
	if _, err := s.js.KeyValue(context.Background(), bucket); err == nil {
		m.held, m.seen = read(t, s.js, bucket)
	}
	return m
}

// next applies one message.
func (m *mirror) next() {
	m.t.Helper()
	msg, err := m.sub.NextMsg(patience)
	must(m.t, err)
	revision, err := strconv.ParseUint(msg.Header.Get("Nats-Sequence"), 10, 64)
	must(m.t, err)
	if revision <= m.seen {
		return
	}
	if m.seen != 0 && revision != m.seen+1 {
		m.gaps++
	}
	m.seen = revision
	key := strings.TrimPrefix(msg.Subject, live.Subject(m.bucket, ""))
	if msg.Header.Get("KV-Operation") == "DEL" {
		delete(m.held, key)
		return
	}
	m.held[key] = msg.Data
}

// until applies messages until the mark says that all equals the read model.
func (m *mirror) until(b *book) {
	m.t.Helper()
	m.untilHeld(func(held map[string][]byte) bool { return readMark(held[live.MarkKey]) == b.mark() })
}

// untilHeld applies messages until what is held is as it should be.
func (m *mirror) untilHeld(enough func(map[string][]byte) bool) {
	m.t.Helper()
	for !enough(m.held) {
		m.next()
	}
}

// awaitEqual returns once the bucket equals the read model again, whatever the mark says.
func (b *book) awaitEqual(t tester, s *natsServer, bucket, after string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var wrong listed
	for ctx.Err() == nil {
		b.idle() // a publisher has had its turn
		wrong = nil
		if _, err := s.js.KeyValue(ctx, bucket); err == nil {
			held, _ := read(t, s.js, bucket)
			if b.equals(&wrong, after, held); len(wrong) == 0 {
				return
			}
		}
	}
	t.Fatalf("after %s: %s", after, wrong)
}

// listed is a test that only notes what is wrong.
type listed []string

func (l *listed) Helper() {}

func (l *listed) Errorf(format string, args ...any) { *l = append(*l, fmt.Sprintf(format, args...)) }

func (l *listed) Fatalf(format string, args ...any) { l.Errorf(format, args...) }

// equal checks the bucket and its followers.
func equal(t tester, b *book, s *natsServer, bucket string, followers ...*mirror) {
	t.Helper()
	b.awaitMark(t, s.js, bucket)
	held, _ := read(t, s.js, bucket)
	b.equals(t, "bucket", held)
	for i, m := range followers {
		m.until(b)
		b.equals(t, fmt.Sprint("follower ", i), m.held)
	}
}

func newLog(n byte) *enginetest.Log { return enginetest.NewLog(uuid.UUID{1: n}) }

// promise adds a pledge of three events and six rows.
func promise(t testing.TB, log *enginetest.Log, n int) {
	t.Helper()
	log.Decide(
		t, enginetest.Stream(n), enginetest.Donors[n%len(enginetest.Donors)],
		pledgetest.Commit(pledgetest.Line(100*n, pledgetest.Stated(pledgetest.EUR, "625.50"))),
		pledgetest.Allocate(pledgetest.Line(100*n+1, pledgetest.Stated(pledgetest.EUR, "200")), pledgetest.Item("shell", "10")),
		pledgetest.Draw(100*n+2, 100*n+1, pledgetest.EUR, "150"),
	)
}
