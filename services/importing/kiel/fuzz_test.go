package kiel

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/allied-ledger/allied/events/dates"
)

// A date is always one that the ledger reads, and its words are kept.
func FuzzDate(f *testing.F) {
	for _, s := range []string{"44733", "until 12/20/2022", "unclear, 03/22", "16/02/2023", "from 01/01/2023 until 12/31/2023", "until 06/31/2022", "between 3/20/2022 and 7/1/2022", "", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		w := readDate(raw)
		e, err := dates.Parse(w.effective)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		if e.AsStated = w.asStated; dates.Check(e) != nil {
			t.Fatalf("%q: %v", raw, dates.Check(e))
		}
		if w.unknown != (w.effective == "unknown") || w.latestDay != e.GetLatestDay() {
			t.Fatalf("%q: %+v", raw, w)
		}
	})
}

// A number is either within bounds or absent for a reason.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"4.4999999999999998E-2", "395,88", "1,000", "No price", "\u00a0", "1e999", "-0", strings.Repeat("9", 80)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		n := readNumber(raw)
		for _, scale := range []int{0, centScale, unitScale} {
			a, ok := n.rounded(scale)
			if ok && a.Abs().Cmp(unitsMax) > 0 {
				t.Fatalf("%q is %s", raw, a.Text(scale))
			}
			if ok && n.absence != present {
				t.Fatalf("%q is absent and %s", raw, a.Text(scale))
			}
		}
	})
}

// Whatever rows hold, each is refused with a reason, or leads to commands that the deciders take, all of its ID.
func FuzzRow(f *testing.F) {
	for _, r := range quirkRows(f) {
		f.Add(strings.Join(r.Cells, "\x1f"))
	}
	twice := strings.Join(quirkRows(f)[0].Cells, "\x1f")
	f.Add(twice + "\x1e" + twice)
	f.Fuzz(func(t *testing.T, line string) {
		if !utf8.ValidString(line) || len(line) > 4096 {
			t.Skip()
		}
		var rows []Row
		for i, r := range strings.Split(line, "\x1e") {
			rows = append(rows, NewRow(i+1, strings.Split(r, "\x1f")))
		}
		p, err := NewPlan(rows, "fuzz")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.playOn(newStage(p), false); err != nil {
			t.Fatal(err)
		}
		seen := len(p.Refused)
		for _, x := range p.Refused {
			if x.Reason == "" || x.Remedy == "" {
				t.Fatalf("%+v", x)
			}
		}
		for _, m := range p.measures {
			seen += len(m.facts)
		}
		if seen != len(rows) {
			t.Fatalf("%d of %d rows are planned or refused", seen, len(rows))
		}
		s := newStage(p)
		for step := range p.Steps() {
			if a, err := s.play(step.Command); err != nil || a.Outcome != "recorded" {
				t.Fatalf("%v %v", a, err)
			}
		}
	})
}

// Whatever bytes a file holds, it is read whole or refused with the place.
func FuzzFile(f *testing.F) {
	whole, err := os.ReadFile(quirks)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	sheet, err := os.ReadFile(spreadsheet(f, quirks, Sheet))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sheet)
	f.Add(bytes.Replace(whole, []byte("\r\n"), []byte("\n"), 3))
	path := filepath.Join(f.TempDir(), "fuzzed")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		rows, err := ReadFile(path)
		if (err == nil) != (len(rows) > 0) {
			t.Fatalf("%d rows and %v", len(rows), err)
		}
		for i, r := range rows {
			if r.Number != i+2 {
				t.Fatalf("data row %d is numbered %d, and the header is row 1", i+1, r.Number)
			}
		}
	})
}
