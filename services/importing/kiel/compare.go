package kiel

import (
	"context"
	"fmt"
	"slices"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/google/uuid"
)

// origin is a pledge that an import recorded before.
type origin struct{ stream, release string }

// record is a command that an import recorded before.
type record struct {
	stream, release string
	command         uuid.UUID
	row             int // the first of its rows
}

// before is what the log holds of earlier imports.
type before struct {
	// pledges are those under the plan's IDs.
	pledges map[string][]origin
	// records are the importer's own, in the order of the log, by ID.
	records map[string][]record
	// missing are the IDs that the plan's release has recorded and no row of the file has.
	missing []string
	// closed: the release is complete, and from other rows than the plan's.
	closed bool
}

// compare judges the plan by what the log holds. What changed is refused, lest it count twice, and what another release recorded with the
// same content is matched. Another pledge that another release left under an ID cannot be matched with certainty: it is an exception, and
// the plan's stands beside it.
func (p *Plan) compare(known *before) []Exception {
	exceptions := []Exception{}
	kept := p.measures[:0]
	for _, m := range p.measures {
		if why := p.judge(m, known); why != nil {
			for _, f := range m.facts {
				p.refuse(f.Row, why)
			}
			continue
		}
		kept = append(kept, m)
		for _, o := range known.pledges[m.id] {
			if o.stream != m.stream {
				exceptions = append(exceptions, Exception{ID: m.id, Stream: m.stream, OtherStream: o.stream, OtherRelease: o.release})
			}
		}
	}
	p.measures = kept
	for _, id := range known.missing {
		p.Refused = append(p.Refused, Refused{
			ID: id, Code: "row_missing", Reason: fmt.Sprintf("release %s has recorded %s, and no row of this file has that ID", p.Release, id), Remedy: remedyOtherRelease,
		})
	}
	return exceptions
}

// judge compares a measure with what imports recorded under its ID and on its stream. It refuses what changed.
func (p *Plan) judge(m *measure, known *before) *problem {
	for _, o := range known.pledges[m.id] {
		if o.stream != m.stream && o.release == p.Release {
			return &problem{
				"identity_changed", fmt.Sprintf("release %s has recorded %s as %s, with another donor, or another date or explanation in its first row", p.Release, m.id, o.stream),
				remedyOtherRelease,
			}
		}
	}
	var same, other []record
	for _, r := range known.records[m.id] {
		if r.release == p.Release {
			same = append(same, r)
		} else if r.stream == m.stream {
			other = append(other, r)
		}
	}
	steps := slices.Collect(m.steps(p.Release))
	switch {
	case len(same) > 0:
		return p.changed(m, steps, same)
	case len(other) > 0:
		return m.match(steps, other)
	}
	return nil
}

// changed refuses an ID of which the same release recorded a command that the plan does not have: a row moved, vanished or says something
// else. Rows that came are no change, since an import may have broken off before them.
func (p *Plan) changed(m *measure, steps []Step, recorded []record) *problem {
	planned := map[string]bool{}
	for _, s := range steps {
		planned[s.Command.CommandId] = true
	}
	for _, r := range recorded {
		if !planned[r.command.String()] {
			return &problem{
				"row_changed", fmt.Sprintf("release %s has recorded %s with other content, or in other rows of the file", p.Release, m.id), remedyOtherRelease,
			}
		}
	}
	return nil
}

// match finds a pledge of another release again where each of its commands was recorded from rows with the same content, wherever they
// stood, and no other command was. A pledge that the release restates is refused: recording it again would count it twice.
func (m *measure) match(steps []Step, recorded []record) *problem {
	left := slices.Clone(recorded)
	for _, s := range steps {
		i := slices.IndexFunc(left, func(r record) bool { return r.command == s.idUnder(r.release, r.row) })
		if i < 0 {
			return m.restated(recorded)
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(left) > 0 {
		return m.restated(recorded)
	}
	m.matched = true
	return nil
}

func (m *measure) restated(recorded []record) *problem {
	return &problem{
		"restated", fmt.Sprintf("release %s has recorded %s with other content", recorded[0].release, m.id),
		"restatements cannot be imported yet; what is recorded stands, and nothing was changed",
	}
}

// lookBack reads the log, and no view, which may be behind, and brings the stage to what the log leads to. A pledge is known by its first
// fact, which names its ID and release.
func (p *Plan) lookBack(ctx context.Context, log Log, s *stage) (*before, error) {
	ours, told := map[string]bool{}, map[string]bool{}
	for _, m := range p.measures {
		ours[m.id] = true
	}
	for _, r := range p.rows {
		told[r.raw(colID)] = true
	}
	completion := p.Completion()
	known := &before{pledges: map[string][]origin{}, records: map[string][]record{}}
	for entry, err := range log.Read(ctx, 0) {
		if err != nil {
			return nil, err
		}
		kind, _, err := es.ParseStream(entry.Stream)
		if err != nil || kind != pledge.Kind && !s.holds(entry.Stream) {
			continue
		}
		f, err := wire.Decode(entry)
		if err != nil {
			return nil, err
		}
		if s.holds(entry.Stream) {
			s.apply(f)
		}
		if entry.Stream == completion.Stream {
			if entry.Revision == 0 {
				id, err := uuid.FromBytes(f.Envelope.GetCommandId())
				known.closed = err != nil || id.String() != completion.CommandId
			}
			continue
		}
		if id, r, ok := recordOf(f); ok {
			if n := len(known.records[id]); n == 0 || known.records[id][n-1] != r { // a command's facts stand together
				known.records[id] = append(known.records[id], r)
			}
			if r.release == p.Release && !told[id] {
				told[id] = true
				known.missing = append(known.missing, id)
			}
		}
		if entry.Revision != 0 {
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

// recordOf tells under which ID an import recorded a fact; ok is false where another did, such as a person who cites the tracker.
func recordOf(f *es.Fact) (id string, r record, ok bool) {
	sources := f.Envelope.GetSources()
	command, err := uuid.FromBytes(f.Envelope.GetCommandId())
	if err != nil || f.Envelope.GetActor() != actor || len(sources) == 0 || sources[0].GetPublisher() != Publisher {
		return "", record{}, false
	}
	return sources[0].GetExternalId(), record{f.Stream, sources[0].GetRelease(), command, firstRow(sources[0].GetLocator())}, true
}
