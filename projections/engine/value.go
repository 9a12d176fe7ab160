package engine

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/allied-ledger/allied/events/money"
)

// Row is one row of a table, a value for each column.
type Row []Value

// Value is what one column of one row holds. Values are equal exactly if == says so.
type Value struct {
	kind   Kind
	null   bool
	text   string // text and bytes
	num    int64  // int, bool and day
	amount money.Amount
}

// TextOf keeps s as text. NUL and invalid UTF-8, which no SQL text can hold, become U+FFFD.
func TextOf(s string) Value {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return Value{kind: Text, text: s}
}

// IntOf keeps a 64-bit integer.
func IntOf(n int64) Value { return Value{kind: Int, num: n} }

// AmountOf keeps an amount exactly.
func AmountOf(a money.Amount) Value { return Value{kind: Amount, amount: a} }

// BytesOf keeps a copy of b.
func BytesOf(b []byte) Value { return Value{kind: Bytes, text: string(b)} }

// BoolOf keeps a truth value.
func BoolOf(b bool) Value {
	if b {
		return Value{kind: Bool, num: 1}
	}
	return Value{kind: Bool}
}

// DayOf keeps days since 1970-01-01.
func DayOf(day int32) Value { return Value{kind: Day, num: int64(day)} }

// NullOf is the null of a kind.
func NullOf(k Kind) Value { return Value{kind: k, null: true} }

// Kind tells what the value is.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether nothing is there; the other readers then return zero.
func (v Value) IsNull() bool { return v.null }

// Text is the text of a text.
func (v Value) Text() string { return v.text }

// Bytes is a copy of the bytes.
func (v Value) Bytes() []byte { return []byte(v.text) }

// Int is the number of an int, or of a day.
func (v Value) Int() int64 { return v.num }

// Amount is the amount of an amount.
func (v Value) Amount() money.Amount { return v.amount }

// Bool is the truth of a bool.
func (v Value) Bool() bool { return v.num != 0 }

// append adds the canonical encoding of a value: the length of its text as four bytes, the highest first, and the text: text and bytes as
// they are; int, amount and day in decimal; bool as 0 or 1. Null has the length 2^32-1 and no text. Anyone with the rows can compute it.
func (v Value) append(dst []byte) []byte {
	if v.null {
		return binary.BigEndian.AppendUint32(dst, math.MaxUint32)
	}
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	switch v.kind {
	case Text, Bytes:
		dst = append(dst, v.text...)
	case Amount:
		dst = v.amount.AppendText(dst, 0)
	default:
		dst = strconv.AppendInt(dst, v.num, 10)
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// String shows a value to people.
func (v Value) String() string {
	switch {
	case v.null:
		return "null"
	case v.kind == Bytes:
		return strconv.Itoa(len(v.text)) + " bytes"
	}
	return string(v.append(nil)[4:])
}

// AppendRow adds the canonical encoding of a row: its values, in the order of the columns.
func AppendRow(dst []byte, row Row) []byte {
	for _, v := range row {
		dst = v.append(dst)
	}
	return dst
}
