package kiel

import (
	"regexp"
	"strings"

	"github.com/allied-ledger/allied/events/money"
)

// absence says how a cell leaves its number out.
type absence int

const (
	present absence = iota
	blank
	dot
	notGiven
	undisclosed
	noPrice
	noValue
	unreadable
)

// number is a numeric cell: a decimal text that money.ParseRounded reads, or why there is none.
type number struct {
	absence absence
	decimal string
	// comma: the number was written with a decimal comma.
	comma bool
}

var (
	decimalNumber = regexp.MustCompile(`^[+-]?\d{1,60}(\.\d{1,60})?([eE][+-]?\d{1,3})?$`)
	// A comma before exactly three digits may as well group thousands, so it is not taken for a decimal comma.
	commaNumber = regexp.MustCompile(`^[+-]?\d{1,60},(\d{1,2}|\d{4,60})$`)
)

// readNumber reads a numeric cell as the tracker writes them; it never guesses.
func readNumber(raw string) number {
	s := tidy(raw)
	switch {
	case s == "":
		return number{absence: blank}
	case s == "." || s == "..":
		return number{absence: dot}
	case strings.EqualFold(s, "not given"):
		return number{absence: notGiven}
	case strings.EqualFold(s, "undisclosed"):
		return number{absence: undisclosed}
	case strings.EqualFold(s, "no price"):
		return number{absence: noPrice}
	case strings.EqualFold(s, "no value available"):
		return number{absence: noValue}
	case decimalNumber.MatchString(s):
		return number{decimal: s}
	case commaNumber.MatchString(s):
		return number{decimal: strings.Replace(s, ",", ".", 1), comma: true}
	default:
		return number{absence: unreadable}
	}
}

// rounded is the number half-even at scale; ok is false where there is none, or none within bounds.
func (n number) rounded(scale int) (a money.Amount, ok bool) {
	if n.absence != present {
		return money.Amount{}, false
	}
	a, err := money.ParseRounded(n.decimal, scale)
	if err != nil || a.Abs().Cmp(unitsMax) > 0 {
		return money.Amount{}, false
	}
	return a, true
}

// unitsMax bounds one cell's amount in its smallest unit, so that the sum over all rows stays within the bound of amounts.
var unitsMax = money.New(1e18)

// readable tells whether the cell is one of the known forms and its number within bounds.
func (n number) readable(scale int) bool {
	if n.absence != present {
		return n.absence != unreadable
	}
	_, ok := n.rounded(scale)
	return ok
}

// fraction tells whether the number is not whole.
func (n number) fraction() bool {
	a, ok := n.rounded(unitScale)
	return ok && !strings.HasSuffix(a.Text(unitScale), ".000000")
}

// unitScale is the decimal places of quantities.
const unitScale = 6
