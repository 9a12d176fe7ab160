package shipments

import (
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/shipment"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/fields"
	"github.com/allied-ledger/allied/services/internal/reservation"
	"github.com/google/uuid"
)

// reader reads the bodies of the commands of shipments.
type reader struct{ fields.Fields }

// Parse reads the text of a command's body. Whether it may be is the decider's to say. Its error is an *es.Refusal.
func Parse(in command.Input) (shipment.Command, error) {
	f := &reader{fields.Fields{In: in}}
	c := f.body(shipment.Meta{Donor: in.Envelope.Donor, Beneficiary: in.Envelope.Beneficiary, Effective: in.Envelope.Effective})
	if f.Refused != nil {
		return nil, f.Refused
	}
	return c, nil
}

func (f *reader) body(meta shipment.Meta) shipment.Command {
	switch b := f.In.Command.Body.(type) {
	case *apiv1.Command_PlanShipment:
		return f.plan(meta, b.PlanShipment)
	case *apiv1.Command_DispatchShipment:
		return &shipment.Dispatch{
			Meta: meta, Parts: f.parts("dispatch_shipment.movements", b.DispatchShipment.GetMovements()), Place: b.DispatchShipment.GetPlace(),
			ManifestHash: b.DispatchShipment.GetManifestHash(),
		}
	case *apiv1.Command_ArriveShipment:
		return &shipment.Arrive{Meta: meta, Place: b.ArriveShipment.GetPlace()}
	case *apiv1.Command_HandOverShipment:
		const at = "hand_over_shipment"
		h := b.HandOverShipment
		return &shipment.HandOver{
			Meta: meta, Parts: f.parts(at+".movements", h.GetMovements()), Point: fields.Word[eventv1.DeliveryPoint](&f.Fields, at+".point", h.GetPoint()),
			Evidence: fields.Word[eventv1.Evidence](&f.Fields, at+".evidence", h.GetEvidence()), Signatory: h.GetSignatory(), Place: h.GetPlace(),
			Complete: h.GetComplete(),
		}
	case *apiv1.Command_VerifyShipment:
		return &shipment.Verify{Meta: meta, Parts: f.parts("verify_shipment.movements", b.VerifyShipment.GetMovements()), Verifier: b.VerifyShipment.GetVerifier()}
	case *apiv1.Command_ReportDiscrepancy:
		const at = "report_discrepancy"
		return &shipment.Report{
			Meta: meta, Kind: fields.Word[eventv1.Discrepancy](&f.Fields, at+".kind", b.ReportDiscrepancy.GetKind()),
			Part: f.part(at+".movement", b.ReportDiscrepancy.GetMovement()),
		}
	default:
		return f.later(meta)
	}
}

// later reads what is found out, comes back or is corrected after a hand-over.
func (f *reader) later(meta shipment.Meta) shipment.Command {
	switch b := f.In.Command.Body.(type) {
	case *apiv1.Command_FindShipment:
		return &shipment.Find{Meta: meta, Parts: f.parts("find_shipment.movements", b.FindShipment.GetMovements())}
	case *apiv1.Command_LoseShipment:
		return &shipment.Lose{Meta: meta, Parts: f.parts("lose_shipment.movements", b.LoseShipment.GetMovements()), Cause: b.LoseShipment.GetCause()}
	case *apiv1.Command_ReturnShipment:
		return &shipment.Return{Meta: meta, Parts: f.parts("return_shipment.movements", b.ReturnShipment.GetMovements()), Reopens: b.ReturnShipment.GetReopens()}
	case *apiv1.Command_ReverseShipment:
		return &shipment.Reverse{Meta: meta, Event: f.Corrected("reverse_shipment.event", b.ReverseShipment.GetEvent())}
	case *apiv1.Command_RevalueShipment:
		const at = "revalue_shipment"
		r := b.RevalueShipment
		return &shipment.Revalue{
			Meta: meta, Draw: f.drawID(at+".draw", r.GetDraw()), Stage: fields.Word[eventv1.Stage](&f.Fields, at+".stage", r.GetStage()), Asset: r.GetAsset(),
			Delta: f.AmountAt(at+".asset", r.GetAsset(), at+".delta", r.GetDelta()),
		}
	case *apiv1.Command_CloseShipment:
		return &shipment.Close{Meta: meta}
	}
	f.Refuse(&es.Refusal{Code: "unknown_command", Reason: "not a command of shipments", Remedy: "send a command that changes a shipment"})
	return nil
}

// plan names the draws; what the pledges answer is known only once they are made.
func (f *reader) plan(meta shipment.Meta, in *apiv1.PlanShipment) shipment.Command {
	c := &shipment.Plan{Meta: meta, Title: in.GetTitle()}
	for i, l := range in.GetLines() {
		at := fmt.Sprintf("plan_shipment.lines[%d]", i)
		if kind, _, err := es.ParseStream(l.GetPledge()); err != nil || kind != "pledge" {
			f.Refuse(&es.Refusal{Code: "bad_stream", Field: at + ".pledge", Reason: fmt.Sprintf("%q is not a pledge's stream", l.GetPledge()), Remedy: "name it as pledge-<uuid>"})
			return nil
		}
		draw, allocation := reservation.DrawID(f.In, i), f.ID(at+".allocation", l.GetAllocation())
		c.Lines = append(c.Lines, shipment.Drawn{Line: &eventv1.DrawnLine{Draw: draw[:], Pledge: l.GetPledge(), Allocation: allocation[:]}})
	}
	return c
}

func (f *reader) parts(at string, in []*apiv1.Moving) []shipment.Part {
	var out []shipment.Part
	for i, m := range in {
		out = append(out, f.part(fmt.Sprintf("%s[%d]", at, i), m))
	}
	return out
}

func (f *reader) part(at string, in *apiv1.Moving) shipment.Part {
	p := shipment.Part{Draw: f.drawID(at+".draw", in.GetDraw()), Asset: in.GetAsset(), Stated: f.Stated(at+".stated", in.GetStated()), Serials: in.GetSerials()}
	if in.GetAmount() != "" || in.GetAsset() != "" {
		a := f.Amount(at, in.GetAsset(), in.GetAmount())
		p.Amount = new(money.Amount)
		*p.Amount = a
	}
	return p
}

func (f *reader) drawID(at, text string) uuid.UUID {
	if text == "" {
		return uuid.Nil
	}
	return f.ID(at, text)
}
