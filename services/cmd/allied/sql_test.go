package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestEveryFormOfAnAnswer has a value of every kind that SQL gives.
func TestEveryFormOfAnAnswer(t *testing.T) {
	dir := aDay(t)
	query := `SELECT p.first, p.title, over, stage, asset, reached, sum(reached) AS sum, decimal(sum(reached), asset) AS shown, events, 0.25 AS share,
		9007199254740993 AS big, NULL AS none, x'00ff' AS bytes FROM pledge_amounts JOIN pledges p USING (stream)
		WHERE asset <> '' GROUP BY stage, asset ORDER BY sum DESC LIMIT 3`
	for _, form := range forms {
		golden(t, "sql."+form, must(t, "sql", query, "--data", dir, "-o", form))
	}
	if r := try(t, query, "sql", "--data", dir, "-o", "csv"); r.stdout != must(t, "sql", query, "--data", dir, "-o", "csv") {
		t.Errorf("from standard input: %s%s", r.stdout, r.stderr)
	}
}

// TestSQLGivesTheFiguresOfBalances, of every stage on a basis, by donor: each donor of the sample states its values in one currency.
func TestSQLGivesTheFiguresOfBalances(t *testing.T) {
	t.Chdir(t.TempDir())
	fillSample(t)
	const stages = "announced,committed,allocated,reserved,dispatched,handed_over"
	for _, measure := range []string{"reached", "standing"} {
		var want []string
		for _, row := range rowsOf(t, "balances", "--basis", "donor_stated", "--stage", stages, "--by", "donor", "--"+measure, "--instruments", "all", "-o", "csv") {
			want = append(want, strings.Join(row[:5], " "))
		}
		query := fmt.Sprintf(`SELECT donor, stage, max(asset), decimal(exact_sum(%s), max(asset)), sum(unknown) FROM balances
			WHERE basis = 'donor_stated' AND stage IN ('%s') GROUP BY donor, stage`, measure, strings.ReplaceAll(stages, ",", "','"))
		got := map[string]bool{}
		for _, row := range rowsOf(t, "sql", query, "-o", "csv") {
			got[strings.Join(row[:5], " ")] = true
		}
		for _, w := range want {
			if !got[w] {
				t.Errorf("%s: SQL lacks %s", measure, w)
			}
		}
		if len(want) < 20 || len(got) != len(want) {
			t.Errorf("%s: %d rows, want %d", measure, len(got), len(want))
		}
	}
}

// rowsOf runs a command that prints csv, and returns what is below its header.
func rowsOf(t *testing.T, args ...string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(must(t, args...))).ReadAll()
	if err != nil || len(rows) < 1 {
		t.Fatal(err)
	}
	return rows[1:]
}

func TestSQLSaysWhatIsWrong(t *testing.T) {
	dir := aDay(t)
	endless := "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"SELECT * FROM pleges"}, exitUsage, "no such table: pleges at line 1, character 15; did you mean pledges?"},
		{[]string{"SELECT donr FROM balances"}, exitUsage, "did you mean donor?"},
		{[]string{"DROP TABLE balances"}, exitUsage, "a query only reads"},
		{[]string{"SELECT 1; DELETE FROM balances"}, exitUsage, "a second statement begins at line 1, character 11"},
		{[]string{"SELECT * FROM balances_registers"}, exitUsage, "balances_registers is none of the tables for readers"},
		{[]string{"SELECT sum(donor) FROM balances"}, exitFailure, `"NOR" is no amount`},
		{[]string{endless}, exitFailure, "more than 10000 rows are no table"},
		{[]string{"SELECT stream, stream FROM pledges", "-o", "json"}, exitUsage, `two columns are called "stream"`},
		{[]string{"SELECT 1 AS true_at", "-o", "jsonl"}, exitUsage, `two columns are called "true_at"`},
		{[]string{}, exitUsage, "there is no statement"},
		{[]string{"--tables", "SELECT 1"}, exitUsage, "--tables lists"},
		{[]string{"SELECT 1", "2"}, exitUsage, `"2" is one argument too many`},
	} {
		r := try(t, "", append([]string{"sql", "--data", dir}, test.args...)...)
		r.refused(t, test.code, test.want)
		if r.stdout != "" {
			t.Errorf("%v prints %s", test.args, r.stdout)
		}
	}
	try(t, "", "sql", "SELECT 1", "--server", "nats://127.0.0.1:1").refused(t, exitUsage, "give --data instead of --server")
	try(t, "", "sql", "SELECT 1", "--data", t.TempDir()).refused(t, exitFailure, "no ledger in")
	must(t, "replay", "--verify", "--data", dir)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var out, messages bytes.Buffer
	code := run(ctx, []string{"sql", strings.Replace(endless, "SELECT x FROM n", "SELECT count(*) FROM n", 1), "--data", dir}, strings.NewReader(""), &out, &messages)
	if code == exitOK || out.Len() > 0 || ctx.Err() == nil {
		t.Errorf("a query without end ends with %d: %s%s", code, &out, &messages)
	}
}

// TestSQLBesideAServerSeesWhatIsRecorded, at the log's end.
func TestSQLBesideAServerSeesWhatIsRecorded(t *testing.T) {
	dir := aDay(t)
	served(t, "--data", dir)
	record(t, dir)
	rows := rowsOf(t, "sql", "SELECT donor FROM pledges ORDER BY donor", "--data", dir, "-o", "csv")
	if len(rows) != 2 || rows[0][0] != "DNK" || !regexp.MustCompile(`^pledges@\d+\(4\)$`).MatchString(rows[0][1]) {
		t.Errorf("SQL finds %v", rows)
	}
}

// TestTablesAreListed with all that their declarations say.
func TestTablesAreListed(t *testing.T) {
	var doc struct{ Tables []tableDoc }
	if err := json.Unmarshal([]byte(must(t, "sql", "--tables", "-o", "json")), &doc); err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, table := range doc.Tables {
		listed[table.Table] = table.About != ""
		for _, c := range table.Columns {
			listed[table.Table+"."+c.Name] = c.About != ""
		}
	}
	rows := rowsOf(t, "sql", "--tables", "-o", "csv")
	if !listed["balances"] || !listed["shipment_lines.missing_over"] || listed["balances_registers"] || len(rows) != len(listed) {
		t.Errorf("%d rows list %v", len(rows), listed)
	}
}
