package sqlite

import (
	"cmp"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"sync"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/money"
	"modernc.org/sqlite"
)

// amountCollation orders decimal text by its value.
const amountCollation = "amount"

// askDriver opens the connections that answer queries of people. What it adds to SQL, or puts in the place of what SQLite does with amounts,
// is on these connections alone.
//
// SQLite's own sum goes through floating point once a value is text: the amounts 9007199254740993 and 0 have the sum 9007199254740992. Here
// sum is exact, or an error. It answers an integer, so that ORDER BY and arithmetic go by value; what an integer cannot hold is exact_sum's
// to say, as text.
var askDriver = sync.OnceValue(func() *sqlite.Driver {
	d := &sqlite.Driver{}
	d.MustRegisterFunction("sum", &sqlite.FunctionImpl{NArgs: 1, Deterministic: true, MakeAggregate: func(sqlite.FunctionContext) (sqlite.AggregateFunction, error) {
		return &exactSum{answer: sumAsInteger}, nil
	}})
	d.MustRegisterFunction("exact_sum", &sqlite.FunctionImpl{NArgs: 1, Deterministic: true, MakeAggregate: func(sqlite.FunctionContext) (sqlite.AggregateFunction, error) {
		return &exactSum{answer: sumAsAmount}, nil
	}})
	d.MustRegisterFunction("decimal", &sqlite.FunctionImpl{NArgs: 2, Deterministic: true, Scalar: decimal})
	d.MustRegisterCollationUtf8(amountCollation, compareAmounts)
	return d
})

// exactSum adds integers and amounts, as an aggregate and over a window. It has no bound of its own, so that the order of the rows does not
// decide whether a sum can be told.
type exactSum struct {
	sum    big.Int
	rows   int64 // that are not null
	answer func(*big.Int) (driver.Value, error)
}

func (s *exactSum) Step(_ *sqlite.FunctionContext, args []driver.Value) error {
	return s.count(args[0], 1)
}

func (s *exactSum) WindowInverse(_ *sqlite.FunctionContext, args []driver.Value) error {
	return s.count(args[0], -1)
}

// count adds a value, or takes it away again.
func (s *exactSum) count(v driver.Value, sign int64) error {
	if v == nil {
		return nil
	}
	n, err := integer(v)
	if err != nil {
		return fmt.Errorf("sum: %w", err)
	}
	if s.rows += sign; sign < 0 {
		n.Neg(n)
	}
	s.sum.Add(&s.sum, n)
	return nil
}

// WindowValue is null where there was nothing to add: unknown is not zero.
func (s *exactSum) WindowValue(*sqlite.FunctionContext) (driver.Value, error) {
	if s.rows == 0 {
		return nil, nil
	}
	return s.answer(&s.sum)
}

func (s *exactSum) Final(*sqlite.FunctionContext) {}

func sumAsInteger(sum *big.Int) (driver.Value, error) {
	if !sum.IsInt64() {
		return nil, fmt.Errorf("sum: %s is beyond 64 bits; exact_sum gives it as decimal text, ordered by COLLATE %s", sum, amountCollation)
	}
	return sum.Int64(), nil
}

func sumAsAmount(sum *big.Int) (driver.Value, error) {
	text := sum.String()
	if _, err := money.Parse(text, 0); err != nil {
		return nil, fmt.Errorf("exact_sum: the sum %s exceeds the %d digits of an amount", text, money.DigitsMax)
	}
	return text, nil
}

// integer reads an integer or an amount.
func integer(v driver.Value) (*big.Int, error) {
	switch v := v.(type) {
	case int64:
		return big.NewInt(v), nil
	case string:
		if _, err := money.Parse(v, 0); err != nil {
			return nil, fmt.Errorf("%q is no amount", shortened(v))
		}
		n, ok := new(big.Int).SetString(v, 10)
		if !ok {
			return nil, fmt.Errorf("%q is no amount", shortened(v))
		}
		return n, nil
	case float64:
		return nil, fmt.Errorf("%v went through floating point, which may have lost digits; amounts are integers of the smallest unit", v)
	}
	return nil, errors.New("bytes are no amount")
}

// shortened is a value as messages show it.
func shortened(text string) string {
	const shownRunesMax = 60
	if runes := []rune(text); len(runes) > shownRunesMax {
		return string(runes[:shownRunesMax]) + "…"
	}
	return text
}

// decimal is an amount in the decimals of its asset. It is null where the amount is, and where no asset is named: such a row counts what is
// not known.
func decimal(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	if args[0] == nil || args[1] == nil || args[1] == "" {
		return nil, nil
	}
	n, err := integer(args[0])
	if err != nil {
		return nil, fmt.Errorf("decimal: %w", err)
	}
	of, ok := args[1].(string)
	if !ok {
		return nil, fmt.Errorf("decimal: %v is no asset; the second argument is one, such as EUR/2@tracker", args[1])
	}
	a, err := asset.Parse(of)
	if err != nil {
		return nil, fmt.Errorf("decimal: %w", err)
	}
	v, err := money.Parse(n.String(), 0)
	if err != nil {
		return nil, fmt.Errorf("decimal: %s: %w", n, err)
	}
	return v.Text(a.Scale), nil
}

// number is a figure as SQLite writes an amount, an integer or a floating point number of a statement as text.
var number = regexp.MustCompile(`^-?[0-9]{1,400}(\.[0-9]{1,40})?(e[+-][0-9]{1,3})?$`)

// compareAmounts orders figures by their value, and any other text behind them by its bytes.
func compareAmounts(a, b string) int {
	if a == b {
		return 0
	}
	x, isNumber := valueOf(a)
	y, isToo := valueOf(b)
	switch {
	case isNumber && isToo:
		return x.Cmp(y)
	case isNumber != isToo:
		return cmp.Compare(b2i(isToo), b2i(isNumber))
	}
	return strings.Compare(a, b)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func valueOf(text string) (*big.Rat, bool) {
	if !number.MatchString(text) {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}
