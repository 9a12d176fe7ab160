package kiel

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/dates"
)

// when is an announcement date as the ledger writes it.
type when struct {
	effective string // as dates.Parse reads it
	asStated  string // the cell's own words, where it holds text
	latestDay int32  // 0 where unknown
	// text: the cell holds words or a written date, not a spreadsheet's day number.
	text bool
	// unknown: no day, month or year can be told.
	unknown bool
	// doubtful: the cell names a day that does not exist, or nothing that can be read.
	doubtful bool
}

// Day 25569 of the spreadsheet's 1900 system is 1970-01-01. Days up to 60 are off by one there, since it holds 1900 for a leap year, and no
// aid was announced then.
const (
	serialEpoch = 25569
	serialMin   = 61
)

var (
	serialDate  = regexp.MustCompile(`^(\d{1,7})(\.\d+)?$`)
	fullDate    = regexp.MustCompile(`^(\d{1,2})([/.])(\d{1,2})([/.])(\d{4}|\d{2})$`)
	monthDate   = regexp.MustCompile(`^(\d{1,2})/(\d{4}|\d{2})$`)
	spanOfDates = regexp.MustCompile(`^(?:from (\S+) until|between (\S+) and) (\S+)$`)
	vagueDate   = regexp.MustCompile(`^(?:unclear|not specified|undisclosed),? ?(\S*)$`)
)

// readDate reads an announcement date: a spreadsheet's day number, or one of the tracker's forms in words. Written dates are month first,
// unless that month does not exist, or points divide them.
func readDate(raw string) when {
	s := strings.ToLower(tidy(raw))
	if m := serialDate.FindStringSubmatch(s); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && n >= serialMin {
			if e, err := dates.FromDay(int32(n - serialEpoch)); err == nil {
				return when{effective: dates.Format(e), latestDay: e.GetLatestDay()}
			}
		}
		return unknownDate(raw, true)
	}
	w := readWords(s, raw)
	e, err := dates.Parse(w.effective)
	if err != nil {
		return unknownDate(raw, true)
	}
	w.text, w.asStated, w.latestDay = true, asStated(raw), e.GetLatestDay()
	return w
}

func unknownDate(raw string, doubtful bool) when {
	return when{effective: "unknown", asStated: asStated(raw), text: true, unknown: true, doubtful: doubtful}
}

func asStated(raw string) string { return clip(tidy(strings.ToValidUTF8(raw, "?")), asStatedRunesMax) }

const asStatedRunesMax = 200

func readWords(s, raw string) when {
	if rest, ok := strings.CutPrefix(s, "until "); ok {
		return readUntil(rest, raw)
	}
	if m := spanOfDates.FindStringSubmatch(s); m != nil {
		return readSpan(m[1]+m[2], m[3], raw)
	}
	if m := vagueDate.FindStringSubmatch(s); m != nil {
		if m[1] == "" {
			return unknownDate(raw, false)
		}
		s = m[1]
	}
	d, ok := readDay(s)
	if !ok {
		return unknownDate(raw, true)
	}
	return when{effective: d.text(), doubtful: d.clipped}
}

// readUntil: a month stands for its last day.
func readUntil(s, raw string) when {
	d, ok := readDay(s)
	if !ok {
		return unknownDate(raw, true)
	}
	return when{effective: "until " + d.lastDay(), doubtful: d.clipped}
}

// readSpan: a span that is a whole year is that year; of any other only the end is known to a ledger, and the words are kept.
func readSpan(from, to, raw string) when {
	f, ok1 := readDay(from)
	t, ok2 := readDay(to)
	if !ok1 || !ok2 {
		return unknownDate(raw, true)
	}
	if f.year == t.year && f.month == 1 && f.day == 1 && t.month == 12 && t.day == 31 {
		return when{effective: fmt.Sprintf("%04d", t.year)}
	}
	return when{effective: "until " + t.lastDay(), doubtful: f.clipped || t.clipped}
}

// day is a written date; day 0 means the month.
type day struct {
	year, month, day int
	// clipped: the day written does not exist, and the month's last one stands for it.
	clipped bool
}

func (d day) text() string {
	if d.day == 0 {
		return fmt.Sprintf("%04d-%02d", d.year, d.month)
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.year, d.month, d.day)
}

func (d day) lastDay() string {
	if d.day == 0 {
		d.day = daysIn(d.year, d.month)
	}
	return d.text()
}

func readDay(s string) (day, bool) {
	var d day
	if m := monthDate.FindStringSubmatch(s); m != nil {
		d.month, d.year = atoi(m[1]), year(m[2])
		return d, d.month >= 1 && d.month <= 12
	}
	m := fullDate.FindStringSubmatch(s)
	if m == nil || m[2] != m[4] {
		return d, false
	}
	d.month, d.day, d.year = atoi(m[1]), atoi(m[3]), year(m[5])
	if m[2] == "." || d.month > 12 {
		d.month, d.day = d.day, d.month
	}
	if d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31 {
		return d, false
	}
	if last := daysIn(d.year, d.month); d.day > last {
		d.day, d.clipped = last, true
	}
	return d, true
}

func year(s string) int {
	if len(s) == 2 {
		return 2000 + atoi(s)
	}
	return atoi(s)
}

// atoi reads digits that a pattern has checked.
func atoi(s string) int {
	n := 0
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}
