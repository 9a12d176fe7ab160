package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/statement"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// valueMiBMax bounds one text or bytes that a statement makes, and the statement.
	valueMiBMax = 16
	// memoryMiBMax bounds what a statement may add to the memory of the process: what it sorts and gathers is kept there, and never in a file.
	memoryMiBMax = 1024
)

// Queries answer SQL of people from a file that they never write.
type Queries struct {
	reader
	memoryMiBMax int64
}

var _ engine.Queryable = (*Queries)(nil)

// OpenQueries opens an existing file as OpenReader does.
func OpenQueries(path string) (*Queries, error) {
	r, err := OpenReader(path) // which checks the layout
	if err != nil {
		return nil, err
	}
	if err := r.Close(); err != nil {
		return nil, err
	}
	params := "mode=ro&_dqs=0" // so that a misspelt "column" is no text
	if !writable(filepath.Dir(path)) && alone(path) {
		params += "&immutable=1"
	}
	name, err := address(path, params)
	if err != nil {
		return nil, err
	}
	q := &Queries{reader{path: path, read: sql.OpenDB(connector(name)), frozen: r.frozen}, memoryMiBMax}
	q.read.SetMaxIdleConns(-1) // what one statement was allowed and shown is not left to the next
	return q, nil
}

// Close ends answering.
func (q *Queries) Close() error { return q.read.Close() }

// connector opens a file through askDriver.
type connector string

func (c connector) Connect(context.Context) (driver.Conn, error) { return askDriver().Open(string(c)) }

func (c connector) Driver() driver.Driver { return askDriver() }

// Query implements engine.Queryable.
//
// The file is opened to read only and SQLite is told to write nothing; beyond that, an authorizer refuses, while a statement is compiled,
// all but reading the tables that are shown.
func (q *Queries) Query(ctx context.Context, specs []engine.Spec, query string, fn func(*engine.Answer) error) error {
	if err := statement.CheckSingle(query, nextPart); err != nil {
		return err
	}
	conn, err := q.read.Conn(ctx)
	if err != nil {
		return q.explain("query", err)
	}
	defer conn.Close() // which ends it: no connection is kept
	a := &asked{queries: q, conn: conn, specs: specs, query: query, read: map[string]bool{}}
	if err := a.prepare(ctx); err != nil {
		return err
	}
	var answered error // fn's own, which needs no place added
	err = transactOn(ctx, conn, &sql.TxOptions{ReadOnly: true}, func(tx *sql.Tx) error {
		answered, err = a.answer(ctx, tx, fn)
		return err
	})
	return errors.Join(answered, err)
}

// asked is one statement and the connection of its own.
type asked struct {
	queries *Queries
	conn    *sql.Conn
	specs   []engine.Spec
	query   string

	columns []engine.Column
	shown   bool            // the tables are behind what is shown in their place
	read    map[string]bool // tables that the statement reads
	denied  string          // why the authorizer refused it
	end     func()          // interrupts the statement
	swollen atomic.Bool     // it was interrupted, since it took too much memory
}

// prepare compiles the statement against the tables, to learn the kinds of its columns and what is wrong with it, and then puts in the place
// of each table what is shown of it.
func (a *asked) prepare(ctx context.Context) error {
	if _, err := sqlite.Limit(a.conn, sqlite3.SQLITE_LIMIT_LENGTH, valueMiBMax<<20); err != nil {
		return a.queries.explain("query", err)
	}
	setup := []string{"PRAGMA temp_store = memory"}
	for _, t := range statement.Visible(a.specs) {
		setup = append(setup, shownAs(t))
	}
	setup = append(setup, "PRAGMA query_only = 1")
	if err := a.guarded(a.compile); err != nil {
		return err
	}
	for _, s := range setup {
		if _, err := a.conn.ExecContext(ctx, s); err != nil {
			return a.queries.explain("query", err)
		}
	}
	a.shown = true
	return nil
}

// shownAs puts a view of the connection in the place of a table: amounts that are compared and ordered by value, and days as text.
func shownAs(t engine.Table) string {
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		name := quote(c.Name)
		switch c.Kind {
		case engine.Amount:
			columns[i] = name + " COLLATE " + amountCollation + " AS " + name
		case engine.Day:
			columns[i] = "date(" + name + " * 86400, 'unixepoch') AS " + name
		default:
			columns[i] = name
		}
	}
	return fmt.Sprintf("CREATE TEMP VIEW %s AS SELECT %s FROM main.%[1]s", quote(t.Name), strings.Join(columns, ", "))
}

// compile asks what the statement's columns are.
func (a *asked) compile() error {
	return a.conn.Raw(func(driverConn any) (err error) {
		if a.end, err = interrupter(driverConn); err != nil {
			return err
		}
		info, ok := driverConn.(interface {
			ColumnInfo(string) ([]sqlite.ColumnInfo, error)
		})
		if !ok {
			return errors.New("the SQLite driver tells no columns")
		}
		columns, err := info.ColumnInfo(a.query)
		if err != nil {
			return a.explain(err)
		}
		if len(columns) == 0 { // VACUUM, which the authorizer is not asked about
			return statement.Refused(statement.OnlyReads)
		}
		for _, c := range columns {
			a.columns = append(a.columns, a.columnOf(c))
		}
		return nil
	})
}

func (a *asked) columnOf(c sqlite.ColumnInfo) engine.Column {
	for _, t := range statement.Visible(a.specs) {
		if t.Name != c.TableName {
			continue
		}
		for _, of := range t.Columns {
			if of.Name == c.OriginName {
				return engine.Column{Name: c.Name, Kind: of.Kind, Null: of.Null}
			}
		}
	}
	return engine.Column{Name: c.Name, Null: true}
}

// answer returns what fn said apart from what went wrong here.
func (a *asked) answer(ctx context.Context, tx *sql.Tx, fn func(*engine.Answer) error) (answered, err error) {
	moment := &snapshot{reader: &a.queries.reader, tx: tx}
	var views []engine.Checkpoint
	for _, spec := range a.specs {
		at, err := moment.Checkpoint(ctx, spec)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(spec.Tables, func(t engine.Table) bool { return a.read[t.Name] }) {
			views = append(views, at)
		}
	}
	err = a.guarded(func() error {
		return a.watched(ctx, func() error {
			found, err := tx.QueryContext(ctx, a.query)
			if err != nil {
				return a.explain(err)
			}
			answered = fn(&engine.Answer{Columns: a.columns, Views: views, Rows: a.rows(ctx, found)})
			return found.Close()
		})
	})
	return answered, err
}

func (a *asked) rows(ctx context.Context, found *sql.Rows) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		row := make([]any, len(a.columns))
		into := make([]any, len(row))
		for i := range row {
			into[i] = &row[i]
		}
		for found.Next() {
			err := found.Scan(into...)
			for i := range row {
				if err == nil {
					row[i], err = a.value(a.columns[i], row[i])
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := cmp.Or(ctx.Err(), found.Err()); err != nil {
			yield(nil, a.explain(err))
		}
	}
}

// value is one value as an answer has it.
func (a *asked) value(c engine.Column, v any) (any, error) {
	switch v := v.(type) {
	case int64:
		if c.Kind == engine.Bool {
			return v != 0, nil
		}
	case float64:
		return v, statement.CheckFloat(c.Name, v)
	}
	return v, nil
}

// explain tells what is wrong with a statement from what is wrong with the file.
func (a *asked) explain(err error) error {
	var own *sqlite.Error
	if !errors.As(err, &own) {
		if strings.HasPrefix(err.Error(), "missing ") { // as the driver says
			return statement.Refused("? stands for a value that nobody gives")
		}
		return err
	}
	if a.denied != "" {
		return statement.Refused(a.denied)
	}
	if a.swollen.Load() {
		return &es.Refusal{
			Code: "query_failed", Reason: fmt.Sprintf("it needs more than the %d MiB of memory that a query has", a.queries.memoryMiBMax),
			Remedy: "ask for less at a time",
		}
	}
	said := strings.TrimPrefix(strings.TrimSuffix(own.Error(), fmt.Sprintf(" (%d)", own.Code())), "SQL logic error: ")
	switch own.Code() & 0xff {
	case sqlite3.SQLITE_TOOBIG:
		return &es.Refusal{Code: "query_failed", Reason: fmt.Sprintf("a text or bytes of it exceed %d MiB", valueMiBMax), Remedy: "ask for less at a time"}
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE:
		if a.columns != nil { // it was understood, and met something in the rows
			return &es.Refusal{Code: "query_failed", Reason: said, Remedy: "leave the row out, or ask for it in another way"}
		}
		return &es.Refusal{Code: "bad_query", Reason: said + placeOf(a.query, said), Remedy: a.nearest(said)}
	}
	return a.queries.reader.explain("query", err)
}

// nearest names the table or column that a misspelt one may mean.
func (a *asked) nearest(said string) string {
	switch name := misnamed(said); {
	case strings.HasPrefix(said, "no such table: "):
		return statement.NearestTable(a.specs, name)
	case strings.HasPrefix(said, "no such "):
		return statement.NearestColumn(a.specs, name)
	}
	return statement.Remedy
}
