// Package balances counts what has reached and what stands at every stage, per donor, beneficiary, category, instrument and asset.
package balances

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/registers"
	"github.com/allied-ledger/allied/projections/internal/words"
)

// Spec declares the view.
//
// A row's stage is a rung of the ladder, with what reached it and what stands there (reached less what has left), or an account beside the
// ladder (origin, over:allocated, unmeasured, difference), whose balance is both. Therefore the standing amounts of one asset, over all
// rows, sum to zero. Basis is that of the asset, and empty for quantities; a row with an empty asset counts values that are undisclosed on
// its basis.
var Spec = engine.Spec{Name: "balances", Version: 4, Tables: []engine.Table{
	{Name: "balances", Key: 7, About: "What reached and what stands at every stage", Columns: []engine.Column{
		{Name: "donor", Kind: engine.Text, About: "who gives, such as NOR"},
		{Name: "beneficiary", Kind: engine.Text, About: "who receives, such as UKR"},
		{Name: "category", Kind: engine.Text, About: "what for, such as MIL.AIRDEF"},
		{Name: "instrument", Kind: engine.Text, About: "in_kind, service, grant, loan, guarantee, swap, appropriation, unknown; guarantees and swaps enter a total only by name"},
		{Name: "stage", Kind: engine.Text, About: "a rung of the ladder, such as committed, or an account beside it, such as over:allocated; stages never add"},
		{Name: "basis", Kind: engine.Text, About: "valuation basis, such as donor_stated; empty for quantities; bases never add"},
		{Name: "asset", Kind: engine.Text, About: "what is counted and in which unit, such as EUR/2@donor_stated; empty where the row counts undisclosed values"},
		{Name: "reached", Kind: engine.Amount, About: "all that ever came to the stage, in the smallest unit of the asset"},
		{Name: "standing", Kind: engine.Amount, About: "what stands there now; over all rows of an asset they sum to zero"},
		{Name: "unknown", Kind: engine.Int, About: "how many values are undisclosed, which are never zero"},
	}},
	registers.Table("balances_registers"),
}}

// Projection folds pledges into balances.
type Projection struct {
	rows      map[key]*balance
	changed   []*balance
	registers *registers.Registers
	bases     map[string]string // of assets
	journal   posting.Journal
}

type key struct {
	donor, beneficiary, category, instrument, stage, basis, asset string
}

type balance struct {
	key
	reached, standing money.Amount
	unknown           int64
	changed           bool
}

// New returns the view of an empty log.
func New() engine.Projection {
	return &Projection{rows: map[key]*balance{}, registers: registers.New(), bases: map[string]string{}}
}

// Spec implements engine.Projection.
func (p *Projection) Spec() engine.Spec { return Spec }

// Restore implements engine.Projection.
func (p *Projection) Restore(table int, row engine.Row) error {
	if table == 1 {
		return p.registers.Restore(row)
	}
	b := fromRow(row)
	p.rows[b.key] = &b
	return nil
}

func fromRow(row engine.Row) balance {
	return balance{
		key: key{row[0].Text(), row[1].Text(), row[2].Text(), row[3].Text(), row[4].Text(), row[5].Text(), row[6].Text()},
		// The zero values of columns that are never null.
		reached: row[7].Amount(), standing: row[8].Amount(), unknown: row[9].Int(),
	}
}

// Fold implements engine.Projection.
func (p *Projection) Fold(f *es.Fact) error {
	return p.registers.Fold(f, &p.journal, func(string) error { return p.post(f) })
}

// post adds the journal to the balances.
func (p *Projection) post(f *es.Fact) error {
	k := key{donor: f.Envelope.GetDonor(), beneficiary: f.Envelope.GetBeneficiary()}
	for i := range p.journal.Postings {
		leg := &p.journal.Postings[i]
		basis, err := p.basis(leg.Asset)
		if err != nil {
			return err
		}
		k.category, k.instrument, k.stage, k.basis, k.asset = leg.Category, words.Instrument(leg.Instrument), words.Stage(leg.Account), basis, leg.Asset
		if err := p.row(k).add(leg); err != nil {
			return fmt.Errorf("balance of %s %s in %s: %w", k.donor, k.stage, k.asset, err)
		}
	}
	for _, u := range p.journal.Unknowns {
		k.category, k.instrument, k.stage, k.basis, k.asset = u.Category, words.Instrument(u.Instrument), words.Stage(posting.In(u.Stage)), u.Basis, ""
		p.row(k).unknown += int64(u.Delta)
	}
	return nil
}

func (b *balance) add(leg *posting.Posting) (err error) {
	if !leg.Account.Out() {
		if b.reached, err = b.reached.Add(leg.Amount); err != nil {
			return err
		}
	}
	b.standing, err = b.standing.Add(leg.Amount)
	return err
}

// row returns the balance of a key, which is about to change.
func (p *Projection) row(k key) *balance {
	b := p.rows[k]
	if b == nil {
		b = &balance{key: k}
		p.rows[k] = b
	}
	if !b.changed {
		b.changed = true
		p.changed = append(p.changed, b)
	}
	return b
}

// basis returns the valuation basis of an asset. The assets seen are remembered: reading one again for every leg would cost more than all
// the rest of a fold.
func (p *Projection) basis(text string) (string, error) {
	basis, ok := p.bases[text]
	if !ok {
		a, err := asset.Parse(text)
		if err != nil {
			return "", err
		}
		basis = a.Basis
		p.bases[text] = basis
	}
	return basis, nil
}

// Flush implements engine.Projection.
func (p *Projection) Flush(yield func(table int, row engine.Row) error) error {
	slices.SortFunc(p.changed, func(a, b *balance) int { return a.compare(b.key) })
	row := make(engine.Row, len(Spec.Tables[0].Columns))
	for _, b := range p.changed {
		for i, text := range [...]string{b.donor, b.beneficiary, b.category, b.instrument, b.stage, b.basis, b.asset} {
			row[i] = engine.TextOf(text)
		}
		row[7], row[8], row[9] = engine.AmountOf(b.reached), engine.AmountOf(b.standing), engine.IntOf(b.unknown)
		if err := yield(0, row); err != nil {
			return err
		}
		b.changed = false
	}
	p.changed = p.changed[:0]
	return p.registers.Flush(func(row engine.Row) error { return yield(1, row) })
}

func (k key) compare(o key) int {
	return cmp.Or(
		cmp.Compare(k.donor, o.donor), cmp.Compare(k.beneficiary, o.beneficiary), cmp.Compare(k.category, o.category),
		cmp.Compare(k.instrument, o.instrument), cmp.Compare(k.stage, o.stage), cmp.Compare(k.basis, o.basis), cmp.Compare(k.asset, o.asset),
	)
}
