package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// runRowsMax bounds the rows of one statement.
const runRowsMax = 1 << 16

// writer gathers the rows of one commit, column by column, as PostgreSQL reads them: one array for each column of a table. Its memory is used
// again by the next commit.
type writer struct {
	spec engine.Spec
	runs []*run // in use
	free []*run
}

// run is rows of one table with growing keys, so that one statement may take them: it could not change a row twice.
type run struct {
	table int
	rows  int
	cells [][]byte
	nulls []bool
	key   engine.Row // of the last row
}

func (w *writer) begin(spec engine.Spec) {
	w.spec = spec
	w.free = append(w.free, w.runs...)
	w.runs = w.runs[:0]
}

func (w *writer) put(table int, row engine.Row) error {
	if table < 0 || table >= len(w.spec.Tables) {
		return fmt.Errorf("view %s has no table %d", w.spec.Name, table)
	}
	t := &w.spec.Tables[table]
	if err := t.CheckRow(row); err != nil {
		return err
	}
	var r *run
	if n := len(w.runs); n > 0 {
		r = w.runs[n-1]
	}
	if r == nil || r.table != table || r.rows == runRowsMax || t.Compare(r.key, row) >= 0 {
		r = w.begun(table, len(row))
	}
	r.rows++
	r.key = append(r.key[:0], row[:t.Key]...)
	for i, v := range row {
		r.cells[i] = appendCell(r.cells[i], v)
		r.nulls[i] = r.nulls[i] || v.IsNull()
	}
	return nil
}

const arrayHeaderBytes = 20

// begun is a new run.
func (w *writer) begun(table, columns int) *run {
	r := &run{}
	if n := len(w.free); n > 0 {
		r, w.free = w.free[n-1], w.free[:n-1]
	}
	w.runs = append(w.runs, r)
	r.table, r.rows = table, 0
	for len(r.cells) < columns {
		r.cells = append(r.cells, nil)
	}
	r.cells, r.nulls = r.cells[:columns], append(r.nulls[:0], make([]bool, columns)...)
	for i := range r.cells {
		r.cells[i] = append(r.cells[i][:0], make([]byte, arrayHeaderBytes)...)
	}
	return r
}

// finish writes the arrays' headers: one dimension, whether there are nulls, the type, how many, counted from 1.
func (r *run) finish(t engine.Table) {
	for i, c := range t.Columns {
		head := r.cells[i][:0]
		head = binary.BigEndian.AppendUint32(head, 1)
		var nulls uint32
		if r.nulls[i] {
			nulls = 1
		}
		head = binary.BigEndian.AppendUint32(head, nulls)
		head = binary.BigEndian.AppendUint32(head, kinds[c.Kind].oid)
		head = binary.BigEndian.AppendUint32(head, uint32(r.rows))
		binary.BigEndian.AppendUint32(head, 1)
	}
}

// queue adds one statement for each run.
func (w *writer) queue(ctx context.Context, conn *pgx.Conn, batch *pgconn.Batch) error {
	for _, r := range w.runs {
		t := w.spec.Tables[r.table]
		sql := merge(t)
		stmt, err := conn.Prepare(ctx, sql, sql)
		if err != nil {
			return err
		}
		r.finish(t)
		batch.ExecStatement(stmt, r.cells, binaryFormat, nil)
	}
	return nil
}

// merge takes one array for each column. It costs less than INSERT … ON CONFLICT, which reckons with other writers: the view's lock keeps them
// away.
func merge(t engine.Table) string {
	var arrays, names, on, set, values []string
	for i, c := range t.Columns {
		name, kind := fmt.Sprintf("c%d", i), kinds[c.Kind].name
		if c.Kind == engine.Amount {
			kind = "numeric"
		}
		arrays = append(arrays, fmt.Sprintf("$%d::%s[]", i+1, kind))
		names = append(names, name)
		values = append(values, "new."+name)
		if i < t.Key {
			on = append(on, fmt.Sprintf("old.%s = new.%s", quote(c.Name), name))
		} else {
			set = append(set, fmt.Sprintf("%s = new.%s", quote(c.Name), name))
		}
	}
	do := "DO NOTHING"
	if len(set) > 0 {
		do = "UPDATE SET " + strings.Join(set, ", ")
	}
	return fmt.Sprintf("MERGE INTO %s AS old USING unnest(%s) AS new (%s) ON %s WHEN MATCHED THEN %s WHEN NOT MATCHED THEN INSERT VALUES (%s)",
		quote("allied", t.Name), strings.Join(arrays, ", "), strings.Join(names, ", "), strings.Join(on, " AND "), do, strings.Join(values, ", "))
}
