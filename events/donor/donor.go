// Package donor names who gives and who receives: states and institutions.
package donor

import (
	"slices"
	"strings"
	"unicode"
)

// None is the token of a fact without a donor, such as an import; it is no donor's code.
const None = "_"

// institutions have codes of our own, which ISO 3166 can never give: theirs have three letters, and EIB, EPF and IMF are unassigned.
var institutions = map[string]string{
	"EIB":     "European Investment Bank",
	"EPF":     "European Peace Facility",
	"EU-INST": "EU institutions (Commission and Council)",
	"IMF":     "International Monetary Fund",
	"WB":      "World Bank",
}

// Known reports whether a code names a state or an institution.
func Known(code string) bool { return Title(code) != "" }

// Institution reports whether a code names an institution, not a state.
func Institution(code string) bool { return institutions[code] != "" }

// Title returns the name in use today; empty where the code is unknown.
func Title(code string) string {
	if s, ok := states[code]; ok {
		return s.title
	}
	return institutions[code]
}

// Alpha2 returns the ISO 3166-1 alpha-2 code of a state; empty for an institution, and where the code is unknown.
func Alpha2(code string) string { return states[code].alpha2 }

// TitleOn returns the name that was in use on a day, counted from 1970-01-01; empty where the code is unknown.
func TitleOn(code string, day int32) string {
	for _, a := range aliases {
		if a.code == code && a.until != 0 && day < a.until {
			return a.name
		}
	}
	return Title(code)
}

// Codes returns the codes of all states and institutions in order.
func Codes() []string {
	all := make([]string, 0, len(states)+len(institutions))
	for code := range states {
		all = append(all, code)
	}
	for code := range institutions {
		all = append(all, code)
	}
	slices.Sort(all)
	return all
}

// Lookup returns the code of a state or institution by its code, its title or another of its names, in any case and spacing. Sources keep
// old names for years, so a name finds its bearer also after its time; latestDay, counted from 1970-01-01, decides only where a name has
// passed from one bearer to another.
func Lookup(name string, latestDay int32) (code string, ok bool) {
	return byName.lookup(name, latestDay)
}

// names lists the bearers of each folded name, those whose time ended first in front.
type names map[string][]alias

var byName = index(aliases)

func (n names) lookup(name string, latestDay int32) (code string, ok bool) {
	bearers := n[fold(name)]
	for _, b := range bearers {
		if b.until == 0 || latestDay < b.until {
			return b.code, true
		}
	}
	if len(bearers) == 0 {
		return "", false
	}
	return bearers[len(bearers)-1].code, true
}

func index(aliases []alias) names {
	all := names{}
	add := func(a alias) {
		key := fold(a.name)
		if !slices.ContainsFunc(all[key], func(b alias) bool { return b.code == a.code }) {
			all[key] = append(all[key], a)
		}
	}
	for _, a := range aliases {
		add(a)
	}
	for _, code := range Codes() {
		add(alias{name: code, code: code})
		add(alias{name: Title(code), code: code})
	}
	for _, bearers := range all {
		slices.SortStableFunc(bearers, func(a, b alias) int {
			switch {
			case a.until == b.until:
				return 0
			case a.until == 0:
				return 1
			case b.until == 0:
				return -1
			}
			return int(a.until) - int(b.until)
		})
	}
	return all
}

// fold makes names equal that differ in case, blanks (also those that do not break) or apostrophes alone.
func fold(name string) string {
	name = strings.Map(func(r rune) rune {
		switch r {
		case '’', '‘', '`':
			return '\''
		}
		return unicode.ToLower(r)
	}, name)
	return strings.Join(strings.Fields(name), " ")
}
