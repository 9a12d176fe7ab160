// Package reservation draws on allocations of pledges for a shipment or payment, and gives back what that did not use.
package reservation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/term"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/google/uuid"
)

// Ledger takes the commands that go to pledges; *client.Client is one.
type Ledger interface {
	Submit(ctx context.Context, cmd *apiv1.Command) (*apiv1.Answer, error)
}

// Want is what one line of a command draws.
type Want struct {
	// Field is where the command asks for it, for refusals.
	Field              string
	Pledge, Allocation string
	Asset, Amount      string
	Stated             []*apiv1.AssetAmount
}

// Drawn is what a pledge reserved.
type Drawn struct {
	Line               *eventv1.DrawnLine
	Donor, Beneficiary string
}

// DrawID names the draw of a command's line, from 0.
func DrawID(in command.Input, i int) uuid.UUID { return ident.LineID(in.Stream, in.ID, "draw", i) }

// Draw reserves one line. What was reserved by an earlier try is answered as it stands; one that was given up stays so.
func Draw(ctx context.Context, ledger Ledger, in command.Input, i int, want Want) (Drawn, *apiv1.Answer) {
	draw := DrawID(in, i)
	cmd := follow(in, want.Pledge, ident.LineID(in.Stream, in.ID, "reserve", i))
	cmd.Body = &apiv1.Command_ReserveDraw{ReserveDraw: &apiv1.ReserveDraw{
		Draw: draw.String(), Allocation: want.Allocation, Asset: want.Asset, Amount: want.Amount, Stated: want.Stated, ForStream: in.Stream,
	}}
	a, err := ledger.Submit(ctx, cmd)
	switch {
	case err != nil && a == nil:
		return Drawn{}, answer(in, command.Busy, "draw_not_made", want.Field, err.Error(), "send it again")
	case a.Outcome == command.Recorded || a.Outcome == command.Repeated:
	case a.Outcome == command.Refused:
		field := strings.TrimPrefix(a.Field, "reserve_draw")
		if field == a.Field { // not of the draw's own fields
			return Drawn{}, answer(in, a.Outcome, a.Code, a.Field, a.Reason, a.Remedy)
		}
		return Drawn{}, answer(in, a.Outcome, a.Code, want.Field+field, a.Reason, a.Remedy)
	default:
		return Drawn{}, answer(in, a.Outcome, a.Code, want.Field, "the draw on "+want.Pledge+" is not certain: "+a.Reason, "send the same command with the same id again")
	}
	if a.Draw.GetStatus() == "released" {
		return Drawn{}, answer(in, command.Refused, "draw_released", want.Field, fmt.Sprintf("draw %s was released, and never comes back", draw), "send it again under a new command id")
	}
	line, err := lineOf(want.Pledge, draw, a.Draw)
	if err != nil {
		return Drawn{}, answer(in, command.Refused, "internal_error", want.Field, err.Error(), "this is a fault of the service: see its log")
	}
	return Drawn{line, a.Draw.Donor, a.Draw.Beneficiary}, nil
}

func lineOf(pledge string, draw uuid.UUID, s *apiv1.DrawStatus) (*eventv1.DrawnLine, error) {
	allocation, err := uuid.Parse(s.GetAllocation())
	if err != nil {
		return nil, fmt.Errorf("read the draw's allocation: %w", err)
	}
	l := &eventv1.DrawnLine{Draw: draw[:], Pledge: pledge, Allocation: allocation[:], Asset: s.Asset, Category: s.Category}
	if l.Instrument, err = term.Parse[eventv1.Instrument](s.Instrument); err != nil {
		return nil, fmt.Errorf("read the draw's instrument: %w", err)
	}
	if s.Asset == "" {
		return l, nil
	}
	a, err := asset.Parse(s.Asset)
	if err != nil {
		return nil, fmt.Errorf("read the draw's asset: %w", err)
	}
	n, err := money.Parse(s.Amount, a.Scale)
	if err != nil {
		return nil, fmt.Errorf("read the draw's amount: %w", err)
	}
	l.Amount = n.Proto()
	return l, nil
}

// ReleaseGivenUp releases on their pledges what recorded facts of the command give up of their draws. What cannot be released now stays listed
// as an unreturned draw, and a policy releases it later by the same command.
func ReleaseGivenUp(ctx context.Context, ledger Ledger, in command.Input, facts []*es.Fact) error {
	var errs []error
	for _, f := range facts {
		for i, m := range drawn.GivenUp(f.Event) {
			errs = append(errs, Release(ctx, ledger, in, i, m.Pledge, uuid.UUID(m.Draw), m.GetSplit().GetAsset(), m.Amount))
		}
	}
	return errors.Join(errs...)
}

// Release gives back a part of a draw, all of it where the amount is nil. One that is released already is no error.
func Release(ctx context.Context, ledger Ledger, in command.Input, i int, pledge string, draw uuid.UUID, name string, amount *eventv1.Amount) error {
	cmd := follow(in, pledge, ident.ReleaseCommand(in.Stream, in.ID, i))
	body := &apiv1.ReleaseDraw{Draw: draw.String()}
	if name != "" && amount != nil {
		a, err := asset.Parse(name)
		if err != nil {
			return err
		}
		n, err := money.FromProto(amount)
		if err != nil {
			return err
		}
		body.Asset, body.Amount = name, n.Text(a.Scale)
	}
	cmd.Body = &apiv1.Command_ReleaseDraw{ReleaseDraw: body}
	return send(ctx, ledger, cmd)
}

// Settle ends a draw that is used up. One that is settled or released already is no error.
func Settle(ctx context.Context, ledger Ledger, in command.Input, i int, pledge string, draw uuid.UUID) error {
	cmd := follow(in, pledge, ident.LineID(in.Stream, in.ID, "settle", i))
	cmd.Body = &apiv1.Command_SettleDraw{SettleDraw: &apiv1.SettleDraw{Draw: draw.String()}}
	return send(ctx, ledger, cmd)
}

func send(ctx context.Context, ledger Ledger, cmd *apiv1.Command) error {
	a, err := ledger.Submit(ctx, cmd)
	switch {
	case err != nil:
		return err
	case a.Outcome == command.Recorded, a.Outcome == command.Repeated, a.Code == "draw_ended":
		return nil
	// An id that is used is ours: it derives from the command that this one follows, and a policy that came first gave another day and actor.
	case a.Code == "command_id_reused":
		return nil
	}
	return fmt.Errorf("%s at %s: %s %s: %s", a.Outcome, cmd.Stream, a.Code, a.Field, a.Reason)
}

// follow is a command to a pledge that a command to another stream leads to: the same time, actor and sources, and one correlation.
func follow(in command.Input, pledge string, id uuid.UUID) *apiv1.Command {
	c := in.Command
	correlation := c.CorrelationId
	if correlation == "" {
		correlation = in.ID.String()
	}
	return &apiv1.Command{
		CommandId: id.String(), Stream: pledge, Effective: c.Effective, EffectiveAsStated: c.EffectiveAsStated, Actor: c.Actor,
		Authority: c.Authority, CorrelationId: correlation, Sources: c.Sources, Reason: c.Reason, Marking: c.Marking, Observed: c.Observed,
		Override: c.Override,
	}
}

func answer(in command.Input, outcome, code, field, reason, remedy string) *apiv1.Answer {
	return &apiv1.Answer{
		Outcome: outcome, CommandId: in.Command.CommandId, Stream: in.Stream, Code: code, Field: field, Reason: reason, Remedy: remedy,
	}
}
