package sums

import (
	"fmt"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/category"
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/internal/tally"
	"github.com/allied-ledger/allied/projections/internal/words"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// Request asks for sums. Basis and Stages are required: amounts of two bases never add, and no two rungs are collapsed.
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
	// Group passes the donors that were members of a group of states on the day GroupOn, such as NATO on 2022-02-24.
	Group   string `json:"group,omitempty"`
	GroupOn string `json:"group_on,omitempty"`
	// AtLeast is a position that the view must hold.
	AtLeast es.Position `json:"at_least,omitempty"`
}

// passes tells whether a row is within the request, whatever its instrument.
func (s *Sums) passes(row *tally.Row) bool {
	r := s.request
	rung, _ := Rung(row.Stage)
	return row.Basis == s.basis && slices.Contains(r.Stages, rung) &&
		(r.Donor == "" || row.Donor == r.Donor) &&
		words.Among(s.members, row.Donor) &&
		(r.Beneficiary == "" || row.Beneficiary == r.Beneficiary) &&
		words.Within(row.Category, r.Category) &&
		(r.Asset == "" || row.Asset == r.Asset || row.Asset == "")
}

// Counts tells whether a row is within the request, and its instrument enters the sums.
func (s *Sums) Counts(row *tally.Row) bool { return s.passes(row) && s.request.counts(row.Instrument) }

func (r *Request) counts(instrument string) bool {
	if len(r.Instruments) == 0 {
		return !slices.Contains(byName, instrument)
	}
	return slices.Contains(r.Instruments, "all") || slices.Contains(r.Instruments, instrument)
}

// group is what a row is summed under.
func (r *Request) group(row *tally.Row) group {
	rung, evidence := Rung(row.Stage)
	g := group{stage: rung}
	for _, by := range r.By {
		switch by {
		case Month:
			g.month = row.Month
		case "donor":
			g.donor = row.Donor
		case "beneficiary":
			g.beneficiary = row.Beneficiary
		case "category":
			g.category = category.Top(row.Category, r.CategoryDepth)
		case "instrument":
			g.instrument = row.Instrument
		case "evidence":
			g.evidence = evidence
		}
	}
	return g
}

// check refuses what cannot be answered, and returns the basis of the rows asked for.
func (r *Request) check(dimensions []string) (basis string, err error) {
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
		if err := words.Check("by", by, dimensions); err != nil {
			return "", err
		}
	}
	for _, i := range r.Instruments {
		if err := words.Check("instruments", i, append(words.Instruments(), "all")); err != nil {
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

// CheckMonths refuses bounds, in fields called from and to, that are no months, or that nothing is within.
func CheckMonths(from, to string) error {
	for _, bound := range []struct{ field, text string }{{"from", from}, {"to", to}} {
		if bound.text == "" {
			continue
		}
		if e, err := dates.Parse(bound.text); err != nil || e.Precision != eventv1.Precision_PRECISION_MONTH {
			return &es.Refusal{Code: "bad_date", Field: bound.field, Reason: fmt.Sprintf("%q is not a month", bound.text), Remedy: "give a month such as 2022-02"}
		}
	}
	if to != "" && from > to {
		return &es.Refusal{
			Code: "contradiction", Field: "to", Reason: fmt.Sprintf("no month is within %s and %s", from, to), Remedy: "give the first month as from, and the last as to",
		}
	}
	return nil
}
