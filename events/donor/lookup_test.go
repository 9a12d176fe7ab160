package donor

import "testing"

// TestDatesDecideBetweenBearers: no name in the table has passed from one bearer to another yet; when one does, its dates decide.
func TestDatesDecideBetweenBearers(t *testing.T) {
	names := index([]alias{
		{name: "Ruritania", code: "NEW"},
		{name: "ruritania", code: "OLD", until: 100},
		{name: "Ruritania ", code: "ELDEST", until: 50},
		{name: "Gone", code: "GONE", until: 100},
	})
	for _, c := range []struct {
		name string
		day  int32
		want string
	}{
		{"Ruritania", 49, "ELDEST"},
		{"Ruritania", 50, "OLD"},
		{"Ruritania", 99, "OLD"},
		{"Ruritania", 100, "NEW"},
		{"Gone", 5000, "GONE"},
	} {
		if got, ok := names.lookup(c.name, c.day); !ok || got != c.want {
			t.Errorf("%s on day %d is %q, want %s", c.name, c.day, got, c.want)
		}
	}
}

// TestNamesHaveOneBearer: two codes that claim one name at once would make Lookup guess.
func TestNamesHaveOneBearer(t *testing.T) {
	for name, bearers := range byName {
		for i, b := range bearers[1:] {
			if b.until == bearers[i].until {
				t.Errorf("%q names both %s and %s", name, bearers[i].code, b.code)
			}
		}
	}
}
