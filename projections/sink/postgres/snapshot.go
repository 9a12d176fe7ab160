package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/jackc/pgx/v5"
)

const (
	// pageRowsMin and pageRowsMax bound the rows that one statement reads: most scans are short, and a long one need not ask often.
	pageRowsMin = 256
	pageRowsMax = 8192
)

// beginView locks the tables against who makes them anew before it fixes the moment, which SELECT does.
const beginView = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE allied.allied_views IN ACCESS SHARE MODE; SELECT"

// View implements engine.Views.
func (r *reader) View(ctx context.Context, fn func(engine.Snapshot) error) error {
	tx, err := r.pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: beginView})
	if err != nil {
		return r.explain("read", err)
	}
	defer func() {
		ctx, cancel := ending(ctx)
		defer cancel()
		_ = tx.Rollback(ctx) // nothing was written; a connection that cannot is not used again
	}()
	return fn(&snapshot{reader: r, tx: tx})
}

type snapshot struct {
	*reader
	tx pgx.Tx
}

func (s *snapshot) Checkpoint(ctx context.Context, spec engine.Spec) (engine.Checkpoint, error) {
	at, err := checkpoint(ctx, s.tx, spec)
	var none *engine.NoViewError
	if errors.As(err, &none) {
		return at, err
	}
	return at, s.explain("read view "+spec.Name+" of", err)
}

// Scan reads page by page, so that scans may stand inside each other on one connection.
func (s *snapshot) Scan(ctx context.Context, t engine.Table, r engine.Range) iter.Seq2[engine.Row, error] {
	return func(yield func(engine.Row, error) bool) {
		for limit := pageRowsMin; ; limit = min(2*limit, pageRowsMax) {
			page, err := s.page(ctx, t, r, limit)
			if err != nil {
				yield(nil, s.explain("read table "+t.Name+" of", err))
				return
			}
			for _, row := range page {
				if !yield(row, nil) {
					return
				}
			}
			if len(page) < limit {
				return
			}
			r.After = page[limit-1][:t.Key]
		}
	}
}

func (s *snapshot) page(ctx context.Context, t engine.Table, r engine.Range, limit int) ([]engine.Row, error) {
	query, args := selection(t, r, limit)
	found, err := s.tx.Query(ctx, query, append([]any{pgx.QueryResultFormats(binaryFormat)}, args...)...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var page []engine.Row
	for found.Next() {
		row := make(engine.Row, len(t.Columns))
		for i, cell := range found.RawValues() {
			if row[i], err = valueOf(t.Columns[i].Kind, cell); err != nil {
				return nil, fmt.Errorf("column %s: %w", t.Columns[i].Name, err)
			}
		}
		page = append(page, row)
	}
	return page, found.Err()
}

func selection(t engine.Table, r engine.Range, limit int) (string, []any) {
	var where []string
	var args []any
	place := func(v engine.Value) string {
		args = append(args, bind(v))
		return fmt.Sprintf("$%d", len(args))
	}
	for i, v := range r.Prefix {
		where = append(where, quote(t.Columns[i].Name)+" = "+place(v))
	}
	beyond, direction := ">", ""
	if r.Descending {
		beyond, direction = "<", " DESC"
	}
	if n := len(r.After); n > 0 {
		places := make([]string, n)
		for i, v := range r.After {
			places[i] = place(v)
		}
		where = append(where, fmt.Sprintf("(%s) %s (%s)", columns(t.Columns[:n]), beyond, strings.Join(places, ", ")))
	}
	query := "SELECT " + columns(t.Columns) + " FROM " + quote("allied", t.Name)
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	order := make([]string, t.Key)
	for i, c := range t.Columns[:t.Key] {
		order[i] = quote(c.Name) + direction
	}
	return fmt.Sprintf("%s ORDER BY %s LIMIT %d", query, strings.Join(order, ", "), limit), slices.Clip(args)
}

// bind is a key's value as the driver takes it.
func bind(v engine.Value) any {
	switch v.Kind() {
	case engine.Text:
		return v.Text()
	case engine.Bytes:
		return v.Bytes()
	default:
		return v.Int()
	}
}
