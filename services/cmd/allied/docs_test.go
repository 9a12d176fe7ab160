package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fenced is a block of a document: its language, what else its opening line says, and its text.
var fenced = regexp.MustCompile("(?ms)^```(\\w+) ?([^\n]*)\n(.*?)^```$")

// TestDocumentsShowWhatIsPrinted runs every command of a console block on a ledger with the sample, and compares what it prints. A jsonl block
// is the file that it names.
func TestDocumentsShowWhatIsPrinted(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	documents := []string{filepath.Join(root, "README.md"), filepath.Join(root, "docs", "concepts.md")}
	guides, err := filepath.Glob(filepath.Join(root, "docs", "guides", "*.md"))
	if err != nil || len(guides) == 0 {
		t.Fatalf("no guides: %v", err)
	}
	for _, path := range append(documents, guides...) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			fillSample(t)
			buildViews(t)
			shown := fenced.ReplaceAllStringFunc(string(text), func(block string) string {
				parts := fenced.FindStringSubmatch(block)
				switch parts[1] {
				case "jsonl":
					if err := os.WriteFile(parts[2], []byte(parts[3]), 0o644); err != nil {
						t.Fatal(err)
					}
				case "console":
					return "```console\n" + playConsole(t, parts[3]) + "```"
				}
				return block
			})
			if shown == string(text) {
				return
			}
			if !*update {
				t.Fatalf("%s shows something else than what is printed now:\n%s", path, shown)
			}
			t.Logf("%s becomes\n%s", path, shown)
			if err := os.WriteFile(path, []byte(shown), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestTheExampleOfTheReferenceIsRecorded sends the file that the reference says is recorded completely.
func TestTheExampleOfTheReferenceIsRecorded(t *testing.T) {
	must(t, "submit", filepath.Join("..", "..", "..", "docs", "reference", "example.jsonl"), "--data", filepath.Join(t.TempDir(), "ledger"))
}

func fillSample(t *testing.T) {
	t.Helper()
	c := &cli{stdout: t.Output(), stderr: t.Output(), dataDir: defaultDataDir}
	ledger, closeLedger, err := c.connectToWrite(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := closeLedger(); err != nil {
			t.Error(err)
		}
	}()
	if err := c.submitSample(t.Context(), ledger); err != nil {
		t.Fatal(err)
	}
}

// buildViews has the views that a served ledger has.
func buildViews(t *testing.T) {
	t.Helper()
	must(t, "pledges", "--limit", "1")
}

// playConsole runs the commands of a block, and returns the block as it would be printed now. Speeds, positions, sizes, ages and log ids that differ
// from the document's are left as the document has them.
func playConsole(t *testing.T, block string) string {
	t.Helper()
	var b strings.Builder
	lines := strings.SplitAfter(block, "\n")
	for i := 0; i < len(lines); i++ {
		command, ok := strings.CutPrefix(lines[i], "$ bin/allied ")
		if !ok {
			continue
		}
		b.WriteString(lines[i])
		old := ""
		for i+1 < len(lines) && !strings.HasPrefix(lines[i+1], "$ ") {
			i++
			old += lines[i]
		}
		r := try(t, "", shellWords(command)...)
		b.WriteString(keepVarying(old, r.stdout+r.stderr))
	}
	return b.String()
}

var positions = regexp.MustCompile(`position \d+|@\d+|(?m)^ +\d+( +\d+ +\d+) +\d+ +\d+( +\d+)  [0-9a-f-]{36}$|^ +\d+ +\d+ +\d+ +\d+  |^[a-z_]+ +\d+  [A-Z]{3}[A-Z-]* `)

// keepVarying returns old where it differs from got in nothing but these. Ordinals and counts of events do not vary: they tell that the sample has changed.
func keepVarying(old, got string) string {
	if positions.ReplaceAllString(old, "#$1$2") == positions.ReplaceAllString(got, "#$1$2") {
		return old
	}
	return got
}

// shellWords parts a command line at blanks, but not within double quotes.
func shellWords(line string) []string {
	var words []string
	for i, part := range strings.Split(strings.TrimSpace(line), `"`) {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}

// TestThePictureShowsTheFiguresOfItsPage compares the ladder's picture with the first two tables of the page around it, in millions.
func TestThePictureShowsTheFiguresOfItsPage(t *testing.T) {
	docs := filepath.Join("..", "..", "..", "docs")
	page, err := os.ReadFile(filepath.Join(docs, "concepts.md"))
	if err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile(filepath.Join(docs, "ladder.svg"))
	if err != nil {
		t.Fatal(err)
	}
	tables := regexp.MustCompile(`(?m)^(?:committed|allocated|reserved|dispatched|handed_over) +EUR/2@donor_stated +(\d+)(?: 000 000|)\.00 `)
	var printed, drawn []string
	for _, figure := range tables.FindAllSubmatch(page, -1) {
		printed = append(printed, string(figure[1]))
	}
	for _, of := range []string{"reached", "standing"} {
		for _, figure := range regexp.MustCompile(`>(\d+) `+of+`<`).FindAllSubmatch(picture, -1) {
			drawn = append(drawn, string(figure[1]))
		}
	}
	if len(drawn) != 10 || !slices.Equal(printed, drawn) {
		t.Errorf("docs/ladder.svg shows %v, and docs/concepts.md prints %v", drawn, printed)
	}
}
