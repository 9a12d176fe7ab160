package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// guaranteed is a ledger with one grant and one guarantee.
func guaranteed(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "ledger")
	var lines strings.Builder
	for _, instrument := range []string{"grant", "guarantee"} {
		lines.WriteString(`{"donor":"NOR","beneficiary":"UKR","effective":"2024-03-01","commit_pledge":{"title":"x","commitments":[{"firmness":"firm",` +
			`"line":{"category":"MIL.AIRDEF","instrument":"` + instrument + `","values":[{"basis":"donor_stated","asset":"EUR/2@donor_stated","amount":"12.50"}]}}]}}` + "\n")
	}
	if r := try(t, lines.String(), "submit", "-", "--data", dir); r.code != exitOK {
		t.Fatal(r.stderr)
	}
	return dir
}

// TestEveryFormSaysWhatIsLeftOut: a sum that leaves guarantees out names them to programs, too.
func TestEveryFormSaysWhatIsLeftOut(t *testing.T) {
	dir := guaranteed(t)
	for _, test := range []struct {
		args []string
		want [][]string
	}{
		{nil, [][]string{
			{"stage", "asset", "amount", "unknown", "measure", "basis", "position", "ordinal", "instrument", "left_out"},
			{"committed", "EUR/2@donor_stated", "12.50", "0", "standing", "donor_stated", "", "", "", "false"},
			{"committed", "EUR/2@donor_stated", "12.50", "0", "standing", "donor_stated", "", "", "guarantee", "true"},
		}},
		{[]string{"--by", "donor,instrument"}, [][]string{
			{"donor", "instrument", "stage", "asset", "amount", "unknown", "measure", "basis", "position", "ordinal", "left_out"},
			{"NOR", "grant", "committed", "EUR/2@donor_stated", "12.50", "0", "standing", "donor_stated", "", "", "false"},
			{"", "guarantee", "committed", "EUR/2@donor_stated", "12.50", "0", "standing", "donor_stated", "", "", "true"},
		}},
	} {
		args := append([]string{"balances", "--basis", "donor_stated", "--stage", "committed", "--data", dir}, test.args...)
		r := try(t, "", append(args, "-o", "csv")...)
		rows, err := csv.NewReader(strings.NewReader(r.stdout)).ReadAll()
		if err != nil || r.stderr != "" {
			t.Fatalf("%v: %s", err, r.stderr)
		}
		for _, row := range rows[1:] {
			for _, name := range []string{"position", "ordinal"} {
				row[slices.Index(rows[0], name)] = ""
			}
		}
		if !slices.EqualFunc(rows, test.want, slices.Equal[[]string]) {
			t.Errorf("csv is\n%q\nwant\n%q", rows, test.want)
		}
		var left []bool
		for line := range strings.Lines(must(t, append(args, "-o", "jsonl")...)) {
			var item struct {
				Instrument string `json:"instrument"`
				Amount     string `json:"amount"`
				LeftOut    *bool  `json:"left_out"`
			}
			if err := json.Unmarshal([]byte(line), &item); err != nil || item.LeftOut == nil || item.Amount != "12.50" || *item.LeftOut != (item.Instrument == "guarantee") {
				t.Fatalf("line %s: %v", line, err)
			}
			left = append(left, *item.LeftOut)
		}
		if !slices.Equal(left, []bool{false, true}) {
			t.Errorf("left out: %v", left)
		}
	}
}

// TestAnImportAsCSVIsTheRowsThatAreNotInTheLedger, and the figures stand beside it.
func TestAnImportAsCSVIsTheRowsThatAreNotInTheLedger(t *testing.T) {
	dir, file := filepath.Join(t.TempDir(), "ledger"), filepath.Join("..", "..", "importing", "kiel", "testdata", "quirks.csv")
	kiel := func(file string) result {
		return try(t, "", "import", "kiel", file, "--release", "2024-06", "--data", dir, "-o", "csv")
	}
	if r := kiel(file); r.code != exitOK || r.stdout != "outcome,row,id,code,field,reason,remedy\n" || !strings.Contains(r.stderr, "0 refused") {
		t.Fatalf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(t.TempDir(), "changed.csv")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), "Germany", "France", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	r := kiel(changed)
	rows, err := csv.NewReader(strings.NewReader(r.stdout)).ReadAll()
	if err != nil || r.code != exitFailure || len(rows) < 2 || rows[1][0] != "refused" || rows[1][1] == "0" || rows[1][3] == "" || rows[1][6] == "" {
		t.Errorf("exit code %d, %v: %q\n%s", r.code, err, rows, r.stderr)
	}
}
