// Package tally adds up what facts post, by donor, beneficiary, category, instrument, stage, basis and asset.
package tally

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/registers"
)

// Columns declare what the rows of a tally are told apart by; a tally by months has month, which is text, behind them. The reached and the
// standing amount follow, and how many values are undisclosed.
//
// A row's stage is a rung of the ladder, with what reached it and what stands there (reached less what has left), or an account beside the
// ladder (origin, over:allocated, unmeasured, difference), whose balance is both. Therefore the standing amounts of one asset, over all
// rows, sum to zero. Basis is that of the asset, and empty for quantities; a row with an empty asset counts values that are undisclosed on
// its basis.
func Columns(behind ...engine.Column) []engine.Column {
	return append([]engine.Column{
		{Name: "donor", Kind: engine.Text, About: "who gives, such as NOR"},
		{Name: "beneficiary", Kind: engine.Text, About: "who receives, such as UKR"},
		{Name: "category", Kind: engine.Text, About: "what for, such as MIL.AIRDEF"},
		{Name: "instrument", Kind: engine.Text, About: "in_kind, service, grant, loan, guarantee, swap, appropriation, unknown; guarantees and swaps enter a total only by name"},
		{Name: "stage", Kind: engine.Text, About: "a rung of the ladder, such as committed, or an account beside it, such as over:allocated; stages never add"},
		{Name: "basis", Kind: engine.Text, About: "valuation basis, such as donor_stated; empty for quantities; bases never add"},
		{Name: "asset", Kind: engine.Text, About: "what is counted and in which unit, such as EUR/2@donor_stated; empty where the row counts undisclosed values"},
	}, behind...)
}

// Key is what rows are told apart by.
type Key struct {
	Donor, Beneficiary, Category, Instrument, Stage, Basis, Asset string
	// Month is that of the latest day on which the facts may have happened, such as 2023-04; empty where nobody knows the day, and in a tally
	// without months.
	Month string
}

// Row is what was added up under a key.
type Row struct {
	Key
	// Reached is all that came to the stage. Standing is that less what left it: what stands there now, or how much more than before the month.
	Reached, Standing money.Amount
	// Unknown is how many values are undisclosed, or how many more than before the month.
	Unknown int64

	changed bool
}

// Tally folds pledges, and what draws on them, into its rows. All are in memory, some hundred bytes each.
type Tally struct {
	spec      engine.Spec
	monthly   bool
	rows      map[Key]*Row
	changed   []*Row
	registers *registers.Registers
	keys      Keys
	journal   posting.Journal
}

// New returns the tally of an empty log. The spec's tables are one of Columns and that of registers.
func New(spec engine.Spec) *Tally {
	return &Tally{spec: spec, rows: map[Key]*Row{}, registers: registers.New(), keys: NewKeys()}
}

// NewMonthly returns the tally of an empty log by the months in which facts happened.
func NewMonthly(spec engine.Spec) *Tally {
	t := New(spec)
	t.monthly = true
	return t
}

// Spec implements engine.Projection.
func (t *Tally) Spec() engine.Spec { return t.spec }

// Restore implements engine.Projection.
func (t *Tally) Restore(table int, row engine.Row) error {
	if table == 1 {
		return t.registers.Restore(row)
	}
	r := Read(row)
	t.rows[r.Key] = &r
	return nil
}

// Read reads a row of a tally's table.
func Read(row engine.Row) Row {
	r := Row{Key: Key{
		Donor: row[0].Text(), Beneficiary: row[1].Text(), Category: row[2].Text(), Instrument: row[3].Text(), Stage: row[4].Text(), Basis: row[5].Text(),
		Asset: row[6].Text(),
	}}
	rest := row[7:]
	if rest[0].Kind() == engine.Text {
		r.Month, rest = rest[0].Text(), rest[1:]
	}
	r.Reached, r.Standing, r.Unknown = rest[0].Amount(), rest[1].Amount(), rest[2].Int()
	return r
}

// Fold implements engine.Projection.
func (t *Tally) Fold(f *es.Fact) error {
	return t.registers.Fold(f, &t.journal, func(string) error { return t.post(f) })
}

// post adds the journal to the rows.
func (t *Tally) post(f *es.Fact) error {
	k := Key{Donor: f.Envelope.GetDonor(), Beneficiary: f.Envelope.GetBeneficiary()}
	if t.monthly {
		k.Month = t.keys.Month(f.Envelope.GetEffective())
	}
	for i := range t.journal.Postings {
		leg := &t.journal.Postings[i]
		if err := t.keys.OfPosting(&k, leg); err != nil {
			return err
		}
		if err := t.row(k).add(leg); err != nil {
			return fmt.Errorf("%s of %s %s in %s: %w", t.spec.Name, k.Donor, k.Stage, k.Asset, err)
		}
	}
	for i := range t.journal.Unknowns {
		u := &t.journal.Unknowns[i]
		t.keys.OfUnknown(&k, u)
		t.row(k).Unknown += int64(u.Delta)
	}
	return nil
}

func (r *Row) add(leg *posting.Posting) (err error) {
	if !leg.Account.Out() {
		if r.Reached, err = r.Reached.Add(leg.Amount); err != nil {
			return err
		}
	}
	r.Standing, err = r.Standing.Add(leg.Amount)
	return err
}

// row returns the row of a key, which is about to change.
func (t *Tally) row(k Key) *Row {
	r := t.rows[k]
	if r == nil {
		r = &Row{Key: k}
		t.rows[k] = r
	}
	if !r.changed {
		r.changed = true
		t.changed = append(t.changed, r)
	}
	return r
}

// Flush implements engine.Projection.
func (t *Tally) Flush(yield func(table int, row engine.Row) error) error {
	slices.SortFunc(t.changed, func(a, b *Row) int { return a.compare(b.Key) })
	row := make(engine.Row, 0, len(t.spec.Tables[0].Columns))
	for _, r := range t.changed {
		row = row[:0]
		for _, text := range [...]string{r.Donor, r.Beneficiary, r.Category, r.Instrument, r.Stage, r.Basis, r.Asset} {
			row = append(row, engine.TextOf(text))
		}
		if t.monthly {
			row = append(row, engine.TextOf(r.Month))
		}
		row = append(row, engine.AmountOf(r.Reached), engine.AmountOf(r.Standing), engine.IntOf(r.Unknown))
		if err := yield(0, row); err != nil {
			return err
		}
		r.changed = false
	}
	t.changed = t.changed[:0]
	return t.registers.Flush(func(row engine.Row) error { return yield(1, row) })
}

func (k Key) compare(o Key) int {
	return cmp.Or(
		cmp.Compare(k.Donor, o.Donor), cmp.Compare(k.Beneficiary, o.Beneficiary), cmp.Compare(k.Category, o.Category),
		cmp.Compare(k.Instrument, o.Instrument), cmp.Compare(k.Stage, o.Stage), cmp.Compare(k.Basis, o.Basis), cmp.Compare(k.Asset, o.Asset),
		cmp.Compare(k.Month, o.Month),
	)
}
