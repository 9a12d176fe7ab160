// Package pledges shows every pledge with its lines: what reached each rung of the ladder, what stands there, and what went beyond a cap.
package pledges

import (
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/events/term"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	"github.com/allied-ledger/allied/projections/internal/registers"
	"github.com/allied-ledger/allied/projections/internal/words"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// The tables' places in Spec.
const (
	pledgeTable = iota
	referenceTable
	lineTable
	amountTable
	registerTable
)

// Spec declares the view. Stages, bases and assets of pledge_amounts are those of the view balances; the standing amounts of one pledge in
// one asset sum to zero.
var Spec = engine.Spec{Name: "pledges", Version: 5, Tables: []engine.Table{
	pledgeTable: {Name: "pledges", Key: 1, About: "One row for each pledge", Columns: []engine.Column{
		{Name: "stream", Kind: engine.Text, About: "stream of the pledge: pledge- and a UUID"},
		{Name: "donor", Kind: engine.Text, About: "who gives, such as NOR"},
		{Name: "beneficiary", Kind: engine.Text, About: "who receives, such as UKR"},
		{Name: "title", Kind: engine.Text, About: "as stated; empty where it has none"},
		{Name: "status", Kind: engine.Text, About: "open, fulfilled, lapsed"},
		{Name: "first", Kind: engine.Day, Null: true, About: "the earliest day of its facts; null where no date is known"},
		{Name: "last", Kind: engine.Day, Null: true, About: "the latest day of its facts; null where no date is known"},
		{Name: "events", Kind: engine.Int, About: "how many facts"},
		{Name: "unknown", Kind: engine.Int, About: "undisclosed values, over all stages and bases"},
		{Name: "over", Kind: engine.Bool, About: "something stands beyond a cap"},
		{Name: "flags", Kind: engine.Text, About: "codes of what is to be known about its facts, in order, separated by blanks"},
	}},
	referenceTable: {Name: "pledge_references", Key: 4, About: "How the sources call a pledge", Columns: []engine.Column{
		{Name: "stream", Kind: engine.Text, About: "stream of the pledge"},
		{Name: "publisher", Kind: engine.Text, About: "who published the source"},
		{Name: "release", Kind: engine.Text, About: "of which release of the source"},
		{Name: "external_id", Kind: engine.Text, About: "what the source calls it; a reference, never a key"},
	}},
	lineTable: {Name: "pledge_lines", Key: 2, About: "The commitments and allocations of a pledge", Columns: []engine.Column{
		{Name: "stream", Kind: engine.Text, About: "stream of the pledge"},
		{Name: "number", Kind: engine.Int, About: "in the order of the facts, from 1"},
		{Name: "line", Kind: engine.Text, About: "UUID of the line"},
		{Name: "stage", Kind: engine.Text, About: "where the line entered: announced, contingent, committed, allocated"},
		{Name: "title", Kind: engine.Text, About: "as stated; empty where it has none"},
		{Name: "category", Kind: engine.Text, About: "what for, such as MIL.AIRDEF"},
		{Name: "instrument", Kind: engine.Text, About: "in_kind, service, grant, loan, guarantee, swap, appropriation, unknown; guarantees and swaps enter a total only by name"},
		{Name: "control_asset", Kind: engine.Text, About: "the asset that caps and draws of the line go by; empty where no value is stated"},
		{Name: "firmness", Kind: engine.Text, About: "firm, stated, unknown; of a commitment, else empty"},
		{Name: "effective", Kind: engine.Text, About: "when it took effect, as closely as the source says"},
		{Name: "flags", Kind: engine.Text, About: "codes, as those of the pledge"},
	}},
	amountTable: {Name: "pledge_amounts", Key: 5, About: "The books of each line of a pledge", Columns: []engine.Column{
		{Name: "stream", Kind: engine.Text, About: "stream of the pledge"},
		{Name: "number", Kind: engine.Int, About: "the line, as in pledge_lines"},
		{Name: "stage", Kind: engine.Text, About: "as in balances"},
		{Name: "basis", Kind: engine.Text, About: "as in balances"},
		{Name: "asset", Kind: engine.Text, About: "as in balances; empty where values on the basis are undisclosed"},
		{Name: "reached", Kind: engine.Amount, About: "all that ever came to the stage, in the smallest unit of the asset"},
		{Name: "standing", Kind: engine.Amount, About: "what stands there now; over one pledge they sum to zero in each asset"},
		{Name: "unknown", Kind: engine.Int, About: "how many values are undisclosed"},
	}},
	registerTable: registers.Table("pledges_registers"),
}}

// Projection folds pledges into their rows. All pledges are in memory, some kilobytes each.
type Projection struct {
	byStream  map[string]*account
	registers *registers.Registers
	journal   posting.Journal

	changed        []*account
	newReferences  []reference
	changedLines   []*line
	changedAmounts []*amount
}

// account is one pledge with its books.
type account struct {
	stream, donor, beneficiary, title string
	status                            pledge.Phase
	days                              listing.Days
	events, unknown                   int64
	flags                             []string
	references                        map[reference]bool
	lines                             []*line
	byID                              map[[16]byte]*line
	changed                           bool
}

type reference struct{ stream, publisher, release, externalID string }

type line struct {
	stream                                                           string
	number                                                           int64
	id                                                               [16]byte
	stage, title, category, instrument, control, firmness, effective string
	flags                                                            []string
	amounts                                                          []*amount
	changed                                                          bool
}

type amount struct {
	line                *line
	stage, basis, asset string
	reached, standing   money.Amount
	unknown             int64
	changed             bool
}

// New returns the view of an empty log.
func New() engine.Projection {
	return &Projection{byStream: map[string]*account{}, registers: registers.New()}
}

// Spec implements engine.Projection.
func (p *Projection) Spec() engine.Spec { return Spec }

// Fold implements engine.Projection. Facts of shipments and payments change the pledges that they draw on.
func (p *Projection) Fold(f *es.Fact) error {
	return p.registers.Fold(f, &p.journal, func(pledge string) error {
		a := p.account(pledge, f)
		a.events++
		a.days.Widen(f.Envelope.GetEffective())
		a.flag(f.Envelope.GetFlags())
		if f.Stream == pledge && !drawn(f.Event) {
			p.cite(a, f.Envelope.GetSources())
		}
		p.describe(a, f)
		return p.post(a)
	})
}

// drawn tells the facts of a draw, which cite what its shipment or payment does: an outside id there names no pledge.
func drawn(e es.Event) bool {
	switch e.(type) {
	case *eventv1.DrawReserved, *eventv1.DrawReleased, *eventv1.DrawSettled:
		return true
	}
	return false
}

// account returns the pledge that a fact is about to change.
func (p *Projection) account(stream string, f *es.Fact) *account {
	a := p.byStream[stream]
	if a == nil {
		a = newAccount(stream)
		a.donor, a.beneficiary, a.status = f.Envelope.GetDonor(), f.Envelope.GetBeneficiary(), pledge.Open
		p.byStream[stream] = a
	}
	if !a.changed {
		a.changed = true
		p.changed = append(p.changed, a)
	}
	return a
}

func newAccount(stream string) *account {
	return &account{stream: stream, references: map[reference]bool{}, byID: map[[16]byte]*line{}}
}

// describe takes from a fact what postings do not tell.
func (p *Projection) describe(a *account, f *es.Fact) {
	stage := func(s eventv1.Stage) string { return words.Stage(posting.In(s)) }
	effective := dates.Format(f.Envelope.GetEffective())
	switch e := f.Event.(type) {
	case *eventv1.PledgeAnnounced:
		a.name(e.Title)
		for _, l := range e.Lines {
			p.open(a, l, stage(eventv1.Stage_STAGE_ANNOUNCED), e.Title, effective)
		}
	case *eventv1.PledgeCommitted:
		a.name(e.Title)
		for _, c := range e.Commitments {
			p.open(a, c.Line, stage(eventv1.Stage_STAGE_COMMITTED), e.Title, effective).firmness = term.Word(c.Firmness)
		}
	case *eventv1.PledgeAllocated:
		a.name(e.Title)
		l := p.open(a, e.Line, stage(eventv1.Stage_STAGE_ALLOCATED), e.Title, effective)
		for _, it := range e.Items {
			l.flags = words.Flags(l.flags, it.Flags)
			a.flag(it.Flags)
			p.cite(a, it.Sources)
		}
	case *eventv1.TrancheScheduled:
		if e.ThreatLevel > 0 {
			p.open(a, e.Contingent, stage(eventv1.Stage_STAGE_CONTINGENT), "", effective)
		}
	case *eventv1.TrancheActivated:
		if l := a.byID[id(e.Line)]; l != nil {
			l.firmness = term.Word(e.Firmness)
			p.change(l)
		}
	case *eventv1.LineReclassified:
		if l := a.byID[id(e.Line)]; l != nil {
			l.category, l.instrument = e.ToCategory, words.Instrument(e.ToInstrument)
			p.change(l)
		}
	case *eventv1.PledgeFulfilled:
		a.status = pledge.Fulfilled
	case *eventv1.PledgeLapsed:
		a.status = pledge.Lapsed
	}
}

// open adds a line; one without a title of its own has its fact's.
func (p *Projection) open(a *account, in *eventv1.Line, stage, title, effective string) *line {
	if in.GetTitle() != "" {
		title = in.GetTitle()
	}
	l := &line{
		stream: a.stream, number: int64(len(a.lines)) + 1, id: id(in.GetLine()), stage: stage, title: title, category: in.GetCategory(),
		instrument: words.Instrument(in.GetInstrument()), control: in.GetControlAsset(), effective: effective, flags: words.Flags(nil, in.GetFlags()),
	}
	a.lines = append(a.lines, l)
	a.byID[l.id] = l
	a.flag(in.GetFlags())
	p.cite(a, in.GetSources())
	p.change(l)
	return l
}

func (p *Projection) change(l *line) {
	if !l.changed {
		l.changed = true
		p.changedLines = append(p.changedLines, l)
	}
}

// name keeps the first title.
func (a *account) name(title string) {
	if a.title == "" {
		a.title = title
	}
}

func (a *account) flag(flags []*eventv1.Flag) { a.flags = words.Flags(a.flags, flags) }

// cite keeps what outside ids the pledge is known by.
func (p *Projection) cite(a *account, sources []*eventv1.Source) {
	for _, s := range sources {
		if s.GetExternalId() == "" {
			continue
		}
		text := func(s string) string { return engine.TextOf(s).Text() } // as a restart will find it
		r := reference{a.stream, text(s.GetPublisher()), text(s.GetRelease()), text(s.GetExternalId())}
		if !a.references[r] {
			a.references[r] = true
			p.newReferences = append(p.newReferences, r)
		}
	}
}

// post adds the journal to the lines' amounts.
func (p *Projection) post(a *account) (err error) {
	for i := range p.journal.Postings {
		leg := &p.journal.Postings[i]
		x, err := p.amount(a, leg.Line, words.Stage(leg.Account), "", leg.Asset)
		if err != nil {
			return err
		}
		if !leg.Account.Out() {
			if x.reached, err = x.reached.Add(leg.Amount); err != nil {
				return err
			}
		}
		if x.standing, err = x.standing.Add(leg.Amount); err != nil {
			return err
		}
	}
	for _, u := range p.journal.Unknowns {
		x, err := p.amount(a, u.Line, words.Stage(posting.In(u.Stage)), u.Basis, "")
		if err != nil {
			return err
		}
		x.unknown += int64(u.Delta)
		a.unknown += int64(u.Delta)
	}
	return nil
}

// amount returns a line's amount, which is about to change. The basis is that of the asset where there is one.
func (p *Projection) amount(a *account, id [16]byte, stage, basis, name string) (*amount, error) {
	l := a.byID[id]
	if l == nil {
		return nil, &posting.UnknownLineError{Line: id}
	}
	at := slices.IndexFunc(l.amounts, func(x *amount) bool {
		return x.stage == stage && x.asset == name && (name != "" || x.basis == basis)
	})
	var x *amount
	if at >= 0 {
		x = l.amounts[at]
	} else {
		if name != "" {
			parsed, err := asset.Parse(name)
			if err != nil {
				return nil, err
			}
			basis = parsed.Basis
		}
		x = &amount{line: l, stage: stage, basis: basis, asset: name}
		l.amounts = append(l.amounts, x)
	}
	if !x.changed {
		x.changed = true
		p.changedAmounts = append(p.changedAmounts, x)
	}
	return x, nil
}

// over tells whether something stands beyond a cap.
func (a *account) over() bool {
	for _, l := range a.lines {
		for _, x := range l.amounts {
			if beyond(x.stage) && !x.standing.IsZero() {
				return true
			}
		}
	}
	return false
}

// beyond tells whether an account holds what went beyond a cap.
func beyond(stage string) bool { return strings.HasPrefix(stage, "over:") }

func id(b []byte) (id [16]byte) {
	copy(id[:], b)
	return id
}
