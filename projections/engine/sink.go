package engine

import (
	"context"
	"fmt"
	"iter"

	"github.com/allied-ledger/allied/events/es"
	"github.com/google/uuid"
)

// Checkpoint says what a view is true at: all events of one log up to a position, and none after it. A view that has folded nothing has
// the zero LogID, Position and Ordinal.
type Checkpoint struct {
	Projection string
	Partition  int
	LogID      uuid.UUID
	Position   es.Position
	// Ordinal of the event at Position.
	Ordinal uint64
}

// Events is how many events the view has folded.
func (c Checkpoint) Events() uint64 {
	if c.Position == 0 {
		return 0
	}
	return c.Ordinal + 1
}

// Views are read models that can be read at one moment.
type Views interface {
	// View calls fn with a snapshot: rows and checkpoints of one moment, whatever is committed meanwhile. The snapshot ends with fn.
	View(ctx context.Context, fn func(Snapshot) error) error
}

// Snapshot is one consistent moment of the views.
type Snapshot interface {
	// Checkpoint of a view; its error is a *NoViewError where there is none of this spec.
	Checkpoint(ctx context.Context, spec Spec) (Checkpoint, error)
	// Scan yields a table's rows within a range, in the order of the range. Rows must not be changed.
	Scan(ctx context.Context, t Table, r Range) iter.Seq2[Row, error]
}

// Range selects rows by their key, and orders them; the zero Range is the whole table in key order.
type Range struct {
	// Prefix: the first key columns have these values.
	Prefix []Value
	// After: the first key columns come after these values in the order of the range: they are greater, or less where it is descending.
	After []Value
	// Descending: from the last key to the first.
	Descending bool
}

// Sink keeps views.
//
// Atomicity: a Commit is there in whole or not at all, also after a crash; Commit with an error may have happened all the same, so the
// caller opens the view again and learns. Fencing: of two workers that commit from the same checkpoint one gets a *CheckpointError.
// Durability: a view may lose its last commits in a power cut, rows and checkpoint together; the log has them.
type Sink interface {
	Views
	// Open prepares a view's tables and returns its checkpoint. What is kept under another fingerprint is dropped first. A sink that several
	// processes share lets one of them at a time hold a view, and answers the others with a *HeldError.
	Open(ctx context.Context, spec Spec) (Checkpoint, error)
	// Commit writes the rows that flush yields and moves the checkpoint from one to the other, in one transaction.
	Commit(ctx context.Context, from, to Checkpoint, flush func(yield func(table int, row Row) error) error) error
	// Reset empties a view, to be rebuilt from zero.
	Reset(ctx context.Context, spec Spec) error
	// Leave lets another worker have a view, in a sink that several processes share. To write it, it must be opened again.
	Leave(projection string) error
	Close() error
}

// CheckpointError: the view is not at the checkpoint that the commit builds on, since another worker moved it.
type CheckpointError struct {
	Expected, Actual Checkpoint
}

func (e *CheckpointError) Error() string {
	return fmt.Sprintf("view %s is at position %d of log %s, not at %d of %s: another worker writes it; stop one of them",
		e.Expected.Projection, e.Actual.Position, e.Actual.LogID, e.Expected.Position, e.Expected.LogID)
}

// HeldError: another worker holds the view, and whoever opens it after that one has ended is the next. Checkpoint is what the view that is kept
// is true at; zero where it is of another version, which nobody who asks for this one may read.
type HeldError struct {
	Projection string
	Checkpoint Checkpoint
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("view %s is at position %d, and another worker holds it: this one takes over when that one ends", e.Projection, e.Checkpoint.Position)
}

// DamagedViewError: what the sink keeps cannot be read any more. It is a cache: once it is removed, the views are built again from the log.
type DamagedViewError struct{ Err error }

func (e *DamagedViewError) Error() string { return e.Err.Error() }

func (e *DamagedViewError) Unwrap() error { return e.Err }

// NoViewError: the view was never opened in this sink, or holds another version.
type NoViewError struct {
	Projection string
	Version    int
}

func (e *NoViewError) Error() string {
	return fmt.Sprintf("no view %s of version %d is kept here: start its worker, which builds it from the log", e.Projection, e.Version)
}

// CheckMove refuses a commit that would not move a view forward within one log. Sinks call it first.
func CheckMove(from, to Checkpoint) error {
	if from.Projection != to.Projection || from.Partition != to.Partition || to.LogID == uuid.Nil ||
		from.LogID != uuid.Nil && from.LogID != to.LogID || to.Position <= from.Position {
		return fmt.Errorf("view %s: a commit moves forward within one log, not from %d of %s to %d of %s",
			from.Projection, from.Position, from.LogID, to.Position, to.LogID)
	}
	return nil
}
