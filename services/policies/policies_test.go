package policies_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/reservations"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/internal/feed"
	"github.com/allied-ledger/allied/services/policies"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// atSight releases every draw that it sees unused. It has nothing to wait for but what is recorded next.
type atSight struct{}

func (atSight) Name() string { return "at-sight" }

func (atSight) View() engine.Projection { return reservations.New() }

func (atSight) Propose(ctx context.Context, now time.Time, s engine.Snapshot, yield func(policies.Proposal) bool) (time.Time, error) {
	for d, err := range reservations.Unused(ctx, s) {
		if err != nil {
			return time.Time{}, err
		}
		if !yield(policies.Proposal{
			Cause: d.Reserved.Event, Confirm: func(context.Context, policies.Ledger) (bool, error) { return true, nil },
			Command: &apiv1.Command{
				Stream: d.Pledge, Effective: now.Format(time.DateOnly), Body: &apiv1.Command_ReleaseDraw{ReleaseDraw: &apiv1.ReleaseDraw{Draw: d.ID.String()}},
			},
		}) {
			break
		}
	}
	return time.Time{}, nil
}

func TestAPolicyActsOnWhatIsRecorded(t *testing.T) {
	w := open(t)
	w.start(atSight{}, engine.NewMemSink(), w.client, policies.Config{})
	for n := range 3 {
		w.leave(w.plan("30.00"))
		w.awaitReleased(n + 1)
	}
}

func TestAStopFinishesWhatIsUnderWay(t *testing.T) {
	w := open(t)
	w.leave(w.plan("30.00"))
	w.advance(day)
	sent, goOn := make(chan struct{}), make(chan struct{})
	l := &ledger{Ledger: w.client, submit: func(send func() *apiv1.Answer) *apiv1.Answer {
		close(sent)
		<-goOn
		return send()
	}}
	r := policies.New(policies.ReleaseUnusedDraws(day), feed.New(w.nc, zap.NewNop()), engine.NewMemSink(), l, policies.Config{Clock: w.newAlarms()})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	<-sent
	over, now := context.WithCancel(t.Context())
	now()
	if err := r.Stop(over); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped with a command under way: %v", err)
	}
	close(goOn)
	if err := r.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if n := len(w.released()); n != 1 {
		t.Errorf("%d releases of what was under way", n)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// stuck is a view that cannot take an event.
type stuck struct{ engine.Projection }

func (stuck) Fold(*es.Fact) error { return errors.New("not known") }

type onStuck struct{ policies.Policy }

func (onStuck) View() engine.Projection { return stuck{reservations.New()} }

// The other roles of its process go on.
func TestAPolicyWhoseViewStopsStandsStill(t *testing.T) {
	w := open(t)
	core, logged := observer.New(zap.ErrorLevel)
	p := onStuck{policies.ReleaseUnusedDraws(day)}
	r := policies.New(p, feed.New(w.nc, zap.NewNop()), engine.NewMemSink(), w.client, policies.Config{Clock: w.newAlarms(), Logger: zap.New(core)})
	if err := r.Run(t.Context()); err != nil {
		t.Error(err)
	}
	if logged.FilterMessage("policy stands still: its view stopped").Len() != 1 {
		t.Errorf("told %v", logged.All())
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestADrawIsDueOnceTheSetTimeIsOver(t *testing.T) {
	w := open(t)
	w.leave(w.plan("30.00"))
	w.advance(time.Hour)
	w.leave(w.plan("20.00"))
	p, sink := policies.ReleaseUnusedDraws(day), engine.NewMemSink()
	filled := w.start(p, sink, w.client, policies.Config{})
	filled.awaitIdle()
	filled.stop()
	for after, want := range map[time.Duration]struct {
		due  int
		next time.Duration
	}{
		day - 1:         {0, day},
		day:             {1, day + time.Hour},
		day + time.Hour: {2, 2*day + time.Hour}, // of a draw that is reserved now
	} {
		due := 0
		err := sink.View(t.Context(), func(s engine.Snapshot) error {
			next, err := p.Propose(t.Context(), begin.Add(after), s, func(policies.Proposal) bool { due++; return true })
			if due != want.due || !next.Equal(begin.Add(want.next)) {
				t.Errorf("after %s %d are due, and the next at %s", after, due, next)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
