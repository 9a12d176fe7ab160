// Package money counts amounts: exact 128-bit integers of an asset's smallest unit.
package money

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"

	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// DigitsMax is how many decimal digits an amount may have: those of NUMERIC(38) and DECIMAL(38).
const DigitsMax = 38

// The bound, 10^38-1, in two words.
const (
	maxHi = 0x4b3b4ca85a86c47a
	maxLo = 0x098a223fffffffff
)

var (
	// ErrRange: the absolute value would exceed 10^38-1.
	ErrRange = errors.New("amount exceeds 38 decimal digits")
	// ErrDivide: division by zero.
	ErrDivide = errors.New("division of an amount by zero")
)

// Amount is a signed integer of at most 38 decimal digits, counted in the smallest unit of an asset. The zero value is zero. Amounts are
// equal exactly if == says so; no function of this package makes one beyond the bound.
type Amount struct {
	// Two's complement.
	hi int64
	lo uint64
}

// MaxAmount is 10^38-1, the greatest amount; its negative is the least.
var MaxAmount = Amount{maxHi, maxLo}

// MaxEntry is 10^28, the greatest amount that one fact may state: ten thousand million of them add up within the bound of an amount, so that
// no view can meet a sum that it cannot hold.
var MaxEntry = Amount{0x204fce5e, 0x3e25026110000000}

// New returns v units.
func New(v int64) Amount { return Amount{v >> 63, uint64(v)} }

// FromProto returns the amount of a stored value; nil is zero. Its error is ErrRange.
func FromProto(p *eventv1.Amount) (Amount, error) {
	a := Amount{p.GetHi(), p.GetLo()}
	if hi, lo := a.magnitude(); beyond(hi, lo) {
		return Amount{}, fmt.Errorf("stored amount hi=%d lo=%d: %w", a.hi, a.lo, ErrRange)
	}
	return a, nil
}

// Proto returns the amount as it is stored.
func (a Amount) Proto() *eventv1.Amount { return &eventv1.Amount{Lo: a.lo, Hi: a.hi} }

// Add returns a+b. Its error is ErrRange.
func (a Amount) Add(b Amount) (Amount, error) {
	// The sum of two amounts within the bound needs 127 bits and a sign: the words never overflow.
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(uint64(a.hi), uint64(b.hi), carry)
	sum := Amount{int64(hi), lo}
	if h, l := sum.magnitude(); beyond(h, l) {
		return Amount{}, ErrRange
	}
	return sum, nil
}

// Sub returns a-b. Its error is ErrRange.
func (a Amount) Sub(b Amount) (Amount, error) { return a.Add(b.Neg()) }

// Neg returns -a.
func (a Amount) Neg() Amount {
	lo, borrow := bits.Sub64(0, a.lo, 0)
	hi, _ := bits.Sub64(0, uint64(a.hi), borrow)
	return Amount{int64(hi), lo}
}

// Abs returns the absolute value of a.
func (a Amount) Abs() Amount {
	if a.hi < 0 {
		return a.Neg()
	}
	return a
}

// Sign returns -1, 0 or 1.
func (a Amount) Sign() int {
	switch {
	case a.hi < 0:
		return -1
	case a.IsZero():
		return 0
	}
	return 1
}

// IsEntry reports whether one fact may state the amount: its absolute value is at most MaxEntry.
func (a Amount) IsEntry() bool { return a.Abs().Cmp(MaxEntry) <= 0 }

// IsZero reports whether a is zero.
func (a Amount) IsZero() bool { return a == Amount{} }

// Cmp returns -1 where a < b, 0 where they are equal, 1 where a > b.
func (a Amount) Cmp(b Amount) int {
	if c := cmp.Compare(a.hi, b.hi); c != 0 {
		return c
	}
	return cmp.Compare(a.lo, b.lo)
}

// Min returns the lesser of two amounts.
func Min(a, b Amount) Amount {
	if b.Cmp(a) < 0 {
		return b
	}
	return a
}

// Max returns the greater of two amounts.
func Max(a, b Amount) Amount {
	if b.Cmp(a) > 0 {
		return b
	}
	return a
}

// magnitude returns the absolute value, which fits 128 bits whatever the words are.
func (a Amount) magnitude() (hi, lo uint64) {
	if a.hi >= 0 {
		return uint64(a.hi), a.lo
	}
	n := a.Neg()
	return uint64(n.hi), n.lo
}

func beyond(hi, lo uint64) bool { return hi > maxHi || hi == maxHi && lo > maxLo }

// signed makes an amount of a magnitude and a sign.
func signed(hi, lo uint64, negative bool) (Amount, error) {
	if beyond(hi, lo) {
		return Amount{}, ErrRange
	}
	a := Amount{int64(hi), lo}
	if negative {
		a = a.Neg()
	}
	return a, nil
}
