package postgres

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/statement"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// queryLayout is the first layout that statements of people can read.
const queryLayout = 3

// Queries answer SQL of people from a database that they never write.
type Queries struct{ *Reader }

var _ engine.Queryable = (*Queries)(nil)

// OpenQueries connects as OpenReader does. The role of the URL must be allowed to take the role allied_reader, in which statements run.
func OpenQueries(ctx context.Context, url string) (*Queries, error) {
	r, err := OpenReader(ctx, url)
	if err != nil {
		return nil, err
	}
	q := &Queries{r}
	if err := r.explain("open", q.check(ctx)); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return q, nil
}

func (q *Queries) check(ctx context.Context) error {
	at, err := q.layout(ctx)
	if err != nil {
		return err
	}
	if at < queryLayout {
		return fmt.Errorf("the schema allied has layout %d, and SQL needs %d: start the role views of this version on this database, which brings it there", at, queryLayout)
	}
	var role string
	var there bool
	if err := q.pool.QueryRow(ctx, "SELECT current_user, to_regrole($1) IS NOT NULL", readerRole).Scan(&role, &there); err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("there is no role %s, in which statements of people run: let an administrator run CREATE ROLE %[1]s NOLOGIN; GRANT %[1]s TO %[2]s, and start the role views again, which lets it read",
			readerRole, quote(role))
	}
	err = pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SET LOCAL ROLE "+readerRole)
		return err
	})
	var own *pgconn.PgError
	if errors.As(err, &own) && own.Code == "42501" {
		return fmt.Errorf("role %s may not take the role %s, in which statements of people run: let an administrator run GRANT %[2]s TO %[1]s", quote(role), readerRole)
	}
	return err
}

// settle makes the connection see what is shown, as it is printed. RESET ROLE and SET are statements of their own, and set_config is refused.
const settle = "SET LOCAL ROLE " + readerRole + `; SET LOCAL search_path = allied_sql, pg_catalog; SET LOCAL standard_conforming_strings = on;
	SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL timezone = 'UTC'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SAVEPOINT asked`

// Query implements engine.Queryable.
//
// The statement runs in a transaction that only reads, in the role allied_reader. What it reads is told by the locks that the server takes when
// it understands the statement: there is no table without one, whatever its plan is.
func (q *Queries) Query(ctx context.Context, specs []engine.Spec, query string, fn func(*engine.Answer) error) error {
	if err := statement.CheckSingle(query, isWord); err != nil {
		return err
	}
	cfg := q.cfg.Copy()
	for _, bound := range bounds { // which are for such as these
		delete(cfg.RuntimeParams, bound)
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return q.explain("query", err)
	}
	asking, stop := context.WithCancel(ctx)
	defer func() { // no connection is kept, so that what one statement did is not left to the next
		stop()
		ending, cancel := ending(ctx)
		defer cancel()
		_ = conn.Close(ending) // nothing was written
		select {
		case <-conn.PgConn().CleanupDone(): // the server has been told to end what it was doing
		case <-ending.Done():
		}
	}()
	a := &asked{queries: q, conn: conn, specs: specs, query: query}
	if _, err := conn.Exec(asking, beginView+"; "+settle); err != nil {
		return q.explain("query", err)
	}
	if err := a.prepare(asking); err != nil {
		return err
	}
	views, err := a.checkpoints(asking)
	if err != nil {
		return err
	}
	found := conn.PgConn().ExecPrepared(asking, preparedName, nil, nil, nil)
	answered := fn(&engine.Answer{Columns: a.columns, Views: views, Rows: a.rows(asking, found)})
	stop() // fn may have left rows
	_, _ = found.Close()
	return answered
}

// asked is one statement and the connection of its own.
type asked struct {
	queries *Queries
	conn    *pgx.Conn
	specs   []engine.Spec
	query   string

	sent   string // the statement as the server is given it
	marked []int  // the names in it that were put in quotation marks, by their first bytes in query

	fields    []pgconn.FieldDescription
	columns   []engine.Column     // nil until the statement is understood
	relations map[uint32]relation // that the statement names, and those behind them
}

// relation is a table or a view.
type relation struct{ schema, name string }

const preparedName = "asked"

// prepare lets the server understand the statement, and learns what it reads and answers.
func (a *asked) prepare(ctx context.Context) error {
	parts := partsOf(a.query)
	if err := refuseNames(parts); err != nil {
		return err
	}
	description, err := a.understand(ctx, parts)
	if err != nil {
		return err
	}
	if len(description.ParamOIDs) > 0 {
		return statement.Refused("$1 stands for a value that nobody gives")
	}
	if first := slices.IndexFunc(parts, func(p part) bool { return p.text != "(" }); first < 0 || !slices.Contains([]string{"select", "with", "values", "table"}, parts[first].word()) {
		return statement.Refused(statement.OnlyReads)
	}
	if err := a.findRelations(ctx); err != nil {
		return err
	}
	if err := a.refuseFunctions(ctx, parts); err != nil {
		return err
	}
	a.fields, a.columns = description.Fields, []engine.Column{}
	for _, f := range description.Fields {
		a.columns = append(a.columns, a.columnOf(f))
	}
	return nil
}

// understand prepares the statement.
//
// Amounts are text on SQLite, and COLLATE amount orders them by their value; here they are numbers, which know no other order. The server
// says so, and the words are left out. It does not know the collation, so that text which they stand behind is an error and not in another order.
func (a *asked) understand(ctx context.Context, parts []part) (*pgconn.StatementDescription, error) {
	a.sent, a.marked = markDecimal(a.query, parts)
	var ordered []string // what is ordered by the name that the answer gives it, and must be a number
	for {
		description, err := a.conn.PgConn().Prepare(ctx, preparedName, a.sent, nil)
		if err == nil {
			return description, a.checkOrdered(description, ordered)
		}
		var own *pgconn.PgError
		if !errors.As(err, &own) || own.Code != "42804" && own.Code != "42703" {
			return nil, a.explain(ctx, err)
		}
		place := a.place(own)
		i := slices.IndexFunc(parts, func(p part) bool { return p.at == place })
		if own.Code == "42703" && i >= 0 { // ORDER BY name COLLATE … takes the name for a column
			ordered = append(ordered, parts[i].word())
			i++
		}
		if i < 0 || i+1 >= len(parts) || parts[i].word() != "collate" || parts[i+1].word() != "amount" {
			return nil, a.explain(ctx, err)
		}
		from, to := a.sentAt(parts[i].at), a.sentAt(parts[i+1].at)+len(parts[i+1].text)
		if a.sent[from] == ' ' { // left out before
			return nil, a.explain(ctx, err)
		}
		a.sent = a.sent[:from] + strings.Repeat(" ", to-from) + a.sent[to:]
		if _, err := a.conn.Exec(ctx, "ROLLBACK TO SAVEPOINT asked"); err != nil {
			return nil, a.explain(ctx, err)
		}
	}
}

// The server's numbers of types.
const (
	boolType, byteaType, int8Type, int2Type, int4Type, float4Type, float8Type, numericType = 16, 17, 20, 21, 23, 700, 701, 1700
)

func (a *asked) checkOrdered(description *pgconn.StatementDescription, ordered []string) error {
	for _, f := range description.Fields {
		if slices.Contains(ordered, f.Name) && !slices.Contains([]uint32{numericType, int8Type, int4Type, int2Type}, f.DataTypeOID) {
			return &es.Refusal{
				Code: "bad_query", Reason: fmt.Sprintf("column %s is ordered by COLLATE amount, and is no number", f.Name),
				Remedy: "CAST(… AS numeric) makes text one",
			}
		}
	}
	return nil
}

// findRelations reads which tables and views the statement locks, in this transaction, which has read none before it.
func (a *asked) findRelations(ctx context.Context) error {
	// Without a join, which would take locks itself.
	rows, err := a.conn.Query(ctx, `SELECT relation::int8 FROM pg_catalog.pg_lock_status() WHERE pid = pg_catalog.pg_backend_pid() AND relation IS NOT NULL`)
	if err != nil {
		return a.queries.explain("query", err)
	}
	oids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return a.queries.explain("query", err)
	}
	a.relations = map[uint32]relation{}
	rows, err = a.conn.Query(ctx, `SELECT c.oid::int8, n.nspname::text, c.relname::text FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY($1::int8[]::oid[]) ORDER BY c.oid`, oids)
	if err != nil {
		return a.queries.explain("query", err)
	}
	var oid int64
	var found relation
	var unreadable string
	_, err = pgx.ForEachRow(rows, []any{&oid, &found.schema, &found.name}, func() error {
		if found != (relation{"allied", checkpointTable}) { // which the transaction locks
			a.relations[uint32(oid)] = found
			if !a.isReadable(found) {
				unreadable = cmp.Or(unreadable, found.name)
			}
		}
		return nil
	})
	if err != nil {
		return a.queries.explain("query", err)
	}
	if unreadable != "" {
		return statement.Refused(statement.Unreadable(unreadable))
	}
	return nil
}

func (a *asked) isReadable(r relation) bool {
	return slices.Contains([]string{"allied", "allied_report", "allied_sql"}, r.schema) &&
		slices.ContainsFunc(statement.Visible(a.specs), func(t engine.Table) bool { return t.Name == r.name })
}

// columnOf says what a column is, where it stands in a table as statements see it.
func (a *asked) columnOf(f pgconn.FieldDescription) engine.Column {
	if from := a.relations[f.TableOID]; from.schema == "allied_sql" {
		for _, t := range statement.Visible(a.specs) {
			if i := int(f.TableAttributeNumber) - 1; t.Name == from.name && 0 <= i && i < len(t.Columns) {
				return engine.Column{Name: f.Name, Kind: t.Columns[i].Kind, Null: t.Columns[i].Null}
			}
		}
	}
	return engine.Column{Name: f.Name, Null: true}
}

// checkpoints are those of the views that the statement reads.
func (a *asked) checkpoints(ctx context.Context) (views []engine.Checkpoint, err error) {
	read := map[string]bool{}
	for _, r := range a.relations {
		read[r.name] = true
	}
	for _, spec := range a.specs {
		at, err := checkpoint(ctx, a.conn, spec)
		var none *engine.NoViewError
		if errors.As(err, &none) {
			return nil, err
		}
		if err != nil {
			return nil, a.queries.explain("read view "+spec.Name+" of", err)
		}
		if slices.ContainsFunc(spec.Tables, func(t engine.Table) bool { return read[t.Name] }) {
			views = append(views, at)
		}
	}
	return views, nil
}

func (a *asked) rows(ctx context.Context, found *pgconn.ResultReader) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		row := make([]any, len(a.columns))
		for ctx.Err() == nil && found.NextRow() {
			for i, cell := range found.Values() {
				v, err := a.value(i, cell)
				if err != nil {
					yield(nil, err)
					return
				}
				row[i] = v
			}
			if !yield(row, nil) {
				return
			}
		}
		if _, err := found.Close(); cmp.Or(ctx.Err(), err) != nil {
			yield(nil, a.explain(ctx, err))
		}
	}
}

// value reads one cell in the server's text form. What is computed and true or false is a number, as on SQLite.
func (a *asked) value(column int, cell []byte) (any, error) {
	if cell == nil {
		return nil, nil
	}
	if len(cell) > valueMiBMax<<20 {
		return nil, &es.Refusal{Code: "query_failed", Reason: fmt.Sprintf("a text or bytes of it exceed %d MiB", valueMiBMax), Remedy: "ask for less at a time"}
	}
	text := string(cell)
	switch a.fields[column].DataTypeOID {
	case boolType:
		switch isTrue := text == "t"; {
		case a.columns[column].Kind == engine.Bool:
			return isTrue, nil
		case isTrue:
			return int64(1), nil
		}
		return int64(0), nil
	case int2Type, int4Type, int8Type:
		return strconv.ParseInt(text, 10, 64)
	case float4Type, float8Type:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		return v, statement.CheckFloat(a.columns[column].Name, v)
	case byteaType:
		return hex.DecodeString(strings.TrimPrefix(text, `\x`))
	}
	return text, nil
}
