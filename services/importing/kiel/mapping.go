package kiel

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strings"
	"sync"

	"github.com/allied-ledger/allied/events/category"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// The mapping of the tracker's labels that stands in every event; its version changes with every change of mapping.csv or of special.
const (
	mappingName    = "kiel_tracker"
	mappingVersion = "2024-06.2"
)

//go:embed mapping.csv
var mappingCSV string

// labels is what the tracker says of a row's kind, as raw text.
type labels struct {
	general, specific, item, itemType, itemSubType, reconstruction string

	commits bool // a Commitment row
}

func labelsOf(r Row) labels {
	return labels{
		general: r.raw(colGeneralType), specific: r.raw(colSpecificType), item: r.raw(colItem), itemType: r.raw(colItemType),
		itemSubType: r.raw(colItemSubType), reconstruction: r.raw(colReconstruction), commits: r.text(colDonation) == donationCommitment,
	}
}

// key is what one rule matches.
type key struct{ match, general, itemType, label string }

// rule gives a category code, and for a kind of aid its instrument.
type rule struct{ code, instrument string }

// mapping holds the rules; the four kinds of match are tried in the order of the file.
type mapping struct {
	order []string
	rules map[key]rule
}

var loadMapping = sync.OnceValues(func() (*mapping, error) { return parseMapping(mappingCSV) })

func parseMapping(text string) (*mapping, error) {
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read mapping %s %s: %w", mappingName, mappingVersion, err)
	}
	m := &mapping{rules: map[key]rule{}}
	for i, r := range records {
		if i == 0 {
			continue
		}
		k := key{r[0], r[1], r[2], r[3]}
		if _, ok := m.rules[k]; ok {
			return nil, fmt.Errorf("mapping %s %s: line %d says again what an earlier line says", mappingName, mappingVersion, i+1)
		}
		if len(m.order) == 0 || m.order[len(m.order)-1] != k.match {
			m.order = append(m.order, k.match)
		}
		m.rules[k] = rule{r[4], r[5]}
	}
	return m, nil
}

// keyOf is what a kind of match looks for. Labels match as found, case and blanks included; only the reconstruction note is free text, and
// is tidied first.
func keyOf(match string, l labels) key {
	k := key{match: match, general: l.general}
	switch match {
	case "item":
		k.itemType, k.label = l.itemType, l.item
	case "reconstruction":
		k.label = strings.ToLower(tidy(l.reconstruction))
	case "sub_type":
		k.itemType, k.label = l.itemType, l.itemSubType
	case "aid_specific":
		k.label = l.specific
	}
	return k
}

// special is the code of what its kind of aid alone decides, whatever item stands in the row: a statistical entry is a plug, and an
// appropriation that is only committed has no purpose yet. It is empty for the rest.
func special(l labels) string {
	switch specific := tidy(l.specific); {
	case strings.HasPrefix(specific, specificConsolidation):
		return topOf(l.general) + "." + category.Plug
	case l.commits && specific == specificAppropriation:
		return topOf(l.general) + "." + category.Envelope
	}
	return ""
}

// category is the code of what is special, or of the first rule that matches, and the labels that decided.
func (m *mapping) category(l labels) (string, *eventv1.CategoryMapping) {
	code, asFound := m.byRule(l)
	if s := special(l); s != "" {
		code, asFound = s, keyOf("aid_specific", l).asFound()
	}
	return code, &eventv1.CategoryMapping{Mapping: mappingName, Version: mappingVersion, AsFound: asFound}
}

// byRule: what no rule matches is unmapped, below the top that the general type names.
func (m *mapping) byRule(l labels) (code, asFound string) {
	for _, match := range m.order {
		k := keyOf(match, l)
		if r, ok := m.rules[k]; ok {
			return r.code, k.asFound()
		}
	}
	return topOf(l.general) + ".UNMAPPED", keyOf("aid_specific", l).asFound()
}

func (k key) asFound() string {
	if k.itemType == "" {
		return k.general + " / " + k.label
	}
	return k.general + " / " + k.itemType + " / " + k.label
}

// instrument is that of the kind of aid.
func (m *mapping) instrument(l labels) string {
	if r, ok := m.rules[keyOf("aid_specific", l)]; ok {
		return r.instrument
	}
	return "unknown"
}

// topOf is the top category of a general type, empty where the type is none of the tracker's three.
func topOf(general string) string {
	switch tidy(general) {
	case "Military":
		return "MIL"
	case "Financial":
		return "FIN"
	case "Humanitarian":
		return "HUM"
	}
	return ""
}
