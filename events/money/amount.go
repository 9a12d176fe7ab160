// Package money counts amounts: exact 128-bit integers of an asset's smallest unit.
package money

// Amount is a signed integer of at most 38 decimal digits, counted in the smallest unit of an asset. The zero value is zero.
type Amount struct {
	hi int64
	lo uint64
}
