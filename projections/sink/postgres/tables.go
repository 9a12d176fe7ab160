package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// makeSecondsMax bounds the wait for readers where tables are made anew: whoever comes after waits for it too.
const makeSecondsMax = 5

// kinds tells how each kind is kept: the column's type as the catalog shows it, and the numbers of the type and of its array.
var kinds = map[engine.Kind]struct {
	name string
	oid  uint32
}{
	engine.Text:   {"text", 25},
	engine.Int:    {"bigint", 20},
	engine.Amount: {"numeric(38,0)", 1700},
	engine.Bytes:  {"bytea", 17},
	engine.Bool:   {"boolean", 16},
	engine.Day:    {"date", 1082},
}

// ddl declares a table. Text is ordered by its bytes, as engine.Table promises; what no worker writes is refused.
func ddl(t engine.Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (", quote("allied", t.Name))
	for _, c := range t.Columns {
		fmt.Fprintf(&b, "%s %s", quote(c.Name), kinds[c.Kind].name)
		switch c.Kind {
		case engine.Text:
			b.WriteString(` COLLATE "C"`)
		case engine.Amount:
			fmt.Fprintf(&b, " CHECK (%s <> 'NaN')", quote(c.Name))
		case engine.Day:
			fmt.Fprintf(&b, " CHECK (%s BETWEEN '0001-01-01' AND '9999-12-31')", quote(c.Name))
		}
		if !c.Null {
			b.WriteString(" NOT NULL")
		}
		b.WriteString(", ")
	}
	fmt.Fprintf(&b, "PRIMARY KEY (%s))", columns(t.Columns[:t.Key]))
	return b.String()
}

// report declares what people read of a table: amounts as decimals of their asset.
func report(t engine.Table) string {
	shown := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		shown[i] = quote(c.Name)
		if asset, ok := t.AssetOf(i); ok {
			shown[i] = fmt.Sprintf("allied.decimal(%s, %s) AS %[1]s", quote(c.Name), quote(t.Columns[asset].Name))
		}
	}
	return fmt.Sprintf("CREATE VIEW %s AS SELECT %s FROM %s", quote("allied_report", t.Name), strings.Join(shown, ", "), quote("allied", t.Name))
}

// shownToSQL declares what a statement of `allied sql` reads of a table: days as text, as they are where views are kept in SQLite.
func shownToSQL(t engine.Table) string {
	shown := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		shown[i] = quote(c.Name)
		if c.Kind == engine.Day {
			shown[i] = fmt.Sprintf(`to_char(%s, 'YYYY-MM-DD') COLLATE "C" AS %[1]s`, quote(c.Name))
		}
	}
	return fmt.Sprintf("CREATE VIEW %s AS SELECT %s FROM %s", quote("allied_sql", t.Name), strings.Join(shown, ", "), quote("allied", t.Name))
}

func columns(cs []engine.Column) string {
	names := make([]string, len(cs))
	for i, c := range cs {
		names[i] = quote(c.Name)
	}
	return strings.Join(names, ", ")
}

// declared is what the catalog says of a table that ddl made.
func declared(t engine.Table) string {
	var b strings.Builder
	for _, c := range t.Columns {
		fmt.Fprintf(&b, "%s %s %t", c.Name, kinds[c.Kind].name, !c.Null)
		if c.Kind == engine.Text {
			b.WriteString(" C")
		}
		b.WriteString(", ")
	}
	b.WriteString("key {1")
	for i := range t.Key - 1 {
		fmt.Fprintf(&b, ",%d", i+2)
	}
	b.WriteString("}")
	return b.String()
}

// catalog yields each table of a list that is there, in the words of declared.
const catalog = `SELECT c.relname::text, concat(
	(SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'true' ELSE 'false' END, CASE WHEN a.attcollation <> 0 THEN l.collname END) || ', ', '' ORDER BY a.attnum)
		FROM pg_attribute a LEFT JOIN pg_collation l ON l.oid = a.attcollation WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
	'key ', (SELECT conkey::text FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p'))
	FROM pg_class c WHERE c.relnamespace = to_regnamespace('allied') AND c.relkind = 'r' AND c.relname = ANY($1)`

// queryer is a transaction or a connection.
type queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// checkpoint is that of a view whose tables are there as this sink makes them. Tables without a row, or a row without its tables, are the
// work of somebody else: what a view then holds is not what its checkpoint says, and nobody may take it for built, or build over it unasked.
func checkpoint(ctx context.Context, db queryer, spec engine.Spec) (engine.Checkpoint, error) {
	at := engine.Checkpoint{Projection: spec.Name}
	var fingerprint string
	var logID [16]byte
	var position, ordinal int64
	err := db.QueryRow(ctx, "SELECT fingerprint, log_id, position, ordinal FROM allied.allied_views WHERE projection = $1 AND partition = 0", spec.Name).
		Scan(&fingerprint, &logID, &position, &ordinal)
	unknown := errors.Is(err, pgx.ErrNoRows)
	switch none := (&engine.NoViewError{Projection: spec.Name, Version: spec.Version}); {
	case err != nil && !unknown:
		return at, err
	case !unknown && fingerprint != spec.Fingerprint():
		return at, none
	case unknown:
		err = none
	}
	if damage := checkTables(ctx, db, spec, !unknown); damage != nil {
		return at, damage
	}
	at.LogID, at.Position, at.Ordinal = uuid.UUID(logID), es.Position(position), uint64(ordinal)
	return at, err
}

// checkTables expects a view's tables to be there as they are declared, or none of them.
func checkTables(ctx context.Context, db queryer, spec engine.Spec, expected bool) error {
	names := make([]string, len(spec.Tables))
	for i, t := range spec.Tables {
		names[i] = t.Name
	}
	rows, err := db.Query(ctx, catalog, names)
	if err != nil {
		return err
	}
	made := map[string]string{}
	var name, text string
	if _, err := pgx.ForEachRow(rows, []any{&name, &text}, func() error { made[name] = text; return nil }); err != nil {
		return err
	}
	for _, t := range spec.Tables {
		switch text, there := made[t.Name]; {
		case !expected && there:
			return damaged("table %s is there, but allied_views knows no view %s", t.Name, spec.Name)
		case expected && !there:
			return damaged("view %s lacks its table %s", spec.Name, t.Name)
		case expected && text != declared(t):
			return damaged("table %s of view %s has other columns than this program makes", t.Name, spec.Name)
		}
	}
	return nil
}

// create drops what is kept of a view and makes it anew, empty. Tables that no row speaks of, or that are gone, are in nobody's way.
func create(ctx context.Context, tx pgx.Tx, spec engine.Spec) error {
	// Without this lock a reader could see the tables of now at the checkpoint of before.
	if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = '%ds'; LOCK TABLE allied.allied_views IN ACCESS EXCLUSIVE MODE", makeSecondsMax)); err != nil {
		return err
	}
	var old string
	err := tx.QueryRow(ctx, "SELECT tables FROM allied.allied_views WHERE projection = $1 AND partition = 0", spec.Name).Scan(&old)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	var names, made []string
	for _, t := range spec.Tables {
		names = append(names, t.Name)
		made = append(made, ddl(t))
		if !t.Hidden {
			made = append(made, report(t))
		}
	}
	var dropped []string
	for _, name := range append(strings.Fields(old), names...) {
		dropped = append(dropped, "DROP VIEW IF EXISTS "+quote("allied_report", name)+", "+quote("allied_sql", name), "DROP TABLE IF EXISTS "+quote("allied", name))
	}
	if _, err := tx.Exec(ctx, strings.Join(append(dropped, made...), ";\n")); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO allied.allied_views VALUES ($1, 0, $2, $3, $4, 0, 0) ON CONFLICT (projection, partition)
		DO UPDATE SET fingerprint = EXCLUDED.fingerprint, tables = EXCLUDED.tables, log_id = EXCLUDED.log_id, position = 0, ordinal = 0`,
		spec.Name, spec.Fingerprint(), strings.Join(names, " "), [16]byte(uuid.Nil))
	return err
}

// admit makes what statements of people read, where a program that did not know of it has made the tables, and lets the role allied_reader,
// where there is one, read what is not hidden.
func admit(ctx context.Context, tx pgx.Tx, spec engine.Spec) error {
	for _, t := range spec.Tables {
		if t.Hidden {
			continue
		}
		var made, role bool
		err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL, to_regrole($2) IS NOT NULL", quote("allied_sql", t.Name), readerRole).Scan(&made, &role)
		if err == nil && !made {
			_, err = tx.Exec(ctx, shownToSQL(t))
		}
		if err == nil && role {
			_, err = tx.Exec(ctx, fmt.Sprintf("GRANT SELECT ON %s, %s, %s TO %s",
				quote("allied", t.Name), quote("allied_report", t.Name), quote("allied_sql", t.Name), readerRole))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
