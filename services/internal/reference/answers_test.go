package reference

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// found is one way in which the program answers with a code.
type found struct{ dir, outcome, code, field, reason, remedy string }

// areas name what the packages of a directory answer about; the longest entry counts.
var areas = []struct {
	title string
	dirs  []string
}{
	{"Any command", []string{"events/stated", "services/command", "services/internal/route", "services/internal/fields"}},
	{"Commands of pledges", []string{"events/pledge", "services/pledges"}},
	{"Commands of shipments", []string{"events/shipment", "services/shipments"}},
	{"Commands of payments", []string{"events/payment", "services/payments"}},
	{"Commands of imports", []string{"events/imports", "services/imports"}},
	{"Rows of a file that is imported", []string{"services/importing"}},
	{"Sending a command, and drawing on a pledge", []string{"services/client", "services/internal/reservation"}},
	{"The event store", []string{"services/recorder", "events/filelog", "events/kurrentlog"}},
	{"Questions to views", []string{"projections", "services/query", "services/internal/boot", "services/internal/remotelog"}},
	{"Requests over HTTP", []string{"services/gateway", "services/stream"}},
	{"The relay", []string{"services/relay"}},
}

func areaOf(dir string) string {
	for _, a := range areas {
		for _, d := range a.dirs {
			if dir == d || strings.HasPrefix(dir, d+"/") {
				return a.title
			}
		}
	}
	return ""
}

func (s *schema) answersPage(all []found) string {
	s.placeAPI()
	var b strings.Builder
	fmt.Fprint(&b, `# Answers

## The five answers

Every command is answered in one of five ways. A timeout is none of the first three.

| Outcome | What it says | What to do |
|---|---|---|
| `+"`recorded`"+` | It is durable, and readers may see it. | Nothing. |
| `+"`repeated`"+` | The same command was recorded before; nothing was added. | Nothing. |
| `+"`refused`"+` | A rule forbids it; nothing was recorded. | Read reason and remedy. |
| `+"`busy`"+` | It is not recorded. | Send it again. |
| `+"`unknown`"+` | Perhaps it is recorded. | Send it again with the same id, and learn. |

`)
	b.WriteString(s.table(answersFile, s.message(apiPackage+".Answer")))
	b.WriteString(s.section(answersFile, s.message(apiPackage+".DrawStatus")))
	b.WriteString("## The codes\n\nA code is stable. An ellipsis stands for what differs from case to case. Questions to views are refused in the same form as commands.\n\n")
	for _, a := range areas {
		fmt.Fprintf(&b, "### %s\n\n| Code | Outcome | Field | Reason | Remedy |\n|---|---|---|---|---|\n", a.title)
		for _, f := range sorted(all, a.title) {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.code, f.outcome, code(f.field), cell(f.reason), cell(f.remedy))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// sorted are the answers of an area by their code, each once.
func sorted(all []found, area string) []found {
	var out []found
	for _, f := range all {
		if areaOf(f.dir) == area {
			f.dir = ""
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.code, b.code), cmp.Compare(a.field, b.field), cmp.Compare(a.reason, b.reason), cmp.Compare(a.remedy, b.remedy), cmp.Compare(a.outcome, b.outcome))
	})
	return slices.Compact(out)
}

func code(field string) string {
	if field == "" || field == ellipsis {
		return field
	}
	return "`" + field + "`"
}

func TestEveryCodeHasAnArea(t *testing.T) {
	all, _ := refusals(t, root)
	if len(all) < 100 {
		t.Errorf("found %d codes: the sources are read no more", len(all))
	}
	for _, f := range all {
		if areaOf(f.dir) == "" {
			t.Errorf("%s gives the code %s: say in areas what it answers about", f.dir, f.code)
		}
	}
}

// TestCodesOfEveryShape reads testdata/codes, where codes are built in every way that is read, and in some that are not.
func TestCodesOfEveryShape(t *testing.T) {
	all, unseen := refusals(t, "testdata/codes")
	var got []string
	for _, f := range all {
		got = append(got, strings.Join([]string{f.outcome, f.code, f.field, f.reason, f.remedy}, "|"))
	}
	slices.SortFunc(got, cmp.Compare)
	want := []string{
		"busy|assigned||…|wait",
		"busy|store_told|||free it",
		"refused|by_constant|at.name|…|",
		"refused|by_function|a.b|4 is too many, not “…”|use less",
		"refused|exceeds_<rung>||…|",
		"refused|of_two_functions|the field|first and the field|second",
		"refused|plain||no `…` here|",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(unseen) != 4 {
		t.Errorf("of four codes that cannot be read %d are named: %v", len(unseen), unseen)
	}
}
