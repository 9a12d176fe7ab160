// Package sums answers what rows of a tally come to, by the dimensions asked for, under the policies that every total keeps.
package sums

import (
	"fmt"
	"slices"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/tally"
	"github.com/allied-ledger/allied/projections/internal/words"
)

// Month is the dimension of tallies by months.
const Month = "month"

// Summary is what every answer says beside its rows.
type Summary struct {
	// Position and Ordinal of the last event that the view holds.
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	Basis    string      `json:"basis"`
	// Unknown is how many values are undisclosed among what the rows sum, each once. What is left out, or undated, counts there.
	Unknown int64     `json:"unknown"`
	LeftOut []LeftOut `json:"left_out"`
	// NotReported are the stages asked for of which no fact within the request says anything. That is not zero: what is claimed as handed
	// over was dispatched too, and nobody says when and how much.
	NotReported []string `json:"not_reported"`
	// Members of the group asked for, on the day GroupOn.
	Members []string `json:"members,omitempty"`
	GroupOn string   `json:"group_on,omitempty"`
}

// Row is one sum. Of the dimensions only those asked for are set. A row that only counts unknowns has neither asset nor amount.
type Row struct {
	Donor       *string `json:"donor,omitempty"`
	Beneficiary *string `json:"beneficiary,omitempty"`
	Category    *string `json:"category,omitempty"`
	Instrument  *string `json:"instrument,omitempty"`
	// Evidence of what is handed over: signed, or claim. Empty for other stages.
	Evidence *string `json:"evidence,omitempty"`
	Stage    string  `json:"stage"`
	Asset    *string `json:"asset"`
	// Amount is decimal text with the places of the asset.
	Amount  *string `json:"amount"`
	Unknown int64   `json:"unknown"`
}

// LeftOut is what an instrument would add.
type LeftOut struct {
	Instrument string  `json:"instrument"`
	Stage      string  `json:"stage"`
	Asset      *string `json:"asset"`
	Amount     *string `json:"amount"`
	Unknown    int64   `json:"unknown"`
}

// Sums are the sums of one request, while rows are added.
type Sums struct {
	request *Request
	basis   string   // that of rows, empty for quantities
	members []string // nil where no group is asked for
	silent  []string // stages asked for of which no row has said anything

	rows, undated, leftOut table
}

// Begin checks a request, which may report by dimensions. What cannot be answered truly is refused with an *es.Refusal.
func Begin(r *Request, dimensions []string) (*Sums, error) {
	basis, err := r.check(dimensions)
	if err != nil {
		return nil, err
	}
	members, err := words.Members(r.Group, r.GroupOn)
	if err != nil {
		return nil, err
	}
	return &Sums{request: r, basis: basis, members: members, silent: slices.Clone(r.Stages), rows: table{}, undated: table{}, leftOut: table{}}, nil
}

// Members of the group that is asked for; nil where none is.
func (s *Sums) Members() []string { return s.members }

// Basis is that of the rows that can pass; empty for quantities.
func (s *Sums) Basis() string { return s.basis }

// Within is where the rows lie that can pass.
func (s *Sums) Within() (within engine.Range) {
	if s.request.Donor != "" {
		within.Prefix = []engine.Value{engine.TextOf(s.request.Donor)}
	}
	return within
}

// Add adds a row, where the request lets it pass.
func (s *Sums) Add(row *tally.Row) error {
	if !s.passes(row) {
		return nil
	}
	return s.add(s.rows, s.request.group(row), row)
}

// AddUndated adds a row apart, to sums without dimensions.
func (s *Sums) AddUndated(row *tally.Row) error {
	if !s.passes(row) {
		return nil
	}
	rung, _ := Rung(row.Stage)
	return s.add(s.undated, group{stage: rung}, row)
}

// add adds a row that passes to a table, or to what is left out.
func (s *Sums) add(to table, g group, row *tally.Row) error {
	rung, _ := Rung(row.Stage)
	switch {
	case s.request.counts(row.Instrument):
	case len(s.request.Instruments) == 0:
		to, g = s.leftOut, group{instrument: row.Instrument, stage: rung}
	default:
		return nil
	}
	amount := row.Standing
	if s.request.Reached {
		amount = row.Reached
	}
	if err := to.add(g, row, amount); err != nil {
		return fmt.Errorf("sum %s: %w", row.Asset, err)
	}
	s.silent = slices.DeleteFunc(s.silent, func(stage string) bool { return stage == rung })
	return nil
}

// Summary says what stands beside the rows.
func (s *Sums) Summary(at engine.Checkpoint) (Summary, error) {
	out := Summary{
		Position: at.Position, Ordinal: at.Ordinal, Basis: s.basis, LeftOut: []LeftOut{}, NotReported: s.silent, Members: s.members,
		GroupOn: s.request.GroupOn,
	}
	for _, sum := range s.rows {
		out.Unknown += sum.unknown
	}
	if s.basis == "" {
		out.Basis = Quantity
	}
	lines, err := s.leftOut.lines(s.request.Stages)
	for _, l := range lines {
		out.LeftOut = append(out.LeftOut, LeftOut{Instrument: l.instrument, Stage: l.stage, Asset: l.asset, Amount: l.amount, Unknown: l.unknown})
	}
	return out, err
}

// Line is a row with its month, which is empty unless it is asked by.
type Line struct {
	Month string
	Row
}

// Rows are the sums in order: by their dimensions, month first, then stages as they were asked for, then assets.
func (s *Sums) Rows() ([]Line, error) { return s.rows.report(s.request.Stages, s.request.By) }

// Undated are the sums of what was added apart.
func (s *Sums) Undated() ([]Line, error) { return s.undated.report(s.request.Stages, nil) }

type group struct{ month, donor, beneficiary, category, instrument, evidence, stage string }

// table sums rows by group and asset.
type table map[group]*sum

type sum struct {
	unknown int64
	amounts map[string]money.Amount
}

func (t table) add(g group, row *tally.Row, amount money.Amount) (err error) {
	s := t[g]
	if s == nil {
		s = &sum{amounts: map[string]money.Amount{}}
		t[g] = s
	}
	s.unknown += row.Unknown
	if row.Asset != "" {
		s.amounts[row.Asset], err = s.amounts[row.Asset].Add(amount)
	}
	return err
}

// line is one asset of a group, or its unknowns alone.
type line struct {
	group
	asset, amount *string
	unknown       int64
}

// lines are the table in order. The unknowns of a group stand beside its asset where it has one, and on a line of their own otherwise.
func (t table) lines(stages []string) ([]line, error) {
	var lines []line
	for g, s := range t {
		alone := len(s.amounts) == 1
		for code, amount := range s.amounts {
			a, err := asset.Parse(code)
			if err != nil {
				return nil, err
			}
			text := amount.Text(a.Scale)
			l := line{group: g, asset: &code, amount: &text}
			if alone {
				l.unknown = s.unknown
			}
			lines = append(lines, l)
		}
		if s.unknown != 0 && !alone {
			lines = append(lines, line{group: g, unknown: s.unknown})
		}
	}
	slices.SortFunc(lines, func(a, b line) int { return slices.Compare(a.order(stages), b.order(stages)) })
	return lines, nil
}

// order is what lines are sorted by: dimensions, then stages as they were asked for, then assets, with unknowns alone at the end.
func (l *line) order(stages []string) []string {
	last := "1"
	if l.asset != nil {
		last = "0" + *l.asset
	}
	return []string{
		l.month, l.donor, l.beneficiary, l.category, l.instrument, l.evidence, fmt.Sprintf("%03d", slices.Index(stages, l.stage)), last,
	}
}

func (t table) report(stages, by []string) ([]Line, error) {
	lines, err := t.lines(stages)
	out := make([]Line, 0, len(lines))
	for _, l := range lines {
		row := Row{Stage: l.stage, Asset: l.asset, Amount: l.amount, Unknown: l.unknown}
		for _, dimension := range by {
			switch dimension {
			case "donor":
				row.Donor = &l.donor
			case "beneficiary":
				row.Beneficiary = &l.beneficiary
			case "category":
				row.Category = &l.category
			case "instrument":
				row.Instrument = &l.instrument
			case "evidence":
				row.Evidence = &l.evidence
			}
		}
		out = append(out, Line{Month: l.month, Row: row})
	}
	return out, err
}
