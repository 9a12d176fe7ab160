package donor

import (
	"slices"

	"github.com/allied-ledger/allied/events/dates"
)

// Group is a group of states. Institutions are members of none: what the EU gives is no member's gift.
type Group struct {
	Code, Title string
	// Source tells where membership is written down, and from which act its days are.
	Source string
}

var groups = []Group{
	{
		"EU", "European Union",
		"Treaty establishing the European Economic Community, in force on 1 January 1958, the treaties of accession, each from its entry into force, " +
			"and the withdrawal agreement with the United Kingdom, OJ L 29 of 31 January 2020",
	},
	{
		"NATO", "North Atlantic Treaty Organization",
		"North Atlantic Treaty, in force on 24 August 1949, and the instruments of accession to it, each from its deposit with the United States of America",
	},
	{"G7", "Group of Seven", "communiqués of its summits: six states met first on 15 November 1975 in Rambouillet, and Canada with them on 27 June 1976 in San Juan"},
	{"NORDIC", "Nordic countries", "Treaty of Helsinki of 23 March 1962 on co-operation between Denmark, Finland, Iceland, Norway and Sweden, in force on 1 July 1962"},
	{"BALTIC", "Baltic states", "founding of the Baltic Assembly on 8 November 1991 in Tallinn"},
	{"NB8", "Nordic-Baltic Eight", "co-operation of the Nordic countries and the Baltic states since 1992, which no treaty founds: counted from that year's first day"},
}

// membership says that donors belonged to a group from a day on. until is the first day on which they no longer did; 0 while they do.
type membership struct {
	group       string
	from, until int32
	donors      []string
}

// memberships are as the sources of the groups say. The European Union is counted from the Economic Community that became it, and not from the
// Coal and Steel Community, which had the same founders in 1952. The United Kingdom left it as 31 January 2020 ended.
var memberships = []membership{
	{"EU", dates.DayNumber(1958, 1, 1), 0, []string{"BEL", "DEU", "FRA", "ITA", "LUX", "NLD"}},
	{"EU", dates.DayNumber(1973, 1, 1), 0, []string{"DNK", "IRL"}},
	{"EU", dates.DayNumber(1973, 1, 1), dates.DayNumber(2020, 2, 1), []string{"GBR"}},
	{"EU", dates.DayNumber(1981, 1, 1), 0, []string{"GRC"}},
	{"EU", dates.DayNumber(1986, 1, 1), 0, []string{"ESP", "PRT"}},
	{"EU", dates.DayNumber(1995, 1, 1), 0, []string{"AUT", "FIN", "SWE"}},
	{"EU", dates.DayNumber(2004, 5, 1), 0, []string{"CYP", "CZE", "EST", "HUN", "LTU", "LVA", "MLT", "POL", "SVK", "SVN"}},
	{"EU", dates.DayNumber(2007, 1, 1), 0, []string{"BGR", "ROU"}},
	{"EU", dates.DayNumber(2013, 7, 1), 0, []string{"HRV"}},

	{"NATO", dates.DayNumber(1949, 8, 24), 0, []string{"BEL", "CAN", "DNK", "FRA", "GBR", "ISL", "ITA", "LUX", "NLD", "NOR", "PRT", "USA"}},
	{"NATO", dates.DayNumber(1952, 2, 18), 0, []string{"GRC", "TUR"}},
	{"NATO", dates.DayNumber(1955, 5, 6), 0, []string{"DEU"}},
	{"NATO", dates.DayNumber(1982, 5, 30), 0, []string{"ESP"}},
	{"NATO", dates.DayNumber(1999, 3, 12), 0, []string{"CZE", "HUN", "POL"}},
	{"NATO", dates.DayNumber(2004, 3, 29), 0, []string{"BGR", "EST", "LTU", "LVA", "ROU", "SVK", "SVN"}},
	{"NATO", dates.DayNumber(2009, 4, 1), 0, []string{"ALB", "HRV"}},
	{"NATO", dates.DayNumber(2017, 6, 5), 0, []string{"MNE"}},
	{"NATO", dates.DayNumber(2020, 3, 27), 0, []string{"MKD"}},
	{"NATO", dates.DayNumber(2023, 4, 4), 0, []string{"FIN"}},
	{"NATO", dates.DayNumber(2024, 3, 7), 0, []string{"SWE"}},

	{"G7", dates.DayNumber(1975, 11, 15), 0, []string{"DEU", "FRA", "GBR", "ITA", "JPN", "USA"}},
	{"G7", dates.DayNumber(1976, 6, 27), 0, []string{"CAN"}},

	{"NORDIC", dates.DayNumber(1962, 7, 1), 0, []string{"DNK", "FIN", "ISL", "NOR", "SWE"}},

	{"BALTIC", dates.DayNumber(1991, 11, 8), 0, []string{"EST", "LTU", "LVA"}},

	{"NB8", dates.DayNumber(1992, 1, 1), 0, []string{"DNK", "EST", "FIN", "ISL", "LTU", "LVA", "NOR", "SWE"}},
}

// Groups returns the groups of states that there are, the widest known first.
func Groups() []Group { return slices.Clone(groups) }

// Members returns the codes of a group's members on a day, counted from 1970-01-01 and negative before it, in order. A group has none before
// it was founded; ok is false where there is no such group.
func Members(group string, day int32) (members []string, ok bool) {
	for _, m := range memberships {
		if m.group != group {
			continue
		}
		ok = true
		if m.from <= day && (m.until == 0 || day < m.until) {
			members = append(members, m.donors...)
		}
	}
	slices.Sort(members)
	return members, ok
}
