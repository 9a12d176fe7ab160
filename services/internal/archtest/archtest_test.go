package archtest

import (
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTree judges the whole tree. It reads files of other modules, which Go's test cache does not watch: run it with -count=1.
func TestTree(t *testing.T) {
	root := houseRoot(t)
	files, err := Parse(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range Judge(files) {
		t.Error(b)
	}
}

func TestModules(t *testing.T) {
	breaches, err := Modules(houseRoot(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range breaches {
		t.Error(b)
	}
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(houseRoot(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topLevel, e.Name()) {
			t.Errorf("%s: the house has no such top-level entry; put it in one of the four modules, docs or deployments", e.Name())
		}
	}
}

var want = regexp.MustCompile(`^// want ([a-z ]+)$`)

// TestBreaches judges a small house in which every rule is broken, at the lines that say so and nowhere else.
func TestBreaches(t *testing.T) {
	files, err := Parse(os.DirFS("testdata/breach"))
	if err != nil {
		t.Fatal(err)
	}
	var wanted, got []string
	rules := map[string]bool{}
	for _, f := range files {
		for comment := range comments(f.Syntax) {
			if m := want.FindStringSubmatch(comment.Text); m != nil {
				for _, rule := range strings.Fields(m[1]) {
					wanted = append(wanted, fmt.Sprintf("%s:%d: %s", f.Path, f.line(comment.Pos()), rule))
					rules[rule] = true
				}
			}
		}
	}
	for _, b := range Judge(files) {
		got = append(got, fmt.Sprintf("%s:%d: %s", b.Path, b.Line, b.Rule))
	}
	for _, w := range wanted {
		if !slices.Contains(got, w) {
			t.Errorf("not found: %s", w)
		}
	}
	for _, g := range got {
		if !slices.Contains(wanted, g) {
			t.Errorf("found, though nothing is wrong: %s", g)
		}
	}
	for _, rule := range []string{"layer", "role", "technology", "pure", "library", "sleep", "name", "place"} {
		if !rules[rule] {
			t.Errorf("no file in testdata/breach breaks the rule %q", rule)
		}
	}
}

func comments(f *ast.File) func(func(*ast.Comment) bool) {
	return func(yield func(*ast.Comment) bool) {
		for _, group := range f.Comments {
			for _, c := range group.List {
				if !yield(c) {
					return
				}
			}
		}
	}
}

func TestModulesOutOfStep(t *testing.T) {
	mods := map[string]module{}
	for _, layer := range layers {
		m, err := readModule(filepath.Join("testdata", "modules", layer+".mod"))
		if err != nil {
			t.Fatal(err)
		}
		mods[layer] = m
	}
	wanted := []string{
		"events/go.mod:1: module: asks for go 1.25, proto for go 1.26",
		"events/go.mod:1: version: requires example.org/shared v1.2.0, proto requires v1.10.0; run make tidy",
		"projections/go.mod:1: module: requires github.com/allied-ledger/allied/events without replace => ../events",
		"services/go.mod:1: module: is called github.com/allied-ledger/allied/service, not github.com/allied-ledger/allied/services",
	}
	var got []string
	for _, b := range judgeModules(mods) {
		got = append(got, b.String())
	}
	if !slices.Equal(got, wanted) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(wanted, "\n"))
	}
}

// houseRoot is the folder of go.work.
func houseRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.work above the working directory")
	return ""
}
