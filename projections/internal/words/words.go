// Package words checks the words of a request against those that are allowed: a misspelt filter must never answer a wrong total.
package words

import (
	"fmt"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/category"
	"github.com/allied-ledger/allied/events/donor"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/term"
)

// listedMax bounds how many allowed words a refusal lists; with more it names the nearest alone.
const listedMax = 40

// Check refuses a word that is not allowed, and names those that are and the nearest.
func Check(field, word string, allowed []string) error {
	if slices.Contains(allowed, word) {
		return nil
	}
	r := &es.Refusal{Code: "unknown_word", Field: field, Reason: fmt.Sprintf("%q is not known here", word)}
	if len(allowed) <= listedMax {
		r.Reason += "; allowed are " + strings.Join(allowed, ", ")
	}
	if near := term.Nearest(word, allowed); near != "" {
		r.Remedy = fmt.Sprintf("did you mean %q?", near)
	} else {
		r.Remedy = "use an allowed word"
	}
	return r
}

// Donor refuses what is no code of a state or institution.
func Donor(field, code string) error {
	if code == "" || donor.Known(code) {
		return nil
	}
	if known, ok := donor.Lookup(code, 0); ok {
		return &es.Refusal{
			Code: "unknown_word", Field: field, Reason: fmt.Sprintf("%q is a name, and a code is wanted", code), Remedy: fmt.Sprintf("did you mean %q?", known),
		}
	}
	return Check(field, code, donor.Codes())
}

// Category refuses what is neither a category nor a group of them.
func Category(field, code string) error {
	if code == "" {
		return nil
	}
	var codes []string
	for _, c := range category.Codes() {
		codes = append(codes, c.Code)
	}
	return Check(field, code, codes)
}

// Within reports whether a category is a code or stands below it; every category is within "".
func Within(code, group string) bool {
	return group == "" || code == group || strings.HasPrefix(code, group) && code[len(group)] == '.'
}
