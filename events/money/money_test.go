package money_test

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"pgregory.net/rapid"
)

// bound is 10^38-1, reached by another way than the package's constants.
var bound = new(big.Int).Sub(new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil), big.NewInt(1))

func within(b *big.Int) bool { return new(big.Int).Abs(b).Cmp(bound) <= 0 }

// bigOf reads an amount by its stored words, which is another way than its text.
func bigOf(a money.Amount) *big.Int {
	p := a.Proto()
	b := new(big.Int).Lsh(big.NewInt(p.GetHi()), 64)
	return b.Add(b, new(big.Int).SetUint64(p.GetLo()))
}

func amountOf(t interface {
	Helper()
	Fatalf(string, ...any)
}, b *big.Int,
) money.Amount {
	t.Helper()
	a, err := money.Parse(b.String(), 0)
	if err != nil {
		t.Fatalf("Parse(%s): %v", b, err)
	}
	return a
}

// amounts draws from the edges of words and of the bound as often as from between.
func amounts() *rapid.Generator[money.Amount] {
	return rapid.Custom(func(t *rapid.T) money.Amount {
		b := new(big.Int)
		switch rapid.IntRange(0, 4).Draw(t, "shape") {
		case 0:
			b.SetInt64(rapid.Int64().Draw(t, "small"))
		case 1:
			b.SetUint64(rapid.Uint64().Draw(t, "word"))
		case 2:
			b.Sub(bound, big.NewInt(int64(rapid.IntRange(0, 3).Draw(t, "below"))))
		case 3:
			b.Lsh(big.NewInt(1), uint(rapid.IntRange(0, 125).Draw(t, "bit")))
			b.Add(b, big.NewInt(int64(rapid.IntRange(-1, 1).Draw(t, "beside"))))
		default:
			b.SetUint64(rapid.Uint64().Draw(t, "hi"))
			b.Lsh(b, 64)
			b.Add(b, new(big.Int).SetUint64(rapid.Uint64().Draw(t, "lo")))
			b.Mod(b, bound)
		}
		if rapid.Bool().Draw(t, "negative") {
			b.Neg(b)
		}
		return amountOf(t, b)
	})
}

func TestArithmeticAgreesWithBigIntegers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := amounts().Draw(t, "a"), amounts().Draw(t, "b")
		x, y := bigOf(a), bigOf(b)
		agree(t, "a+b", new(big.Int).Add(x, y))(a.Add(b))
		agree(t, "a-b", new(big.Int).Sub(x, y))(a.Sub(b))
		agree(t, "-a", new(big.Int).Neg(x))(a.Neg(), nil)
		agree(t, "|a|", new(big.Int).Abs(x))(a.Abs(), nil)
		if a.Sign() != x.Sign() || a.IsZero() != (x.Sign() == 0) {
			t.Fatalf("sign of %s: %d, zero %t", x, a.Sign(), a.IsZero())
		}
		if a.Cmp(b) != x.Cmp(y) || (a == b) != (x.Cmp(y) == 0) {
			t.Fatalf("%s against %s: %d", x, y, a.Cmp(b))
		}
		least, most := x, y
		if x.Cmp(y) > 0 {
			least, most = y, x
		}
		agree(t, "min", least)(money.Min(a, b), nil)
		agree(t, "max", most)(money.Max(a, b), nil)
	})
}

// agree compares an answer with the exact one: the same within the bound, ErrRange beyond.
func agree(t *rapid.T, what string, want *big.Int) func(money.Amount, error) {
	return func(got money.Amount, err error) {
		t.Helper()
		switch {
		case !within(want):
			if !errors.Is(err, money.ErrRange) {
				t.Fatalf("%s = %s: error %v, want ErrRange", what, want, err)
			}
		case err != nil || bigOf(got).Cmp(want) != 0:
			t.Fatalf("%s = %s, %v; want %s", what, bigOf(got), err, want)
		}
	}
}

func TestMulDivAgreesWithBigIntegers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := amounts().Draw(t, "a"), amounts().Draw(t, "b"), amounts().Draw(t, "c")
		if c.IsZero() {
			if _, err := money.MulDiv(a, b, c); !errors.Is(err, money.ErrDivide) {
				t.Fatalf("division by zero: error %v", err)
			}
			return
		}
		// Quo cuts toward zero.
		want := new(big.Int).Mul(bigOf(a), bigOf(b))
		want.Quo(want, bigOf(c))
		agree(t, "a*b/c", want)(money.MulDiv(a, b, c))
	})
}

func TestMulDivOfPartsNearTheWhole(t *testing.T) {
	// Shares of a whole, as proportional relief takes them: the quotient is never beyond the bound and the guesses of the division are
	// at their worst.
	rapid.Check(t, func(t *rapid.T) {
		c := amounts().Filter(func(a money.Amount) bool { return a.Sign() > 0 }).Draw(t, "whole")
		b := money.Min(amounts().Draw(t, "part").Abs(), c)
		a := amounts().Draw(t, "standing")
		want := new(big.Int).Mul(bigOf(a), bigOf(b))
		want.Quo(want, bigOf(c))
		agree(t, "a*b/c", want)(money.MulDiv(a, b, c))
	})
}

func TestAmountsBeyondTheBoundAreRefused(t *testing.T) {
	one, max := money.New(1), money.MaxAmount
	if _, err := max.Add(one); !errors.Is(err, money.ErrRange) {
		t.Errorf("the greatest amount and one: error %v", err)
	}
	if _, err := max.Neg().Sub(one); !errors.Is(err, money.ErrRange) {
		t.Errorf("the least amount less one: error %v", err)
	}
	if bigOf(max).Cmp(bound) != 0 {
		t.Errorf("the greatest amount is %s", bigOf(max))
	}
	for _, p := range []*eventv1.Amount{
		{Hi: math.MinInt64},
		{Hi: math.MaxInt64, Lo: math.MaxUint64},
		{Hi: max.Proto().GetHi(), Lo: max.Proto().GetLo() + 1},
		{Hi: max.Neg().Proto().GetHi(), Lo: max.Neg().Proto().GetLo() - 1},
	} {
		if a, err := money.FromProto(p); !errors.Is(err, money.ErrRange) {
			t.Errorf("stored %v: %s, error %v", p, a.Text(0), err)
		}
	}
}

func TestStoredAmountsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := amounts().Draw(t, "a")
		if back, err := money.FromProto(a.Proto()); err != nil || back != a {
			t.Fatalf("%s came back as %s, %v", a.Text(0), back.Text(0), err)
		}
	})
	if a, err := money.FromProto(nil); err != nil || !a.IsZero() {
		t.Errorf("nothing stored is %s, %v", a.Text(0), err)
	}
	for _, v := range []int64{0, 1, -1, math.MaxInt64, math.MinInt64} {
		if got := bigOf(money.New(v)); got.Cmp(big.NewInt(v)) != 0 {
			t.Errorf("New(%d) = %s", v, got)
		}
	}
}

func TestTextComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, scale := amounts().Draw(t, "a"), rapid.IntRange(0, money.DigitsMax).Draw(t, "scale")
		text := a.Text(scale)
		if back, err := money.Parse(text, scale); err != nil || back != a {
			t.Fatalf("%q came back as %s, %v", text, back.Text(scale), err)
		}
		if rounded, err := money.ParseRounded(text, scale); err != nil || rounded != a {
			t.Fatalf("%q rounded to %s, %v", text, rounded.Text(scale), err)
		}
		digits := strings.Replace(strings.TrimPrefix(text, "-"), ".", "", 1)
		if got, _ := new(big.Int).SetString(digits, 10); got.Cmp(new(big.Int).Abs(bigOf(a))) != 0 {
			t.Fatalf("the digits of %q are not those of %s", text, bigOf(a))
		}
	})
}

func TestTextOfScales(t *testing.T) {
	for _, c := range []struct {
		units int64
		scale int
		want  string
	}{
		{-123450, 2, "-1234.50"},
		{0, 0, "0"},
		{0, 2, "0.00"},
		{5, 2, "0.05"},
		{-5, 2, "-0.05"},
		{1234, 0, "1234"},
		{1, 38, "0.00000000000000000000000000000000000001"},
	} {
		if got := money.New(c.units).Text(c.scale); got != c.want {
			t.Errorf("%d at scale %d is %q, want %q", c.units, c.scale, got, c.want)
		}
	}
	if got := string(money.New(7).AppendText([]byte("sum "), 1)); got != "sum 0.7" {
		t.Errorf("appended %q", got)
	}
}

func TestTextRefusesAScaleNoAssetHas(t *testing.T) {
	for _, scale := range []int{-1, 39} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("scale %d was accepted", scale)
				}
			}()
			money.New(1).Text(scale)
		}()
	}
}

func BenchmarkAdd(b *testing.B) {
	sum, one := money.New(math.MaxInt64), money.New(12345)
	b.ReportAllocs()
	for b.Loop() {
		sum, _ = sum.Add(one)
	}
	if sum.IsZero() {
		b.Fatal(sum)
	}
}

func BenchmarkMulDiv(b *testing.B) {
	whole := money.MaxAmount
	part, _ := money.Parse("12345678901234567890123456789012345678", 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := money.MulDiv(part, part, whole); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkText(b *testing.B) {
	a := money.New(-123456789012)
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf = a.AppendText(buf[:0], 2)
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := money.Parse("-1234567890.12", 2); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseRounded(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := money.ParseRounded("2.5151930722326368E-2", 2); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAddAllocatesNothing(t *testing.T) {
	sum := money.New(1)
	if n := testing.AllocsPerRun(100, func() { sum, _ = sum.Add(sum); sum = money.New(1) }); n != 0 {
		t.Errorf("Add allocates %v times", n)
	}
}
