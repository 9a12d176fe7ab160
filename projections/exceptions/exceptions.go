package exceptions

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/draws"
	"github.com/allied-ledger/allied/projections/internal/registers"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// Projection folds facts into exceptions. All of them are in memory, those that are resolved too, some hundred bytes each.
type Projection struct {
	byID map[uuid.UUID]*exception
	// byPledge holds what concerns a pledge, and byStream what stands on another stream; owed is of a pledge what is to be paid again, and
	// byDraw of a draw what was released in use, or is not returned. All are in no order, and hold what is resolved too.
	byPledge, byStream, owed map[string][]*exception
	byDraw                   map[uuid.UUID][]*exception
	supported                map[string]struct{} // the payments that cite a document as a whole
	newlySupported           []string
	changed                  []*exception
	origins                  origins
	draws                    *draws.Draws
	registers                *registers.Registers
	journal                  posting.Journal
	raised                   int64 // by the fact that is folded
}

// exception is a row. What is nil, empty or without an asset is not there.
type exception struct {
	id           uuid.UUID
	kind, cause  string
	resolved     bool
	stream       string
	donor, to    string
	event        uuid.UUID
	effective    engine.Value
	detail       string
	amount, open money.Amount // where there is an asset
	subject

	// What the state hash does not see, since it tells of one log and not of its facts.
	ordinal, resolvedBy uint64
	day                 int32
	number              int64 // among those of its fact
	// met is how the pledges are known that an unmatched one may be.
	met knownIn
	// ofItems: the category is that of items, which keep it when their line is reclassified.
	ofItems bool

	changed bool
}

// subject is what an exception is about.
type subject struct {
	pledge          string
	line, draw      uuid.UUID
	category, asset string
}

// New returns the view of an empty log.
func New() engine.Projection {
	return &Projection{
		byID: map[uuid.UUID]*exception{}, byPledge: map[string][]*exception{}, byStream: map[string][]*exception{}, owed: map[string][]*exception{}, byDraw: map[uuid.UUID][]*exception{},
		supported: map[string]struct{}{},
		origins:   newOrigins(), draws: draws.New(), registers: registers.New(),
	}
}

// Spec implements engine.Projection.
func (p *Projection) Spec() engine.Spec { return Spec }

// Fold implements engine.Projection.
func (p *Projection) Fold(f *es.Fact) error {
	p.raised = 0
	if err := p.draws.Fold(f); err != nil {
		return err
	}
	p.correct(f)
	if err := p.move(f); err != nil {
		return err
	}
	if err := p.registers.Fold(f, &p.journal, func(pledge string) error { return p.post(f, pledge) }); err != nil {
		return err
	}
	return p.judge(f)
}

// raise opens an exception. What a fact raises twice of one subject is one exception of both amounts.
func (p *Projection) raise(f *es.Fact, kind string, of subject, amount money.Amount, detail string) (*exception, error) {
	if of.asset == "" {
		amount = money.Amount{}
	}
	detail = kept(detail)
	id := idOf(f.ID, kind, of, detail)
	e := p.byID[id]
	if e == nil {
		e = &exception{
			id: id, kind: kind, stream: f.Stream, donor: f.Envelope.GetDonor(), to: f.Envelope.GetBeneficiary(), event: f.ID,
			effective: dayOf(f.Envelope.GetEffective()), detail: detail, subject: of, ordinal: f.Ordinal, number: p.raised,
			day: int32(p.draws.RecordedAt().Unix() / secondsOfDay),
		}
		p.raised++
		p.keep(e)
	}
	var err error
	if e.amount, err = e.amount.Add(amount); err == nil {
		e.open, err = e.open.Add(amount)
	}
	if err != nil {
		return nil, fmt.Errorf("exception %s in %s: %w", kind, of.asset, err)
	}
	p.change(e)
	return e, nil
}

const secondsOfDay = 24 * 60 * 60

// idOf tells what one fact raises apart: by line and draw, and by the asset; what cannot be counted, by the detail.
func idOf(event uuid.UUID, kind string, of subject, detail string) uuid.UUID {
	return ident.ExceptionID(event, kind, of.line, of.draw, cmp.Or(of.asset, detail))
}

// kept is a detail as a row keeps it.
func kept(detail string) string { return engine.TextOf(clip(detail)).Text() }

// detailRunesMax bounds a detail: notes of flags may be long.
const detailRunesMax = 300

func clip(text string) string {
	if runes := []rune(text); len(runes) > detailRunesMax {
		return string(runes[:detailRunesMax-1]) + "…"
	}
	return text
}

// dayOf is the latest day of a fact, null where no date is known.
func dayOf(e *eventv1.Effective) engine.Value {
	switch e.GetPrecision() {
	case eventv1.Precision_PRECISION_UNKNOWN, eventv1.Precision_PRECISION_UNSPECIFIED:
		return engine.NullOf(engine.Day)
	}
	return engine.DayOf(e.GetLatestDay())
}

// keep makes an exception known.
func (p *Projection) keep(e *exception) {
	p.byID[e.id] = e
	if e.pledge != "" {
		p.byPledge[e.pledge] = append(p.byPledge[e.pledge], e)
	}
	if e.stream != e.pledge {
		p.byStream[e.stream] = append(p.byStream[e.stream], e)
	}
	switch e.kind {
	case Rejected, OwedAgain:
		p.owed[e.pledge] = append(p.owed[e.pledge], e)
	case ReleasedDraw, UnreturnedDraw:
		p.byDraw[e.draw] = append(p.byDraw[e.draw], e)
	}
}

func (p *Projection) change(e *exception) {
	if !e.changed {
		e.changed = true
		p.changed = append(p.changed, e)
	}
}

func (p *Projection) resolve(f *es.Fact, e *exception) {
	if e.resolved {
		return
	}
	e.resolved, e.resolvedBy, e.open = true, f.Ordinal, money.Amount{}
	p.change(e)
}

// resolveAll resolves what is open of some exceptions.
func (p *Projection) resolveAll(f *es.Fact, of []*exception, which func(*exception) bool) {
	for _, e := range of {
		if !e.resolved && which(e) {
			p.resolve(f, e)
		}
	}
}

// reduce takes an amount off what is open of some exceptions: first off those that come first by the order given, then off the oldest. What
// cannot be counted is resolved whole. It returns what is left of the amount.
func (p *Projection) reduce(f *es.Fact, of []*exception, by money.Amount, which func(*exception) bool, first func(*exception) int) money.Amount {
	var open []*exception
	for _, e := range of {
		if !e.resolved && which(e) {
			open = append(open, e)
		}
	}
	slices.SortFunc(open, func(a, b *exception) int {
		return cmp.Or(cmp.Compare(first(a), first(b)), cmp.Compare(a.ordinal, b.ordinal), cmp.Compare(a.number, b.number))
	})
	for _, e := range open {
		if e.asset == "" {
			p.resolve(f, e)
			continue
		}
		t := money.Min(by, e.open)
		if t.Sign() <= 0 {
			break
		}
		by = drawn.Sum(by, t.Neg())
		if t == e.open {
			p.resolve(f, e)
			continue
		}
		e.open = drawn.Sum(e.open, t.Neg())
		p.change(e)
	}
	return by
}

// oldest is no order but age.
func oldest(*exception) int { return 0 }

// of puts those of one event and draw before all others.
func ofFact(event, draw uuid.UUID) func(*exception) int {
	return func(e *exception) int {
		switch {
		case e.event == event && e.draw == draw:
			return 0
		case e.draw == draw:
			return 1
		}
		return 2
	}
}

// correct resolves what a fact corrects. What the books count is resolved by the books alone.
func (p *Projection) correct(f *es.Fact) {
	for _, id := range f.Envelope.GetCorrects() {
		corrected := uuid.UUID(id)
		for _, of := range [][]*exception{p.byPledge[f.Stream], p.byStream[f.Stream]} {
			p.resolveAll(f, of, func(e *exception) bool { return e.event == corrected && !counted(e.kind) })
		}
	}
}

// counted tells whether the books say what of a kind is open.
func counted(kind string) bool {
	switch kind {
	case OverAllocated, OverReserved, OverHandedOver, Short, ReleasedDraw, UnusedDraw, UnreturnedDraw, Unsupported, Rejected, OwedAgain:
		return true
	}
	return false
}
