package pledges

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	"github.com/google/uuid"
)

// Restore implements engine.Projection.
func (p *Projection) Restore(table int, row engine.Row) error {
	if table == registerTable {
		return p.registers.Restore(row)
	}
	stream := row[0].Text()
	if table == pledgeTable {
		a := newAccount(stream)
		a.donor, a.beneficiary, a.title, a.status = row[1].Text(), row[2].Text(), row[3].Text(), pledge.Phase(row[4].Text())
		a.days = listing.DaysOf(row[5], row[6])
		a.events, a.unknown, a.flags = row[7].Int(), row[8].Int(), strings.Fields(row[10].Text())
		p.byStream[stream] = a
		return nil
	}
	a := p.byStream[stream]
	if a == nil {
		return fmt.Errorf("stream %s has rows, but no pledge", stream)
	}
	switch table {
	case referenceTable:
		a.references[reference{stream, row[1].Text(), row[2].Text(), row[3].Text()}] = true
	case lineTable:
		return a.restoreLine(row)
	case amountTable:
		number := row[1].Int()
		if number < 1 || number > int64(len(a.lines)) {
			return fmt.Errorf("stream %s has an amount of line %d, and %d lines", stream, number, len(a.lines))
		}
		l := a.lines[number-1]
		l.amounts = append(l.amounts, &amount{
			line: l, stage: row[2].Text(), basis: row[3].Text(), asset: row[4].Text(),
			reached: row[5].Amount(), standing: row[6].Amount(), unknown: row[7].Int(),
		})
	}
	return nil
}

func (a *account) restoreLine(row engine.Row) error {
	id, err := uuid.Parse(row[2].Text())
	if err != nil {
		return fmt.Errorf("stream %s, line %d: %w", a.stream, row[1].Int(), err)
	}
	l := &line{
		stream: a.stream, number: row[1].Int(), id: id, stage: row[3].Text(), title: row[4].Text(), category: row[5].Text(), instrument: row[6].Text(),
		control: row[7].Text(), firmness: row[8].Text(), effective: row[9].Text(), flags: strings.Fields(row[10].Text()),
	}
	if l.number != int64(len(a.lines))+1 {
		return fmt.Errorf("stream %s has line %d after %d lines", a.stream, l.number, len(a.lines))
	}
	a.lines = append(a.lines, l)
	a.byID[l.id] = l
	return nil
}

// Flush implements engine.Projection.
func (p *Projection) Flush(yield func(table int, row engine.Row) error) error {
	row := make(engine.Row, 0, 16)
	put := func(table int, values ...engine.Value) error {
		row = append(row[:0], values...)
		return yield(table, row)
	}
	for _, flush := range []func(func(int, ...engine.Value) error) error{p.flushPledges, p.flushReferences, p.flushLines, p.flushAmounts} {
		if err := flush(put); err != nil {
			return err
		}
	}
	return p.registers.Flush(func(row engine.Row) error { return yield(registerTable, row) })
}

func (p *Projection) flushPledges(put func(int, ...engine.Value) error) error {
	text := engine.TextOf
	slices.SortFunc(p.changed, func(a, b *account) int { return strings.Compare(a.stream, b.stream) })
	for _, a := range p.changed {
		first, last := a.days.Values()
		err := put(pledgeTable, text(a.stream), text(a.donor), text(a.beneficiary), text(a.title), text(string(a.status)), first, last,
			engine.IntOf(a.events), engine.IntOf(a.unknown), engine.BoolOf(a.over()), text(strings.Join(a.flags, " ")))
		if err != nil {
			return err
		}
		a.changed = false
	}
	p.changed = p.changed[:0]
	return nil
}

func (p *Projection) flushReferences(put func(int, ...engine.Value) error) error {
	text := engine.TextOf
	slices.SortFunc(p.newReferences, func(a, b reference) int {
		return cmp.Or(cmp.Compare(a.stream, b.stream), cmp.Compare(a.publisher, b.publisher), cmp.Compare(a.release, b.release), cmp.Compare(a.externalID, b.externalID))
	})
	for _, r := range p.newReferences {
		if err := put(referenceTable, text(r.stream), text(r.publisher), text(r.release), text(r.externalID)); err != nil {
			return err
		}
	}
	p.newReferences = p.newReferences[:0]
	return nil
}

func (p *Projection) flushLines(put func(int, ...engine.Value) error) error {
	text := engine.TextOf
	slices.SortFunc(p.changedLines, (*line).compare)
	for _, l := range p.changedLines {
		err := put(lineTable, text(l.stream), engine.IntOf(l.number), text(uuid.UUID(l.id).String()), text(l.stage), text(l.title), text(l.category),
			text(l.instrument), text(l.control), text(l.firmness), text(l.effective), text(strings.Join(l.flags, " ")))
		if err != nil {
			return err
		}
		l.changed = false
	}
	p.changedLines = p.changedLines[:0]
	return nil
}

func (l *line) compare(o *line) int {
	return cmp.Or(cmp.Compare(l.stream, o.stream), cmp.Compare(l.number, o.number))
}

func (p *Projection) flushAmounts(put func(int, ...engine.Value) error) error {
	text := engine.TextOf
	slices.SortFunc(p.changedAmounts, func(a, b *amount) int {
		return cmp.Or(a.line.compare(b.line), cmp.Compare(a.stage, b.stage), cmp.Compare(a.basis, b.basis), cmp.Compare(a.asset, b.asset))
	})
	for _, x := range p.changedAmounts {
		err := put(amountTable, text(x.line.stream), engine.IntOf(x.line.number), text(x.stage), text(x.basis), text(x.asset),
			engine.AmountOf(x.reached), engine.AmountOf(x.standing), engine.IntOf(x.unknown))
		if err != nil {
			return err
		}
		x.changed = false
	}
	p.changedAmounts = p.changedAmounts[:0]
	return nil
}
