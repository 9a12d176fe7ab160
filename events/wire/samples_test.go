package wire

import (
	"crypto/sha256"

	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	eventv2 "github.com/allied-ledger/allied/proto/gen/allied/event/v2"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// sample is an event as it was written once, and what reading it gives. Samples are only added: a new field of an event comes with a new
// sample, under a new name.
type sample struct {
	name   string
	stream string
	env    *eventv1.Envelope
	event  proto.Message
	read   es.Event // where an upcaster makes another message of it
}

var (
	pledgeStream   = es.StreamName("pledge", uuid.MustParse("6ba7b810-9dad-51d1-80b4-00c04fd430c8"))
	otherPledge    = es.StreamName("pledge", uuid.MustParse("886313e1-3b8a-5372-9b90-0c9aee199e5d"))
	shipmentStream = es.StreamName("shipment", uuid.MustParse("6ba7b811-9dad-51d1-80b4-00c04fd430c8"))
	paymentStream  = es.StreamName("payment", uuid.MustParse("6ba7b812-9dad-51d1-80b4-00c04fd430c8"))
	importStream   = es.StreamName("import", ident.ReleaseStream("kiel-ust", "2024-06"))
	commandID      = uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")
)

func bytesOf(name string) []byte {
	id := ident.LineID(pledgeStream, commandID, name, 0)
	return id[:]
}

func units(v int64) *eventv1.Amount { return money.New(v).Proto() }

func on(text, asStated string) *eventv1.Effective {
	e, err := dates.Parse(text)
	if err != nil {
		panic(err)
	}
	e.AsStated = asStated
	return e
}

func pledgeEnvelope() *eventv1.Envelope {
	digest := sha256.Sum256([]byte("a command"))
	return &eventv1.Envelope{
		Kind: "pledge", Donor: "DEU", Beneficiary: "UKR",
		Effective: on("2022-09-13", ""),
		Actor:     "treasury", ActorClaim: eventv1.ClaimStatus_CLAIM_STATUS_UNVERIFIED,
		CommandId: commandID[:], CommandDigest: digest[:],
		Marking: eventv1.Marking_MARKING_PUBLIC,
	}
}

// fullEnvelope says all that an envelope can say.
func fullEnvelope() *eventv1.Envelope {
	env := pledgeEnvelope()
	env.Effective = on("2022-03", "unclear, 03/22")
	env.Authority, env.AuthorityClaim = "budget committee", eventv1.ClaimStatus_CLAIM_STATUS_UNVERIFIED
	env.CorrelationId, env.CausationId = bytesOf("correlation"), bytesOf("causation")
	env.Sources = []*eventv1.Source{fullSource(), {Publisher: "a ministry", Url: "https://example.org/list"}}
	env.Reason = "the package grew"
	env.Corrects = [][]byte{bytesOf("first"), bytesOf("second")}
	env.Observed = true
	env.Override = &eventv1.Override{Authority: "the minister", Reason: "urgent"}
	env.Flags = []*eventv1.Flag{{Code: "lookalike_letter", Note: "the id begins with a Cyrillic letter"}}
	return env
}

func fullSource() *eventv1.Source {
	return &eventv1.Source{
		Publisher: "a tracker", Release: "2024-06", ExternalId: "СZM39", Url: "https://example.org/tracker",
		ContentHash: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Locator: "row 17",
	}
}

func mapping() *eventv1.CategoryMapping {
	return &eventv1.CategoryMapping{Mapping: "kiel", Version: "1", AsFound: "Heavy weapon / Howitzer"}
}

func valuation(basis, asset string, amount int64) *eventv1.Valuation {
	return &eventv1.Valuation{
		Basis: basis, Status: eventv1.ValueStatus_VALUE_STATUS_STATED, Asset: asset, Amount: units(amount),
		Source: eventv1.ValueSource_VALUE_SOURCE_GIVEN, BasisDate: on("2022", ""),
	}
}

func line(name string) *eventv1.Line {
	return &eventv1.Line{
		Line: bytesOf(name), Title: "Panzerhaubitzen", Category: "MIL.ARTY", Mapping: mapping(),
		Instrument: eventv1.Instrument_INSTRUMENT_IN_KIND,
		Values: []*eventv1.Valuation{
			valuation("tracker", "EUR/2@tracker", 62_500_000_00), valuation("donor_stated", "EUR/2@donor_stated", 60_000_000_00),
			{Basis: "net_book", Status: eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED, Source: eventv1.ValueSource_VALUE_SOURCE_NONE},
		},
		ControlAsset: "EUR/2@tracker", Earmark: "artillery", FiscalYear: "2022",
		Flags: []*eventv1.Flag{{Code: "plug", Note: "an estimate"}}, Sources: []*eventv1.Source{fullSource()},
	}
}

func item() *eventv1.Item {
	return &eventv1.Item{
		Name: "155 mm howitzer", Labels: []string{"Heavy weapon", "Howitzer"}, Category: "MIL.ARTY", Mapping: mapping(),
		QuantityStatus: eventv1.ValueStatus_VALUE_STATUS_STATED, QuantityAsset: "each/6:155 mm howitzer", Quantity: units(14_000_000),
		UnitPrices: []*eventv1.Valuation{valuation("price_list", "USD/2@price_list", 4_500_000_00)},
		Values:     []*eventv1.Valuation{{Basis: "tracker", Status: eventv1.ValueStatus_VALUE_STATUS_INCLUDED}},
		Flags:      []*eventv1.Flag{{Code: "synthetic"}}, Sources: []*eventv1.Source{fullSource()},
	}
}

func split(stage eventv1.Stage, to eventv1.RestTo) *eventv1.Split {
	return &eventv1.Split{
		Asset: "EUR/2@tracker",
		Reliefs: []*eventv1.Relief{
			{Line: bytesOf("older"), Stage: stage, Amount: units(100_00)},
			{Line: bytesOf("newer"), Stage: stage, Amount: units(25_50)},
		},
		Rest: units(7), RestTo: to,
	}
}

func samples() []sample {
	var all []sample
	for _, of := range []struct {
		stream  string
		samples []sample
	}{{pledgeStream, pledgeSamples()}, {shipmentStream, shipmentSamples()}, {paymentStream, paymentSamples()}} {
		kind, _, _ := es.ParseStream(of.stream)
		for _, s := range of.samples {
			s.stream = of.stream
			if s.env == nil {
				s.env = pledgeEnvelope()
			}
			s.env.Kind = kind
			all = append(all, s)
		}
	}
	closing := pledgeEnvelope()
	closing.Kind, closing.Donor, closing.Effective = "import", "_", on("unknown", "")
	return append(all, sample{name: "ImportCompleted.v1", stream: importStream, env: closing, event: &eventv1.ImportCompleted{
		Dataset: "kiel-ust", Release: "2024-06", Rows: 3737, Pledges: 1235, Allocations: 1679,
		Columns: []*eventv1.ColumnTotal{{
			Column: "Allocated Total in EUR", Asset: "EUR/2@tracker", Sum: units(203100979501_11), RowsStated: 1544, RowsMissing: 2193,
		}},
		FlagCounts: []*eventv1.FlagCount{{Code: "lookalike_letter", Rows: 1}, {Code: "plug", Rows: 12}},
	}})
}

func pledgeSamples() []sample {
	const (
		announced  = eventv1.Stage_STAGE_ANNOUNCED
		contingent = eventv1.Stage_STAGE_CONTINGENT
		committed  = eventv1.Stage_STAGE_COMMITTED
		allocated  = eventv1.Stage_STAGE_ALLOCATED
		origin     = eventv1.RestTo_REST_TO_ORIGIN
		over       = eventv1.RestTo_REST_TO_OVER
		unmeasured = eventv1.RestTo_REST_TO_UNMEASURED
	)
	draw, tranche := bytesOf("draw"), bytesOf("tranche")
	splits := func(s ...*eventv1.Split) []*eventv1.Split { return s }
	reduced := &eventv1.PledgeReduced{Line: bytesOf("line"), Stage: committed, Asset: "EUR/2@tracker", Amount: units(12_00)}
	return []sample{
		{name: "PledgeAnnounced.v1", env: fullEnvelope(), event: &eventv1.PledgeAnnounced{Title: "Paket „Herbst“", Lines: []*eventv1.Line{line("announced")}}},
		{name: "PledgeCommitted.v1", event: &eventv1.PledgeCommitted{Title: "Paket „Herbst“", Commitments: []*eventv1.Commitment{{
			Line: line("commitment"), Firmness: eventv1.Firmness_FIRMNESS_STATED,
			Splits: splits(split(announced, origin)), Covers: splits(split(allocated, 0)),
		}}}},
		{name: "PledgeAllocated.v1", event: &eventv1.PledgeAllocated{
			Title: "Haubitzen", Line: line("allocation"), Items: []*eventv1.Item{item(), {Name: "shells"}}, Splits: splits(split(committed, over)),
		}},
		{name: "TrancheScheduled.v1.by-date", event: &eventv1.TrancheScheduled{
			Tranche: tranche, Due: on("until 2022-12-31", "until 12/31/2022"), OfLine: bytesOf("commitment"), Asset: "EUR/2@tracker", Amount: units(50_00),
		}},
		{name: "TrancheScheduled.v1.by-threat", event: &eventv1.TrancheScheduled{Tranche: tranche, ThreatLevel: 3, Contingent: line("contingent")}},
		{name: "TrancheRescheduled.v1", event: &eventv1.TrancheRescheduled{Tranche: tranche, Due: on("2023-03", ""), OriginalDue: on("2022-12-31", "")}},
		{name: "TrancheActivated.v1", event: &eventv1.TrancheActivated{
			Tranche: tranche, ThreatLevel: 3, Firmness: eventv1.Firmness_FIRMNESS_FIRM, Line: bytesOf("contingent"),
			Splits: splits(split(contingent, 0)), Covers: splits(split(allocated, 0)),
		}},
		{name: "TrancheExpired.v1", event: &eventv1.TrancheExpired{Tranche: tranche, Line: bytesOf("contingent"), Splits: splits(split(contingent, 0))}},
		{name: "DrawReserved.v1", event: &eventv1.DrawReserved{
			Draw: draw, Allocation: bytesOf("allocation"), Asset: "EUR/2@tracker", Amount: units(-1), Split: split(allocated, over),
			Stated:    []*eventv1.AssetAmount{{Asset: "each/6:155 mm howitzer", Amount: money.MaxAmount.Proto()}},
			ForStream: "shipment-6ba7b811-9dad-51d1-80b4-00c04fd430c8",
		}},
		{name: "DrawReleased.v1", event: &eventv1.DrawReleased{Draw: draw}},
		{name: "DrawReleased.v1.part", event: &eventv1.DrawReleased{Draw: draw, Amount: units(100_00), Split: split(allocated, over)}},
		{name: "DrawSettled.v1", event: &eventv1.DrawSettled{Draw: draw}},
		{name: "PledgeReduced.v1", event: reduced, read: &eventv2.PledgeReduced{Split: &eventv1.Split{
			Asset: "EUR/2@tracker", Reliefs: []*eventv1.Relief{{Line: bytesOf("line"), Stage: committed, Amount: units(12_00)}},
		}}},
		{name: "PledgeReduced.v2", event: &eventv2.PledgeReduced{Split: split(committed, 0)}},
		{name: "RemainderCancelled.v1", event: &eventv1.RemainderCancelled{Splits: splits(split(committed, 0), split(allocated, unmeasured))}},
		{name: "PledgeFulfilled.v1", event: &eventv1.PledgeFulfilled{}},
		{name: "PledgeLapsed.v1", event: &eventv1.PledgeLapsed{Splits: splits(split(allocated, 0))}},
		{name: "PledgeLinked.v1", event: &eventv1.PledgeLinked{Link: eventv1.Link_LINK_REIMBURSES, Pledge: otherPledge}},
		{name: "LineReclassified.v1", event: &eventv1.LineReclassified{
			Line: bytesOf("allocation"), FromCategory: "MIL.UNMAPPED", ToCategory: "MIL.ARTY",
			FromInstrument: eventv1.Instrument_INSTRUMENT_UNKNOWN, ToInstrument: eventv1.Instrument_INSTRUMENT_IN_KIND, Mapping: mapping(),
		}},
		{name: "LineRevalued.v1", event: &eventv1.LineRevalued{
			Line: bytesOf("allocation"), Stage: allocated, Asset: "EUR/2@tracker", Delta: units(-3_00),
		}},
		{name: "LineRevalued.v1.draw", event: &eventv1.LineRevalued{
			Line: bytesOf("allocation"), Stage: eventv1.Stage_STAGE_RESERVED, Asset: "EUR/2@net_book", Delta: units(3_00), Draw: draw,
		}},
		{name: "DeliveryClaimed.v1", event: &eventv1.DeliveryClaimed{
			Line: bytesOf("allocation"), Asset: "EUR/2@tracker", Amount: units(6_48), Split: split(allocated, eventv1.RestTo_REST_TO_DIFFERENCE),
			Stated: []*eventv1.AssetAmount{{Asset: "each/6:155 mm howitzer", Amount: units(4_000_000)}},
			Point:  eventv1.DeliveryPoint_DELIVERY_POINT_UNSTATED,
		}},
	}
}

// movement says all that a movement can say.
func movement(stage eventv1.Stage) *eventv1.Movement {
	return &eventv1.Movement{
		Draw: bytesOf("draw"), Pledge: pledgeStream, Amount: units(125_57), Split: split(stage, eventv1.RestTo_REST_TO_OVER),
		Stated: []*eventv1.AssetAmount{{Asset: "each/6:155 mm howitzer", Amount: units(14_000_000)}}, Serials: []string{"PzH 2000 No 17"},
	}
}

func drawnLine() *eventv1.DrawnLine {
	return &eventv1.DrawnLine{
		Draw: bytesOf("draw"), Pledge: pledgeStream, Allocation: bytesOf("allocation"), Asset: "EUR/2@tracker", Amount: units(125_57),
		Category: "MIL.ARTY", Instrument: eventv1.Instrument_INSTRUMENT_IN_KIND,
	}
}

func shipmentSamples() []sample {
	const manifest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	moved := func(s eventv1.Stage) []*eventv1.Movement { return []*eventv1.Movement{movement(s)} }
	const dispatched, handedOver = eventv1.Stage_STAGE_DISPATCHED, eventv1.Stage_STAGE_HANDED_OVER
	return []sample{
		{name: "ShipmentPlanned.v1", event: &eventv1.ShipmentPlanned{Title: "Haubitzen, erster Zug", Lines: []*eventv1.DrawnLine{drawnLine()}}},
		{name: "ShipmentDispatched.v1", event: &eventv1.ShipmentDispatched{
			Movements: moved(eventv1.Stage_STAGE_RESERVED), Place: "Idar-Oberstein", ManifestHash: manifest,
		}},
		{name: "ShipmentArrived.v1", event: &eventv1.ShipmentArrived{Place: "Rzeszów"}},
		{name: "ShipmentHandedOver.v1", event: &eventv1.ShipmentHandedOver{
			Movements: moved(dispatched), Point: eventv1.DeliveryPoint_DELIVERY_POINT_BENEFICIARY, Evidence: eventv1.Evidence_EVIDENCE_SIGNED,
			Signatory: "Col. N. N.", Place: "Yavoriv",
		}},
		{name: "ShipmentVerified.v1", event: &eventv1.ShipmentVerified{Movements: moved(handedOver), Verifier: "inspectors"}},
		{name: "ShipmentDiscrepancy.v1", event: &eventv1.ShipmentDiscrepancy{Kind: eventv1.Discrepancy_DISCREPANCY_SHORT, Movement: movement(dispatched)}},
		{name: "ShipmentFound.v1", event: &eventv1.ShipmentFound{Movements: moved(eventv1.Stage_STAGE_MISSING)}},
		{name: "ShipmentLost.v1", event: &eventv1.ShipmentLost{Movements: moved(eventv1.Stage_STAGE_MISSING), Cause: "fire"}},
		{name: "ShipmentReturned.v1", event: &eventv1.ShipmentReturned{Movements: moved(handedOver), Reopens: true}},
		{name: "ShipmentReversed.v1", event: &eventv1.ShipmentReversed{Event: bytesOf("event"), Movements: moved(handedOver)}},
		{name: "ShipmentRevalued.v1", event: &eventv1.ShipmentRevalued{
			Draw: bytesOf("draw"), Pledge: pledgeStream, Stage: dispatched, Asset: "EUR/2@net_book", Delta: units(-5_00),
		}},
		{name: "ShipmentClosed.v1", event: &eventv1.ShipmentClosed{Unused: moved(eventv1.Stage_STAGE_RESERVED)}},
		{name: "ShipmentClosed.v1.used", event: &eventv1.ShipmentClosed{Used: []*eventv1.Movement{{Draw: bytesOf("draw"), Pledge: pledgeStream}}}},
	}
}

func paymentSamples() []sample {
	party := func(name string) *eventv1.Party {
		return &eventv1.Party{Name: name, Account: "DE89370400440532013000", Agent: "COBADEFFXXX"}
	}
	const instructed, booked = eventv1.Stage_STAGE_INSTRUCTED, eventv1.Stage_STAGE_BOOKED
	draw := bytesOf("draw")
	return []sample{
		{name: "PaymentInstructed.v1", event: &eventv1.PaymentInstructed{
			Line: drawnLine(), Movement: movement(eventv1.Stage_STAGE_RESERVED), Tranche: bytesOf("tranche"), Debtor: party("a ministry"),
			Creditor: party("a treasury"), EndToEndId: "PAY-17", Uetr: "eb6305c9-1f7f-49de-aed0-16487c27b42d",
		}},
		{name: "PaymentAccepted.v1", event: &eventv1.PaymentAccepted{Status: "ACSP"}},
		{name: "PaymentRejected.v1", event: &eventv1.PaymentRejected{ReasonCode: "AC04", Movement: movement(instructed)}},
		{name: "PaymentBooked.v1", event: &eventv1.PaymentBooked{
			Movement: movement(instructed), Point: eventv1.BookingPoint_BOOKING_POINT_CREDITED, Fee: units(25), BookedAsset: "UAH/2@donor_stated",
			BookedAmount: units(5_000_00), BankReference: "2024061100017",
		}},
		{name: "PaymentReturned.v1", event: &eventv1.PaymentReturned{Movement: movement(booked), Reopens: true, ReasonCode: "AC04"}},
		{name: "PaymentReversed.v1", event: &eventv1.PaymentReversed{Event: bytesOf("event"), Movement: movement(booked)}},
		{name: "LoanInterestDue.v1", event: &eventv1.LoanInterestDue{Draw: draw, Pledge: pledgeStream, Asset: "EUR/2@donor_stated", Amount: units(3_00)}},
		{name: "LoanInterestPaid.v1", event: &eventv1.LoanInterestPaid{Draw: draw, Pledge: pledgeStream, Asset: "EUR/2@donor_stated", Amount: units(3_00)}},
		{name: "LoanRepaid.v1", event: &eventv1.LoanRepaid{
			Draw: draw, Pledge: pledgeStream, Asset: "EUR/2@donor_stated", Amount: units(50_00), SourceOfFunds: "income of immobilised assets",
		}},
		{name: "LoanForgiven.v1", event: &eventv1.LoanForgiven{Draw: draw, Pledge: pledgeStream, Asset: "EUR/2@donor_stated", Amount: units(7_00)}},
	}
}
