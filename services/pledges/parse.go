package pledges

import (
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/pledge"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/route"
	"github.com/google/uuid"
)

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
	f := &fields{in: in}
	meta := pledge.Meta{
		Named: in.Stream != es.StreamName(pledge.Kind, ident.StreamID(pledge.Kind, in.ID)),
		Donor: in.Envelope.Donor, Beneficiary: in.Envelope.Beneficiary, Effective: in.Envelope.Effective,
		Observed: in.Envelope.Observed, Override: in.Envelope.Override,
	}
	for _, s := range in.Envelope.Sources {
		meta.Sourced = meta.Sourced || s.GetPublisher() != ""
	}
	c := f.body(meta)
	if f.refused != nil {
		return nil, f.refused
	}
	return c, nil
}

func (f *fields) body(meta pledge.Meta) pledge.Command {
	switch b := f.in.Command.Body.(type) {
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
				Line: f.line(at+".line", l.GetLine(), "line", i), Firmness: word[eventv1.Firmness](f, at+".firmness", l.GetFirmness()),
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
			Meta: meta, Tranche: f.id(at+".tranche", b.RescheduleTranche.GetTranche()), Due: f.date(at+".due", b.RescheduleTranche.GetDue()),
		}
	case *apiv1.Command_ActivateTranche:
		const at = "activate_tranche"
		return &pledge.ActivateTranche{
			Meta: meta, Tranche: f.id(at+".tranche", b.ActivateTranche.GetTranche()), ThreatLevel: b.ActivateTranche.GetThreatLevel(),
			Firmness: word[eventv1.Firmness](f, at+".firmness", b.ActivateTranche.GetFirmness()),
		}
	case *apiv1.Command_ExpireTranche:
		return &pledge.ExpireTranche{Meta: meta, Tranche: f.id("expire_tranche.tranche", b.ExpireTranche.GetTranche())}
	case *apiv1.Command_ReserveDraw:
		return f.reserve(meta, b.ReserveDraw)
	case *apiv1.Command_ReleaseDraw:
		const at = "release_draw"
		c := &pledge.ReleaseDraw{Meta: meta, Draw: f.id(at+".draw", b.ReleaseDraw.GetDraw()), Asset: b.ReleaseDraw.GetAsset()}
		if c.Asset != "" || b.ReleaseDraw.GetAmount() != "" {
			c.Amount = f.amount(at, c.Asset, b.ReleaseDraw.GetAmount())
		}
		return c
	case *apiv1.Command_ClaimDelivery:
		return f.claim(meta, b.ClaimDelivery)
	case *apiv1.Command_SettleDraw:
		return &pledge.SettleDraw{Meta: meta, Draw: f.id("settle_draw.draw", b.SettleDraw.GetDraw())}
	default:
		return f.correction(meta)
	}
}

// correction reads what reduces, ends, joins or corrects a pledge.
func (f *fields) correction(meta pledge.Meta) pledge.Command {
	switch b := f.in.Command.Body.(type) {
	case *apiv1.Command_ReducePledge:
		const at = "reduce_pledge"
		a := b.ReducePledge.GetAsset()
		return &pledge.Reduce{Meta: meta, Asset: a, Amount: f.amount(at, a, b.ReducePledge.GetAmount())}
	case *apiv1.Command_CancelRemainder:
		return &pledge.CancelRemainder{Meta: meta}
	case *apiv1.Command_FulfilPledge:
		return &pledge.Fulfil{Meta: meta}
	case *apiv1.Command_LapsePledge:
		return &pledge.Lapse{Meta: meta}
	case *apiv1.Command_LinkPledge:
		return &pledge.LinkTo{
			Meta: meta, Link: word[eventv1.Link](f, "link_pledge.link", b.LinkPledge.GetLink()), Pledge: b.LinkPledge.GetPledge(),
		}
	case *apiv1.Command_ReclassifyLine:
		const at = "reclassify_line"
		return &pledge.Reclassify{
			Meta: meta, Line: f.id(at+".line", b.ReclassifyLine.GetLine()), Category: b.ReclassifyLine.GetCategory(),
			Instrument: word[eventv1.Instrument](f, at+".instrument", b.ReclassifyLine.GetInstrument()), Mapping: b.ReclassifyLine.GetMapping(),
		}
	case *apiv1.Command_RevalueLine:
		const at = "revalue_line"
		a := b.RevalueLine.GetAsset()
		var draw uuid.UUID
		if b.RevalueLine.GetDraw() != "" {
			draw = f.id(at+".draw", b.RevalueLine.GetDraw())
		}
		return &pledge.Revalue{
			Meta: meta, Line: f.id(at+".line", b.RevalueLine.GetLine()), Draw: draw, Stage: word[eventv1.Stage](f, at+".stage", b.RevalueLine.GetStage()),
			Asset: a, Delta: f.amountAt(at+".asset", a, at+".delta", b.RevalueLine.GetDelta()),
		}
	}
	f.refuse(&es.Refusal{Code: "unknown_command", Reason: "this service does not know the command", Remedy: "use a newer version of it"})
	return nil
}

func (f *fields) schedule(meta pledge.Meta, in *apiv1.ScheduleTranche) pledge.Command {
	const at = "schedule_tranche"
	c := &pledge.ScheduleTranche{
		Meta: meta, Tranche: f.newID(at+".tranche", in.GetTranche(), "tranche", 0), Due: f.date(at+".due", in.GetDue()), ThreatLevel: in.GetThreatLevel(),
	}
	if in.GetContingent() != nil {
		c.Contingent = f.line(at+".contingent", in.GetContingent(), "line", 0)
	}
	if in.GetOfLine() != "" {
		c.OfLine = f.id(at+".of_line", in.GetOfLine())
	}
	if in.GetAsset() != "" || in.GetAmount() != "" {
		c.Asset, c.Amount = in.GetAsset(), f.amount(at, in.GetAsset(), in.GetAmount())
	}
	return c
}

func (f *fields) reserve(meta pledge.Meta, in *apiv1.ReserveDraw) pledge.Command {
	const at = "reserve_draw"
	c := &pledge.ReserveDraw{
		Meta: meta, Draw: f.newID(at+".draw", in.GetDraw(), "draw", 0), Allocation: f.id(at+".allocation", in.GetAllocation()),
		Asset: in.GetAsset(), ForStream: in.GetForStream(),
	}
	if in.GetAsset() != "" || in.GetAmount() != "" {
		c.Amount = f.amount(at, in.GetAsset(), in.GetAmount())
	}
	c.Stated = f.stated(at+".stated", in.GetStated())
	return c
}

func (f *fields) stated(at string, in []*apiv1.AssetAmount) []*eventv1.AssetAmount {
	var out []*eventv1.AssetAmount
	for i, s := range in {
		out = append(out, &eventv1.AssetAmount{
			Asset: s.GetAsset(), Amount: f.amount(fmt.Sprintf("%s[%d]", at, i), s.GetAsset(), s.GetAmount()).Proto(),
		})
	}
	return out
}

func (f *fields) claim(meta pledge.Meta, in *apiv1.ClaimDelivery) pledge.Command {
	const at = "claim_delivery"
	c := &pledge.ClaimDelivery{
		Meta: meta, Line: f.id(at+".line", in.GetLine()), Asset: in.GetAsset(), Amount: f.amount(at, in.GetAsset(), in.GetAmount()),
		Stated: f.stated(at+".stated", in.GetStated()), Point: eventv1.DeliveryPoint_DELIVERY_POINT_UNSTATED, SameUnits: in.GetSameUnits(),
	}
	if in.GetPoint() != "" {
		c.Point = word[eventv1.DeliveryPoint](f, at+".point", in.GetPoint())
	}
	return c
}

func (f *fields) line(at string, in *apiv1.Line, role string, i int) *eventv1.Line {
	if in == nil {
		f.refuse(&es.Refusal{Code: "line_missing", Field: at, Reason: "the command has no line", Remedy: "give one"})
		return nil
	}
	id := f.newID(at+".line", in.Line, role, i)
	return &eventv1.Line{
		Line: id[:], Title: in.Title, Category: in.Category, Mapping: in.Mapping,
		Instrument: word[eventv1.Instrument](f, at+".instrument", in.Instrument), Values: f.values(at+".values", in.Values),
		ControlAsset: in.ControlAsset, Earmark: in.Earmark, FiscalYear: in.FiscalYear, Flags: in.Flags, Sources: in.Sources,
	}
}

func (f *fields) item(at string, in *apiv1.Item) *eventv1.Item {
	out := &eventv1.Item{
		Name: in.GetName(), Labels: in.GetLabels(), Category: in.GetCategory(), Mapping: in.GetMapping(),
		QuantityStatus: f.status(at+".quantity_status", in.GetQuantityStatus(), in.GetQuantity()), QuantityAsset: in.GetQuantityAsset(),
		UnitPrices: f.values(at+".unit_prices", in.GetUnitPrices()), Values: f.values(at+".values", in.GetValues()),
		Flags: in.GetFlags(), Sources: in.GetSources(),
	}
	if in.GetQuantity() != "" {
		out.Quantity = f.amountAt(at+".quantity_asset", in.GetQuantityAsset(), at+".quantity", in.GetQuantity()).Proto()
	}
	return out
}

func (f *fields) values(at string, in []*apiv1.Value) []*eventv1.Valuation {
	var out []*eventv1.Valuation
	for i, v := range in {
		at := fmt.Sprintf("%s[%d]", at, i)
		o := &eventv1.Valuation{
			Basis: v.GetBasis(), Status: f.status(at+".status", v.GetStatus(), v.GetAmount()), Asset: v.GetAsset(),
			Source: word[eventv1.ValueSource](f, at+".source", v.GetSource()), BasisDate: f.date(at+".basis_date", v.GetBasisDate()),
		}
		if v.GetAmount() != "" {
			o.Amount = f.amount(at, v.GetAsset(), v.GetAmount()).Proto()
		}
		out = append(out, o)
	}
	return out
}

// newID reads an id, or derives it from the command's, so that a retry names the same.
func (f *fields) newID(at, text, role string, i int) uuid.UUID {
	if text == "" {
		return ident.LineID(f.in.Stream, f.in.ID, role, i)
	}
	return f.id(at, text)
}
