package kiel

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// Row is one data row as raw text. Its number is the sheet's, whatever the format: the header is row 1, and the first data row is row 2.
type Row struct {
	Number int
	Cells  []string
}

// NewRow makes a row of raw cells. Empty cells at the end are dropped: a spreadsheet does not store them.
func NewRow(number int, cells []string) Row {
	n := len(cells)
	for n > 0 && cells[n-1] == "" {
		n--
	}
	return Row{Number: number, Cells: cells[:n]}
}

// raw is the cell's text as it stands; empty beyond the row's end.
func (r Row) raw(c column) string {
	if int(c) < len(r.Cells) {
		return r.Cells[c]
	}
	return ""
}

// text is the cell's text without blanks, of whatever kind, at its ends and with one blank for any run of them.
func (r Row) text(c column) string { return tidy(r.raw(c)) }

// contentDigest covers the whole raw content of rows, and not where they stand: a command id has the row's number beside it, and a later
// release must find again what only moved.
func contentDigest(rows []Row) [sha256.Size]byte {
	h := sha256.New()
	var n [8]byte
	number := func(v int) {
		binary.BigEndian.PutUint64(n[:], uint64(v))
		h.Write(n[:])
	}
	for _, r := range rows {
		number(len(r.Cells))
		for _, c := range r.Cells {
			number(len(c))
			h.Write([]byte(c))
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// tidy joins the words of a text with single blanks; strings.Fields knows the no-break space.
func tidy(s string) string { return strings.Join(strings.Fields(s), " ") }

// clip shortens a text to at most runesMax characters, the last of which is then an ellipsis.
func clip(s string, runesMax int) string {
	if utf8.RuneCountInString(s) <= runesMax {
		return s
	}
	r := []rune(s)
	return strings.TrimRight(string(r[:runesMax-1]), " ") + "…"
}
