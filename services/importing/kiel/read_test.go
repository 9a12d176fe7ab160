package kiel

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBadFiles(t *testing.T) {
	whole, err := os.ReadFile(quirks)
	if err != nil {
		t.Fatal(err)
	}
	sheet, err := os.ReadFile(spreadsheet(t, quirks, Sheet))
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(string(whole), "\r\n")
	for name, c := range map[string]struct {
		content string
		says    []string
	}{
		"empty":           {"", []string{"the file is empty"}},
		"header only":     {header, []string{"row 2", "no rows"}},
		"other CSV":       {"date,amount\r\n2024,1\r\n", []string{"header", `column A (1) is "date", not "ID"`, "and "}},
		"column missing":  {strings.Replace(string(whole), "Countries,", "", 1), []string{"header", `column B (2) is "Announcement Date", not "Countries"`}},
		"column renamed":  {strings.Replace(string(whole), "Converted Value in EUR", "Value", 1), []string{"header", "column T (20)", `"Value", not "Converted Value in EUR"`}},
		"open quote":      {string(whole) + `"`, []string{"row 23"}},
		"cut short":       {string(whole[:len(whole)-300]), []string{"row 22", "cut short"}},
		"not UTF-8":       {string(whole) + "X\xff,\r\n", []string{"row 23", "column A is not UTF-8"}},
		"binary":          {"\x7fELF\x00\x01\x02", []string{"header"}},
		"truncated sheet": {string(sheet[:len(sheet)/2]), []string{"not a whole .xlsx"}},
		"zip, no sheet":   {"PK\x03\x04 nothing", []string{"not a whole .xlsx"}},
		"old or locked":   {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", []string{"without a password"}},
		"endless cell":    {string(whole) + strings.Repeat("x", cellBytesMax+1), []string{"row 23", "column A has"}},
		"endless row":     {string(whole) + strings.Repeat(",", rowFieldsMax+1), []string{"row 23", "fields"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			refusedWith(t, path, c.says)
		})
	}
	t.Run("other sheet", func(t *testing.T) {
		refusedWith(t, spreadsheet(t, quirks, "Country summary"), []string{Sheet, `"Country summary"`, "saved as CSV"})
	})
	t.Run("folder", func(t *testing.T) { refusedWith(t, t.TempDir(), []string{"folder"}) })
	t.Run("absent", func(t *testing.T) {
		if _, err := ReadFile("testdata/absent.csv"); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "testdata/absent.csv") {
			t.Error(err)
		}
	})
}

func refusedWith(t *testing.T, path string, says []string) {
	t.Helper()
	rows, err := ReadFile(path)
	var file *FileError
	if !errors.As(err, &file) || file.Remedy == "" || rows != nil {
		t.Fatalf("%d rows and %v", len(rows), err)
	}
	for _, s := range append(says, path) {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
}

func TestBadReleases(t *testing.T) {
	for _, release := range []string{"", " ", "2024/06", "-", strings.Repeat("x", 65)} {
		if _, err := NewPlan(quirkRows(t), release); err == nil || !strings.Contains(err.Error(), "such as 2024-06") {
			t.Errorf("%q: %v", release, err)
		}
	}
}
