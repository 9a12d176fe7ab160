package words

import (
	"fmt"
	"slices"

	"github.com/allied-ledger/allied/events/donor"
	"github.com/allied-ledger/allied/events/es"
)

// Members are the donors that a group of states had on a day such as 2022-02-24, in order, for filters in fields called group and group_on;
// nil where no group is named. A view has no clock, and refuses a group without its day.
func Members(group, on string) ([]string, error) {
	if group == "" {
		if on != "" {
			return nil, &es.Refusal{Code: "missing", Field: "group", Reason: "a day is named, and no group", Remedy: "name a group, such as NATO, or leave out group_on"}
		}
		return nil, nil
	}
	var codes []string
	for _, g := range donor.Groups() {
		codes = append(codes, g.Code)
	}
	if err := Check("group", group, codes); err != nil {
		return nil, err
	}
	if on == "" {
		return nil, &es.Refusal{
			Code: "missing", Field: "group_on", Reason: fmt.Sprintf("who is in %s depends on the day, and none is named", group), Remedy: "give a day such as 2022-02-24",
		}
	}
	day, err := Day("group_on", on)
	if err != nil {
		return nil, err
	}
	members, _ := donor.Members(group, day)
	if members == nil {
		return []string{}, nil // and not all donors
	}
	return members, nil
}

// Among tells whether a code is among the members of a group; everything is where no group is named.
func Among(members []string, code string) bool {
	return members == nil || slices.Contains(members, code)
}
