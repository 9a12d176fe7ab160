package draws

import (
	"fmt"
	"slices"
	"time"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/google/uuid"
)

// The tables' places among Tables.
const (
	allocationTable = iota
	// DrawTable holds a row for each draw, which Read reads.
	DrawTable
	// GivenUpTable holds a row for each part that was given up, which ReadGivenUp reads, in the order of the draws and there by age.
	GivenUpTable
	clockTable
)

// Tables declares the rows under names that begin with a prefix. None is for readers: what they see of draws is their projection's to say.
func Tables(prefix string) []engine.Table {
	text, number := engine.Text, engine.Int
	columns := []engine.Column{{Name: "pledge", Kind: text}, {Name: "draw", Kind: text}, {Name: "for_stream", Kind: text}}
	for _, name := range []string{"allocation", "asset", "marking", "correlation", "used_by"} {
		columns = append(columns, engine.Column{Name: name, Kind: text})
	}
	columns = append(columns, engine.Column{Name: "amount", Kind: engine.Amount}, engine.Column{Name: "released", Kind: engine.Amount},
		engine.Column{Name: "given_up", Kind: engine.Amount}, engine.Column{Name: "settled", Kind: engine.Bool}, engine.Column{Name: "gave_up", Kind: engine.Bool})
	for _, event := range []string{"reserved", "used", "given_back"} { // the event is empty, and the rest 0, where there is none
		columns = append(columns, engine.Column{Name: event + "_event", Kind: text}, engine.Column{Name: event + "_ordinal", Kind: number},
			engine.Column{Name: event + "_at_nanos", Kind: number})
	}
	return []engine.Table{
		allocationTable: {Name: prefix + "_allocations", Key: 2, Hidden: true, Columns: []engine.Column{
			{Name: "pledge", Kind: text}, {Name: "line", Kind: text},
		}},
		DrawTable: {Name: prefix + "_draws", Key: 2, Hidden: true, Columns: columns},
		GivenUpTable: {Name: prefix + "_given_up", Key: 4, Hidden: true, Columns: []engine.Column{
			{Name: "pledge", Kind: text},
			{Name: "draw", Kind: text},
			{Name: "ordinal", Kind: number},
			{Name: "release", Kind: text},
			{Name: "amount", Kind: engine.Amount},
			{Name: "event", Kind: text},
			{Name: "at_nanos", Kind: number},
			{Name: "marking", Kind: text},
			{Name: "correlation", Kind: text},
			{Name: "finished", Kind: engine.Bool},
		}},
		clockTable: {Name: prefix + "_clock", Key: 1, Hidden: true, Columns: []engine.Column{
			{Name: "only", Kind: number}, {Name: "at_nanos", Kind: number}, // the latest recorded_at so far
		}},
	}
}

// Restore takes back a row of a table, in the order of Tables.
func (d *Draws) Restore(table int, row engine.Row) error {
	switch table {
	case allocationTable:
		id, err := uuid.Parse(row[1].Text())
		if err != nil {
			return fmt.Errorf("allocation of %s: %w", row[0].Text(), err)
		}
		d.allocations[key{row[0].Text(), id}] = struct{}{}
	case DrawTable:
		x, err := Read(row)
		if err != nil {
			return err
		}
		d.byKey[x.key()] = x
	case GivenUpTable:
		g, err := ReadGivenUp(row)
		if err != nil || g.Finished {
			return err
		}
		k := key{g.Pledge, g.Draw}
		d.givenUp[k] = append(d.givenUp[k], g)
	case clockTable:
		d.at = timeOf(row[1])
		d.flushedAt = d.at
	}
	return nil
}

// The columns of a draw's row that are not read one after the other.
const (
	markColumn  = 13
	markColumns = 3
)

// Read reads a draw from its row.
func Read(row engine.Row) (*Draw, error) {
	x := &Draw{
		Pledge: row[0].Text(), ForStream: row[2].Text(), Asset: row[4].Text(), Marking: row[5].Text(), UsedBy: row[7].Text(),
		Amount: row[8].Amount(), Released: row[9].Amount(), GivenUp: row[10].Amount(), Settled: row[11].Bool(), GaveUp: row[12].Bool(),
	}
	var err error
	for column, into := range map[int]*uuid.UUID{1: &x.ID, 3: &x.Allocation, 6: &x.Correlation} {
		if *into, err = uuid.Parse(row[column].Text()); err != nil {
			return nil, fmt.Errorf("draw of %s: %w", x.Pledge, err)
		}
	}
	for i, into := range []*Mark{&x.Reserved, &x.Used, &x.GivenBack} {
		if *into, err = markOf(row[markColumn+i*markColumns:]); err != nil {
			return nil, fmt.Errorf("draw %s: %w", x.ID, err)
		}
	}
	return x, nil
}

// ReadGivenUp reads what was given up from its row.
func ReadGivenUp(row engine.Row) (*GivenUp, error) {
	g := &GivenUp{
		Pledge: row[0].Text(), Amount: row[4].Amount(), Cause: Mark{Ordinal: uint64(row[2].Int()), RecordedAt: timeOf(row[6])},
		Marking: row[7].Text(), Finished: row[9].Bool(),
	}
	var err error
	for column, into := range map[int]*uuid.UUID{1: &g.Draw, 3: &g.Release, 5: &g.Cause.Event, 8: &g.Correlation} {
		if *into, err = uuid.Parse(row[column].Text()); err != nil {
			return nil, fmt.Errorf("given up of a draw of %s: %w", g.Pledge, err)
		}
	}
	return g, nil
}

func (g *GivenUp) row() engine.Row {
	text := engine.TextOf
	return engine.Row{
		text(g.Pledge), text(g.Draw.String()), engine.IntOf(int64(g.Cause.Ordinal)), text(g.Release.String()), engine.AmountOf(g.Amount),
		text(g.Cause.Event.String()), engine.IntOf(g.Cause.RecordedAt.UnixNano()), text(g.Marking), text(g.Correlation.String()),
		engine.BoolOf(g.Finished),
	}
}

func markOf(row engine.Row) (m Mark, err error) {
	if row[0].Text() == "" {
		return m, nil
	}
	m.Event, err = uuid.Parse(row[0].Text())
	m.Ordinal, m.RecordedAt = uint64(row[1].Int()), timeOf(row[2])
	return m, err
}

func timeOf(v engine.Value) time.Time { return time.Unix(0, v.Int()).UTC() }

// Flush yields the rows that changed, table by table in key order.
func (d *Draws) Flush(yield func(table int, row engine.Row) error) error {
	text := engine.TextOf
	slices.SortFunc(d.newAllocations, key.compare)
	for _, k := range d.newAllocations {
		if err := yield(allocationTable, engine.Row{text(k.pledge), text(k.id.String())}); err != nil {
			return err
		}
	}
	for _, x := range d.Changed() {
		if err := yield(DrawTable, x.row()); err != nil {
			return err
		}
		x.changed = false
	}
	slices.SortFunc(d.changedGivenUp, (*GivenUp).compare)
	for _, g := range slices.Compact(d.changedGivenUp) { // what was given up and released since is there twice
		if err := yield(GivenUpTable, g.row()); err != nil {
			return err
		}
	}
	if d.at.After(d.flushedAt) {
		if err := yield(clockTable, engine.Row{engine.IntOf(0), engine.IntOf(d.at.UnixNano())}); err != nil {
			return err
		}
		d.flushedAt = d.at
	}
	d.newAllocations, d.changed, d.changedGivenUp = d.newAllocations[:0], d.changed[:0], d.changedGivenUp[:0]
	return nil
}

func (x *Draw) row() engine.Row {
	text := engine.TextOf
	row := engine.Row{
		text(x.Pledge), text(x.ID.String()), text(x.ForStream), text(x.Allocation.String()), text(x.Asset), text(x.Marking),
		text(x.Correlation.String()), text(x.UsedBy),
		engine.AmountOf(x.Amount), engine.AmountOf(x.Released), engine.AmountOf(x.GivenUp), engine.BoolOf(x.Settled), engine.BoolOf(x.GaveUp),
	}
	for _, m := range []Mark{x.Reserved, x.Used, x.GivenBack} {
		if m.None() {
			row = append(row, text(""), engine.IntOf(0), engine.IntOf(0))
			continue
		}
		row = append(row, text(m.Event.String()), engine.IntOf(int64(m.Ordinal)), engine.IntOf(m.RecordedAt.UnixNano()))
	}
	return row
}
