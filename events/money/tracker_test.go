package money_test

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/internal/shareddata"
	"github.com/allied-ledger/allied/events/money"
)

// TestColumnsOfTheTrackerAddUp reads raw values that a spreadsheet computed, rounds each to the cent and compares the sums with figures
// that others worked out.
func TestColumnsOfTheTrackerAddUp(t *testing.T) {
	r := csv.NewReader(bytes.NewReader(shareddata.Read(t, "kiel/UST_main_data_to_2024-06.csv")))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for column, want := range map[string]string{
		"Converted Value in EUR":                 "310088339455.71",
		"Allocated Total in EUR":                 "203100979501.11",
		"Allocated Total in EUR (redistributed)": "203100979501.09",
		"Total monetary value delivered in EUR":  "31163828967.21",
	} {
		i := slices.IndexFunc(rows[0], func(title string) bool { return strings.TrimSpace(title) == column })
		if i < 0 {
			t.Fatalf("no column %q", column)
		}
		var sum money.Amount
		stated := 0
		for n, row := range rows[1:] {
			text := strings.Trim(row[i], " \u00a0")
			if strings.Trim(text, "+-0123456789.eE") != "" || !strings.ContainsAny(text, "0123456789") {
				continue // one of the words for a missing value
			}
			value, err := money.ParseRounded(text, 2)
			if err != nil {
				t.Fatalf("%s, row %d: %v", column, n+2, err)
			}
			if sum, err = sum.Add(value); err != nil {
				t.Fatal(err)
			}
			stated++
		}
		if got := sum.Text(2); got != want {
			t.Errorf("%s adds up to %s over %d rows, want %s", column, got, stated, want)
		}
	}
}
