// Package asset names what amounts count: a currency on a valuation basis, or units of an item.
package asset

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/allied-ledger/allied/events/currency"
)

const (
	// ScaleMax bounds the decimal places of an asset; with it an amount still has 29 digits before the point.
	ScaleMax = 9
	// UnitBytesMax bounds a unit.
	UnitBytesMax = 32
	// ItemBytesMax bounds an item.
	ItemBytesMax = 256

	// fineScale is for quantities, which sources also give in fractions, and for currencies without a minor unit.
	fineScale = 6
)

// bases are those of Valuation.basis in the schema.
var bases = []string{
	"acquisition", "contract", "donor_stated", "market_upper_bound", "net_book", "price_list", "replacement", "tracker", "tracker_redistributed",
}

// Asset is what an amount counts. Amounts of different assets never add.
type Asset struct {
	Code  string // a currency of ISO 4217, or a unit such as `each`
	Scale int    // decimal places that amounts are counted in
	Basis string // the valuation basis of a currency
	Item  string // the item of a quantity
}

// Parse reads `EUR/2@tracker` or `each/6:155 mm howitzer`. There is one text for each asset: String returns the same.
func Parse(text string) (Asset, error) {
	a, err := parse(text)
	if err != nil {
		return Asset{}, fmt.Errorf("asset %q: %w", text, err)
	}
	return a, nil
}

func parse(text string) (Asset, error) {
	code, rest, ok := strings.Cut(text, "/")
	if !ok || len(rest) < 2 {
		return Asset{}, errors.New("not currency/scale@basis or unit/scale:item, such as EUR/2@tracker or `each/6:155 mm howitzer`")
	}
	if rest[0] < '0' || rest[0] > '9' {
		return Asset{}, fmt.Errorf("the scale after the slash is not one digit from 0 to %d", ScaleMax)
	}
	a := Asset{Code: code, Scale: int(rest[0] - '0')}
	switch rest[1] {
	case '@':
		a.Basis = rest[2:]
	case ':':
		a.Item = rest[2:]
		if a.Item == "" {
			return Asset{}, errors.New("no item after the colon")
		}
	default:
		return Asset{}, errors.New("the scale is not followed by @ and a basis, or : and an item")
	}
	return a, a.Check()
}

// Currency returns the asset of a currency on a basis, counted in its minor unit; in millionths where ISO 4217 gives it none.
func Currency(code, basis string) (Asset, error) {
	scale, ok := currency.MinorUnit(code)
	if !ok {
		scale = fineScale
	}
	a := Asset{Code: code, Scale: scale, Basis: basis}
	return a, a.Check()
}

// Quantity returns the asset of units of an item, counted in millionths of the unit.
func Quantity(unit, item string) (Asset, error) {
	a := Asset{Code: unit, Scale: fineScale, Item: item}
	if item == "" {
		return a, errors.New("no item")
	}
	return a, a.Check()
}

// String returns the text that Parse reads.
func (a Asset) String() string {
	if a.IsQuantity() {
		return fmt.Sprintf("%s/%d:%s", a.Code, a.Scale, a.Item)
	}
	return fmt.Sprintf("%s/%d@%s", a.Code, a.Scale, a.Basis)
}

// IsQuantity reports whether the asset is units of an item, not a currency.
func (a Asset) IsQuantity() bool { return a.Item != "" }

// Check says what is wrong with an asset, nil where Parse reads what String writes.
func (a Asset) Check() error {
	if a.Scale < 0 || a.Scale > ScaleMax {
		return fmt.Errorf("scale %d is not 0 to %d", a.Scale, ScaleMax)
	}
	if !a.IsQuantity() {
		return a.checkCurrency()
	}
	if a.Basis != "" {
		return fmt.Errorf("a quantity has no valuation basis, but %q", a.Basis)
	}
	if err := checkUnit(a.Code); err != nil {
		return err
	}
	return checkItem(a.Item)
}

func (a Asset) checkCurrency() error {
	c, ok := currency.Find(a.Code)
	switch {
	case !ok:
		return fmt.Errorf("%q is not a currency of ISO 4217 such as EUR", a.Code)
	case a.Scale < c.Minor:
		return fmt.Errorf("scale %d is less than the %d decimal places of %s", a.Scale, c.Minor, a.Code)
	case !KnownBasis(a.Basis):
		return fmt.Errorf("%q is not a valuation basis: use one of %s", a.Basis, strings.Join(bases, ", "))
	}
	return nil
}

func checkUnit(unit string) error {
	ok := unit != "" && len(unit) <= UnitBytesMax && unit[0] >= 'a' && unit[0] <= 'z'
	for _, c := range []byte(unit) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_')
	}
	if !ok {
		return fmt.Errorf("unit %q is not at most %d of a-z, 0-9 and _, such as each", unit, UnitBytesMax)
	}
	return nil
}

func checkItem(item string) error {
	switch {
	case !utf8.ValidString(item):
		return fmt.Errorf("item %q is not UTF-8", item)
	case len(item) > ItemBytesMax:
		return fmt.Errorf("the item has %d bytes, at most %d are allowed", len(item), ItemBytesMax)
	case strings.TrimSpace(item) != item:
		return fmt.Errorf("item %q begins or ends with a blank", item)
	}
	for _, r := range item {
		// The two separators end a line for some readers of JSON and CSV.
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return fmt.Errorf("item %q holds the control character %U", item, r)
		}
	}
	return nil
}

// KnownBasis reports whether a word is a valuation basis.
func KnownBasis(basis string) bool { return slices.Contains(bases, basis) }

// Bases returns the valuation bases in order.
func Bases() []string { return slices.Clone(bases) }
