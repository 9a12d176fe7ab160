package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// TestTextsOfEventsCannotSteerATerminal: a title may hold anything, and a table shows it.
func TestTextsOfEventsCannotSteerATerminal(t *testing.T) {
	const title = "a\u001b[2Jb\u009bc\u007fd\u202ee\nf\u2066g"
	const shown = `a\u001b[2Jb\u009bc\u007fd\u202ee\u000af\u2066g`
	name, err := json.Marshal(title)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "ledger")
	line := `{"donor":"NOR","beneficiary":"UKR","effective":"2024-03-01","sources":[{"publisher":` + string(name) + `,"external_id":"EX-9"}],` +
		`"commit_pledge":{"title":` + string(name) + `,"commitments":[{"firmness":"firm","line":{"title":` + string(name) +
		`,"category":"MIL.AIRDEF","instrument":"grant","values":[{"basis":"donor_stated","asset":"EUR/2@donor_stated","amount":"1"}]}}]}}`
	if r := try(t, line, "submit", "-", "--data", dir); r.code != exitOK {
		t.Fatal(r.stderr)
	}
	events := must(t, "events", "--decode", "--data", dir)
	for _, said := range []string{
		must(t, "pledges", "--data", dir), must(t, "pledge", "show", "EX-9", "--data", dir), events,
		try(t, "", "pledge", "show", title, "--data", dir).stderr, try(t, "", "pledge", "show", "x", "--data", dir+title).stderr,
	} {
		for _, r := range said {
			if r != '\n' && (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r)) {
				t.Errorf("%U is printed in\n%s", r, said)
			}
		}
	}
	if !strings.Contains(must(t, "pledges", "--data", dir), shown) {
		t.Errorf("the list shows\n%s", must(t, "pledges", "--data", dir))
	}
	if !strings.Contains(must(t, "pledges", "--data", dir, "-o", "csv"), title) {
		t.Error("a spreadsheet gets another title than was recorded")
	}
	var listing struct {
		Pledges []struct{ Title string }
	}
	if err := json.Unmarshal([]byte(must(t, "pledges", "--data", dir, "-o", "json")), &listing); err != nil || listing.Pledges[0].Title != title {
		t.Errorf("JSON says %q: %v", listing, err)
	}
}
