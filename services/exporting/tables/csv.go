package tables

import (
	"encoding/csv"
	"io"
	"regexp"
	"strings"
)

// csvWriter writes RFC 4180, in UTF-8, with one line of names.
type csvWriter struct {
	csv  *csv.Writer
	line []string
}

func newCSV(out io.Writer, t *Table) (*csvWriter, error) {
	w := &csvWriter{csv: csv.NewWriter(out), line: make([]string, len(t.Columns))}
	for i, c := range t.Columns {
		w.line[i] = c.Name
	}
	return w, w.csv.Write(w.line)
}

func (w *csvWriter) Write(row Row) error {
	for i, v := range row {
		w.line[i] = inert(text(v))
	}
	return w.csv.Write(w.line)
}

func (w *csvWriter) Close([]Said) error {
	w.csv.Flush()
	return w.csv.Error()
}

// plainNumber is what begins with a sign and is no formula.
var plainNumber = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?$`)

// inert is text that no spreadsheet takes for a formula: an apostrophe stands before what one could.
func inert(text string) string {
	if text == "" || !strings.ContainsRune("=+-@\t\r\n", rune(text[0])) || plainNumber.MatchString(text) {
		return text
	}
	return "'" + text
}
