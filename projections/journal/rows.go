package journal

import (
	"slices"
	"strings"
	"time"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/registers"
)

// The tables' places in Spec.
const (
	eventTable = iota
	entryTable
	streamEventTable
	streamTable
	registerTable
)

// The columns of journal.
const (
	ordinalColumn = iota
	positionColumn
	streamColumn
	revisionColumn
	eventColumn
	typeColumn
	recordedColumn
	effectiveColumn
	donorColumn
	beneficiaryColumn
	titleColumn
	categoriesColumn
	amountsColumn
	unknownColumn
	actorColumn
	reasonColumn
	correctsColumn
	flagsColumn
	searchColumn
)

// The columns of entries. Stage and basis come first since every question names both: what it reads stands together.
const (
	entryStageColumn = iota
	entryBasisColumn
	entryDonorColumn
	entryBeneficiaryColumn
	entryCategoryColumn
	entryInstrumentColumn
	entryAssetColumn
	entryOrdinalColumn
	entryLegColumn
	entryAmountColumn
	entryUnknownColumn
	entrySideColumn
	entryEffectiveColumn
	entryMonthColumn
	entryStreamColumn
	entryPledgeColumn
)

// Spec declares the view. The entries of a stage, basis, donor, beneficiary, category, instrument and asset sum to that row of the balances: to
// what stands there, and those that came to what reached it.
var Spec = engine.Spec{Name: "journal", Version: 1, Tables: []engine.Table{
	eventTable: {Name: "journal", Key: 1, Log: true, About: "One row for each recorded fact, as they were recorded", Columns: []engine.Column{
		ordinalColumn:     {Name: "ordinal", Kind: engine.Int, About: "how many facts were recorded before it; the same on every copy of the log"},
		positionColumn:    {Name: "position", Kind: engine.Int, About: "where it stands in this log"},
		streamColumn:      {Name: "stream", Kind: engine.Text, About: "whose fact it is: pledge-, shipment-, payment- or import- and a UUID"},
		revisionColumn:    {Name: "revision", Kind: engine.Int, About: "its number in the stream, from 0"},
		eventColumn:       {Name: "event_id", Kind: engine.Text, About: "UUID of the fact"},
		typeColumn:        {Name: "type", Kind: engine.Text, About: "what happened, such as allied.event.v1.PledgeAllocated"},
		recordedColumn:    {Name: "recorded_at", Kind: engine.Text, About: "when the recorder stamped it, in UTC, such as 2024-05-31T12:00:00.5Z; ordinals tell the order"},
		effectiveColumn:   {Name: "effective", Kind: engine.Text, About: "when it happened, as closely as the source says: 2022-09-13, 2022-09, 2022, until 2022-12-31, unknown"},
		donorColumn:       {Name: "donor", Kind: engine.Text, About: "who gives, such as NOR; _ where the fact has no donor"},
		beneficiaryColumn: {Name: "beneficiary", Kind: engine.Text, About: "who receives, such as UKR; empty where the fact has none"},
		titleColumn:       {Name: "title", Kind: engine.Text, About: "what it is about: the title that it gives, or that its stream or pledge had by then; empty where there is none"},
		categoriesColumn:  {Name: "categories", Kind: engine.Text, About: "of the lines that it concerns, separated by blanks; where it names no line, of all lines of its stream so far"},
		amountsColumn:     {Name: "amounts", Kind: engine.Text, About: "what it states, at most ten, one a line, such as 625.00 EUR/2@tracker; what it posts stands in entries"},
		unknownColumn:     {Name: "unknown", Kind: engine.Int, About: "how many values it says are undisclosed, which are never zero"},
		actorColumn:       {Name: "actor", Kind: engine.Text, About: "who said so, as claimed; empty where nobody is named"},
		reasonColumn:      {Name: "reason", Kind: engine.Text, About: "why, as stated; empty where no reason is given"},
		correctsColumn:    {Name: "corrects", Kind: engine.Text, About: "UUIDs of the facts that it corrects, separated by blanks"},
		flagsColumn:       {Name: "flags", Kind: engine.Text, About: "codes of what is to be known about it, such as observed, override, synthetic, in order, separated by blanks"},
		searchColumn: {
			Name: "search", Kind: engine.Text,
			About: "what a search looks through: titles, names, reasons, places, parties, outside ids, amounts and ids, in lower case, one a line; cut at 16 KiB",
		},
	}},
	entryTable: {Name: "entries", Key: 9, Log: true, About: "What each fact posted: one row for each leg, and for each undisclosed value", Columns: []engine.Column{
		entryStageColumn:       {Name: "stage", Kind: engine.Text, About: "a rung of the ladder, such as committed, or an account beside it, such as over:allocated; stages never add"},
		entryBasisColumn:       {Name: "basis", Kind: engine.Text, About: "valuation basis, such as donor_stated; empty for quantities; bases never add"},
		entryDonorColumn:       {Name: "donor", Kind: engine.Text, About: "who gives, such as NOR"},
		entryBeneficiaryColumn: {Name: "beneficiary", Kind: engine.Text, About: "who receives, such as UKR"},
		entryCategoryColumn:    {Name: "category", Kind: engine.Text, About: "what for, such as MIL.AIRDEF"},
		entryInstrumentColumn:  {Name: "instrument", Kind: engine.Text, About: "in_kind, service, grant, loan, guarantee, swap, appropriation, unknown; guarantees and swaps enter a total only by name"},
		entryAssetColumn:       {Name: "asset", Kind: engine.Text, About: "what is counted and in which unit, such as EUR/2@donor_stated; empty where an undisclosed value is counted"},
		entryOrdinalColumn:     {Name: "ordinal", Kind: engine.Int, About: "of the fact, as in journal"},
		entryLegColumn:         {Name: "leg", Kind: engine.Int, About: "its number among the entries of the fact, from 1"},
		entryAmountColumn:      {Name: "amount", Kind: engine.Amount, Null: true, About: "what came is positive and what left negative, in the smallest unit of the asset; a fact's entries sum to zero in each asset; null where an undisclosed value is counted"},
		entryUnknownColumn:     {Name: "unknown", Kind: engine.Int, About: "1 where an undisclosed value came, -1 where it was told or taken back, else 0"},
		entrySideColumn:        {Name: "side", Kind: engine.Text, About: "came: it changed what reached the stage and what stands there; left: what stands there alone"},
		entryEffectiveColumn:   {Name: "effective", Kind: engine.Text, About: "when it happened, as in journal"},
		entryMonthColumn:       {Name: "month", Kind: engine.Text, Null: true, About: "of the latest day on which it may have happened, such as 2023-04; null where nobody knows the day"},
		entryStreamColumn:      {Name: "stream", Kind: engine.Text, About: "whose fact it is, as in journal"},
		entryPledgeColumn:      {Name: "pledge", Kind: engine.Text, About: "stream of the pledge in whose books it stands"},
	}},
	// The ordinals of each stream's events, so that one stream is read without the others.
	streamEventTable: {Name: "journal_stream_events", Key: 2, Hidden: true, Log: true, Columns: []engine.Column{
		{Name: "stream", Kind: engine.Text}, {Name: "ordinal", Kind: engine.Int},
	}},
	streamTable: {Name: "journal_streams", Key: 1, Hidden: true, Columns: []engine.Column{
		{Name: "stream", Kind: engine.Text}, {Name: "title", Kind: engine.Text}, {Name: "categories", Kind: engine.Text},
	}},
	registerTable: registers.Table("journal_registers"),
}}

// recordedForm is how times of recording are written.
const recordedForm = time.RFC3339Nano

// The sides of an entry.
const (
	came = "came"
	left = "left"
)

// Restore implements engine.Projection.
func (p *Projection) Restore(table int, row engine.Row) error {
	if table == registerTable {
		return p.registers.Restore(row)
	}
	s := &subject{stream: row[0].Text(), title: row[1].Text(), categories: strings.Fields(row[2].Text())}
	p.streams[s.stream] = s
	return nil
}

// Flush implements engine.Projection.
func (p *Projection) Flush(yield func(table int, row engine.Row) error) error {
	row := make(engine.Row, 0, 20)
	put := func(table int, values ...engine.Value) error {
		row = append(row[:0], values...)
		return yield(table, row)
	}
	text, number := engine.TextOf, engine.IntOf
	for i := range p.events {
		e := &p.events[i]
		err := put(eventTable, number(e.ordinal), number(e.position), text(e.stream), number(e.revision), text(e.id), text(e.stored), text(e.recordedAt),
			text(e.effective), text(e.donor), text(e.beneficiary), text(e.title), text(e.categories), text(e.amounts), number(e.unknown), text(e.actor),
			text(e.reason), text(e.corrects), text(e.flags), text(e.search))
		if err != nil {
			return err
		}
	}
	if err := p.flushEntries(put); err != nil {
		return err
	}
	slices.SortStableFunc(p.events, func(a, b event) int { return strings.Compare(a.stream, b.stream) })
	for i := range p.events {
		if err := put(streamEventTable, text(p.events[i].stream), number(p.events[i].ordinal)); err != nil {
			return err
		}
	}
	slices.SortFunc(p.changed, func(a, b *subject) int { return strings.Compare(a.stream, b.stream) })
	for _, s := range p.changed {
		if err := put(streamTable, text(s.stream), text(s.title), text(strings.Join(s.categories, " "))); err != nil {
			return err
		}
		s.changed = false
	}
	clear(p.events)
	clear(p.entries)
	p.events, p.entries, p.changed = p.events[:0], p.entries[:0], p.changed[:0]
	return p.registers.Flush(func(row engine.Row) error { return yield(registerTable, row) })
}

func (p *Projection) flushEntries(put func(int, ...engine.Value) error) error {
	text, number := engine.TextOf, engine.IntOf
	// Sorted by place: an entry is large, and there are many.
	order := make([]*entry, len(p.entries))
	for i := range p.entries {
		order[i] = &p.entries[i]
	}
	slices.SortFunc(order, (*entry).compare)
	for _, e := range order {
		amount, side, month := engine.AmountOf(e.amount), came, engine.NullOf(engine.Text)
		if e.Asset == "" {
			amount = engine.NullOf(engine.Amount)
		}
		if e.left {
			side = left
		}
		if e.Month != "" {
			month = text(e.Month)
		}
		err := put(entryTable, text(e.Stage), text(e.Basis), text(e.Donor), text(e.Beneficiary), text(e.Category), text(e.Instrument), text(e.Asset),
			number(e.ordinal), number(e.leg), amount, number(e.unknown), text(side), text(e.effective), month, text(e.stream), text(e.pledge))
		if err != nil {
			return err
		}
	}
	return nil
}
