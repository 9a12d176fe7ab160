package pledge

import (
	"fmt"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/category"
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/stated"
	"github.com/allied-ledger/allied/events/term"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// The bounds of one command and of one pledge.
const (
	linesMax       = 500
	itemsMax       = 2000
	valuationsMax  = 50
	pledgeLinesMax = 100_000
)

func at(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

func bounded(field string, n int) error {
	remedy := "give at least one"
	if n > linesMax {
		remedy = "send several commands"
	}
	if n == 0 || n > linesMax {
		return refuse("bad_count", field, fmt.Sprintf("%d lines, and one command holds 1 to %d", n, linesMax), remedy)
	}
	return nil
}

// checkLine judges a new line, and names its control asset where only one value is stated. A nil seen means that the command has one line.
func (s *State) checkLine(field string, l *eventv1.Line, items []*eventv1.Item, seen map[uuid.UUID]bool) error {
	if l == nil {
		return refuse("line_missing", field, "the command has no line", "give one")
	}
	id := idOf(l.Line)
	if len(l.Line) != 16 || id == uuid.Nil {
		return refuse("id_missing", field+".line", "the line has no id", "give a UUID")
	}
	if s.line[id] != nil || seen[id] {
		return refuse("line_exists", field+".line", fmt.Sprintf("%s has a line %s already", s.Stream, id), "a recorded line is corrected, never recorded again: use another id for another line")
	}
	if seen != nil {
		seen[id] = true
	}
	if len(s.Lines)+len(seen) > pledgeLinesMax {
		return refuse("too_many", field, fmt.Sprintf("a pledge holds at most %d lines", pledgeLinesMax), "open another pledge that extends this one")
	}
	if err := knownCategory(field+".category", l.Category); err != nil {
		return err
	}
	if l.Instrument == eventv1.Instrument_INSTRUMENT_UNSPECIFIED {
		return refuse("instrument_missing", field+".instrument", "no instrument is given", "in_kind, service, grant, loan, guarantee, swap, appropriation or unknown")
	}
	if err := checkValues(field+".values", l.Values); err != nil {
		return err
	}
	if err := checkScales(field+".values", l.Values); err != nil {
		return err
	}
	if err := checkItems(field, items); err != nil {
		return err
	}
	if len(l.Values) == 0 {
		return refuse("value_missing", field+".values", "no value is given, and no reason why", "give a value, or one with status undisclosed, withheld, included or not_applicable")
	}
	return setControl(field, l)
}

func knownCategory(field, code string) error {
	if category.Known(code) {
		return nil
	}
	remedy := "use a code of the ledger's own list, such as MIL.AMMO or FIN.BUDGET"
	if near := category.Nearest(code); near != "" {
		remedy = "did you mean " + near + "?"
	}
	return refuse("unknown_category", field, fmt.Sprintf("no category %q that a line may carry", code), remedy)
}

func checkValues(field string, values []*eventv1.Valuation) error {
	if len(values) > valuationsMax {
		return refuse("too_many", field, fmt.Sprintf("%d values, and a line holds at most %d", len(values), valuationsMax), "keep one for each basis")
	}
	missing, told := map[string]bool{}, map[string]bool{} // by basis
	assets := map[string]bool{}
	for i, v := range values {
		where := at(field, i)
		if v.BasisDate != nil {
			if err := dates.Check(v.BasisDate); err != nil {
				return refuse("bad_date", where+".basis_date", err.Error(), "give a date such as 2022-09-13, or `unknown`")
			}
		}
		switch v.Status {
		case eventv1.ValueStatus_VALUE_STATUS_STATED:
			a, err := asset.Parse(v.Asset)
			if err != nil {
				return refuse("bad_asset", where+".asset", err.Error(), "write it as EUR/2@donor_stated or each/6:item")
			}
			if a.Basis != v.Basis {
				return refuse("basis_differs", where+".basis", fmt.Sprintf("the basis is %q and that of the asset %q", v.Basis, a.Basis), "write the same twice")
			}
			if assets[v.Asset] {
				return refuse("value_twice", where+".asset", v.Asset+" is stated twice", "state it once")
			}
			if !stated.Is(v.Amount) {
				return refuse("bad_amount", where+".amount", "a stated value is an amount from zero to 10^28 of its smallest unit", "give it, or say why it is missing")
			}
			assets[v.Asset], told[v.Basis] = true, true
		case eventv1.ValueStatus_VALUE_STATUS_UNSPECIFIED:
			return refuse("status_missing", where+".status", "the value does not say whether it is stated", "stated, included, withheld, undisclosed or not_applicable")
		default:
			if v.Asset != "" || v.Amount != nil {
				return refuse("missing_with_amount", where+".amount", fmt.Sprintf("a value that is %s has no amount", term.Word(v.Status)), "leave asset and amount empty, or say stated")
			}
			if !asset.KnownBasis(v.Basis) {
				return refuse("unknown_basis", where+".basis", fmt.Sprintf("no basis %q", v.Basis), "one of "+strings.Join(asset.Bases(), ", "))
			}
			if missing[v.Basis] {
				return refuse("value_twice", where+".basis", "basis "+v.Basis+" stands twice", "name it once")
			}
			missing[v.Basis] = true
		}
	}
	for basis := range missing {
		if told[basis] {
			return refuse("value_twice", field, "basis "+basis+" is both stated and missing", "keep one")
		}
	}
	return nil
}

// checkScales: a currency on a basis is one asset, in the decimal places that ISO 4217 gives it, lest two spellings of it never add.
func checkScales(field string, values []*eventv1.Valuation) error {
	for i, v := range values {
		if v.Asset == "" {
			continue
		}
		if err := stated.Scale(at(field, i)+".asset", v.Asset); err != nil {
			return err
		}
	}
	return nil
}

func checkItems(field string, items []*eventv1.Item) error {
	for i, it := range items {
		where := at(strings.TrimSuffix(field, ".line")+".items", i)
		if it.Name == "" {
			return refuse("name_missing", where+".name", "the item has no name", "give one")
		}
		if err := knownCategory(where+".category", it.Category); err != nil {
			return err
		}
		if err := checkValues(where+".values", it.Values); err != nil {
			return err
		}
		if err := checkValues(where+".unit_prices", it.UnitPrices); err != nil {
			return err
		}
		if it.QuantityStatus == eventv1.ValueStatus_VALUE_STATUS_UNSPECIFIED {
			return refuse("status_missing", where+".quantity_status", "the item does not say whether its quantity is stated", "give a quantity, or say undisclosed, withheld, included or not_applicable")
		}
		if it.QuantityStatus != eventv1.ValueStatus_VALUE_STATUS_STATED {
			if it.QuantityAsset != "" || it.Quantity != nil {
				return refuse("missing_with_amount", where+".quantity", fmt.Sprintf("a quantity that is %s has no number", term.Word(it.QuantityStatus)), "leave it empty, or say stated")
			}
			continue
		}
		a, err := asset.Parse(it.QuantityAsset)
		if err != nil || !a.IsQuantity() {
			return refuse("bad_asset", where+".quantity_asset", fmt.Sprintf("%q is not a unit and an item", it.QuantityAsset), "write it as each/6:155 mm howitzer")
		}
		if !stated.Is(it.Quantity) {
			return refuse("bad_amount", where+".quantity", "a quantity is from zero to 10^28 of its smallest unit", "give it, or say why it is missing")
		}
	}
	return nil
}

// setControl checks the control asset, and names it where only one value is stated.
func setControl(field string, l *eventv1.Line) error {
	var money []string
	for _, v := range l.Values {
		if v.Status == eventv1.ValueStatus_VALUE_STATUS_STATED && basisOf(v.Asset) != "" {
			money = append(money, v.Asset)
		}
	}
	switch {
	case l.ControlAsset == "" && len(money) == 1:
		l.ControlAsset = money[0]
	case l.ControlAsset == "" && len(money) > 1:
		return refuse("control_asset_missing", field+".control_asset", fmt.Sprintf("%d values are stated, and caps are counted in one", len(money)), "one of "+strings.Join(money, ", "))
	case l.ControlAsset != "":
		for _, a := range money {
			if a == l.ControlAsset {
				return nil
			}
		}
		return refuse("control_asset_not_stated", field+".control_asset", "no value is stated in "+l.ControlAsset, "name an asset in which a value is stated, or leave it empty")
	}
	return nil
}

// controlAmounts are the amounts that control a line: the value in its control asset; without a value each quantity; or none.
func controlAmounts(l *eventv1.Line, items []*eventv1.Item) []AssetAmount {
	var out []AssetAmount
	for _, v := range l.Values {
		if v.Status == eventv1.ValueStatus_VALUE_STATUS_STATED && (v.Asset == l.ControlAsset || l.ControlAsset == "") {
			out = append(out, AssetAmount{v.Asset, amountOf(v.Amount)})
		}
	}
	if l.ControlAsset != "" {
		return out
	}
	for _, a := range quantities(items) {
		if !addTo(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// quantities adds up the stated quantities of items, in the order of their first appearance.
func quantities(items []*eventv1.Item) []AssetAmount {
	var out []AssetAmount
	at := map[string]int{}
	for _, it := range items {
		if it.QuantityStatus != eventv1.ValueStatus_VALUE_STATUS_STATED {
			continue
		}
		i, ok := at[it.QuantityAsset]
		if !ok {
			at[it.QuantityAsset] = len(out)
			out = append(out, AssetAmount{it.QuantityAsset, amountOf(it.Quantity)})
			continue
		}
		out[i].Amount = sum(out[i].Amount, amountOf(it.Quantity))
	}
	return out
}

func addTo(out []AssetAmount, a AssetAmount) bool {
	for i := range out {
		if out[i].Asset == a.Asset {
			out[i].Amount = sum(out[i].Amount, a.Amount)
			return true
		}
	}
	return false
}

// basisOf is the valuation basis of an asset, empty for a quantity.
func basisOf(a string) string {
	if strings.ContainsRune(a, ':') {
		return ""
	}
	_, basis, _ := strings.Cut(a, "@")
	return basis
}

func (s *State) needLine(field string, id uuid.UUID) (*Line, error) {
	if l := s.line[id]; l != nil {
		return l, nil
	}
	return nil, refuse("no_such_line", field, fmt.Sprintf("%s has no line %s", s.Stream, id), "check the id")
}

// checkControl judges an amount that is to be taken from the line.
func (l *Line) checkControl(field string, want AssetAmount) error {
	if !l.controlledBy(want.Asset) {
		return refuse("not_control_asset", field+".asset", fmt.Sprintf("line %s is not counted in %q", l.ID, want.Asset), "one of "+strings.Join(l.Controls, ", "))
	}
	return positive(field+".amount", want)
}

func positive(field string, a AssetAmount) error {
	if _, err := asset.Parse(a.Asset); err != nil {
		return refuse("bad_asset", strings.TrimSuffix(field, "amount")+"asset", err.Error(), "write it as EUR/2@donor_stated or each/6:item")
	}
	if err := stated.Scale(strings.TrimSuffix(field, "amount")+"asset", a.Asset); err != nil {
		return err
	}
	if a.Amount.Sign() <= 0 || !a.Amount.IsEntry() {
		return refuse("bad_amount", field, fmt.Sprintf("%s is not above zero and at most 10^28 of the smallest unit", text(a.Amount, a.Asset)), "give a positive amount")
	}
	return nil
}

// roomFor refuses an amount that would carry what reached a stage past the bound of an amount.
func (l *Line) roomFor(field string, stage eventv1.Stage, a AssetAmount) error {
	if b := l.find(stage, a.Asset); b != nil {
		if _, err := b.Reached.Add(a.Amount); err != nil {
			return refuse("bad_amount", field, "the line would hold more than 38 digits", "check the amount")
		}
	}
	return nil
}

// text writes an amount in its asset's decimals.
func text(a money.Amount, name string) string {
	x, err := asset.Parse(name)
	if err != nil {
		return a.Text(0)
	}
	return a.Text(x.Scale)
}

func stageWord(s eventv1.Stage) string           { return term.Word(s) }
func instrumentWord(i eventv1.Instrument) string { return term.Word(i) }
