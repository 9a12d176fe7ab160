// Package statement says what is wrong with an SQL statement of a person, in the same words for every engine that is asked.
package statement

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/term"
	"github.com/allied-ledger/allied/projections/engine"
)

// OnlyReads is why a statement is refused that is no SELECT.
const OnlyReads = "a query only reads, and this one would do something else"

// RefusedFunctions, by their lower-case names, with what to do instead.
var RefusedFunctions = map[string]string{
	"load_extension": "nothing is loaded here",
	"avg":            "avg goes through floating point; divide sum(…) by count(…)",
	"total":          "total goes through floating point; sum(…) is exact",
}

// Refused is the answer to a statement that may not be run.
func Refused(why string) error {
	return &es.Refusal{Code: "query_refused", Reason: why, Remedy: "give one SELECT; `allied sql --tables` shows what it can read"}
}

// Unreadable says why a table is refused.
func Unreadable(table string) string { return table + " is none of the tables for readers" }

// CheckSingle refuses what is not one statement, which a driver may run one after the other. Next tells how long the blank, comment, quoted
// text or other part is that a text begins with, in the engine's dialect, and whether it belongs to a statement.
func CheckSingle(statement string, next func(text string) (n int, isWord bool)) error {
	refuse := func(reason string) error {
		return &es.Refusal{Code: "bad_query", Reason: reason, Remedy: "give one SELECT"}
	}
	if strings.ContainsRune(statement, 0) {
		return refuse("the statement holds a NUL, where it would end")
	}
	words, ended := 0, false
	for rest := statement; rest != ""; {
		n, isWord := next(rest)
		switch {
		case isWord && ended:
			return refuse("a second statement begins" + At(statement, len(statement)-len(rest)))
		case isWord:
			words++
		}
		ended = ended || rest[0] == ';' && words > 0
		rest = rest[n:]
	}
	if words == 0 {
		return refuse("there is no statement")
	}
	return nil
}

// At says on which line and at which character of it a byte of the statement stands, both from 1.
func At(statement string, place int) string {
	before := statement[:place]
	line := strings.Count(before, "\n") + 1
	column := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	return fmt.Sprintf(" at line %d, character %d", line, column)
}

// Visible are the tables that people may read.
func Visible(specs []engine.Spec) (tables []engine.Table) {
	for _, s := range specs {
		for _, t := range s.Tables {
			if !t.Hidden {
				tables = append(tables, t)
			}
		}
	}
	return tables
}

// Remedy tells where names are listed.
const Remedy = "`allied sql --tables` lists tables and columns"

// NearestTable is Remedy, and names the table that a misspelt one may mean, which may be qualified.
func NearestTable(specs []engine.Spec, name string) string {
	var names []string
	for _, t := range Visible(specs) {
		names = append(names, t.Name)
	}
	return nearest(name, names)
}

// NearestColumn is Remedy, and names the column that a misspelt one may mean, which may be qualified.
func NearestColumn(specs []engine.Spec, name string) string {
	var names []string
	for _, t := range Visible(specs) {
		for _, c := range t.Columns {
			if !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
	}
	return nearest(name, names)
}

func nearest(name string, names []string) string {
	if near := term.Nearest(name[strings.LastIndexByte(name, '.')+1:], names); near != "" {
		return fmt.Sprintf("did you mean %s? %s", near, Remedy)
	}
	return Remedy
}

// exactFloatMax is where floating point begins to lose integers.
const exactFloatMax = 1 << 53

// CheckFloat refuses a figure of a column that has lost digits, or is none.
func CheckFloat(column string, v float64) error {
	if math.Abs(v) < exactFloatMax {
		return nil
	}
	return &es.Refusal{
		Code: "query_failed", Reason: fmt.Sprintf("column %s: %v went through floating point, and has lost digits", column, v),
		Remedy: "add amounts with sum or exact_sum, and not with +",
	}
}
