package postgres_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/sink/postgres"
	"github.com/allied-ledger/allied/projections/sink/postgres/postgrestest"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
	"pgregory.net/rapid"
)

// engines are the two that answer SQL, over the same views.
type engines struct {
	specs  []engine.Spec
	sinks  [2]engine.Sink
	sqlite *sqlite.Queries
	pg     *postgres.Queries
	url    string
}

func bothEngines(t *testing.T, specs ...engine.Spec) *engines {
	t.Helper()
	path := filepath.Join(t.TempDir(), "views.db")
	e := &engines{specs: specs, url: postgrestest.URL(t)}
	file, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	e.sinks = [2]engine.Sink{file, open(t, e.url)}
	for _, spec := range specs {
		for _, s := range e.sinks {
			if _, err := s.Open(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
		}
	}
	if e.sqlite, err = sqlite.OpenQueries(path); err != nil {
		t.Fatal(err)
	}
	e.pg = openQueries(t, e.url)
	t.Cleanup(func() {
		if err := errors.Join(e.sqlite.Close(), file.Close()); err != nil {
			t.Error(err)
		}
	})
	return e
}

func openQueries(t *testing.T, url string) *postgres.Queries {
	t.Helper()
	q, err := postgres.OpenQueries(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

func ask(ctx context.Context, q engine.Queryable, specs []engine.Spec, statement string) (rows [][]any, answer engine.Answer, err error) {
	err = q.Query(ctx, specs, statement, func(a *engine.Answer) error {
		answer = *a
		for row, err := range a.Rows {
			if err != nil {
				return err
			}
			rows = append(rows, slices.Clone(row))
		}
		return nil
	})
	return rows, answer, err
}

// printed is an answer as tables and CSV show it.
func printed(rows [][]any) (lines []string) {
	for _, row := range rows {
		var line []string
		for _, v := range row {
			switch v := v.(type) {
			case nil:
				line = append(line, "")
			case []byte:
				line = append(line, hex.EncodeToString(v))
			default:
				line = append(line, fmt.Sprint(v))
			}
		}
		lines = append(lines, strings.Join(line, "|"))
	}
	return lines
}

// agree asks both for each statement, and compares every cell; where the statement has no order, sorted.
func (e *engines) agree(t *testing.T, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		first, one, err := ask(t.Context(), e.sqlite, e.specs, statement)
		if err != nil {
			t.Errorf("SQLite: %s: %v", statement, err)
			continue
		}
		second, other, err := ask(t.Context(), e.pg, e.specs, statement)
		if err != nil {
			t.Errorf("PostgreSQL: %s: %v", statement, err)
			continue
		}
		a, b := printed(first), printed(second)
		if !strings.Contains(statement, "ORDER BY") {
			slices.Sort(a)
			slices.Sort(b)
		}
		if !slices.Equal(a, b) {
			t.Errorf("%s:\nSQLite     %q\nPostgreSQL %q", statement, a, b)
		}
		for i, c := range one.Columns {
			if c.Kind == 0 { // each engine has names of its own for what is computed and has none
				one.Columns[i].Name, other.Columns[i].Name = "", ""
			}
		}
		if !reflect.DeepEqual(one.Columns, other.Columns) || !reflect.DeepEqual(one.Views, other.Views) {
			t.Errorf("%s: columns %v of views %v, and on PostgreSQL %v of %v", statement, one.Columns, one.Views, other.Columns, other.Views)
		}
	}
}

var booksSpec = engine.Spec{Name: "books", Version: 1, Tables: []engine.Table{
	{Name: "books", Key: 1, Columns: []engine.Column{
		{Name: "id", Kind: engine.Int},
		{Name: "asset", Kind: engine.Text},
		{Name: "amount", Kind: engine.Amount, Null: true},
		{Name: "day", Kind: engine.Day, Null: true},
		{Name: "over", Kind: engine.Bool},
		{Name: "seal", Kind: engine.Bytes},
	}},
	{Name: "secrets", Key: 1, Hidden: true, Columns: []engine.Column{{Name: "id", Kind: engine.Int}}},
}}

var shelfSpec = engine.Spec{Name: "shelf", Version: 1, Tables: []engine.Table{{Name: "shelf", Key: 1, Columns: []engine.Column{{Name: "id", Kind: engine.Int}}}}}

// shelved keeps amounts as books in both engines, in their order from 1; an empty text is null.
func shelved(t *testing.T, amounts ...string) *engines {
	t.Helper()
	e := bothEngines(t, booksSpec, shelfSpec)
	for _, sink := range e.sinks {
		commitRows(t, sink, booksSpec, 0, func(yield func(engine.Row) error) error {
			for i, text := range amounts {
				value, day := engine.NullOf(engine.Amount), engine.NullOf(engine.Day)
				if text != "" {
					value, day = amount(t, text), engine.DayOf(int32(19000+i))
				}
				row := engine.Row{engine.IntOf(int64(i + 1)), engine.TextOf("EUR/2@tracker"), value, day, engine.BoolOf(i%2 == 0), engine.BytesOf([]byte{0xab, byte(i)})}
				if err := yield(row); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return e
}

func TestBothEnginesAnswerTheSame(t *testing.T) {
	shelved(t, "5", "1000", "-3", "", "90071992547409931234567", "9007199254740993").agree(t,
		"SELECT 1", "SELECT * FROM books ORDER BY id", "SELECT count(*) FROM shelf", "SELECT 1 WHERE EXISTS (SELECT * FROM shelf JOIN books USING (id))",
		"SELECT count(*) FROM books, shelf WHERE 1 = 0", "SELECT b.id FROM books b LEFT JOIN shelf s ON s.id = b.id ORDER BY 1",
		"SELECT amount FROM books WHERE amount IS NOT NULL ORDER BY amount DESC LIMIT 4", "SELECT amount FROM books WHERE amount <> '5' ORDER BY amount COLLATE amount",
		"SELECT max(amount), min(amount) FROM books", "SELECT id FROM books WHERE amount > 999.5 ORDER BY id",
		"WITH b AS MATERIALIZED (SELECT id, amount a FROM books) SELECT id FROM b WHERE a >= 1e3 ORDER BY a",
		"SELECT amount FROM (SELECT amount FROM books LIMIT 9) AS b WHERE amount BETWEEN 1 AND 2000 ORDER BY 1",
		"SELECT id FROM books WHERE amount IS NULL AND day IS NULL", "SELECT id FROM books WHERE day >= '2022-01-10' AND over ORDER BY id",
		"SELECT min(day), max(day), count(day) FROM books", "SELECT substr(day, 1, 4) AS year, count(*) FROM books GROUP BY 1", "SELECT day FROM books ORDER BY day NULLS FIRST",
		"SELECT sum(amount) FROM books WHERE id <> 5", "SELECT exact_sum(amount) FROM books", "SELECT sum(amount), exact_sum(amount), sum(id) FROM books WHERE id = 4",
		"SELECT sum(amount) / count(*), sum(id) / count(*), sum(id) / 2 FROM books WHERE id <> 5", "SELECT sum(amount) FROM books WHERE id < 0",
		"SELECT over, sum(amount) AS total, exact_sum(amount) AS exact FROM books WHERE id <> 5 GROUP BY over ORDER BY exact COLLATE amount DESC",
		"SELECT over FROM books WHERE id <> 5 GROUP BY over HAVING exact_sum(amount) <> '0' ORDER BY exact_sum(amount) collate amount",
		"SELECT id, sum(id) OVER (ORDER BY id ROWS 1 PRECEDING) FROM books WHERE id < 4 ORDER BY id",
		"SELECT id, sum(amount) OVER (ORDER BY id ROWS 1 PRECEDING), exact_sum(amount) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING), rank() OVER (ORDER BY id DESC) FROM books WHERE id <> 5 ORDER BY id",
		"SELECT decimal(amount, asset), decimal(amount, ''), decimal(sum(amount) OVER (), asset) FROM books WHERE id <> 5",
		"SELECT decimal(exact_sum(amount), max(asset)) FROM books", "SELECT decimal(1234567, 'each/6:truck'), decimal(-5, 'EUR/2@tracker'), decimal('7', 'JPY/0@tracker'), decimal(NULL, '')",
		"SELECT id > 2, over, NOT over, id + 1, -id, id % 2, id / 2, amount IS NULL, CASE WHEN over THEN 'yes' ELSE 'no' END FROM books ORDER BY id",
		"SELECT count(*) FROM (SELECT id FROM books) AS b", "SELECT count(*) FILTER (WHERE over), count(DISTINCT asset) FROM books",
		"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 9) SELECT count(*) FROM n", "SELECT CAST(7 AS decimal(9, 0)), DECIMAL (7, 'EUR/2@tracker')", "VALUES (1, 'a'), (2, 'b;''c')",
		"SELECT 'it''s; /* no comment */' AS \"a \"\"b\", 7 -- ; not the end\n ; ", "SELECT amount + 1, amount - 1, amount * 2, -amount FROM books WHERE id <= 3 ORDER BY id",
		"SELECT asset || ' ' || id, upper(asset), length(asset), coalesce(amount, 0), nullif(id, 1), abs(id), round(1.25, 1) FROM books WHERE id < 4 ORDER BY id",
	)
}

// ofTheGuide are the statements of the guide that are answered.
func ofTheGuide(t *testing.T) (statements []string) {
	page, err := os.ReadFile("../../../docs/guides/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\$ bin/allied sql (?:-o csv )?"(.*)"\n([^\n]*)`).FindAllStringSubmatch(string(page), -1) {
		if !strings.HasPrefix(m[2], "allied sql: ") {
			statements = append(statements, strings.Replace(m[1], "ORDER BY open DESC, donor, kind LIMIT", "ORDER BY open DESC, donor, kind, cause LIMIT", 1))
		}
	}
	if len(statements) < 6 {
		t.Fatalf("the guide has %d statements", len(statements))
	}
	return statements
}

// The examples of the guide, and more, over one random history.
func TestBothEnginesAnswerTheSameOfAHistory(t *testing.T) {
	log := rapid.Custom(func(r *rapid.T) *enginetest.Log { return enginetest.RandomOfAll(t, r) }).Example(1)
	var specs []engine.Spec
	for _, create := range views {
		specs = append(specs, create().Spec())
	}
	e := bothEngines(t, specs...)
	statements := []string{
		"SELECT donor, asset, decimal(sum(reached), asset) AS committed, sum(unknown) AS unknown FROM balances WHERE stage = 'committed' AND instrument NOT IN ('guarantee', 'swap') GROUP BY donor, asset ORDER BY donor, asset",
		"SELECT p.title, decimal(a.standing, a.asset) AS standing, a.asset FROM pledge_amounts a JOIN pledges p USING (stream) WHERE a.standing > 0 ORDER BY a.standing DESC, a.stream, a.number, a.stage, a.asset",
		"SELECT kind, cause, donor, count(*) AS open FROM exceptions WHERE NOT resolved GROUP BY kind, cause, donor ORDER BY open DESC, donor, kind, cause LIMIT 5",
		"SELECT stage, asset, exact_sum(reached) AS reached FROM balances WHERE asset <> '' GROUP BY stage, asset ORDER BY stage, asset LIMIT 20",
		"SELECT stage, asset, sum(reached) AS s, exact_sum(reached), decimal(exact_sum(reached), asset), count(*) FROM pledge_amounts GROUP BY stage, asset ORDER BY s DESC, stage, asset",
		"SELECT stage, asset, max(reached), min(standing), sum(standing) / count(*) FROM balances GROUP BY stage, asset",
		"SELECT stream, stage, asset, standing, row_number() OVER (PARTITION BY stage ORDER BY standing, stream, number, asset) FROM pledge_amounts",
	}
	statements = append(statements, ofTheGuide(t)...)
	for _, spec := range specs {
		for _, table := range spec.Tables {
			if !table.Hidden {
				statements = append(statements, "SELECT * FROM "+table.Name)
			}
		}
	}
	for _, create := range views {
		for _, sink := range e.sinks {
			enginetest.Run(t, engine.NewWorker(create, log, sink, engine.Config{}), log)
		}
	}
	e.agree(t, statements...)
	if rows, _, err := ask(t.Context(), e.pg, specs, "SELECT * FROM pledge_amounts"); err != nil || len(rows) < 5 {
		t.Errorf("a history of %d amounts says little (%v)", len(rows), err)
	}
}

// A million amounts near 10^32 on both, against math/big.
func TestSumsOfPeopleAreExact(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 20_000
	}
	random := rand.New(rand.NewPCG(1, 2))
	amounts, want := make([]string, n), new(big.Int)
	near := new(big.Int).Exp(big.NewInt(10), big.NewInt(32), nil)
	for i := range amounts {
		a := new(big.Int).Sub(near, big.NewInt(random.Int64()))
		if random.IntN(3) == 0 {
			a.Neg(a)
		}
		amounts[i] = a.String()
		want.Add(want, a)
	}
	e := shelved(t, amounts...)
	const statement = "SELECT exact_sum(amount), decimal(exact_sum(amount), max(asset)) FROM books"
	e.agree(t, statement)
	rows, _, err := ask(t.Context(), e.pg, e.specs, statement)
	if err != nil || rows[0][0] != want.String() {
		t.Errorf("the sum is %v (%v), want %s", rows, err, want)
	}
}

// TestQueriesOnlyReadOnPostgreSQL what is shown, also where the URL names a superuser.
func TestQueriesOnlyReadOnPostgreSQL(t *testing.T) {
	e := shelved(t, "5")
	execute(t, connect(t, e.url), "CREATE SEQUENCE public.numbers; GRANT USAGE ON SEQUENCE public.numbers TO PUBLIC; CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TABLE public.others (a int)")
	for _, statement := range []string{
		"INSERT INTO books (id) VALUES (9)", "INSERT INTO allied.shelf VALUES (9)", "UPDATE allied.books SET id = 9", "DELETE FROM allied.books", "DROP TABLE allied.books", "TRUNCATE allied.books",
		"WITH x AS (INSERT INTO allied.shelf VALUES (9) RETURNING id) SELECT * FROM x", "WITH x AS (DELETE FROM allied.books RETURNING id) SELECT id FROM x", "INSERT INTO allied.shelf VALUES (9) RETURNING id",
		"EXPLAIN ANALYZE DELETE FROM allied.books", "CREATE TABLE t (a int)", "CREATE TEMP TABLE t AS SELECT 1", "SELECT id INTO t FROM books", "SELECT id FROM books FOR UPDATE", "SELECT id FROM allied.books FOR SHARE",
		"COPY allied.books TO PROGRAM 'cat'", "COPY (SELECT 1) TO STDOUT", "VACUUM", "ANALYZE", "LOCK TABLE allied.books", "DO 'BEGIN END'", "CALL x()", "SET ROLE postgres", "RESET ROLE", "SET TRANSACTION READ WRITE", "SHOW ALL",
		"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "LISTEN x", "NOTIFY x", "PREPARE p AS SELECT 1", "EXECUTE asked", "DEALLOCATE ALL", "DECLARE c CURSOR FOR SELECT 1", "FETCH ALL FROM c", "DISCARD ALL",
		"SELECT nextval('public.numbers')", "SELECT setval('public.numbers', 5)", "SELECT pg_sleep(60)", "SELECT pg_terminate_backend(1)", "SELECT pg_read_file('/etc/passwd')", "SELECT lo_create(7)", "SELECT lo_import('/etc/passwd')",
		"SELECT set_config('role', 'postgres', true)", "SELECT SET_CONFIG /* so */ ('role', 'none', true)", `SELECT "set_config"('role', 'none', true)`, `SELECT U&"set\005fconfig"('role', 'none', true)`,
		"SELECT pg_catalog.set_config('role', 'none', true)", "SELECT E'\\'', set_config('role', 'none', true) --'", "SELECT E'a' -- and on\n '\\'', set_config('role', 'none', true) --'", "SELECT $a$ ' $a$, set_config('role', 'none', true) --'", "SELECT /* /* */ ' */ set_config('role', 'none', true) --'",
		"SELECT query_to_xml('SELECT * FROM allied.books', true, true, '')", "SELECT table_to_xml('allied.books', true, true, '')", "SELECT * FROM ts_stat('SELECT seal FROM allied.books')", "SELECT pg_advisory_lock(1)", "SELECT pg_notify('a', 'b')",
		"SELECT 1 LIMIT length(query_to_xml('SELECT 1', true, true, '')::text)", "SELECT * FROM pg_stat_get_activity(NULL)", "SELECT txid_current(), pg_current_xact_id()", "SELECT dblink('x', 'SELECT 1')", "SELECT public.mine()", "SELECT 1 OPERATOR(public.+) 1",
		"SELECT avg(id) FROM books", "SELECT total(amount) FROM books", "SELECT $1", "SELECT id FROM books WHERE id = $1",
		"SELECT * FROM secrets", "SELECT count(*) FROM allied.secrets", "TABLE allied.secrets", "SELECT 1 WHERE false AND EXISTS (SELECT * FROM allied.secrets)", "SELECT * FROM allied.allied_migrations", "SELECT * FROM allied . ALLIED_VIEWS", "SELECT * FROM pg_class", "SELECT count(*) FROM pg_catalog.pg_authid", "SELECT * FROM pg_stat_activity", "SELECT * FROM pg_locks",
		"SELECT * FROM information_schema.tables", "SELECT * FROM public.others",
	} {
		rows, _, err := ask(t.Context(), e.pg, e.specs, statement)
		var r *es.Refusal
		if rows != nil || !errors.As(err, &r) || r.Code != "query_refused" && !(r.Code == "bad_query" && strings.Contains(err.Error(), "does not exist")) || r.Reason == "" || r.Remedy == "" {
			t.Errorf("%s finds %v, %v", statement, rows, err)
		}
	}
	if got := query(t, e.url, "SELECT concat((SELECT count(*) FROM allied.books), (SELECT count(*) FROM allied.shelf), (SELECT is_called FROM public.numbers))"); got != "10f" {
		t.Errorf("the database has changed: %s", got)
	}
	e.agree(t, "SELECT id FROM books")
}

// Whichever way a table is named, its view is told, also where no row of it is needed.
func TestAnswerNamesTheViewsWhateverThePlan(t *testing.T) {
	e := shelved(t, "5")
	for statement, want := range map[string]string{
		"SELECT 1": "", "SELECT * FROM allied.shelf": "shelf", "SELECT amount, day FROM allied_report.books": "books", "TABLE books": "books",
		"SELECT 1 WHERE false AND EXISTS (SELECT * FROM shelf)": "shelf", "SELECT b.id FROM books b LEFT JOIN shelf s USING (id)": "books shelf", "WITH unread AS (SELECT * FROM shelf) SELECT 1": "shelf",
	} {
		_, answer, err := ask(t.Context(), e.pg, e.specs, statement)
		var got []string
		for _, v := range answer.Views {
			got = append(got, v.Projection)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %v (%v), want %s", statement, got, err, want)
		}
	}
}

func TestWhatIsWrongWithAQueryIsSaidByPostgreSQL(t *testing.T) {
	e := shelved(t, "5", "99999999999999999999999999999999999999", "1")
	for statement, want := range map[string]string{
		"": "bad_query: there is no statement", " -- nothing\n;": "bad_query: there is no statement", "SELECT 1; DROP TABLE books": "a second statement begins at line 1, character 11",
		"SELECT ';' /* ; /* */ */;\n  VALUES (2)": "a second statement begins at line 2, character 3", "SELECT $x$;$x$; SELECT 1": "a second statement begins at line 1, character 17", "SELECT 1\x00": "holds a NUL",
		"SELECT\n amont FROM books": `bad_query: column "amont" does not exist at line 2, character 2 (did you mean amount?`, "SELECT 'ä', b.dya FROM books b": "at line 1, character 13 (did you mean day?",
		"SELECT * FROM boks": `bad_query: relation "boks" does not exist at line 1, character 15 (did you mean books?`, `SELECT "asst" FROM books`: "did you mean asset?", "SELECT * FROM allied.boks": "did you mean books?",
		"SELECT id FORM books": `syntax error at or near "books" at line 1, character 16`, "SELECT id FROM books LIMIT": "syntax error at end of input",
		"SELECT decimal(id, asset), amont FROM books": "at line 1, character 28 (did you mean amount?", "SELECT nosuch(id) FROM books": "bad_query: function nosuch(bigint) does not exist", "SELECT id FROM books WHERE id = 'x'": `bad_query: invalid input syntax for type bigint: "x"`,
		"SELECT asset FROM books ORDER BY asset COLLATE amount": "COLLATE amount orders amounts", "SELECT asset AS a FROM books ORDER BY a COLLATE amount": "column a is ordered by COLLATE amount, and is no number",
		"SELECT nowhere COLLATE amount FROM books":        `column "nowhere" does not exist`,
		"SELECT sum(amount) FROM books":                   "query_failed: value \"100000000000000000000000000000000000005\" is out of range for type bigint (exact_sum gives sums beyond 64 bits)",
		"SELECT decimal(1, 'EUR')":                        "query_failed: invalid input syntax for type numeric: \"1e- of the asset EUR\"",
		"SELECT CAST(amount AS float) AS more FROM books": "query_failed: column more: 1e+38 went through floating point, and has lost digits", "SELECT CAST('NaN' AS float) AS odd": "column odd: NaN",
		"SELECT repeat('x', 100000000)": "query_failed: a text or bytes of it exceed 16 MiB", "SELECT 1 / (id - 1) FROM books": "query_failed: division by zero",
	} {
		_, _, err := ask(t.Context(), e.pg, e.specs, statement)
		var r *es.Refusal
		if !errors.As(err, &r) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\nwant %s", statement, err, want)
		}
	}
}

// Before its first row, after it, and where the caller has seen enough, the server ends the statement too.
func TestAQueryOfPostgreSQLEndsWithItsContext(t *testing.T) {
	e := shelved(t, "5")
	const endless = "WITH RECURSIVE n(x) AS (SELECT 1::bigint UNION ALL SELECT x + 1 FROM n) "
	enough := errors.New("enough")
	for name, statement := range map[string]string{
		"no row": endless + "SELECT x FROM n WHERE x < 0", "rows": endless + "SELECT x FROM n WHERE x < 100000", "enough": endless + "SELECT x FROM n",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if name == "no row" {
			ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
		}
		defer cancel()
		err := e.pg.Query(ctx, e.specs, statement, func(a *engine.Answer) error {
			for _, err := range a.Rows {
				switch {
				case err != nil:
					return err
				case name == "enough":
					return enough
				}
				cancel()
			}
			return nil
		})
		if name == "enough" && err != enough || name != "enough" && (!errors.Is(err, ctx.Err()) || ctx.Err() == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
	watch := connect(t, e.url)
	for running := 1; running > 0; {
		if err := watch.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'WITH RECURSIVE%' AND state = 'active'").Scan(&running); err != nil {
			t.Fatal(err)
		}
	}
}

// What an administrator allows people holds for their queries, and not for the ledger's own sessions.
func TestBoundsOfADatabaseHoldForQueries(t *testing.T) {
	e := shelved(t, "5")
	execute(t, connect(t, e.url), `DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET statement_timeout = 100'; END $$`)
	const long = "WITH RECURSIVE n(x) AS (SELECT 1::bigint UNION ALL SELECT x + 1 FROM n) SELECT x FROM n WHERE x < 0"
	err := e.pg.Query(t.Context(), e.specs, long, func(a *engine.Answer) (last error) {
		for _, err := range a.Rows {
			last = err
		}
		return last
	})
	var refused *es.Refusal
	if !errors.As(err, &refused) || refused.Code != "query_failed" || refused.Remedy == "" {
		t.Errorf("a query that takes longer than the database allows: %v", err)
	}
}

// Who may not take the role of readers is told what an administrator runs; who may, needs nothing else.
func TestQueriesRunInTheRoleOfReaders(t *testing.T) {
	e := shelved(t, "5")
	conn := connect(t, e.url)
	name := "asker" + hex.EncodeToString([]byte(t.Name()))[:8] + fmt.Sprint(rand.Uint32())
	execute(t, conn, "CREATE ROLE "+name+" LOGIN; GRANT USAGE ON SCHEMA allied TO "+name+"; GRANT SELECT ON allied.allied_migrations TO "+name)
	url := strings.Replace(e.url, "user=postgres", "user="+name, 1)
	if q, err := postgres.OpenQueries(t.Context(), url); err == nil || !strings.Contains(err.Error(), "GRANT allied_reader TO") {
		t.Errorf("%v, %v", q, err)
	}
	execute(t, conn, "GRANT allied_reader TO "+name)
	rows, _, err := ask(t.Context(), openQueries(t, url), e.specs, "SELECT amount, current_user FROM books")
	if err != nil || len(rows) != 1 || rows[0][0] != "5" || rows[0][1] != "allied_reader" {
		t.Errorf("%v, %v", rows, err)
	}
}

// A database of a program before this one asks nothing until the views are opened once, and then all, without being built again.
func TestDatabaseOfALayoutBeforeIsAsked(t *testing.T) {
	url := postgrestest.URL(t)
	sink := open(t, url)
	enginetest.Build(t, filled(t, 10), sink, enginetest.NewTally)
	conn := connect(t, url)
	execute(t, conn, "DROP SCHEMA allied_sql CASCADE; DELETE FROM allied.allied_migrations WHERE layout = 3")
	if _, err := postgres.OpenQueries(t.Context(), url); err == nil || !strings.Contains(err.Error(), "layout 2, and SQL needs 3: start the role views") {
		t.Error(err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	sink = open(t, url)
	q, specs := openQueries(t, url), []engine.Spec{enginetest.TallySpec}
	var none *engine.NoViewError
	if _, _, err := ask(t.Context(), q, specs, "SELECT * FROM tally"); !errors.As(err, &none) {
		t.Error(err)
	}
	if _, err := sink.Open(t.Context(), enginetest.TallySpec); err != nil {
		t.Fatal(err)
	}
	if rows, a, err := ask(t.Context(), q, specs, "SELECT * FROM tally"); err != nil || len(rows) == 0 || a.Views[0].Position == 0 {
		t.Errorf("%v %v, %v", rows, a.Views, err)
	}
}

// Without the role of readers nothing is asked, and the error says how to make it.
func TestQueriesNeedTheRoleOfReaders(t *testing.T) {
	server := postgrestest.Start(t)
	url := server.URL(t)
	open(t, url)
	execute(t, connect(t, url), "DROP OWNED BY allied_reader; DROP ROLE allied_reader")
	if _, err := postgres.OpenQueries(t.Context(), url); err == nil || !strings.Contains(err.Error(), "CREATE ROLE allied_reader NOLOGIN; GRANT allied_reader TO \"postgres\"") {
		t.Error(err)
	}
}

// The ledger's own role takes the role that it made, though it is no superuser.
func TestOwnerTakesTheRoleOfReaders(t *testing.T) {
	server := postgrestest.Start(t)
	url := server.URL(t)
	execute(t, connect(t, url), "CREATE ROLE owner LOGIN CREATEROLE; DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO owner', current_database()); END $$")
	url = strings.Replace(url, "user=postgres", "user=owner", 1)
	enginetest.Build(t, filled(t, 10), open(t, url), enginetest.NewTally)
	if rows, _, err := ask(t.Context(), openQueries(t, url), []engine.Spec{enginetest.TallySpec}, "SELECT current_user, sum(events) FROM tally"); err != nil || rows[0][0] != "allied_reader" {
		t.Errorf("%v, %v", rows, err)
	}
}
