package main

import (
	"strings"
	"time"

	"github.com/allied-ledger/allied/events/donor"
	"github.com/spf13/pflag"
)

// groupFlags adds the filter by a group of donors.
func groupFlags(flags *pflag.FlagSet, group, on *string) {
	var codes []string
	for _, g := range donor.Groups() {
		codes = append(codes, g.Code)
	}
	flags.StringVar(group, "group", "", "only donors that were members of "+strings.Join(codes, ", "))
	flags.StringVar(on, "group-on", "", "members on this day, such as 2022-02-24 (as when not given: today, in UTC)")
}

// groupDay is the day of a group's members, today where none is named: the views have no clock.
func groupDay(group, on string) string {
	if group != "" && on == "" {
		return time.Now().UTC().Format(time.DateOnly)
	}
	return on
}
