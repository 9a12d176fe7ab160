package main

import (
	"strings"
	"testing"
	"time"
)

// The day of a group is today's where none is named, and the answer tells which it was and who was in it.
func TestGroupsOfDonors(t *testing.T) {
	dir := aDay(t) // of Norway
	sums := []string{"balances", "--basis", "donor_stated", "--stage", "committed", "--reached", "--data", dir}
	day := func() string { return time.Now().UTC().Format(time.DateOnly) }
	earliest := day()
	printed := must(t, append(sums, "--group", "NORDIC")...)
	if !strings.Contains(printed, "members on "+earliest+": DNK, FIN, ISL, NOR, SWE\n") && !strings.Contains(printed, "members on "+day()+": DNK, FIN, ISL, NOR, SWE\n") {
		t.Errorf("printed %s", printed)
	}
	if all := must(t, sums...); strings.Contains(all, "members") || firstLines(all) != firstLines(printed) {
		t.Errorf("a group of the only donor prints %s, and no group %s", printed, all)
	}
	if printed := must(t, append(sums, "--group", "NATO", "--group-on", "1949-08-23")...); !strings.Contains(printed, "members on 1949-08-23: none\n") || !strings.Contains(printed, "not reported: committed") {
		t.Errorf("printed %s", printed)
	}
	for group, want := range map[string]string{"NATO": "1 of 1 pledge", "EU": "0 of 0 pledges"} {
		if printed := must(t, "pledges", "--group", group, "--data", dir); !strings.Contains(printed, want) {
			t.Errorf("%s: printed %s", group, printed)
		}
	}
	if printed := must(t, "pledges", "--text", "ex-1", "--data", dir); !strings.Contains(printed, "1 of 1 pledge") {
		t.Errorf("printed %s", printed)
	}
	try(t, "", append(sums, "--group", "NAATO")...).refused(t, exitUsage, "--group", `did you mean "NATO"?`)
	try(t, "", append(sums, "--group", "NATO", "--group-on", "2022")...).refused(t, exitUsage, "--group-on", "is not a day")
	try(t, "", append(sums, "--group-on", "2022-02-24")...).refused(t, exitUsage, "--group", "no group")
}

// firstLines are a table without its notes.
func firstLines(printed string) string {
	table, _, _ := strings.Cut(printed, "basis ")
	return table
}
