package asset_test

import (
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/asset"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"pgregory.net/rapid"
)

func TestParseReadsAssets(t *testing.T) {
	for text, want := range map[string]asset.Asset{
		"EUR/2@tracker":                           {Code: "EUR", Scale: 2, Basis: "tracker"},
		"JPY/0@donor_stated":                      {Code: "JPY", Scale: 0, Basis: "donor_stated"},
		"EUR/9@contract":                          {Code: "EUR", Scale: 9, Basis: "contract"},
		"HRK/2@donor_stated":                      {Code: "HRK", Scale: 2, Basis: "donor_stated"},
		"XDR/6@contract":                          {Code: "XDR", Scale: 6, Basis: "contract"},
		"each/6:155 mm howitzer":                  {Code: "each", Scale: 6, Item: "155 mm howitzer"},
		"each/0:a/b@c:d":                          {Code: "each", Scale: 0, Item: "a/b@c:d"},
		"m3/6:Ziegelsteine, groß, \u00a0und mehr": {Code: "m3", Scale: 6, Item: "Ziegelsteine, groß, \u00a0und mehr"},
		"each/6:e\u0301":                          {Code: "each", Scale: 6, Item: "e\u0301"}, // not composed: the source's own bytes
	} {
		got, err := asset.Parse(text)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", text, got, err, want)
			continue
		}
		if got.String() != text {
			t.Errorf("%q is written as %q", text, got)
		}
		if got.IsQuantity() != (want.Item != "") {
			t.Errorf("%q: quantity %t", text, got.IsQuantity())
		}
	}
}

func TestParseRefusesWhatIsNoAsset(t *testing.T) {
	for text, reason := range map[string]string{
		"":                          "not currency/scale@basis",
		"EUR":                       "not currency/scale@basis",
		"EUR/2":                     "not currency/scale@basis",
		"EUR/@tracker":              "scale after the slash",
		"EUR/x@tracker":             "scale after the slash",
		"EUR/-1@tracker":            "scale after the slash",
		"EUR/10@tracker":            "not followed by @",
		"EUR/02@tracker":            "not followed by @",
		"EUR/2#tracker":             "not followed by @",
		"EUR/2@":                    "is not a valuation basis: use one of acquisition, contract, donor_stated",
		"EUR/2@Tracker":             "is not a valuation basis",
		"EUR/2@tracker ":            "is not a valuation basis",
		"EUR/1@tracker":             "scale 1 is less than the 2 decimal places of EUR",
		"KWD/2@tracker":             "less than the 3 decimal places",
		"eur/2@tracker":             "not a currency of ISO 4217",
		"ZZZ/2@tracker":             "not a currency of ISO 4217",
		"XXX/2@tracker":             "not a currency of ISO 4217",
		" EUR/2@tracker":            "not a currency of ISO 4217",
		"each/2@tracker":            "not a currency of ISO 4217",
		"each/6:":                   "no item",
		"each/6: shell":             "begins or ends with a blank",
		"each/6:shell ":             "begins or ends with a blank",
		"each/6:\u00a0shell":        "begins or ends with a blank",
		"each/6:she\nll":            "control character U+000A",
		"each/6:she\x00ll":          "control character U+0000",
		"each/6:she\u2028ll":        "control character U+2028",
		"each/6:\xff":               "not UTF-8",
		"EUR/6:shell":               `unit "EUR"`,
		"/6:shell":                  `unit ""`,
		"6/6:shell":                 `unit "6"`,
		"two words/6:x":             `unit "two words"`,
		"each/6:" + longText(257):   "at most 256",
		longText(33) + "/6:shell":   "unit",
		"each/99:shell":             "not followed by @",
		"each/6:shell\u0085":        "blank",
		"each/6:she\u0085ll":        "control character U+0085",
		"EUR/2@tracker:x":           "is not a valuation basis",
		"EUR/2@none":                "is not a valuation basis",
		"EUR/2@tracker/EUR/2@x":     "is not a valuation basis",
		"EUR/2@tracker\x00":         "is not a valuation basis",
		"XAU\x00/6@contract":        "not a currency",
		"Each/6:155 mm howitzer":    `unit "Each"`,
		"each/6:155 mm howitzer\t ": "blank",
	} {
		got, err := asset.Parse(text)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("Parse(%q) = %+v, %v; want an error that says %q", text, got, err, reason)
		}
	}
}

func longText(n int) string { return strings.Repeat("x", n) }

func TestConstructorsTakeTheUsualScale(t *testing.T) {
	for want, make := range map[string]func() (asset.Asset, error){
		"EUR/2@tracker":          func() (asset.Asset, error) { return asset.Currency("EUR", "tracker") },
		"JPY/0@contract":         func() (asset.Asset, error) { return asset.Currency("JPY", "contract") },
		"XDR/6@contract":         func() (asset.Asset, error) { return asset.Currency("XDR", "contract") },
		"each/6:155 mm howitzer": func() (asset.Asset, error) { return asset.Quantity("each", "155 mm howitzer") },
	} {
		got, err := make()
		if err != nil || got.String() != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	if a, err := asset.Currency("ZZZ", "tracker"); err == nil {
		t.Errorf("%q is accepted", a)
	}
	if a, err := asset.Quantity("each", ""); err == nil {
		t.Errorf("%q is accepted", a)
	}
	if err := (asset.Asset{Code: "each", Scale: 6, Item: "shell", Basis: "tracker"}).Check(); err == nil {
		t.Error("a quantity on a valuation basis is accepted")
	}
}

// TestBasesAreThoseOfTheSchema: the schema lists them where they are stored.
func TestBasesAreThoseOfTheSchema(t *testing.T) {
	for _, basis := range asset.Bases() {
		if !asset.KnownBasis(basis) {
			t.Errorf("%q is not known", basis)
		}
		a, err := asset.Parse("EUR/2@" + basis)
		if err != nil || a.Basis != basis {
			t.Errorf("%q: %v", basis, err)
		}
	}
	if n := len(asset.Bases()); n != 9 {
		t.Errorf("%d bases, the schema of %T lists 9", n, (*eventv1.Valuation)(nil))
	}
	for _, basis := range []string{"", "none", "Tracker", "tracker "} {
		if asset.KnownBasis(basis) {
			t.Errorf("%q is known", basis)
		}
	}
}

func TestDifferentAssetsHaveDifferentTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		item := rapid.StringOf(rapid.RuneFrom([]rune("ab/@: 0é"))).Draw(t, "item")
		unit := rapid.StringMatching(`[a-z][a-z0-9_]{0,5}`).Draw(t, "unit")
		a, err := asset.Quantity(unit, item)
		if err != nil {
			return
		}
		if back, err := asset.Parse(a.String()); err != nil || back != a {
			t.Fatalf("%+v is %q, which reads as %+v, %v", a, a, back, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"EUR/2@tracker", "each/6:155 mm howitzer", "EUR/10@x", "each/6:", "/", "XDR/6@contract", "each/0:a/b@c:d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := asset.Parse(text)
		if err != nil {
			return
		}
		if a.String() != text {
			t.Fatalf("%q is written as %q", text, a)
		}
		if err := a.Check(); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := asset.Parse("EUR/2@tracker"); err != nil {
			b.Fatal(err)
		}
	}
}
