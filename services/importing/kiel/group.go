package kiel

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/donor"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// measure is one ID of the tracker: a pledge.
type measure struct {
	id, donor   string
	stream      string
	uuid        uuid.UUID
	facts       []*fact // in file order
	commitments []*fact
	allocations []*allocation
	// matched: another release recorded the same content, and nothing of it is sent.
	matched bool
}

// allocation is one package: the rows of an ID with one Allocation ID.
type allocation struct {
	id    string
	facts []*fact
	// tracker, redistributed and delivered are the sums of the rows' values, each rounded to the cent before; nil where no row has one.
	tracker, redistributed, delivered *money.Amount
	// stated is what the rows that carry the package's value state, in each currency.
	stated []assetAmount
	// unitsDelivered are the units of each item that the rows say were delivered.
	unitsDelivered []assetAmount
	// sameUnits: every unit of the allocation is counted, and as many are said to be delivered as are allocated.
	sameUnits bool
}

// group collects rows by ID, which need not be contiguous, and within an ID by Allocation ID, both in order of first appearance.
func group(facts []*fact) []*measure {
	var out []*measure
	byID := map[string]*measure{}
	parts := map[[2]string]*allocation{}
	last, lastPart := "", ""
	for _, f := range facts {
		id := f.raw(colID)
		m := byID[id]
		if m == nil {
			m = &measure{id: id}
			byID[id] = m
			out = append(out, m)
		} else if last != id {
			f.marks.set(flagNonContiguous, "ID "+id+" stands apart")
		}
		m.facts = append(m.facts, f)
		last = id
		if f.commits() {
			m.commitments = append(m.commitments, f)
			continue
		}
		part := [2]string{id, f.text(colAllocation)}
		a := parts[part]
		if a == nil {
			a = &allocation{id: part[1]}
			parts[part] = a
			m.allocations = append(m.allocations, a)
		} else if lastPart != part[1] {
			f.marks.set(flagNonContiguous, "allocation "+part[1]+" stands apart")
		}
		a.facts = append(a.facts, f)
		lastPart = part[1]
	}
	return out
}

// identify finds the donor and the stream. Equals counts the measures before it with the same identity.
func (m *measure) identify(equals map[uuid.UUID]int) *problem {
	first := m.facts[0]
	name := first.text(colCountry)
	for _, f := range m.facts[1:] {
		if other := f.text(colCountry); other != name {
			return &problem{"several_donors", fmt.Sprintf("row %d of %s names the donor %q, row %d %q", first.Number, m.id, clip(name, 60), f.Number, clip(other, 60)), "one ID is one measure of one donor: give the other an ID of its own"}
		}
	}
	code, ok := donorCode(name, m.facts)
	if !ok {
		return &problem{"unknown_donor", fmt.Sprintf("no donor %q is known", clip(name, 60)), "correct column B, or have the donor added to the ledger's list"}
	}
	m.donor = code
	explanation := sha256.Sum256([]byte(first.raw(colExplanation)))
	identity := func(number int) uuid.UUID {
		return ident.ImportedStream(Dataset, m.id, code, first.raw(colAnnounced), hex.EncodeToString(explanation[:]), number)
	}
	key := identity(0)
	m.uuid = identity(equals[key])
	equals[key]++
	m.stream = es.StreamName("pledge", m.uuid)
	return nil
}

// donorCode looks the donor's name up at the latest day that the rows tell, since names change.
func donorCode(name string, facts []*fact) (string, bool) {
	latest := int32(0)
	for _, f := range facts {
		latest = max(latest, f.when.latestDay)
	}
	return donor.Lookup(name, latest)
}

// weigh adds up the values of the allocations, and marks what shows only when the rows of an ID stand together.
func (m *measure) weigh() error {
	for _, a := range m.allocations {
		if err := a.weigh(); err != nil {
			return fmt.Errorf("add up the values of %s: %w", a.id, err)
		}
	}
	m.mark()
	return nil
}

func (a *allocation) weigh() (err error) {
	if a.tracker, err = total(a.facts, func(f *fact) *money.Amount { return f.allocated }); err != nil {
		return err
	}
	if a.redistributed, err = total(a.facts, func(f *fact) *money.Amount { return f.redistributed }); err != nil {
		return err
	}
	if a.delivered, err = total(a.facts, func(f *fact) *money.Amount { return f.delivered }); err != nil {
		return err
	}
	if a.stated, err = totals(a.carriers(), func(f *fact) *assetAmount { return f.stated }); err != nil {
		return err
	}
	return a.weighUnits()
}

func (a *allocation) weighUnits() error {
	units, err := totals(a.facts, func(f *fact) *assetAmount { return f.quantity.stated })
	if err != nil {
		return err
	}
	if a.unitsDelivered, err = totals(a.facts, func(f *fact) *assetAmount { return f.unitsDelivered.stated }); err != nil {
		return err
	}
	uncounted := func(f *fact) bool {
		return f.quantity.status != f.unitsDelivered.status || f.quantity.status == "undisclosed"
	}
	a.sameUnits = len(units) > 0 && slices.Equal(a.unitsDelivered, units) && !slices.ContainsFunc(a.facts, uncounted)
	return nil
}

// total adds up what some rows say; nil where none says anything.
func total(facts []*fact, of func(*fact) *money.Amount) (*money.Amount, error) {
	var sum *money.Amount
	for _, f := range facts {
		v := of(f)
		if v == nil {
			continue
		}
		if sum == nil {
			sum = &money.Amount{}
		}
		next, err := sum.Add(*v)
		if err != nil {
			return nil, err
		}
		sum = &next
	}
	return sum, nil
}

// totals adds up what some rows say, in each asset, in order of first appearance.
func totals(facts []*fact, of func(*fact) *assetAmount) ([]assetAmount, error) {
	var out []assetAmount
	for _, f := range facts {
		v := of(f)
		if v == nil {
			continue
		}
		i := slices.IndexFunc(out, func(x assetAmount) bool { return x.asset == v.asset })
		if i < 0 {
			out = append(out, *v)
			continue
		}
		sum, err := out[i].amount.Add(v.amount)
		if err != nil {
			return nil, err
		}
		out[i].amount = sum
	}
	return out, nil
}

func (m *measure) mark() {
	types := distinct(m.facts, func(f *fact) string { return f.text(colGeneralType) })
	if len(types) > 1 {
		for _, f := range m.facts {
			f.marks.set(flagSeveralTypes, strings.Join(types, ", "))
		}
	}
	for _, a := range m.allocations {
		a.mark()
		if len(m.commitments) == 0 {
			a.markRepeats()
		}
		for _, f := range a.facts {
			if len(m.commitments) > 0 && f.converted != nil {
				f.marks.set(flagPartConverted, "it is a part of the commitment of "+m.id+" and not added to it")
			}
		}
	}
}

func (a *allocation) mark() {
	all := func(f mark, note string) {
		for _, x := range a.facts {
			x.marks.set(f, note)
		}
	}
	if d := distinct(a.facts, func(f *fact) string { return f.when.effective }); len(d) > 1 {
		all(flagSeveralDates, strings.Join(d, ", "))
	}
	if d := distinct(a.facts, func(f *fact) string { return f.instrument }); len(d) > 1 {
		all(flagSeveralForms, strings.Join(d, ", "))
	}
	if a.tracker != nil && a.redistributed == nil {
		all(flagRedistributed, a.facts[0].text(colReallocation))
	}
	counted := map[assetAmount]bool{}
	for _, f := range a.carriers() {
		if f.stated != nil {
			counted[*f.stated] = true
		}
	}
	for _, f := range a.facts {
		if f.stated != nil && !counted[*f.stated] {
			f.marks.set(flagSeveralStated, "this row states "+f.stated.text()+" in "+f.stated.asset)
		}
	}
}

// markRepeats finds the rows that only repeat what the donor's source states of the package: the file writes it on each of them, and counts one.
// Without a row that carries the package's value nothing tells which.
func (a *allocation) markRepeats() {
	if a.tracker == nil {
		return
	}
	committed := map[assetAmount]bool{}
	for _, f := range a.facts {
		if f.commitsValue() && f.allocated != nil {
			committed[*f.stated] = true
		}
	}
	for _, f := range a.facts {
		if !f.commitsValue() || f.allocated != nil {
			continue
		}
		if f.repeats = committed[*f.stated]; f.repeats {
			f.marks.set(flagRepeatedValue, f.stated.text()+" in "+f.stated.asset)
		}
		committed[*f.stated] = true
	}
}

// commitsValue: in a package that only allocates, the row is a commitment line, and states a value.
func (f *fact) commitsValue() bool { return f.converted != nil && f.stated != nil }

// carriers are the rows that carry the package's value, or where none does, the first.
func (a *allocation) carriers() []*fact {
	var out []*fact
	for _, f := range a.facts {
		if f.allocated != nil {
			out = append(out, f)
		}
	}
	if out == nil {
		return a.facts[:1]
	}
	return out
}

func distinct(facts []*fact, of func(*fact) string) []string {
	var out []string
	for _, f := range facts {
		if v := of(f); !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// whenOf is when all of the facts had happened: where their dates differ, until the latest.
func whenOf(facts []*fact) when {
	stated := distinct(facts, func(f *fact) string { return f.when.effective })
	if len(stated) == 1 {
		return facts[0].when
	}
	w := when{effective: "unknown", asStated: clip(strings.Join(stated, "; "), asStatedRunesMax)}
	for _, f := range facts {
		if f.when.unknown {
			w.latestDay = 0
			return w
		}
		w.latestDay = max(w.latestDay, f.when.latestDay)
	}
	w.effective = dates.Format(&eventv1.Effective{LatestDay: w.latestDay, Precision: eventv1.Precision_PRECISION_UNTIL})
	return w
}
