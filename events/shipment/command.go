package shipment

import (
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// Command is one of the commands below.
type Command interface{ meta() *Meta }

// Meta is what the rules need to know of every command's envelope.
type Meta struct {
	// Donor and Beneficiary are empty, or those of the pledges that are drawn on.
	Donor, Beneficiary string
	Effective          *eventv1.Effective
}

func (m *Meta) meta() *Meta { return m }

// Plan adds what was drawn on allocations; the first opens the shipment.
type Plan struct {
	Meta
	Title string
	Lines []Drawn
}

// Drawn is one draw, as its pledge answered it.
type Drawn struct {
	Line               *eventv1.DrawnLine
	Donor, Beneficiary string
}

// Part is what moves of one line.
type Part struct {
	// Draw may be nil where the shipment has one line.
	Draw uuid.UUID
	// Amount is in the line's asset; nil stands for all that is there to move.
	Amount  *money.Amount
	Asset   string // the asset that Amount was written in
	Stated  []*eventv1.AssetAmount
	Serials []string
}

// Dispatch: it left. Without parts, everything that is reserved.
type Dispatch struct {
	Meta
	Parts               []Part
	Place, ManifestHash string
}

// Arrive: it reached a hub.
type Arrive struct {
	Meta
	Place string
}

// HandOver: who was to receive it did. Without parts, everything that is dispatched.
type HandOver struct {
	Meta
	Parts     []Part
	Point     eventv1.DeliveryPoint
	Evidence  eventv1.Evidence
	Signatory string
	Place     string
	// Complete: nothing more comes of these lines; what was dispatched and is not accounted for is short.
	Complete bool
}

// Verify: somebody other than the parties has counted it. Without parts, everything that is handed over.
type Verify struct {
	Meta
	Parts    []Part
	Verifier string
}

// Report tells a discrepancy: what is short, damaged or not on the manifest.
type Report struct {
	Meta
	Kind eventv1.Discrepancy
	Part Part
}

// Find: what was missing has been found.
type Find struct {
	Meta
	Parts []Part
}

// Lose: it is lost, from what is missing first, then from what is under way.
type Lose struct {
	Meta
	Parts []Part
	Cause string
}

// Return: it came back, from what is under way first. One that reopens undoes every rung, since the donor still owes it.
type Return struct {
	Meta
	Parts   []Part
	Reopens bool
}

// Reverse takes back an earlier event that was recorded in error.
type Reverse struct {
	Meta
	Event uuid.UUID
}

// Revalue changes the value of what stands at a rung.
type Revalue struct {
	Meta
	Draw  uuid.UUID
	Stage eventv1.Stage
	Asset string
	Delta money.Amount
}

// Close: nothing more moves.
type Close struct{ Meta }
