// Package given tests deciders: given what happened, when a command comes, then these events or this refusal.
package given

import (
	"errors"
	"fmt"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// Donor and Beneficiary stand on every given event.
const (
	Donor       = "USA"
	Beneficiary = "UKR"
)

// Case is a decider with the state that a history led to.
type Case[S, C any] struct {
	decider es.Decider[S, C]
	stream  string
	state   S
	next    uint64
}

// Answered is what a decider answered to one command.
type Answered[S, C any] struct {
	Case   *Case[S, C]
	Events []es.Event
	Err    error
}

// Stream is the name of the stream of which a case with this decider's kind tells.
func Stream(kind string) string {
	return es.StreamName(kind, uuid.NewSHA1(uuid.NameSpaceOID, []byte(kind)))
}

// History starts a case with what has happened.
func History[S, C any](d es.Decider[S, C], events ...es.Event) *Case[S, C] {
	return HistoryOf(Stream(d.Kind), d, events...)
}

// HistoryOf is History of a stream whose name matters.
func HistoryOf[S, C any](stream string, d es.Decider[S, C], events ...es.Event) *Case[S, C] {
	c := &Case[S, C]{decider: d, stream: stream}
	c.state = d.Initial(c.stream)
	c.apply(events)
	return c
}

func (c *Case[S, C]) apply(events []es.Event) {
	for _, e := range events {
		c.state = c.decider.Evolve(c.state, Fact(c.stream, c.next, e))
		c.next++
	}
}

// Fact wraps an event as it would stand in a log of this stream alone.
func Fact(stream string, revision uint64, e es.Event) *es.Fact {
	kind, _, _ := es.ParseStream(stream)
	return &es.Fact{
		ID:     uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s %d", stream, revision)),
		Stream: stream, Revision: revision, Position: es.Position(revision + 1), Ordinal: revision,
		Type:     string(e.ProtoReflect().Descriptor().FullName()),
		Envelope: &eventv1.Envelope{Kind: kind, Donor: Donor, Beneficiary: Beneficiary},
		Event:    e,
	}
}

// When asks for one command. Deciding twice must answer the same, and must leave the state as it was.
func (c *Case[S, C]) When(cmd C) Answered[S, C] {
	events, err := c.decider.Decide(c.state, cmd)
	return Answered[S, C]{c, events, err}
}

// State is what the case's history led to.
func (c *Case[S, C]) State() S { return c.state }

// Then expects exactly these events, and goes on as if they had been recorded.
func (a Answered[S, C]) Then(t *testing.T, want ...es.Event) *Case[S, C] {
	t.Helper()
	if a.Err != nil {
		t.Fatalf("refused: %v", a.Err)
	}
	if diff := cmp.Diff(want, a.Events, protocmp.Transform()); diff != "" {
		t.Fatalf("other events (-want +got):\n%s", diff)
	}
	a.Case.apply(a.Events)
	return a.Case
}

// ThenRecord expects events of these types, in order, and goes on as if they had been recorded.
func (a Answered[S, C]) ThenRecord(t *testing.T, want ...es.Event) *Case[S, C] {
	t.Helper()
	if a.Err != nil {
		t.Fatalf("refused: %v", a.Err)
	}
	if len(want) != len(a.Events) {
		t.Fatalf("%d events, not %d: %v", len(a.Events), len(want), a.Events)
	}
	for i := range want {
		if got, want := proto.MessageName(a.Events[i]), proto.MessageName(want[i]); got != want {
			t.Fatalf("event %d is %s, not %s", i, got, want)
		}
	}
	a.Case.apply(a.Events)
	return a.Case
}

// ThenRefused expects a refusal with this code, a reason and a remedy.
func (a Answered[S, C]) ThenRefused(t *testing.T, code string) *es.Refusal {
	t.Helper()
	var r *es.Refusal
	if !errors.As(a.Err, &r) {
		t.Fatalf("not refused, but %v and error %v", a.Events, a.Err)
	}
	if r.Code != code {
		t.Fatalf("refused with %q, not %q: %v", r.Code, code, r)
	}
	if r.Reason == "" || r.Remedy == "" {
		t.Fatalf("a refusal says why and what to do: %+v", r)
	}
	return r
}
