package donor_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/donor"
)

func TestMembersFollowTheirTime(t *testing.T) {
	const founders = "BEL DEU FRA ITA LUX NLD"
	for _, c := range []struct{ group, date, want string }{
		{"EU", "1957-12-31", ""},
		{"EU", "1958-01-01", founders},
		{"EU", "1972-12-31", founders},
		{"EU", "1973-01-01", "BEL DEU DNK FRA GBR IRL ITA LUX NLD"},
		{"EU", "1980-12-31", "BEL DEU DNK FRA GBR IRL ITA LUX NLD"},
		{"EU", "2022-02-24", "AUT BEL BGR CYP CZE DEU DNK ESP EST FIN FRA GRC HRV HUN IRL ITA LTU LUX LVA MLT NLD POL PRT ROU SVK SVN SWE"},
		{"NATO", "1949-08-23", ""},
		{"NATO", "1949-08-24", "BEL CAN DNK FRA GBR ISL ITA LUX NLD NOR PRT USA"},
		{"NATO", "1955-05-06", "BEL CAN DEU DNK FRA GBR GRC ISL ITA LUX NLD NOR PRT TUR USA"},
		{"NATO", "2024-03-07", "ALB BEL BGR CAN CZE DEU DNK ESP EST FIN FRA GBR GRC HRV HUN ISL ITA LTU LUX LVA MKD MNE NLD NOR POL PRT ROU SVK SVN SWE TUR USA"},
		{"G7", "1975-12-31", "DEU FRA GBR ITA JPN USA"},
		{"G7", "2022-02-24", "CAN DEU FRA GBR ITA JPN USA"},
		{"NORDIC", "2022-02-24", "DNK FIN ISL NOR SWE"},
		{"BALTIC", "2022-02-24", "EST LTU LVA"},
		{"NB8", "2022-02-24", "DNK EST FIN ISL LTU LVA NOR SWE"},
		{"NB8", "1991-12-31", ""},
	} {
		got, ok := donor.Members(c.group, day(t, c.date))
		if !ok || strings.Join(got, " ") != c.want {
			t.Errorf("%s on %s are %v (%t), want %s", c.group, c.date, got, ok, c.want)
		}
	}
	if got, ok := donor.Members("OPEC", day(t, "2022-02-24")); ok {
		t.Errorf("OPEC are %v", got)
	}
}

// Whoever comes or goes does so on one day, and is counted before or after it alone.
func TestMembersComeAndGoOnTheirDay(t *testing.T) {
	for _, c := range []struct{ group, code, before, from string }{
		{"EU", "GRC", "1980-12-31", "1981-01-01"},
		{"EU", "PRT", "1985-12-31", "1986-01-01"},
		{"EU", "SWE", "1994-12-31", "1995-01-01"},
		{"EU", "POL", "2004-04-30", "2004-05-01"},
		{"EU", "BGR", "2006-12-31", "2007-01-01"},
		{"EU", "HRV", "2013-06-30", "2013-07-01"},
		{"NATO", "TUR", "1952-02-17", "1952-02-18"},
		{"NATO", "DEU", "1955-05-05", "1955-05-06"},
		{"NATO", "ESP", "1982-05-29", "1982-05-30"},
		{"NATO", "CZE", "1999-03-11", "1999-03-12"},
		{"NATO", "EST", "2004-03-28", "2004-03-29"},
		{"NATO", "ALB", "2009-03-31", "2009-04-01"},
		{"NATO", "MNE", "2017-06-04", "2017-06-05"},
		{"NATO", "MKD", "2020-03-26", "2020-03-27"},
		{"NATO", "FIN", "2023-04-03", "2023-04-04"},
		{"NATO", "SWE", "2024-03-06", "2024-03-07"},
		{"G7", "CAN", "1976-06-26", "1976-06-27"},
	} {
		for date, want := range map[string]bool{c.before: false, c.from: true} {
			if got, _ := donor.Members(c.group, day(t, date)); slices.Contains(got, c.code) != want {
				t.Errorf("%s on %s are %v: %s is among them %t, want %t", c.group, date, got, c.code, !want, want)
			}
		}
	}
	for date, want := range map[string]int{"2020-01-31": 28, "2020-02-01": 27} {
		got, _ := donor.Members("EU", day(t, date))
		if len(got) != want || slices.Contains(got, "GBR") != (want == 28) {
			t.Errorf("on %s the EU are %d: %v", date, len(got), got)
		}
	}
}

func TestGroupsHaveStatesOnly(t *testing.T) {
	today := day(t, "2026-01-01")
	for _, g := range donor.Groups() {
		members, ok := donor.Members(g.Code, today)
		if !ok || len(members) < 3 || g.Title == "" || g.Source == "" {
			t.Errorf("group %+v has members %v", g, members)
		}
		if donor.Known(g.Code) {
			t.Errorf("%s is a group, and the code of a donor", g.Code)
		}
		for i, code := range members {
			if !donor.Known(code) || donor.Institution(code) {
				t.Errorf("%s of %s is no state", code, g.Code)
			}
			if i > 0 && code == members[i-1] {
				t.Errorf("%s is twice a member of %s", code, g.Code)
			}
		}
	}
}

func TestStatesHaveTwoLetters(t *testing.T) {
	form, seen := regexp.MustCompile(`^[A-Z]{2}$`), map[string]string{}
	for _, code := range donor.Codes() {
		two := donor.Alpha2(code)
		if donor.Institution(code) != (two == "") || two != "" && !form.MatchString(two) {
			t.Errorf("%s has the alpha-2 code %q", code, two)
		}
		if other := seen[two]; other != "" && two != "" {
			t.Errorf("%s and %s have the alpha-2 code %s", other, code, two)
		}
		seen[two] = code
	}
	for code, want := range map[string]string{"DEU": "DE", "UKR": "UA", "GBR": "GB", "XKX": "XK", "EU-INST": "", "EIB": "", "ZZZ": ""} {
		if got := donor.Alpha2(code); got != want {
			t.Errorf("%s has the alpha-2 code %q, want %q", code, got, want)
		}
	}
}
