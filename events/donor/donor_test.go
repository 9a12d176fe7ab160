package donor_test

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/donor"
	"github.com/allied-ledger/allied/events/internal/shareddata"
)

func day(t *testing.T, date string) int32 {
	t.Helper()
	at, err := time.Parse(time.DateOnly, date)
	if err != nil {
		t.Fatal(err)
	}
	return int32(at.Unix() / (24 * 60 * 60))
}

func TestStatesAndInstitutionsAreKnown(t *testing.T) {
	for _, code := range []string{"USA", "DEU", "UKR", "TUR", "FIN", "TWN", "EU-INST", "EIB", "EPF", "IMF", "WB", "XKX"} {
		if !donor.Known(code) || donor.Title(code) == "" {
			t.Errorf("%s is not known, or has no title", code)
		}
	}
	for _, code := range []string{"", donor.None, "usa", "US", "GER", "EU", "ZZZ", "USA "} {
		if donor.Known(code) {
			t.Errorf("%q is known", code)
		}
	}
	if donor.Institution("USA") || !donor.Institution("EPF") {
		t.Error("an institution is taken for a state, or a state for an institution")
	}
	if n := len(donor.Codes()); n != 249+1+5 {
		t.Errorf("%d codes, not 249 of ISO 3166-1, Kosovo and 5 institutions", n)
	}
}

func TestNamesFindTheirBearers(t *testing.T) {
	today := day(t, "2024-06-28")
	for name, want := range map[string]string{
		"Turkey": "TUR", "Türkiye": "TUR", "Turkiye": "TUR", "TÜRKIYE": "TUR",
		"Czech Republic": "CZE", "Czechia": "CZE",
		"UK": "GBR", "United Kingdom": "GBR", "united  kingdom ": "GBR", "United\u00a0Kingdom": "GBR",
		"United States": "USA", "US": "USA", "USA": "USA",
		"South Korea": "KOR", "Korea (Republic of)": "KOR",
		"EU (Commission and Council)": "EU-INST", "European Peace Facility": "EPF",
		"Côte d'Ivoire": "CIV", "Côte d’Ivoire": "CIV",
	} {
		if got, ok := donor.Lookup(name, today); !ok || got != want {
			t.Errorf("%q is %q (%t), want %s", name, got, ok, want)
		}
	}
	for _, name := range []string{"", " ", "_", "Freedonia", "Unite States"} {
		if got, ok := donor.Lookup(name, today); ok {
			t.Errorf("%q is %q", name, got)
		}
	}
}

func TestTitlesFollowTheirTime(t *testing.T) {
	for _, c := range []struct{ code, date, want string }{
		{"TUR", "2022-05-31", "Turkey"},
		{"TUR", "2022-06-01", "Türkiye"},
		{"CZE", "2016-07-04", "Czech Republic"},
		{"CZE", "2022-02-24", "Czechia"},
		{"MKD", "2019-02-12", "North Macedonia"},
		{"DEU", "1990-01-01", "Germany"},
		{"ZZZ", "2022-01-01", ""},
	} {
		if got := donor.TitleOn(c.code, day(t, c.date)); got != c.want {
			t.Errorf("%s on %s is %q, want %q", c.code, c.date, got, c.want)
		}
	}
}

func TestEveryTitleFindsItsCode(t *testing.T) {
	today := day(t, "2026-01-01")
	for _, code := range donor.Codes() {
		for _, name := range []string{code, donor.Title(code), strings.ToLower(donor.Title(code))} {
			if got, ok := donor.Lookup(name, today); !ok || got != code {
				t.Errorf("%q is %q, not %s", name, got, code)
			}
		}
		if title := donor.Title(code); strings.TrimSpace(title) != title || strings.Contains(title, "&") {
			t.Errorf("%s has the title %q", code, title)
		}
	}
}

func TestCodesAreThoseOfISO(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(shareddata.Read(t, "iso/iso3166_country-codes.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column, two := slices.Index(rows[0], "ISO3166-1-Alpha-3"), slices.Index(rows[0], "ISO3166-1-Alpha-2")
	listed := map[string]bool{}
	for _, row := range rows[1:] {
		listed[row[column]] = true
		if !donor.Known(row[column]) {
			t.Errorf("%s is missing", row[column])
		}
		if got := donor.Alpha2(row[column]); got != row[two] {
			t.Errorf("%s has the alpha-2 code %q, want %q", row[column], got, row[two])
		}
	}
	for _, code := range donor.Codes() {
		if !listed[code] && !donor.Institution(code) && code != "XKX" {
			t.Errorf("%s is not listed", code)
		}
		if listed[code] && donor.Institution(code) {
			t.Errorf("%s names a state too", code)
		}
	}
}

func TestTrackerNamesFindTheirCodes(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(shareddata.Read(t, "mappings/kiel_donors.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	name, code := slices.Index(rows[0], "name_as_found"), slices.Index(rows[0], "code")
	for _, row := range rows[1:] {
		for _, date := range []string{"2021-01-01", "2024-06-28"} {
			if got, ok := donor.Lookup(row[name], day(t, date)); !ok || got != row[code] {
				t.Errorf("%q on %s is %q (%t), want %s", row[name], date, got, ok, row[code])
			}
		}
	}
}
