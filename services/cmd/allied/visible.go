package main

import (
	"fmt"
	"strings"
	"unicode"
)

// visible shows what would steer a terminal or reorder a line as an escape: titles and other texts of events come from anybody. It is for
// tables and messages; JSON and CSV carry a text as it is.
func visible(text string) string {
	return escaped(text, func(r rune) bool { return unicode.Is(unicode.Cc, r) || unseen(r) })
}

// visibleLines leaves the ends of lines, for text of ours that has several.
func visibleLines(text string) string {
	return escaped(text, func(r rune) bool { return r != '\n' && unicode.Is(unicode.Cc, r) || unseen(r) })
}

// unseen are the characters that change the order or the lines of what stands around them.
func unseen(r rune) bool {
	return unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

func escaped(text string, hide func(rune) bool) string {
	if !strings.ContainsFunc(text, hide) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if hide(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
