// Package es is the contract between deciders, the log that keeps their events, and the folds that read them.
package es

import (
	"fmt"
	"strings"
	"time"

	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// Event is a generated event message, such as *eventv1.PledgeCommitted. Folds never change or keep one.
type Event = proto.Message

// Fact is an event as it stands in the log, decoded and upcast.
type Fact struct {
	ID         uuid.UUID
	Stream     string
	Revision   uint64
	Position   Position
	Ordinal    uint64
	RecordedAt time.Time // as stamped; readers use the running maximum in log order
	Type       string    // the stored name, before upcasting
	Envelope   *eventv1.Envelope
	Event      Event
}

// Position is an opaque, growing place within one log; 0 lies before the first event. It serves checkpoints and read-your-writes only:
// what must be equal on a copy of the log uses the ordinal.
type Position uint64

// NoStream is the expected revision of a stream that must not exist yet.
const NoStream int64 = -1

// Decider is the pure heart of one aggregate.
type Decider[S, C any] struct {
	// Kind is the first token of the aggregate's stream names, such as "pledge".
	Kind string
	// Initial is the state of a stream without events.
	Initial func(stream string) S
	// Decide answers a command with the events to append, in order, or with a *Refusal. An empty answer without an error means that
	// nothing needs to be recorded. Same state and command, same answer.
	Decide func(S, C) ([]Event, error)
	// Evolve applies one fact. It never fails and never validates: facts already happened. It may change s and return it.
	Evolve func(S, *Fact) S
}

// Refusal says why a command is not obeyed, in a way that a program can branch on and a person can act on.
type Refusal struct {
	Code   string // stable, lower_snake_case, such as "over_allocated"
	Field  string // the command's field at fault, such as "allocate_pledge.line.values[0].amount"; may be empty
	Reason string // what was found and what is allowed
	Remedy string // what to do
}

func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString(r.Code)
	if r.Field != "" {
		fmt.Fprintf(&b, " at %s", r.Field)
	}
	fmt.Fprintf(&b, ": %s", r.Reason)
	if r.Remedy != "" {
		fmt.Fprintf(&b, " (%s)", r.Remedy)
	}
	return b.String()
}

// StreamName joins a kind and an id, such as pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8.
func StreamName(kind string, id uuid.UUID) string { return kind + "-" + id.String() }

// ParseStream splits a stream's name into its kind and id.
func ParseStream(stream string) (kind string, id uuid.UUID, err error) {
	kind, text, ok := strings.Cut(stream, "-")
	if ok && kind != "" && len(text) == 36 {
		if id, err = uuid.Parse(text); err == nil && id.String() == text {
			return kind, id, nil
		}
	}
	return "", uuid.Nil, fmt.Errorf("stream %q is not a kind and a lower-case UUID, such as pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8", stream)
}
