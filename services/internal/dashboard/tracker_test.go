package dashboard_test

import (
	"encoding/csv"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// trackerRow is a row of the tracker's file, read with nothing of the ledger. Amounts are EUR cents, nil where the file has none.
type trackerRow struct {
	id, donor, general, specific string
	promise                      bool // a Commitment, not an Allocation
	allocation                   string
	announced                    string
	committed, allocated         *big.Int
	delivered                    *big.Int
}

// The tracker's names of donors, and the codes in the addresses of their pages.
var trackerDonors = map[string]string{
	"Australia": "AUS", "Austria": "AUT", "Belgium": "BEL", "Bulgaria": "BGR", "Canada": "CAN", "China": "CHN", "Croatia": "HRV", "Cyprus": "CYP",
	"Czech Republic": "CZE", "Denmark": "DNK", "EU (Commission and Council)": "EU-INST", "Estonia": "EST", "European Investment Bank": "EIB",
	"European Peace Facility": "EPF", "Finland": "FIN", "France": "FRA", "Germany": "DEU", "Greece": "GRC", "Hungary": "HUN", "Iceland": "ISL",
	"India": "IND", "Ireland": "IRL", "Italy": "ITA", "Japan": "JPN", "Latvia": "LVA", "Lithuania": "LTU", "Luxembourg": "LUX", "Malta": "MLT",
	"Netherlands": "NLD", "New Zealand": "NZL", "Norway": "NOR", "Poland": "POL", "Portugal": "PRT", "Romania": "ROU", "Slovakia": "SVK",
	"Slovenia": "SVN", "South Korea": "KOR", "Spain": "ESP", "Sweden": "SWE", "Switzerland": "CHE", "Taiwan": "TWN", "Turkey": "TUR",
	"United Kingdom": "GBR", "United States": "USA",
}

var readTracker = sync.OnceValues(func() ([]trackerRow, error) {
	path, err := trackerPath()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1
	records, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	var rows []trackerRow
	for _, rec := range records[1:] {
		rows = append(rows, trackerRow{
			id: rec[0], donor: trackerDonors[rec[1]], announced: strings.TrimSpace(rec[2]), general: strings.TrimSpace(rec[3]), specific: strings.TrimSpace(rec[4]),
			promise: rec[7] == "Commitment", allocation: strings.TrimSpace(rec[24]),
			committed: cents(rec[19]), allocated: cents(rec[22]), delivered: cents(rec[20]),
		})
	}
	return rows, nil
})

func trackerRows(t testing.TB) []trackerRow {
	t.Helper()
	trackerFile(t)
	rows, err := readTracker()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// cents rounds a cell half to even; nil where it is no number, such as `.` or `Not given`.
func cents(cell string) *big.Int {
	v, ok := new(big.Rat).SetString(strings.TrimSpace(cell))
	if !ok {
		return nil
	}
	v.Mul(v, big.NewRat(100, 1))
	q, rest := new(big.Int).DivMod(v.Num(), v.Denom(), new(big.Int))
	if c := rest.Lsh(rest, 1).Cmp(v.Denom()); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return q
}

// euros writes cents as the ledger does.
func euros(cents *big.Int) string { return new(big.Rat).SetFrac(cents, big.NewInt(100)).FloatString(2) }

func committed(r trackerRow) *big.Int { return r.committed }
func allocated(r trackerRow) *big.Int { return r.allocated }
func delivered(r trackerRow) *big.Int { return r.delivered }

// stages of the pages whose figures a column of the file gives.
var stages = []struct {
	name   string
	column func(trackerRow) *big.Int
	total  string
}{
	{"committed", committed, "310088339455.71"},
	{"allocated", allocated, "203100979501.11"},
	{"handed_over", delivered, "31163828967.21"},
}

// sum adds up a column of the rows that a test keeps; empty where none has a value.
func sum(rows []trackerRow, column func(trackerRow) *big.Int, keep func(trackerRow) bool) string {
	total, any := new(big.Int), false
	for _, r := range rows {
		if v := column(r); v != nil && keep(r) {
			total.Add(total, v)
			any = true
		}
	}
	if !any {
		return ""
	}
	return euros(total)
}

func everything(trackerRow) bool { return true }

func by(donor string) func(trackerRow) bool {
	return func(r trackerRow) bool { return r.donor == donor }
}

// undisclosed counts the packages of a donor, or of all, that have no value: of what is allocated, and of what is committed where the ID has no
// row of type Commitment.
func undisclosed(rows []trackerRow, column func(trackerRow) *big.Int, promised bool, keep func(trackerRow) bool) int {
	valued, promises := map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		if r.promise {
			promises[r.id] = true
		} else if keep(r) {
			k := r.id + " " + r.allocation
			valued[k] = valued[k] || column(r) != nil
		}
	}
	n := 0
	for k, v := range valued {
		id, _, _ := strings.Cut(k, " ")
		if !v && !(promised && promises[id]) {
			n++
		}
	}
	return n
}

// committedIn is what the file commits by month, and "" for what has no date. An ID without a row of type Commitment is committed package by
// package, each when the last of its rows was announced.
func committedIn(t testing.TB, rows []trackerRow, keep func(trackerRow) bool) map[string]*big.Int {
	t.Helper()
	type packet struct {
		cents  *big.Int
		months []string
	}
	packets := map[string]*packet{}
	for i, r := range rows {
		if r.committed == nil || !keep(r) {
			continue
		}
		k := r.id + " " + r.allocation
		if r.promise {
			k = strconv.Itoa(i)
		}
		if packets[k] == nil {
			packets[k] = &packet{cents: new(big.Int)}
		}
		packets[k].cents.Add(packets[k].cents, r.committed)
		packets[k].months = append(packets[k].months, monthOf(t, r.announced))
	}
	sums := map[string]*big.Int{}
	for _, p := range packets {
		month := slices.Max(p.months)
		if slices.Contains(p.months, "") {
			month = ""
		}
		if sums[month] == nil {
			sums[month] = new(big.Int)
		}
		sums[month].Add(sums[month], p.cents)
	}
	return sums
}

var dateAtEnd = regexp.MustCompile(`(?:(\d{1,2})([/.]))?(\d{1,2})[/.](\d{2,4})$`)

// monthOf is the month of the last day that a cell names: a spreadsheet's day number, or words that end with a month/day/year, a day.month.year
// or a month/year; "" where they name none.
func monthOf(t testing.TB, cell string) string {
	t.Helper()
	if n, err := strconv.Atoi(cell); err == nil {
		return time.Date(1899, 12, 30+n, 0, 0, 0, 0, time.UTC).Format("2006-01")
	}
	m := dateAtEnd.FindStringSubmatch(cell)
	if m == nil {
		return ""
	}
	month := m[1]
	if n, _ := strconv.Atoi(month); month == "" || m[2] == "." || n > 12 {
		month = m[3]
	}
	n, err := strconv.Atoi(month)
	if err != nil || n < 1 || n > 12 {
		t.Fatalf("%q names no month", cell)
	}
	year := m[4]
	if len(year) == 2 {
		year = "20" + year
	}
	y, _ := strconv.Atoi(year) // digits, by the expression
	return time.Date(y, time.Month(n), 1, 0, 0, 0, 0, time.UTC).Format("2006-01")
}
