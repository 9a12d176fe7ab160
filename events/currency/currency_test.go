package currency_test

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/currency"
	"github.com/allied-ledger/allied/events/internal/shareddata"
)

func dayOf(t *testing.T, date string) int32 {
	t.Helper()
	at, err := time.Parse(time.DateOnly, date)
	if err != nil {
		t.Fatal(err)
	}
	return int32(at.Unix() / (24 * 60 * 60))
}

func TestTableIsSound(t *testing.T) {
	all := currency.All()
	if !slices.IsSortedFunc(all, func(a, b currency.Currency) int { return strings.Compare(a.Code, b.Code) }) {
		t.Error("the table is not in order of codes, so Find misses some")
	}
	seen := map[string]bool{}
	for _, c := range all {
		switch {
		case len(c.Code) != 3 || strings.ToUpper(c.Code) != c.Code || seen[c.Code]:
			t.Errorf("%q is not a code, or stands twice", c.Code)
		case c.Title == "" || strings.TrimSpace(c.Title) != c.Title:
			t.Errorf("%s has the title %q", c.Code, c.Title)
		case c.Numeric < 1 || c.Numeric > 999 || c.Minor < currency.NoMinorUnit || c.Minor > 4:
			t.Errorf("%s has number %d and %d decimal places", c.Code, c.Numeric, c.Minor)
		case c.From != 0 && c.To != 0 && c.From > c.To:
			t.Errorf("%s ends before it begins", c.Code)
		}
		seen[c.Code] = true
	}
}

func TestCurrenciesAreKnownInTheirTime(t *testing.T) {
	for _, c := range []struct {
		code, date string
		want       bool
	}{
		{"EUR", "2022-02-24", true},
		{"HRK", "2022-12-31", true},
		{"HRK", "2023-01-01", false},
		{"BGN", "2025-12-31", true},
		{"BGN", "2026-01-01", false},
		{"ANG", "2025-03-30", true},
		{"ANG", "2025-03-31", false},
		{"XCG", "2025-03-30", false},
		{"XCG", "2025-03-31", true},
		{"LTL", "2014-12-31", true},
		{"LTL", "2015-01-01", false},
		{"XDR", "2024-06-28", true},
		{"ZZZ", "2024-06-28", false},
		{"eur", "2024-06-28", false},
		{"", "2024-06-28", false},
	} {
		if got := currency.Known(c.code, dayOf(t, c.date)); got != c.want {
			t.Errorf("%s on %s: known %t, want %t", c.code, c.date, got, c.want)
		}
	}
}

func TestMinorUnits(t *testing.T) {
	for code, want := range map[string]int{"EUR": 2, "JPY": 0, "KRW": 0, "ISK": 0, "KWD": 3, "CLF": 4, "HRK": 2, "BYR": 0} {
		if got, ok := currency.MinorUnit(code); !ok || got != want {
			t.Errorf("%s has %d decimal places (%t), want %d", code, got, ok, want)
		}
	}
	for _, code := range []string{"XDR", "XAU", "XXX", "ZZZ", ""} {
		if got, ok := currency.MinorUnit(code); ok {
			t.Errorf("%s has %d decimal places, want none", code, got)
		}
	}
}

// TestTableAgreesWithISO compares every code in force, and every code withdrawn since 2010, with a published list.
func TestTableAgreesWithISO(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(shareddata.Read(t, "iso/iso4217_codes-all.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	inForce, withdrawn := map[string]bool{}, map[string]string{}
	for _, row := range rows[1:] {
		code, numeric, minor, gone := row[2], row[3], row[4], row[5]
		switch {
		case code == "" || code == "XTS" || code == "XXX":
		case gone != "":
			withdrawn[code] = max(withdrawn[code], gone)
		default:
			inForce[code] = true
			agreesWithISO(t, code, numeric, minor)
		}
	}
	for code, month := range withdrawn {
		// The list also names codes that one country gave up and others keep, and funds that were never paid in.
		if c, ok := currency.Find(code); month >= "2010" && !inForce[code] && month != "2013-11" {
			if !ok || c.To == 0 {
				t.Errorf("%s, withdrawn in %s, is not in the table with its end", code, month)
				continue
			}
			last := time.Unix(int64(c.To)*24*60*60, 0).UTC()
			if next := last.AddDate(0, 0, 1).Format("2006-01"); last.Format("2006-01") != month && next != month {
				t.Errorf("%s ends on %s, the list withdraws it in %s", code, last.Format(time.DateOnly), month)
			}
		}
	}
	for _, c := range currency.All() {
		if (c.To == 0) != inForce[c.Code] {
			t.Errorf("%s: in force here %t, in the list %t", c.Code, c.To == 0, inForce[c.Code])
		}
	}
}

func agreesWithISO(t *testing.T, code, numeric, minor string) {
	t.Helper()
	c, ok := currency.Find(code)
	if !ok {
		t.Errorf("%s is missing", code)
		return
	}
	if want, err := strconv.Atoi(numeric); err != nil || c.Numeric != want {
		t.Errorf("%s has number %d, the list %s", code, c.Numeric, numeric)
	}
	want := currency.NoMinorUnit
	if minor != "-" {
		want, _ = strconv.Atoi(minor)
	}
	if c.Minor != want {
		t.Errorf("%s has %d decimal places, the list %s", code, c.Minor, minor)
	}
}

func TestTableKnowsWhatIATIKnows(t *testing.T) {
	var list struct {
		Codes []string `xml:"codelist-items>codelist-item>code"`
	}
	if err := xml.Unmarshal(shareddata.Read(t, "iati/codelists/Currency.xml"), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Codes) < 150 {
		t.Fatalf("only %d codes were read from the list", len(list.Codes))
	}
	for _, code := range list.Codes {
		// XBT is no code of ISO 4217.
		if _, ok := currency.Find(code); !ok && code != "XBT" {
			t.Errorf("%s is missing", code)
		}
	}
}
