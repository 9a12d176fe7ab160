package money

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

var (
	// ErrSyntax: the text is not a decimal number as this package reads them.
	ErrSyntax = errors.New("not a decimal number such as 1234.50")
	// ErrDecimals: the text has more decimal places than the asset.
	ErrDecimals = errors.New("more decimal places than the asset has")
	// ErrScale: the number of decimal places is not 0 to 38.
	ErrScale = errors.New("scale is not 0 to 38")
)

const (
	// textBytesMax bounds what the parsers read; the longest amount has 40.
	textBytesMax = 128
	// exponentAbsMax bounds the exponent of a raw value; floating point numbers of spreadsheets reach 308.
	exponentAbsMax = 400
	tenTo19        = 1e19
)

// Text returns the amount with scale decimal places, such as -1234.50. A scale outside 0 to 38 is a programmer's error and panics; those
// of parsed assets never are.
func (a Amount) Text(scale int) string {
	var buf [DigitsMax + 3]byte
	return string(a.AppendText(buf[:0], scale))
}

// AppendText appends Text to dst.
func (a Amount) AppendText(dst []byte, scale int) []byte {
	if scale < 0 || scale > DigitsMax {
		panic(fmt.Sprintf("money: %v: %d", ErrScale, scale))
	}
	hi, lo := a.magnitude()
	if a.hi < 0 {
		dst = append(dst, '-')
	}
	var digits [DigitsMax]byte
	for i := range digits {
		digits[i] = '0'
	}
	// The bound has twice 19 digits, so both halves fit a word.
	upper, lower := bits.Div64(hi, lo, tenTo19)
	putDigits(digits[:19], upper)
	putDigits(digits[19:], lower)
	first := 0
	for first < DigitsMax-1-scale && digits[first] == '0' {
		first++
	}
	// With scale 38 every digit is a decimal place.
	if scale == DigitsMax {
		dst = append(dst, '0')
	}
	dst = append(dst, digits[first:DigitsMax-scale]...)
	if scale > 0 {
		dst = append(dst, '.')
		dst = append(dst, digits[DigitsMax-scale:]...)
	}
	return dst
}

// putDigits writes v at the end of dst, which holds zeros.
func putDigits(dst []byte, v uint64) {
	for i := len(dst) - 1; v > 0; i-- {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
}

// Parse reads what Text writes: an optional minus, digits, and at most scale decimal places after a point. Nothing is rounded or guessed:
// its error is ErrSyntax, ErrDecimals, ErrRange or ErrScale.
func Parse(text string, scale int) (Amount, error) {
	n, err := scan(text, false)
	if err != nil {
		return Amount{}, err
	}
	if err := checkScale(scale); err != nil {
		return Amount{}, err
	}
	if len(n.decimals) > scale {
		return Amount{}, fmt.Errorf("%q: %w: %d", text, ErrDecimals, scale)
	}
	var hi, lo uint64
	for i := range len(n.whole) + scale {
		d := byte('0')
		if i < len(n.whole) {
			d = n.whole[i]
		} else if j := i - len(n.whole); j < len(n.decimals) {
			d = n.decimals[j]
		}
		// Ten times what is more than a tenth of the bound is beyond it, and may not fit 128 bits.
		if hi > maxHi/10 {
			return Amount{}, fmt.Errorf("%q: %w", text, ErrRange)
		}
		mh, ml := bits.Mul64(lo, 10)
		var carry uint64
		lo, carry = bits.Add64(ml, uint64(d-'0'), 0)
		hi = hi*10 + mh + carry
		if beyond(hi, lo) {
			return Amount{}, fmt.Errorf("%q: %w", text, ErrRange)
		}
	}
	return signed(hi, lo, n.negative)
}

// ParseRounded reads a raw value of a spreadsheet, such as 2.5151930722326368E-2, and rounds it half-even to scale decimal places. It
// accepts a sign and a decimal exponent, no grouping and no decimal comma. Its error is ErrSyntax, ErrRange or ErrScale.
func ParseRounded(text string, scale int) (Amount, error) {
	n, err := scan(text, true)
	if err != nil {
		return Amount{}, err
	}
	if err := checkScale(scale); err != nil {
		return Amount{}, err
	}
	// Wide enough for every text that scan lets through; no condition but rounding is silent.
	rounding := apd.Context{
		Precision:   2*exponentAbsMax + 2*textBytesMax,
		MaxExponent: 4 * exponentAbsMax,
		MinExponent: -4 * exponentAbsMax,
		Rounding:    apd.RoundHalfEven,
		Traps:       apd.DefaultTraps,
	}
	var d apd.Decimal
	if _, _, err := rounding.SetString(&d, text); err != nil {
		return Amount{}, fmt.Errorf("%q: %w (%w)", text, ErrSyntax, err)
	}
	if _, err := rounding.Quantize(&d, &d, -int32(scale)); err != nil {
		return Amount{}, fmt.Errorf("%q: %w (%w)", text, ErrRange, err)
	}
	if d.NumDigits() > DigitsMax {
		return Amount{}, fmt.Errorf("%q: %w", text, ErrRange)
	}
	// The coefficient is the amount: its decimal places are exactly scale.
	digits, err := Parse(d.Coeff.String(), 0)
	if err != nil {
		return Amount{}, err
	}
	if n.negative {
		digits = digits.Neg()
	}
	return digits, nil
}

func checkScale(scale int) error {
	if scale < 0 || scale > DigitsMax {
		return fmt.Errorf("%w: %d", ErrScale, scale)
	}
	return nil
}

// number is the parts of a decimal number; whole has at least one digit.
type number struct {
	negative        bool
	whole, decimals string
}

// scan splits a number: -?digits(.digits)?, and where raw is set also a plus and an exponent of at most exponentAbsMax.
func scan(text string, raw bool) (number, error) {
	if len(text) > textBytesMax {
		return number{}, fmt.Errorf("%q...: %w: longer than %d bytes", text[:textBytesMax/4], ErrSyntax, textBytesMax)
	}
	rest := text
	var n number
	if rest, n.negative = strings.CutPrefix(rest, "-"); !n.negative && raw {
		rest = strings.TrimPrefix(rest, "+")
	}
	n.whole, rest = leadingDigits(rest)
	if n.whole == "" {
		return n, fmt.Errorf("%q: %w", text, ErrSyntax)
	}
	if after, ok := strings.CutPrefix(rest, "."); ok {
		if n.decimals, rest = leadingDigits(after); n.decimals == "" {
			return n, fmt.Errorf("%q: %w: no digit after the point", text, ErrSyntax)
		}
	}
	if raw && rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		exponent, err := strconv.Atoi(rest[1:])
		if err != nil || exponent > exponentAbsMax || exponent < -exponentAbsMax {
			return n, fmt.Errorf("%q: %w: the exponent is not an integer from -%d to %d", text, ErrSyntax, exponentAbsMax, exponentAbsMax)
		}
		rest = ""
	}
	if rest != "" {
		return n, fmt.Errorf("%q: %w: unexpected %q", text, ErrSyntax, rest)
	}
	return n, nil
}

func leadingDigits(s string) (digits, rest string) {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

// MarshalText writes the integer, in the asset's smallest unit.
func (a Amount) MarshalText() ([]byte, error) { return a.AppendText(nil, 0), nil }

// UnmarshalText reads what MarshalText wrote. Its error is ErrSyntax, ErrDecimals or ErrRange.
func (a *Amount) UnmarshalText(text []byte) error {
	n, err := Parse(string(text), 0)
	if err != nil {
		return err
	}
	*a = n
	return nil
}
