package kiel

import (
	"slices"
	"strings"

	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// mark flags a doubtful or special row; the row is imported all the same.
type mark string

const (
	flagLookalike        mark = "lookalike_letter"
	flagNonContiguous    mark = "non_contiguous_id"
	flagTextDate         mark = "text_date"
	flagDateUnknown      mark = "date_unknown"
	flagDoubtfulDate     mark = "doubtful_date"
	flagSeveralDates     mark = "several_dates"
	flagSeveralTypes     mark = "several_general_types"
	flagSeveralForms     mark = "several_instruments"
	flagSeveralStated    mark = "several_stated_values"
	flagRepeatedValue    mark = "repeated_value"
	flagPartConverted    mark = "converted_part"
	flagUnmapped         mark = "unmapped"
	flagPlug             mark = "plug"
	flagEnvelope         mark = "envelope"
	flagItemOnCommitment mark = "item_on_commitment"
	flagRedistributed    mark = "redistributed"
	flagReimburses       mark = "reimbursement_pool"
	flagValueSource      mark = "doubtful_value_source"
	flagUnreadable       mark = "unreadable_value"
	flagDecimalComma     mark = "decimal_comma"
	flagFractional       mark = "fractional_units"
	flagUnnamedItem      mark = "unnamed_item"
	flagDoubtfulYear     mark = "doubtful_year"
	flagUnofficialSource mark = "unofficial_source"
	flagNotBooked        mark = "delivered_without_booking"
)

// meanings is the table of the flags.
var meanings = map[mark]string{
	flagLookalike:        "the ID holds a letter outside a–z that looks like one of them; it is kept as it stands",
	flagNonContiguous:    "rows of this ID or allocation stand apart in the file",
	flagTextDate:         "the announcement date is words, kept as stated",
	flagDateUnknown:      "no date can be told",
	flagDoubtfulDate:     "the date names a day that does not exist, or cannot be read",
	flagSeveralDates:     "the rows of the allocation have several dates; the fact is complete by the last",
	flagSeveralTypes:     "the rows of the ID have several general types",
	flagSeveralForms:     "the rows of the allocation have several kinds of aid; the one that carries the value names the instrument",
	flagSeveralStated:    "the rows of the allocation state several values; those of the rows that carry its total count",
	flagRepeatedValue:    "the row states again what another row of the package commits; it is included there",
	flagPartConverted:    "an allocation under a commitment has a converted value of its own; it is not added to the commitment",
	flagUnmapped:         "no category is known for the labels",
	flagPlug:             "a statistical entry that fills a gap between totals; an estimate",
	flagEnvelope:         "a budget without a purpose yet",
	flagItemOnCommitment: "the row commits and names an item, which the note alone keeps",
	flagRedistributed:    "on the redistributed basis this value is spread over the other allocations of its package",
	flagReimburses:       "pays back what donors gave, whose aid stands under them too",
	flagValueSource:      "what the file says of the value's source does not fit the value",
	flagUnreadable:       "a value is none of the known forms; it is taken for undisclosed",
	flagDecimalComma:     "a number was written with a decimal comma",
	flagFractional:       "the number of units is a fraction",
	flagUnnamedItem:      "units are counted of an item without a name",
	flagDoubtfulYear:     "the earmarked year is not a year or a span of years",
	flagUnofficialSource: "the tracker found no official source",
	flagNotBooked:        "money or a guarantee is said to be delivered like goods; only a booking shows that money moved, and a guarantee moves none",
}

// marks are the flags of one row, with the detail that each one's note gives.
type marks map[mark]string

func (m marks) set(f mark, note string) {
	if _, ok := m[f]; !ok {
		m[f] = note
	}
}

// flags are the marks in order of their code.
func (m marks) flags() []*eventv1.Flag {
	out := make([]*eventv1.Flag, 0, len(m))
	for f, note := range m {
		out = append(out, &eventv1.Flag{Code: string(f), Note: note})
	}
	slices.SortFunc(out, func(a, b *eventv1.Flag) int { return strings.Compare(a.Code, b.Code) })
	return out
}

// lifted are the flags of several rows, each once, with the note of the first row that has it.
func lifted(facts []*fact) []*eventv1.Flag {
	all := marks{}
	for _, f := range facts {
		for code, note := range f.marks {
			all.set(code, note)
		}
	}
	return all.flags()
}
