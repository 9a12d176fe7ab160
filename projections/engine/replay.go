package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/google/uuid"
)

// Result is what folding a log from zero gives.
type Result struct {
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	Events   uint64      `json:"events"`
	// StateHash is the Hash of all views, in the order given.
	StateHash string `json:"state_hash"`
	// Views tells for each view whether what is kept equals the fold; only from Verify.
	Views []Check `json:"views,omitempty"`
	// Sink holds the folded views.
	Sink *MemSink `json:"-"`
}

// Check tells whether a kept view equals the fold of the log up to the view's checkpoint.
type Check struct {
	View     string      `json:"view"`
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	// Missing: no view of this version is kept, so nothing could be compared.
	Missing bool `json:"missing,omitempty"`
	// Difference is the first one found, A as kept and B as folded; nil where they are equal to the byte.
	Difference *Difference `json:"difference,omitempty"`
	// Beyond: the view is at a position that the log does not have, so it belongs to another log or the log lost events.
	Beyond bool `json:"beyond,omitempty"`
}

// OK reports whether the view is right.
func (c Check) OK() bool { return !c.Missing && !c.Beyond && c.Difference == nil }

// Replay folds entries, from a log's first on, into new projections. The log's order is checked; an event that cannot be folded is a
// *FoldError.
func Replay(ctx context.Context, entries iter.Seq2[es.Entry, error], projections ...Projection) (*Result, error) {
	return replay(ctx, entries, nil, projections)
}

// Verify folds like Replay, and compares each view that is kept with the fold up to that view's checkpoint. It reads one snapshot, also
// while workers write.
func Verify(ctx context.Context, entries iter.Seq2[es.Entry, error], kept Views, projections ...Projection) (*Result, error) {
	var r *Result
	err := kept.View(ctx, func(s Snapshot) (err error) {
		r, err = replay(ctx, entries, s, projections)
		return err
	})
	return r, err
}

// run is one projection of a replay, with its checkpoint in memory and the check that is due, if any.
type run struct {
	Projection
	spec      Spec
	committed Checkpoint
	check     *Check
	due       bool
}

func replay(ctx context.Context, entries iter.Seq2[es.Entry, error], kept Snapshot, projections []Projection) (*Result, error) {
	r := &Result{Sink: NewMemSink()}
	runs, err := r.begin(ctx, kept, projections)
	if err != nil {
		return nil, err
	}
	last := Checkpoint{LogID: uuid.Max} // no id is known, and none is asked for: memory holds this log alone
	if err := compareDue(ctx, runs, r.Sink, kept, last); err != nil {
		return nil, err
	}
	for e, err := range entries {
		if err != nil {
			return nil, fmt.Errorf("read the log after position %d: %w", last.Position, err)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if e.Prev != last.Position {
			return nil, &GapError{Projection: "replay", After: last.Position, Position: e.Position, Prev: e.Prev}
		}
		if err := fold(runs, e); err != nil {
			return nil, err
		}
		last.Position, last.Ordinal = e.Position, e.Ordinal
		if err := compareDue(ctx, runs, r.Sink, kept, last); err != nil {
			return nil, err
		}
	}
	return r, r.end(ctx, runs, last)
}

func (r *Result) begin(ctx context.Context, kept Snapshot, projections []Projection) ([]*run, error) {
	var runs []*run
	for _, p := range projections {
		v := &run{Projection: p, spec: p.Spec()}
		var err error
		if v.committed, err = r.Sink.Open(ctx, v.spec); err != nil {
			return nil, err
		}
		runs = append(runs, v)
		if kept == nil {
			continue
		}
		v.check = &Check{View: v.spec.Name}
		at, err := kept.Checkpoint(ctx, v.spec)
		var none *NoViewError
		switch {
		case errors.As(err, &none):
			v.check.Missing = true
		case err != nil:
			return nil, fmt.Errorf("read the checkpoint of view %s: %w", v.spec.Name, err)
		default:
			v.check.Position, v.check.Ordinal, v.due = at.Position, at.Ordinal, true
		}
	}
	return runs, nil
}

func fold(runs []*run, e es.Entry) error {
	f, err := wire.Decode(e)
	name := "replay"
	for i := 0; err == nil && i < len(runs); i++ {
		name, err = runs[i].spec.Name, apply(runs[i], f)
	}
	if err != nil {
		return &FoldError{Projection: name, Position: e.Position, Ordinal: e.Ordinal, Stream: e.Stream, Err: err}
	}
	return nil
}

// compareDue compares the views whose checkpoint has just been reached.
func compareDue(ctx context.Context, runs []*run, sink *MemSink, kept Snapshot, last Checkpoint) error {
	for _, v := range runs {
		if !v.due || v.check.Position != last.Position {
			continue
		}
		v.due = false
		if err := v.commit(ctx, sink, last); err != nil {
			return err
		}
		err := sink.View(ctx, func(folded Snapshot) (err error) {
			v.check.Difference, err = Compare(ctx, kept, folded, v.spec)
			return err
		})
		if err != nil {
			return fmt.Errorf("compare view %s at position %d: %w", v.spec.Name, last.Position, err)
		}
	}
	return nil
}

func (v *run) commit(ctx context.Context, sink *MemSink, to Checkpoint) error {
	if to.Position == v.committed.Position {
		return nil
	}
	to.Projection = v.spec.Name
	if err := sink.Commit(ctx, v.committed, to, v.Flush); err != nil {
		return err
	}
	v.committed = to
	return nil
}

func (r *Result) end(ctx context.Context, runs []*run, last Checkpoint) error {
	r.Position, r.Ordinal, r.Events = last.Position, last.Ordinal, last.Events()
	var specs []Spec
	for _, v := range runs {
		if err := v.commit(ctx, r.Sink, last); err != nil {
			return err
		}
		specs = append(specs, v.spec)
		if v.check != nil {
			v.check.Beyond = v.due
			r.Views = append(r.Views, *v.check)
		}
	}
	return r.Sink.View(ctx, func(s Snapshot) (err error) {
		r.StateHash, err = Hash(ctx, s, specs...)
		return err
	})
}
