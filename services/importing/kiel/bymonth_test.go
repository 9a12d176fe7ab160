package kiel

import (
	"encoding/csv"
	"maps"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/timeline"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// monthly is what the file commits by month, such as 2023-04, and "" for what has no date: added up with nothing of this package. An ID that
// has no row of type Commitment is committed allocation by allocation, each when the last of its rows was announced.
func monthly(t *testing.T) map[string]*big.Int {
	t.Helper()
	f, err := os.Open(trackerFile(t, trackerBase+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1
	records, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := func(name string) int { return slices.Index(records[0], name) }
	id, announced, kind := column("ID"), column("Announcement Date"), column("Type of donation")
	converted, allocation := column("Converted Value in EUR"), column("Allocation ID")
	type packet struct {
		cents  *big.Int
		months []string
	}
	packets := map[string]*packet{}
	for i, rec := range records[1:] {
		v, ok := new(big.Rat).SetString(strings.TrimSpace(rec[converted]))
		if !ok {
			continue
		}
		key := rec[id] + "\x00" + strings.TrimSpace(rec[allocation])
		if rec[kind] == "Commitment" {
			key = strconv.Itoa(i) // each such row by itself
		}
		if packets[key] == nil {
			packets[key] = &packet{cents: new(big.Int)}
		}
		packets[key].cents.Add(packets[key].cents, halfEven(v))
		packets[key].months = append(packets[key].months, monthIn(t, rec[announced]))
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

var writtenDate = regexp.MustCompile(`(?:(\d{1,2})([/.]))?(\d{1,2})[/.](\d{2,4})$`)

// monthIn is the month of the last day that a cell names: a spreadsheet's day number, or words that end with a month/day/year, a day.month.year
// or a month/year; "" where they name none.
func monthIn(t *testing.T, cell string) string {
	t.Helper()
	cell = strings.TrimSpace(cell)
	if n, err := strconv.Atoi(cell); err == nil {
		return time.Date(1899, 12, 30+n, 0, 0, 0, 0, time.UTC).Format("2006-01")
	}
	m := writtenDate.FindStringSubmatch(cell)
	if m == nil {
		return ""
	}
	first, second, year := m[1], m[3], m[4]
	month := first
	if n, _ := strconv.Atoi(first); first == "" || m[2] == "." || n > 12 {
		month = second
	}
	if len(year) == 2 {
		year = "20" + year
	}
	n, err := strconv.Atoi(month)
	if err != nil || n < 1 || n > 12 {
		t.Fatalf("%q names no month", cell)
	}
	return year + "-" + string('0'+byte(n/10)) + string('0'+byte(n%10))
}

// What the tracker commits adds up month by month, in the ledger as in its file.
func TestCommittedByMonthIsAsInTheFile(t *testing.T) {
	want := monthly(t)
	p := planFor(t, trackerRows(t, ".csv"))
	view := timeline.New()
	s := newStage(p)
	s.heard = func(f *es.Fact) {
		recorded := *f
		recorded.Envelope = proto.CloneOf(f.Envelope)
		recorded.Envelope.Kind = pledge.Kind // which a service adds
		if err := view.Fold(&recorded); err != nil {
			t.Fatal(err)
		}
	}
	for step := range p.Steps() {
		if _, err := s.play(step.Command); err != nil {
			t.Fatal(err)
		}
	}
	sink := engine.NewMemSink()
	at, err := sink.Open(t.Context(), timeline.Spec)
	if err != nil {
		t.Fatal(err)
	}
	to := at
	to.LogID, to.Position = uuid.UUID{1: 7}, 1
	if err := sink.Commit(t.Context(), at, to, view.Flush); err != nil {
		t.Fatal(err)
	}
	var report *timeline.Report
	if err := sink.View(t.Context(), func(s engine.Snapshot) (err error) {
		report, err = timeline.Query(t.Context(), s, timeline.Request{Request: balances.Request{
			Basis: basisTracker, Stages: []string{"committed"}, Reached: true, By: []string{"month"}, Instruments: []string{"all"},
		}})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	got, last, total := map[string]string{}, "", money.Amount{}
	count := func(month string, row timeline.Row) {
		if row.Amount == nil {
			return
		}
		got[month] = *row.Amount
		amount, err := money.Parse(*row.Amount, 2)
		if err != nil {
			t.Fatal(err)
		}
		total = add(t, total, amount)
	}
	for _, row := range report.Rows {
		if *row.Month <= last {
			t.Errorf("month %s stands behind %s", *row.Month, last)
		}
		last = *row.Month
		count(last, row)
	}
	for _, row := range report.Undated {
		count("", row)
	}
	sum := new(big.Int)
	for _, month := range slices.Sorted(maps.Keys(want)) {
		sum.Add(sum, want[month])
		if text := new(big.Rat).SetFrac(want[month], big.NewInt(100)).FloatString(2); got[month] != text {
			t.Errorf("committed in %q: %s, recomputed %s", month, got[month], text)
		}
		t.Logf("%-7s %18s %20s", month, got[month], new(big.Rat).SetFrac(sum, big.NewInt(100)).FloatString(2))
	}
	if len(got) != len(want) || total.Text(2) != "310088339455.71" {
		t.Errorf("%d months, recomputed %d; %s in all", len(got), len(want), total.Text(2))
	}
}
