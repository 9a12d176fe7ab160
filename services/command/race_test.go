package command_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/memlog"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// together runs a function n times at once.
func together(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

func TestTwoServicesRaceOneStream(t *testing.T) {
	w := newWorld(t)
	w.record()
	w.decide()
	w.decide() // the same queue group: commands go to either
	first := w.expect(commit("30.00"), command.Recorded)
	const writers = 60
	var recorded atomic.Int32
	commands := make([]*apiv1.Command, writers)
	together(writers, func(i int) {
		commands[i] = allocate(first.Stream, "1.00")
		a, err := w.client.Submit(t.Context(), commands[i])
		switch {
		case err != nil:
			t.Error(err)
		case a.Outcome == command.Recorded:
			recorded.Add(1)
		case a.Outcome != command.Refused || a.Code != "exceeds_committed":
			t.Errorf("answered %v", a)
		}
	})
	if recorded.Load() != 30 {
		t.Errorf("%d of %d allocations of 1 were recorded under a cap of 30", recorded.Load(), writers)
	}
	if got := w.facts(); len(got) != 31 {
		t.Errorf("the log holds %d commands, want 31", len(got))
	}
}

func TestOneIdForTwoCommandsRecordsOne(t *testing.T) {
	w := newWorld(t)
	w.record()
	w.decide()
	w.decide()
	const rounds = 50
	for range rounds {
		one := commit("1.00")
		two := proto.CloneOf(one)
		two.GetCommitPledge().Title = "Something else"
		outcomes := make([]string, 2)
		together(2, func(i int) {
			a, err := w.client.Submit(t.Context(), []*apiv1.Command{one, two}[i])
			if err != nil {
				t.Error(err)
				return
			}
			outcomes[i] = a.Outcome + " " + a.Code
		})
		slices.Sort(outcomes)
		if fmt.Sprint(outcomes) != "[recorded  refused command_id_reused]" {
			t.Fatalf("two commands under one id were answered %q", outcomes)
		}
	}
}

func TestOneCommandSentTwiceAtOnce(t *testing.T) {
	w := newWorld(t)
	w.record()
	w.decide()
	w.decide()
	for range 50 {
		cmd := commit("1.00")
		answers := make([]*apiv1.Answer, 2)
		together(2, func(i int) {
			a, err := w.client.Submit(t.Context(), proto.CloneOf(cmd))
			if err != nil {
				t.Error(err)
			}
			answers[i] = a
		})
		for _, a := range answers {
			if a.Outcome != command.Recorded && a.Outcome != command.Repeated || a.Position != answers[0].Position {
				t.Fatalf("answers %v", answers)
			}
		}
		if w.facts()[cmd.CommandId] != 1 {
			t.Fatal("recorded twice")
		}
	}
}

// script is many commands on a few streams: an open and allocations, in order within each stream.
func script(streams, perStream int) iter.Seq[*apiv1.Command] {
	return func(yield func(*apiv1.Command) bool) {
		names := make([]string, streams)
		for i := range names {
			names[i] = es.StreamName("pledge", uuid.New())
			cmd := commit(fmt.Sprintf("%d.00", perStream))
			cmd.Stream = names[i]
			if !yield(cmd) {
				return
			}
		}
		for range perStream {
			for _, name := range names {
				if !yield(allocate(name, "1.00")) {
					return
				}
			}
		}
	}
}

func TestRecorderRestartsUnderLoad(t *testing.T) {
	w := newWorld(t)
	stop := w.record()
	w.decide()
	const streams, perStream, restarts = 20, 30, 4
	var recorded []string
	wants := map[int]bool{}
	for i := 1; i <= restarts; i++ {
		wants[i*streams*perStream/(restarts+1)] = true
	}
	restart := make(chan struct{}, restarts)
	var restarting sync.WaitGroup
	restarting.Go(func() {
		for range restart {
			stop()
			stop = w.record()
		}
	})
	err := w.client.SubmitAll(t.Context(), script(streams, perStream), func(_ int, cmd *apiv1.Command, a *apiv1.Answer) error {
		if a.Outcome != command.Recorded && a.Outcome != command.Repeated {
			return fmt.Errorf("command %s: %v", cmd.CommandId, a)
		}
		recorded = append(recorded, cmd.CommandId)
		if wants[len(recorded)] {
			restart <- struct{}{}
		}
		return nil
	})
	close(restart)
	restarting.Wait()
	if err != nil {
		t.Fatal(err)
	}
	got := w.facts()
	if len(recorded) != streams*(perStream+1) || len(got) != len(recorded) {
		t.Fatalf("%d answered recorded, %d in the log, %d sent", len(recorded), len(got), streams*(perStream+1))
	}
	for _, id := range recorded {
		if got[id] != 1 {
			t.Errorf("command %s stands %d times in the log", id, got[id])
		}
	}
}

func TestDrainLosesNothing(t *testing.T) {
	w := newWorld(t)
	stopRecorder := w.record()
	stopHost := w.decide()
	var answered sync.Map // command id → outcome
	stopped := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	answers := 0
	err := w.client.SubmitAll(ctx, script(40, 20), func(_ int, cmd *apiv1.Command, a *apiv1.Answer) error {
		answered.Store(cmd.CommandId, a.Outcome)
		if answers++; answers == 200 {
			go func() {
				stopHost()
				stopRecorder()
				close(stopped)
				cancel()
			}()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-stopped
	got := w.facts()
	recorded := 0
	answered.Range(func(id, outcome any) bool {
		n := got[id.(string)]
		delete(got, id.(string))
		switch {
		case outcome == command.Recorded && n == 1:
			recorded++
		case outcome == command.Busy && n == 0:
		case outcome == command.Unknown: // the context of the test ended a wait
			t.Errorf("command %s was left unknown, and stands %d times in the log", id, n)
		default:
			t.Errorf("command %s: answered %s, and stands %d times in the log", id, outcome, n)
		}
		return true
	})
	if recorded < 100 || len(got) > 0 {
		t.Errorf("%d recorded; in the log and never answered: %v", recorded, got)
	}
}

func TestManyStreamsShareRequests(t *testing.T) {
	w := newWorld(t)
	w.record()
	w.decide()
	var groups atomic.Int32
	w.log.fail(func(ctx context.Context, appends []es.Append) []es.Result {
		groups.Add(1)
		return w.log.Log.(*memlog.Log).Append(ctx, appends)
	})
	const streams = 400
	n := 0
	err := w.client.SubmitAll(t.Context(), script(streams, 0), func(int, *apiv1.Command, *apiv1.Answer) error { n++; return nil })
	if err != nil || n != streams {
		t.Fatalf("%d answers: %v", n, err)
	}
	t.Logf("%d appends in %d requests", streams, groups.Load())
	if groups.Load() >= streams {
		t.Errorf("%d appends took %d requests", streams, groups.Load())
	}
}
