package dates_test

import (
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/dates"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

func day(t *testing.T, date string) int32 {
	t.Helper()
	at, err := time.Parse(time.DateOnly, date)
	if err != nil {
		t.Fatal(err)
	}
	return int32(at.Unix() / (24 * 60 * 60))
}

func TestParseReadsWhatPeopleWrite(t *testing.T) {
	for _, c := range []struct {
		text, earliest, latest string
		precision              eventv1.Precision
	}{
		{"2022-09-13", "2022-09-13", "2022-09-13", eventv1.Precision_PRECISION_DAY},
		{"1970-01-01", "1970-01-01", "1970-01-01", eventv1.Precision_PRECISION_DAY},
		{"1900-01-01", "1900-01-01", "1900-01-01", eventv1.Precision_PRECISION_DAY},
		{"2199-12-31", "2199-12-31", "2199-12-31", eventv1.Precision_PRECISION_DAY},
		{"2024-02-29", "2024-02-29", "2024-02-29", eventv1.Precision_PRECISION_DAY},
		{"2000-02-29", "2000-02-29", "2000-02-29", eventv1.Precision_PRECISION_DAY},
		{"2022-09", "2022-09-01", "2022-09-30", eventv1.Precision_PRECISION_MONTH},
		{"2024-02", "2024-02-01", "2024-02-29", eventv1.Precision_PRECISION_MONTH},
		{"2023-02", "2023-02-01", "2023-02-28", eventv1.Precision_PRECISION_MONTH},
		{"2022-12", "2022-12-01", "2022-12-31", eventv1.Precision_PRECISION_MONTH},
		{"2022", "2022-01-01", "2022-12-31", eventv1.Precision_PRECISION_YEAR},
		{"until 2022-12-31", "1970-01-01", "2022-12-31", eventv1.Precision_PRECISION_UNTIL},
		{"unknown", "1970-01-01", "1970-01-01", eventv1.Precision_PRECISION_UNKNOWN},
	} {
		want := &eventv1.Effective{EarliestDay: day(t, c.earliest), LatestDay: day(t, c.latest), Precision: c.precision}
		got, err := dates.Parse(c.text)
		if err != nil || !proto.Equal(got, want) {
			t.Errorf("Parse(%q) = %v, %v; want %v", c.text, got, err, want)
			continue
		}
		if text := dates.Format(got); text != c.text {
			t.Errorf("%q is written as %q", c.text, text)
		}
		if err := dates.Check(got); err != nil {
			t.Errorf("Check(%q): %v", c.text, err)
		}
	}
}

func TestParseRefusesWhatIsNoDate(t *testing.T) {
	for _, text := range []string{
		"", " ", "2023-02-29", "1900-02-29", "2022-13", "2022-00", "2022-01-00", "2022-04-31", "1899", "2200-01-01", "22-01-01", "2022-1-1",
		"2022/09/13", "13.09.2022", "2022-09-13T00:00:00Z", "2022-09-13-01", "until", "until 2022", "until 2022-12", "Until 2022-12-31",
		"until  2022-12-31", "Unknown", "2022-09-13 ", "+022", "-022", "２０２２", "2022-0x", "12/20/2022", "unclear, 03/22",
	} {
		if got, err := dates.Parse(text); err == nil {
			t.Errorf("Parse(%q) = %v", text, got)
		}
	}
	if _, err := dates.Parse("2023-02-29"); err == nil || !strings.Contains(err.Error(), "day 29 is not 1 to 28") {
		t.Errorf("the error does not say what is allowed: %v", err)
	}
}

func TestCheckFindsWhatContradictsItself(t *testing.T) {
	for name, e := range map[string]*eventv1.Effective{
		"nothing":         nil,
		"no precision":    {LatestDay: 5},
		"strange":         {Precision: 99},
		"two days":        {EarliestDay: 1, LatestDay: 2, Precision: eventv1.Precision_PRECISION_DAY},
		"half a month":    {EarliestDay: 0, LatestDay: 20, Precision: eventv1.Precision_PRECISION_MONTH},
		"half a year":     {EarliestDay: 0, LatestDay: 180, Precision: eventv1.Precision_PRECISION_YEAR},
		"until with from": {EarliestDay: 5, LatestDay: 20, Precision: eventv1.Precision_PRECISION_UNTIL},
		"unknown, known":  {LatestDay: 20, Precision: eventv1.Precision_PRECISION_UNKNOWN},
		"long ago":        {EarliestDay: -90000, LatestDay: -90000, Precision: eventv1.Precision_PRECISION_DAY},
		"far ahead":       {EarliestDay: 1 << 30, LatestDay: 1 << 30, Precision: eventv1.Precision_PRECISION_DAY},
		"many words":      {Precision: eventv1.Precision_PRECISION_UNKNOWN, AsStated: strings.Repeat("x", dates.AsStatedBytesMax+1)},
		"broken words":    {Precision: eventv1.Precision_PRECISION_UNKNOWN, AsStated: "\xff"},
	} {
		if err := dates.Check(e); err == nil {
			t.Errorf("%s: %v is accepted", name, e)
		}
	}
	stated := &eventv1.Effective{Precision: eventv1.Precision_PRECISION_UNKNOWN, AsStated: "unclear, 03/22"}
	if err := dates.Check(stated); err != nil {
		t.Errorf("the source's own words are refused: %v", err)
	}
}

func TestEveryDayComesBack(t *testing.T) {
	first, last := day(t, "1900-01-01"), day(t, "2199-12-31")
	for n := first; n <= last; n++ {
		e, err := dates.FromDay(n)
		if err != nil {
			t.Fatalf("day %d: %v", n, err)
		}
		back, err := dates.Parse(dates.Format(e))
		if err != nil || back.GetLatestDay() != n {
			t.Fatalf("day %d is %q, which reads as %v, %v", n, dates.Format(e), back, err)
		}
	}
	for _, n := range []int32{first - 1, last + 1} {
		if e, err := dates.FromDay(n); err == nil {
			t.Errorf("day %d is %v", n, e)
		}
	}
}

func TestMonthsFillTheirYear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		y := rapid.IntRange(dates.YearMin, dates.YearMax).Draw(t, "year")
		year, err := dates.Year(y)
		if err != nil {
			t.Fatal(err)
		}
		next := year.GetEarliestDay()
		for m := 1; m <= 12; m++ {
			month, err := dates.Month(y, m)
			if err != nil || month.GetEarliestDay() != next {
				t.Fatalf("month %d of %d begins on day %d, not %d: %v", m, y, month.GetEarliestDay(), next, err)
			}
			next = month.GetLatestDay() + 1
		}
		if next != year.GetLatestDay()+1 {
			t.Fatalf("year %d ends on day %d, its months before %d", y, year.GetLatestDay(), next)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"2022-09-13", "2022-09", "2022", "until 2022-12-31", "unknown", "2023-02-29", "until 2022"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := dates.Parse(text)
		if err != nil {
			return
		}
		if got := dates.Format(e); got != text {
			t.Fatalf("%q is written as %q", text, got)
		}
		if err := dates.Check(e); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

func TestParseDayReadsDaysAlone(t *testing.T) {
	for _, text := range []string{"2022-09-13", "1949-08-24", "1970-01-01"} {
		if got, err := dates.ParseDay(text); err != nil || got != day(t, text) {
			t.Errorf("%q is day %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "2022-09", "2022", "until 2022-12-31", "unknown", "2022-02-30", "24.02.2022", "1899-12-31"} {
		if _, err := dates.ParseDay(text); err == nil || !strings.Contains(err.Error(), "date ") {
			t.Errorf("%q is a day: %v", text, err)
		}
	}
}
