package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+?) *$`)
)

// TestLinksOfDocumentsLeadSomewhere follows the links within the repository, and to headings. The web's are not tried.
func TestLinksOfDocumentsLeadSomewhere(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	documents := []string{filepath.Join(root, "README.md")}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			documents = append(documents, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	followed := 0
	for _, from := range documents {
		for _, found := range link.FindAllStringSubmatch(proseOf(t, from), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			followed++
			path, anchor, _ := strings.Cut(found[1], "#")
			to := from
			if path != "" {
				to = filepath.Join(filepath.Dir(from), filepath.FromSlash(path))
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s, which is not there", from, found[1])
			} else if anchor != "" && !anchorsOf(t, to)[anchor] {
				t.Errorf("%s links to %s, and no heading is called so", from, found[1])
			}
		}
	}
	if followed < len(documents) {
		t.Errorf("only %d links in %d documents", followed, len(documents))
	}
}

// proseOf is a document without its blocks of code.
func proseOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fenced.ReplaceAllString(string(text), "")
}

// anchorsOf are the names by which a document's headings can be linked to: in small letters, without punctuation, with hyphens for blanks.
func anchorsOf(t *testing.T, path string) map[string]bool {
	t.Helper()
	anchors := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(proseOf(t, path), -1) {
		anchors[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, h[1])] = true
	}
	return anchors
}
