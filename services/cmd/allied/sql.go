package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/sink/postgres"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/readable"
	"github.com/spf13/cobra"
)

const (
	// queryBytesMax bounds a query on standard input.
	queryBytesMax = 1 << 20
	// tableRowsMax bounds a table, which is in memory until it is printed; the other forms print each row as it is found.
	tableRowsMax = 10_000
	// exactJSONMax is the greatest integer that every reader of JSON keeps exactly.
	exactJSONMax = 1<<53 - 1
)

// trueAt is the last column of csv and the last member of jsonl: what a row is true at.
const trueAt = "true_at"

func (c *cli) sqlCommand() *cobra.Command {
	var tables bool
	cmd := &cobra.Command{
		Use:   "sql [QUERY]",
		Short: "Ask the read model in SQL, which can only read",
		Long: `Runs one SELECT over the tables of the read model, and says what each view that it read is true at. Without QUERY, or with -, the query
comes from standard input. --tables lists the tables and columns; the dialect is that of SQLite, and with --views that of PostgreSQL.

Amounts are whole numbers of the asset's smallest unit, of up to 38 digits, as text. They compare and sort by their value, and
  sum(amount)             adds them exactly, to an integer of 64 bits; it is an error where that does not do
  exact_sum(amount)       adds them exactly, to text of up to 38 digits; ORDER BY exact_sum(amount) COLLATE amount
  decimal(amount, asset)  writes one with its decimals: 12345 of EUR/2@tracker is 123.45; it sorts as text without COLLATE amount
Never add assets, bases or stages. avg and total are refused, and a figure that lost digits in floating point is an error; + and - count in 64 bits.

Days are text such as 2022-09-13. In JSON, integers beyond 2^53 are text and bytes hexadecimal; in CSV, null is empty. Rows of csv and jsonl end with
what they are true at: view@position(ordinal). Nothing is cut: a table of more than ` + strconv.Itoa(tableRowsMax) + ` rows is refused, the other forms have no bound.

It reads the folder, beside a server too; views that are behind the log catch up first. A folder that cannot be written,
and a database that --views names, are asked as they are.`,
		Example: `  allied sql "SELECT donor, asset, decimal(sum(reached), asset) FROM balances WHERE stage = 'committed' GROUP BY donor, asset"
  allied sql -o csv < query.sql
  allied sql --views postgres://analyst@db2/allied "SELECT count(*) FROM pledges"
  allied sql --tables`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("%q is one argument too many: put the query in quotes", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if tables {
				if len(args) > 0 {
					return usagef("--tables lists what can be asked, and asks nothing; leave out %q", args[0])
				}
				return printTables(boot.Specs()).write(c.stdout, c.form)
			}
			query, err := c.readQuery(args)
			if err != nil {
				return err
			}
			return c.sql(cmd.Context(), query)
		},
	}
	cmd.Flags().BoolVar(&tables, "tables", false, "list the tables and their columns")
	return cmd
}

func (c *cli) readQuery(args []string) (string, error) {
	if len(args) > 0 && args[0] != "-" {
		return args[0], nil
	}
	if isTerminal(c.stdin) && len(args) == 0 {
		return "", usagef("QUERY is missing: give one in quotes, or - to type it; --tables lists what can be asked")
	}
	text, err := io.ReadAll(io.LimitReader(c.stdin, queryBytesMax+1))
	if err != nil {
		return "", fmt.Errorf("read the query from standard input: %w", err)
	}
	if len(text) > queryBytesMax {
		return "", usagef("the query on standard input is longer than %d bytes", queryBytesMax)
	}
	return string(text), nil
}

func (c *cli) sql(ctx context.Context, query string) error {
	if c.views == "" { // else it is asked as it stands: who asks need not reach the log
		if c.store == "" {
			if err := c.checkLog(); err != nil {
				return err
			}
		}
		if err := c.catchUp(ctx); err != nil {
			return refusedQuery(err)
		}
	}
	views, err := c.openQueryable(ctx)
	if err != nil {
		return err
	}
	return errors.Join(refusedQuery(views.Query(ctx, boot.Specs(), query, c.printAnswer)), views.Close())
}

// openQueryable opens the read model for SQL: the database of --views, or the folder's file.
func (c *cli) openQueryable(ctx context.Context) (engine.Queryable, error) {
	if c.views != "" {
		return postgres.OpenQueries(ctx, c.views)
	}
	views, err := sqlite.OpenQueries(viewsFile(c.dataDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &failure{exitUnavailable, err, "no view has been built in this folder yet: try again once its process has begun"}
	}
	return views, err
}

func (c *cli) printAnswer(a *engine.Answer) error {
	switch c.form {
	case formJSON, formJSONL:
		if err := checkNames(a.Columns); err != nil {
			return err
		}
		out := bufio.NewWriter(c.stdout)
		write := writeAnswerLines
		if c.form == formJSON {
			write = writeAnswerDocument
		}
		return errors.Join(write(out, a), out.Flush())
	case formCSV:
		return writeAnswerCSV(c.stdout, a)
	}
	return writeAnswerTable(c.stdout, a)
}

// checkNames refuses columns that an object of JSON cannot tell apart.
func checkNames(columns []engine.Column) error {
	seen := map[string]bool{trueAt: true}
	for _, c := range columns {
		if seen[c.Name] {
			return usagef("two columns are called %q, which JSON cannot tell apart; rename one with AS", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

func writeAnswerLines(w *bufio.Writer, a *engine.Answer) error {
	at := positionsOf(a.Views)
	for row, err := range a.Rows {
		if err != nil {
			return err
		}
		if err := writeJSONLine(w, append(objectOf(a.Columns, row), readable.Member{Name: trueAt, Value: at})); err != nil {
			return err
		}
	}
	return nil
}

// writeAnswerDocument writes one document row by row, as writeJSON would write it. Where an error ends the rows, it is no JSON.
func writeAnswerDocument(w *bufio.Writer, a *engine.Answer) error {
	type column struct {
		Name string `json:"name"`
		Kind string `json:"kind,omitempty"` // of what the table holds; none for what is computed
	}
	type view struct {
		View     string `json:"view"`
		Position uint64 `json:"position"`
		Ordinal  uint64 `json:"ordinal"`
		LogID    string `json:"log_id"`
	}
	columns, views := []column{}, []view{}
	for _, c := range a.Columns {
		columns = append(columns, column{c.Name, kindOf(c)})
	}
	for _, v := range a.Views {
		views = append(views, view{v.Projection, uint64(v.Position), v.Ordinal, v.LogID.String()})
	}
	head, err := encodeJSON(readable.Object{{Name: "columns", Value: columns}, {Name: "views", Value: views}}, "", "  ")
	if err != nil {
		return err
	}
	w.WriteString(strings.TrimSuffix(string(head), "\n}") + ",\n  \"rows\": [") // a bufio.Writer keeps its first error
	separator, end := "\n    ", "]\n}\n"
	for row, err := range a.Rows {
		if err != nil {
			return err
		}
		text, err := encodeJSON(objectOf(a.Columns, row), "    ", "  ")
		if err != nil {
			return err
		}
		w.WriteString(separator)
		if _, err := w.Write(text); err != nil {
			return err
		}
		separator, end = ",\n    ", "\n  ]\n}\n"
	}
	_, err = w.WriteString(end)
	return err
}

func kindOf(c engine.Column) string {
	if c.Kind == 0 {
		return ""
	}
	return c.Kind.String()
}

func objectOf(columns []engine.Column, row []any) readable.Object {
	out := make(readable.Object, len(columns), len(columns)+1)
	for i, c := range columns {
		out[i] = readable.Member{Name: c.Name, Value: jsonOf(row[i])}
	}
	return out
}

// jsonOf is a value as JSON holds it without loss.
func jsonOf(v any) any {
	switch n := v.(type) {
	case []byte:
		return hex.EncodeToString(n)
	case int64:
		if n > exactJSONMax || n < -exactJSONMax {
			return textOf(v)
		}
	}
	return v
}

// textOf is a value as tables and CSV show it.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return hex.EncodeToString(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

func textsOf(row []any) []string {
	texts := make([]string, len(row), len(row)+1)
	for i, v := range row {
		texts[i] = textOf(v)
	}
	return texts
}

// positionsOf says in one word for each view what a row of several is true at.
func positionsOf(views []engine.Checkpoint) string {
	words := make([]string, len(views))
	for i, v := range views {
		words[i] = fmt.Sprintf("%s@%d(%d)", v.Projection, v.Position, v.Ordinal)
	}
	return strings.Join(words, " ")
}

func writeAnswerCSV(w io.Writer, a *engine.Answer) error {
	out := csv.NewWriter(w)
	var header []string
	for _, c := range a.Columns {
		header = append(header, c.Name)
	}
	if err := out.Write(append(header, trueAt)); err != nil {
		return err
	}
	at := positionsOf(a.Views)
	for row, err := range a.Rows {
		if err == nil {
			err = out.Write(append(textsOf(row), at))
		}
		if err != nil {
			out.Flush()
			return errors.Join(err, out.Error())
		}
	}
	out.Flush()
	return out.Error()
}

func writeAnswerTable(w io.Writer, a *engine.Answer) error {
	out := &printout{columns: make([]column, len(a.Columns))}
	for i, c := range a.Columns {
		out.columns[i] = left(c.Name)
		out.columns[i].right = c.Kind == engine.Amount || c.Kind == engine.Int
	}
	for row, err := range a.Rows {
		if err != nil {
			return err
		}
		if len(out.rows) == tableRowsMax {
			return failf(exitFailure, "more than %d rows are no table to read: ask with LIMIT, or for all of them with -o csv", tableRowsMax)
		}
		for i, v := range row {
			switch v := v.(type) {
			case int64, float64:
				out.columns[i].right = true
			case string:
				out.columns[i].right = out.columns[i].right || a.Columns[i].Kind == 0 && isDecimal(v)
			}
		}
		out.add(textsOf(row)...)
	}
	noun := "rows"
	if len(out.rows) == 1 {
		noun = "row"
	}
	out.notes = append(out.notes, fmt.Sprintf("%d %s", len(out.rows), noun))
	for _, v := range a.Views {
		out.notes = append(out.notes, fmt.Sprintf("view %s at position %d (ordinal %d)", v.Projection, v.Position, v.Ordinal))
	}
	return out.writeTable(w)
}

// isDecimal tells figures from other text that is computed.
func isDecimal(text string) bool {
	whole, _, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	return whole != "" && strings.Trim(text, "-.0123456789") == ""
}

// tableDoc describes one table of the read model.
type tableDoc struct {
	View    string      `json:"view"`
	Table   string      `json:"table"`
	About   string      `json:"about"`
	Columns []columnDoc `json:"columns"`
}

type columnDoc struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Key   bool   `json:"key"`
	Null  bool   `json:"null"`
	About string `json:"about"`
}

// printTables lists what a query can read.
func printTables(specs []engine.Spec) *printout {
	docs := []tableDoc{}
	out := &printout{columns: []column{left("table"), left("column"), left("kind"), hidden("key"), hidden("null"), left("about"), hidden("view")}}
	for _, s := range specs {
		for _, t := range s.Tables {
			if t.Hidden {
				continue
			}
			doc := tableDoc{View: s.Name, Table: t.Name, About: t.About}
			out.add(t.Name, "", "", "", "", t.About, s.Name)
			for i, c := range t.Columns {
				d := columnDoc{c.Name, c.Kind.String(), i < t.Key, c.Null, c.About}
				doc.Columns = append(doc.Columns, d)
				out.add(t.Name, d.Name, d.Kind, strconv.FormatBool(d.Key), strconv.FormatBool(d.Null), d.About, s.Name)
			}
			docs = append(docs, doc)
			out.items = append(out.items, doc)
		}
	}
	out.document = struct {
		Tables []tableDoc `json:"tables"`
	}{docs}
	out.notes = []string{"amounts are text, in the smallest unit of the asset beside them; decimal(amount, asset) writes one with its decimals"}
	return out
}
