// Package journal keeps a row for every recorded fact, with the entries that it posted.
package journal

import (
	"cmp"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/registers"
	"github.com/allied-ledger/allied/projections/internal/tally"
)

// Projection folds facts into their rows. Those wait in memory for the next Flush alone; what stays is the title and the categories of every
// stream, and the registers.
type Projection struct {
	streams   map[string]*subject
	registers *registers.Registers
	keys      tally.Keys
	scales    map[string]int // of assets
	posted    posting.Journal
	said      said

	events  []event
	entries []entry
	changed []*subject
}

// subject is what is known of a stream: the first title that one of its facts gave, and the categories of its lines in the order of the facts.
type subject struct {
	stream, title string
	categories    []string
	changed       bool
}

// event is a row of the journal.
type event struct {
	ordinal, position, revision, unknown                                                              int64
	stream, id, stored, recordedAt, effective, donor, beneficiary, title, categories, amounts, search string
	actor, reason, corrects, flags                                                                    string
}

// entry is a row of the entries. Its key has no asset where it counts undisclosed values.
type entry struct {
	tally.Key
	ordinal, leg, unknown     int64
	amount                    money.Amount
	left                      bool
	effective, stream, pledge string
}

// New returns the view of an empty log.
func New() engine.Projection {
	return &Projection{streams: map[string]*subject{}, registers: registers.New(), keys: tally.NewKeys(), scales: map[string]int{}}
}

// Spec implements engine.Projection.
func (p *Projection) Spec() engine.Spec { return Spec }

// Fold implements engine.Projection.
func (p *Projection) Fold(f *es.Fact) error {
	if err := p.said.read(f, p.scale); err != nil {
		return err
	}
	effective := dates.Format(f.Envelope.GetEffective())
	leg := int64(0)
	err := p.registers.Fold(f, &p.posted, func(pledge string) error {
		common := entry{
			Key:     tally.Key{Donor: f.Envelope.GetDonor(), Beneficiary: f.Envelope.GetBeneficiary(), Month: p.keys.Month(f.Envelope.GetEffective())},
			ordinal: int64(f.Ordinal), effective: effective, stream: f.Stream, pledge: pledge,
		}
		for i := range p.posted.Postings {
			leg++
			e, from := common, &p.posted.Postings[i]
			e.leg, e.amount, e.left = leg, from.Amount, from.Account.Out()
			if err := p.keys.OfPosting(&e.Key, from); err != nil {
				return err
			}
			p.said.concerns(from.Category)
			p.entries = append(p.entries, e)
		}
		for i := range p.posted.Unknowns {
			leg++
			e, from := common, &p.posted.Unknowns[i]
			e.leg, e.unknown = leg, int64(from.Delta)
			p.keys.OfUnknown(&e.Key, from)
			p.said.concerns(from.Category)
			p.entries = append(p.entries, e)
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.record(f, effective)
	return nil
}

// record adds the row of a fact that has been read and posted.
func (p *Projection) record(f *es.Fact, effective string) {
	s := p.subject(f.Stream)
	p.said.of(s)
	env := f.Envelope
	p.events = append(p.events, event{
		ordinal: int64(f.Ordinal), position: int64(f.Position), revision: int64(f.Revision), unknown: p.said.unknown,
		stream: f.Stream, id: f.ID.String(), stored: f.Type, recordedAt: f.RecordedAt.UTC().Format(recordedForm), effective: effective,
		donor: env.GetDonor(), beneficiary: env.GetBeneficiary(), title: p.said.title, categories: strings.Join(p.said.categories, " "),
		amounts: string(p.said.amounts), search: p.said.search(), actor: env.GetActor(), reason: reasonOf(env),
		corrects: correctsOf(env), flags: strings.Join(p.said.flags, " "),
	})
}

// subject returns what is known of the stream of the fact that has been read, with what that adds. A shipment or payment without a title of its
// own is about what its pledge is about.
func (p *Projection) subject(stream string) *subject {
	s := p.streams[stream]
	if s == nil {
		s = &subject{stream: stream}
		p.streams[stream] = s
		p.change(s)
	}
	title := p.said.title
	if from := p.streams[p.said.pledge]; title == "" && from != nil {
		title = from.title
	}
	if s.title == "" && title != "" {
		s.title = title
		p.change(s)
	}
	for _, c := range p.said.categories {
		if !slices.Contains(s.categories, c) {
			s.categories = append(s.categories, c)
			p.change(s)
		}
	}
	return s
}

func (p *Projection) change(s *subject) {
	if !s.changed {
		s.changed = true
		p.changed = append(p.changed, s)
	}
}

// scale is how many decimal places an asset has. The assets seen are remembered, as reading one costs more than all the rest.
func (p *Projection) scale(text string) (int, error) {
	scale, ok := p.scales[text]
	if !ok {
		a, err := asset.Parse(text)
		if err != nil {
			return 0, err
		}
		scale = a.Scale
		p.scales[text] = scale
	}
	return scale, nil
}

func (e *entry) compare(o *entry) int {
	return cmp.Or(
		strings.Compare(e.Stage, o.Stage), strings.Compare(e.Basis, o.Basis), strings.Compare(e.Donor, o.Donor), strings.Compare(e.Beneficiary, o.Beneficiary),
		strings.Compare(e.Category, o.Category), strings.Compare(e.Instrument, o.Instrument), strings.Compare(e.Asset, o.Asset),
		cmp.Compare(e.ordinal, o.ordinal), cmp.Compare(e.leg, o.leg),
	)
}
