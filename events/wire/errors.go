package wire

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// UnknownEventError: a record holds an event that this program has never heard of. A view of money stops there.
type UnknownEventError struct {
	Type string // the stored name
}

func (e *UnknownEventError) Error() string {
	return fmt.Sprintf("unknown event %q: a newer version of the program wrote it; use that version or a later one", e.Type)
}

// UnknownVersionError: a record holds a version of a known event, or fields of a known version, that this program does not know. A view of
// money stops there.
type UnknownVersionError struct {
	Type  string   // the stored name
	Known []string // the stored names of the versions that this program reads
	Part  string   // the message with fields that this program does not know; empty where the version itself is unknown
}

func (e *UnknownVersionError) Error() string {
	if e.Part != "" {
		return fmt.Sprintf("event %s holds fields of %s that this program does not know: a newer version wrote them; use that version or a later one",
			e.Type, e.Part)
	}
	return fmt.Sprintf("unknown version %q: this program reads %s; use the version that wrote it or a later one",
		e.Type, strings.Join(e.Known, " and "))
}

// CorruptError: a record contradicts itself or the place where it was found, or is not what its name says.
type CorruptError struct {
	ID     uuid.UUID // as far as it is known
	Stream string    // as far as it is known
	Detail string
	Err    error // the cause, or nil
}

func (e *CorruptError) Error() string {
	text := "corrupt record: " + e.Detail
	if e.ID != uuid.Nil || e.Stream != "" {
		text = fmt.Sprintf("corrupt record %s in stream %q: %s", e.ID, e.Stream, e.Detail)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text + " (compare with a copy of the log)"
}

func (e *CorruptError) Unwrap() error { return e.Err }
