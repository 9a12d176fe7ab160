package money_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/money"
	"pgregory.net/rapid"
)

func TestParseTakesExactTextOnly(t *testing.T) {
	for _, c := range []struct {
		text  string
		scale int
		want  string
		err   error
	}{
		{"1234.5", 2, "1234.50", nil},
		{"-0", 2, "0.00", nil},
		{"007", 0, "7", nil},
		{"99999999999999999999999999999999999999", 0, "99999999999999999999999999999999999999", nil},
		{"999999999999999999999999999999999999.99", 2, "999999999999999999999999999999999999.99", nil},
		{"100000000000000000000000000000000000000", 0, "", money.ErrRange},
		{"1000000000000000000000000000000000000", 2, "", money.ErrRange},
		{"1.005", 2, "", money.ErrDecimals},
		{"1.100", 2, "", money.ErrDecimals},
		{"1", 39, "", money.ErrScale},
		{"1", -1, "", money.ErrScale},
		{"", 2, "", money.ErrSyntax},
		{"-", 2, "", money.ErrSyntax},
		{".5", 2, "", money.ErrSyntax},
		{"5.", 2, "", money.ErrSyntax},
		{"+5", 2, "", money.ErrSyntax},
		{"--5", 2, "", money.ErrSyntax},
		{"1,5", 2, "", money.ErrSyntax},
		{"1 000", 2, "", money.ErrSyntax},
		{" 1", 2, "", money.ErrSyntax},
		{"1e3", 2, "", money.ErrSyntax},
		{"1_000", 2, "", money.ErrSyntax},
		{"0x10", 2, "", money.ErrSyntax},
		{"NaN", 2, "", money.ErrSyntax},
		{"Infinity", 2, "", money.ErrSyntax},
		{"１２", 2, "", money.ErrSyntax},
		{"1\x00", 2, "", money.ErrSyntax},
		{strings.Repeat("0", 200), 2, "", money.ErrSyntax},
	} {
		got, err := money.Parse(c.text, c.scale)
		if !errors.Is(err, c.err) || err == nil && got.Text(c.scale) != c.want {
			t.Errorf("Parse(%q, %d) = %s, %v; want %s, %v", c.text, c.scale, got.Text(2), err, c.want, c.err)
		}
	}
}

func TestParseAgreesWithBigIntegers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`-?[0-9]{1,60}`).Draw(t, "digits")
		scale := rapid.IntRange(0, money.DigitsMax).Draw(t, "scale")
		want, _ := new(big.Int).SetString(digits+strings.Repeat("0", scale), 10)
		agree(t, digits, want)(money.Parse(digits, scale))
	})
}

func TestParseRoundedRoundsHalfEven(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"2.5151930722326368E-2", "0.03"},
		{"2.5151930722326368e2", "251.52"},
		{"0.125", "0.12"},
		{"0.135", "0.14"},
		{"-0.125", "-0.12"},
		{"0.1250000000000000000000000000000000000000000000000000000000001", "0.13"},
		{"5E-3", "0.00"},
		{"1.5E-2", "0.02"},
		{"-0.004", "0.00"},
		{"+3", "3.00"},
		{"1E-400", "0.00"},
		{"0e400", "0.00"},
		{"1e+2", "100.00"},
		{"999999999999999999999999999999999999.994", "999999999999999999999999999999999999.99"},
		{"313.20999999999998", "313.21"},
	} {
		if got, err := money.ParseRounded(c.text, 2); err != nil || got.Text(2) != c.want {
			t.Errorf("ParseRounded(%q) = %s, %v; want %s", c.text, got.Text(2), err, c.want)
		}
	}
	for text, want := range map[string]error{
		"1e36": money.ErrRange, "-1e36": money.ErrRange, "1e400": money.ErrRange, "999999999999999999999999999999999999.995": money.ErrRange,
		"1,5": money.ErrSyntax, "1e": money.ErrSyntax, "e5": money.ErrSyntax, "1e401": money.ErrSyntax, "1e-999999999999": money.ErrSyntax,
		"1e5.5": money.ErrSyntax, "NaN": money.ErrSyntax, "inf": money.ErrSyntax, "": money.ErrSyntax, ".": money.ErrSyntax,
	} {
		if got, err := money.ParseRounded(text, 2); !errors.Is(err, want) {
			t.Errorf("ParseRounded(%q) = %s, %v; want %v", text, got.Text(2), err, want)
		}
	}
}

func TestParseRoundedAgreesWithBigIntegers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`-?[0-9]{1,30}`).Draw(t, "digits")
		decimals := rapid.StringMatching(`[0-9]{1,30}`).Draw(t, "decimals")
		scale := rapid.IntRange(0, 6).Draw(t, "scale")
		got, err := money.ParseRounded(digits+"."+decimals, scale)
		want := halfEven(digits+decimals, len(decimals)-scale)
		agree(t, digits+"."+decimals, want)(got, err)
	})
}

// halfEven divides digits by 10^places and rounds half-even.
func halfEven(digits string, places int) *big.Int {
	n, _ := new(big.Int).SetString(digits, 10)
	if places <= 0 {
		return n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-places)), nil))
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)
	q, r := new(big.Int).QuoRem(n, unit, new(big.Int))
	twice := new(big.Int).Abs(r)
	twice.Lsh(twice, 1)
	if c := twice.Cmp(unit); c > 0 || c == 0 && q.Bit(0) == 1 {
		step := int64(n.Sign())
		q.Add(q, big.NewInt(step))
	}
	return q
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"0", "-1234.50", "1e3", "395,88", ".", "99999999999999999999999999999999999999", "-0.00", "1.", "2.5151930722326368E-2"} {
		f.Add(seed, 2)
	}
	f.Fuzz(func(t *testing.T, text string, scale int) {
		exact, err := money.Parse(text, scale)
		if err != nil {
			return
		}
		canonical := exact.Text(scale)
		if back, err := money.Parse(canonical, scale); err != nil || back != exact {
			t.Fatalf("%q read as %q, which reads as %v, %v", text, canonical, back, err)
		}
		if rounded, err := money.ParseRounded(text, scale); err != nil || rounded != exact {
			t.Fatalf("%q is %q exact and %q rounded (%v)", text, canonical, rounded.Text(scale), err)
		}
	})
}

func FuzzParseRounded(f *testing.F) {
	for _, seed := range []string{"0", "-1234.505", "1e3", "1E-400", "2.5151930722326368E-2", "+1e+308"} {
		f.Add(seed, 2)
	}
	f.Fuzz(func(t *testing.T, text string, scale int) {
		got, err := money.ParseRounded(text, scale)
		if err != nil {
			return
		}
		// Another implementation of the same rounding, on rationals.
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q read as %s", text, got.Text(scale))
		}
		exact.Mul(exact, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)))
		gap := new(big.Rat).Sub(exact, new(big.Rat).SetInt(bigOf(got)))
		half := big.NewRat(1, 2)
		if c := gap.Abs(gap).Cmp(half); c > 0 || c == 0 && bigOf(got).Bit(0) == 1 {
			t.Fatalf("%q at scale %d rounded to %s", text, scale, got.Text(scale))
		}
	})
}

func TestMarshalText(t *testing.T) {
	for _, a := range []money.Amount{{}, money.New(-1), money.MaxAmount, money.MaxAmount.Neg()} {
		text, err := a.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var got money.Amount
		if err := got.UnmarshalText(text); err != nil || got != a {
			t.Errorf("%s reads back as %s, error %v", text, got.Text(0), err)
		}
	}
	var got money.Amount
	if err := got.UnmarshalText([]byte("1.5")); !errors.Is(err, money.ErrDecimals) {
		t.Errorf("a fraction of the smallest unit gives %v", err)
	}
}
