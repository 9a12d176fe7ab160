package postgres

import (
	"strings"
)

// part is one part of a statement.
type part struct {
	at   int    // its first byte
	text string // as it is written
	kind partKind
}

type partKind uint8

const (
	blank  partKind = iota // blanks and comments
	name                   // a key word, or the name of something
	quoted                 // text
	other                  // one other character
)

// word is the name as the server understands it.
func (p part) word() string {
	if p.kind != name {
		return ""
	}
	if inner, ok := strings.CutPrefix(p.text, `"`); ok {
		return strings.ReplaceAll(strings.TrimSuffix(inner, `"`), `""`, `"`)
	}
	word := []byte(p.text)
	for i, c := range word { // the server leaves other letters as they are, in UTF-8
		if 'A' <= c && c <= 'Z' {
			word[i] = c + 'a' - 'A'
		}
	}
	return string(word)
}

// isEscaped tells that the name is written by the numbers of its letters.
func (p part) isEscaped() bool {
	return p.kind == name && len(p.text) > 2 && p.text[1] == '&'
}

// partsOf divides a statement, without its blanks and comments.
func partsOf(statement string) (parts []part) {
	for at := 0; at < len(statement); {
		n, kind := nextPart(statement[at:])
		if kind != blank {
			parts = append(parts, part{at, statement[at : at+n], kind})
		}
		at += n
	}
	return parts
}

// isWord is nextPart as statement.CheckSingle asks it.
func isWord(text string) (int, bool) {
	n, kind := nextPart(text)
	return n, kind != blank && text[0] != ';'
}

// nextPart is the length and the kind of the part that a text begins with, as PostgreSQL divides it while standard_conforming_strings is on.
// What is not closed goes on to the end, and is an error there.
func nextPart(text string) (int, partKind) {
	switch first := text[0]; {
	case isBlank(first):
		return 1, blank
	case strings.HasPrefix(text, "--"):
		if n := strings.IndexAny(text, "\n\r"); n >= 0 {
			return n, blank
		}
		return len(text), blank
	case strings.HasPrefix(text, "/*"):
		return commentBytes(text), blank
	case first == '\'':
		return 1 + closing(text[1:], '\'', false), quoted
	case first == '"':
		return 1 + closing(text[1:], '"', false), name
	case first == '$':
		if n := dollarBytes(text); n > 0 {
			return n, quoted
		}
		return 1, other
	case !isLetter(first):
		return 1, other
	case len(text) > 1 && (first == 'E' || first == 'e') && text[1] == '\'':
		return escapedBytes(text), quoted
	case len(text) > 2 && (first == 'U' || first == 'u') && text[1:3] == `&"`:
		return 3 + closing(text[3:], '"', false), name
	}
	n := 1
	for n < len(text) && (isLetter(text[n]) || isDigit(text[n]) || text[n] == '$') {
		n++
	}
	return n, name
}

func isBlank(b byte) bool { return strings.IndexByte(" \t\n\r\f\v", b) >= 0 }

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// isLetter of a name, of which every byte beyond ASCII is one.
func isLetter(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b == '_' || b >= 0x80
}

// closing is where the text behind a quotation mark ends, its own mark included. A doubled mark within is two texts side by side.
func closing(text string, mark byte, escapes bool) int {
	for i := 0; i < len(text); i++ {
		switch {
		case escapes && text[i] == '\\':
			i++
		case text[i] != mark:
		case i+1 < len(text) && text[i+1] == mark:
			i++
		default:
			return i + 1
		}
	}
	return len(text)
}

// escapedBytes is the length of a text in which a backslash escapes, with all its continuations: those on later lines are of its kind too.
func escapedBytes(text string) int {
	n := 2 + closing(text[2:], '\'', true)
	for next := n; next < len(text); {
		switch {
		case isBlank(text[next]):
			next++
		case strings.HasPrefix(text[next:], "--"):
			skipped, _ := nextPart(text[next:])
			next += skipped
		case text[next] == '\'':
			n = next + 1 + closing(text[next+1:], '\'', true)
			next = n
		default:
			return n
		}
	}
	return n
}

// commentBytes is the length of a comment, in which others may stand.
func commentBytes(text string) int {
	depth := 0
	for i := 0; i+1 < len(text); i++ {
		switch text[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			i++
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// dollarBytes is the length of a text between marks such as $$ or $tag$; 0 where none begins.
func dollarBytes(text string) int {
	n := 1
	for n < len(text) && (isLetter(text[n]) || n > 1 && isDigit(text[n])) {
		n++
	}
	if n == len(text) || text[n] != '$' {
		return 0
	}
	mark := text[:n+1]
	if i := strings.Index(text[len(mark):], mark); i >= 0 {
		return i + 2*len(mark)
	}
	return len(text)
}
