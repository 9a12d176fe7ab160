package dashboard_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/services/internal/browsertest"
)

// table is what a picture shows, as a table: its rows by their first cell, its columns by their header.
type table struct {
	t       testing.TB
	columns map[string]int
	rows    [][]browsertest.Cell
}

// behind opens the table behind a picture, whole.
func behind(t testing.TB, p *browsertest.Page, figure string) *table {
	t.Helper()
	p.Click("#" + figure + " button[aria-controls]")
	p.Await(fmt.Sprintf(`document.querySelector("#%s .data table")`, figure))
	if browsertest.Eval[bool](p, fmt.Sprintf(`!!document.querySelector("#%s .data .more")`, figure)) {
		p.Click("#" + figure + " .data .more")
		p.Await(fmt.Sprintf(`!document.querySelector("#%s .data .more")`, figure))
	}
	return tableAt(t, p, "#"+figure+" .data table")
}

func tableAt(t testing.TB, p *browsertest.Page, selector string) *table {
	t.Helper()
	rows := p.Cells(selector)
	if n := browsertest.Eval[int](p, fmt.Sprintf(`+(document.querySelector(%q).getAttribute("aria-rowcount") ?? -1)`, selector)); n >= 0 && n != len(rows) {
		t.Fatalf("%s has %d rows, and shows %d", selector, n, len(rows))
	}
	out := &table{t, map[string]int{}, rows[1:]}
	for i, c := range rows[0] {
		out.columns[c.Text] = i
	}
	return out
}

// at is the cell of a row in a column.
func (t *table) at(row []browsertest.Cell, column string) browsertest.Cell {
	t.t.Helper()
	i, ok := t.columns[column]
	if !ok {
		t.t.Fatalf("there is no column %q in %v", column, t.columns)
	}
	return row[i]
}

// of is the cell of the row that begins with a text.
func (t *table) of(first, column string) browsertest.Cell {
	t.t.Helper()
	for _, row := range t.rows {
		if row[0].Text == first {
			return t.at(row, column)
		}
	}
	t.t.Errorf("no row begins with %q", first)
	return browsertest.Cell{}
}

// shows tells of a figure that it is the amount wanted, printed as its reader writes it; an empty amount is one that nobody reported.
func shows(t testing.TB, what string, c browsertest.Cell, want, language string) {
	t.Helper()
	if c.Value != want {
		t.Errorf("%s: %q (%s), want %q", what, c.Value, c.Text, want)
	}
	if printed := printedIn(language, want); c.Value == want && c.Printed != printed {
		t.Errorf("%s: %s is printed %q, want %q", what, want, c.Printed, printed)
	}
}

// printedIn writes an amount as readers of English or German do.
func printedIn(language, amount string) string {
	group, point := ",", "."
	if language == "de-DE" {
		group, point = ".", ","
	}
	sign := ""
	if rest, ok := strings.CutPrefix(amount, "-"); ok {
		sign, amount = "-", rest
	}
	whole, fraction, has := strings.Cut(amount, ".")
	var b strings.Builder
	for i, d := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString(group)
		}
		b.WriteRune(d)
	}
	if has {
		b.WriteString(point + fraction)
	}
	return sign + b.String()
}

func count(t testing.TB, what string, c browsertest.Cell, want int) {
	t.Helper()
	if c.Text != strconv.Itoa(want) {
		t.Errorf("%s: %q, want %d", what, c.Text, want)
	}
}
