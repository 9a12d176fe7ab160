package enginetest

import (
	"context"
	"sync"

	"github.com/allied-ledger/allied/projections/engine"
)

// Faults is a sink that fails when a test says so.
type Faults struct {
	engine.Sink

	mu sync.Mutex
	// before and after are asked around each commit: an error before means that nothing happened, one after that it did.
	before, after func() error
	// within is asked when a commit has written its rows.
	within func() error
}

// NewFaults wraps a sink that does not fail yet.
func NewFaults(sink engine.Sink) *Faults { return &Faults{Sink: sink} }

// FailCommits sets what happens around each commit; nil does nothing.
func (f *Faults) FailCommits(before, after func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

// WithinCommits sets what happens before each commit ends, when its rows are written; an error undoes them.
func (f *Faults) WithinCommits(within func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.within = within
}

// Commit implements engine.Sink.
func (f *Faults) Commit(ctx context.Context, from, to engine.Checkpoint, flush func(yield func(table int, row engine.Row) error) error) error {
	f.mu.Lock()
	before, within, after := f.before, f.within, f.after
	f.mu.Unlock()
	if before != nil {
		if err := before(); err != nil {
			return err
		}
	}
	err := f.Sink.Commit(ctx, from, to, func(yield func(table int, row engine.Row) error) error {
		err := flush(yield)
		if err == nil && within != nil {
			err = within()
		}
		return err
	})
	if err != nil {
		return err
	}
	if after != nil {
		return after()
	}
	return nil
}
