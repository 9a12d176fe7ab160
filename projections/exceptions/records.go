package exceptions

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/projections/engine"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// silent tells whether a flag is a mere mark: who raised it knew what to do, or another kind of exception tells it. Every other flag is
// doubtful, also one that this program does not know: what stands in the books may be wrong, or not what it says.
func silent(code string) bool {
	switch code {
	case "synthetic", // invented, and shown as such
		"text_date", "date_unknown", "several_dates", // the date is as wide as the source's words
		"non_contiguous_id", "several_general_types", "item_on_commitment", "unnamed_item", "decimal_comma", // odd in form, clear in meaning
		"envelope", "redistributed", "repeated_value", "converted_part", // counted once, where it belongs
		"unmapped", "delivered_without_booking": // exceptions of their own
		return true
	}
	return false
}

// judge raises what the record of a fact tells of itself: flags, categories and outside ids.
func (p *Projection) judge(f *es.Fact) error {
	switch e := f.Event.(type) {
	case *eventv1.PledgeAnnounced:
		for _, l := range e.Lines {
			if err := p.judgeLine(f, l, nil); err != nil {
				return err
			}
		}
	case *eventv1.PledgeCommitted:
		for _, c := range e.Commitments {
			if err := p.judgeLine(f, c.Line, nil); err != nil {
				return err
			}
		}
	case *eventv1.PledgeAllocated:
		if err := p.judgeLine(f, e.Line, e.Items); err != nil {
			return err
		}
	case *eventv1.TrancheScheduled:
		if e.Contingent != nil {
			if err := p.judgeLine(f, e.Contingent, nil); err != nil {
				return err
			}
		}
	case *eventv1.PledgeLinked:
		p.match(f, e)
	}
	if err := p.doubt(f, nil, f.Envelope.GetFlags()); err != nil {
		return err
	}
	return p.meet(f)
}

func (p *Projection) judgeLine(f *es.Fact, l *eventv1.Line, items []*eventv1.Item) error {
	if err := p.doubt(f, l, l.Flags); err != nil {
		return err
	}
	for _, it := range items {
		if err := p.doubt(f, l, it.Flags); err != nil {
			return err
		}
	}
	of := subject{pledge: f.Stream, line: uuid.UUID(l.Line), category: l.Category}
	if unmapped(l.Category) {
		if _, err := p.raise(f, Unmapped, of, money.Amount{}, l.Mapping.GetAsFound()); err != nil {
			return err
		}
	}
	n := 0
	for _, it := range items {
		if unmapped(it.Category) && it.Category != l.Category { // those of the line's go with it
			of.category = it.Category
			n++
		}
	}
	if n == 0 {
		return nil
	}
	e, err := p.raise(f, Unmapped, of, money.Amount{}, fmt.Sprintf("%d of %d items", n, len(items)))
	if err == nil {
		e.ofItems = true
	}
	return err
}

func unmapped(category string) bool { return strings.HasSuffix(category, ".UNMAPPED") }

// doubt raises each doubtful flag, of a line or of a whole fact. A doubt that is told of a stream again in the same words, as of the commitment
// and the allocation of one package, is one while it is open.
func (p *Projection) doubt(f *es.Fact, l *eventv1.Line, flags []*eventv1.Flag) error {
	for _, flag := range flags {
		if silent(flag.Code) {
			continue
		}
		detail := flag.Code
		if flag.Note != "" {
			detail += ": " + flag.Note
		}
		of := subject{category: l.GetCategory()}
		if f.Envelope.GetKind() == pledge.Kind {
			of.pledge = f.Stream
		}
		if l != nil {
			of.line = uuid.UUID(l.Line)
		}
		if p.doubted(f.Stream, of, kept(detail)) {
			continue
		}
		if _, err := p.raise(f, Doubtful, of, money.Amount{}, detail); err != nil {
			return err
		}
	}
	return nil
}

func (p *Projection) doubted(stream string, of subject, detail string) bool {
	known := p.byStream[stream]
	if of.pledge != "" {
		known = p.byPledge[of.pledge]
	}
	return slices.ContainsFunc(known, func(e *exception) bool {
		return e.kind == Doubtful && !e.resolved && e.stream == stream && e.detail == detail
	})
}

// origins are the pledges by the outside ids under which releases of datasets know them.
type origins struct {
	byID    map[outsideID][]origin
	changed []knownAs
}

type outsideID struct{ publisher, id string }

type origin struct{ stream, release string }

type knownAs struct {
	outsideID
	origin
}

// knownIn is an outside id in one release.
type knownIn struct {
	outsideID
	release string
}

func newOrigins() origins { return origins{byID: map[outsideID][]origin{}} }

// meet looks at the first fact of a pledge: another release may have recorded the same under another stream.
func (p *Projection) meet(f *es.Fact) error {
	if f.Revision > 0 || f.Envelope.GetKind() != pledge.Kind {
		return nil
	}
	for _, s := range f.Envelope.GetSources() {
		if s.Release == "" || s.ExternalId == "" {
			continue
		}
		// As they will be read back.
		id, release := outsideID{engine.TextOf(s.Publisher).Text(), engine.TextOf(s.ExternalId).Text()}, engine.TextOf(s.Release).Text()
		for _, m := range p.origins.met(id, release, f.Stream) {
			detail := fmt.Sprintf("%s is %s in release %s", s.ExternalId, m.stream, m.release)
			if m.pledges > 1 {
				detail = fmt.Sprintf("%s is that of %d pledges in release %s, such as %s", s.ExternalId, m.pledges, m.release, m.stream)
			}
			e, err := p.raise(f, Unmatched, subject{pledge: f.Stream}, money.Amount{}, detail)
			if err != nil {
				return err
			}
			e.met = knownIn{id, m.release}
		}
		if k := (knownAs{id, origin{f.Stream, release}}); p.origins.add(k) {
			p.origins.changed = append(p.origins.changed, k)
		}
	}
	return nil
}

// meeting is how many pledges another release knows by an outside id, and the first of them.
type meeting struct {
	origin
	pledges int
}

// met are the meetings of a pledge, one for each other release: a mere dash may be the id of very many pledges.
func (o *origins) met(id outsideID, release, stream string) (all []meeting) {
	for _, x := range o.byID[id] {
		if x.release == release || x.stream == stream {
			continue
		}
		at := slices.IndexFunc(all, func(m meeting) bool { return m.release == x.release })
		if at < 0 {
			at, all = len(all), append(all, meeting{origin: x})
		}
		all[at].pledges++
	}
	return all
}

// has tells whether a release knows a pledge by an outside id.
func (o *origins) has(in knownIn, stream string) bool {
	return slices.Contains(o.byID[in.outsideID], origin{stream, in.release})
}

// add keeps the pledges of one id in the order of their streams; false means that the pledge is known already.
func (o *origins) add(k knownAs) bool {
	all := o.byID[k.outsideID]
	at, known := slices.BinarySearchFunc(all, k.stream, func(x origin, stream string) int { return strings.Compare(x.stream, stream) })
	if !known {
		o.byID[k.outsideID] = slices.Insert(all, at, k.origin)
	}
	return !known
}

// match: somebody has said what two pledges are to each other.
func (p *Projection) match(f *es.Fact, e *eventv1.PledgeLinked) {
	for _, x := range [][2]string{{f.Stream, e.Pledge}, {e.Pledge, f.Stream}} {
		p.resolveAll(f, p.byPledge[x[0]], func(e *exception) bool { return e.kind == Unmatched && p.origins.has(e.met, x[1]) })
	}
}

func (k knownAs) compare(o knownAs) int {
	return cmp.Or(strings.Compare(k.publisher, o.publisher), strings.Compare(k.id, o.id), strings.Compare(k.stream, o.stream))
}
