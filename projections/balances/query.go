package balances

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/category"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	"github.com/allied-ledger/allied/projections/internal/words"
)

// Request asks for balances. Basis and Stages are required: amounts of two bases never add, and no two rungs are collapsed.
type Request struct {
	// Basis is a valuation basis, such as tracker, or `quantity` for units of items. It may be left out where Asset implies it.
	Basis string `json:"basis,omitempty"`
	// Stages are the rungs asked for, or accounts beside the ladder, such as over:allocated. Each is reported apart.
	Stages []string `json:"stages"`
	// Reached asks for all that ever reached a stage; otherwise the amount is what stands there now.
	Reached bool `json:"reached,omitempty"`
	// By are the dimensions to report by: donor, beneficiary, category, instrument, evidence. Over all others the amounts are summed.
	By []string `json:"by,omitempty"`
	// CategoryDepth cuts categories to their first parts; 0 keeps them whole.
	CategoryDepth int `json:"category_depth,omitempty"`
	// Instruments are those that count, or `all`. When empty, all but guarantees and swaps count, and those stand in left_out.
	Instruments []string `json:"instruments,omitempty"`
	// Filters; empty lets everything pass. A category passes all below it.
	Donor       string `json:"donor,omitempty"`
	Beneficiary string `json:"beneficiary,omitempty"`
	Category    string `json:"category,omitempty"`
	Asset       string `json:"asset,omitempty"`
	// AtLeast is a position that the balances must hold.
	AtLeast es.Position `json:"at_least,omitempty"`
}

// Report answers a Request.
type Report struct {
	// Position and Ordinal of the last event that the balances hold.
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	Basis    string      `json:"basis"`
	// Unknown is how many values are undisclosed among what the rows sum, each once. What is left out counts there.
	Unknown int64     `json:"unknown"`
	LeftOut []LeftOut `json:"left_out"`
	// NotReported are the stages asked for of which no fact within the request says anything. That is not zero: what is claimed as handed
	// over was dispatched too, and nobody says when and how much.
	NotReported []string `json:"not_reported"`
	Rows        []Row    `json:"rows"`
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

// Quantity is the word for the basis of amounts that are no money.
const Quantity = "quantity"

// Query answers a request from one moment of the view. What it cannot answer truly is refused with an *es.Refusal.
func Query(ctx context.Context, s engine.Snapshot, req Request) (*Report, error) {
	basis, err := req.check()
	if err != nil {
		return nil, err
	}
	at, err := listing.Checkpoint(ctx, s, Spec, req.AtLeast)
	if err != nil {
		return nil, err
	}
	counted, leftOut := newTable(), newTable()
	silent := slices.Clone(req.Stages)
	var within engine.Range
	if req.Donor != "" {
		within.Prefix = []engine.Value{engine.TextOf(req.Donor)}
	}
	for row, err := range s.Scan(ctx, Spec.Tables[0], within) {
		if err != nil {
			return nil, err
		}
		b := fromRow(row)
		if !req.passes(&b, basis) {
			continue
		}
		rung, _ := rungOf(b.stage)
		amount := b.standing
		if req.Reached {
			amount = b.reached
		}
		switch {
		case req.counts(b.instrument):
			err = counted.add(req.group(&b), &b, amount)
		case len(req.Instruments) == 0:
			err = leftOut.add(group{instrument: b.instrument, stage: rung}, &b, amount)
		default:
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("sum balances in %s: %w", b.asset, err)
		}
		silent = slices.DeleteFunc(silent, func(stage string) bool { return stage == rung })
	}
	report, err := req.report(at, basis, counted, leftOut)
	if err == nil {
		report.NotReported = silent
	}
	return report, err
}

// passes tells whether a balance is within the request, whatever its instrument.
func (r *Request) passes(b *balance, basis string) bool {
	rung, _ := rungOf(b.stage)
	return b.basis == basis && slices.Contains(r.Stages, rung) &&
		(r.Beneficiary == "" || b.beneficiary == r.Beneficiary) &&
		words.Within(b.category, r.Category) &&
		(r.Asset == "" || b.asset == r.Asset || b.asset == "")
}

// byName are the instruments that enter a total only by name: a promise to pay if another does not, and an exchange, are no support yet.
var byName = []string{"guarantee", "swap"}

func (r *Request) counts(instrument string) bool {
	if len(r.Instruments) == 0 {
		return !slices.Contains(byName, instrument)
	}
	return slices.Contains(r.Instruments, "all") || slices.Contains(r.Instruments, instrument)
}

// group is what a balance is summed under.
func (r *Request) group(b *balance) group {
	rung, evidence := rungOf(b.stage)
	g := group{stage: rung}
	for _, by := range r.By {
		switch by {
		case "donor":
			g.donor = b.donor
		case "beneficiary":
			g.beneficiary = b.beneficiary
		case "category":
			g.category = category.Top(b.category, r.CategoryDepth)
		case "instrument":
			g.instrument = b.instrument
		case "evidence":
			g.evidence = evidence
		}
	}
	return g
}

type group struct{ donor, beneficiary, category, instrument, evidence, stage string }

// table sums balances by group and asset.
type table struct {
	groups map[group]*sums
}

type sums struct {
	unknown int64
	amounts map[string]money.Amount
}

func newTable() *table { return &table{groups: map[group]*sums{}} }

func (t *table) add(g group, b *balance, amount money.Amount) (err error) {
	s := t.groups[g]
	if s == nil {
		s = &sums{amounts: map[string]money.Amount{}}
		t.groups[g] = s
	}
	s.unknown += b.unknown
	if b.asset != "" {
		s.amounts[b.asset], err = s.amounts[b.asset].Add(amount)
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
func (t *table) lines(stages []string) ([]line, error) {
	var lines []line
	for g, s := range t.groups {
		alone := len(s.amounts) == 1
		for code, sum := range s.amounts {
			a, err := asset.Parse(code)
			if err != nil {
				return nil, err
			}
			text := sum.Text(a.Scale)
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
	return []string{l.donor, l.beneficiary, l.category, l.instrument, l.evidence, fmt.Sprintf("%03d", slices.Index(stages, l.stage)), last}
}

func (r *Request) report(at engine.Checkpoint, basis string, counted, leftOut *table) (*Report, error) {
	p := &Report{Position: at.Position, Ordinal: at.Ordinal, Basis: basis, LeftOut: []LeftOut{}, Rows: []Row{}}
	if basis == "" {
		p.Basis = Quantity
	}
	lines, err := counted.lines(r.Stages)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		row := Row{Stage: l.stage, Asset: l.asset, Amount: l.amount, Unknown: l.unknown}
		for _, by := range r.By {
			switch by {
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
		p.Rows = append(p.Rows, row)
		p.Unknown += l.unknown
	}
	if lines, err = leftOut.lines(r.Stages); err != nil {
		return nil, err
	}
	for _, l := range lines {
		p.LeftOut = append(p.LeftOut, LeftOut{Instrument: l.instrument, Stage: l.stage, Asset: l.asset, Amount: l.amount, Unknown: l.unknown})
	}
	return p, nil
}

// check refuses what cannot be answered, and returns the basis of the rows asked for.
func (r *Request) check() (basis string, err error) {
	if len(r.Stages) == 0 {
		return "", &es.Refusal{
			Code: "missing", Field: "stages", Reason: "no stage is named, and rungs are never collapsed; allowed are " + strings.Join(Stages(), ", "),
			Remedy: "name at least one, such as committed",
		}
	}
	for i, stage := range r.Stages {
		if err := words.Check("stages", stage, Stages()); err != nil {
			return "", err
		}
		if slices.Contains(r.Stages[:i], stage) {
			return "", &es.Refusal{Code: "repeated", Field: "stages", Reason: fmt.Sprintf("%q is named twice", stage), Remedy: "name it once"}
		}
	}
	for _, by := range r.By {
		if err := words.Check("by", by, Dimensions()); err != nil {
			return "", err
		}
	}
	for _, i := range r.Instruments {
		if err := words.Check("instruments", i, append(Instruments(), "all")); err != nil {
			return "", err
		}
	}
	if r.CategoryDepth < 0 {
		return "", &es.Refusal{Code: "out_of_range", Field: "category_depth", Reason: fmt.Sprintf("%d is below 0", r.CategoryDepth), Remedy: "use 0 for whole codes"}
	}
	if err := words.CheckFilters(r.Donor, r.Beneficiary, r.Category); err != nil {
		return "", err
	}
	return r.checkBasis()
}

func (r *Request) checkBasis() (string, error) {
	implied := r.Basis
	if r.Asset != "" {
		a, err := asset.Parse(r.Asset)
		if err != nil {
			return "", &es.Refusal{Code: "bad_asset", Field: "asset", Reason: err.Error(), Remedy: "write it as EUR/2@tracker, or each/6:155 mm howitzer"}
		}
		if implied = a.Basis; a.IsQuantity() {
			implied = Quantity
		}
		if r.Basis != "" && r.Basis != implied {
			return "", &es.Refusal{
				Code: "contradiction", Field: "asset", Reason: fmt.Sprintf("asset %s is on basis %s, and basis %s is asked for", r.Asset, implied, r.Basis),
				Remedy: "leave out one of them",
			}
		}
	}
	if implied == "" {
		return "", &es.Refusal{
			Code: "missing", Field: "basis", Reason: "no valuation basis is named, and amounts of two bases never add; allowed are " + strings.Join(Bases(), ", "),
			Remedy: "name one, such as tracker",
		}
	}
	if err := words.Check("basis", implied, Bases()); err != nil {
		return "", err
	}
	if implied == Quantity {
		return "", nil
	}
	return implied, nil
}
