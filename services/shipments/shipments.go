// Package shipments is the service that decides the commands of shipments.
package shipments

import (
	"context"
	"errors"
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/shipment"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/reservation"
	"github.com/allied-ledger/allied/services/internal/route"
	"github.com/google/uuid"
)

// Spec is the shipment aggregate as a service; ledger reaches the pledges that it draws on.
func Spec(ledger reservation.Ledger) command.Spec[*shipment.State, shipment.Command] {
	d := drawing{ledger}
	return command.Spec[*shipment.State, shipment.Command]{
		Service: route.Shipments,
		Decider: shipment.Decider,
		Parse:   Parse,
		Parties: func(s *shipment.State) (string, string) { return s.Donor, s.Beneficiary },
		Drawing: &command.Drawing[shipment.Command]{Reserve: d.reserve, Abandon: d.abandon, Finish: d.finish},
	}
}

type drawing struct{ ledger reservation.Ledger }

// reserve draws every line of a plan. Where one cannot be drawn, those before it are given back.
func (d drawing) reserve(ctx context.Context, in command.Input, c shipment.Command) *apiv1.Answer {
	plan, ok := c.(*shipment.Plan)
	if !ok {
		return nil
	}
	for i, l := range in.Command.GetPlanShipment().GetLines() {
		got, refused := reservation.Draw(ctx, d.ledger, in, i, reservation.Want{
			Field: fmt.Sprintf("plan_shipment.lines[%d]", i), Pledge: l.Pledge, Allocation: l.Allocation, Asset: l.Asset, Amount: l.Amount, Stated: l.Stated,
		})
		if refused != nil {
			if refused.Outcome == command.Refused {
				d.release(ctx, in, plan.Lines[:i])
			}
			return refused
		}
		plan.Lines[i] = shipment.Drawn{Line: got.Line, Donor: got.Donor, Beneficiary: got.Beneficiary}
	}
	first := plan.Lines[0]
	if in.Envelope.Donor == "" {
		in.Envelope.Donor = first.Donor
	}
	if in.Envelope.Beneficiary == "" {
		in.Envelope.Beneficiary = first.Beneficiary
	}
	return nil
}

func (d drawing) abandon(ctx context.Context, in command.Input, c shipment.Command) {
	if plan, ok := c.(*shipment.Plan); ok {
		d.release(ctx, in, plan.Lines)
	}
}

// release gives back whole draws. One that cannot be given back now stays listed as a draw without a shipment.
func (d drawing) release(ctx context.Context, in command.Input, lines []shipment.Drawn) {
	for i, l := range lines {
		if l.Donor == "" {
			continue // not drawn
		}
		_ = reservation.Release(ctx, d.ledger, in, i, l.Line.Pledge, uuid.UUID(l.Line.Draw), "", nil) // as the comment says
	}
}

// finish gives back what a closed shipment did not use, or what came back to be owed again, and settles what is used up.
func (d drawing) finish(ctx context.Context, in command.Input, facts []*es.Fact) error {
	errs := []error{reservation.ReleaseGivenUp(ctx, d.ledger, in, facts)}
	for _, f := range facts {
		if e, ok := f.Event.(*eventv1.ShipmentClosed); ok {
			for i, m := range e.Used {
				errs = append(errs, reservation.Settle(ctx, d.ledger, in, i, m.Pledge, uuid.UUID(m.Draw)))
			}
		}
	}
	return errors.Join(errs...)
}
