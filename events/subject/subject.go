// Package subject writes words of the ledger as tokens of NATS subjects.
package subject

import "strings"

// AppendToken writes a word as one token of a subject: bytes that are no letter of ASCII, digit, _ or - as = and two hexadecimal digits. The
// empty word is =, since a token is never empty.
func AppendToken(b *strings.Builder, word string) {
	const hex = "0123456789ABCDEF"
	if word == "" {
		b.WriteByte('=')
	}
	for i := range len(word) {
		switch c := word[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
			b.WriteByte(c)
		default:
			b.Write([]byte{'=', hex[c>>4], hex[c&15]})
		}
	}
}
