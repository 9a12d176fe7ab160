package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/shipment"
	"github.com/allied-ledger/allied/projections/shipments"
	"github.com/spf13/cobra"
)

func (c *cli) shipmentsCommand() *cobra.Command {
	var req shipments.ListRequest
	var limit uint
	var atLeast uint64
	cmd := &cobra.Command{
		Use:   "shipments",
		Short: "List shipments with what is reserved, dispatched and handed over",
		Example: `  allied shipments --donor NOR --status dispatched
  allied shipments --pledge pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8
  allied shipments --category MIL.ARTY -o csv`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req.AtLeast = es.Position(atLeast)
			return c.shipments(cmd.Context(), req, int(limit))
		},
	}
	drawnFilters{&req.Donor, &req.Beneficiary, &req.Category, &req.Pledge, &req.Status, &req.Text, &limit, &atLeast}.
		declare(cmd.Flags(), "shipments", shipments.Statuses(), "their title or places")
	return cmd
}

func (c *cli) shipmentCommand() *cobra.Command {
	return showCommand("shipment", "Print one shipment with the rungs of each of its lines, and its discrepancies",
		`Prints one shipment. ID is its stream, or its UUID alone. Each line is a draw on an allocation of a pledge, and is counted in the draw's asset;
one whose allocation states neither value nor quantity cannot be counted, and says which rungs it is on.`,
		`  allied shipment show shipment-6ba7b810-9dad-51d1-80b4-00c04fd430c8
  allied shipment show 6ba7b810-9dad-51d1-80b4-00c04fd430c8 -o json`,
		func(cmd *cobra.Command, id string, atLeast es.Position) error {
			return c.showShipment(cmd.Context(), shipments.ShowRequest{ID: id, AtLeast: atLeast})
		})
}

// shipmentsDoc is a whole listing. Where events came between its pages, the later ones are true at a later position.
type shipmentsDoc struct {
	shipments.Listing
	LastPagePosition es.Position `json:"last_page_position,omitempty"`
}

func (c *cli) shipments(ctx context.Context, req shipments.ListRequest, limit int) error {
	ledger, closeLedger, err := c.connectToRead(ctx)
	if err != nil {
		return err
	}
	doc := &shipmentsDoc{}
	last, next, err := eachPage(limit, req.AtLeast, func(p page) (pageEnd, error) {
		req.Limit, req.Cursor, req.AtLeast = p.limit, p.cursor, p.atLeast
		var got shipments.Listing
		if err := refusedQuery(ledger.Query(ctx, "shipments", req, &got)); err != nil {
			return pageEnd{}, err
		}
		if p.cursor == "" {
			doc.Listing = got
		} else {
			doc.Shipments = append(doc.Shipments, got.Shipments...)
		}
		return pageEnd{got.Position, len(got.Shipments), got.Next}, nil
	})
	if err := errors.Join(err, closeLedger()); err != nil {
		return err
	}
	doc.LastPagePosition, doc.Next = last, next
	if c.form == formCSV {
		return printShipmentRungs(doc).write(c.stdout, c.form)
	}
	return printShipments(doc).write(c.stdout, c.form)
}

// shipmentItem is a shipment as JSON lines print it: true by itself.
type shipmentItem struct {
	shipments.Shipment
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
}

// printShipments has a row for each asset of each shipment.
func printShipments(doc *shipmentsDoc) *printout {
	out := &printout{document: doc, columns: []column{
		left("shipment"), left("donor"), left("first"), left("status"), left("title"), left("asset"), amount("reserved"), amount("dispatched"),
		amount("handed over"), amount("claimed"), amount("missing"), amount("lost"), right("discrepancies"),
	}}
	for _, s := range doc.Shipments {
		for _, asset := range assetsOf(s.Rungs) {
			cells := []string{strings.TrimPrefix(s.Stream, shipment.Kind+"-"), s.Donor, deref(s.First), s.Status, clipped(s.Title, 30), clipped(asset, 28)}
			for _, stage := range []string{"reserved", "dispatched", "handed_over", "claimed", "missing", "lost"} {
				cells = append(cells, reachedRung(s.Rungs, stage, asset))
			}
			out.add(append(cells, strconv.Itoa(s.Discrepancies))...)
		}
		out.items = append(out.items, shipmentItem{s, doc.Position, doc.Ordinal})
	}
	out.notes = append(out.notes, pageNote(len(doc.Shipments), counted(doc.Total, "shipment", "shipments"), doc.Position, doc.Ordinal, doc.LastPagePosition))
	if len(doc.Shipments) > 0 {
		out.notes = append(out.notes, "all that each rung reached, in the asset of the draws, which names its basis; lines without one cannot be counted; `allied shipment show ID` has what stands there")
	}
	return out
}

// assetsOf are the assets of rungs, in their order; they hold the one without a name where lines cannot be counted.
func assetsOf(rungs []shipments.Rung) (assets []string) {
	seen := map[string]bool{}
	for _, r := range rungs {
		if !seen[r.Asset] {
			seen[r.Asset] = true
			assets = append(assets, r.Asset)
		}
	}
	return assets
}

// reachedRung is what reached a stage; empty where nothing did, and a number of lines where they cannot be counted.
func reachedRung(rungs []shipments.Rung, stage, asset string) string {
	for _, r := range rungs {
		if r.Stage == stage && r.Asset == asset {
			if r.Reached == nil {
				return counted(r.Lines, "line", "lines")
			}
			return *r.Reached
		}
	}
	return ""
}

// printShipmentRungs is a listing as a spreadsheet wants it: one row for each asset on each rung of each shipment.
func printShipmentRungs(doc *shipmentsDoc) *printout {
	out := &printout{}
	for _, name := range []string{
		"stream", "donor", "beneficiary", "title", "status", "first", "last", "dispatched_from", "arrived_at", "handed_over_at", "point", "evidence",
		"manifest_hash", "discrepancies", "stage", "asset", "reached", "standing", "over", "lines", "position", "ordinal",
	} {
		out.columns = append(out.columns, left(name))
	}
	for _, s := range doc.Shipments {
		for _, r := range s.Rungs {
			out.add(s.Stream, s.Donor, s.Beneficiary, s.Title, s.Status, deref(s.First), deref(s.Last), s.DispatchedFrom, s.ArrivedAt, s.HandedOverAt, s.Point,
				s.Evidence, deref(s.ManifestHash), strconv.Itoa(s.Discrepancies), r.Stage, r.Asset, deref(r.Reached), deref(r.Standing), deref(r.Over),
				strconv.Itoa(r.Lines), strconv.FormatUint(uint64(doc.Position), 10), strconv.FormatUint(doc.Ordinal, 10))
		}
	}
	return out
}

func (c *cli) showShipment(ctx context.Context, req shipments.ShowRequest) error {
	var d shipments.Detail
	if err := c.query(ctx, "shipment", req, &d); err != nil {
		return err
	}
	return c.deliver(&d, func() *printout { return printShipmentLines(&d) }, func() error { return c.writeShipment(&d) })
}

// writeShipment prints a shipment for a person: its facts, each line's rungs, and what came and was not sent.
func (c *cli) writeShipment(d *shipments.Detail) error {
	var b bytes.Buffer
	manifest := deref(d.ManifestHash)
	if manifest == "" && slices.ContainsFunc(d.Rungs, func(r shipments.Rung) bool { return r.Stage == "dispatched" }) {
		manifest = "none"
	}
	err := writeFacts(&b, [][2]string{
		{"shipment", d.Stream},
		{"title", d.Title},
		{"from", d.Donor + prefixed(", ", d.DispatchedFrom)},
		{"via", d.ArrivedAt},
		{"to", d.Beneficiary + prefixed(", ", d.HandedOverAt)},
		{"status", d.Status},
		{"dates", spanned(d.First, d.Last)},
		{"manifest", manifest},
		{"received", strings.TrimPrefix(prefixed(", at ", d.Point)+prefixed(", ", d.Evidence)+prefixed(" by ", d.Signatory), ", ")},
		{"verified", prefixed("by ", d.Verifier)},
	})
	if err != nil {
		return err
	}
	if d.Lines > 1 {
		b.WriteString("\nwhole shipment\n")
		if err := indented(&b, printRungs(d.Rungs)); err != nil {
			return err
		}
	}
	for _, l := range d.Drawn {
		fmt.Fprintf(&b, "\n%s, %s\n  draw %s\n  on allocation %s of %s\n", l.Category, l.Instrument, l.Draw, l.Allocation, l.Pledge)
		if err := indented(&b, printRungs(l.Rungs)); err != nil {
			return err
		}
	}
	if len(d.Told) > 0 {
		b.WriteString("\ndiscrepancies\n")
		if err := indented(&b, printDiscrepancies(d.Told)); err != nil {
			return err
		}
	}
	fmt.Fprintf(&b, "\neach asset names its basis; at position %d (ordinal %d)\n", d.Position, d.Ordinal)
	_, err = c.stdout.Write(b.Bytes())
	return err
}

func printRungs(rungs []shipments.Rung) *printout {
	out := &printout{columns: []column{left("stage"), left("asset"), amount("reached"), amount("standing"), amount("over")}}
	for _, r := range rungs {
		if r.Reached == nil {
			out.add(r.Stage, "", counted(r.Lines, "line", "lines"), "", "")
			continue
		}
		out.add(r.Stage, r.Asset, *r.Reached, *r.Standing, *r.Over)
	}
	return out
}

func printDiscrepancies(told []shipments.Discrepancy) *printout {
	out := &printout{columns: []column{left("kind"), left("date"), left("asset"), amount("amount"), right("serials"), left("draw"), left("event")}}
	for _, x := range told {
		kind := x.Kind
		if x.Reversed {
			kind += ", reversed"
		}
		out.add(kind, x.Effective, x.Asset, deref(x.Amount), strconv.FormatInt(x.Serials, 10), x.Draw, x.Event)
	}
	return out
}

// printShipmentLines is a shipment as a spreadsheet wants it: one row for each rung of each line.
func printShipmentLines(d *shipments.Detail) *printout {
	out := &printout{}
	for _, name := range []string{
		"stream", "draw", "pledge", "allocation", "category", "instrument", "stage", "asset", "reached", "standing", "over", "position", "ordinal",
	} {
		out.columns = append(out.columns, left(name))
	}
	for _, l := range d.Drawn {
		for _, r := range l.Rungs {
			out.add(d.Stream, l.Draw, l.Pledge, l.Allocation, l.Category, l.Instrument, r.Stage, r.Asset, deref(r.Reached), deref(r.Standing), deref(r.Over),
				strconv.FormatUint(uint64(d.Position), 10), strconv.FormatUint(d.Ordinal, 10))
		}
	}
	return out
}
