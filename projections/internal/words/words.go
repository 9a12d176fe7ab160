// Package words checks the words of a request against those that are allowed: a misspelt filter must never answer a wrong total.
package words

import (
	"fmt"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/category"
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/donor"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/term"
)

// listedMax bounds how many allowed words a refusal lists; with more it names the nearest alone.
const listedMax = 40

// Check refuses a word that is not allowed, and names those that are and the nearest.
func Check(field, word string, allowed []string) error {
	return check(field, word, allowed, "use one of them")
}

func check(field, word string, allowed []string, remedy string) error {
	if slices.Contains(allowed, word) {
		return nil
	}
	r := &es.Refusal{Code: "unknown_word", Field: field, Reason: fmt.Sprintf("%q is not known here", word), Remedy: remedy}
	if len(allowed) <= listedMax {
		r.Reason += "; allowed are " + strings.Join(allowed, ", ")
	}
	if near := term.Nearest(word, allowed); near != "" {
		r.Remedy = fmt.Sprintf("did you mean %q?", near)
	}
	return r
}

// CheckFilters refuses a donor, beneficiary or category that there is none of, in the fields of these names.
func CheckFilters(donor, beneficiary, category string) error {
	if err := party("donor", donor); err != nil {
		return err
	}
	if err := party("beneficiary", beneficiary); err != nil {
		return err
	}
	return group(category)
}

// party refuses what is no code of a state or institution.
func party(field, code string) error {
	if code == "" || donor.Known(code) {
		return nil
	}
	if known, ok := donor.Lookup(code, 0); ok {
		return &es.Refusal{
			Code: "unknown_word", Field: field, Reason: fmt.Sprintf("%q is a name, and a code is wanted", code), Remedy: fmt.Sprintf("did you mean %q?", known),
		}
	}
	return check(field, code, donor.Codes(), "use an ISO 3166-1 alpha-3 code such as POL, or an institution's such as EU-INST")
}

// group refuses what is neither a category nor a group of them.
func group(code string) error {
	if code == "" {
		return nil
	}
	var codes []string
	for _, c := range category.Codes() {
		codes = append(codes, c.Code)
	}
	return check("category", code, codes, "use a category such as MIL.AIRDEF, or a group such as MIL")
}

// Day reads a day, counted from 1970-01-01.
func Day(field, text string) (int32, error) {
	day, err := dates.ParseDay(text)
	if err != nil {
		return 0, &es.Refusal{Code: "bad_date", Field: field, Reason: fmt.Sprintf("%q is not a day", text), Remedy: "give a day such as 2024-05-31"}
	}
	return day, nil
}

// Within reports whether a category is a code or stands below it; every category is within "".
func Within(code, group string) bool {
	return group == "" || code == group || strings.HasPrefix(code, group) && code[len(group)] == '.'
}

// Holds tells whether a text holds a part, in whatever case.
func Holds(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}
