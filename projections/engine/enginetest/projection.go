package enginetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// Donors of random pledges.
var Donors = []string{"DEU", "EU-INST", "GBR", "JPN", "USA"}

// Random makes a log of random pledges, of which the decider accepted every event.
func Random(t testing.TB, r *rapid.T) *Log {
	log := NewLog(uuid.UUID{1: 7})
	cases := make([]*given.Case[*pledge.State, pledge.Command], rapid.IntRange(1, 4).Draw(r, "pledges"))
	for i := range cases {
		cases[i] = given.History(pledge.Decider)
	}
	n := 0
	next := func() int { n++; return n }
	for range rapid.IntRange(1, 40).Draw(r, "commands") {
		i := rapid.IntRange(0, len(cases)-1).Draw(r, "pledge")
		c := cases[i]
		for _, e := range c.When(pledgetest.Random(r, c.State(), next)).Events {
			pledge.Evolve(c.State(), given.Fact(c.State().Stream, 1, e))
			log.AddFact(t, Stream(i), &eventv1.Envelope{
				Donor: Donors[i%len(Donors)], Beneficiary: "UKR", Effective: pledgetest.Meta().Effective,
				Sources: []*eventv1.Source{{Publisher: "test", Release: "1", ExternalId: fmt.Sprintf("X%d", i)}},
			}, e)
		}
	}
	return log
}

// Decide gives commands to the pledge that a stream does not have yet, and appends what it decides.
func (l *Log) Decide(t testing.TB, stream, donor string, commands ...pledge.Command) {
	t.Helper()
	state := pledge.Initial(stream)
	for _, c := range commands {
		events, err := pledge.Decide(state, c)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			pledge.Evolve(state, given.Fact(stream, 1, e))
			l.AddFact(t, stream, &eventv1.Envelope{
				Donor: donor, Beneficiary: "UKR", Effective: pledgetest.Meta().Effective,
				Sources: []*eventv1.Source{{Publisher: "test", Release: "1", ExternalId: donor + "1"}},
			}, e)
		}
	}
}

// TestProjection checks what every projection owes the engine, on random histories of pledges: however the log is cut into batches and
// whenever the worker starts again, the rows are the same to the byte; they come in key order; and nothing is written that did not change. And a
// worker that follows the log live, while frames are lost, late and delivered again, holds the same.
func TestProjection(t *testing.T, create func() engine.Projection) {
	TestProjectionOf(t, Random, create)
}

// TestProjectionOf is TestProjection on other histories.
func TestProjectionOf(t *testing.T, random func(testing.TB, *rapid.T) *Log, create func() engine.Projection) {
	rapid.Check(t, func(r *rapid.T) {
		log := random(t, r)
		want, err := engine.Replay(t.Context(), log.All(), create())
		if err != nil {
			r.Fatal(err)
		}
		sink := engine.NewMemSink()
		batches(r, log, sink, create)
		equalViews(r, sink, want.Sink, create().Spec())
		equalViews(r, live(t, r, log, create), want.Sink, create().Spec())
		check, err := engine.Verify(t.Context(), log.All(), sink, create())
		if err != nil {
			r.Fatal(err)
		}
		if len(log.Entries()) > 0 && !check.Views[0].OK() || check.StateHash != want.StateHash {
			r.Fatalf("verify: %+v %v", check.Views, check.Views[0].Difference)
		}
	})
}

// live follows a log while it grows, over a broadcast that cannot be trusted.
func live(t *testing.T, r *rapid.T, whole *Log, create func() engine.Projection) engine.Sink {
	log, sink := NewLog(whole.id), engine.NewMemSink()
	w := engine.NewWorker(create, log, sink, engine.Config{BatchEventsMax: rapid.IntRange(1, 9).Draw(r, "live batch")})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "frames"), 1))
	err := w.Await(ctx, 0) // which it does once it has subscribed
	for entries := whole.Entries(); err == nil && len(entries) > 0; {
		n := min(1+rng.IntN(8), len(entries))
		log.grow(entries[:n])
		log.BroadcastBadly(rng, entries[:n])
		if len(entries) == n || rng.IntN(2) == 0 {
			log.Beat() // whoever lost the last frame hears of it
			err = w.Await(ctx, entries[n-1].Position)
		}
		entries = entries[n:]
	}
	cancel()
	if stopped := <-ended; err != nil || !errors.Is(stopped, context.Canceled) {
		r.Fatal(errors.Join(err, stopped))
	}
	return sink
}

// batches folds a log in random batches, and between them, and within them, loses what is in memory.
func batches(r *rapid.T, log *Log, sink engine.Sink, create func() engine.Projection) {
	entries := log.Entries()
	spec := create().Spec()
	at, err := sink.Open(context.Background(), spec)
	if err != nil {
		r.Fatal(err)
	}
	p := create()
	for done := 0; done < len(entries); {
		if rapid.Bool().Draw(r, "restart") {
			p = create()
			if err := engine.Load(context.Background(), sink, p); err != nil {
				r.Fatal(err)
			}
			if err := p.Flush(unchanged); err != nil {
				r.Fatal(err)
			}
		}
		n := min(rapid.IntRange(1, 12).Draw(r, "batch"), len(entries)-done)
		for _, e := range entries[done : done+n] {
			if err := p.Fold(decode(r, e)); err != nil {
				r.Fatal(err)
			}
		}
		if rapid.IntRange(0, 4).Draw(r, "crash") == 0 {
			p = create()
			if err := engine.Load(context.Background(), sink, p); err != nil {
				r.Fatal(err)
			}
			continue
		}
		last := entries[done+n-1]
		to := engine.Checkpoint{Projection: spec.Name, LogID: log.id, Position: last.Position, Ordinal: last.Ordinal}
		if err := sink.Commit(context.Background(), at, to, inOrder(spec, p.Flush)); err != nil {
			r.Fatal(err)
		}
		if err := p.Flush(unchanged); err != nil {
			r.Fatal(err)
		}
		at, done = to, done+n
	}
}

func unchanged(table int, row engine.Row) error {
	return fmt.Errorf("row %v of table %d is flushed, and nothing changed", row, table)
}

// inOrder refuses rows that do not come table by table in key order.
func inOrder(spec engine.Spec, flush func(func(int, engine.Row) error) error) func(func(int, engine.Row) error) error {
	return func(yield func(int, engine.Row) error) error {
		table, last := 0, engine.Row(nil)
		return flush(func(i int, row engine.Row) error {
			switch {
			case i < table:
				return fmt.Errorf("table %d is flushed after table %d", i, table)
			case i == table && last != nil && spec.Tables[i].Compare(last, row) >= 0:
				return fmt.Errorf("row %v is flushed after %v", row, last)
			}
			table, last = i, slices.Clone(row)
			return yield(i, row)
		})
	}
}

func equalViews(r *rapid.T, a, b engine.Views, spec engine.Spec) {
	ctx := context.Background()
	err := a.View(ctx, func(sa engine.Snapshot) error {
		return b.View(ctx, func(sb engine.Snapshot) error {
			d, err := engine.Compare(ctx, sa, sb, spec)
			if d != nil {
				err = errors.Join(err, fmt.Errorf("views differ: %v", d))
			}
			return err
		})
	})
	if err != nil {
		r.Fatal(err)
	}
}

func decode(r *rapid.T, e es.Entry) *es.Fact {
	f, err := wire.Decode(e)
	if err != nil {
		r.Fatal(err)
	}
	return f
}

// Build runs a worker until a sink holds all of a log.
func Build(t testing.TB, log *Log, sink engine.Sink, create func() engine.Projection) {
	t.Helper()
	Run(t, engine.NewWorker(create, log, sink, engine.Config{}), log)
}

// Run runs a worker until it holds all of a log.
func Run(t testing.TB, w *engine.Worker, log *Log) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	head, err := log.Head(ctx)
	if err == nil {
		err = w.Await(ctx, head.Position)
	}
	cancel()
	if ended := <-done; err != nil || !errors.Is(ended, context.Canceled) {
		t.Fatal(errors.Join(err, ended))
	}
}

// TestKinds expects random histories to hold so many kinds of events, over as many histories as that takes: chance may keep a rare kind away for
// a while, and a kind that never comes is one that nothing tries.
func TestKinds(t *testing.T, random func(testing.TB, *rapid.T) *Log, want int) {
	const roundsMax = 100
	kinds := map[string]int{}
	for round := 0; len(kinds) < want && round < roundsMax; round++ {
		rapid.Check(t, func(r *rapid.T) {
			for _, e := range random(t, r).Entries() {
				f, err := wire.Decode(e)
				if err != nil {
					r.Fatal(err)
				}
				kinds[string(f.Event.ProtoReflect().Descriptor().Name())]++
			}
		})
	}
	if len(kinds) != want {
		t.Errorf("%d kinds of events, not %d: %v", len(kinds), want, kinds)
	}
}
