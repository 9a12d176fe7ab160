// Package payments is the service that decides the commands of payments.
package payments

import (
	"context"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/payment"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/reservation"
	"github.com/allied-ledger/allied/services/internal/route"
	"github.com/google/uuid"
)

// Spec is the payment aggregate as a service; ledger reaches the pledge that it draws on.
func Spec(ledger reservation.Ledger) command.Spec[*payment.State, payment.Command] {
	d := drawing{ledger}
	return command.Spec[*payment.State, payment.Command]{
		Service: route.Payments,
		Decider: payment.Decider,
		Parse:   Parse,
		Parties: func(s *payment.State) (string, string) { return s.Donor, s.Beneficiary },
		Drawing: &command.Drawing[payment.Command]{Reserve: d.reserve, Abandon: d.abandon, Finish: d.finish},
	}
}

type drawing struct{ ledger reservation.Ledger }

func (d drawing) reserve(ctx context.Context, in command.Input, c payment.Command) *apiv1.Answer {
	instruct, ok := c.(*payment.Instruct)
	if !ok {
		return nil
	}
	b := in.Command.GetInstructPayment()
	got, refused := reservation.Draw(ctx, d.ledger, in, 0, reservation.Want{
		Field: "instruct_payment", Pledge: b.GetPledge(), Allocation: b.GetAllocation(), Asset: b.GetAsset(), Amount: b.GetAmount(), Stated: b.GetStated(),
	})
	if refused != nil {
		return refused
	}
	instruct.Line, instruct.Of, instruct.To = got.Line, got.Donor, got.Beneficiary
	for _, p := range []struct {
		to *string
		of string
	}{{&in.Envelope.Donor, got.Donor}, {&in.Envelope.Beneficiary, got.Beneficiary}} {
		if *p.to == "" {
			*p.to = p.of
		}
	}
	return nil
}

// abandon gives the draw back. One that cannot be given back now stays listed as a draw without a payment.
func (d drawing) abandon(ctx context.Context, in command.Input, c payment.Command) {
	if instruct, ok := c.(*payment.Instruct); ok && instruct.Of != "" {
		_ = reservation.Release(ctx, d.ledger, in, 0, instruct.Line.Pledge, uuid.UUID(instruct.Line.Draw), "", nil) // as the comment says
	}
}

// finish gives back what a rejected or reopened payment does not use.
func (d drawing) finish(ctx context.Context, in command.Input, facts []*es.Fact) error {
	return reservation.ReleaseGivenUp(ctx, d.ledger, in, facts)
}
