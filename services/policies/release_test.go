package policies_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/policies"
	"github.com/google/uuid"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestADrawLeftByACrashIsReleasedInTime(t *testing.T) {
	w := open(t)
	left, paid := w.plan("30.00"), w.instruct("20.00")
	left.CorrelationId, left.Marking = named("business"), "restricted"
	w.submit(w.plan("10.00")) // used, and never released
	w.submit(w.instruct("5.00"))
	w.leave(left)
	w.advance(time.Hour)
	w.leave(paid)
	p := w.start(policies.ReleaseUnusedDraws(day), engine.NewMemSink(), w.client, policies.Config{})
	p.awaitIdle()
	w.advance(23*time.Hour - time.Nanosecond)
	p.awaitIdle()
	if n := len(w.released()); n != 0 {
		t.Fatalf("%d draws are released before their time", n)
	}
	w.advance(time.Nanosecond)
	// The last look was for less than a minute, so that it ends with the time that was set.
	w.awaitReleased(1)
	p.awaitIdle()
	w.advance(time.Hour)
	w.awaitReleased(2)
	p.awaitIdle()
	w.advance(30 * day)
	p.awaitIdle()

	released := w.released()
	if len(released) != 2 {
		t.Fatalf("%d draws are released, not 2", len(released))
	}
	var reserved uuid.UUID
	for _, f := range w.facts() {
		if e, ok := f.Event.(*eventv1.DrawReserved); ok && string(e.Draw) == string(released[0].Event.(*eventv1.DrawReleased).Draw) {
			reserved = f.ID
		}
	}
	env := released[0].Envelope
	if uuid.UUID(env.CausationId) != reserved || uuid.UUID(env.CorrelationId).String() != left.CorrelationId || env.Actor != "policy release-unused-draws" ||
		env.Marking != eventv1.Marking_MARKING_RESTRICTED || env.Donor != "NOR" || dates.Format(env.Effective) != "2024-03-02" || env.Reason == "" {
		t.Errorf("released with %v", env)
	}
	for _, cmd := range []*apiv1.Command{left, paid} { // their clients come back
		a, err := w.client.Submit(t.Context(), cmd)
		if err != nil || a.Outcome != command.Refused || a.Code != "draw_released" {
			t.Errorf("answered %v, %v", a, err)
		}
	}
	w.submit(w.plan("85.00")) // all that is not used is there again
}

func TestARestartBeforeTheTimeChangesNothing(t *testing.T) {
	w := open(t)
	w.leave(w.plan("30.00"))
	sink := engine.NewMemSink()
	for range 3 {
		p := w.start(policies.ReleaseUnusedDraws(day), sink, w.client, policies.Config{})
		p.awaitIdle()
		w.advance(7 * time.Hour)
		p.awaitIdle()
		p.stop()
	}
	if n := len(w.released()); n != 0 {
		t.Fatalf("%d draws are released before their time", n)
	}
	w.advance(3 * time.Hour) // while nothing runs
	p := w.start(policies.ReleaseUnusedDraws(day), sink, w.client, policies.Config{})
	w.awaitReleased(1)
	p.awaitIdle()
	p.stop()
	// Nothing is left of the view: what was done is read from the log.
	w.start(policies.ReleaseUnusedDraws(day), engine.NewMemSink(), w.client, policies.Config{}).awaitIdle()
	if n := len(w.released()); n != 1 {
		t.Errorf("%d releases of one draw", n)
	}
}

// Two processes propose the same at once, and on two days: the id is the same, and the draw is released once.
func TestTwoPoliciesReleaseOnce(t *testing.T) {
	w := open(t)
	const draws = 8
	for range draws {
		w.leave(w.plan("5.00"))
	}
	w.advance(2 * day)
	together := new(sync.WaitGroup)
	together.Add(2)
	var once [2]sync.Once
	core, logged := observer.New(zap.WarnLevel)
	start := func(i int, after time.Duration) *running {
		l := &ledger{Ledger: w.client, submit: func(send func() *apiv1.Answer) *apiv1.Answer {
			once[i].Do(func() {
				together.Done()
				together.Wait()
			})
			return send()
		}}
		return w.start(policies.ReleaseUnusedDraws(after), engine.NewMemSink(), l, policies.Config{Logger: zap.New(core)})
	}
	a, b := start(0, day), start(1, day+time.Hour) // whose commands differ in their reason
	w.awaitReleased(draws)
	a.awaitIdle()
	b.awaitIdle()
	if n := len(w.released()); n != draws || logged.Len() > 0 {
		t.Errorf("%d releases of %d draws; told %v", n, draws, logged.All())
	}
}

// A client comes back when its draw is about to be released. What it records before the policy looks is seen; what it records after that stands beside
// the release.
func TestAClientComesBackAtTheLastMoment(t *testing.T) {
	for name, c := range map[string]struct {
		released int
		come     func(l *ledger, back func())
	}{
		"before the look": {0, func(l *ledger, back func()) { l.read = back }},
		"after the look": {1, func(l *ledger, back func()) {
			l.submit = func(send func() *apiv1.Answer) *apiv1.Answer {
				back()
				return send()
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			plan := w.plan("30.00")
			w.leave(plan)
			w.advance(day)
			var once sync.Once
			l := &ledger{Ledger: w.client}
			c.come(l, func() { once.Do(func() { w.submit(plan) }) })
			p := w.start(policies.ReleaseUnusedDraws(day), engine.NewMemSink(), l, policies.Config{})
			w.awaitReleased(c.released)
			p.awaitIdle()
			w.advance(3 * day)
			p.awaitIdle()
			if n := len(w.released()); n != c.released {
				t.Errorf("%d releases, not %d", n, c.released)
			}
		})
	}
}

// A refusal is told once and not repeated until the next start; another draw is not held up by it.
func TestARefusalIsNotRepeated(t *testing.T) {
	w := open(t)
	w.leave(w.plan("30.00"))
	var sent atomic.Int64
	l := &ledger{Ledger: w.client, submit: func(send func() *apiv1.Answer) *apiv1.Answer {
		if sent.Add(1) == 1 {
			return &apiv1.Answer{Outcome: command.Refused, Code: "draw_ended", Reason: "ended"}
		}
		return send()
	}}
	core, logged := observer.New(zap.WarnLevel)
	w.advance(day)
	p := w.start(policies.ReleaseUnusedDraws(day), engine.NewMemSink(), l, policies.Config{Logger: zap.New(core)})
	p.awaitIdle()
	w.leave(w.plan("20.00"))
	for range 3 {
		w.advance(day)
		p.awaitIdle()
	}
	w.awaitReleased(1)
	p.awaitIdle()
	told := logged.FilterMessage("policy's command refused").All()
	if sent.Load() != 2 || len(told) != 1 || told[0].ContextMap()["code"] != "draw_ended" {
		t.Errorf("%d commands are sent, and %v told", sent.Load(), told)
	}
}

// What is busy or unknown is sent again, later each time.
func TestWhatIsNotCertainIsSentAgain(t *testing.T) {
	w := open(t)
	w.leave(w.plan("30.00"))
	w.advance(day)
	answers := []*apiv1.Answer{{Outcome: command.Busy, Code: "store_full"}, {Outcome: command.Unknown, Code: "no_answer"}, {Outcome: command.Busy}}
	var sent atomic.Int64
	l := &ledger{Ledger: w.client, submit: func(send func() *apiv1.Answer) *apiv1.Answer {
		n := int(sent.Add(1))
		if n == 2 { // recorded, and its answer lost
			send()
		}
		if n <= len(answers) {
			return answers[n-1]
		}
		return send()
	}}
	p := w.start(policies.ReleaseUnusedDraws(day), engine.NewMemSink(), l, policies.Config{})
	p.awaitIdle()
	w.advance(time.Second - time.Nanosecond)
	p.awaitIdle()
	if sent.Load() != 1 {
		t.Errorf("sent %d times within the first delay", sent.Load())
	}
	w.advance(time.Nanosecond)
	w.awaitReleased(1)
	p.awaitIdle()
	for range 3 {
		w.advance(time.Minute)
		p.awaitIdle()
	}
	if n := len(w.released()); n != 1 || sent.Load() != 2 {
		t.Errorf("sent %d times, %d releases", sent.Load(), n)
	}
}

// More draws than one round takes are released by the next ones.
func TestManyDrawsAreReleasedInRounds(t *testing.T) {
	w := open(t)
	const draws = 1001
	all := func(yield func(*apiv1.Command) bool) {
		for i := range draws {
			c := w.command(w.pledge)
			c.Body = &apiv1.Command_ReserveDraw{ReserveDraw: &apiv1.ReserveDraw{
				Draw: named(fmt.Sprintf("draw %d", i)), Allocation: named("allocation"), Asset: asset, Amount: "0.01", ForStream: "shipment-" + named(fmt.Sprint(i)),
			}}
			if !yield(c) {
				return
			}
		}
	}
	if err := w.client.SubmitAll(t.Context(), all, func(_ int, _ *apiv1.Command, a *apiv1.Answer) error {
		if a.Outcome != command.Recorded {
			return fmt.Errorf("answered %v", a)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.advance(day)
	p := w.start(policies.ReleaseUnusedDraws(day), engine.NewMemSink(), w.client, policies.Config{})
	w.awaitReleased(draws)
	p.awaitIdle()
	if n := len(w.released()); n != draws {
		t.Errorf("%d releases of %d draws", n, draws)
	}
}

// crashed is what a process that dies gets for an answer: none.
var errCrashed = errors.New("crashed")

// point is where a process dies: before or after it does something for the nth time. From then on nothing of it gets through.
type point struct {
	at    int // 0 for never
	after bool
	met   atomic.Int64
	died  chan struct{} // closed by the death
}

func (p *point) next() int64 { return p.met.Add(1) }

func (p *point) strikes(number int64, after bool) error {
	if number == int64(p.at) && after == p.after {
		close(p.died)
	}
	select {
	case <-p.died:
		return errCrashed
	default:
		return nil
	}
}

// TestEveryCrashOfAPolicy lets the process die before and after each command and each commit of the view, and starts it again on what is
// left. The log is the judge.
func TestEveryCrashOfAPolicy(t *testing.T) {
	const draws = 3
	// Seven events come before the policy starts, and three releases after it; two go into one commit, where they come together.
	const commitsMin = 4 + 2
	// history leaves draws behind, has them released by a policy that dies at a point, and returns how many commands it sent until then.
	history := func(t *testing.T, commitPoint, submitPoint int, after bool) (submits int) {
		w := open(t)
		w.submit(w.plan("10.00"))
		for range draws {
			w.leave(w.plan("10.00"))
		}
		w.advance(day)
		kept := engine.NewMemSink()
		sink := enginetest.NewFaults(kept)
		died := make(chan struct{})
		commit := &point{at: commitPoint, after: after, died: died}
		submit := &point{at: submitPoint, after: after, died: died}
		var number atomic.Int64 // of the commit under way: there is one at a time
		sink.FailCommits(func() error {
			number.Store(commit.next())
			return commit.strikes(number.Load(), false)
		}, func() error { return commit.strikes(number.Load(), true) })
		l := &ledger{Ledger: w.client, submit: func(send func() *apiv1.Answer) *apiv1.Answer {
			lost := &apiv1.Answer{Outcome: command.Unknown, Code: "crashed"}
			n := submit.next()
			if submit.strikes(n, false) != nil {
				return lost
			}
			a := send()
			if submit.strikes(n, true) != nil {
				return lost
			}
			return a
		}}
		cfg := policies.Config{BatchEventsMax: 2} // some commits, whatever the frames hold
		p := w.start(policies.ReleaseUnusedDraws(day), sink, l, cfg)
		if commitPoint+submitPoint > 0 {
			<-died
			p.crash()
		} else {
			w.awaitReleased(draws)
			p.awaitIdle()
			p.stop()
		}
		again := w.start(policies.ReleaseUnusedDraws(day), kept, w.client, cfg)
		w.awaitReleased(draws)
		again.awaitIdle()
		w.advance(3 * day)
		again.awaitIdle()
		if n := len(w.released()); n != draws {
			t.Errorf("%d releases of %d draws", n, draws)
		}
		w.submit(w.plan("90.00")) // nothing is lost
		return int(submit.met.Load())
	}
	submits := history(t, 0, 0, false)
	points := 0
	for _, after := range []bool{false, true} {
		try := func(what string, n int, at func(n int) (commit, submit int)) {
			for n := range n {
				points++
				t.Run(fmt.Sprintf("%s %d after=%t", what, n+1, after), func(t *testing.T) {
					commit, submit := at(n + 1)
					history(t, commit, submit, after)
				})
			}
		}
		try("command", submits, func(n int) (commit, submit int) { return 0, n })
		try("commit", commitsMin, func(n int) (commit, submit int) { return n, 0 })
	}
	t.Logf("%d points of failure: %d commands and %d commits, before and after", points, submits, commitsMin)
	if submits != draws || points != 2*(draws+commitsMin) {
		t.Errorf("%d points of failure, %d commands", points, submits)
	}
}

// The view is behind, from zero or from what a crash left, when its policy starts: it proposes nothing before it holds all of the log.
func TestNothingIsProposedFromAHalfReadLog(t *testing.T) {
	w := open(t)
	for range 9 {
		w.submit(w.plan("1.00"))
	}
	w.advance(30 * day)
	var looked atomic.Int64
	l := &ledger{Ledger: w.client, read: func() { looked.Add(1) }}
	w.start(policies.ReleaseUnusedDraws(day), engine.NewMemSink(), l, policies.Config{BatchEventsMax: 1}).awaitIdle()
	if n := looked.Load(); n != 0 {
		t.Errorf("%d draws in use were proposed to be released", n)
	}
}

// paying is a payment of 50.00 that is booked, and its draw.
func (w *world) paying() (payment, draw string) {
	w.t.Helper()
	instruct := w.instruct("50.00")
	payment = w.submit(instruct).Stream
	book := w.command(payment)
	book.Body = &apiv1.Command_BookPayment{BookPayment: &apiv1.BookPayment{Asset: asset, Point: "debited"}}
	w.submit(book)
	return payment, ident.LineID(payment, uuid.MustParse(instruct.CommandId), "draw", 0).String()
}

func (w *world) reopen(payment, amount string) *apiv1.Command {
	c := w.command(payment)
	c.Body = &apiv1.Command_ReturnPayment{ReturnPayment: &apiv1.ReturnPayment{Asset: asset, Amount: amount, Reopens: true}}
	return c
}

// byHand is a release under an id of its own.
func (w *world) byHand(draw, amount string) *apiv1.Command {
	c := w.command(w.pledge)
	c.Body = &apiv1.Command_ReleaseDraw{ReleaseDraw: &apiv1.ReleaseDraw{Draw: draw, Asset: asset, Amount: amount}}
	return c
}

// amounts are what was released, in its order.
func (w *world) amounts() (all []string) {
	w.t.Helper()
	for _, f := range w.released() {
		all = append(all, drawn.Amount(f.Event.(*eventv1.DrawReleased).Amount).Text(2))
	}
	return all
}

func TestWhatWasGivenUpIsReleasedInTime(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(w *world, payment, draw string) (again []*apiv1.Command)
		want []string // what is released in all
	}{
		"twice of one draw": {func(w *world, payment, _ string) []*apiv1.Command {
			first, second := w.reopen(payment, "10.00"), w.reopen(payment, "5.00")
			w.breakOff(first, second)
			return []*apiv1.Command{first, second}
		}, []string{"10.00", "5.00"}},
		"what came second was released": {func(w *world, payment, _ string) []*apiv1.Command {
			first, second := w.reopen(payment, "10.00"), w.reopen(payment, "5.00")
			w.breakOff(first)
			w.submit(second)
			return []*apiv1.Command{first, second}
		}, []string{"5.00", "10.00"}},
		"nothing is left to do": {func(w *world, payment, _ string) []*apiv1.Command {
			c := w.reopen(payment, "10.00")
			w.submit(c)
			return []*apiv1.Command{c}
		}, []string{"10.00"}},
		"a part was released by hand": {func(w *world, payment, draw string) []*apiv1.Command {
			c := w.reopen(payment, "10.00")
			w.breakOff(c)
			w.submit(w.byHand(draw, "4.00"))
			return []*apiv1.Command{c}
		}, []string{"4.00", "6.00"}},
		"all was released by hand": {func(w *world, payment, draw string) []*apiv1.Command {
			w.breakOff(w.reopen(payment, "10.00"))
			w.submit(w.byHand(draw, "10.00"))
			return nil
		}, []string{"10.00"}},
		// The service asks for all, and is refused: the draw does not hold that any more.
		"a part was released in use": {func(w *world, payment, draw string) []*apiv1.Command {
			w.submit(w.byHand(draw, "20.00"))
			c := w.reopen(payment, "50.00")
			w.submit(c)
			return []*apiv1.Command{c}
		}, []string{"20.00", "30.00"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			payment, draw := w.paying()
			again := c.do(w, payment, draw)
			p := w.start(policies.ReleaseUnusedDraws(day), engine.NewMemSink(), w.client, policies.Config{BatchEventsMax: 1})
			p.awaitIdle()
			before := len(w.released())
			w.advance(day - time.Nanosecond)
			p.awaitIdle()
			if n := len(w.released()); n != before {
				t.Errorf("%d releases before their time", n-before)
			}
			w.advance(time.Nanosecond)
			w.awaitReleased(len(c.want))
			p.awaitIdle()
			told := w.told.Len()
			for _, cmd := range again {
				if a := w.submit(cmd); a.Outcome != command.Repeated {
					t.Errorf("sent again, it is %s", a.Outcome)
				}
			}
			if n := w.told.Len(); n > told {
				t.Errorf("told when it is sent again: %v", w.told.All()[told:])
			}
			w.advance(3 * day)
			p.awaitIdle()
			got := w.amounts()
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("released are %q, not %q", got, c.want)
			}
		})
	}
}

// The release says what led to it, and is marked like that.
func TestAFinishedReleaseNamesItsCause(t *testing.T) {
	w := open(t)
	payment, _ := w.paying()
	c := w.reopen(payment, "10.00")
	c.CorrelationId, c.Marking = named("business"), "restricted"
	w.breakOff(c)
	facts := w.facts()
	cause := facts[len(facts)-1]
	w.advance(day)
	w.start(policies.ReleaseUnusedDraws(day), engine.NewMemSink(), w.client, policies.Config{})
	w.awaitReleased(1)
	env := w.released()[0].Envelope
	if uuid.UUID(env.CommandId) != ident.ReleaseCommand(payment, uuid.MustParse(c.CommandId), 0) || uuid.UUID(env.CausationId) != cause.ID ||
		uuid.UUID(env.CorrelationId).String() != c.CorrelationId || env.Actor != "policy release-unused-draws" ||
		env.Marking != eventv1.Marking_MARKING_RESTRICTED || dates.Format(env.Effective) != "2024-03-02" || env.Reason == "" {
		t.Errorf("released with %v", env)
	}
}

// A person, or the client itself, releases what was given up when the policy has chosen to, and before it looks at the pledge or after that.
func TestSomebodyElseReleasesAtTheLastMoment(t *testing.T) {
	for name, c := range map[string]struct {
		come func(w *world, l *ledger, draw string, again *apiv1.Command)
	}{
		"a person before the look": {func(w *world, l *ledger, draw string, _ *apiv1.Command) {
			l.read = sync.OnceFunc(func() { w.submit(w.byHand(draw, "10.00")) })
		}},
		"the client before the look": {func(w *world, l *ledger, _ string, again *apiv1.Command) {
			l.read = sync.OnceFunc(func() { w.submit(again) })
		}},
		"the client after the look": {func(w *world, l *ledger, _ string, again *apiv1.Command) {
			once := sync.OnceFunc(func() { w.submit(again) })
			l.submit = func(send func() *apiv1.Answer) *apiv1.Answer {
				once()
				return send()
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			payment, draw := w.paying()
			again := w.reopen(payment, "10.00")
			w.breakOff(again)
			w.advance(day)
			l := &ledger{Ledger: w.client}
			c.come(w, l, draw, again)
			core, logged := observer.New(zap.WarnLevel)
			p := w.start(policies.ReleaseUnusedDraws(day), engine.NewMemSink(), l, policies.Config{Logger: zap.New(core)})
			w.awaitReleased(1)
			p.awaitIdle()
			w.advance(3 * day)
			p.awaitIdle()
			if got := w.amounts(); !slices.Equal(got, []string{"10.00"}) || logged.Len() > 0 {
				t.Errorf("released are %q; told %v", got, logged.All())
			}
		})
	}
}
