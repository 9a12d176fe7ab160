package postgres

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/engine"
)

const (
	// epochDays is PostgreSQL's day zero, 2000-01-01, in days since 1970-01-01.
	epochDays = 10957
	dayFirst  = -719162 // 0001-01-01
	dayLast   = 2932896 // 9999-12-31
	// A numeric is groups of four decimal digits.
	groupDigits = 4
	groupMax    = 9999
	negative    = 0x4000
)

// binaryFormat says that all values of a statement or an answer are in PostgreSQL's binary form.
var binaryFormat = []int16{1}

func int8Of(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func int4Of(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// appendCell adds a value as an array holds it: its length in bytes, -1 for null, and its binary form.
func appendCell(dst []byte, v engine.Value) []byte {
	if v.IsNull() {
		return binary.BigEndian.AppendUint32(dst, math.MaxUint32)
	}
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	switch v.Kind() {
	case engine.Text, engine.Bytes:
		dst = append(dst, v.Text()...)
	case engine.Amount:
		dst = appendNumeric(dst, v.Amount())
	case engine.Int:
		dst = binary.BigEndian.AppendUint64(dst, uint64(v.Int()))
	case engine.Day:
		dst = binary.BigEndian.AppendUint32(dst, uint32(v.Int()-epochDays))
	case engine.Bool:
		var b byte
		if v.Bool() {
			b = 1
		}
		dst = append(dst, b)
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// appendNumeric writes how many groups, the place of the first, the sign, no decimals, and the groups, each in two bytes.
func appendNumeric(dst []byte, a money.Amount) []byte {
	var text [money.DigitsMax + 1]byte
	digits := a.AppendText(text[:0], 0)
	var sign uint16
	if digits[0] == '-' {
		sign, digits = negative, digits[1:]
	}
	groups := (len(digits) + groupDigits - 1) / groupDigits
	dst = binary.BigEndian.AppendUint16(dst, uint16(groups))
	dst = binary.BigEndian.AppendUint16(dst, uint16(groups-1))
	dst = binary.BigEndian.AppendUint16(dst, sign)
	dst = binary.BigEndian.AppendUint16(dst, 0)
	var group uint16
	for i, d := range digits {
		group = group*10 + uint16(d-'0')
		if (len(digits)-i-1)%groupDigits == 0 {
			dst = binary.BigEndian.AppendUint16(dst, group)
			group = 0
		}
	}
	return dst
}

// valueOf reads a cell of a kind, and refuses what this sink never writes.
func valueOf(k engine.Kind, cell []byte) (engine.Value, error) {
	if cell == nil {
		return engine.NullOf(k), nil
	}
	switch {
	case k == engine.Text:
		return engine.TextOf(string(cell)), nil
	case k == engine.Bytes:
		return engine.BytesOf(cell), nil
	case k == engine.Int && len(cell) == 8:
		return engine.IntOf(int64(binary.BigEndian.Uint64(cell))), nil
	case k == engine.Bool && len(cell) == 1:
		return engine.BoolOf(cell[0] != 0), nil
	case k == engine.Day && len(cell) == 4:
		if day := int64(int32(binary.BigEndian.Uint32(cell))) + epochDays; dayFirst <= day && day <= dayLast {
			return engine.DayOf(int32(day)), nil
		}
	case k == engine.Amount:
		if a, ok := amountOf(cell); ok {
			return engine.AmountOf(a), nil
		}
	}
	return engine.Value{}, damaged("something else stands where %v belongs", k)
}

// amountOf reads a numeric without decimals, of which trailing groups of zeros are left out.
func amountOf(cell []byte) (money.Amount, bool) {
	const head = 8
	if len(cell) < head {
		return money.Amount{}, false
	}
	groups, first := int(binary.BigEndian.Uint16(cell)), int(int16(binary.BigEndian.Uint16(cell[2:])))
	sign, decimals := binary.BigEndian.Uint16(cell[4:]), binary.BigEndian.Uint16(cell[6:])
	if len(cell) != head+2*groups || groups > first+1 && groups > 0 || first >= money.DigitsMax || sign != 0 && sign != negative || decimals != 0 {
		return money.Amount{}, false
	}
	text := make([]byte, 0, money.DigitsMax+groupDigits+1)
	if sign == negative {
		text = append(text, '-')
	}
	for i := range first + 1 {
		var group uint16
		if i < groups {
			if group = binary.BigEndian.Uint16(cell[head+2*i:]); group > groupMax {
				return money.Amount{}, false
			}
		}
		if i == 0 {
			text = strconv.AppendUint(text, uint64(group), 10)
			continue
		}
		for unit := uint16(1000); unit > 0; unit /= 10 {
			text = append(text, byte('0'+group/unit%10))
		}
	}
	if groups == 0 {
		text = append(text[:0], '0')
	}
	a, err := money.Parse(string(text), 0)
	return a, err == nil
}
