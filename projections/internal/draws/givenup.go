package draws

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/term"
	"github.com/google/uuid"
)

// GivenUp is a part of a draw that its shipment or payment gave up. It is finished once its release is recorded, or as much of the draw was
// released otherwise.
type GivenUp struct {
	Pledge string // stream
	Draw   uuid.UUID
	// Release is the id of the command that releases it, whoever sends it.
	Release uuid.UUID
	Amount  money.Amount // zero where nothing of the draw can be counted
	Cause   Mark         // the fact that gives it up, and its marking and correlation
	Marking string
	// Correlation is uuid.Nil for none.
	Correlation uuid.UUID
	Finished    bool
}

// giveUp keeps what a fact of a shipment or payment gives up.
func (d *Draws) giveUp(f *es.Fact) error {
	for n, m := range drawn.GivenUp(f.Event) {
		x := d.change(m.Pledge, m.Draw)
		t, err := money.FromProto(m.Amount)
		if err == nil {
			x.GivenUp, err = x.GivenUp.Add(t)
		}
		if err != nil {
			return fmt.Errorf("draw %s: %w", x.ID, err)
		}
		x.GaveUp = true
		if _, any := x.Unreturned(); !any {
			continue // somebody else has released it before
		}
		var command uuid.UUID
		copy(command[:], f.Envelope.GetCommandId())
		g := &GivenUp{
			Pledge: x.Pledge, Draw: x.ID, Release: ident.ReleaseCommand(f.Stream, command, n), Amount: t, Cause: d.mark(f),
			Marking: term.Word(f.Envelope.GetMarking()),
		}
		copy(g.Correlation[:], f.Envelope.GetCorrelationId())
		d.givenUp[x.key()] = append(d.givenUp[x.key()], g)
		d.changedGivenUp = append(d.changedGivenUp, g)
	}
	return nil
}

// finish ends what was given up of a draw and is released by a command, and all of it where as much was released.
func (d *Draws) finish(x *Draw, command []byte) {
	open := d.givenUp[x.key()]
	if len(open) == 0 {
		return
	}
	_, any := x.Unreturned()
	open = slices.DeleteFunc(open, func(g *GivenUp) bool {
		if any && !slices.Equal(g.Release[:], command) {
			return false
		}
		g.Finished = true
		d.changedGivenUp = append(d.changedGivenUp, g)
		return true
	})
	if len(open) == 0 {
		delete(d.givenUp, x.key())
		return
	}
	d.givenUp[x.key()] = open
}

// compare orders by draw, and there by age.
func (g *GivenUp) compare(o *GivenUp) int {
	return cmp.Or(strings.Compare(g.Pledge, o.Pledge), slices.Compare(g.Draw[:], o.Draw[:]), cmp.Compare(g.Cause.Ordinal, o.Cause.Ordinal),
		slices.Compare(g.Release[:], o.Release[:]))
}
