package es

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/google/uuid"
)

// Record is one event as a log keeps it: opaque bytes (an encoded allied.log.v1.Record), and the two facts about them that a log needs.
type Record struct {
	ID    uuid.UUID
	Bytes []byte
}

// Entry is a record at its place in one log. Prev is the position before it in the log's order, 0 for the first; Ordinal is how many
// records precede it. Readers must not change Bytes.
type Entry struct {
	Position Position
	Prev     Position
	Ordinal  uint64
	Stream   string
	Revision uint64
	Record
}

// Append adds records to one stream, all or none. Expected is the revision of the stream's last event, or NoStream.
type Append struct {
	Stream   string
	Expected int64
	Records  []Record
}

// Result answers one append: Err is nil once its records are durable and readers may see them; then Position and Ordinal are those of its
// last record. Err is a *ConflictError, ErrBusy, ErrUnknown or ErrInvalid (test with errors.Is or errors.As) otherwise.
type Result struct {
	Position Position
	Ordinal  uint64
	// Repeated: records with the append's ids were there before, so nothing was added. Their bytes may differ from the append's.
	Repeated bool
	Err      error
}

// Head is where a log ends: its last position and how many events it holds.
type Head struct {
	Position Position
	Events   uint64
}

var (
	// ErrBusy: not recorded, and not tried; repeat later.
	ErrBusy = errors.New("busy")
	// ErrUnknown: perhaps recorded; repeat with the same ids at the same revision and learn.
	ErrUnknown = errors.New("unknown whether recorded")
	// ErrInvalid: the append can never be recorded as it is.
	ErrInvalid = errors.New("invalid append")
	// ErrClosed: the log is closed.
	ErrClosed = errors.New("log closed")
)

// ConflictError: the stream is not at the expected revision. Actual is NoStream for a stream without events.
type ConflictError struct {
	Stream           string
	Expected, Actual int64
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("stream %s is at revision %d, not %d", e.Stream, e.Actual, e.Expected)
}

// DamageError: bytes of the log fail their check, or events are not where they were. Readers stop there; nothing is skipped.
type DamageError struct {
	File     string   // or what else holds the log, such as a stream of a server
	Offset   int64    // in the file; below 0 where that says nothing
	Position Position // the last good position before the damage
	Detail   string
	Remedy   string
}

func (e *DamageError) Error() string { return fmt.Sprintf("log damaged: %s (%s)", e.Found(), e.Remedy) }

// Found is where the damage is, and what it is.
func (e *DamageError) Found() string {
	place := e.File
	if e.Offset >= 0 {
		place += fmt.Sprintf(" at byte %d", e.Offset)
	}
	return fmt.Sprintf("%s, after position %d: %s", place, e.Position, e.Detail)
}

// Log keeps records for ever, in one order.
//
// Durability: a Result without error means that the append's records have been fsynced and survive a crash. Consistency: readers see whole
// appends, in order, only after they are durable, and see the same for ever. Idempotence: an append whose records have the same ids, in
// the same stream at the same revision, as records that are there answers the position of the first, and adds nothing; this holds for
// ever and on every store. Retry duty: after ErrUnknown the caller repeats the same append. Bounds: see the limits below; what exceeds
// them is ErrInvalid.
type Log interface {
	// ID names this log; positions of another log mean nothing here.
	ID() uuid.UUID
	// Append judges each append alone and answers in the same order; several appends to one stream in one call are judged in turn.
	// When ctx ends early, what is not answered is ErrUnknown.
	Append(ctx context.Context, appends []Append) []Result
	// ReadStream yields the stream's entries from a revision on, and ends at the last one that is durable now. A stream without events
	// yields nothing.
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[Entry, error]
	// Read yields the entries after a position, in log order, and ends at the last one that is durable now. A position that is not an
	// entry's is fine: what follows it is yielded; a position beyond the head is an error.
	Read(ctx context.Context, after Position) iter.Seq2[Entry, error]
	// Tail yields what follows a position as it is committed, in runs of consecutive entries, until ctx ends (then the error is ctx's) or
	// the log is closed. It never skips: a slow reader is served from the log itself.
	Tail(ctx context.Context, after Position) iter.Seq2[[]Entry, error]
	// Head is the end of what is durable.
	Head(ctx context.Context) (Head, error)
	// Close waits for appends under way and releases the log.
	Close() error
}

// The bounds of one append.
const (
	RecordBytesMax   = 1 << 20
	AppendRecordsMax = 1000
	AppendBytesMax   = 8 << 20
	StreamBytesMax   = 128
)
