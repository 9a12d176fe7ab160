package category_test

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/category"
	"github.com/allied-ledger/allied/events/internal/shareddata"
)

func TestLinesCarryCodesAndNoGroups(t *testing.T) {
	for _, code := range []string{
		"MIL.AIRDEF", "MIL.ARMOUR.TANK", "MIL.ARMOUR.MIXED", "MIL.MIXED", "MIL.ENVELOPE", "MIL.PLUG", "MIL.UNMAPPED", "FIN.BUDGET",
		"FIN.UNMAPPED", "HUM.AID", "REC.ENERGY", "MIXED", "UNMAPPED", "ENVELOPE", "PLUG", "MIL.EXERCISE",
	} {
		if !category.Known(code) || category.Title(code) == "" {
			t.Errorf("%s is not known, or has no title", code)
		}
	}
	for _, code := range []string{
		"", "MIL", "MIL.ARMOUR", "FIN", "mil.airdef", "MIL.", ".MIXED", "MIL.AIRDEF.MIXED", "MIL.ARMOUR.PLUG", "MIL.TRAIN.EXERCISE", "FIN.GRANT",
	} {
		if category.Known(code) {
			t.Errorf("%q is known", code)
		}
	}
}

func TestCodesHangTogether(t *testing.T) {
	all := category.Codes()
	groups := map[string]bool{}
	for _, c := range all {
		if c.Group {
			groups[c.Code] = true
		}
	}
	if !slices.IsSortedFunc(all, func(a, b category.Code) int { return strings.Compare(a.Code, b.Code) }) {
		t.Error("the codes are not in order")
	}
	services := 0
	for _, c := range all {
		if dot := strings.LastIndexByte(c.Code, '.'); dot >= 0 && !groups[c.Code[:dot]] {
			t.Errorf("%s hangs below %s, which is no group", c.Code, c.Code[:dot])
		}
		if c.Service {
			services++
		}
	}
	if services != 3 {
		t.Errorf("%d services, not training, exercises and intelligence", services)
	}
}

func TestTopCutsToADepth(t *testing.T) {
	for _, c := range []struct {
		code  string
		depth int
		want  string
	}{
		{"MIL.ARMOUR.TANK", 1, "MIL"},
		{"MIL.ARMOUR.TANK", 2, "MIL.ARMOUR"},
		{"MIL.ARMOUR.TANK", 3, "MIL.ARMOUR.TANK"},
		{"MIL.ARMOUR.TANK", 9, "MIL.ARMOUR.TANK"},
		{"MIL.ARMOUR.TANK", 0, "MIL.ARMOUR.TANK"},
		{"MIL.ARMOUR.TANK", -1, "MIL.ARMOUR.TANK"},
		{"MIXED", 1, "MIXED"},
		{"", 1, ""},
	} {
		if got := category.Top(c.code, c.depth); got != c.want {
			t.Errorf("Top(%q, %d) = %q, want %q", c.code, c.depth, got, c.want)
		}
	}
}

func TestSharedNamesWhatItemsHaveInCommon(t *testing.T) {
	for want, items := range map[string][]string{
		"MIL.ARTY":         {"MIL.ARTY", "MIL.ARTY"},
		"MIL.AMMO":         {"MIL.AMMO"},
		"MIL.ARMOUR.MIXED": {"MIL.ARMOUR.TANK", "MIL.ARMOUR.AFV", "MIL.ARMOUR.TANK"},
		"MIL.MIXED":        {"MIL.ARMOUR.TANK", "MIL.ARMOUR.AFV", "MIL.AMMO"},
		"MIXED":            {"MIL.AMMO", "HUM.GOODS"},
		"UNMAPPED":         nil,
		"MIL.UNMAPPED":     {"MIL.UNMAPPED", "MIL.UNMAPPED"},
		"REC.MIXED":        {"REC.UNMAPPED", "REC.ENERGY"},
		"FIN.MIXED":        {"FIN.MIXED", "FIN.OTHER"},
		"HUM.MIXED":        {"HUM.MIXED", "HUM.MIXED"},
	} {
		if got := category.Shared(items); got != want {
			t.Errorf("Shared(%q) = %q, want %q", items, got, want)
		}
	}
}

// TestSharedIsAlwaysACode: whatever lines carry, their package carries a code that lines may carry, in any order of the items.
func TestSharedIsAlwaysACode(t *testing.T) {
	var codes []string
	for _, c := range category.Codes() {
		if category.Known(c.Code) {
			codes = append(codes, c.Code)
		}
	}
	for _, a := range codes {
		for _, b := range codes {
			got := category.Shared([]string{a, b})
			if !category.Known(got) {
				t.Errorf("%s and %s share %q, which is no code", a, b, got)
			}
			if other := category.Shared([]string{b, a}); other != got {
				t.Errorf("%s and %s share %q or %q", a, b, got, other)
			}
		}
	}
}

func TestNearestFindsTheMisspelt(t *testing.T) {
	for code, want := range map[string]string{
		"MIL.AIRDEFF":     "MIL.AIRDEF",
		"mil.airdef":      "MIL.AIRDEF",
		"MIL.ARMOR.TANK":  "MIL.ARMOUR.TANK",
		"MIL.ARMUOR.TANK": "MIL.ARMOUR.TANK",
		"MIL.ARTI":        "MIL.ARTY",
		"FIN.BUGDET":      "FIN.BUDGET",
		" HUM.AID ":       "HUM.AID",
		"HUM.MIXD":        "HUM.MIXED",
		"TANKS":           "",
		"":                "",
		"something else":  "",

		strings.Repeat("MIL.AIRDEF", 1000): "",
	} {
		if got := category.Nearest(code); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", code, got, want)
		}
	}
}

func TestMappingsAreSound(t *testing.T) {
	editions, err := category.Editions()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range editions {
		names = append(names, e.Name)
		if _, err := time.Parse(time.DateOnly, e.StatedOn); err != nil {
			t.Errorf("%v is stated on %q", e.Mapping, e.StatedOn)
		}
		for _, c := range category.Codes() {
			outside, err := e.Codes(c.Code)
			if err != nil {
				t.Fatal(err)
			}
			if c.Service && e.Name == "eu-military-list" && len(outside) > 0 {
				t.Errorf("%s is a service, but %v gives it %v", c.Code, e.Mapping, outside)
			}
			seen := map[string]bool{}
			for _, o := range outside {
				if o.Code == "" || seen[o.Code] {
					t.Errorf("%v gives %s %q, empty or twice", e.Mapping, c.Code, o.Code)
				}
				seen[o.Code] = true
			}
		}
	}
	if want := []string{"eu-military-list", "iati-sector", "unroca"}; !slices.Equal(names, want) {
		t.Errorf("mappings %q, want %q", names, want)
	}
}

func TestMappingsFollowTheOutsideLists(t *testing.T) {
	for _, c := range []struct{ mapping, code, want string }{
		{"unroca", "MIL.ARMOUR.TANK", "I"},
		{"unroca", "MIL.AIRDEF", "VII (man-portable air-defence systems)"},
		{"unroca", "MIL.AIR.HELO", "V (attack helicopters)"},
		{"unroca", "MIL.TRAIN", ""},
		{"eu-military-list", "MIL.AIRDEF", "ML4 (missiles and their launchers), ML5 (fire control and radar)"},
		{"eu-military-list", "MIL.TRAIN", ""},
		{"iati-sector", "HUM.GOODS", "72010"},
		{"iati-sector", "REC.INFRA", "73010"},
		{"iati-sector", "MIL.AMMO", ""},
	} {
		m, err := category.Latest(c.mapping)
		if err != nil {
			t.Fatal(err)
		}
		outside, err := m.Codes(c.code)
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, o := range outside {
			text := o.Code
			if o.Condition != "" {
				text += " (" + o.Condition + ")"
			}
			texts = append(texts, text)
		}
		if got := strings.Join(texts, ", "); got != c.want {
			t.Errorf("%v of %s: %q, want %q", m, c.code, got, c.want)
		}
	}
	if m, err := category.Latest("nothing"); err == nil {
		t.Errorf("%v is the latest of nothing", m)
	}
	if got, err := (category.Mapping{Name: "unroca", Version: "0"}).Codes("MIL.AMMO"); err == nil {
		t.Errorf("version 0 gives %v", got)
	}
}

// TestCodesCoverTheFirstMappings: every code that the shared mapping of the tracker's labels uses is one of ours.
func TestCodesCoverTheFirstMappings(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(shareddata.Read(t, "mappings/kiel_categories.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := slices.Index(rows[0], "code")
	for i, row := range rows[1:] {
		if !category.Known(row[column]) {
			t.Errorf("row %d: %q is not known; nearest is %q", i+2, row[column], category.Nearest(row[column]))
		}
	}
}
