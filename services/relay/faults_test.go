package relay_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/services/relay"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"
)

var errFault = errors.New("fault")

// fault is that the nth write, of a message or of the checkpoint, fails: nothing of it, or all of it, is stored.
type fault struct {
	mu     sync.Mutex
	struck func() // called when it fails; the process may end there
	met    int
	at     int // 0: never
	after  bool
}

// strikes tells that this write is the one.
func (f *fault) strikes() (bool, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.met++
	return f.met == f.at, f.struck
}

// meets counts a write, which fails where it is the one.
func (f *fault) meets(write func() error) error {
	strikes, struck := f.strikes()
	if !strikes {
		return write()
	}
	if f.after {
		if err := write(); err != nil {
			return err
		}
	}
	struck()
	return errFault
}

// faulty is the JetStream of one process, whose writes may fail.
type faulty struct {
	jetstream.JetStream
	*fault
}

func (f faulty) PublishMsgAsync(m *nats.Msg, opts ...jetstream.PublishOpt) (answer jetstream.PubAckFuture, err error) {
	failed := f.meets(func() error {
		if answer, err = f.JetStream.PublishMsgAsync(m, opts...); err != nil || !f.after || f.met != f.at {
			return err
		}
		select { // it is stored when the process ends
		case <-answer.Ok():
			return nil
		case err := <-answer.Err():
			return err
		}
	})
	return answer, failed
}

func (f faulty) CreateStream(ctx context.Context, cfg jetstream.StreamConfig) (s jetstream.Stream, err error) {
	failed := f.meets(func() error {
		s, err = f.JetStream.CreateStream(ctx, cfg)
		return err
	})
	return s, failed
}

func (f faulty) CreateKeyValue(ctx context.Context, cfg jetstream.KeyValueConfig) (kv jetstream.KeyValue, err error) {
	failed := f.meets(func() error {
		kv, err = f.JetStream.CreateKeyValue(ctx, cfg)
		return err
	})
	return faultyBucket{kv, f.fault}, failed
}

func (f faulty) KeyValue(ctx context.Context, bucket string) (jetstream.KeyValue, error) {
	kv, err := f.JetStream.KeyValue(ctx, bucket)
	return faultyBucket{kv, f.fault}, err
}

type faultyBucket struct {
	jetstream.KeyValue
	*fault
}

func (b faultyBucket) Create(ctx context.Context, key string, value []byte, opts ...jetstream.KVCreateOpt) (revision uint64, err error) {
	failed := b.meets(func() error {
		revision, err = b.KeyValue.Create(ctx, key, value, opts...)
		return err
	})
	return revision, failed
}

func (b faultyBucket) Update(ctx context.Context, key string, value []byte, last uint64) (revision uint64, err error) {
	failed := b.meets(func() error {
		revision, err = b.KeyValue.Update(ctx, key, value, last)
		return err
	})
	return revision, failed
}

// process is a relay that may be killed: what it has sent is stored or not, and nothing of it is noted any more.
type process struct {
	*running
	ctx context.Context
}

// begin starts a relay. Where crash is set, the fault ends its process.
func begin(t testing.TB, s *server, log *enginetest.Log, cfg relay.Config, f *fault, crash bool) *process {
	t.Helper()
	js := dial(t, s.URL())
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{&running{relay.New(faulty{js, f}, log, cfg).Hurry(hurry), make(chan struct{}), cancel}, ctx}
	f.mu.Lock()
	if f.struck = func() {}; crash {
		f.struck = func() {
			cancel()
			js.Conn().Close() // it leaves nothing behind in order
		}
	}
	f.mu.Unlock()
	go func() {
		defer close(p.ended)
		_ = p.Run(ctx) // ends with ctx only
	}()
	t.Cleanup(p.stop)
	return p
}

// story is a relay that fills a stream, follows the log, stops in order and goes on. Whenever its process has died, another begins.
func story(t testing.TB, s *server, f *fault, crash bool) {
	t.Helper()
	log, cfg := newLog(7), config(t)
	cfg.Witness, cfg.Storage = "", jetstream.MemoryStorage // another process may run elsewhere
	var p *process
	until := func(n int) {
		t.Helper()
		await(t, fmt.Sprintf("%d events are published", n), func() bool {
			log.Beat()
			select {
			case <-p.ended:
				p = begin(t, s, log, cfg, f, crash)
			default:
			}
			return p.Status().Events == uint64(n)
		})
	}
	log.Fill(t, 12)
	p = begin(t, s, log, cfg, f, crash)
	until(12)
	before := len(log.Entries())
	log.Fill(t, 3)
	log.Broadcast(frame(log, before))
	until(15)
	p.stop()
	log.Fill(t, 5)
	p = begin(t, s, log, cfg, f, crash)
	until(20)
	p.stop()
	if h := p.Status().Held; h != nil {
		t.Errorf("held: %v", h)
	}
	equals(t, s.js, relay.Events, log)
	must(t, s.js.DeleteStream(context.Background(), relay.Events.Stream))
	must(t, s.js.DeleteKeyValue(context.Background(), relay.Bucket))
}

// Each write, of messages, checkpoints, stream and bucket, fails once before and once after it was stored. In one world the relay lives and tries
// again, in the other its process dies there and another begins.
func TestEveryFaultOfAWrite(t *testing.T) {
	t.Parallel()
	s := newNATS(t)
	count := new(fault)
	story(t, s, count, false)
	points := 0
	for at := 1; at <= count.met; at++ {
		for _, after := range []bool{false, true} {
			for _, crash := range []bool{false, true} {
				f := &fault{at: at, after: after}
				t.Run(fmt.Sprintf("write-%d-after-%t-crash-%t", at, after, crash), func(t *testing.T) { story(t, s, f, crash) })
				points++
			}
		}
	}
	t.Logf("%d points of failure", points)
	if points < 90 {
		t.Errorf("only %d points of failure", points)
	}
}

// Two relays of one log, which now and then die, are paused behind a fault or lose an answer, while the stream is purged or its messages expire:
// every event is published once, in order.
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	s := newNATS(t)
	rapid.Check(t, func(r *rapid.T) {
		log, cfg := newLog(7), config(t)
		cfg.Witness, cfg.Storage = "", jetstream.MemoryStorage // a stream on disk that is made again at once may have what was in it
		var seen []string                                      // of the ordinals, what was removed before the end
		collect := func() {
			for _, m := range messages(t, s.js, relay.Events.Stream) {
				seen = append(seen, m.Headers().Get(relay.OrdinalHeader))
			}
		}
		var processes [2]*process
		for i := range processes {
			f := &fault{at: rapid.IntRange(0, 60).Draw(r, "fault"), after: rapid.Bool().Draw(r, "after")}
			processes[i] = begin(t, s, log, cfg, f, rapid.Bool().Draw(r, "crash"))
		}
		for range rapid.IntRange(1, 8).Draw(r, "steps") {
			before := len(log.Entries())
			log.Fill(t, rapid.IntRange(0, 40).Draw(r, "events"))
			switch i := rapid.IntRange(0, 1).Draw(r, "relay"); rapid.IntRange(0, 3).Draw(r, "step") {
			case 0:
				processes[i].stop()
				processes[i] = begin(t, s, log, cfg, &fault{at: rapid.IntRange(0, 60).Draw(r, "fault")}, true)
			case 1:
				log.Broadcast(frame(log, before))
			case 2: // all that is there is removed, in the midst of the writing
				if stream, err := s.js.Stream(context.Background(), relay.Events.Stream); err == nil {
					if info, err := stream.Info(context.Background()); err == nil && info.State.LastSeq > 0 {
						for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
							m, err := stream.GetMsg(context.Background(), seq)
							must(t, err)
							seen = append(seen, m.Header.Get(relay.OrdinalHeader))
						}
						must(t, stream.Purge(context.Background(), jetstream.WithPurgeSequence(info.State.LastSeq+1)))
					}
				}
			default:
				log.Beat()
			}
		}
		log.Fill(t, 1)
		await(t, "all is published", func() bool {
			log.Beat()
			for i, p := range processes {
				select {
				case <-p.ended:
					processes[i] = begin(t, s, log, cfg, new(fault), false)
				default:
				}
			}
			return processes[0].Status().Events == uint64(len(log.Entries())) && processes[1].Status().Events == uint64(len(log.Entries()))
		})
		for _, p := range processes {
			p.stop()
			if h := p.Status().Held; h != nil {
				r.Errorf("held: %v", h)
			}
		}
		collect()
		if got, want := fmt.Sprint(seen), fmt.Sprint(upTo(0, len(log.Entries()))); got != want {
			r.Errorf("published %s", got)
		}
		must(t, s.js.DeleteStream(context.Background(), relay.Events.Stream))
		must(t, s.js.DeleteKeyValue(context.Background(), relay.Bucket))
	})
}
