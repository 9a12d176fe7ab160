// Package dates reads and writes when a fact took place, as closely as its source says.
package dates

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// The years that a date may lie in.
const (
	YearMin = 1900
	YearMax = 2199
)

// AsStatedBytesMax bounds the source's own words for a date.
const AsStatedBytesMax = 1024

const daySeconds = 24 * 60 * 60

// Day is one day.
func Day(year, month, day int) (*eventv1.Effective, error) {
	n, err := number(year, month, day)
	if err != nil {
		return nil, err
	}
	return &eventv1.Effective{EarliestDay: n, LatestDay: n, Precision: eventv1.Precision_PRECISION_DAY}, nil
}

// Month is some day of a month.
func Month(year, month int) (*eventv1.Effective, error) {
	first, err := number(year, month, 1)
	if err != nil {
		return nil, err
	}
	last := DayNumber(year, month+1, 0)
	return &eventv1.Effective{EarliestDay: first, LatestDay: last, Precision: eventv1.Precision_PRECISION_MONTH}, nil
}

// Year is some day of a year.
func Year(year int) (*eventv1.Effective, error) {
	first, err := number(year, 1, 1)
	if err != nil {
		return nil, err
	}
	return &eventv1.Effective{EarliestDay: first, LatestDay: DayNumber(year, 12, 31), Precision: eventv1.Precision_PRECISION_YEAR}, nil
}

// Until is some day not after a day.
func Until(year, month, day int) (*eventv1.Effective, error) {
	n, err := number(year, month, day)
	if err != nil {
		return nil, err
	}
	return &eventv1.Effective{LatestDay: n, Precision: eventv1.Precision_PRECISION_UNTIL}, nil
}

// Unknown is a date that the source does not tell.
func Unknown() *eventv1.Effective {
	return &eventv1.Effective{Precision: eventv1.Precision_PRECISION_UNKNOWN}
}

// FromDay is the day with a number, counted from 1970-01-01.
func FromDay(day int32) (*eventv1.Effective, error) {
	e := &eventv1.Effective{EarliestDay: day, LatestDay: day, Precision: eventv1.Precision_PRECISION_DAY}
	return e, Check(e)
}

// Parse reads 2022-09-13, 2022-09, 2022, `until 2022-12-31` or `unknown`.
func Parse(text string) (*eventv1.Effective, error) {
	if text == "unknown" {
		return Unknown(), nil
	}
	bare, until := strings.CutPrefix(text, "until ")
	parts, err := split(bare)
	if err != nil {
		return nil, fmt.Errorf("date %q is not 2022-09-13, 2022-09, 2022, `until 2022-12-31` or `unknown`", text)
	}
	var e *eventv1.Effective
	switch {
	case until && len(parts) == 3:
		e, err = Until(parts[0], parts[1], parts[2])
	case until:
		err = errors.New("until needs a day, such as `until 2022-12-31`")
	case len(parts) == 3:
		e, err = Day(parts[0], parts[1], parts[2])
	case len(parts) == 2:
		e, err = Month(parts[0], parts[1])
	default:
		e, err = Year(parts[0])
	}
	if err != nil {
		return nil, fmt.Errorf("date %q: %w", text, err)
	}
	return e, nil
}

// ParseDay reads a day such as 2022-09-13, and nothing less exact, as its number counted from 1970-01-01.
func ParseDay(text string) (int32, error) {
	e, err := Parse(text)
	if err == nil && e.GetPrecision() != eventv1.Precision_PRECISION_DAY {
		err = fmt.Errorf("date %q is not a day such as 2022-09-13", text)
	}
	return e.GetLatestDay(), err
}

// Format returns the text that Parse reads; `unspecified` where e is nil or names no precision.
func Format(e *eventv1.Effective) string {
	latest := time.Unix(int64(e.GetLatestDay())*daySeconds, 0).UTC()
	switch e.GetPrecision() {
	case eventv1.Precision_PRECISION_DAY:
		return latest.Format("2006-01-02")
	case eventv1.Precision_PRECISION_MONTH:
		return latest.Format("2006-01")
	case eventv1.Precision_PRECISION_YEAR:
		return latest.Format("2006")
	case eventv1.Precision_PRECISION_UNTIL:
		return "until " + latest.Format("2006-01-02")
	case eventv1.Precision_PRECISION_UNKNOWN:
		return "unknown"
	default:
		return "unspecified"
	}
}

// Check says what is wrong with a date, nil where Format writes a text that Parse reads as the same days and precision.
func Check(e *eventv1.Effective) error {
	if e == nil {
		return errors.New("no effective date: say `unknown` where the source does not tell")
	}
	if len(e.GetAsStated()) > AsStatedBytesMax {
		return fmt.Errorf("the date's own words have %d bytes, at most %d are kept", len(e.GetAsStated()), AsStatedBytesMax)
	}
	if !utf8.ValidString(e.GetAsStated()) {
		return fmt.Errorf("the date's own words %q are not UTF-8", e.GetAsStated())
	}
	again, err := Parse(Format(e))
	if err != nil {
		return err
	}
	if again.GetEarliestDay() != e.GetEarliestDay() || again.GetLatestDay() != e.GetLatestDay() {
		return fmt.Errorf("date %s does not run from day %d to day %d after 1970-01-01", Format(e), e.GetEarliestDay(), e.GetLatestDay())
	}
	return nil
}

// split reads one to three numbers of four, two and two digits.
func split(text string) ([]int, error) {
	fields := strings.Split(text, "-")
	if len(fields) > 3 {
		return nil, strconv.ErrSyntax
	}
	parts := make([]int, len(fields))
	for i, f := range fields {
		n, err := strconv.ParseUint(f, 10, 16)
		if err != nil || i == 0 && len(f) != 4 || i > 0 && len(f) != 2 {
			return nil, strconv.ErrSyntax
		}
		parts[i] = int(n)
	}
	return parts, nil
}

// number returns the days since 1970-01-01 of a day that exists.
func number(year, month, day int) (int32, error) {
	if year < YearMin || year > YearMax {
		return 0, fmt.Errorf("year %d is not %d to %d", year, YearMin, YearMax)
	}
	if month < 1 || month > 12 {
		return 0, fmt.Errorf("month %d is not 1 to 12", month)
	}
	if last := time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day(); day < 1 || day > last {
		return 0, fmt.Errorf("day %d is not 1 to %d", day, last)
	}
	return DayNumber(year, month, day), nil
}

// DayNumber counts days from 1970-01-01, for tables of dates that are known to exist: a day beyond its month runs on into the next.
func DayNumber(year, month, day int) int32 {
	return int32(time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix() / daySeconds)
}
