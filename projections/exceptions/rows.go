package exceptions

import (
	"fmt"
	"slices"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/draws"
	"github.com/allied-ledger/allied/projections/internal/registers"
	"github.com/google/uuid"
)

// The tables' places in Spec.
const (
	exceptionTable = iota
	placeTable
	originTable
	supportedTable
	registerTable
	drawTables // and what follows, as draws has them
)

// The columns of exceptions.
const (
	idColumn = iota
	kindColumn
	resolvedColumn
	causeColumn
	streamColumn
	pledgeColumn
	lineColumn
	drawColumn
	donorColumn
	beneficiaryColumn
	categoryColumn
	assetColumn
	amountColumn
	openColumn
	eventColumn
	effectiveColumn
	detailColumn
	exceptionColumns
)

// The columns of exception_places, of which the first is the key of exceptions too.
const (
	ordinalColumn = 1 + iota
	dayColumn
	numberColumn
	resolvedByColumn
	metPublisherColumn
	metIDColumn
	metReleaseColumn
	ofItemsColumn
)

// Spec declares the view. When a fact was recorded, and at which place in the log, stands in a hidden table: state hashes are of facts, and
// the same for two ledgers that hold them.
var Spec = engine.Spec{Name: "exceptions", Version: 14, Tables: append([]engine.Table{
	exceptionTable: {Name: "exceptions", Key: 1, About: "What the facts leave open, one row for each; none is ever deleted", Columns: []engine.Column{
		idColumn:          {Name: "id", Kind: engine.Text, About: "UUID of the exception"},
		kindColumn:        {Name: "kind", Kind: engine.Text, About: "what is open, such as over_allocated or doubtful; `allied exceptions --help` has them all"},
		resolvedColumn:    {Name: "resolved", Kind: engine.Bool, About: "a later fact has resolved it"},
		causeColumn:       {Name: "cause", Kind: engine.Text, About: "observed, overridden, happened; empty where no cap is in question"},
		streamColumn:      {Name: "stream", Kind: engine.Text, About: "stream that it is about: a pledge, shipment or payment"},
		pledgeColumn:      {Name: "pledge", Kind: engine.Text, About: "stream of the pledge that it is about; empty for none"},
		lineColumn:        {Name: "line", Kind: engine.Text, About: "UUID of the pledge's line; empty for none"},
		drawColumn:        {Name: "draw", Kind: engine.Text, About: "UUID of the draw; empty for none"},
		donorColumn:       {Name: "donor", Kind: engine.Text, About: "who gives, such as NOR"},
		beneficiaryColumn: {Name: "beneficiary", Kind: engine.Text, About: "who receives, such as UKR"},
		categoryColumn:    {Name: "category", Kind: engine.Text, About: "what for, such as MIL.AIRDEF; empty where none is known"},
		assetColumn:       {Name: "asset", Kind: engine.Text, About: "what is counted and in which unit; empty where nothing is counted"},
		amountColumn:      {Name: "amount", Kind: engine.Amount, Null: true, About: "as raised, in the smallest unit of the asset; null where nothing is counted"},
		openColumn:        {Name: "open", Kind: engine.Amount, Null: true, About: "what of the amount is not resolved; null where nothing is counted"},
		eventColumn:       {Name: "event", Kind: engine.Text, About: "UUID of the event that raised it"},
		effectiveColumn:   {Name: "effective", Kind: engine.Day, Null: true, About: "the latest day that the fact may have been on; null where no date is known"},
		detailColumn:      {Name: "detail", Kind: engine.Text, About: "what is said of it, such as the flag"},
	}},
	placeTable: {Name: "exception_places", Key: 1, Hidden: true, Columns: []engine.Column{
		{Name: "id", Kind: engine.Text},
		ordinalColumn:      {Name: "ordinal", Kind: engine.Int},
		dayColumn:          {Name: "day", Kind: engine.Day},    // of recording, by the running maximum
		numberColumn:       {Name: "number", Kind: engine.Int}, // among the exceptions of its fact
		resolvedByColumn:   {Name: "resolved_by", Kind: engine.Int, Null: true},
		metPublisherColumn: {Name: "met_publisher", Kind: engine.Text}, // how the pledges are known that an unmatched one may be
		metIDColumn:        {Name: "met_id", Kind: engine.Text},
		metReleaseColumn:   {Name: "met_release", Kind: engine.Text},
		ofItemsColumn:      {Name: "of_items", Kind: engine.Bool},
	}},
	originTable: {Name: "exception_origins", Key: 3, Hidden: true, Columns: []engine.Column{
		{Name: "publisher", Kind: engine.Text}, {Name: "external_id", Kind: engine.Text}, {Name: "stream", Kind: engine.Text}, {Name: "release", Kind: engine.Text},
	}},
	supportedTable: {Name: "exception_supported", Key: 1, Hidden: true, Columns: []engine.Column{{Name: "payment", Kind: engine.Text}}}, // stream
	registerTable:  registers.Table("exception_registers"),
}, draws.Tables("exception")...)}

// Restore implements engine.Projection.
func (p *Projection) Restore(table int, row engine.Row) error {
	switch table {
	case exceptionTable:
		e, err := restore(row)
		if err != nil {
			return fmt.Errorf("exception %s: %w", row[idColumn].Text(), err)
		}
		p.keep(e)
		return nil
	case placeTable:
		id, err := uuid.Parse(row[idColumn].Text())
		e := p.byID[id]
		if err != nil || e == nil {
			return fmt.Errorf("exception %s has a place, and is not there", row[idColumn].Text())
		}
		e.ordinal, e.day, e.number = uint64(row[ordinalColumn].Int()), int32(row[dayColumn].Int()), row[numberColumn].Int()
		e.resolvedBy = uint64(row[resolvedByColumn].Int())
		e.met = knownIn{outsideID{row[metPublisherColumn].Text(), row[metIDColumn].Text()}, row[metReleaseColumn].Text()}
		e.ofItems = row[ofItemsColumn].Bool()
		return nil
	case originTable:
		p.origins.add(knownAs{outsideID{row[0].Text(), row[1].Text()}, origin{row[2].Text(), row[3].Text()}})
		return nil
	case supportedTable:
		p.supported[row[0].Text()] = struct{}{}
		return nil
	case registerTable:
		return p.registers.Restore(row)
	}
	return p.draws.Restore(table-drawTables, row)
}

func restore(row engine.Row) (*exception, error) {
	e := &exception{
		kind: row[kindColumn].Text(), cause: row[causeColumn].Text(), resolved: row[resolvedColumn].Bool(), stream: row[streamColumn].Text(),
		donor: row[donorColumn].Text(), to: row[beneficiaryColumn].Text(), effective: row[effectiveColumn], detail: row[detailColumn].Text(),
		amount: row[amountColumn].Amount(), open: row[openColumn].Amount(),
		subject: subject{pledge: row[pledgeColumn].Text(), category: row[categoryColumn].Text(), asset: row[assetColumn].Text()},
	}
	for _, of := range []struct {
		column int
		into   *uuid.UUID
	}{{idColumn, &e.id}, {lineColumn, &e.line}, {drawColumn, &e.draw}, {eventColumn, &e.event}} {
		text := row[of.column].Text()
		if text == "" {
			continue
		}
		var err error
		if *of.into, err = uuid.Parse(text); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// Flush implements engine.Projection.
func (p *Projection) Flush(yield func(table int, row engine.Row) error) error {
	slices.SortFunc(p.changed, func(a, b *exception) int { return slices.Compare(a.id[:], b.id[:]) })
	for _, e := range p.changed {
		if err := yield(exceptionTable, e.row()); err != nil {
			return err
		}
	}
	for _, e := range p.changed {
		if err := yield(placeTable, e.place()); err != nil {
			return err
		}
		e.changed = false
	}
	p.changed = p.changed[:0]
	text := engine.TextOf
	slices.SortFunc(p.origins.changed, knownAs.compare)
	for _, k := range p.origins.changed {
		if err := yield(originTable, engine.Row{text(k.publisher), text(k.id), text(k.stream), text(k.release)}); err != nil {
			return err
		}
	}
	p.origins.changed = p.origins.changed[:0]
	slices.Sort(p.newlySupported)
	for _, stream := range p.newlySupported {
		if err := yield(supportedTable, engine.Row{text(stream)}); err != nil {
			return err
		}
	}
	p.newlySupported = p.newlySupported[:0]
	if err := p.registers.Flush(func(row engine.Row) error { return yield(registerTable, row) }); err != nil {
		return err
	}
	return p.draws.Flush(func(table int, row engine.Row) error { return yield(drawTables+table, row) })
}

func (e *exception) row() engine.Row {
	text, amount, open := engine.TextOf, engine.NullOf(engine.Amount), engine.NullOf(engine.Amount)
	if e.asset != "" {
		amount, open = engine.AmountOf(e.amount), engine.AmountOf(e.open)
	}
	return engine.Row{
		text(e.id.String()), text(e.kind), engine.BoolOf(e.resolved), text(e.cause), text(e.stream), text(e.pledge), text(idText(e.line)), text(idText(e.draw)),
		text(e.donor), text(e.to), text(e.category), text(e.asset), amount, open, text(e.event.String()), e.effective, text(e.detail),
	}
}

func (e *exception) place() engine.Row {
	by := engine.NullOf(engine.Int)
	if e.resolved {
		by = engine.IntOf(int64(e.resolvedBy))
	}
	return engine.Row{
		engine.TextOf(e.id.String()), engine.IntOf(int64(e.ordinal)), engine.DayOf(e.day), engine.IntOf(e.number), by,
		engine.TextOf(e.met.publisher), engine.TextOf(e.met.id), engine.TextOf(e.met.release), engine.BoolOf(e.ofItems),
	}
}

func idText(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}
