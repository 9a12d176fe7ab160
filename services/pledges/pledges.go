// Package pledges is the service that decides the commands of pledges.
package pledges

import (
	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/term"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/route"
)

// Spec is the pledge aggregate as a service.
var Spec = command.Spec[*pledge.State, pledge.Command]{
	Service: route.Pledges,
	Decider: pledge.Decider,
	Parse:   Parse,
	Parties: func(s *pledge.State) (string, string) { return s.Donor, s.Beneficiary },
	Draw:    draw,
}

// draw is the present status of the draw that a command reserves, since a repeat may find it released or settled.
func draw(s *pledge.State, c pledge.Command) *apiv1.DrawStatus {
	reserve, ok := c.(*pledge.ReserveDraw)
	if !ok {
		return nil
	}
	d := s.Draw(reserve.Draw)
	if d == nil {
		return nil
	}
	out := &apiv1.DrawStatus{
		Draw: d.ID.String(), Allocation: d.Allocation.String(), Status: string(d.Status), Asset: d.Asset, Donor: s.Donor, Beneficiary: s.Beneficiary,
	}
	if a, err := asset.Parse(d.Asset); err == nil { // else the draw has no amount
		out.Amount, out.Over = d.Amount.Text(a.Scale), d.Over.Text(a.Scale)
	}
	if l := s.Line(d.Allocation); l != nil {
		out.Category, out.Instrument = l.Category, term.Word(l.Instrument)
	}
	return out
}
