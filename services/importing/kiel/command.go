package kiel

import (
	"fmt"
	"iter"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/allied-ledger/allied/events/category"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/money"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// The kinds of command, in command ids.
const (
	kindCommit   = "commit"
	kindAllocate = "allocate"
	kindDeliver  = "deliver"
	kindComplete = "complete"
)

const (
	titleRunesMax       = 120
	explanationRunesMax = 2000
	sourceTextRunesMax  = 1000
)

// steps yields the commands of one measure: its commitments, its allocations, and what of them is said to be delivered; none where another release recorded the same.
func (m *measure) steps(release string) iter.Seq[Step] {
	return func(yield func(Step) bool) {
		if m.matched {
			return
		}
		for _, s := range m.commits(release) {
			if !yield(s) {
				return
			}
		}
		for _, a := range m.allocations {
			if !yield(m.allocate(release, a)) {
				return
			}
		}
		for _, s := range m.deliveries(release) {
			if !yield(s) {
				return
			}
		}
	}
}

// commits: each Commitment row commits. An ID that only allocates is committed at what the tracker converted, allocation by allocation;
// where it converted nothing of one, a commitment of undisclosed value says so and posts nothing, and what the pledge caps is unknown.
func (m *measure) commits(release string) []Step {
	var out []Step
	for i, f := range m.commitments {
		out = append(out, m.commit(release, "", []*fact{f}, []*apiv1.CommitLine{m.commitLine(release, "", i, f)}))
	}
	if out != nil {
		return out
	}
	for _, a := range m.allocations {
		out = append(out, m.commitPackage(release, a))
	}
	return out
}

// commitPackage takes the package's category on every line, so that what is committed and what is allocated of it meet in one row of a total.
func (m *measure) commitPackage(release string, a *allocation) Step {
	var lines []*apiv1.CommitLine
	var facts []*fact
	for _, f := range a.facts {
		if f.converted != nil {
			c := m.commitLine(release, a.id, len(lines), f)
			c.Line.Category, c.Line.Mapping = kindOf(a.facts)
			lines = append(lines, c)
			facts = append(facts, f)
		}
	}
	if lines == nil {
		lines, facts = []*apiv1.CommitLine{m.undisclosedLine(release, a)}, a.facts
	}
	return m.commit(release, a.id, facts, lines)
}

func (m *measure) commit(release, allocationID string, facts []*fact, lines []*apiv1.CommitLine) Step {
	s := m.step(release, kindCommit, allocationID, facts)
	s.Command.Body = &apiv1.Command_CommitPledge{CommitPledge: &apiv1.CommitPledge{Title: facts[0].title(), Commitments: lines}}
	return s
}

func (m *measure) commitLine(release, allocationID string, number int, f *fact) *apiv1.CommitLine {
	values := []*apiv1.Value{f.convertedValue(), f.statedValue()}
	line := &apiv1.Line{
		Line: m.lineID("commitment", allocationID, number), Title: f.explanation(), Category: f.category, Mapping: f.mapping, Instrument: f.instrument,
		Values: values, ControlAsset: control(values), FiscalYear: f.year(), Flags: f.marks.flags(), Sources: []*eventv1.Source{f.source(release)},
	}
	return &apiv1.CommitLine{Line: line, Firmness: "stated"}
}

func (f *fact) convertedValue() *apiv1.Value {
	if f.converted == nil {
		return missing(basisTracker, f.untold())
	}
	return statedValue(basisTracker, euros(basisTracker, *f.converted), f.valueSource)
}

func (f *fact) statedValue() *apiv1.Value {
	switch {
	case f.stated == nil:
		return missing(basisDonorStated, f.untold())
	case f.repeats:
		return missing(basisDonorStated, "included")
	}
	return statedValue(basisDonorStated, *f.stated, "given")
}

// untold: the tracker leaves out the tranches of the European Peace Facility, which pays back national aid, lest it count twice; what it does
// say of one is as good as of any other row.
func (f *fact) untold() string {
	if f.facility() {
		return "withheld"
	}
	return "undisclosed"
}

// undisclosedLine: what the donor states of a package that the tracker did not convert stands on its allocation, and is included there.
func (m *measure) undisclosedLine(release string, a *allocation) *apiv1.CommitLine {
	code, found := kindOf(a.facts)
	stated := "undisclosed"
	if len(a.stated) > 0 {
		stated = "included"
	}
	line := &apiv1.Line{
		Line: m.lineID("commitment", a.id, 0), Title: a.facts[0].explanation(), Category: code, Mapping: found, Instrument: instrumentOf(a.facts),
		Values:     []*apiv1.Value{missing(basisTracker, "undisclosed"), missing(basisDonorStated, stated)},
		FiscalYear: yearOf(a.facts), Flags: lifted(a.facts), Sources: []*eventv1.Source{a.facts[0].source(release)},
	}
	return &apiv1.CommitLine{Line: line, Firmness: "stated"}
}

// allocate: one package, its rows as items.
func (m *measure) allocate(release string, a *allocation) Step {
	s := m.step(release, kindAllocate, a.id, a.facts)
	code, found := kindOf(a.facts)
	values := a.values()
	line := &apiv1.Line{
		Line: m.lineID("allocation", a.id, 0), Title: a.facts[0].explanation(), Category: code, Mapping: found, Instrument: instrumentOf(a.carriers()),
		Values: values, ControlAsset: control(values), FiscalYear: yearOf(a.facts), Flags: lifted(a.facts),
		Sources: []*eventv1.Source{{Publisher: Publisher, Release: release, ExternalId: a.id, Locator: rowsOf(a.facts)}},
	}
	items := make([]*apiv1.Item, len(a.facts))
	for i, f := range a.facts {
		items[i] = f.item(release, a.tracker != nil)
	}
	s.Command.Body = &apiv1.Command_AllocatePledge{AllocatePledge: &apiv1.AllocatePledge{Title: a.facts[0].title(), Line: line, Items: items}}
	return s
}

// values: the tracker's own; its redistributed one, which for a package's remainder is included in the other allocations of the package;
// and the donor's, once, in its own currency.
func (a *allocation) values() []*apiv1.Value {
	out := make([]*apiv1.Value, 0, 3)
	if a.tracker != nil {
		out = append(out, statedValue(basisTracker, euros(basisTracker, *a.tracker), a.carriers()[0].valueSource))
	} else {
		out = append(out, missing(basisTracker, "undisclosed"))
	}
	switch {
	case a.redistributed != nil:
		out = append(out, statedValue(basisRedistributed, euros(basisRedistributed, *a.redistributed), a.carriers()[0].valueSource))
	case a.tracker != nil:
		out = append(out, missing(basisRedistributed, "included"))
	default:
		out = append(out, missing(basisRedistributed, "undisclosed"))
	}
	for _, s := range a.stated {
		out = append(out, statedValue(basisDonorStated, s, "given"))
	}
	if len(a.stated) == 0 {
		out = append(out, missing(basisDonorStated, "undisclosed"))
	}
	return out
}

// item is the row as a part of its allocation. A row that carries the package's value does not say its own share of it; of the others the
// value is included in the package, or undisclosed with it.
func (f *fact) item(release string, valued bool) *apiv1.Item {
	it := &apiv1.Item{
		Name: f.name(), Category: f.category, Mapping: f.mapping, Flags: f.marks.flags(), Sources: []*eventv1.Source{f.source(release)},
		QuantityStatus: f.quantity.status,
	}
	for _, c := range []column{colGeneralType, colSpecificType, colItemType, colItemSubType} {
		if s := f.text(c); s != "" && s != "." {
			it.Labels = append(it.Labels, s)
		}
	}
	if q := f.quantity.stated; q != nil {
		it.QuantityAsset, it.Quantity = q.asset, q.text()
	}
	it.UnitPrices = []*apiv1.Value{f.unitPrice.value()}
	it.Values = []*apiv1.Value{f.estimate.value()}
	switch {
	case f.allocated != nil:
	case valued:
		it.Values = append(it.Values, missing(basisTracker, "included"))
	default:
		it.Values = append(it.Values, missing(basisTracker, "undisclosed"))
	}
	return it
}

func (q quantity) value() *apiv1.Value {
	if q.stated == nil {
		return missing(basisPriceList, q.status)
	}
	return statedValue(basisPriceList, *q.stated, "priced")
}

func statedValue(basis string, a assetAmount, source string) *apiv1.Value {
	return &apiv1.Value{Basis: basis, Status: "stated", Asset: a.asset, Amount: a.text(), Source: source}
}

func missing(basis, status string) *apiv1.Value {
	return &apiv1.Value{Basis: basis, Status: status, Source: "none"}
}

func euros(basis string, a money.Amount) assetAmount {
	return assetAmount{"EUR/2@" + basis, centScale, a}
}

// control is the asset in which a line is counted: the tracker's euro where stated, else what else is stated first.
func control(values []*apiv1.Value) string {
	for _, v := range values {
		if v.Status == "stated" {
			return v.Asset
		}
	}
	return ""
}

// step fills what all commands of a measure share.
func (m *measure) step(release, kind, allocationID string, facts []*fact) Step {
	rows := make([]Row, len(facts))
	for i, f := range facts {
		rows[i] = f.Row
	}
	w := whenOf(facts)
	c := &apiv1.Command{
		Stream: m.stream, Donor: m.donor, Beneficiary: Beneficiary, Effective: w.effective, EffectiveAsStated: w.asStated, Actor: actor,
		Observed: true, Flags: lifted(facts),
		Sources: []*eventv1.Source{{Publisher: Publisher, Release: release, ExternalId: m.id, Url: trackerURL, Locator: rowsOf(facts)}},
	}
	c.Sources = append(c.Sources, references(kind, facts)...)
	s := Step{Row: facts[0].Number, ID: m.id, Command: c, kind: kind, allocation: allocationID, content: contentDigest(rows)}
	c.CommandId = s.idUnder(release, s.Row).String()
	return s
}

const trackerURL = "https://www.ifw-kiel.de/topics/war-against-ukraine/ukraine-support-tracker/"

// lineID names a line by its place in the measure and not by its content, so that a row changed under the same release meets the line that
// its first form recorded, and is refused.
func (m *measure) lineID(role, allocationID string, number int) string {
	return ident.LineID(m.stream, uuid.NewSHA1(m.uuid, []byte(allocationID)), role, number).String()
}

// references are what the rows cite, each once; for a delivery, what they cite of it too.
func references(kind string, facts []*fact) []*eventv1.Source {
	cells := []column{colSource1, colSource1 + 1, colSource1 + 2, colSource4}
	if kind == kindDeliver {
		cells = append(cells, colDeliverySource)
	}
	var out []*eventv1.Source
	seen := map[string]bool{}
	for _, f := range facts {
		for _, c := range cells {
			s := f.text(c)
			if s == "" || s == "." || s == ".." || seen[s] {
				continue
			}
			seen[s] = true
			out = append(out, reference(s))
			if len(out) == referencesMax {
				return out
			}
		}
	}
	return out
}

const referencesMax = 100

// reference takes an address for one, and any other text for the words of whoever published.
func reference(s string) *eventv1.Source {
	if u, err := url.Parse(s); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		return &eventv1.Source{Publisher: u.Host, Url: s}
	}
	return &eventv1.Source{Publisher: clip(s, sourceTextRunesMax)}
}

func (f *fact) source(release string) *eventv1.Source {
	external := f.raw(colID)
	if !f.commits() {
		external = f.text(colAllocation)
	}
	return &eventv1.Source{Publisher: Publisher, Release: release, ExternalId: external, Locator: rowsOf([]*fact{f})}
}

// rowsOf writes the numbers of rows, such as `row 5`, or `rows 10-22, 30`; firstRow reads the first.
func rowsOf(facts []*fact) string {
	if len(facts) == 1 {
		return fmt.Sprintf("row %d", facts[0].Number)
	}
	var b strings.Builder
	b.WriteString("rows ")
	for i := 0; i < len(facts); {
		j := i
		for j+1 < len(facts) && facts[j+1].Number == facts[j].Number+1 {
			j++
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, facts[i].Number)
		if j > i {
			fmt.Fprintf(&b, "-%d", facts[j].Number)
		}
		i = j + 1
	}
	return b.String()
}

// firstRow is 0 where a locator names no row.
func firstRow(locator string) int {
	_, numbers, _ := strings.Cut(locator, " ")
	end := strings.IndexFunc(numbers, func(r rune) bool { return !unicode.IsDigit(r) })
	if end < 0 {
		end = len(numbers)
	}
	n, err := strconv.Atoi(numbers[:end])
	if err != nil {
		return 0
	}
	return n
}

// kindOf is the category that the rows share, and the labels of the first.
func kindOf(facts []*fact) (string, *eventv1.CategoryMapping) {
	codes := distinct(facts, func(f *fact) string { return f.category })
	if len(codes) == 1 {
		return codes[0], facts[0].mapping
	}
	tops := distinct(facts, func(f *fact) string { return topOf(f.raw(colGeneralType)) })
	if len(tops) == 1 && len(distinct(facts, func(f *fact) string { return category.Top(f.category, 1) })) > 1 {
		return tops[0] + ".MIXED", facts[0].mapping // relief and recovery in one package: both are humanitarian to the tracker
	}
	return category.Shared(codes), facts[0].mapping
}

// instrumentOf is the instrument that the rows share.
func instrumentOf(facts []*fact) string {
	if d := distinct(facts, func(f *fact) string { return f.instrument }); len(d) == 1 {
		return d[0]
	}
	return "unknown"
}

func yearOf(facts []*fact) string {
	if d := distinct(facts, func(f *fact) string { return f.year() }); len(d) == 1 {
		return d[0]
	}
	return ""
}

// title is the explanation's first sentence, shortened.
func (f *fact) title() string {
	s := f.text(colExplanation)
	if i := strings.Index(s, ". "); i > 0 {
		s = s[:i+1]
	}
	return clip(s, titleRunesMax)
}

func (f *fact) explanation() string { return clip(f.text(colExplanation), explanationRunesMax) }
