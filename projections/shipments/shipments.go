// Package shipments shows every shipment with its lines: what each draw reserved, and how far that has come on every rung.
package shipments

import (
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/shipment"
	"github.com/allied-ledger/allied/events/term"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// The tables' places in Spec.
const (
	shipmentTable = iota
	lineTable
	discrepancyTable
	moveTable
)

// rungs are the stages of a drawn line, in the order of shipment_lines' columns.
var rungs = []eventv1.Stage{
	eventv1.Stage_STAGE_RESERVED, eventv1.Stage_STAGE_DISPATCHED, eventv1.Stage_STAGE_HANDED_OVER, eventv1.Stage_STAGE_CLAIMED, eventv1.Stage_STAGE_VERIFIED,
	eventv1.Stage_STAGE_MISSING, eventv1.Stage_STAGE_LOST, eventv1.Stage_STAGE_RETURNED,
}

// The first columns of shipments.
const (
	streamColumn = iota
	donorColumn
	beneficiaryColumn
	titleColumn
	statusColumn
	firstColumn
	lastColumn
	eventsColumn
	placeColumn // and two more
)

// Spec declares the view.
var Spec = engine.Spec{Name: "shipments", Version: 2, Tables: []engine.Table{
	shipmentTable: {Name: "shipments", Key: 1, About: "One row for each shipment", Columns: []engine.Column{
		streamColumn:      {Name: "stream", Kind: engine.Text, About: "stream of the shipment: shipment- and a UUID"},
		donorColumn:       {Name: "donor", Kind: engine.Text, About: "who gives, such as NOR"},
		beneficiaryColumn: {Name: "beneficiary", Kind: engine.Text, About: "who receives, such as UKR"},
		titleColumn:       {Name: "title", Kind: engine.Text, About: "as stated; empty where it has none"},
		statusColumn:      {Name: "status", Kind: engine.Text, About: "planned, dispatched, arrived, handed_over, closed"},
		firstColumn:       {Name: "first", Kind: engine.Day, Null: true, About: "the earliest day of its facts; null where no date is known"},
		{Name: "last", Kind: engine.Day, Null: true, About: "the latest day of its facts; null where no date is known"},
		{Name: "events", Kind: engine.Int, About: "how many facts"},
		{Name: "dispatched_from", Kind: engine.Text, About: "the place as stated, the latest; empty where none was"},
		{Name: "arrived_at", Kind: engine.Text, About: "a hub on the way, as stated, the latest; empty where none was"},
		{Name: "handed_over_at", Kind: engine.Text, About: "the place as stated, the latest; empty where none was"},
		{Name: "point", Kind: engine.Text, About: "of the latest hand-over: departure, port, hub, beneficiary, unstated; empty before one"},
		{Name: "evidence", Kind: engine.Text, About: "of the latest hand-over: signed, claim; empty before one"},
		{Name: "signatory", Kind: engine.Text, About: "of the latest hand-over; empty where none is named"},
		{Name: "verifier", Kind: engine.Text, About: "of the latest verification; empty before one"},
		{Name: "manifest_hash", Kind: engine.Text, About: "sha256:… of the latest dispatch; empty where it has no manifest"},
	}},
	lineTable: {Name: "shipment_lines", Key: 2, About: "What a shipment carries: a line for each draw", Columns: lineColumns()},
	discrepancyTable: {Name: "discrepancies", Key: 2, About: "Where what came differs from what was sent", Columns: []engine.Column{
		{Name: "stream", Kind: engine.Text, About: "stream of the shipment"},
		{Name: "number", Kind: engine.Int, About: "in the order of the facts, from 1"},
		{Name: "event", Kind: engine.Text, About: "UUID of the event"},
		{Name: "kind", Kind: engine.Text, About: "short, over, damaged, unmanifested"},
		{Name: "draw", Kind: engine.Text, About: "UUID of the draw of the line that it is about"},
		{Name: "asset", Kind: engine.Text, About: "the line's; empty where it cannot be counted"},
		{Name: "amount", Kind: engine.Amount, Null: true, About: "in the smallest unit of the asset; null where none is known"},
		{Name: "serials", Kind: engine.Int, About: "how many serial numbers it names"},
		{Name: "effective", Kind: engine.Text, About: "when it was found, as closely as the source says"},
		{Name: "reversed", Kind: engine.Bool, About: "it was recorded in error"},
	}},
	moveTable: {Name: "shipment_moves", Key: 2, Hidden: true, Columns: []engine.Column{
		{Name: "stream", Kind: engine.Text},
		{Name: "event", Kind: engine.Text},
		{Name: "stage", Kind: engine.Text},
		{Name: "movements", Kind: engine.Bytes}, // JSON of the movements, without what only their event needs to say; empty once reversed
		{Name: "stands", Kind: engine.Bool},     // a reversal may take it back
	}},
}}

// lineColumns end with three for each rung, in the line's asset: null where nothing ever stood on the rung, and zero where all has left it again.
// The figures of a line without an asset are zero on the rungs that it is on: it cannot be counted.
func lineColumns() []engine.Column {
	columns := []engine.Column{
		{Name: "stream", Kind: engine.Text, About: "stream of the shipment"},
		{Name: "number", Kind: engine.Int, About: "in the order of the plans, from 1"},
		{Name: "draw", Kind: engine.Text, About: "UUID of the draw on the pledge"},
		{Name: "pledge", Kind: engine.Text, About: "stream of the pledge that it draws on"},
		{Name: "allocation", Kind: engine.Text, About: "UUID of the pledge's line"},
		{Name: "category", Kind: engine.Text, About: "what for, such as MIL.AIRDEF"},
		{Name: "instrument", Kind: engine.Text, About: "in_kind, service, grant, loan, guarantee, swap, appropriation, unknown; guarantees and swaps enter a total only by name"},
		{Name: "asset", Kind: engine.Text, About: "what is counted and in which unit; empty where the allocation has neither value nor quantity"},
	}
	for _, s := range rungs {
		for _, figure := range []struct{ name, about string }{
			{"_reached", "all that ever came to the stage, in the smallest unit of the asset; null where nothing did"},
			{"_standing", "what stands there now; null where nothing ever did"},
			{"_over", "the part of what reached it that no lower rung gave; null where nothing ever did"},
		} {
			columns = append(columns, engine.Column{Name: term.Word(s) + figure.name, Kind: engine.Amount, Null: true, About: figure.about})
		}
	}
	return columns
}

// Projection folds shipments into their rows. All shipments are in memory, some kilobytes each.
type Projection struct {
	byStream map[string]*account
	changed  []*account
}

// account is one shipment: the state that its rules are judged by, and what people want to read beside it.
type account struct {
	state                                      *shipment.State
	title                                      string
	days                                       listing.Days
	events                                     int64
	dispatchedFrom, arrivedAt, handedOverAt    string
	point, evidence, signatory, verifier, hash string
	discrepancies                              []*discrepancy

	changed              bool
	changedDiscrepancies []*discrepancy
	changedMoves         map[uuid.UUID]shipment.Move // without movements where reversed
}

type discrepancy struct {
	number                 int64
	event, draw            uuid.UUID
	kind, asset, effective string
	amount                 engine.Value
	serials                int64
	reversed               bool
}

// New returns the view of an empty log.
func New() engine.Projection { return &Projection{byStream: map[string]*account{}} }

// Spec implements engine.Projection.
func (p *Projection) Spec() engine.Spec { return Spec }

// Fold implements engine.Projection. What a fact does to the rungs is the aggregate's to say, so that the view shows what the rules see.
func (p *Projection) Fold(f *es.Fact) error {
	if f.Envelope.GetKind() != shipment.Kind {
		return nil
	}
	a := p.byStream[f.Stream]
	if a == nil {
		a = newAccount(f.Stream)
		p.byStream[f.Stream] = a
	}
	if !a.changed {
		a.changed = true
		p.changed = append(p.changed, a)
	}
	a.events++
	a.days.Widen(f.Envelope.GetEffective())
	moves := len(a.state.Moves)
	a.state = shipment.Evolve(a.state, f)
	if len(a.state.Moves) > moves {
		a.keepMove(&a.state.Moves[moves])
	}
	a.describe(f)
	return nil
}

func newAccount(stream string) *account {
	return &account{state: shipment.Initial(stream), changedMoves: map[uuid.UUID]shipment.Move{}}
}

// keepMove lets go of the fact: of a movement a reversal needs only what moved.
func (a *account) keepMove(m *shipment.Move) {
	slim := make([]*eventv1.Movement, len(m.Movements))
	for i, x := range m.Movements {
		slim[i] = &eventv1.Movement{Draw: x.Draw, Amount: x.Amount, Split: x.Split}
	}
	m.Movements = slim
	a.changedMoves[m.Event] = *m
}

// describe takes from a fact what the rules do not need.
func (a *account) describe(f *es.Fact) {
	switch e := f.Event.(type) {
	case *eventv1.ShipmentPlanned:
		if a.title == "" {
			a.title = e.Title
		}
	case *eventv1.ShipmentDispatched:
		a.dispatchedFrom, a.hash = e.Place, e.ManifestHash
	case *eventv1.ShipmentArrived:
		a.arrivedAt = e.Place
	case *eventv1.ShipmentHandedOver:
		a.point, a.evidence, a.signatory, a.handedOverAt = term.Word(e.Point), term.Word(e.Evidence), e.Signatory, e.Place
	case *eventv1.ShipmentVerified:
		a.verifier = e.Verifier
	case *eventv1.ShipmentDiscrepancy:
		a.report(f, e)
	case *eventv1.ShipmentReversed:
		a.reverse(uuid.UUID(e.Event))
	}
}

func (a *account) report(f *es.Fact, e *eventv1.ShipmentDiscrepancy) {
	d := &discrepancy{
		number: int64(len(a.discrepancies)) + 1, event: f.ID, draw: uuid.UUID(e.Movement.Draw), kind: term.Word(e.Kind),
		effective: dates.Format(f.Envelope.GetEffective()), amount: engine.NullOf(engine.Amount), serials: int64(len(e.Movement.Serials)),
	}
	d.asset = a.state.Line(d.draw).Asset
	if e.Movement.Amount != nil && d.asset != "" {
		d.amount = engine.AmountOf(drawn.Amount(e.Movement.Amount))
	}
	a.discrepancies = append(a.discrepancies, d)
	a.changedDiscrepancies = append(a.changedDiscrepancies, d)
}

// reverse marks what an event recorded in error. What it said of places is forgotten with the last of its kind.
func (a *account) reverse(event uuid.UUID) {
	a.changedMoves[event] = shipment.Move{Event: event}
	for _, d := range a.discrepancies {
		if d.event == event {
			d.reversed = true
			a.changedDiscrepancies = append(a.changedDiscrepancies, d)
		}
	}
	if !a.reached(eventv1.Stage_STAGE_DISPATCHED) {
		a.dispatchedFrom, a.hash = "", ""
	}
	if !a.reached(eventv1.Stage_STAGE_HANDED_OVER, eventv1.Stage_STAGE_CLAIMED) {
		a.point, a.evidence, a.signatory, a.handedOverAt = "", "", "", ""
	}
	if !a.reached(eventv1.Stage_STAGE_VERIFIED) {
		a.verifier = ""
	}
}

// The words for how far a shipment has come.
const (
	planned    = "planned"
	dispatched = "dispatched"
	arrived    = "arrived"
	handedOver = "handed_over"
	closed     = "closed"
)

// Statuses are the words for how far a shipment has come. One of which a part is handed over is handed_over: its lines tell what is under way.
func Statuses() []string { return []string{planned, dispatched, arrived, handedOver, closed} }

func (a *account) status() string {
	switch {
	case a.state.Phase == shipment.Closed:
		return closed
	case a.reached(eventv1.Stage_STAGE_HANDED_OVER, eventv1.Stage_STAGE_CLAIMED):
		return handedOver
	case a.arrivedAt != "":
		return arrived
	case a.reached(eventv1.Stage_STAGE_DISPATCHED):
		return dispatched
	}
	return planned
}

// reached tells whether anything reached a stage and was not reversed.
func (a *account) reached(stages ...eventv1.Stage) bool {
	for _, l := range a.state.Lines {
		for _, s := range stages {
			if l.Has(s) && (l.Asset == "" || !l.At(s).Reached.IsZero()) {
				return true
			}
		}
	}
	return false
}
