package reference

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/reference")

const root = "../../.."

// warning stands above every page.
const warning = "<!-- Written by `go test ./services/internal/reference -update` from the sources. Change them, not this page. -->\n\n"

func TestCommands(t *testing.T) {
	s, l := parseSchema(t, nil), recordExample(t)
	compare(t, "commands.md", s.commandsPage(l))
}

func TestEvents(t *testing.T) {
	s, l := parseSchema(t, nil), recordExample(t)
	compare(t, "events.md", s.eventsPage(t, l))
}

func TestAnswers(t *testing.T) {
	s := parseSchema(t, nil)
	found, unseen := refusals(t, root)
	for _, u := range unseen {
		t.Errorf("%s: this code of an answer cannot be read from the source: write it as a constant", u)
	}
	compare(t, "answers.md", s.answersPage(found))
}

// TestServices writes the page of the services, once the schema has one.
func TestServices(t *testing.T) {
	page := parseSchema(t, nil).servicesPage()
	if page == "" {
		if _, err := os.Stat(pathOf("api.md")); err == nil {
			t.Error("docs/reference/api.md describes services, and the schema has none: remove it")
		}
		return
	}
	compare(t, "api.md", page)
}

func pathOf(page string) string { return filepath.Join(root, "docs", "reference", page) }

func compare(t *testing.T, page, text string) {
	t.Helper()
	text = warning + strings.TrimRight(text, "\n") + "\n"
	old, err := os.ReadFile(pathOf(page))
	if err == nil && string(old) == text {
		return
	}
	if *update {
		t.Logf("%s is written anew", page)
		if err := os.WriteFile(pathOf(page), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("docs/reference/%s is not what the sources say: run go test ./services/internal/reference -update, and read the difference\n%s", page, firstDifference(string(old), text))
}

func firstDifference(old, text string) string {
	was, is := strings.Split(old, "\n"), strings.Split(text, "\n")
	for i := range is {
		if i >= len(was) || was[i] != is[i] {
			return "first new line: " + is[i]
		}
	}
	return "it has lines too many"
}
