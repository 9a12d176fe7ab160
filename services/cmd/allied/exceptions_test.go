package main

import (
	"testing"
	"time"

	"github.com/allied-ledger/allied/projections/exceptions"
)

func TestAgesAreDaysOfTheUniversalTime(t *testing.T) {
	today := dayOf(time.Date(2024, 3, 1, 1, 30, 0, 0, time.FixedZone("", 2*60*60))) // still 29 February
	for recorded, want := range map[string]int{"2024-02-29": 0, "2024-02-28": 1, "2023-02-28": 366, "2024-03-02": 0} {
		if got := age(today, &exceptions.Exception{Recorded: recorded}); got != want {
			t.Errorf("%s is %d days old, not %d", recorded, got, want)
		}
	}
	for olderThan, want := range map[string]string{"": "", "0d": "2024-02-29", "1d": "2024-02-28", "366d": "2023-02-28"} {
		if got, err := raisedBefore(today, olderThan); got != want || err != nil {
			t.Errorf("older than %q is before %q, not %q: %v", olderThan, got, want, err)
		}
	}
	for _, olderThan := range []string{"30", "d", "-1d", "1.5d", "30w", "100001d"} {
		if got, err := raisedBefore(today, olderThan); err == nil {
			t.Errorf("older than %q is before %q", olderThan, got)
		}
	}
	ages := countAges([]exceptions.Exception{
		{Kind: "short", Recorded: "2024-01-30"}, {Kind: "short", Recorded: "2024-01-29"}, {Kind: "short", Recorded: "2023-03-01"}, {Kind: "short", Recorded: "2023-02-28"},
	}, today)["short"]
	if ages["0-30"] != 1 || ages["31-90"] != 1 || ages["181-365"] != 1 || ages["over 365"] != 1 {
		t.Errorf("counted %v", ages)
	}
}
