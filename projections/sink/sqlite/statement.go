package sqlite

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/allied-ledger/allied/events/es"
)

// checkSingle refuses what is not one statement: SQLite's driver would run one after the other, and answer the last.
func checkSingle(statement string) error {
	refuse := func(reason string) error {
		return &es.Refusal{Code: "bad_query", Reason: reason, Remedy: "give one SELECT"}
	}
	if strings.ContainsRune(statement, 0) {
		return refuse("the statement holds a NUL, where SQLite would end it")
	}
	words, ended := 0, false
	for rest := statement; rest != ""; {
		n, isWord := nextPart(rest)
		switch {
		case isWord && ended:
			place := len(statement) - len(rest)
			return refuse("a second statement begins" + at(statement, place))
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
func placeOf(statement, said string) string {
	word := misnamed(said)
	if word == "" || strings.Count(statement, word) != 1 {
		return ""
	}
	return at(statement, strings.Index(statement, word))
}

// at says on which line and at which character of it a byte of the statement stands, both from 1.
func at(statement string, place int) string {
	before := statement[:place]
	line := strings.Count(before, "\n") + 1
	column := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	return fmt.Sprintf(" at line %d, character %d", line, column)
}
