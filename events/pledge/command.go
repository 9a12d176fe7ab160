package pledge

import (
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// Command is one of the commands below.
type Command interface{ meta() *Meta }

// Meta is what the rules need to know of every command's envelope.
type Meta struct {
	// Named: the command names its stream. An allocation then needs one that is there, unless it is outside data.
	Named bool
	// Donor and Beneficiary are needed to open a pledge; later they are empty or the same.
	Donor, Beneficiary string
	Effective          *eventv1.Effective
	// Observed: outside data, which may go beyond a cap. It must be Sourced: have a source reference.
	Observed, Sourced bool
	// Override is a person's decision to go beyond a cap; nil for none.
	Override *eventv1.Override
}

func (m *Meta) meta() *Meta { return m }

// Announce records an indicative promise.
type Announce struct {
	Meta
	Title string
	Lines []*eventv1.Line
}

// Commit records commitments; they relieve what was announced and cover what was allocated beyond the commitments before.
type Commit struct {
	Meta
	Title       string
	Commitments []Commitment
}

// Commitment is one line of a Commit.
type Commitment struct {
	Line     *eventv1.Line
	Firmness eventv1.Firmness
}

// Allocate records one package and its items.
type Allocate struct {
	Meta
	Title string
	Line  *eventv1.Line
	Items []*eventv1.Item
}

// ScheduleTranche says when a part of a line falls due (ThreatLevel 0: OfLine, Asset, Amount), or what is promised for a threat level
// (above 0: Contingent).
type ScheduleTranche struct {
	Meta
	Tranche     uuid.UUID
	Due         *eventv1.Effective
	ThreatLevel uint32
	Contingent  *eventv1.Line
	OfLine      uuid.UUID
	Asset       string
	Amount      money.Amount
}

// RescheduleTranche moves a due date; the original one is kept.
type RescheduleTranche struct {
	Meta
	Tranche uuid.UUID
	Due     *eventv1.Effective
}

// ActivateTranche turns contingent support into a commitment.
type ActivateTranche struct {
	Meta
	Tranche     uuid.UUID
	ThreatLevel uint32
	Firmness    eventv1.Firmness
}

// ExpireTranche ends a tranche that was not activated.
type ExpireTranche struct {
	Meta
	Tranche uuid.UUID
}

// ReserveDraw draws on an allocation for one shipment or payment. Asset and Amount are in the allocation's control asset; without a value
// they name the quantity of one item; without either they are empty.
type ReserveDraw struct {
	Meta
	Draw, Allocation uuid.UUID
	Asset            string
	Amount           money.Amount
	Stated           []*eventv1.AssetAmount
	ForStream        string
}

// ReleaseDraw gives back what a draw did not use: an amount of its asset, or all that it still holds where no asset is named. A draw that
// holds nothing is released, which is terminal.
type ReleaseDraw struct {
	Meta
	Draw   uuid.UUID
	Asset  string
	Amount money.Amount
}

// SettleDraw ends a draw that its shipment or payment has used up.
type SettleDraw struct {
	Meta
	Draw uuid.UUID
}

// Reduce takes back an unreserved part, from commitments first, then from allocations.
type Reduce struct {
	Meta
	Asset  string
	Amount money.Amount
}

// CancelRemainder cancels all that is committed or allocated and not reserved.
type CancelRemainder struct{ Meta }

// Fulfil closes a pledge whose control standing is used up.
type Fulfil struct{ Meta }

// Lapse closes a pledge that ran out; what is unreserved lapses.
type Lapse struct{ Meta }

// LinkTo joins this pledge to another.
type LinkTo struct {
	Meta
	Link   eventv1.Link
	Pledge string
}

// Reclassify moves a line to another category, instrument or both. An empty category or unspecified instrument keeps the line's.
type Reclassify struct {
	Meta
	Line       uuid.UUID
	Category   string
	Instrument eventv1.Instrument
	Mapping    *eventv1.CategoryMapping
}

// ClaimDelivery records that a source without a signature says that something arrived of which no shipment is known.
type ClaimDelivery struct {
	Meta
	Line   uuid.UUID // an allocation or a commitment
	Asset  string
	Amount money.Amount
	Stated []*eventv1.AssetAmount
	Point  eventv1.DeliveryPoint
	// SameUnits: the units claimed are those allocated, so that an excess in value is a difference.
	SameUnits bool
}

// Revalue changes the value of what stands on a line at a stage; at stage reserved, of a draw.
type Revalue struct {
	Meta
	Line  uuid.UUID
	Draw  uuid.UUID
	Stage eventv1.Stage
	Asset string
	Delta money.Amount
}
