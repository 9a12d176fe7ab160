package shipments

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/shipment"
	"github.com/allied-ledger/allied/events/term"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	"github.com/allied-ledger/allied/projections/internal/words"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// Restore implements engine.Projection.
func (p *Projection) Restore(table int, row engine.Row) error {
	stream := row[0].Text()
	if table == shipmentTable {
		p.byStream[stream] = restoreAccount(row)
		return nil
	}
	a := p.byStream[stream]
	if a == nil {
		return fmt.Errorf("stream %s has rows, but no shipment", stream)
	}
	var err error
	switch table {
	case lineTable:
		err = a.restoreLine(row)
	case discrepancyTable:
		err = a.restoreDiscrepancy(row)
	case moveTable:
		err = a.restoreMove(row)
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	return nil
}

func restoreAccount(row engine.Row) *account {
	a := newAccount(row[streamColumn].Text())
	a.state.Donor, a.state.Beneficiary, a.title = row[donorColumn].Text(), row[beneficiaryColumn].Text(), row[titleColumn].Text()
	a.state.Phase = shipment.Open
	if row[statusColumn].Text() == closed {
		a.state.Phase = shipment.Closed
	}
	a.days, a.events = listing.DaysOf(row[firstColumn], row[lastColumn]), row[eventsColumn].Int()
	for i, into := range a.texts() {
		*into = row[placeColumn+i].Text()
	}
	return a
}

// texts are the last columns of a shipment, in their order.
func (a *account) texts() []*string {
	return []*string{&a.dispatchedFrom, &a.arrivedAt, &a.handedOverAt, &a.point, &a.evidence, &a.signatory, &a.verifier, &a.hash}
}

// lineFigures is where the figures of a line's rungs begin.
const lineFigures = 8

func (a *account) restoreLine(row engine.Row) error {
	l := &drawn.Line{Pledge: row[3].Text(), Category: row[5].Text(), Asset: row[7].Text()}
	var err error
	if l.Draw, err = uuid.Parse(row[2].Text()); err != nil {
		return err
	}
	if l.Allocation, err = uuid.Parse(row[4].Text()); err != nil {
		return err
	}
	if l.Instrument, err = words.InstrumentOf(row[6].Text()); err != nil {
		return err
	}
	for i, s := range rungs {
		if of := row[lineFigures+3*i:]; !of[0].IsNull() {
			l.Rungs = append(l.Rungs, drawn.Rung{Stage: s, Reached: of[0].Amount(), Standing: of[1].Amount(), Over: of[2].Amount()})
		}
	}
	if n := row[1].Int(); n != int64(len(a.state.Lines))+1 {
		return fmt.Errorf("line %d follows %d lines", n, len(a.state.Lines))
	}
	a.state.Lines = append(a.state.Lines, l)
	return nil
}

func (a *account) restoreDiscrepancy(row engine.Row) error {
	d := &discrepancy{
		number: row[1].Int(), kind: row[3].Text(), asset: row[5].Text(), amount: row[6], serials: row[7].Int(), effective: row[8].Text(), reversed: row[9].Bool(),
	}
	var err error
	if d.event, err = uuid.Parse(row[2].Text()); err != nil {
		return err
	}
	if d.draw, err = uuid.Parse(row[4].Text()); err != nil {
		return err
	}
	a.discrepancies = append(a.discrepancies, d)
	return nil
}

func (a *account) restoreMove(row engine.Row) error {
	if !row[4].Bool() {
		return nil
	}
	var m shipment.Move
	var err error
	if m.Event, err = uuid.Parse(row[1].Text()); err != nil {
		return err
	}
	if m.Stage, err = term.Parse[eventv1.Stage](row[2].Text()); err != nil {
		return err
	}
	if err = json.Unmarshal(row[3].Bytes(), &m.Movements); err != nil {
		return fmt.Errorf("movements of event %s: %w", m.Event, err)
	}
	a.state.Moves = append(a.state.Moves, m)
	return nil
}

// Flush implements engine.Projection.
func (p *Projection) Flush(yield func(table int, row engine.Row) error) error {
	row := make(engine.Row, 0, len(Spec.Tables[lineTable].Columns))
	put := func(table int, values ...engine.Value) error {
		row = append(row[:0], values...)
		return yield(table, row)
	}
	slices.SortFunc(p.changed, func(a, b *account) int { return cmp.Compare(a.state.Stream, b.state.Stream) })
	for _, flush := range []func(*account, func(int, ...engine.Value) error) error{
		(*account).flushShipment, (*account).flushLines, (*account).flushDiscrepancies, (*account).flushMoves,
	} {
		for _, a := range p.changed {
			if err := flush(a, put); err != nil {
				return err
			}
		}
	}
	for _, a := range p.changed {
		a.changed, a.changedDiscrepancies = false, nil
		clear(a.changedMoves)
	}
	p.changed = p.changed[:0]
	return nil
}

func (a *account) flushShipment(put func(int, ...engine.Value) error) error {
	text := engine.TextOf
	first, last := a.days.Values()
	values := []engine.Value{
		text(a.state.Stream), text(a.state.Donor), text(a.state.Beneficiary), text(a.title), text(a.status()), first, last, engine.IntOf(a.events),
	}
	for _, t := range a.texts() {
		values = append(values, text(*t))
	}
	return put(shipmentTable, values...)
}

func (a *account) flushLines(put func(int, ...engine.Value) error) error {
	text := engine.TextOf
	for i, l := range a.state.Lines {
		values := []engine.Value{
			text(a.state.Stream), engine.IntOf(int64(i) + 1), text(l.Draw.String()), text(l.Pledge), text(l.Allocation.String()), text(l.Category),
			text(words.Instrument(l.Instrument)), text(l.Asset),
		}
		for _, s := range rungs {
			if !l.Has(s) {
				none := engine.NullOf(engine.Amount)
				values = append(values, none, none, none)
				continue
			}
			r := l.At(s)
			values = append(values, engine.AmountOf(r.Reached), engine.AmountOf(r.Standing), engine.AmountOf(r.Over))
		}
		if err := put(lineTable, values...); err != nil {
			return err
		}
	}
	return nil
}

func (a *account) flushDiscrepancies(put func(int, ...engine.Value) error) error {
	text := engine.TextOf
	slices.SortFunc(a.changedDiscrepancies, func(a, b *discrepancy) int { return cmp.Compare(a.number, b.number) })
	for _, d := range slices.Compact(a.changedDiscrepancies) { // one may have come and gone
		err := put(discrepancyTable, text(a.state.Stream), engine.IntOf(d.number), text(d.event.String()), text(d.kind), text(d.draw.String()), text(d.asset),
			d.amount, engine.IntOf(d.serials), text(d.effective), engine.BoolOf(d.reversed))
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *account) flushMoves(put func(int, ...engine.Value) error) error {
	text := engine.TextOf
	var moves []shipment.Move
	for _, m := range a.changedMoves {
		moves = append(moves, m)
	}
	slices.SortFunc(moves, func(a, b shipment.Move) int { return strings.Compare(a.Event.String(), b.Event.String()) })
	for _, m := range moves {
		stands := m.Movements != nil
		var kept []byte
		if stands {
			var err error
			if kept, err = json.Marshal(m.Movements); err != nil {
				return fmt.Errorf("encode the movements of event %s: %w", m.Event, err)
			}
		}
		if err := put(moveTable, text(a.state.Stream), text(m.Event.String()), text(term.Word(m.Stage)), engine.BytesOf(kept), engine.BoolOf(stands)); err != nil {
			return err
		}
	}
	return nil
}
