package postgres

import (
	"slices"
	"testing"
)

// The names of a statement are those that the server would see, whatever text and comments hide.
func TestNamesOfAStatement(t *testing.T) {
	for statement, want := range map[string][]string{
		`SELECT "A""b", c$d, É FROM x.Y`:                        {"select", `A"b`, "c$d", "É", "from", "x", "y"},
		"a 'b' e'c\\'d' f -- g\n h /* i /* j */ k */ l":         {"a", "f", "h", "l"},
		"a $$b$$ c $d$ e $$ $d$ f $1 g":                         {"a", "c", "f", "g"},
		"a E'b' -- c\n '\\' d' e; x'f' U&'g' N'h' 'i\\' j 'k''": {"a", "e", "x", "u", "n", "j"},
		`a 'b`: {"a"}, `a "b`: {"a", "b"}, "a /* b /*": {"a"}, "a $b$ c": {"a"},
	} {
		var got []string
		for _, p := range partsOf(statement) {
			if p.kind == name {
				got = append(got, p.word())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", statement, got, want)
		}
	}
}

func FuzzPartsOf(f *testing.F) {
	for _, s := range []string{`SELECT "a""b" FROM e'\' -- x`, "$a$ $a$ /* /* */", `U&"\0061" decimal(1, 'EUR')`, "e'", `u&"`, "$", "/*/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, statement string) {
		parts, end := partsOf(statement), 0
		for _, p := range parts {
			if p.at < end || p.text == "" || statement[p.at:p.at+len(p.text)] != p.text {
				t.Fatalf("%+v behind %d", p, end)
			}
			if len(p.word()) > len(p.text) {
				t.Fatalf("%+v is the word %q", p, p.word())
			}
			end = p.at + len(p.text)
		}
		a := &asked{query: statement}
		a.sent, a.marked = markDecimal(statement, parts)
		for _, p := range parts {
			if at := a.sentAt(p.at); !slices.Contains(a.marked, p.at) && a.sent[at:at+len(p.text)] != p.text {
				t.Fatalf("%+v is not at %d of %s", p, at, a.sent)
			}
		}
	})
}
