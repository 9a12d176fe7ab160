package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/services/importing/kiel"
)

func TestMatchedPledgesAreCounted(t *testing.T) {
	for form, want := range map[string]string{formTable: "matched", formJSON: `"matched": 1234`, formCSV: "repeated,matched,refused"} {
		var out bytes.Buffer
		if err := printImport(&kiel.Report{Matched: 1234}).write(&out, form); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want) || !strings.Contains(out.String(), "1234") {
			t.Errorf("%s: %s", form, out.String())
		}
	}
}

func TestRefusalsNameTheirPlace(t *testing.T) {
	got := problemNotes("refused", []kiel.Refused{
		{Row: 8, ID: "DEM1", Code: "row_changed", Reason: "changed", Remedy: "rename"},
		{Row: 9, Code: "id_missing", Reason: "none", Remedy: "give one"},
		{ID: "DEM2", Code: "row_missing", Reason: "gone", Remedy: "rename"},
	})
	want := []string{
		"refused: row 8, ID DEM1: row_changed: changed; rename", "refused: row 9: id_missing: none; give one",
		"refused: ID DEM2: row_missing: gone; rename",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
