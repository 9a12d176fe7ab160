package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
	"github.com/google/uuid"
)

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

var shelfSpec = engine.Spec{Name: "shelf", Version: 1, Tables: []engine.Table{
	{Name: "shelf", Key: 1, Columns: []engine.Column{{Name: "id", Kind: engine.Int}}},
}}

const eur = "EUR/2@tracker"

// shelved keeps amounts as books, in their order from 1, and opens them for queries; an empty text is null.
func shelved(t *testing.T, amounts ...string) (*sqlite.Queries, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "views.db")
	sink := open(t, path)
	for _, spec := range []engine.Spec{booksSpec, shelfSpec} {
		if _, err := sink.Open(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	to := engine.Checkpoint{Projection: booksSpec.Name, LogID: uuid.UUID{1: 7}, Position: 40, Ordinal: 4}
	err := sink.Commit(t.Context(), engine.Checkpoint{Projection: booksSpec.Name}, to, func(yield func(int, engine.Row) error) error {
		for i, text := range amounts {
			amount, day := engine.NullOf(engine.Amount), engine.NullOf(engine.Day)
			if text != "" {
				a, err := money.Parse(text, 0)
				if err != nil {
					return err
				}
				amount, day = engine.AmountOf(a), engine.DayOf(int32(19000+i))
			}
			row := engine.Row{engine.IntOf(int64(i + 1)), engine.TextOf(eur), amount, day, engine.BoolOf(i%2 == 0), engine.BytesOf([]byte{0xab, byte(i)})}
			if err := yield(0, row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	q, err := sqlite.OpenQueries(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q, path
}

func asked(ctx context.Context, q *sqlite.Queries, statement string) (rows [][]any, answer engine.Answer, err error) {
	err = q.Query(ctx, []engine.Spec{booksSpec, shelfSpec}, statement, func(a *engine.Answer) error {
		answer = *a
		for row, err := range a.Rows {
			if err != nil {
				return err
			}
			rows = append(rows, append([]any(nil), row...))
		}
		return nil
	})
	return rows, answer, err
}

func TestQueriesAnswerByValue(t *testing.T) {
	q, _ := shelved(t, "5", "1000", "-3", "", "90071992547409931234567", "9007199254740993")
	row := func(values ...any) []any { return values }
	for statement, want := range map[string][][]any{
		"SELECT * FROM books WHERE id = 2":                                                                                    {row(int64(2), eur, "1000", "2022-01-09", false, []byte{0xab, 1})},
		"SELECT amount FROM books ORDER BY amount DESC LIMIT 4":                                                               {row("90071992547409931234567"), row("9007199254740993"), row("1000"), row("5")},
		"SELECT max(amount), min(amount) FROM books":                                                                          {row("90071992547409931234567", "-3")},
		"SELECT id FROM books WHERE amount > 999.5 ORDER BY id":                                                               {row(int64(2)), row(int64(5)), row(int64(6))},
		"WITH b AS MATERIALIZED (SELECT id, amount a FROM books) SELECT id FROM b WHERE a >= 1e3 ORDER BY a":                  {row(int64(2)), row(int64(6)), row(int64(5))},
		"SELECT amount FROM (SELECT amount FROM books LIMIT 9) WHERE amount BETWEEN 1 AND 2000 ORDER BY 1":                    {row("5"), row("1000")},
		"SELECT id FROM books WHERE amount IS NULL AND day IS NULL":                                                           {row(int64(4))},
		"SELECT id FROM books WHERE day >= '2022-01-10' AND over ORDER BY id":                                                 {row(int64(3)), row(int64(5))},
		"SELECT sum(amount) FROM books WHERE id <> 5":                                                                         {row(int64(9007199254741995))},
		"SELECT exact_sum(amount) FROM books":                                                                                 {row("90072001554609185976562")},
		"SELECT sum(amount), exact_sum(amount), sum(id) FROM books WHERE id = 4":                                              {row(nil, nil, int64(4))},
		"SELECT id, sum(id) OVER (ORDER BY id ROWS 1 PRECEDING) FROM books WHERE id < 4 ORDER BY id":                          {row(int64(1), int64(1)), row(int64(2), int64(3)), row(int64(3), int64(5))},
		"SELECT decimal(amount, asset), decimal(amount, ''), decimal(exact_sum(amount), asset) FROM books LIMIT 1":            {row("0.05", nil, "900720015546091859765.62")},
		"SELECT decimal(1234567, 'each/6:truck'), decimal(-5, 'EUR/2@tracker')":                                               {row("1.234567", "-0.05")},
		"SELECT count(*) FROM (SELECT id FROM books)":                                                                         {row(int64(6))},
		"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 9) SELECT count(*) FROM n":                      {row(int64(9))},
		"SELECT value FROM json_each('[7]') -- ; not the end\n ; ":                                                            {row(int64(7))},
		"WITH t(x) AS (VALUES ('99'), ('100000')) SELECT decimal(x, 'EUR/2@tracker') d FROM t ORDER BY d COLLATE amount DESC": {row("1000.00"), row("0.99")},
	} {
		rows, _, err := asked(t.Context(), q, statement)
		if err != nil || !reflect.DeepEqual(rows, want) {
			t.Errorf("%s\nfinds %v, %v\nwant  %v", statement, rows, err, want)
		}
	}
}

// TestAnAnswerNamesTheViewsThatItRead, and the kinds of what it did not compute.
func TestAnAnswerNamesTheViewsThatItRead(t *testing.T) {
	q, _ := shelved(t, "5")
	for statement, want := range map[string][]string{
		"SELECT 1": nil, "SELECT id FROM books": {"books"}, "SELECT count(*) FROM shelf": {"shelf"},
		"SELECT 1 WHERE EXISTS (SELECT * FROM shelf JOIN books USING (id))": {"books", "shelf"},
	} {
		_, a, err := asked(t.Context(), q, statement)
		var got []string
		for _, v := range a.Views {
			got = append(got, v.Projection)
			if at := map[string]es.Position{"books": 40}[v.Projection]; v.Position != at {
				t.Errorf("%s: view %s is at %d, not %d", statement, v.Projection, v.Position, at)
			}
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s reads %v (%v), not %v", statement, got, err, want)
		}
	}
	_, a, err := asked(t.Context(), q, "SELECT amount AS a, day, over, seal, id, asset, id + 1 AS next FROM books")
	var kinds []string
	for _, c := range a.Columns {
		kinds = append(kinds, c.Name+" "+c.Kind.String())
	}
	if got := strings.Join(kinds, ", "); err != nil || got != "a amount, day day, over bool, seal bytes, id int, asset text, next Kind(0)" {
		t.Errorf("columns are %s (%v)", got, err)
	}
}

func TestQueriesOnlyRead(t *testing.T) {
	q, path := shelved(t, "5")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.db")
	for _, statement := range []string{
		"INSERT INTO books (id) VALUES (9)", "REPLACE INTO shelf VALUES (9)", "UPDATE books SET id = 9", "DELETE FROM books", "DROP TABLE books", "ALTER TABLE books RENAME TO b",
		"INSERT INTO shelf VALUES (9) RETURNING id", "WITH x AS (SELECT 9) INSERT INTO shelf SELECT * FROM x", "EXPLAIN DELETE FROM books",
		"CREATE TABLE t (a)", "CREATE TEMP TABLE t (a)", "CREATE TEMP VIEW v AS SELECT 1", "CREATE INDEX i ON books (asset)", "CREATE VIRTUAL TABLE f USING fts5(a)",
		"ATTACH '" + other + "' AS o", "DETACH main", "VACUUM", "VACUUM INTO '" + other + "'", "ANALYZE", "REINDEX",
		"PRAGMA query_only = 0", "PRAGMA user_version = 9", "PRAGMA user_version", "PRAGMA writable_schema = 1", "PRAGMA temp_store_directory = '/'",
		"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "SELECT load_extension('x')", "SELECT avg(id) FROM books", "SELECT total(amount) FROM books", "SELECT ?", "SELECT :name",
		"SELECT * FROM secrets", "SELECT count(*) FROM secrets", "SELECT * FROM main.books", "SELECT * FROM allied_views", "SELECT * FROM sqlite_schema", "SELECT sql FROM sqlite_temp_schema",
		"SELECT * FROM pragma_table_info('books')", "SELECT count(*) FROM pragma_user_version", "SELECT * FROM dbstat", "SELECT data FROM sqlite_dbpage",
	} {
		rows, _, err := asked(t.Context(), q, statement)
		var r *es.Refusal
		if rows != nil || !errors.As(err, &r) || r.Code != "query_refused" || r.Reason == "" || r.Remedy == "" {
			t.Errorf("%s finds %v, %v", statement, rows, err)
		}
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file has changed: %v", err)
	}
	if _, err := os.Stat(other); err == nil {
		t.Error("another file was written")
	}
	if rows, _, err := asked(t.Context(), q, "SELECT id FROM books"); err != nil || len(rows) != 1 {
		t.Errorf("then the books are %v, %v", rows, err)
	}
}

func TestWhatIsWrongWithAQueryIsSaid(t *testing.T) {
	q, _ := shelved(t, "5", "99999999999999999999999999999999999999", "1")
	for statement, want := range map[string]string{
		"": "bad_query: there is no statement", " -- nothing\n;": "bad_query: there is no statement", "SELECT 1; DROP TABLE books": "a second statement begins at line 1, character 11",
		"SELECT ';' /* ; */;\n  VALUES (2)": "a second statement begins at line 2, character 3", "SELECT 1\x00": "holds a NUL",
		"SELECT\n amont FROM books": "bad_query: no such column: amont at line 2, character 2 (did you mean amount?", "SELECT b.dya FROM books b": "did you mean day?",
		"SELECT * FROM boks": "bad_query: no such table: boks at line 1, character 15 (did you mean books?", `SELECT "asst" FROM books`: "did you mean asset?",
		"SELECT id FORM books": `near "books": syntax error at line 1, character 16`, "SELECT id FROM books LIMIT": "incomplete input",
		"SELECT sum(amount) FROM books":       "query_failed: sum: 100000000000000000000000000000000000005 is beyond 64 bits; exact_sum gives it",
		"SELECT exact_sum(amount) FROM books": "query_failed: exact_sum: the sum 100000000000000000000000000000000000005 exceeds the 38 digits",
		"SELECT sum(asset) FROM books":        `query_failed: sum: "EUR/2@tracker" is no amount`, "SELECT exact_sum(seal) FROM books": "bytes are no amount",
		"SELECT sum(id + 0.5) FROM books": "query_failed: sum: 1.5 went through floating point", "SELECT decimal(1, 'EUR')": "query_failed: decimal: ",
		"SELECT amount + 1 AS more FROM books": "query_failed: column more: 1e+38 went through floating point, and has lost digits", "SELECT zeroblob(100000000)": "query_failed: a text or bytes of it exceed 16 MiB",
	} {
		_, _, err := asked(t.Context(), q, statement)
		var r *es.Refusal
		if !errors.As(err, &r) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\nwant %s", statement, err, want)
		}
	}
}

// TestSumsOfAmountsAreExact against math/big, with a million of them around 10^32: SQLite's own sum keeps 15 digits of these.
func TestSumsOfAmountsAreExact(t *testing.T) {
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
	q, _ := shelved(t, amounts...)
	rows, _, err := asked(t.Context(), q, "SELECT exact_sum(amount), decimal(exact_sum(amount), asset) FROM books")
	digits := want.String()
	if err != nil || len(digits) < 36 || rows[0][0] != digits || rows[0][1] != digits[:len(digits)-2]+"."+digits[len(digits)-2:] {
		t.Errorf("the sum is %v (%v), want %s", rows, err, digits)
	}
}

// TestAQueryEndsWithItsContext, before its first row and after it.
func TestAQueryEndsWithItsContext(t *testing.T) {
	q, _ := shelved(t, "5")
	const endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
	for name, statement := range map[string]string{"no row": endless + "SELECT count(*) FROM n", "one row": endless + "SELECT x FROM n WHERE x = 1 OR x < 0"} {
		ctx, cancel := context.WithCancel(t.Context())
		if name == "no row" {
			ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
		}
		defer cancel()
		err := q.Query(ctx, []engine.Spec{booksSpec}, statement, func(a *engine.Answer) error {
			for _, err := range a.Rows {
				if err != nil {
					return err
				}
				cancel()
			}
			return nil
		})
		if !errors.Is(err, ctx.Err()) || ctx.Err() == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAQueryThatGathersTooMuchEnds(t *testing.T) {
	q, _ := shelved(t, "5")
	q.LimitMemory(64)
	_, _, err := asked(t.Context(), q, "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(DISTINCT x || '"+strings.Repeat("x", 1000)+"') FROM n")
	if err == nil || !strings.Contains(err.Error(), "query_failed: it needs more than the 64 MiB of memory") {
		t.Error(err)
	}
}
