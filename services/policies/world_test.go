package policies_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/memlog"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/internal/feed"
	"github.com/allied-ledger/allied/services/payments"
	"github.com/allied-ledger/allied/services/pledges"
	"github.com/allied-ledger/allied/services/policies"
	"github.com/allied-ledger/allied/services/recorder"
	"github.com/allied-ledger/allied/services/shipments"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/protobuf/proto"
)

const (
	asset = "EUR/2@net_book"
	day   = 24 * time.Hour
)

// begin is when every world begins.
var begin = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a ledger that runs, without its policies, and a clock that a test moves.
type world struct {
	t      *testing.T
	log    es.Log
	nc     *nats.Conn
	client *client.Client
	pledge string                 // with an allocation of 100.00
	told   *observer.ObservedLogs // what the service of payments warns of

	mu     sync.Mutex
	now    time.Time
	alarms map[*alarms]bool
	crash  context.CancelFunc // ends the next drawing before its answer; nil for none
	dead   bool               // nothing of what shipments and payments send to pledges gets through
	ids    int
}

func open(t *testing.T) *world {
	t.Helper()
	s, err := embednats.Start(embednats.Config{InProcess: true, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	nc, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	w := &world{t: t, log: memlog.New(), nc: nc, client: client.New(nc, client.Config{}), now: begin, alarms: map[*alarms]bool{}}
	run := func(r runner, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		stop := w.run(r)
		t.Cleanup(stop)
	}
	r, err := recorder.New(t.Context(), s.Dial, w.log, recorder.Config{Clock: w.clock, Logger: zap.NewNop()})
	run(r, err)
	p, err := command.New(s.Dial, pledges.Spec, command.Config{Logger: zap.NewNop()})
	run(p, err)
	sh, err := command.New(s.Dial, shipments.Spec(crashing{w}), command.Config{Logger: zap.NewNop()})
	run(sh, err)
	core, told := observer.New(zap.WarnLevel)
	w.told = told
	pay, err := command.New(s.Dial, payments.Spec(crashing{w}), command.Config{Logger: zap.New(core)})
	run(pay, err)
	line := func(role string) *apiv1.Line {
		return &apiv1.Line{
			Line: named(role), Category: "MIL.AMMO", Instrument: "in_kind", Values: []*apiv1.Value{{Basis: "net_book", Asset: asset, Amount: "100.00"}},
		}
	}
	commit := w.command("")
	commit.Donor, commit.Beneficiary = "NOR", "UKR"
	commit.Body = &apiv1.Command_CommitPledge{CommitPledge: &apiv1.CommitPledge{Commitments: []*apiv1.CommitLine{{Firmness: "firm", Line: line("commitment")}}}}
	w.pledge = w.submit(commit).Stream
	allocate := w.command(w.pledge)
	allocate.Body = &apiv1.Command_AllocatePledge{AllocatePledge: &apiv1.AllocatePledge{Line: line("allocation")}}
	w.submit(allocate)
	return w
}

type runner interface {
	Run(context.Context) error
	Stop(context.Context) error
}

// run runs a role until the returned function stops it as a node does.
func (w *world) run(r runner) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	return sync.OnceFunc(func() {
		if err := r.Stop(context.Background()); err != nil {
			w.t.Error(err)
		}
		cancel()
		<-ended
	})
}

func named(text string) string { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(text)).String() }

func (w *world) command(stream string) *apiv1.Command {
	w.ids++
	return &apiv1.Command{CommandId: named(fmt.Sprintf("command %d", w.ids)), Stream: stream, Effective: "2024-03-01"}
}

// plan is a shipment of one line.
func (w *world) plan(amount string) *apiv1.Command {
	c := w.command("")
	c.Body = &apiv1.Command_PlanShipment{PlanShipment: &apiv1.PlanShipment{Lines: []*apiv1.PlanLine{
		{Pledge: w.pledge, Allocation: named("allocation"), Asset: asset, Amount: amount},
	}}}
	return c
}

func (w *world) instruct(amount string) *apiv1.Command {
	c := w.command("")
	c.Body = &apiv1.Command_InstructPayment{InstructPayment: &apiv1.InstructPayment{Pledge: w.pledge, Allocation: named("allocation"), Asset: asset, Amount: amount}}
	return c
}

func (w *world) submit(cmd *apiv1.Command) *apiv1.Answer {
	w.t.Helper()
	a, err := w.client.Submit(w.t.Context(), cmd)
	if err != nil {
		w.t.Fatal(err)
	}
	if a.Outcome != command.Recorded && a.Outcome != command.Repeated {
		w.t.Fatalf("%T is %s: %s at %s: %s", cmd.Body, a.Outcome, a.Code, a.Field, a.Reason)
	}
	return a
}

// leave sends a command whose service crashes after it drew; the draw is left behind.
func (w *world) leave(cmd *apiv1.Command) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	w.mu.Lock()
	w.crash = cancel
	w.mu.Unlock()
	if a, err := w.client.Submit(ctx, proto.CloneOf(cmd)); err == nil {
		w.t.Fatalf("%T was answered: %v", cmd.Body, a)
	}
}

// breakOff sends commands whose service crashes once they are recorded, before it does what they lead to at pledges.
func (w *world) breakOff(cmds ...*apiv1.Command) {
	w.t.Helper()
	die := func(dead bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.dead = dead
	}
	die(true)
	for _, cmd := range cmds {
		w.submit(proto.CloneOf(cmd))
	}
	die(false)
}

// crashing is the pledges as a service sees them that may crash before their answer.
type crashing struct{ w *world }

func (l crashing) Submit(ctx context.Context, cmd *apiv1.Command) (*apiv1.Answer, error) {
	l.w.mu.Lock()
	dead := l.w.dead
	l.w.mu.Unlock()
	if dead {
		return &apiv1.Answer{Outcome: command.Unknown, CommandId: cmd.CommandId, Stream: cmd.Stream, Code: "no_answer", Reason: "crashed"}, nil
	}
	a, err := l.w.client.Submit(ctx, cmd)
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if l.w.crash == nil {
		return a, err
	}
	l.w.crash()
	l.w.crash = nil
	return &apiv1.Answer{Outcome: command.Unknown, CommandId: cmd.CommandId, Stream: cmd.Stream, Code: "no_answer", Reason: "crashed"}, nil
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// advance moves the clock, and wakes who waits for it.
func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	w.now = w.now.Add(d)
	now, all := w.now, make([]*alarms, 0, len(w.alarms))
	for a := range w.alarms {
		all = append(all, a)
	}
	w.mu.Unlock()
	for _, a := range all {
		a.ring(now)
	}
}

// alarms are the waits of one runner. It waits only where it has nothing to do.
type alarms struct {
	w    *world
	idle chan struct{} // closed when somebody waits, and replaced when nobody does any more

	mu   sync.Mutex
	set  time.Time // zero where nobody waits
	wake chan time.Time
}

func (w *world) newAlarms() *alarms {
	a := &alarms{w: w, idle: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alarms[a] = true
	return a
}

func (a *alarms) Now() time.Time { return a.w.clock() }

func (a *alarms) After(d time.Duration) <-chan time.Time {
	now := a.w.clock()
	a.mu.Lock()
	a.set, a.wake = now.Add(d), make(chan time.Time, 1)
	wake := a.wake
	close(a.idle)
	a.mu.Unlock()
	a.ring(a.w.clock()) // the clock may have moved meanwhile
	return wake
}

func (a *alarms) ring(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.set.IsZero() && !now.Before(a.set) {
		a.set, a.idle = time.Time{}, make(chan struct{})
		a.wake <- now
	}
}

// awaitIdle returns once the runner has nothing to do until the clock moves.
func (a *alarms) awaitIdle() {
	a.w.t.Helper()
	a.mu.Lock()
	idle := a.idle
	a.mu.Unlock()
	select {
	case <-idle:
	case <-time.After(time.Minute):
		a.w.t.Fatal("the policy does not come to rest")
	}
}

// running is a policy that runs.
type running struct {
	*alarms
	stop  func()
	crash func() // ends it as a kill does: nothing under way is finished
}

func (w *world) start(p policies.Policy, sink engine.Sink, ledger policies.Ledger, cfg policies.Config) *running {
	w.t.Helper()
	a := w.newAlarms()
	cfg.Clock = a
	r := policies.New(p, feed.New(w.nc, zap.NewNop()), sink, ledger, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := r.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	out := &running{alarms: a, crash: func() {
		cancel()
		<-ended
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.alarms, a)
	}}
	out.stop = func() {
		if err := r.Stop(context.Background()); err != nil {
			w.t.Error(err)
		}
		out.crash()
	}
	w.t.Cleanup(out.crash)
	return out
}

// facts are all that the log holds.
func (w *world) facts() (facts []*es.Fact) {
	w.t.Helper()
	for e, err := range w.log.Read(context.Background(), 0) {
		if err != nil {
			w.t.Fatal(err)
		}
		f, err := wire.Decode(e)
		if err != nil {
			w.t.Fatal(err)
		}
		facts = append(facts, f)
	}
	return facts
}

// released are the releases in the log.
func (w *world) released() (facts []*es.Fact) {
	w.t.Helper()
	for _, f := range w.facts() {
		if _, ok := f.Event.(*eventv1.DrawReleased); ok {
			facts = append(facts, f)
		}
	}
	return facts
}

// awaitReleased returns once the log holds so many releases.
func (w *world) awaitReleased(n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	for run, err := range w.log.Tail(ctx, 0) {
		if err != nil {
			w.t.Fatalf("%d draws are released, not %d: %v", len(w.released()), n, err)
		}
		for _, e := range run {
			f, err := wire.Decode(e)
			if err != nil {
				w.t.Fatal(err)
			}
			if _, ok := f.Event.(*eventv1.DrawReleased); ok {
				n--
			}
		}
		if n <= 0 {
			return
		}
	}
}

// ledger is a Ledger that a test may come between; nil does not.
type ledger struct {
	policies.Ledger
	read   func()
	submit func(send func() *apiv1.Answer) *apiv1.Answer
}

func (l *ledger) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[es.Entry, error] {
	if l.read != nil {
		l.read()
	}
	return l.Ledger.ReadStream(ctx, stream, from)
}

func (l *ledger) Submit(ctx context.Context, cmd *apiv1.Command) (*apiv1.Answer, error) {
	if l.submit == nil {
		return l.Ledger.Submit(ctx, cmd)
	}
	var err error
	a := l.submit(func() (a *apiv1.Answer) {
		a, err = l.Ledger.Submit(ctx, cmd)
		return a
	})
	return a, err
}
