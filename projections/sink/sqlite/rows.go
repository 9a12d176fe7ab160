package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/engine"
)

// valuesPerInsertMax bounds the values of one INSERT: rows are written in groups, since each statement has its price.
const valuesPerInsertMax = 800

func quote(name string) string { return `"` + name + `"` }

// ddl declares a table. STRICT makes SQLite refuse a value of another kind; text is ordered by its bytes, as engine.Table promises.
func ddl(t engine.Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (", quote(t.Name))
	for _, c := range t.Columns {
		fmt.Fprintf(&b, "%s %s%s, ", quote(c.Name), sqlType(c.Kind), map[bool]string{false: " NOT NULL"}[c.Null])
	}
	fmt.Fprintf(&b, "PRIMARY KEY (%s)) STRICT, WITHOUT ROWID", columns(t.Columns[:t.Key]))
	return b.String()
}

func sqlType(k engine.Kind) string {
	switch k {
	case engine.Text, engine.Amount:
		return "TEXT"
	case engine.Bytes:
		return "BLOB"
	default:
		return "INTEGER"
	}
}

func columns(cs []engine.Column) string {
	names := make([]string, len(cs))
	for i, c := range cs {
		names[i] = quote(c.Name)
	}
	return strings.Join(names, ", ")
}

// writer gathers the rows of one commit into statements of many rows.
type writer struct {
	tx     *sql.Tx
	spec   engine.Spec
	tables []*rows
}

type rows struct {
	table engine.Table
	max   int
	args  []any
	full  *sql.Stmt // inserts max rows
}

func (w *writer) put(ctx context.Context, table int, row engine.Row) error {
	if table < 0 || table >= len(w.tables) {
		return fmt.Errorf("view %s has no table %d", w.spec.Name, table)
	}
	r := w.tables[table]
	if r == nil {
		t := w.spec.Tables[table]
		r = &rows{table: t, max: max(1, valuesPerInsertMax/len(t.Columns))}
		w.tables[table] = r
	}
	if err := r.table.CheckRow(row); err != nil {
		return err
	}
	for _, v := range row {
		r.args = append(r.args, bind(v))
	}
	if len(r.args) < r.max*len(row) {
		return nil
	}
	return r.insert(ctx, w.tx)
}

func (w *writer) flush(ctx context.Context) error {
	for _, r := range w.tables {
		if r != nil && len(r.args) > 0 {
			if err := r.insert(ctx, w.tx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rows) insert(ctx context.Context, tx *sql.Tx) error {
	n := len(r.args) / len(r.table.Columns)
	stmt := r.full
	if stmt == nil || n < r.max {
		one := "(?" + strings.Repeat(", ?", len(r.table.Columns)-1) + ")"
		var err error
		stmt, err = tx.PrepareContext(ctx, "INSERT OR REPLACE INTO "+quote(r.table.Name)+" VALUES "+one+strings.Repeat(", "+one, n-1))
		if err != nil {
			return err
		}
		if n == r.max {
			r.full = stmt
		}
	}
	_, err := stmt.ExecContext(ctx, r.args...)
	r.args = r.args[:0]
	return err
}

func bind(v engine.Value) any {
	if v.IsNull() {
		return nil
	}
	switch v.Kind() {
	case engine.Text:
		return v.Text()
	case engine.Amount:
		return v.Amount().Text(0)
	case engine.Bytes:
		return v.Bytes()
	default:
		return v.Int()
	}
}

type snapshot struct {
	*reader
	tx *sql.Tx
}

func (s *snapshot) Checkpoint(ctx context.Context, spec engine.Spec) (engine.Checkpoint, error) {
	at, err := s.checkpoint(ctx, spec)
	var none *engine.NoViewError
	if errors.As(err, &none) {
		return at, err
	}
	return at, s.explain("read view "+spec.Name+" of", err)
}

func (s *snapshot) checkpoint(ctx context.Context, spec engine.Spec) (engine.Checkpoint, error) {
	views, err := declared(ctx, s.tx, "allied_views")
	if err != nil {
		return engine.Checkpoint{}, err
	}
	if views != "" {
		return wholeCheckpoint(ctx, s.tx, spec)
	}
	for _, t := range spec.Tables {
		made, err := declared(ctx, s.tx, t.Name)
		if err != nil {
			return engine.Checkpoint{}, err
		}
		if made != "" {
			return engine.Checkpoint{}, damaged("table %s is there, but no table allied_views", t.Name)
		}
	}
	return engine.Checkpoint{}, &engine.NoViewError{Projection: spec.Name, Version: spec.Version}
}

func (s *snapshot) Scan(ctx context.Context, t engine.Table, r engine.Range) iter.Seq2[engine.Row, error] {
	return func(yield func(engine.Row, error) bool) {
		if err := s.scan(ctx, t, r, yield); err != nil {
			yield(nil, s.explain("read table "+t.Name+" of", err))
		}
	}
}

// scan returns an error that yield has not seen; after yield asked to stop there is none.
func (s *snapshot) scan(ctx context.Context, t engine.Table, r engine.Range, yield func(engine.Row, error) bool) error {
	query, args := selection(t, r)
	found, err := s.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer found.Close()
	cells := make([]cell, len(t.Columns))
	into := make([]any, len(t.Columns))
	for i, c := range t.Columns {
		cells[i].kind = c.Kind
		into[i] = &cells[i]
	}
	for found.Next() {
		if err := found.Scan(into...); err != nil {
			return err
		}
		row := make(engine.Row, len(cells))
		for i := range cells {
			row[i] = cells[i].value
		}
		if !yield(row, nil) {
			return nil
		}
	}
	return found.Err()
}

func selection(t engine.Table, r engine.Range) (string, []any) {
	var where []string
	var args []any
	for i, v := range r.Prefix {
		where = append(where, quote(t.Columns[i].Name)+" = ?")
		args = append(args, bind(v))
	}
	beyond, direction := ">", ""
	if r.Descending {
		beyond, direction = "<", " DESC"
	}
	if n := len(r.After); n > 0 {
		where = append(where, fmt.Sprintf("(%s) %s (?%s)", columns(t.Columns[:n]), beyond, strings.Repeat(", ?", n-1)))
		for _, v := range r.After {
			args = append(args, bind(v))
		}
	}
	query := "SELECT " + columns(t.Columns) + " FROM " + quote(t.Name)
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	order := make([]string, t.Key)
	for i, c := range t.Columns[:t.Key] {
		order[i] = quote(c.Name) + direction
	}
	return query + " ORDER BY " + strings.Join(order, ", "), args
}

// cell reads one column of its kind, and refuses what this sink never writes.
type cell struct {
	kind  engine.Kind
	value engine.Value
}

func (c *cell) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		c.value = engine.NullOf(c.kind)
		return nil
	case string:
		switch c.kind {
		case engine.Text:
			c.value = engine.TextOf(v)
			return nil
		case engine.Amount:
			a, err := money.Parse(v, 0)
			if err != nil {
				return damaged("%q stands where an amount belongs: %w", v, err)
			}
			c.value = engine.AmountOf(a)
			return nil
		}
	case []byte:
		if c.kind == engine.Bytes {
			c.value = engine.BytesOf(v)
			return nil
		}
	case int64:
		switch c.kind {
		case engine.Int:
			c.value = engine.IntOf(v)
			return nil
		case engine.Bool:
			c.value = engine.BoolOf(v != 0)
			return nil
		case engine.Day:
			c.value = engine.DayOf(int32(v))
			return nil
		}
	}
	return damaged("a %T stands where %v belongs", src, c.kind)
}
