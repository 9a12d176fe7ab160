// Package currency states the facts of ISO 4217, with their dates: rates and old promises name currencies that are gone.
package currency

import (
	"slices"
	"strings"
)

// NoMinorUnit marks what ISO 4217 divides no further, such as special drawing rights and gold.
const NoMinorUnit = -1

// Currency is one code of ISO 4217.
type Currency struct {
	Code    string // alphabetic
	Numeric int
	Title   string
	Minor   int // decimal places, or NoMinorUnit
	// The first and last day in use, counted from 1970-01-01; 0 where the beginning lies before 2010 or the end has not come.
	From, To int32
}

// Find returns the currency of a code, in use or not.
func Find(code string) (Currency, bool) {
	i, ok := slices.BinarySearchFunc(table, code, func(c Currency, code string) int { return strings.Compare(c.Code, code) })
	if !ok {
		return Currency{}, false
	}
	return table[i], true
}

// MinorUnit returns how many decimal places a currency has, in use or not; false for an unknown code and for what has no minor unit.
func MinorUnit(code string) (int, bool) {
	c, ok := Find(code)
	if !ok || c.Minor == NoMinorUnit {
		return 0, false
	}
	return c.Minor, true
}

// Known reports whether a code names a currency that was in use on a day, counted from 1970-01-01.
func Known(code string, day int32) bool {
	c, ok := Find(code)
	return ok && (c.From == 0 || c.From <= day) && (c.To == 0 || day <= c.To)
}

// All returns every currency in order of codes.
func All() []Currency { return slices.Clone(table) }
