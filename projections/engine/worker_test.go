package engine_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/google/uuid"
)

var (
	logID = uuid.UUID{1: 7}
	small = engine.Config{BatchEventsMax: 5, RetryDelayMax: time.Millisecond}
)

// start runs a worker until the test ends, and hands back what Run returned.
func start(t *testing.T, log *enginetest.Log, sink engine.Sink) (*engine.Worker, context.CancelFunc, <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := engine.NewWorker(enginetest.NewTally, log, sink, small)
	ended := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ended <- w.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return w, cancel, ended
}

func await(t *testing.T, w *engine.Worker, log *enginetest.Log) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	entries := log.Entries()
	if err := w.Await(ctx, entries[len(entries)-1].Position); err != nil {
		t.Fatal(err)
	}
}

// beating repeats the head until the test is over, so that a feed that lost its last frame is noticed.
func beating(t *testing.T, log *enginetest.Log) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				log.Beat()
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
	})
}

func equalsReplay(t *testing.T, log *enginetest.Log, sink engine.Sink) {
	t.Helper()
	r, err := engine.Verify(t.Context(), log.All(), sink, enginetest.NewTally())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Views) != 1 || !r.Views[0].OK() {
		t.Fatalf("view and replay differ: %+v %v", r.Views, r.Views[0].Difference)
	}
}

func TestWorkerBuildsTheViewFromTheLog(t *testing.T) {
	log, sink := enginetest.NewLog(logID), engine.NewMemSink()
	log.Fill(t, 101)
	w, _, _ := start(t, log, sink)
	await(t, w, log)
	equalsReplay(t, log, sink)
	if s := w.Status(); s.LagEvents != 0 || s.Checkpoint.Events() != 101 || s.Checkpoint.LogID != logID || s.Err != nil {
		t.Fatalf("status %+v", s)
	}
}

func TestFramesSaveReadsOfTheLog(t *testing.T) {
	log, sink := enginetest.NewLog(logID), engine.NewMemSink()
	log.Fill(t, 3)
	w, _, _ := start(t, log, sink)
	await(t, w, log)
	reads := log.Reads()
	for i := range 20 {
		log.Fill(t, 1)
		entries := log.Entries()
		last := entries[len(entries)-1]
		log.Broadcast(engine.Frame{Head: engine.LogHead{LogID: logID, Head: es.Head{Position: last.Position, Events: last.Ordinal + 1}}, Entries: entries[3+i:]})
		await(t, w, log)
	}
	if got := log.Reads(); got != reads {
		t.Fatalf("%d reads of the log while no frame was lost", got-reads)
	}
	equalsReplay(t, log, sink)
}

func TestViewIsTheSameWhateverBecomesOfFrames(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		log, sink := enginetest.NewLog(logID), engine.NewMemSink()
		w, _, _ := start(t, log, sink)
		for range 20 {
			began := len(log.Entries())
			log.Fill(t, 1+rng.IntN(12))
			log.BroadcastBadly(rng, log.Entries()[began:])
			if rng.IntN(6) == 0 {
				log.Disconnect()
			}
		}
		beating(t, log)
		await(t, w, log)
		equalsReplay(t, log, sink)
	}
}

func TestLostLastFrameIsFoundByTheHead(t *testing.T) {
	log, sink := enginetest.NewLog(logID), engine.NewMemSink()
	log.Fill(t, 2)
	w, _, _ := start(t, log, sink)
	await(t, w, log)
	log.Fill(t, 1) // its frame is lost
	log.Beat()
	await(t, w, log)
	equalsReplay(t, log, sink)
}

func TestCommitThatFailsIsRepeatedFromWhatIsThere(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 2))
		log, sink := enginetest.NewLog(logID), enginetest.NewFaults(engine.NewMemSink())
		failure := errors.New("disk full")
		sometimes := func() error {
			if rng.IntN(3) == 0 {
				return failure
			}
			return nil
		}
		sink.FailCommits(sometimes, sometimes)
		log.Fill(t, 60)
		w, _, _ := start(t, log, sink)
		beating(t, log)
		await(t, w, log)
		equalsReplay(t, log, sink.Sink)
	}
}

func TestStoppedWorkerGoesOnWhereItWas(t *testing.T) {
	log, sink := enginetest.NewLog(logID), engine.NewMemSink()
	for range 10 {
		log.Fill(t, 7)
		w, stop, ended := start(t, log, sink)
		await(t, w, log)
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		equalsReplay(t, log, sink)
	}
	log.AwaitNoFeeds(t)
}

func TestUnknownEventStopsTheViewRightBeforeIt(t *testing.T) {
	log, sink := enginetest.NewLog(logID), engine.NewMemSink()
	log.Fill(t, 13)
	good := log.Entries()
	log.AddRaw(t, enginetest.Stream(1), &logv1.NewEvent{Type: "allied.event.v9.PledgeSquared"})
	log.Fill(t, 3)
	w, _, ended := start(t, log, sink)
	err := <-ended
	var stopped *engine.FoldError
	var unknown *wire.UnknownEventError
	if !errors.As(err, &stopped) || !errors.As(err, &unknown) {
		t.Fatalf("ended with %v", err)
	}
	if stopped.Ordinal != 13 || stopped.Stream != enginetest.Stream(1) {
		t.Fatalf("%+v", stopped)
	}
	s := w.Status()
	if !s.Stopped || !errors.Is(s.Err, err) || s.Checkpoint.Position != good[12].Position || s.LagEvents != 4 {
		t.Fatalf("status %+v", s)
	}
	if err := w.Await(t.Context(), good[12].Position); err != nil {
		t.Fatal("what was folded is there:", err)
	}
	if err := w.Await(t.Context(), log.Entries()[14].Position); !errors.As(err, &unknown) {
		t.Fatalf("await beyond the stop: %v", err)
	}
	equalsReplay(t, oldLog(t, 13), sink)
}

// oldLog is a log as Fill makes it.
func oldLog(t *testing.T, n int) *enginetest.Log {
	log := enginetest.NewLog(logID)
	log.Fill(t, n)
	return log
}

func TestHalfFoldedEventLeavesNothing(t *testing.T) {
	log, sink := enginetest.NewLog(logID), engine.NewMemSink()
	log.Fill(t, 8)
	log.Add(t, enginetest.Stream(0), "D00", enginetest.Announcement(enginetest.Poison, &eventv1.Amount{Lo: 1}))
	w, _, ended := start(t, log, sink)
	var stopped *engine.FoldError
	if err := <-ended; !errors.As(err, &stopped) {
		t.Fatal(err)
	}
	if got := w.Status().Checkpoint.Events(); got != 8 {
		t.Fatalf("view holds %d events", got)
	}
	equalsReplay(t, oldLog(t, 8), sink)
}

func TestAnotherLogIsNeverMixedIn(t *testing.T) {
	log, sink := enginetest.NewLog(logID), engine.NewMemSink()
	log.Fill(t, 5)
	w, stop, ended := start(t, log, sink)
	await(t, w, log)
	stop()
	<-ended
	other := enginetest.NewLog(uuid.UUID{1: 8})
	other.Fill(t, 9)
	_, _, ended = start(t, other, sink)
	var changed *engine.LogChangedError
	if err := <-ended; !errors.As(err, &changed) || changed.View != logID {
		t.Fatal(err)
	}
	equalsReplay(t, log, sink)
	if err := sink.Reset(t.Context(), enginetest.TallySpec); err != nil {
		t.Fatal(err)
	}
	w, _, _ = start(t, other, sink)
	await(t, w, other)
	equalsReplay(t, other, sink)
}

func TestFrameOfAnotherLogStops(t *testing.T) {
	log, sink := enginetest.NewLog(logID), engine.NewMemSink()
	log.Fill(t, 5)
	w, _, ended := start(t, log, sink)
	await(t, w, log)
	log.Broadcast(engine.Frame{Head: engine.LogHead{LogID: uuid.UUID{1: 9}}})
	var changed *engine.LogChangedError
	if err := <-ended; !errors.As(err, &changed) {
		t.Fatal(err)
	}
}

func TestLogThatLostEventsStopsTheView(t *testing.T) {
	log, sink := enginetest.NewLog(logID), engine.NewMemSink()
	log.Fill(t, 9)
	w, stop, ended := start(t, log, sink)
	await(t, w, log)
	stop()
	<-ended
	log.Cut(2)
	_, _, ended = start(t, log, sink)
	var short *engine.LogShortError
	if err := <-ended; !errors.As(err, &short) {
		t.Fatal(err)
	}
}

func TestTwoWorkersNeverBothCommit(t *testing.T) {
	log, sink := enginetest.NewLog(logID), engine.NewMemSink()
	log.Fill(t, 5)
	one, _, endedOne := start(t, log, sink)
	await(t, one, log)
	two, _, endedTwo := start(t, log, sink)
	await(t, two, log)
	log.Fill(t, 1)
	log.Beat()
	var lost *engine.CheckpointError
	select {
	case err := <-endedOne:
		if !errors.As(err, &lost) {
			t.Fatal(err)
		}
		await(t, two, log)
	case err := <-endedTwo:
		if !errors.As(err, &lost) {
			t.Fatal(err)
		}
		await(t, one, log)
	}
	equalsReplay(t, log, sink)
}

// heldSink is a sink whose views another worker holds until it is told otherwise.
type heldSink struct {
	engine.Sink
	held  func() (engine.Checkpoint, bool)
	opens chan struct{}
}

func (s heldSink) Open(ctx context.Context, spec engine.Spec) (engine.Checkpoint, error) {
	select {
	case s.opens <- struct{}{}:
	default:
	}
	if at, held := s.held(); held {
		return engine.Checkpoint{}, &engine.HeldError{Projection: spec.Name, Checkpoint: at}
	}
	return s.Sink.Open(ctx, spec)
}

func TestStandbyFollowsAndTakesOver(t *testing.T) {
	log, sink := enginetest.NewLog(logID), engine.NewMemSink()
	log.Fill(t, 20)
	beating(t, log)
	active, stop, stopped := start(t, log, sink)
	await(t, active, log)
	var ended atomic.Bool
	standby, _, _ := start(t, log, heldSink{Sink: sink, held: func() (engine.Checkpoint, bool) { return active.Status().Checkpoint, !ended.Load() }})
	for range 3 {
		await(t, standby, log)
		if s := standby.Status(); !s.Standby || s.Err != nil || s.Stopped || s.LagEvents != 0 || s.Checkpoint != active.Status().Checkpoint {
			t.Fatalf("status of a standby: %+v", s)
		}
		log.Fill(t, 7)
	}
	await(t, active, log)
	stop()
	<-stopped
	ended.Store(true)
	log.Fill(t, 9)
	await(t, standby, log)
	if s := standby.Status(); s.Standby || s.Checkpoint.Events() != 50 {
		t.Fatalf("status after the takeover: %+v", s)
	}
	equalsReplay(t, log, sink)
}

// A view that went back, since its server lost what it held, is being built again: what it held when the worker came is no measure any more.
func TestAViewThatWentBackIsNoAnswer(t *testing.T) {
	log, memory := enginetest.NewLog(logID), engine.NewMemSink()
	sink := enginetest.NewFaults(memory)
	log.Fill(t, 20)
	w, _, _ := start(t, log, sink)
	await(t, w, log)
	log.Fill(t, 40)
	gone := errors.New("the server was made anew")
	past, goOn := make(chan struct{}), make(chan struct{})
	sink.FailCommits(func() error {
		sink.FailCommits(nil, func() error {
			if w.Status().Checkpoint.Events() >= 20 {
				sink.FailCommits(nil, nil)
				close(past)
				<-goOn
			}
			return nil
		})
		return errors.Join(gone, memory.Reset(t.Context(), enginetest.TallySpec))
	}, nil)
	log.Beat()
	<-past
	impatient, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := w.Await(impatient, 0); err == nil {
		t.Errorf("a view that is being built again is an answer at %+v", w.Status().Checkpoint)
	}
	close(goOn)
	await(t, w, log)
	equalsReplay(t, log, sink)
}

// growing is a log that has grown whenever it is asked.
type growing struct {
	*enginetest.Log
	t *testing.T
}

func (g growing) Head(ctx context.Context) (engine.LogHead, error) {
	g.Fill(g.t, 1)
	return g.Log.Head(ctx)
}

// Whoever asks a log that never rests where it ends, finds any view behind. A standby is at the head where it holds what was asked for before.
func TestStandbyOfAViewThatIsNeverQuiteAtTheHead(t *testing.T) {
	log := enginetest.NewLog(logID)
	log.Fill(t, 1)
	opens := make(chan struct{})
	sink := heldSink{Sink: engine.NewMemSink(), opens: opens, held: func() (engine.Checkpoint, bool) {
		last := log.Entries()[len(log.Entries())-1]
		return engine.Checkpoint{Projection: "tally", LogID: logID, Position: last.Position, Ordinal: last.Ordinal}, true
	}}
	var seconds atomic.Int64
	cfg := engine.Config{Clock: func() time.Time { return time.Unix(seconds.Load(), 0) }}
	w := engine.NewWorker(enginetest.NewTally, growing{log, t}, sink, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	for second := range int64(4) {
		seconds.Store(second)
		<-opens
	}
	cancel()
	<-ended
	if s := w.Status(); s.LagEvents != 1 || s.AtHead.Unix() < 2 {
		t.Fatalf("status %+v", s)
	}
}

func TestSourceThatIsAwayIsWaitedFor(t *testing.T) {
	log, sink := enginetest.NewLog(logID), engine.NewMemSink()
	log.Fill(t, 5)
	away := errors.New("no servers available")
	log.FailReads(away)
	w, _, _ := start(t, log, sink)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := w.Await(short, log.Entries()[4].Position); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	log.FailReads(nil)
	await(t, w, log)
	log.Fill(t, 4)
	log.Disconnect()
	await(t, w, log) // the next session reads the log
	equalsReplay(t, log, sink)
}

// Rows that no worker has written stay as they are, however often they are read.
func TestRowsThatCannotBeRestoredEndTheWorker(t *testing.T) {
	log, sink := enginetest.NewLog(logID), engine.NewMemSink()
	log.Fill(t, 3)
	if _, err := sink.Open(t.Context(), enginetest.TallySpec); err != nil {
		t.Fatal(err)
	}
	to := engine.Checkpoint{Projection: enginetest.TallySpec.Name, LogID: logID, Position: log.Entries()[0].Position}
	err := sink.Commit(t.Context(), engine.Checkpoint{Projection: to.Projection}, to, func(yield func(int, engine.Row) error) error {
		return yield(1, engine.Row{engine.TextOf(enginetest.Stream(1)), engine.BytesOf(nil)}) // a state without its tally
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _, ended := start(t, log, sink)
	var damaged *engine.DamagedViewError
	if err := <-ended; !errors.As(err, &damaged) {
		t.Errorf("ended with %v", err)
	}
}

// fragile panics at an event, as a fold of an aggregate's state may at one that no decider wrote.
type fragile struct {
	engine.Projection
	at uint64
}

func (p fragile) Fold(f *es.Fact) error {
	if f.Ordinal == p.at {
		panic("no such line")
	}
	return p.Projection.Fold(f)
}

func TestAFoldThatPanicsStopsTheViewRightBeforeTheEvent(t *testing.T) {
	log, sink := enginetest.NewLog(logID), engine.NewMemSink()
	log.Fill(t, 5)
	w := engine.NewWorker(func() engine.Projection { return fragile{enginetest.NewTally(), 3} }, log, sink, engine.Config{})
	err := w.Run(t.Context())
	var stopped *engine.FoldError
	if !errors.As(err, &stopped) || stopped.Ordinal != 3 || !strings.Contains(err.Error(), "no such line") {
		t.Fatal(err)
	}
	if at := w.Status().Checkpoint; at.Position != log.Entries()[2].Position {
		t.Errorf("the view holds %+v", at)
	}
}

// How long a view is behind is told by when it was last at the head: commits and beats of the head move that time, and a view that cannot go
// on leaves it where it is.
func TestAViewTellsWhenItWasLastAtTheHead(t *testing.T) {
	var seconds atomic.Int64
	at := func(s int64) time.Time { return time.Unix(1_700_000_000+s, 0) }
	cfg := small
	cfg.Clock = func() time.Time { return at(seconds.Load()) }
	log, sink := enginetest.NewLog(logID), enginetest.NewFaults(engine.NewMemSink())
	log.Fill(t, 3)
	w := engine.NewWorker(enginetest.NewTally, log, sink, cfg)
	expect := func(want int64) {
		t.Helper()
		if s := w.Status(); !s.AtHead.Equal(at(want)) {
			t.Fatalf("last at the head at %v, want second %d: %+v", s.AtHead, want, s)
		}
	}
	seconds.Store(10)
	expect(0) // it has not begun
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	await(t, w, log)
	expect(10)

	seconds.Store(20)
	for !w.Status().AtHead.Equal(at(20)) {
		log.Beat()
	}

	broken := errors.New("broken")
	sink.FailCommits(func() error { return broken }, nil)
	seconds.Store(30)
	log.Fill(t, 1)
	log.Beat()
	for w.Status().Err == nil {
		log.Beat()
	}
	was := w.Status().AtHead // beats sent before may have been taken since
	seconds.Store(40)
	for range 5 {
		reads := log.Reads()
		for log.Reads() == reads { // it has tried again
			log.Beat()
		}
		if s := w.Status(); !s.AtHead.Equal(was) {
			t.Fatalf("last at the head at %v, and it has not moved since %v", s.AtHead, was)
		}
	}
	sink.FailCommits(nil, nil)
	await(t, w, log)
	expect(40)

	cancel()
	<-ended
	seconds.Store(50)
	log.Beat()
	expect(40)
}
