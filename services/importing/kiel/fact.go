package kiel

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// fact is a row as read: what it says, and the marks of what is doubtful or special about it.
type fact struct {
	Row
	when       when
	category   string
	mapping    *eventv1.CategoryMapping
	instrument string
	marks      marks
	// converted, allocated, redistributed and delivered are the tracker's values in euro cents; nil where there is none.
	converted, allocated, redistributed, delivered *money.Amount
	// stated is what the donor's source states, in its own currency; nil where it states nothing.
	stated *assetAmount
	// repeats: another row of the package commits the value that this one states.
	repeats bool
	// valueSource is given, priced or none.
	valueSource string
	// The number of units of the row's item, how many of them are said to be delivered, the unit price and the tracker's estimate for all.
	quantity, unitsDelivered, unitPrice, estimate quantity
}

// quantity is a stated amount, or the word that says why there is none.
type quantity struct {
	status string
	stated *assetAmount
}

// assetAmount is an amount and its asset's text form.
type assetAmount struct {
	asset  string
	scale  int
	amount money.Amount
}

func (a assetAmount) text() string { return a.amount.Text(a.scale) }

const centScale = 2

// problem says why a row cannot be imported at all.
type problem struct{ code, reason, remedy string }

// read decodes one row. A row whose identity or kind is not clear has a problem.
func (m *mapping) read(r Row) (*fact, *problem) {
	if p := identityProblem(r); p != nil {
		return nil, p
	}
	l := labelsOf(r)
	f := &fact{Row: r, when: readDate(r.raw(colAnnounced)), instrument: m.instrument(l), marks: marks{}}
	f.category, f.mapping = m.category(l)
	f.readValues()
	if p := f.negative(); p != nil {
		return nil, p
	}
	if !f.commits() {
		f.readItem()
	}
	f.markKind()
	return f, nil
}

func identityProblem(r Row) *problem {
	if r.text(colID) == "" {
		return &problem{"id_missing", "the row has no ID", "give it the ID of its measure"}
	}
	if topOf(r.raw(colGeneralType)) == "" {
		return &problem{"unknown_type", fmt.Sprintf("general type %q is not Military, Financial or Humanitarian", clip(r.text(colGeneralType), 60)), "correct column D"}
	}
	switch d := r.text(colDonation); d {
	case donationCommitment:
	case donationAllocation:
		if id := r.text(colAllocation); id == "" || id == "0" || id == "." {
			return &problem{"allocation_id_missing", "the row allocates and has no Allocation ID", "give it one in column Y"}
		}
	default:
		return &problem{"unknown_donation", fmt.Sprintf("type of donation %q is neither %s nor %s", clip(d, 60), donationCommitment, donationAllocation), "correct column H"}
	}
	return nil
}

func (f *fact) readValues() {
	f.converted = f.cents(colConverted)
	f.allocated = f.cents(colAllocatedEUR)
	f.redistributed = f.cents(colRedistributed)
	f.delivered = f.cents(colDelivered)
	f.stated = f.donorStated()
	switch f.text(colValueSource) {
	case "Value is given by the source":
		f.valueSource = "given"
	case "Value is calculated with prices":
		f.valueSource = "priced"
	default:
		f.valueSource = "none"
	}
	if f.converted == nil && f.allocated == nil {
		return
	}
	switch {
	case f.valueSource == "none", f.valueSource == "given" && f.stated == nil, f.valueSource == "priced" && f.stated != nil:
		f.marks.set(flagValueSource, fmt.Sprintf("%q beside the monetary value %q", f.text(colValueSource), f.text(colStated)))
	}
}

// negative: no promise and no delivery is below zero, and the ledger would refuse it without naming the column.
func (f *fact) negative() *problem {
	stated := (*money.Amount)(nil)
	if f.stated != nil {
		stated = &f.stated.amount
	}
	for _, v := range []struct {
		at     column
		amount *money.Amount
	}{{colStated, stated}, {colConverted, f.converted}, {colDelivered, f.delivered}, {colAllocatedEUR, f.allocated}, {colRedistributed, f.redistributed}} {
		if v.amount != nil && v.amount.Sign() < 0 {
			return &problem{"negative_value", fmt.Sprintf("column %s holds %q, and a value is zero or more", v.at.letters(), f.text(v.at)), "correct column " + v.at.letters()}
		}
	}
	return nil
}

// number reads a numeric cell and marks what is odd about it.
func (f *fact) number(c column, scale int) number {
	n := readNumber(f.raw(c))
	if n.comma {
		f.marks.set(flagDecimalComma, fmt.Sprintf("column %s holds %q", c.letters(), f.text(c)))
	}
	if !n.readable(scale) {
		f.marks.set(flagUnreadable, fmt.Sprintf("column %s holds %q", c.letters(), clip(f.text(c), 100)))
	}
	return n
}

func (f *fact) cents(c column) *money.Amount {
	if a, ok := f.number(c, centScale).rounded(centScale); ok {
		return &a
	}
	return nil
}

// donorStated: the currency beside a missing value is that of the price list, and states nothing.
func (f *fact) donorStated() *assetAmount {
	n := readNumber(f.raw(colStated))
	if n.absence != present && n.absence != unreadable {
		return nil
	}
	a, err := asset.Currency(f.text(colCurrency), basisDonorStated)
	if err == nil {
		if amount, ok := f.number(colStated, a.Scale).rounded(a.Scale); ok {
			return &assetAmount{a.String(), a.Scale, amount}
		}
		return nil
	}
	f.marks.set(flagUnreadable, fmt.Sprintf("column %s holds %q of the currency %q", colStated.letters(), clip(f.text(colStated), 60), clip(f.text(colCurrency), 20)))
	return nil
}

func (f *fact) markKind() {
	if f.when.text {
		f.marks.set(flagTextDate, f.when.asStated)
	}
	if f.when.unknown {
		f.marks.set(flagDateUnknown, f.when.asStated)
	}
	if f.when.doubtful {
		f.marks.set(flagDoubtfulDate, f.when.asStated)
	}
	if strings.HasSuffix(f.category, ".UNMAPPED") {
		f.marks.set(flagUnmapped, f.mapping.GetAsFound())
	}
	if strings.HasSuffix(f.category, ".ENVELOPE") {
		f.marks.set(flagEnvelope, f.mapping.GetAsFound())
	}
	if f.commits() && f.named() {
		f.marks.set(flagItemOnCommitment, f.name())
	}
	if strings.HasPrefix(f.text(colSpecificType), specificConsolidation) {
		f.marks.set(flagPlug, f.text(colSpecificType))
	}
	if strings.HasPrefix(f.text(colOfficial), "No") {
		f.marks.set(flagUnofficialSource, "")
	}
	if letter, odd := oddLetter(f.raw(colID)); odd {
		f.marks.set(flagLookalike, fmt.Sprintf("U+%04X in %q", letter, f.raw(colID)))
	}
	if f.year() == "" && f.text(colYear) != "" {
		f.marks.set(flagDoubtfulYear, clip(f.text(colYear), 60))
	}
	if isDelivered(f.delivered) && f.financial() {
		f.marks.set(flagNotBooked, fmt.Sprintf("column %s says that %s EUR of a %s were delivered, and no booking is known",
			colDelivered.letters(), f.delivered.Text(centScale), f.instrument))
	}
	if f.facility() {
		f.marks.set(flagReimburses, "the European Peace Facility reimburses national aid")
	}
}

// facility tells whether the row is a tranche of the European Peace Facility.
func (f *fact) facility() bool { return f.text(colSpecificType) == specificFacility }

// financial tells whether the row is money or a promise to pay. An appropriation is neither yet: arms are bought with it.
func (f *fact) financial() bool {
	switch f.instrument {
	case "grant", "loan", "guarantee", "swap":
		return true
	}
	return false
}

func (f *fact) commits() bool { return f.text(colDonation) == donationCommitment }

func oddLetter(id string) (rune, bool) {
	for _, c := range id {
		if c > unicode.MaxASCII && unicode.IsLetter(c) {
			return c, true
		}
	}
	return 0, false
}

var yearForm = regexp.MustCompile(`^20\d\d(-20\d\d)?$`)

// year is the earmarked year or span of years.
func (f *fact) year() string {
	if y := f.text(colYear); yearForm.MatchString(y) {
		return y
	}
	return ""
}

// readItem reads what the row says of its item.
func (f *fact) readItem() {
	f.quantity = f.units(colUnits)
	f.unitsDelivered = f.units(colUnitsDelivered)
	f.unitPrice = f.priced(colUnitPrice, unitPriceScale)
	f.estimate = f.priced(colEstimate, centScale)
}

func (f *fact) units(c column) quantity {
	n := f.number(c, unitScale)
	amount, ok := n.rounded(unitScale)
	if !ok {
		return f.missing(n)
	}
	if n.fraction() {
		f.marks.set(flagFractional, f.text(c))
	}
	if !f.named() {
		f.marks.set(flagUnnamedItem, f.text(c)+" units")
	}
	a, err := asset.Quantity("each", f.name())
	if err != nil {
		f.marks.set(flagUnreadable, fmt.Sprintf("%s units of an item whose name cannot name an asset: %v", f.text(c), err))
		return quantity{status: "undisclosed"}
	}
	return quantity{"stated", &assetAmount{a.String(), a.Scale, amount}}
}

// missing says why a number of an item is not there: where the row names an item, or says so, it is undisclosed.
func (f *fact) missing(n number) quantity {
	switch {
	case f.named(), n.absence == undisclosed, n.absence == unreadable, n.absence == noPrice:
		return quantity{status: "undisclosed"}
	}
	return quantity{status: "not_applicable"}
}

// priced is a value in US dollars by the tracker's price list.
func (f *fact) priced(c column, scale int) quantity {
	n := f.number(c, scale)
	if a, ok := n.rounded(scale); ok {
		return quantity{"stated", &assetAmount{fmt.Sprintf("USD/%d@%s", scale, basisPriceList), scale, a}}
	}
	return f.missing(n)
}

// unitPriceScale keeps the price of a cartridge, which is a fraction of a cent.
const unitPriceScale = 6

// named tells whether the row names its item.
func (f *fact) named() bool {
	s := f.text(colItem)
	return s != "" && s != "." && s != ".."
}

// name is the item's name; a row that names none is known by its kind of aid. It is never empty.
func (f *fact) name() string {
	switch {
	case f.named():
		return clip(f.text(colItem), itemRunesMax)
	case f.text(colSpecificType) != "":
		return clip(f.text(colSpecificType), itemRunesMax)
	}
	return f.text(colGeneralType)
}

const itemRunesMax = 120
