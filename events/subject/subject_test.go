package subject_test

import (
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/subject"
)

func TestTokens(t *testing.T) {
	for word, want := range map[string]string{
		"": "=", "EU-INST": "EU-INST", "_": "_", "over:allocated": "over=3Aallocated", "a.b": "a=2Eb", "*": "=2A", ">": "=3E", "a b": "a=20b", "é": "=C3=A9",
		"=": "=3D", "x\r\n": "x=0D=0A",
	} {
		var b strings.Builder
		subject.AppendToken(&b, word)
		if b.String() != want {
			t.Errorf("%q is written %q, want %q", word, b.String(), want)
		}
	}
}
