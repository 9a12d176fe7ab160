// Package shipmenttest builds shipment commands and values for tests.
package shipmenttest

import (
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/shipment"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// Manifest is the hash of some manifest.
const Manifest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// Meta is a day.
func Meta() shipment.Meta {
	day, err := dates.Day(2022, 10, 1)
	if err != nil {
		panic(err)
	}
	return shipment.Meta{Effective: day}
}

// Event is the id of the event at a revision of the shipment of package given.
func Event(revision uint64) uuid.UUID {
	return given.Fact(given.Stream(shipment.Kind), revision, &eventv1.ShipmentArrived{}).ID
}

// Line is what a draw on an allocation of the pledge of package given reserved, in kind. Without an asset nothing of it can be counted.
func Line(draw, allocation int, asset, text string) *eventv1.DrawnLine {
	d, a := pledgetest.ID(draw), pledgetest.ID(allocation)
	l := &eventv1.DrawnLine{
		Draw: d[:], Pledge: given.Stream(pledge.Kind), Allocation: a[:], Asset: asset,
		Category: "MIL.AMMO", Instrument: eventv1.Instrument_INSTRUMENT_IN_KIND,
	}
	if asset != "" {
		l.Amount = pledgetest.Amount(asset, text).Proto()
	}
	return l
}

// Plan plans lines of the parties of package given.
func Plan(lines ...*eventv1.DrawnLine) *shipment.Plan {
	c := &shipment.Plan{Meta: Meta(), Title: "ammunition by rail"}
	for _, l := range lines {
		c.Lines = append(c.Lines, shipment.Drawn{Line: l, Donor: given.Donor, Beneficiary: given.Beneficiary})
	}
	return c
}

// Part is a part of a draw.
func Part(draw int, asset, text string, stated ...*eventv1.AssetAmount) shipment.Part {
	a := pledgetest.Amount(asset, text)
	return shipment.Part{Draw: pledgetest.ID(draw), Amount: &a, Asset: asset, Stated: stated}
}

// All is all of a draw that there is to move.
func All(draw int, stated ...*eventv1.AssetAmount) shipment.Part {
	return shipment.Part{Draw: pledgetest.ID(draw), Stated: stated}
}

// Stated is an amount beside the one that a draw is counted in.
func Stated(asset, text string) *eventv1.AssetAmount {
	return &eventv1.AssetAmount{Asset: asset, Amount: pledgetest.Amount(asset, text).Proto()}
}

// Dispatch sends parts on their way; without parts, all.
func Dispatch(parts ...shipment.Part) *shipment.Dispatch {
	return &shipment.Dispatch{Meta: Meta(), Parts: parts, Place: "Ramstein", ManifestHash: Manifest}
}

// HandOver hands parts over, and somebody signs.
func HandOver(parts ...shipment.Part) *shipment.HandOver {
	return &shipment.HandOver{
		Meta: Meta(), Parts: parts, Point: eventv1.DeliveryPoint_DELIVERY_POINT_BENEFICIARY,
		Evidence: eventv1.Evidence_EVIDENCE_SIGNED, Signatory: "Col. Shevchenko", Place: "Rzeszow",
	}
}

// Claim hands parts over, as somebody says.
func Claim(parts ...shipment.Part) *shipment.HandOver {
	return &shipment.HandOver{
		Meta: Meta(), Parts: parts, Point: eventv1.DeliveryPoint_DELIVERY_POINT_UNSTATED, Evidence: eventv1.Evidence_EVIDENCE_CLAIM,
	}
}

// Complete hands parts over of which nothing more comes.
func Complete(parts ...shipment.Part) *shipment.HandOver {
	c := HandOver(parts...)
	c.Complete = true
	return c
}

// Verify counts parts.
func Verify(parts ...shipment.Part) *shipment.Verify {
	return &shipment.Verify{Meta: Meta(), Parts: parts, Verifier: "inspector general"}
}

// Report tells a discrepancy.
func Report(kind eventv1.Discrepancy, part shipment.Part) *shipment.Report {
	return &shipment.Report{Meta: Meta(), Kind: kind, Part: part}
}

// Short tells what did not come.
func Short(part shipment.Part) *shipment.Report {
	return Report(eventv1.Discrepancy_DISCREPANCY_SHORT, part)
}

// Find finds parts that were missing.
func Find(parts ...shipment.Part) *shipment.Find { return &shipment.Find{Meta: Meta(), Parts: parts} }

// Lose loses parts.
func Lose(parts ...shipment.Part) *shipment.Lose {
	return &shipment.Lose{Meta: Meta(), Parts: parts, Cause: "sunk"}
}

// Return gives parts back for good.
func Return(parts ...shipment.Part) *shipment.Return {
	return &shipment.Return{Meta: Meta(), Parts: parts}
}

// Reopen gives parts back that are still owed.
func Reopen(parts ...shipment.Part) *shipment.Return {
	return &shipment.Return{Meta: Meta(), Parts: parts, Reopens: true}
}

// Reverse takes back the event at a revision.
func Reverse(revision uint64) *shipment.Reverse {
	return &shipment.Reverse{Meta: Meta(), Event: Event(revision)}
}

// Revalue changes the value of what stands of a draw.
func Revalue(draw int, stage eventv1.Stage, asset, delta string) *shipment.Revalue {
	return &shipment.Revalue{Meta: Meta(), Draw: pledgetest.ID(draw), Stage: stage, Asset: asset, Delta: pledgetest.Amount(asset, delta)}
}

// Close closes the shipment.
func Close() *shipment.Close { return &shipment.Close{Meta: Meta()} }
