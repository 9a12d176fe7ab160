package engine

import (
	"context"
	"fmt"
	"iter"

	"github.com/allied-ledger/allied/events/es"
	"github.com/google/uuid"
)

// Source is where a worker gets events from: the log, which it trusts, and a broadcast, which it does not.
type Source interface {
	// Head names the log and its end.
	Head(ctx context.Context) (LogHead, error)
	// Read yields the entries after a position, in log order, without gaps, and ends at the last one that is durable now.
	Read(ctx context.Context, after es.Position) iter.Seq2[es.Entry, error]
	// Subscribe delivers what is broadcast from now on until ctx ends or the connection is lost, and then closes the channel. Frames may
	// be lost, repeated or out of order. The subscription never blocks the sender: a slow worker loses frames, and reads the log.
	Subscribe(ctx context.Context) (<-chan Frame, error)
}

// LogHead is the end of one log.
type LogHead struct {
	LogID uuid.UUID
	es.Head
}

// Frame is one broadcast: consecutive entries, or just a head. An entry without bytes was too large to broadcast.
type Frame struct {
	Head    LogHead
	Entries []es.Entry
}

// FoldError: a view cannot take an event, and stands before it until it can. Err is the cause, such as a *wire.UnknownVersionError.
type FoldError struct {
	Projection string
	Position   es.Position
	Ordinal    uint64
	Stream     string
	Err        error
}

func (e *FoldError) Error() string {
	return fmt.Sprintf("view %s stopped before position %d (ordinal %d, stream %s): %v", e.Projection, e.Position, e.Ordinal, e.Stream, e.Err)
}

func (e *FoldError) Unwrap() error { return e.Err }

// LogChangedError: a view was built from another log. Its positions mean nothing here, so it is never continued.
type LogChangedError struct {
	Projection   string
	View, Source uuid.UUID
}

func (e *LogChangedError) Error() string {
	return fmt.Sprintf("view %s was built from log %s, and this is log %s: connect it to its own log, or reset the view, which rebuilds it",
		e.Projection, e.View, e.Source)
}

// LogShortError: a view has read further than its log reaches, so the log lost events.
type LogShortError struct {
	Projection string
	LogID      uuid.UUID
	View, Log  es.Position
}

func (e *LogShortError) Error() string {
	return fmt.Sprintf("view %s is true at position %d, but log %s ends at %d: the log lost events; restore it from a copy",
		e.Projection, e.View, e.LogID, e.Log)
}

// GapError: the log itself, which promises every entry in order, yields one that does not follow.
type GapError struct {
	Projection      string
	LogID           uuid.UUID
	After, Position es.Position
	Prev            es.Position
}

func (e *GapError) Error() string {
	return fmt.Sprintf("view %s: log %s yields position %d, which follows %d, after %d: the log is not whole; verify it",
		e.Projection, e.LogID, e.Position, e.Prev, e.After)
}
