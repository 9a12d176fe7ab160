package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// The forms that data on standard output can take.
const (
	formTable = "table" // for people: aligned, digits grouped, basis and position below
	formJSON  = "json"  // one document
	formJSONL = "jsonl" // one document a line
	formCSV   = "csv"   // a header and rows; every row repeats what it is true for
)

var forms = []string{formTable, formJSON, formJSONL, formCSV}

// column heads one column of a printout.
type column struct {
	name    string // in csv
	title   string // in the table; the name where empty
	right   bool   // aligned to the right, as figures are
	grouped bool   // digits are grouped in the table
	csvOnly bool   // the table says it once, below itself
}

func left(name string) column   { return column{name: name} }
func right(name string) column  { return column{name: name, right: true} }
func amount(name string) column { return column{name: name, right: true, grouped: true} }
func hidden(name string) column { return column{name: name, csvOnly: true} }

// printout is one answer in every form that it can be printed in.
type printout struct {
	document any      // the whole, for json
	items    []any    // one for each line of jsonl
	columns  []column // for table and csv
	rows     [][]string
	csvRows  [][]string // under the rows in csv; the table has notes instead
	totals   [][]string // under the rows of the table, and nowhere else
	notes    []string   // printed under the table: what every figure above is true for
}

func (p *printout) add(cells ...string) { p.rows = append(p.rows, cells) }

// write prints p on w in the form.
func (p *printout) write(w io.Writer, form string) error {
	switch form {
	case formJSON:
		return writeJSON(w, p.document)
	case formJSONL:
		for _, item := range p.items {
			if err := writeJSONLine(w, item); err != nil {
				return err
			}
		}
		return nil
	case formCSV:
		return p.writeCSV(w)
	}
	return p.writeTable(w)
}

func writeJSON(w io.Writer, v any) error {
	text, err := encodeJSON(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

func writeJSONLine(w io.Writer, v any) error {
	text, err := encodeJSON(v, "", "")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

// encodeJSON leaves <, > and & as they are: this is data for programs and people, not for a page.
func encodeJSON(v any, prefix, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent(prefix, indent)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the answer as JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (p *printout) writeCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	header := make([]string, len(p.columns))
	for i, c := range p.columns {
		header[i] = c.name
	}
	if err := out.Write(header); err != nil {
		return err
	}
	if err := out.WriteAll(p.rows); err != nil {
		return err
	}
	return out.WriteAll(p.csvRows) // which flushes
}

// plain is a table without a frame: it stays readable in a mail and in a narrow terminal.
var plain = table.Style{
	Name:   "plain",
	Box:    table.BoxStyle{MiddleHorizontal: "─", MiddleSeparator: "  ", PaddingLeft: "", PaddingRight: "", MiddleVertical: "  "},
	Format: table.FormatOptions{Header: text.FormatDefault, Footer: text.FormatDefault},
	Options: table.Options{
		SeparateColumns: true, SeparateHeader: true, SeparateFooter: true,
	},
}

func (p *printout) writeTable(w io.Writer) error {
	var b strings.Builder
	if len(p.rows) > 0 {
		for line := range strings.Lines(p.table().Render()) {
			b.WriteString(strings.TrimRight(line, " \n"))
			b.WriteByte('\n')
		}
	}
	for _, note := range p.notes {
		b.WriteString(visibleLines(note))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *printout) table() table.Writer {
	t := table.NewWriter()
	t.SetStyle(plain)
	var header table.Row
	var configs []table.ColumnConfig
	for _, c := range p.columns {
		if c.csvOnly {
			continue
		}
		header = append(header, cmp.Or(c.title, c.name))
		config := table.ColumnConfig{Number: len(header)}
		if c.right {
			config.Align, config.AlignHeader, config.AlignFooter = text.AlignRight, text.AlignRight, text.AlignRight
		}
		configs = append(configs, config)
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	for _, cells := range p.rows {
		t.AppendRow(p.tableRow(cells))
	}
	for _, cells := range p.totals {
		t.AppendFooter(p.tableRow(cells))
	}
	return t
}

func (p *printout) tableRow(cells []string) table.Row {
	var row table.Row
	for i, cell := range cells {
		switch {
		case p.columns[i].csvOnly:
			continue
		case p.columns[i].grouped:
			cell = shownAmount(cell)
		}
		row = append(row, visible(cell))
	}
	return row
}

// quantityScale is the decimal places of units of items; no currency has as many.
const quantityScale = 6

// shownAmount is an amount as tables print it: digits grouped, and units of items without the zeros that say nothing.
func shownAmount(decimal string) string {
	if i := strings.IndexByte(decimal, '.'); i >= 0 && len(decimal)-i-1 == quantityScale {
		decimal = strings.TrimSuffix(strings.TrimRight(decimal, "0"), ".")
	}
	return groupDigits(decimal)
}

// groupDigits parts the whole digits of decimal text by threes with a blank, the one mark that no country reads as a decimal sign. What
// is not decimal text stays as it is.
func groupDigits(decimal string) string {
	whole, rest := decimal, ""
	if i := strings.IndexByte(decimal, '.'); i >= 0 {
		whole, rest = decimal[:i], decimal[i:]
	}
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for _, c := range whole {
		if c < '0' || c > '9' {
			return decimal
		}
	}
	var b strings.Builder
	for i, c := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return sign + b.String() + rest
}

// wrapped joins words into lines of at most so many characters, where words allow.
func wrapped(words []string, width int) string {
	var b strings.Builder
	column := 0
	for i, w := range words {
		if i > 0 {
			b.WriteString(", ")
			column += 2
		}
		if column+len(w) > width {
			b.WriteString("\n  ")
			column = 2
		}
		b.WriteString(w)
		column += len(w)
	}
	return strings.ReplaceAll(b.String(), ", \n", ",\n")
}
