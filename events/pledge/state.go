// Package pledge decides what may happen to one pledge: a donor's commitments to a beneficiary, their allocations, tranches and draws.
package pledge

import (
	"encoding/json"
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// Kind is the first token of a pledge's stream name.
const Kind = "pledge"

// Decider is the pledge aggregate.
var Decider = es.Decider[*State, Command]{Kind: Kind, Initial: Initial, Decide: Decide, Evolve: Evolve}

// stateSchema is the version of the serialised State.
const stateSchema = 1

// Phase tells whether a pledge is open, and how it ended.
type Phase string

const (
	New       Phase = "new" // no event yet
	Open      Phase = "open"
	Fulfilled Phase = "fulfilled"
	Lapsed    Phase = "lapsed"
)

// State is what the rules need to know of one pledge: its control standings, and nothing that only reports need.
type State struct {
	Stream             string
	Phase              Phase
	Donor, Beneficiary string // empty before the first event
	Lines              []*Line
	Tranches           []*Tranche
	Draws              []*Draw
	Links              []Link

	line    map[uuid.UUID]*Line
	tranche map[uuid.UUID]*Tranche
	draw    map[uuid.UUID]*Draw
}

// Line is what stands on one line, in the assets that control it.
type Line struct {
	ID         uuid.UUID
	Category   string
	Instrument eventv1.Instrument
	// Stage is the rung at which the line entered: announced, contingent, committed (also an activated contingent line) or allocated.
	Stage eventv1.Stage
	// Controls are the assets in which caps, draws and cancellations are counted: the one control asset; where no value is stated each
	// quantity; or none.
	Controls []string
	// Undisclosed and Withheld are the bases on which the value is so.
	Undisclosed, Withheld []string
	Balances              []Balance
	// Due is what tranches have scheduled of the line, by asset.
	Due []AssetAmount
}

// Balance is what stands at one stage in one control asset, and how much of what came in went beyond the cap.
type Balance struct {
	Stage    eventv1.Stage
	Asset    string
	Reached  money.Amount
	Standing money.Amount
	Over     money.Amount
	// Uncapped came in while no cap was known, or by a revaluation: no lower rung gave it, and it uses the cap up all the same.
	Uncapped money.Amount
}

// AssetAmount is an amount of an asset.
type AssetAmount struct {
	Asset  string
	Amount money.Amount
}

// Tranche is a part that falls due, or contingent support.
type Tranche struct {
	ID          uuid.UUID
	ThreatLevel uint32    // 0: by date
	Line        uuid.UUID // the contingent line, or the line that falls due in part
	Asset       string
	Amount      money.Amount
	Due         *eventv1.Effective
	OriginalDue *eventv1.Effective
	Status      TrancheStatus
}

// TrancheStatus says how far a tranche has come.
type TrancheStatus string

const (
	Scheduled TrancheStatus = "scheduled"
	Activated TrancheStatus = "activated"
	Expired   TrancheStatus = "expired"
)

// Draw is what a shipment or payment has drawn on an allocation.
type Draw struct {
	ID         uuid.UUID
	Allocation uuid.UUID
	Asset      string
	Amount     money.Amount
	Released   money.Amount // of Amount
	Over       money.Amount // what it still holds and the allocation did not cover
	ForStream  string
	Status     DrawStatus
}

// DrawStatus says how far a draw has come. Released and settled are terminal.
type DrawStatus string

const (
	Reserved DrawStatus = "reserved"
	Released DrawStatus = "released"
	Settled  DrawStatus = "settled"
)

// Link joins this pledge to another.
type Link struct {
	Link   eventv1.Link
	Pledge string
}

// Initial is a pledge without events.
func Initial(stream string) *State {
	s := &State{Stream: stream, Phase: New}
	s.index()
	return s
}

// Line returns a line by id, or nil.
func (s *State) Line(id uuid.UUID) *Line { return s.line[id] }

// Tranche returns a tranche by id, or nil.
func (s *State) Tranche(id uuid.UUID) *Tranche { return s.tranche[id] }

// Draw returns a draw by id, or nil.
func (s *State) Draw(id uuid.UUID) *Draw { return s.draw[id] }

func (s *State) index() {
	s.line = make(map[uuid.UUID]*Line, len(s.Lines))
	for _, l := range s.Lines {
		s.line[l.ID] = l
	}
	s.tranche = make(map[uuid.UUID]*Tranche, len(s.Tranches))
	for _, t := range s.Tranches {
		s.tranche[t.ID] = t
	}
	s.draw = make(map[uuid.UUID]*Draw, len(s.Draws))
	for _, d := range s.Draws {
		s.draw[d.ID] = d
	}
}

// Standing is what stands on the line at a stage in one of its control assets.
func (l *Line) Standing(stage eventv1.Stage, asset string) money.Amount {
	if b := l.find(stage, asset); b != nil {
		return b.Standing
	}
	return money.Amount{}
}

func (l *Line) find(stage eventv1.Stage, asset string) *Balance {
	for i := range l.Balances {
		if b := &l.Balances[i]; b.Stage == stage && b.Asset == asset {
			return b
		}
	}
	return nil
}

func (l *Line) balance(stage eventv1.Stage, asset string) *Balance {
	if b := l.find(stage, asset); b != nil {
		return b
	}
	l.Balances = append(l.Balances, Balance{Stage: stage, Asset: asset})
	return &l.Balances[len(l.Balances)-1]
}

// opaque: no value is stated and one is undisclosed or withheld, so what the line caps is unknown.
func (l *Line) opaque() bool {
	for _, c := range l.Controls {
		if basisOf(c) != "" {
			return false
		}
	}
	return len(l.Undisclosed)+len(l.Withheld) > 0
}

func (l *Line) controlledBy(asset string) bool {
	for _, c := range l.Controls {
		if c == asset {
			return true
		}
	}
	return false
}

// MarshalJSON writes the state with its schema version. Amounts are integers of their asset's smallest unit, as text.
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
		return fmt.Errorf("read pledge state: %w", err)
	}
	if in.Schema != stateSchema {
		return fmt.Errorf("read pledge state: schema %d, and this program knows %d: fold the stream again", in.Schema, stateSchema)
	}
	s.index()
	return nil
}
