// Package shipment decides what may happen to one shipment: what it carries of pledges' allocations, and how far that has come.
package shipment

import (
	"encoding/json"
	"fmt"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// Kind is the first token of a shipment's stream name.
const Kind = "shipment"

// Decider is the shipment aggregate.
var Decider = es.Decider[*State, Command]{Kind: Kind, Initial: Initial, Decide: Decide, Evolve: Evolve}

// stateSchema is the version of the serialised State.
const stateSchema = 1

// Phase tells whether a shipment is open.
type Phase string

const (
	New    Phase = "new" // no event yet
	Open   Phase = "open"
	Closed Phase = "closed"
)

// State is what the rules need to know of one shipment.
type State struct {
	Stream             string
	Phase              Phase
	Donor, Beneficiary string
	Lines              []*drawn.Line
	// Moves are the movements that a reversal may take back.
	Moves []Move
}

// Move is one event's movements to a stage.
type Move struct {
	Event     uuid.UUID
	Stage     eventv1.Stage
	Movements []*eventv1.Movement
}

// Initial is a shipment without events.
func Initial(stream string) *State { return &State{Stream: stream, Phase: New} }

// Line returns a line by its draw, or nil.
func (s *State) Line(draw uuid.UUID) *drawn.Line {
	for _, l := range s.Lines {
		if l.Draw == draw {
			return l
		}
	}
	return nil
}

// MarshalJSON writes the state with its schema version.
func (s *State) MarshalJSON() ([]byte, error) {
	type plain State
	return json.Marshal(struct {
		Schema int
		*plain
	}{stateSchema, (*plain)(s)})
}

// UnmarshalJSON reads what MarshalJSON wrote; another schema version is an error.
func (s *State) UnmarshalJSON(data []byte) error {
	type plain State
	in := struct {
		Schema int
		*plain
	}{plain: (*plain)(s)}
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("read shipment state: %w", err)
	}
	if in.Schema != stateSchema {
		return fmt.Errorf("read shipment state: schema %d, and this program knows %d: fold the stream again", in.Schema, stateSchema)
	}
	return nil
}

// Evolve applies one fact to the state and returns it.
func Evolve(s *State, f *es.Fact) *State {
	if s.Phase == New {
		s.Phase = Open
		s.Donor, s.Beneficiary = f.Envelope.GetDonor(), f.Envelope.GetBeneficiary()
	}
	switch e := f.Event.(type) {
	case *eventv1.ShipmentPlanned:
		for _, l := range e.Lines {
			s.Lines = append(s.Lines, drawn.New(l))
		}
	case *eventv1.ShipmentDispatched:
		s.moved(f.ID, eventv1.Stage_STAGE_DISPATCHED, e.Movements...)
	case *eventv1.ShipmentHandedOver:
		s.moved(f.ID, handedOver(e.Evidence), e.Movements...)
	case *eventv1.ShipmentVerified:
		s.moved(f.ID, eventv1.Stage_STAGE_VERIFIED, e.Movements...)
	case *eventv1.ShipmentDiscrepancy:
		if e.Kind == eventv1.Discrepancy_DISCREPANCY_SHORT {
			s.moved(f.ID, eventv1.Stage_STAGE_MISSING, e.Movement)
		}
	case *eventv1.ShipmentLost:
		s.moved(f.ID, eventv1.Stage_STAGE_LOST, e.Movements...)
	case *eventv1.ShipmentFound:
		for _, m := range e.Movements {
			s.of(m).Undo(drawn.Amount(m.Amount), eventv1.Stage_STAGE_MISSING, eventv1.Stage_STAGE_DISPATCHED)
		}
	case *eventv1.ShipmentReturned:
		if !e.Reopens {
			s.moved(f.ID, eventv1.Stage_STAGE_RETURNED, e.Movements...)
			break
		}
		for _, m := range e.Movements {
			s.reopened(m)
		}
	case *eventv1.ShipmentReversed:
		s.reversed(uuid.UUID(e.Event))
	case *eventv1.ShipmentRevalued:
		if l := s.Line(uuid.UUID(e.Draw)); l.Asset == e.Asset {
			l.Revalue(e.Stage, drawn.Amount(e.Delta))
		}
	case *eventv1.ShipmentClosed:
		s.Phase = Closed
		for _, m := range e.Unused {
			s.of(m).Release(drawn.Amount(m.Amount))
		}
	}
	return s
}

func (s *State) of(m *eventv1.Movement) *drawn.Line { return s.Line(uuid.UUID(m.Draw)) }

func (s *State) moved(event uuid.UUID, to eventv1.Stage, movements ...*eventv1.Movement) {
	for _, m := range movements {
		s.of(m).Apply(m, to, +1)
	}
	s.Moves = append(s.Moves, Move{event, to, movements})
}

// reopened undoes every rung that the movement names, the upper ones first, and gives back what they held of the draw. What cannot be counted
// comes back whole, from wherever it was.
func (s *State) reopened(m *eventv1.Movement) {
	l := s.of(m)
	if l.Asset == "" {
		l.Rungs = nil
		return
	}
	for _, x := range m.GetSplit().GetReliefs() {
		l.Undo(drawn.Amount(x.Amount), x.Stage, below(x.Stage))
	}
	l.Reopen(drawn.Amount(m.Amount))
}

// reversed takes a movement back. What is under way again must be able to move, so it opens a closed shipment.
func (s *State) reversed(event uuid.UUID) {
	for i, m := range s.Moves {
		if m.Event != event {
			continue
		}
		for _, x := range m.Movements {
			s.of(x).Apply(x, m.Stage, -1)
		}
		if m.Stage != eventv1.Stage_STAGE_VERIFIED {
			s.Phase = Open
		}
		s.Moves = append(s.Moves[:i:i], s.Moves[i+1:]...)
		return
	}
}

func handedOver(by eventv1.Evidence) eventv1.Stage {
	if by == eventv1.Evidence_EVIDENCE_SIGNED {
		return eventv1.Stage_STAGE_HANDED_OVER
	}
	return eventv1.Stage_STAGE_CLAIMED
}

// below is the rung that a rung's amounts came from.
func below(s eventv1.Stage) eventv1.Stage {
	switch s {
	case eventv1.Stage_STAGE_HANDED_OVER, eventv1.Stage_STAGE_CLAIMED:
		return eventv1.Stage_STAGE_DISPATCHED
	default:
		return eventv1.Stage_STAGE_RESERVED
	}
}
