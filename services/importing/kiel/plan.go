package kiel

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"regexp"

	"github.com/allied-ledger/allied/events/ident"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/google/uuid"
)

// Plan is what the rows of one release lead to.
type Plan struct {
	Release string
	Rows    int
	// Refused are the rows that cannot be imported; nothing of their IDs is.
	Refused []Refused
	// Flags counts the rows that carry each flag.
	Flags map[string]uint64

	measures []*measure
	columns  []*apiv1.ColumnTotal
	rows     []Row
}

// Refused is a row, or a command that a row leads to, that is not in the ledger, and why. Row 0 is an ID that the file has no row of.
type Refused struct {
	Row    int    `json:"row"`
	ID     string `json:"id"`
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
	Remedy string `json:"remedy"`

	command bool // a command was refused, not the row before it
}

var releaseForm = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$`)

func checkRelease(release string) error {
	if releaseForm.MatchString(release) {
		return nil
	}
	return fmt.Errorf("release %q is not 1 to 64 letters, digits, points, dashes and underscores, such as 2024-06", clip(release, 80))
}

// NewPlan reads rows of one release and finds what they lead to. It does no I/O: same rows and release, same plan. An error means that
// nothing can be imported; single rows that cannot stand in Refused.
func NewPlan(rows []Row, release string) (*Plan, error) {
	if err := checkRelease(release); err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errors.New("there are no rows to import")
	}
	m, err := loadMapping()
	if err != nil {
		return nil, err
	}
	p := &Plan{Release: release, Rows: len(rows), Flags: map[string]uint64{}, rows: rows}
	facts := p.read(m, rows)
	if err := p.arrange(facts); err != nil {
		return nil, err
	}
	for _, measure := range p.measures {
		for _, f := range measure.facts {
			for code := range f.marks {
				p.Flags[string(code)]++
			}
		}
	}
	p.columns, err = controlTotals(rows)
	return p, err
}

// read decodes every row of the IDs that have no row with a problem: a pledge without one of its rows would say something else.
func (p *Plan) read(m *mapping, rows []Row) []*fact {
	facts := make([]*fact, 0, len(rows))
	bad := map[string]bool{}
	for _, r := range rows {
		f, problem := m.read(r)
		if problem != nil {
			bad[r.raw(colID)] = true
			p.refuse(r, problem)
			continue
		}
		facts = append(facts, f)
	}
	kept := facts[:0]
	for _, f := range facts {
		if bad[f.raw(colID)] {
			p.refuse(f.Row, otherRow)
			continue
		}
		kept = append(kept, f)
	}
	return kept
}

var otherRow = &problem{"other_row_refused", "another row of this ID cannot be imported, and a pledge is imported whole", "correct the other row"}

const remedyOtherRelease = "a changed file is another release: import it under another name"

func (p *Plan) refuse(r Row, why *problem) {
	p.Refused = append(p.Refused, Refused{Row: r.Number, ID: r.raw(colID), Code: why.code, Reason: why.reason, Remedy: why.remedy})
}

// arrange groups rows into measures that have a donor and a stream.
func (p *Plan) arrange(facts []*fact) error {
	equals := map[uuid.UUID]int{}
	for _, m := range group(facts) {
		if problem := m.identify(equals); problem != nil {
			for _, f := range m.facts {
				p.refuse(f.Row, problem)
			}
			continue
		}
		if err := m.weigh(); err != nil {
			return err
		}
		p.measures = append(p.measures, m)
	}
	return nil
}

// Pledges is how many pledges the plan holds.
func (p *Plan) Pledges() int { return len(p.measures) }

// Allocations is how many allocations they hold.
func (p *Plan) Allocations() int {
	n := 0
	for _, m := range p.measures {
		n += len(m.allocations)
	}
	return n
}

// Step is one command of a plan, and the row that it begins with.
type Step struct {
	Row     int
	ID      string
	Command *apiv1.Command

	kind, allocation string
	content          [sha256.Size]byte // digest of its rows
}

// idUnder is the command's id in a release where its rows begin with another number.
func (s Step) idUnder(release string, row int) uuid.UUID {
	return ident.ImportedCommand(s.Command.Stream, release, s.kind, s.allocation, row, s.content)
}

// Steps yields the commands in the order that each stream needs: the commitments of an ID, its allocations, then its
// deliveries.
func (p *Plan) Steps() iter.Seq[Step] {
	return func(yield func(Step) bool) {
		for _, m := range p.measures {
			for s := range m.steps(p.Release) {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// lastRow is the number of the sheet's last row, which the control totals stand for.
func (p *Plan) lastRow() int { return p.rows[len(p.rows)-1].Number }
