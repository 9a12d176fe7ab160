// Package category names what support consists of, in codes of our own.
package category

import (
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/term"
)

// Code is one category.
type Code struct {
	Code  string
	Title string
	// Service: work done for the beneficiary, not goods or money; no code of the EU military list.
	Service bool
	// Group: a code that only sums those below it; no line carries it.
	Group bool
}

// Endings that any branch may have, for what no code of its own fits.
const (
	Mixed    = "MIXED"    // a package whose items share no code
	Envelope = "ENVELOPE" // an appropriation without a purpose
	Plug     = "PLUG"     // a statistical plug, an estimate
	Unmapped = "UNMAPPED" // an outside label that no mapping knows
)

var named = []Code{
	{Code: "FIN", Title: "Financial support", Group: true},
	{Code: "FIN.BUDGET", Title: "Budget support"},
	{Code: "FIN.OTHER", Title: "Other financial support"},
	{Code: "HUM", Title: "Humanitarian support", Group: true},
	{Code: "HUM.AID", Title: "Humanitarian aid"},
	{Code: "HUM.CASH", Title: "Humanitarian cash"},
	{Code: "HUM.GOODS", Title: "Humanitarian goods"},
	{Code: "MIL", Title: "Military support", Group: true},
	{Code: "MIL.AIR", Title: "Aircraft", Group: true},
	{Code: "MIL.AIR.FIXED", Title: "Fixed-wing aircraft"},
	{Code: "MIL.AIR.HELO", Title: "Helicopters"},
	{Code: "MIL.AIR.UAV", Title: "Uncrewed aircraft"},
	{Code: "MIL.AIRDEF", Title: "Air and missile defence"},
	{Code: "MIL.AMMO", Title: "Ammunition"},
	{Code: "MIL.ARMOUR", Title: "Armoured vehicles", Group: true},
	{Code: "MIL.ARMOUR.AFV", Title: "Armoured fighting vehicles"},
	{Code: "MIL.ARMOUR.TANK", Title: "Tanks"},
	{Code: "MIL.ARTY", Title: "Artillery"},
	{Code: "MIL.EQUIP", Title: "Military equipment"},
	{Code: "MIL.EXERCISE", Title: "Exercises", Service: true},
	{Code: "MIL.FUND", Title: "Money for arms"},
	{Code: "MIL.INDUSTRY", Title: "Arms industry"},
	{Code: "MIL.INTEL", Title: "Intelligence support", Service: true},
	{Code: "MIL.MISSILE", Title: "Missiles"},
	{Code: "MIL.NAVAL", Title: "Vessels"},
	{Code: "MIL.SALW", Title: "Small arms and light weapons"},
	{Code: "MIL.TRAIN", Title: "Training", Service: true},
	{Code: "REC", Title: "Reconstruction", Group: true},
	{Code: "REC.ENERGY", Title: "Energy reconstruction"},
	{Code: "REC.INFRA", Title: "Infrastructure reconstruction"},
	{Code: "REC.OTHER", Title: "Other reconstruction"},
}

// endings follow a group's code, or stand alone where not even the first part is known.
var endings = []struct {
	ending, title string
	deep          bool // also below a group that is not a top
}{
	{Mixed, "mixed", true},
	{Envelope, "without a purpose", false},
	{Plug, "statistical plug", false},
	{Unmapped, "unmapped", false},
}

var codes, byCode = build()

func build() ([]Code, map[string]Code) {
	all := slices.Clone(named)
	for _, e := range endings {
		all = append(all, Code{Code: e.ending, Title: "Support, " + e.title})
		for _, c := range named {
			if c.Group && (e.deep || !strings.Contains(c.Code, ".")) {
				all = append(all, Code{Code: c.Code + "." + e.ending, Title: c.Title + ", " + e.title})
			}
		}
	}
	slices.SortFunc(all, func(a, b Code) int { return strings.Compare(a.Code, b.Code) })
	index := make(map[string]Code, len(all))
	for _, c := range all {
		index[c.Code] = c
	}
	return all, index
}

// Known reports whether a line may carry a code. Groups, such as MIL, are none that a line carries.
func Known(code string) bool {
	c, ok := byCode[code]
	return ok && !c.Group
}

// Title returns a code's title, groups included; empty where the code is unknown.
func Title(code string) string { return byCode[code].Title }

// Codes returns every code and group in order.
func Codes() []Code { return slices.Clone(codes) }

// Top returns the first depth parts of a code, such as MIL.ARMOUR of MIL.ARMOUR.TANK at depth 2; the whole code where depth is less than 1
// or the code is no deeper.
func Top(code string, depth int) string {
	if depth < 1 {
		return code
	}
	end := 0
	for range depth {
		dot := strings.IndexByte(code[end:], '.')
		if dot < 0 {
			return code
		}
		end += dot + 1
	}
	return code[:end-1]
}

// Shared returns the code that items share, else MIXED below the deepest group that they share: MIL.ARMOUR.MIXED for tanks and other
// armoured vehicles. A package without items is UNMAPPED.
func Shared(items []string) string {
	if len(items) == 0 {
		return Unmapped
	}
	common := strings.Split(items[0], ".")
	same := true
	for _, code := range items[1:] {
		same = same && code == items[0]
		parts := strings.Split(code, ".")
		n := 0
		for n < min(len(common), len(parts)) && common[n] == parts[n] {
			n++
		}
		common = common[:n]
	}
	if same {
		return items[0]
	}
	return strings.Join(append(common, Mixed), ".")
}

// Nearest returns the code that a line may carry and that a misspelt one most likely means; empty where none is near.
func Nearest(code string) string {
	var allowed []string
	for _, c := range codes {
		if !c.Group {
			allowed = append(allowed, c.Code)
		}
	}
	return term.Nearest(code, allowed)
}
