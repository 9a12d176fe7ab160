package live_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/services/live"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"pgregory.net/rapid"
)

var errFault = errors.New("fault")

// fault is that the nth write fails: nothing of it, or all of it, is stored.
type fault struct {
	mu     sync.Mutex
	struck func() // called when it fails; the process may end there
	met    int
	at     int // 0: never
	after  bool
}

// faulty is the JetStream of one process, whose writes may fail.
type faulty struct {
	jetstream.JetStream
	*fault
}

func (f faulty) PublishMsgAsync(m *nats.Msg, opts ...jetstream.PublishOpt) (jetstream.PubAckFuture, error) {
	f.mu.Lock()
	f.met++
	strikes, struck := f.met == f.at, f.struck
	f.mu.Unlock()
	if !strikes {
		return f.JetStream.PublishMsgAsync(m, opts...)
	}
	if f.after {
		answer, err := f.JetStream.PublishMsgAsync(m, opts...)
		if err != nil {
			return nil, err
		}
		select {
		case <-answer.Ok():
		case err := <-answer.Err():
			return nil, err
		}
	}
	struck()
	return nil, errFault
}

// publisher is a process that publishes, and may be killed.
type publisher struct {
	ended chan struct{}
	kill  context.CancelFunc
}

// start runs a publisher. Where crash is set, the fault ends its process.
func start(s *natsServer, bucket string, b *book, f *fault, crash bool) *publisher {
	ctx, cancel := context.WithCancel(context.Background())
	p := &publisher{make(chan struct{}), cancel}
	js, err := jetstream.New(s.nc)
	must(b.t, err)
	f.mu.Lock() // another publisher may have the same fault
	if f.struck = func() {}; crash {
		f.struck = cancel
	}
	f.mu.Unlock()
	run := live.New(faulty{js, f}, view(bucket), b.model(), zap.NewNop()).Hurry(patience)
	go func() {
		defer close(p.ended)
		_ = run.Run(ctx) // ends with ctx only
	}()
	return p
}

func (p *publisher) stop() {
	p.kill()
	<-p.ended
}

// story is three days of a ledger: it begins, it goes on, and its view is built again with other rows. After each the publisher may be gone.
func story(t *testing.T, s *natsServer, bucket string, crash bool, f *fault) {
	t.Helper()
	log := newLog(7)
	b := newBook(t, log)
	follower := follow(t, s, bucket)
	var p *publisher
	day := func(b *book) {
		t.Helper()
		awaitMark(t, s.js, bucket, func(m live.Mark) bool { return m == b.mark() }, p.ended)
		select {
		case <-p.ended: // the rows are committed, and not all of them are in the bucket
			p = start(s, bucket, b, f, crash)
			b.awaitMark(t, s.js, bucket)
		default:
		}
		equal(t, b, s, bucket, follower)
	}
	promise(t, log, 1)
	b.advance(0)
	p = start(s, bucket, b, f, crash)
	day(b)
	promise(t, log, 2)
	b.advance(0)
	day(b)
	p.stop()

	rebuilt := newBook(t, log)
	rebuilt.put(log.Entries()[5].Position+1, row("NOR", 5), row("DEU", 7))
	log.Fill(t, 1) // the position above is within the log
	p = start(s, bucket, rebuilt, f, crash)
	day(rebuilt)
	p.stop()
	if follower.gaps > 0 {
		t.Errorf("%d gaps in what a subscriber saw", follower.gaps)
	}
}

// Each write fails once before and once after it was stored. In one world the publisher lives and tries again, in the other its process dies
// there and another begins. The bucket and who follows it then equal the read model.
func TestEveryFaultOfAWrite(t *testing.T) {
	t.Parallel()
	s := startNATS(t, 0)
	count := new(fault)
	story(t, s, "count", false, count)
	must(t, s.js.DeleteKeyValue(t.Context(), "count")) // there is one stream at a time
	points := 0
	for at := 1; at <= count.met; at++ {
		for _, after := range []bool{false, true} {
			for _, crash := range []bool{false, true} {
				name := fmt.Sprintf("write-%d-after-%t-crash-%t", at, after, crash)
				t.Run(name, func(t *testing.T) {
					f := &fault{at: at, after: after}
					story(t, s, name, crash, f)
					if f.met < at {
						t.Error("the fault was not met")
					}
					must(t, s.js.DeleteKeyValue(t.Context(), name))
				})
				points++
			}
		}
	}
	t.Logf("%d points of failure", points)
	if points < 100 {
		t.Errorf("only %d points of failure", points)
	}
}

// Two publishers with read models of their own, at positions of their own, which now and then die, are rebuilt or lose an answer: when both have
// read all of a random history, the bucket and its followers equal the read model.
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	s := startNATS(t, 0)
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		log := enginetest.Random(t, r)
		n++
		bucket := fmt.Sprint("random", n)
		f := &fault{at: rapid.IntRange(0, 40).Draw(r, "fault"), after: rapid.Bool().Draw(r, "after")}
		follower := follow(r, s, bucket)
		var books [2]*book
		var running [2]*publisher
		begin := func(i int) {
			if running[i] != nil {
				running[i].stop()
			}
			running[i] = start(s, bucket, books[i], f, false)
		}
		defer func() {
			for _, p := range running {
				p.stop()
			}
			must(r, s.js.DeleteKeyValue(context.Background(), bucket))
		}()
		for i := range books {
			books[i] = newBook(r, log)
			begin(i)
		}
		var furthest es.Position
		for left := len(log.Entries()); left > 0; {
			i := rapid.IntRange(0, 1).Draw(r, "book")
			b := books[i]
			switch rapid.IntRange(0, 9).Draw(r, "step") {
			case 0:
				begin(i)
			case 1:
				books[i] = newBook(r, log)
				begin(i)
			default:
				if more := len(log.Entries()) - int(b.at.Events()); more > 0 {
					b.advance(min(more, rapid.IntRange(1, 5).Draw(r, "events")))
				}
			}
			furthest = max(furthest, books[i].at.Position)
			if rapid.Bool().Draw(r, "wait") && books[i].at.Position == furthest { // one that is behind may have to wait for ever
				awaitMark(r, s.js, bucket, func(m live.Mark) bool { return m.Position >= books[i].at.Position }, nil)
			}
			left = len(log.Entries()) - int(max(books[0].at.Events(), books[1].at.Events()))
		}
		for _, b := range books {
			b.advance(0)
		}
		equal(r, books[0], s, bucket, follower)
		if follower.gaps > 0 {
			r.Errorf("%d gaps in what a subscriber saw", follower.gaps)
		}
	})
}

// cutOff is a JetStream whose first watch outlasts who reads it.
type cutOff struct {
	jetstream.JetStream
	end     context.CancelFunc
	watches chan jetstream.KeyWatcher
}

type cutOffBucket struct {
	jetstream.KeyValue
	*cutOff
}

func (c *cutOff) KeyValue(ctx context.Context, bucket string) (jetstream.KeyValue, error) {
	kv, err := c.JetStream.KeyValue(ctx, bucket)
	return cutOffBucket{kv, c}, err
}

func (c cutOffBucket) WatchAll(ctx context.Context, opts ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	w, err := c.KeyValue.WatchAll(ctx, opts...)
	if err != nil {
		return nil, err
	}
	for updates := w.Updates(); len(updates) < cap(updates); { // it waits to hand over the next
		runtime.Gosched()
	}
	c.watches <- w
	c.end()
	return w, nil
}

// A bucket that is not read to its end leaves nothing behind that waits to be read.
func TestReadThatIsBrokenOffLeavesNothing(t *testing.T) {
	t.Parallel()
	s, b := startNATS(t, 0), newBook(t, newLog(7))
	b.head = headAt(uuid.UUID{1: 7}, 1)
	b.put(1, many(2000)...) // more than a watch hands over to nobody
	stop := publish(t, s.js, "balances", b, zap.NewNop())
	b.awaitMark(t, s.js, "balances")
	stop()

	ctx, cancel := context.WithCancel(t.Context())
	c := &cutOff{s.js, cancel, make(chan jetstream.KeyWatcher, 1)}
	if err := live.New(c, view("balances"), b.model(), zap.NewNop()).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, open := <-(<-c.watches).Updates(); open {
		t.Error("the watch still hands over")
	}
}
