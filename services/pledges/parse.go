package pledges

import (
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/pledge"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/fields"
	"github.com/allied-ledger/allied/services/internal/route"
	"github.com/google/uuid"
)

// reader reads the bodies of the commands of pledges.
type reader struct{ fields.Fields }

// Parse reads the text of a command's body. Whether it may be is the decider's to say. Its error is an *es.Refusal.
func Parse(in command.Input) (pledge.Command, error) {
	if service, err := route.Service(in.Command); err != nil || service != route.Pledges {
		return nil, &es.Refusal{Code: "unknown_command", Reason: "not a command of pledges", Remedy: "send a command that changes a pledge"}
	}
	if in.Envelope.Donor == command.NoDonor || in.Envelope.Beneficiary == command.NoDonor {
		return nil, &es.Refusal{
			Code: "unknown_party", Field: "donor", Reason: "a pledge has a donor and a beneficiary",
			Remedy: "name both by their ISO 3166-1 alpha-3 or institution code",
		}
	}
	f := &reader{fields.Fields{In: in}}
	meta := pledge.Meta{
		Named: in.Stream != es.StreamName(pledge.Kind, ident.StreamID(pledge.Kind, in.ID)),
		Donor: in.Envelope.Donor, Beneficiary: in.Envelope.Beneficiary, Effective: in.Envelope.Effective,
		Observed: in.Envelope.Observed, Override: in.Envelope.Override,
	}
	for _, s := range in.Envelope.Sources {
		meta.Sourced = meta.Sourced || s.GetPublisher() != ""
	}
	c := f.body(meta)
	if f.Refused != nil {
		return nil, f.Refused
	}
	return c, nil
}

func (f *reader) body(meta pledge.Meta) pledge.Command {
	switch b := f.In.Command.Body.(type) {
	case *apiv1.Command_AnnouncePledge:
		c := &pledge.Announce{Meta: meta, Title: b.AnnouncePledge.GetTitle()}
		for i, l := range b.AnnouncePledge.GetLines() {
			c.Lines = append(c.Lines, f.line(fmt.Sprintf("announce_pledge.lines[%d]", i), l, "line", i))
		}
		return c
	case *apiv1.Command_CommitPledge:
		c := &pledge.Commit{Meta: meta, Title: b.CommitPledge.GetTitle()}
		for i, l := range b.CommitPledge.GetCommitments() {
			at := fmt.Sprintf("commit_pledge.commitments[%d]", i)
			c.Commitments = append(c.Commitments, pledge.Commitment{
				Line: f.line(at+".line", l.GetLine(), "line", i), Firmness: fields.Word[eventv1.Firmness](&f.Fields, at+".firmness", l.GetFirmness()),
			})
		}
		return c
	case *apiv1.Command_AllocatePledge:
		const at = "allocate_pledge"
		c := &pledge.Allocate{Meta: meta, Title: b.AllocatePledge.GetTitle(), Line: f.line(at+".line", b.AllocatePledge.GetLine(), "line", 0)}
		for i, it := range b.AllocatePledge.GetItems() {
			c.Items = append(c.Items, f.item(fmt.Sprintf("%s.items[%d]", at, i), it))
		}
		return c
	case *apiv1.Command_ScheduleTranche:
		return f.schedule(meta, b.ScheduleTranche)
	case *apiv1.Command_RescheduleTranche:
		const at = "reschedule_tranche"
		return &pledge.RescheduleTranche{
			Meta: meta, Tranche: f.ID(at+".tranche", b.RescheduleTranche.GetTranche()), Due: f.Date(at+".due", b.RescheduleTranche.GetDue()),
		}
	case *apiv1.Command_ActivateTranche:
		const at = "activate_tranche"
		return &pledge.ActivateTranche{
			Meta: meta, Tranche: f.ID(at+".tranche", b.ActivateTranche.GetTranche()), ThreatLevel: b.ActivateTranche.GetThreatLevel(),
			Firmness: fields.Word[eventv1.Firmness](&f.Fields, at+".firmness", b.ActivateTranche.GetFirmness()),
		}
	case *apiv1.Command_ExpireTranche:
		return &pledge.ExpireTranche{Meta: meta, Tranche: f.ID("expire_tranche.tranche", b.ExpireTranche.GetTranche())}
	case *apiv1.Command_ReserveDraw:
		return f.reserve(meta, b.ReserveDraw)
	case *apiv1.Command_ReleaseDraw:
		const at = "release_draw"
		c := &pledge.ReleaseDraw{Meta: meta, Draw: f.ID(at+".draw", b.ReleaseDraw.GetDraw()), Asset: b.ReleaseDraw.GetAsset()}
		if c.Asset != "" || b.ReleaseDraw.GetAmount() != "" {
			c.Amount = f.Amount(at, c.Asset, b.ReleaseDraw.GetAmount())
		}
		return c
	case *apiv1.Command_ClaimDelivery:
		return f.claim(meta, b.ClaimDelivery)
	case *apiv1.Command_SettleDraw:
		return &pledge.SettleDraw{Meta: meta, Draw: f.ID("settle_draw.draw", b.SettleDraw.GetDraw())}
	default:
		return f.correction(meta)
	}
}

// correction reads what reduces, ends, joins or corrects a pledge.
func (f *reader) correction(meta pledge.Meta) pledge.Command {
	switch b := f.In.Command.Body.(type) {
	case *apiv1.Command_ReducePledge:
		const at = "reduce_pledge"
		a := b.ReducePledge.GetAsset()
		return &pledge.Reduce{Meta: meta, Asset: a, Amount: f.Amount(at, a, b.ReducePledge.GetAmount())}
	case *apiv1.Command_CancelRemainder:
		return &pledge.CancelRemainder{Meta: meta}
	case *apiv1.Command_FulfilPledge:
		return &pledge.Fulfil{Meta: meta}
	case *apiv1.Command_LapsePledge:
		return &pledge.Lapse{Meta: meta}
	case *apiv1.Command_LinkPledge:
		return &pledge.LinkTo{
			Meta: meta, Link: fields.Word[eventv1.Link](&f.Fields, "link_pledge.link", b.LinkPledge.GetLink()), Pledge: b.LinkPledge.GetPledge(),
		}
	case *apiv1.Command_ReclassifyLine:
		const at = "reclassify_line"
		return &pledge.Reclassify{
			Meta: meta, Line: f.ID(at+".line", b.ReclassifyLine.GetLine()), Category: b.ReclassifyLine.GetCategory(),
			Instrument: fields.Word[eventv1.Instrument](&f.Fields, at+".instrument", b.ReclassifyLine.GetInstrument()), Mapping: b.ReclassifyLine.GetMapping(),
		}
	case *apiv1.Command_RevalueLine:
		const at = "revalue_line"
		a := b.RevalueLine.GetAsset()
		var draw uuid.UUID
		if b.RevalueLine.GetDraw() != "" {
			draw = f.ID(at+".draw", b.RevalueLine.GetDraw())
		}
		return &pledge.Revalue{
			Meta: meta, Line: f.ID(at+".line", b.RevalueLine.GetLine()), Draw: draw, Stage: fields.Word[eventv1.Stage](&f.Fields, at+".stage", b.RevalueLine.GetStage()),
			Asset: a, Delta: f.AmountAt(at+".asset", a, at+".delta", b.RevalueLine.GetDelta()),
		}
	}
	f.Refuse(&es.Refusal{Code: "unknown_command", Reason: "this service does not know the command", Remedy: "use a newer version of it"})
	return nil
}

func (f *reader) schedule(meta pledge.Meta, in *apiv1.ScheduleTranche) pledge.Command {
	const at = "schedule_tranche"
	c := &pledge.ScheduleTranche{
		Meta: meta, Tranche: f.NewID(at+".tranche", in.GetTranche(), "tranche", 0), Due: f.Date(at+".due", in.GetDue()), ThreatLevel: in.GetThreatLevel(),
	}
	if in.GetContingent() != nil {
		c.Contingent = f.line(at+".contingent", in.GetContingent(), "line", 0)
	}
	if in.GetOfLine() != "" {
		c.OfLine = f.ID(at+".of_line", in.GetOfLine())
	}
	if in.GetAsset() != "" || in.GetAmount() != "" {
		c.Asset, c.Amount = in.GetAsset(), f.Amount(at, in.GetAsset(), in.GetAmount())
	}
	return c
}

func (f *reader) reserve(meta pledge.Meta, in *apiv1.ReserveDraw) pledge.Command {
	const at = "reserve_draw"
	c := &pledge.ReserveDraw{
		Meta: meta, Draw: f.NewID(at+".draw", in.GetDraw(), "draw", 0), Allocation: f.ID(at+".allocation", in.GetAllocation()),
		Asset: in.GetAsset(), ForStream: in.GetForStream(),
	}
	if in.GetAsset() != "" || in.GetAmount() != "" {
		c.Amount = f.Amount(at, in.GetAsset(), in.GetAmount())
	}
	c.Stated = f.Stated(at+".stated", in.GetStated())
	return c
}

func (f *reader) claim(meta pledge.Meta, in *apiv1.ClaimDelivery) pledge.Command {
	const at = "claim_delivery"
	c := &pledge.ClaimDelivery{
		Meta: meta, Line: f.ID(at+".line", in.GetLine()), Asset: in.GetAsset(), Amount: f.Amount(at, in.GetAsset(), in.GetAmount()),
		Stated: f.Stated(at+".stated", in.GetStated()), Point: eventv1.DeliveryPoint_DELIVERY_POINT_UNSTATED, SameUnits: in.GetSameUnits(),
	}
	if in.GetPoint() != "" {
		c.Point = fields.Word[eventv1.DeliveryPoint](&f.Fields, at+".point", in.GetPoint())
	}
	return c
}

func (f *reader) line(at string, in *apiv1.Line, role string, i int) *eventv1.Line {
	if in == nil {
		f.Refuse(&es.Refusal{Code: "line_missing", Field: at, Reason: "the command has no line", Remedy: "give one"})
		return nil
	}
	id := f.NewID(at+".line", in.Line, role, i)
	return &eventv1.Line{
		Line: id[:], Title: in.Title, Category: in.Category, Mapping: in.Mapping,
		Instrument: fields.Word[eventv1.Instrument](&f.Fields, at+".instrument", in.Instrument), Values: f.values(at+".values", in.Values),
		ControlAsset: in.ControlAsset, Earmark: in.Earmark, FiscalYear: in.FiscalYear, Flags: in.Flags, Sources: in.Sources,
	}
}

func (f *reader) item(at string, in *apiv1.Item) *eventv1.Item {
	out := &eventv1.Item{
		Name: in.GetName(), Labels: in.GetLabels(), Category: in.GetCategory(), Mapping: in.GetMapping(),
		QuantityStatus: f.status(at+".quantity_status", in.GetQuantityStatus(), in.GetQuantity()), QuantityAsset: in.GetQuantityAsset(),
		UnitPrices: f.values(at+".unit_prices", in.GetUnitPrices()), Values: f.values(at+".values", in.GetValues()),
		Flags: in.GetFlags(), Sources: in.GetSources(),
	}
	if in.GetQuantity() != "" {
		out.Quantity = f.AmountAt(at+".quantity_asset", in.GetQuantityAsset(), at+".quantity", in.GetQuantity()).Proto()
	}
	return out
}

func (f *reader) values(at string, in []*apiv1.Value) []*eventv1.Valuation {
	var out []*eventv1.Valuation
	for i, v := range in {
		at := fmt.Sprintf("%s[%d]", at, i)
		o := &eventv1.Valuation{
			Basis: v.GetBasis(), Status: f.status(at+".status", v.GetStatus(), v.GetAmount()), Asset: v.GetAsset(),
			Source: fields.Word[eventv1.ValueSource](&f.Fields, at+".source", v.GetSource()), BasisDate: f.Date(at+".basis_date", v.GetBasisDate()),
		}
		if v.GetAmount() != "" {
			o.Amount = f.Amount(at, v.GetAsset(), v.GetAmount()).Proto()
		}
		out = append(out, o)
	}
	return out
}

// status reads why a value is there or missing; with an amount it need not be said that it is stated.
func (f *reader) status(at, text, amount string) eventv1.ValueStatus {
	if text == "" && amount != "" {
		return eventv1.ValueStatus_VALUE_STATUS_STATED
	}
	return fields.Word[eventv1.ValueStatus](&f.Fields, at, text)
}
