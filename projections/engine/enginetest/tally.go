// Package enginetest holds what every sink and every projection must pass.
package enginetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/engine"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// Tally is a projection for tests of the engine: per stream how many events it has, what lines were announced, and a hidden digest that
// depends on the order of events, and a row of the log for each event.
type Tally struct {
	streams map[string]*tally
	changed map[string]bool
	log     []engine.Row
}

type tally struct {
	donor  string
	events int64
	total  money.Amount
	state  []byte
}

// NewTally returns an empty Tally.
func NewTally() engine.Projection {
	return &Tally{streams: map[string]*tally{}, changed: map[string]bool{}}
}

// Poison is the title of an announcement that a Tally cannot fold, after it has half folded it.
const Poison = "poison"

// TallySpec is the spec of Tally.
var TallySpec = engine.Spec{Name: "tally", Version: 1, Tables: []engine.Table{
	{Name: "tally", Key: 1, Columns: []engine.Column{
		{Name: "stream", Kind: engine.Text}, {Name: "donor", Kind: engine.Text}, {Name: "events", Kind: engine.Int}, {Name: "total", Kind: engine.Amount},
	}},
	{Name: "tally_state", Key: 1, Hidden: true, Columns: []engine.Column{
		{Name: "stream", Kind: engine.Text}, {Name: "state", Kind: engine.Bytes},
	}},
	{Name: "tally_log", Key: 1, Log: true, Columns: []engine.Column{
		{Name: "ordinal", Kind: engine.Int}, {Name: "position", Kind: engine.Int}, {Name: "stream", Kind: engine.Text},
	}},
}}

// Spec implements engine.Projection.
func (p *Tally) Spec() engine.Spec { return TallySpec }

// Restore implements engine.Projection.
func (p *Tally) Restore(table int, row engine.Row) error {
	if table > 1 {
		return fmt.Errorf("row %v of the log is restored", row)
	}
	stream := row[0].Text()
	if table == 0 {
		p.streams[stream] = &tally{donor: row[1].Text(), events: row[2].Int(), total: row[3].Amount()}
		return nil
	}
	t := p.streams[stream]
	if t == nil {
		return fmt.Errorf("state of stream %s without a tally", stream)
	}
	t.state = row[1].Bytes()
	return nil
}

// Fold implements engine.Projection.
func (p *Tally) Fold(f *es.Fact) error {
	t := p.streams[f.Stream]
	if t == nil {
		t = &tally{donor: f.Envelope.GetDonor()}
		p.streams[f.Stream] = t
	}
	t.events++
	p.changed[f.Stream] = true
	p.log = append(p.log, engine.Row{engine.IntOf(int64(f.Ordinal)), engine.IntOf(int64(f.Position)), engine.TextOf(f.Stream)})
	t.state = append(t.state, byte(len(t.state)*31+len(f.Type))^byte(f.Revision))
	e, ok := f.Event.(*eventv1.PledgeAnnounced)
	if !ok {
		return nil
	}
	if e.Title == Poison {
		return fmt.Errorf("stream %s is poisoned", f.Stream)
	}
	for _, l := range e.Lines {
		for _, v := range l.Values {
			a, err := money.FromProto(v.Amount)
			if err != nil {
				return err
			}
			if t.total, err = t.total.Add(a); err != nil {
				return err
			}
		}
	}
	return nil
}

// Flush implements engine.Projection.
func (p *Tally) Flush(yield func(table int, row engine.Row) error) error {
	var streams []string
	for s := range p.changed {
		streams = append(streams, s)
	}
	slices.SortFunc(streams, strings.Compare)
	for _, s := range streams {
		t := p.streams[s]
		if err := yield(0, engine.Row{engine.TextOf(s), engine.TextOf(t.donor), engine.IntOf(t.events), engine.AmountOf(t.total)}); err != nil {
			return err
		}
	}
	for _, s := range streams {
		if err := yield(1, engine.Row{engine.TextOf(s), engine.BytesOf(p.streams[s].state)}); err != nil {
			return err
		}
	}
	clear(p.changed)
	for _, row := range p.log {
		if err := yield(2, row); err != nil {
			return err
		}
	}
	p.log = nil
	return nil
}
