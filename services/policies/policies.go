// Package policies runs process managers, which fold the log into a view of their own and propose the commands that it calls for.
//
// Nothing rests on a policy's memory. Its view is a cache of the log, its command ids derive from the events that led to them, and the
// stream that a command goes to judges it afresh; so after a crash at any point, or beside a second process that runs the same policy, the
// same commands are proposed again, and recorded once. What was recorded comes back through the log, and closes what called for it.
package policies

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/projections/engine"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/google/uuid"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

const (
	// inFlightCommandsMax bounds the commands that are sent at once.
	inFlightCommandsMax = 16
	// roundCommandsMax bounds the commands that are chosen before they are sent; the next round chooses the others.
	roundCommandsMax = 1000
	// lookDelayMax bounds a sleep, since a clock may be set while nobody looks.
	lookDelayMax = time.Minute
	// What has no certain answer is tried again after retryDelayMin, later after up to retryDelayMax. The client has repeated it before.
	retryDelayMin = time.Second
	retryDelayMax = time.Minute
)

// Policy chooses commands from a view. It has no memory but its view, and no clock.
type Policy interface {
	// Name stands in command ids and is never changed.
	Name() string
	// View is what the policy reads, of an empty log.
	View() engine.Projection
	// Propose yields what is due, until yield returns false. It returns when something else may be due, after now and whatever is recorded
	// until then; zero where only what is recorded next tells.
	Propose(ctx context.Context, now time.Time, s engine.Snapshot, yield func(Proposal) bool) (next time.Time, err error)
}

// Proposal is a command that an event leads to, at most one to a stream where it has no id of its own.
type Proposal struct {
	Cause uuid.UUID
	// Command lacks what every policy's commands have: actor and causation, and an id, unless it finishes what somebody's command began. Then its
	// id is the one that he would send, and whoever comes second changes nothing.
	Command *apiv1.Command
	// Confirm asks the log right before the command is sent whether it is still called for.
	Confirm func(ctx context.Context, l Ledger) (bool, error)
}

// Ledger is what a policy sends commands to; *client.Client is one.
type Ledger interface {
	Submit(ctx context.Context, cmd *apiv1.Command) (*apiv1.Answer, error)
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[es.Entry, error]
}

// Clock is the time of day; its waits may end early.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Config is what a runner may be given; the zero Config is ready for use.
type Config struct {
	Clock Clock // the machine's where nil
	// BatchEventsMax bounds what one commit of the view holds; the engine's bound where zero.
	BatchEventsMax int
	Logger         *zap.Logger // nil logs nothing
}

// Runner runs one policy. It works while its view does: where that cannot go on, the policy stands still, and says so in the log.
type Runner struct {
	policy Policy
	spec   engine.Spec
	source engine.Source
	views  engine.Views
	worker *engine.Worker
	ledger Ledger
	clock  Clock
	zap    *zap.Logger

	stopping context.Context // ends with Stop
	stop     context.CancelFunc
	chosen   chan struct{} // closed when nothing more is chosen or under way

	// refused are the ids of commands that are still proposed, and were refused since the start: once is enough.
	refused map[string]bool
}

// New returns a runner that has not begun. The sink is the policy's alone, and stays its caller's.
func New(p Policy, source engine.Source, sink engine.Sink, ledger Ledger, cfg Config) *Runner {
	if cfg.Clock == nil {
		cfg.Clock = systemClock{}
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	log := cfg.Logger.With(zap.String("policy", p.Name()))
	r := &Runner{
		policy: p, spec: p.View().Spec(), source: source, views: sink, ledger: ledger, clock: cfg.Clock, zap: log,
		worker: engine.NewWorker(p.View, source, sink, engine.Config{BatchEventsMax: cfg.BatchEventsMax, Clock: cfg.Clock.Now, Logger: log}),
		chosen: make(chan struct{}), refused: map[string]bool{},
	}
	r.stopping, r.stop = context.WithCancel(context.Background())
	return r
}

// Status tells how far the policy's view is.
func (r *Runner) Status() engine.Status { return r.worker.Status() }

// Run folds and chooses until ctx ends; what is under way then is broken off, and proposed again by the next run.
func (r *Runner) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error {
		if err := r.worker.Run(ctx); !errors.Is(err, context.Canceled) {
			r.zap.Error("policy stands still: its view stopped", zap.Error(err))
		}
		return nil
	})
	g.Go(func() error {
		defer close(r.chosen)
		r.choose(ctx)
		return nil
	})
	return g.Wait()
}

// Stop chooses nothing more, and returns when what was sent is answered.
func (r *Runner) Stop(ctx context.Context) error {
	r.stop()
	select {
	case <-r.chosen:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop policy %s: %w", r.policy.Name(), ctx.Err())
	}
}

// choose sends what is due, again and again.
func (r *Runner) choose(ctx context.Context) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.stopping, cancel)()
	var delay time.Duration
	for {
		next, err := r.round(ctx, waiting)
		switch {
		case waiting.Err() != nil || r.worker.Status().Stopped:
			return
		case err != nil:
			delay = min(max(retryDelayMin, 2*delay), retryDelayMax)
			r.zap.Warn("policy tries again", zap.Duration("retry_in", delay), zap.Error(err))
			r.sleepUntil(waiting, r.clock.Now().Add(delay))
		default:
			delay = 0
			next(waiting)
		}
	}
}

// sleepUntil returns at a time by the clock, or when ctx ends.
func (r *Runner) sleepUntil(ctx context.Context, t time.Time) {
	for now := r.clock.Now(); now.Before(t); now = r.clock.Now() {
		select {
		case <-r.clock.After(min(t.Sub(now), lookDelayMax)):
		case <-ctx.Done():
			return
		}
	}
}

// round sends what is due once the view holds all of the log, and returns what waits for the next round. Its error says that a part has no
// certain answer. What it sends ends with ctx, and all else with waiting.
func (r *Runner) round(ctx, waiting context.Context) (next func(context.Context), err error) {
	head, err := r.source.Head(waiting)
	if err != nil {
		return nil, fmt.Errorf("ask for the log's head: %w", err)
	}
	// From less than the log holds, what was done already would be proposed again.
	if err := r.worker.Await(waiting, head.Position); err != nil {
		return nil, err
	}
	due, next, err := r.propose(waiting)
	if err != nil {
		return nil, err
	}
	return next, r.sendAll(ctx, waiting, due)
}

// propose asks the policy at one moment of its view. What was refused is left out.
func (r *Runner) propose(ctx context.Context) (due []Proposal, next func(context.Context), err error) {
	refused := map[string]bool{}
	full := false
	var at engine.Checkpoint
	var then time.Time
	err = r.views.View(ctx, func(s engine.Snapshot) error {
		if at, err = s.Checkpoint(ctx, r.spec); err != nil {
			return err
		}
		then, err = r.policy.Propose(ctx, r.clock.Now(), s, func(p Proposal) bool {
			id := p.Command.CommandId
			if id == "" {
				id = ident.PolicyCommand(r.policy.Name(), p.Cause, p.Command.Stream).String()
			}
			if r.refused[id] {
				refused[id] = true
				return true
			}
			p.Command.CommandId, p.Command.CausationId, p.Command.Actor = id, p.Cause.String(), "policy "+r.policy.Name()
			due = append(due, p)
			full = len(due) == roundCommandsMax
			return !full
		})
		return err
	})
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("propose: %w", err)
	case full:
		return due, func(context.Context) {}, nil
	}
	r.refused = refused
	return due, func(ctx context.Context) {
		if then.IsZero() {
			_ = r.worker.Await(ctx, at.Position+1) // why it ended is for the next round to see
			return
		}
		r.sleepUntil(ctx, then)
	}, nil
}

// sendAll sends commands, some at once, until waiting ends or one has no certain answer, which is the error.
func (r *Runner) sendAll(ctx, waiting context.Context, due []Proposal) error {
	var mu sync.Mutex // guards recorded and r.refused
	recorded := 0
	g, going := errgroup.WithContext(waiting)
	g.SetLimit(inFlightCommandsMax)
	for _, p := range due {
		if going.Err() != nil {
			break
		}
		g.Go(func() error {
			a, err := r.send(ctx, p)
			mu.Lock()
			defer mu.Unlock()
			switch a.GetOutcome() {
			case command.Recorded:
				recorded++
			case command.Refused:
				r.refused[p.Command.CommandId] = true
			}
			return err
		})
	}
	err := g.Wait()
	if recorded > 0 {
		r.zap.Info("policy's commands recorded", zap.Int("commands", recorded))
	}
	return err
}

// send sends one command if it is still called for; its answer is nil where it is not. An error leaves open whether it was recorded.
func (r *Runner) send(ctx context.Context, p Proposal) (*apiv1.Answer, error) {
	wanted, err := p.Confirm(ctx, r.ledger)
	if err != nil || !wanted {
		return nil, err
	}
	cmd := p.Command
	a, err := r.ledger.Submit(ctx, cmd)
	switch {
	case err != nil:
		return nil, err
	case a.Outcome == command.Busy || a.Outcome == command.Unknown:
		return nil, fmt.Errorf("command %s to %s is %s: %s: %s", cmd.CommandId, cmd.Stream, a.Outcome, a.Code, a.Reason)
	// An id that is used is ours: recorded on another day, by a policy that is set otherwise, or by whose command was to be finished.
	case a.Outcome == command.Refused && a.Code != "command_id_reused":
		r.zap.Warn("policy's command refused", zap.String("stream", cmd.Stream), zap.String("command", cmd.CommandId), zap.String("code", a.Code),
			zap.String("field", a.Field), zap.String("reason", a.Reason))
	}
	return a, nil
}
