package sqlite

import (
	"regexp"
	"strings"

	"github.com/allied-ledger/allied/projections/internal/statement"
)

// nextPart is the length of the blank, comment, quoted text or other character that text begins with, and whether it belongs to a statement.
// What is not closed goes on to the end, as for SQLite.
func nextPart(text string) (n int, isWord bool) {
	until := func(skip int, end string) int {
		if i := strings.Index(text[skip:], end); i >= 0 {
			return skip + i + len(end)
		}
		return len(text)
	}
	switch {
	case strings.HasPrefix(text, "--"):
		return until(2, "\n"), false
	case strings.HasPrefix(text, "/*"):
		return until(2, "*/"), false
	case strings.ContainsRune("'\"`", rune(text[0])): // a doubled quote within is two texts side by side
		return until(1, text[:1]), true
	case text[0] == '[':
		return until(1, "]"), true
	}
	return 1, !strings.ContainsRune("; \t\r\n\f", rune(text[0]))
}

// complaint is what SQLite says of a word of the statement.
var complaint = regexp.MustCompile(`^(?:no such (?:column|table|function): "?([^\s"]+)"?(?: - .*)?|near "(.+)": syntax error|unrecognized token: "(.+)"|ambiguous column name: (\S+))$`)

// misnamed is the word that SQLite complains of; empty where it names none.
func misnamed(said string) string {
	for i, word := range complaint.FindStringSubmatch(said) {
		if i > 0 && word != "" {
			return word
		}
	}
	return ""
}

// placeOf says where the word stands that SQLite complains of, if that is certain.
func placeOf(query, said string) string {
	word := misnamed(said)
	if word == "" || strings.Count(query, word) != 1 {
		return ""
	}
	return statement.At(query, strings.Index(query, word))
}
