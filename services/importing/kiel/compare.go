package kiel

import (
	"context"
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/google/uuid"
)

// origin is a pledge that an import recorded before.
type origin struct{ stream, release string }

// before is what the log holds of earlier imports.
type before struct {
	// pledges are those under the plan's IDs.
	pledges map[string][]origin
	// closed: the release is complete, and from other rows than the plan's.
	closed bool
}

// compare looks at the pledges that the log holds under the plan's IDs. An ID that the same release recorded as another pledge has changed
// in what identifies it: it is refused, lest it count twice. A pledge that another release left under the ID cannot be matched with
// certainty: it is an exception, and the plan's stands beside it.
func (p *Plan) compare(known *before) []Exception {
	exceptions := []Exception{}
	kept := p.measures[:0]
	for _, m := range p.measures {
		var changed *problem
		for _, o := range known.pledges[m.id] {
			switch {
			case o.stream == m.stream:
			case o.release == p.Release:
				changed = &problem{
					"identity_changed", fmt.Sprintf("release %s has recorded %s as %s, with another donor, or another date or explanation in its first row", p.Release, m.id, o.stream),
					remedyOtherRelease,
				}
			default:
				exceptions = append(exceptions, Exception{ID: m.id, Stream: m.stream, OtherStream: o.stream, OtherRelease: o.release})
			}
		}
		if changed == nil {
			kept = append(kept, m)
			continue
		}
		for _, f := range m.facts {
			p.refuse(f.Row, changed)
		}
	}
	p.measures = kept
	return exceptions
}

// lookBack reads the log, and no view, which may be behind, and brings the stage to what the log leads to. A pledge is known by its first
// fact, which names its ID and release.
func (p *Plan) lookBack(ctx context.Context, log Log, s *stage) (*before, error) {
	ours := map[string]bool{}
	for _, m := range p.measures {
		ours[m.id] = true
	}
	completion := p.Completion()
	known := &before{pledges: map[string][]origin{}}
	for entry, err := range log.Read(ctx, 0) {
		if err != nil {
			return nil, err
		}
		kind, _, err := es.ParseStream(entry.Stream)
		if err != nil || (kind != pledge.Kind || entry.Revision != 0) && !s.holds(entry.Stream) {
			continue
		}
		f, err := wire.Decode(entry)
		if err != nil {
			return nil, err
		}
		if s.holds(entry.Stream) {
			s.apply(f)
		}
		if entry.Revision != 0 {
			continue
		}
		if entry.Stream == completion.Stream {
			id, err := uuid.FromBytes(f.Envelope.GetCommandId())
			known.closed = err != nil || id.String() != completion.CommandId
			continue
		}
		for _, source := range f.Envelope.GetSources() {
			if source.GetPublisher() == Publisher && ours[source.GetExternalId()] {
				known.pledges[source.ExternalId] = append(known.pledges[source.ExternalId], origin{entry.Stream, source.GetRelease()})
			}
		}
	}
	return known, nil
}
