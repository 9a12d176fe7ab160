package main

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// someQuery is a command line that needs the balances.
var someQuery = []string{"balances", "--basis", "donor_stated", "--stage", "committed"}

func inViews(t *testing.T, dir string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "views.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// record commits one more pledge.
func record(t *testing.T, dir string) {
	t.Helper()
	line := `{"donor":"DNK","beneficiary":"UKR","effective":"2024-06-01","commit_pledge":{"title":"More","commitments":[{"firmness":"firm",` +
		`"line":{"category":"MIL.AIRDEF","instrument":"grant","values":[{"basis":"donor_stated","asset":"EUR/2@donor_stated","amount":"1"}]}}]}}`
	if r := try(t, line, "submit", "-", "--data", dir); r.code != exitOK {
		t.Fatal(r.stderr)
	}
}

// TestViewsThatAreWrongFailTheVerification: whatever is done to the file of the views, a verification says so, says it again, and builds
// nothing over it; and no query waits for what will never come.
func TestViewsThatAreWrongFailTheVerification(t *testing.T) {
	overwrite := func(at int64, with []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			f, err := os.OpenFile(filepath.Join(dir, "views.db"), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt(with, at); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	statements := func(all ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { inViews(t, dir, all...) }
	}
	for name, test := range map[string]struct {
		spoil func(*testing.T, string)
		want  string
	}{
		"rows of allied_views gone":     {statements("DELETE FROM allied_views"), "allied_views knows no view balances"},
		"one row of allied_views gone":  {statements("DELETE FROM allied_views WHERE projection = 'pledges'"), "allied_views knows no view pledges"},
		"allied_views gone":             {statements("DROP TABLE allied_views"), "no table allied_views"},
		"table gone":                    {statements("DROP TABLE balances"), "view balances lacks its table balances"},
		"table of other columns":        {statements("ALTER TABLE balances RENAME COLUMN reached TO gained"), "table balances of view balances has other columns"},
		"row gone":                      {statements("DELETE FROM pledges"), "no row"},
		"no amount":                     {statements("UPDATE balances SET reached = 'much'"), `"much" stands where an amount belongs`},
		"another checkpoint":            {statements("UPDATE allied_views SET position = 1042, ordinal = 1"), "differs from the log"},
		"a checkpoint beyond the log":   {statements("UPDATE allied_views SET position = position + 1"), "which the log does not have"},
		"a log id that is none":         {statements("UPDATE allied_views SET log_id = 'x'"), "log id"},
		"another program's file":        {statements("PRAGMA user_version = 9"), "layout 9"},
		"garbage from the first byte":   {overwrite(0, bytes.Repeat([]byte("garbage "), 512)), "not a database"},
		"garbage from the second page":  {overwrite(4096, bytes.Repeat([]byte{0xa5}, 3*4096)), "malformed"},
		"a register that says nothing":  {statements("UPDATE balances_registers SET register = x'ff', stream = 'x'"), "differs from the log"},
		"behind, and registers garbled": {statements("UPDATE balances_registers SET register = x'ff'", "UPDATE allied_views SET position = 1042, ordinal = 1"), "verification failed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := aDay(t)
			must(t, append(someQuery, "--data", dir)...)
			test.spoil(t, dir)
			for range 2 {
				try(t, "", "replay", "--verify", "--data", dir).refused(t, exitVerify, "verification failed", test.want)
			}
			if r := try(t, "", append(someQuery, "--data", dir)...); r.code != exitOK && r.code != exitVerify && r.code != exitFailure {
				t.Errorf("a query ends with %d: %s", r.code, r.stderr)
			}
		})
	}
}

// TestAVerificationSaysWhatItBuilt: a folder without views is no fault, but nothing was proven that was there before.
func TestAVerificationSaysWhatItBuilt(t *testing.T) {
	dir := aDay(t)
	const built = "view balances at position 1917: none was kept here; built from the log just now"
	if first := must(t, "replay", "--verify", "--data", dir); !strings.Contains(first, built) {
		t.Errorf("the first says\n%s", first)
	}
	if second := must(t, "replay", "--verify", "--data", dir); strings.Contains(second, "just now") || !strings.Contains(second, "view balances at position 1917 equals") {
		t.Errorf("the second says\n%s", second)
	}
	inViews(t, dir, "UPDATE allied_views SET fingerprint = 'balances/0' WHERE projection = 'balances'") // as an older program leaves it
	if third := must(t, "replay", "--verify", "--data", dir, "-o", "json"); !strings.Contains(third, "\"built\": [\n    \"balances\"\n  ]") {
		t.Errorf("the third says\n%s", third)
	}
	record(t, dir)
	if fourth := must(t, "replay", "--verify", "--data", dir); strings.Contains(fourth, "just now") {
		t.Errorf("views that only caught up were said to be built:\n%s", fourth)
	}
}
