package kurrentlog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/kurrentlog"
	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
)

// faults are what may befall an append, each before and after the write, and what must be answered where nothing is tried again.
var faults = []struct {
	name  string
	fault kurrenttest.Fault
	want  error // before the write; after it the append may have been recorded, so that only unknown is true
}{
	{"unavailable", kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.Unavailable, Message: "error reading from server: EOF"}, es.ErrUnknown},
	{"too busy", kurrenttest.Busy(), es.ErrBusy},
	{"not ready", kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.Unavailable, Message: "Server Is Not Ready"}, es.ErrBusy},
	// A stream that was reset after the write has this status, too: a proxy may reset it.
	{"exhausted", kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.ResourceExhausted, Message: "stream terminated by RST_STREAM with error code: ENHANCE_YOUR_CALM"}, es.ErrUnknown},
	{"timed out", kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.DeadlineExceeded, Message: "commit timeout"}, es.ErrUnknown},
	{"aborted", kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.Aborted, Message: "aborted"}, es.ErrUnknown},
	{"internal", kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.Internal, Message: "bug"}, es.ErrUnknown},
	{"cut", kurrenttest.Fault{Kind: kurrenttest.Cut}, es.ErrUnknown},
	{"silent", kurrenttest.Fault{Kind: kurrenttest.Silence}, es.ErrUnknown},
	{"not the leader", kurrenttest.Fault{Kind: kurrenttest.Unled}, es.ErrBusy},
	{"leader gone", kurrenttest.Fault{Kind: kurrenttest.LeaderGone}, es.ErrUnknown},
	{"denied", kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.PermissionDenied, Message: "Access Denied"}, es.ErrBusy},
	{"unknown user", kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.Unauthenticated, Message: "Not Authenticated"}, es.ErrBusy},
	{"refused", kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.InvalidArgument, Message: "Maximum Append Size Exceeded"}, es.ErrInvalid},
}

// Each fault is answered by its class, and after it the same append is recorded once, and the log goes on.
func TestEveryFaultOfAnAppend(t *testing.T) {
	for _, c := range faults {
		for _, after := range []bool{false, true} {
			if after && !errors.Is(c.want, es.ErrUnknown) {
				continue // the server says so only of what it has not written
			}
			t.Run(fmt.Sprintf("%s, after the write %t", c.name, after), func(t *testing.T) {
				leavesNothing(t, func() { faultOfAnAppend(t, c.fault, after, c.want) })
			})
		}
	}
}

func faultOfAnAppend(t *testing.T, fault kurrenttest.Fault, after bool, want error) {
	p := newPlace(t, kurrenttest.StoreConfig{})
	l := p.open(t)
	defer closeLog(t, l)
	defer p.store.OnAppend(nil)
	fault.After = after
	w := &load{writers: 1, rounds: 1, resent: true}
	struck := false
	p.store.OnAppend(func(kurrenttest.AppendCall) kurrenttest.Fault {
		if struck {
			return kurrenttest.Fault{}
		}
		struck = true
		return fault
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	a := es.Append{Stream: w.stream(0), Expected: es.NoStream, Records: w.records(0, 0, 0)}
	began := time.Now()
	r := l.Append(ctx, []es.Append{a})[0]
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the caller gave 2 s, and was answered after %s", took)
	}
	switch {
	case after && r.Err == nil: // it was seen in the log, although its answer was lost
	case !errors.Is(r.Err, want):
		t.Errorf("answered %v; want %v", r.Err, want)
	}
	var advised interface {
		Code() string
		Remedy() string
	}
	if errors.As(r.Err, &advised) && (advised.Code() == "" || advised.Remedy() == "") {
		t.Errorf("%v gives no code or remedy", r.Err)
	}
	w.run(t.Context(), t, l)
	w.check(t, l)
}

func closeLog(t *testing.T, l es.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// Under load, faults of all kinds strike appends, reads and subscriptions at random: nothing that was answered is lost, nothing is doubled, and
// what was unknown is known in the end.
func TestLoadUnderRandomFaults(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			leavesNothing(t, func() { loadUnderRandomFaults(t, seed) })
		})
	}
}

func loadUnderRandomFaults(t *testing.T, seed uint64) {
	p := newPlace(t, kurrenttest.StoreConfig{Noise: kurrenttest.Noise{Seed: seed, EventsMax: 2}, Repeated: kurrenttest.RepeatedAnswer(seed % 3)})
	l := p.open(t)
	defer closeLog(t, l)
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 9))
	draw := func(n int) int { mu.Lock(); defer mu.Unlock(); return rng.IntN(n) }
	struck := 0
	p.store.OnAppend(func(c kurrenttest.AppendCall) kurrenttest.Fault {
		if draw(6) > 0 {
			return kurrenttest.Fault{}
		}
		mu.Lock()
		struck++
		mu.Unlock()
		f := faults[draw(7)].fault // those that a server gives without reason
		f.After = draw(2) == 0 && !strings.HasPrefix(f.Message, "Server Is")
		return f
	})
	p.store.OnRead(func(c kurrenttest.ReadCall) kurrenttest.Fault {
		if draw(8) > 0 {
			return kurrenttest.Fault{}
		}
		return kurrenttest.Fault{Kind: kurrenttest.Cut, AfterEvents: draw(40)}
	})
	w := &load{writers: 8, rounds: 25}
	w.run(t.Context(), t, l)
	p.store.OnAppend(nil)
	p.store.OnRead(nil)
	w.check(t, l)
	t.Logf("%d faults struck; %d answers were unknown, %d busy", struck, w.unknown, w.busy)
	if struck == 0 || w.unknown == 0 {
		t.Errorf("%d faults and %d unknown answers try nothing", struck, w.unknown)
	}
}

// The server is stopped and started, and connections are cut, while writers write and a tail is read.
func TestServerComesAndGoesUnderLoad(t *testing.T) {
	leavesNothing(t, func() {
		p := newPlace(t, kurrenttest.StoreConfig{})
		l := p.open(t)
		defer closeLog(t, l)
		w := &load{writers: 6, rounds: 60}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var tail []es.Entry
		var following sync.WaitGroup
		following.Go(func() {
			for run, err := range l.Tail(ctx, 0) {
				if err != nil {
					if ctx.Err() == nil {
						t.Errorf("the tail ended: %v", err)
					}
					return
				}
				tail = append(tail, run...)
			}
		})
		written := make(chan struct{})
		go func() { w.run(t.Context(), t, l); close(written) }()
		for round := 0; ; round++ {
			awaitMore(t, p.store, written)
			if isDone(written) {
				break
			}
			switch round % 3 {
			case 0:
				p.node.Cut()
			case 1:
				stopAndStart(t, p.node, (*kurrenttest.Node).Stop)
			case 2:
				stopAndStart(t, p.node, (*kurrenttest.Node).StopGracefully)
			}
		}
		w.check(t, l)
		t.Logf("%d answers were unknown, %d busy", w.unknown, w.busy)
		if w.unknown+w.busy == 0 {
			t.Error("no append met a fault")
		}
		head, err := l.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for last := es.Position(0); last < head.Position; { // the tail is at the end once it has told all
			for run, err := range l.Tail(t.Context(), last) {
				if err != nil {
					t.Fatal(err)
				}
				last = run[len(run)-1].Position
				break
			}
		}
		cancel()
		following.Wait()
		for i, e := range tail {
			if e.Ordinal != uint64(i) {
				t.Fatalf("the tail's entry %d has ordinal %d", i, e.Ordinal)
			}
		}
	})
}

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// awaitMore returns once the store holds some events more, or when all is written.
func awaitMore(t *testing.T, store *kurrenttest.Store, written <-chan struct{}) {
	t.Helper()
	began := len(store.All())
	for !isDone(written) && len(store.All()) < began+40 {
		wait, stop := context.WithTimeout(t.Context(), time.Millisecond)
		<-wait.Done()
		stop()
	}
}

func stopAndStart(t *testing.T, n *kurrenttest.Node, stop func(*kurrenttest.Node) error) {
	t.Helper()
	if err := stop(n); err != nil {
		t.Error(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
}

// While the server is away every call ends when its caller says, and says why.
func TestCallersDeadlinesAreHonoured(t *testing.T) {
	leavesNothing(t, func() {
		p := newPlace(t, kurrenttest.StoreConfig{})
		l := p.open(t)
		defer closeLog(t, l)
		w := &load{writers: 1, rounds: 1}
		w.run(t.Context(), t, l)
		check := func(away string) {
			t.Helper()
			within := func(what string, call func(context.Context) error) {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				began := time.Now()
				err := call(ctx)
				if took := time.Since(began); took > 3*time.Second {
					t.Errorf("%s: %s took %s", away, what, took)
				}
				if err == nil {
					t.Errorf("%s: %s is no error", away, what)
				}
			}
			within("append", func(ctx context.Context) error {
				return l.Append(ctx, []es.Append{{Stream: w.stream(9), Expected: es.NoStream, Records: w.records(9, 0, 0)}})[0].Err
			})
			within("head", func(ctx context.Context) error { _, err := l.Head(ctx); return err })
			within("read", func(ctx context.Context) (last error) {
				for _, err := range l.Read(ctx, 0) {
					last = err
				}
				return last
			})
			within("read stream", func(ctx context.Context) (last error) {
				for _, err := range l.ReadStream(ctx, w.stream(0), 0) {
					last = err
				}
				return last
			})
			within("tail", func(ctx context.Context) (last error) {
				for _, err := range l.Tail(ctx, 0) {
					last = err
				}
				return last
			})
			within("open", func(ctx context.Context) error {
				_, err := kurrentlog.Open(ctx, kurrentlog.Config{URL: p.node.URL()})
				return err
			})
		}
		silence := kurrenttest.Fault{Kind: kurrenttest.Silence}
		p.store.OnAppend(func(kurrenttest.AppendCall) kurrenttest.Fault { return silence })
		p.store.OnRead(func(kurrenttest.ReadCall) kurrenttest.Fault { return silence })
		check("a server that says nothing")
		p.store.OnAppend(nil)
		p.store.OnRead(nil)
		if err := p.node.Stop(); err != nil {
			t.Fatal(err)
		}
		check("a server that is not there")
		if err := l.Refusal(); !errors.Is(err, es.ErrBusy) {
			t.Errorf("the log says of appends: %v", err)
		}
	})
}
