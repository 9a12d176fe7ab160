package kiel

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/posting"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"google.golang.org/protobuf/proto"
)

// trackerFile finds a file of the shared data beside the project, or skips the test.
func trackerFile(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			path := filepath.Join(dir, "..", "shared", "data", name)
			if _, err := os.Stat(path); err != nil {
				t.Skipf("shared data absent: %s", filepath.Join("..", "shared", "data", name))
			}
			return path
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("no go.work above the package")
		}
		dir = filepath.Dir(dir)
	}
}

const trackerBase = "kiel/UST_main_data_to_2024-06"

// trackerRows reads each file once for all tests; rows are never changed.
func trackerRows(t testing.TB, ext string) []Row {
	t.Helper()
	path := trackerFile(t, trackerBase+ext)
	read.Lock()
	defer read.Unlock()
	if read.rows[ext] == nil {
		rows, err := ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		read.rows[ext] = rows
	}
	return read.rows[ext]
}

var read = struct {
	sync.Mutex
	rows map[string][]Row
}{rows: map[string][]Row{}}

func planFor(t testing.TB, rows []Row) *Plan {
	t.Helper()
	p, err := NewPlan(rows, "2024-06")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSpreadsheetAndCSVGiveTheSameRowsAndCommands(t *testing.T) {
	sheet, text := trackerRows(t, ".xlsx"), trackerRows(t, ".csv")
	if len(sheet) != len(text) {
		t.Fatalf("%d rows of the spreadsheet, %d of the CSV", len(sheet), len(text))
	}
	for i := range sheet {
		if !slices.Equal(sheet[i].Cells, text[i].Cells) || sheet[i].Number != text[i].Number {
			t.Errorf("row %d differs:\n%q\n%q", i+1, sheet[i].Cells, text[i].Cells)
		}
	}
	if a, b := encoded(t, planFor(t, sheet)), encoded(t, planFor(t, text)); !bytes.Equal(a, b) {
		t.Error("the commands differ")
	}
}

// encoded is every command of a plan, in order, as bytes.
func encoded(t testing.TB, p *Plan) []byte {
	t.Helper()
	var out []byte
	add := func(c *apiv1.Command) {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	for s := range p.Steps() {
		add(s.Command)
	}
	add(p.Completion())
	return out
}

// played is what a plan's commands lead to, by the real deciders and the real postings.
type played struct {
	reached  map[string]money.Amount // stage asset donor top → sum
	unknowns map[string]int          // stage basis → count
	over     map[string]bool         // streams that allocate beyond their commitments
	claims   map[string][]string     // ID → what its claims of deliveries post
	events   int
	bytesMax int
}

func play(t testing.TB, p *Plan) *played {
	t.Helper()
	out := &played{reached: map[string]money.Amount{}, unknowns: map[string]int{}, over: map[string]bool{}, claims: map[string][]string{}}
	registers := map[string]*posting.Register{}
	s := newStage(p)
	s.heard = func(f *es.Fact) {
		out.events++
		r := registers[f.Stream]
		if r == nil {
			r = posting.NewRegister()
			registers[f.Stream] = r
		}
		var j posting.Journal
		if err := r.Fold(f.Stream, f, &j); err != nil {
			t.Fatal(err)
		}
		out.enter(t, f, &j)
	}
	for step := range p.Steps() {
		out.bytesMax = max(out.bytesMax, proto.Size(step.Command))
		a, err := s.play(step.Command)
		if err != nil {
			t.Fatal(err)
		}
		if a.Outcome != command.Recorded {
			t.Fatalf("row %d of %s: %s %s %s %s", step.Row, step.ID, a.Outcome, a.Code, a.Field, a.Reason)
		}
	}
	return out
}

func (o *played) enter(t testing.TB, f *es.Fact, j *posting.Journal) {
	balance := map[string]money.Amount{}
	_, claims := f.Event.(*eventv1.DeliveryClaimed)
	for _, x := range j.Postings {
		if claims {
			a, err := asset.Parse(x.Asset)
			if err != nil {
				t.Fatal(err)
			}
			id := f.Envelope.Sources[0].ExternalId
			o.claims[id] = append(o.claims[id], fmt.Sprint(x.Account, " ", x.Asset, " ", x.Amount.Text(a.Scale)))
		}
		balance[x.Asset] = add(t, balance[x.Asset], x.Amount)
		if x.Account.String() == "over:allocated" {
			o.over[f.Stream] = true
		}
		if !x.Account.In() {
			continue
		}
		stage := strings.TrimSuffix(x.Account.String(), ":in")
		for _, k := range []string{
			stage + " " + x.Asset,
			stage + " " + x.Asset + " " + f.Envelope.Donor + " " + topWithRecovery(x.Category),
		} {
			o.reached[k] = add(t, o.reached[k], x.Amount)
		}
	}
	for a, sum := range balance {
		if !sum.IsZero() {
			t.Errorf("%s: the postings in %s do not sum to zero", f.Stream, a)
		}
	}
	for _, u := range j.Unknowns {
		o.unknowns[fmt.Sprintf("%v %s", u.Stage, u.Basis)] += u.Delta
	}
}

func topWithRecovery(code string) string {
	if top, _, _ := strings.Cut(code, "."); top != "REC" {
		return top
	}
	return "HUM"
}

func add(t testing.TB, a, b money.Amount) money.Amount {
	t.Helper()
	sum, err := a.Add(b)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// recomputed adds up a column of the file with nothing of this package: each row rounded half-even to the cent, in all and by donor's name
// and general type.
func recomputed(t testing.TB, column string) map[string]string {
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
	at := slices.Index(records[0], column)
	sums := map[string]*big.Int{}
	for _, rec := range records[1:] {
		v, ok := new(big.Rat).SetString(strings.TrimSpace(rec[at]))
		if !ok {
			continue
		}
		for _, k := range []string{"", rec[1] + " " + strings.TrimSpace(rec[3])} {
			if sums[k] == nil {
				sums[k] = new(big.Int)
			}
			sums[k].Add(sums[k], halfEven(v))
		}
	}
	out := map[string]string{}
	for k, v := range sums {
		out[k] = new(big.Rat).SetFrac(v, big.NewInt(100)).FloatString(2)
	}
	return out
}

func halfEven(v *big.Rat) *big.Int {
	cents := new(big.Rat).Mul(v, big.NewRat(100, 1))
	q, rest := new(big.Int).DivMod(cents.Num(), cents.Denom(), new(big.Int))
	switch twice := new(big.Int).Lsh(rest, 1).Cmp(cents.Denom()); {
	case twice > 0, twice == 0 && q.Bit(0) == 1:
		q.Add(q, big.NewInt(1))
	}
	return q
}

func TestBooksOfTheTrackerFile(t *testing.T) {
	p := planFor(t, trackerRows(t, ".xlsx"))
	if p.Rows != 3737 || p.Pledges() != 1235 || p.Allocations() != 1679 || len(p.Refused) != 0 {
		t.Fatalf("%d rows, %d pledges, %d allocations, refused %v", p.Rows, p.Pledges(), p.Allocations(), p.Refused)
	}
	got := play(t, p)
	for _, c := range []struct{ stage, column, basis, total string }{
		{"committed", "Converted Value in EUR", "tracker", "310088339455.71"},
		{"allocated", "Allocated Total in EUR", "tracker", "203100979501.11"},
		{"allocated", "Allocated Total in EUR (redistributed)", "tracker_redistributed", "203100979501.09"},
		{"claimed", "Total monetary value delivered in EUR", "tracker", "31163828967.21"},
	} {
		want := recomputed(t, c.column)
		key := c.stage + " EUR/2@" + c.basis
		if sum := got.reached[key].Text(2); sum != c.total || want[""] != c.total {
			t.Errorf("%s: %s, recomputed %s, expected %s", key, sum, want[""], c.total)
		}
		for k, v := range want {
			if k == "" {
				continue
			}
			i := strings.LastIndexByte(k, ' ')
			code, _ := donorCode(k[:i], nil)
			if sum := got.reached[key+" "+code+" "+topOf(k[i+1:])].Text(2); sum != v {
				t.Errorf("%s of %s: %s, not %s", key, k, sum, v)
			}
		}
	}
	for key, n := range map[string]int{
		"STAGE_ALLOCATED tracker":               117,
		"STAGE_ALLOCATED tracker_redistributed": 117,
		"STAGE_ALLOCATED donor_stated":          455,
		"STAGE_COMMITTED tracker":               117,
		"STAGE_COMMITTED donor_stated":          292,
		"STAGE_CLAIMED tracker":                 0,
	} {
		if got.unknowns[key] != n {
			t.Errorf("%d unknowns at %s, not %d", got.unknowns[key], key, n)
		}
	}
	for key := range got.reached {
		if stage, _, _ := strings.Cut(key, " "); stage == "dispatched" || stage == "handed_over" {
			t.Errorf("%s: the tracker reports nothing dispatched, and nothing signed for", key)
		}
	}
	if got.bytesMax > 512<<10 {
		t.Errorf("a command has %d bytes", got.bytesMax)
	}
	t.Logf("%d events, largest command %d bytes, %d pledges over, unknowns %v", got.events, got.bytesMax, len(got.over), got.unknowns)
	for _, code := range slices.Sorted(maps.Keys(p.Flags)) {
		t.Logf("%-24s %d", code, p.Flags[code])
	}
}

// The reasons of D11: 2,173 rows have no Allocated Total in EUR.
func TestMissingValuesHaveReasons(t *testing.T) {
	rows := trackerRows(t, ".csv")
	p := planFor(t, rows)
	got := map[string]int{}
	for _, m := range p.measures {
		got["not applicable"] += len(m.commitments)
		for _, a := range m.allocations {
			for _, f := range a.facts {
				for _, v := range f.item("2024-06", a.tracker != nil).Values {
					if v.Basis == basisTracker {
						got[v.Status]++
					}
				}
			}
			if a.tracker == nil {
				got["allocations undisclosed"]++
			}
		}
	}
	want := map[string]int{"not applicable": 166, "included": 1833, "undisclosed": 174, "allocations undisclosed": 117}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDatesOfTheTrackerFile(t *testing.T) {
	words, unknown := 0, map[string]bool{}
	for _, r := range trackerRows(t, ".csv") {
		w := readDate(r.raw(colAnnounced))
		if w.text {
			words++
		}
		if w.unknown {
			unknown[r.raw(colAnnounced)] = true
		}
	}
	if words != 275 {
		t.Errorf("%d dates in words, not 275", words)
	}
	if want := map[string]bool{"unclear ": true, "Undisclosed": true}; !maps.Equal(unknown, want) {
		t.Errorf("unknown: %q", slices.Sorted(maps.Keys(unknown)))
	}
}

func TestControlTotalsOfTheTrackerFile(t *testing.T) {
	p := planFor(t, trackerRows(t, ".csv"))
	sums := map[string]string{}
	for _, c := range p.columns {
		sums[c.Column+" "+c.Asset] = c.Sum
		if !strings.HasPrefix(c.Column, "Monetary") && c.RowsStated+c.RowsMissing != 3737 {
			t.Errorf("%s: %d rows stated and %d missing", c.Column, c.RowsStated, c.RowsMissing)
		}
	}
	for column, want := range map[string]string{
		"Converted Value in EUR EUR/2@tracker":                               "310088339455.71",
		"Allocated Total in EUR EUR/2@tracker":                               "203100979501.11",
		"Allocated Total in EUR (redistributed) EUR/2@tracker_redistributed": "203100979501.09",
		"Total monetary value delivered in EUR EUR/2@tracker":                "31163828967.21",
	} {
		if sums[column] != want {
			t.Errorf("%s: %s, not %s", column, sums[column], want)
		}
	}
}

// The mapping began with the shared one: the same rules in the same order, but for what the ledger has codes of its own for, and for the rows
// whose kind of aid decides before any rule does: an appropriation that names a rocket system, and a statistical entry that names a generator.
func TestMappingRestatesTheSharedOne(t *testing.T) {
	f, err := os.Open(trackerFile(t, "mappings/kiel_categories.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	theirs, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	ours, err := csv.NewReader(strings.NewReader(mappingCSV)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(ours) != len(theirs) {
		t.Fatalf("%d rules, not %d", len(ours)-1, len(theirs)-1)
	}
	changed := 0
	for i := range ours[1:] {
		o, s := ours[i+1], theirs[i+1]
		if o[0] != s[1] || o[1] != s[2] || o[2] != s[3] || o[3] != s[4] {
			t.Errorf("rule %d: %q is not %q", i+1, o, s)
		}
		if o[4] != s[5] {
			changed++
			if top, end, _ := strings.Cut(o[4], "."); !strings.HasPrefix(s[5], top+".") || end != "ENVELOPE" && end != "PLUG" {
				t.Errorf("rule %d: %s instead of %s", i+1, o[4], s[5])
			}
		}
	}
	if changed != 5 {
		t.Errorf("%d codes changed", changed)
	}
	m, err := loadMapping()
	if err != nil {
		t.Fatal(err)
	}
	decided := map[string]string{}
	for _, r := range trackerRows(t, ".csv") {
		rule, _ := m.byRule(labelsOf(r))
		if code, _ := m.category(labelsOf(r)); code != rule {
			decided[r.text(colItem)] = rule + " becomes " + code
		}
	}
	if want := map[string]string{"laser-guided rocket system": "MIL.SALW becomes MIL.ENVELOPE", "Power generator": "HUM.GOODS becomes HUM.PLUG"}; !maps.Equal(decided, want) {
		t.Errorf("decided before the rules: %q", decided)
	}
}

func BenchmarkReadSpreadsheet(b *testing.B) {
	path := trackerFile(b, trackerBase+".xlsx")
	for b.Loop() {
		if _, err := ReadFile(path); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlanAndCommands(b *testing.B) {
	rows := trackerRows(b, ".csv")
	n := 0
	start := time.Now()
	for b.Loop() {
		for range planFor(b, rows).Steps() {
			n++
		}
	}
	b.ReportMetric(float64(n)/time.Since(start).Seconds(), "commands/s")
}
