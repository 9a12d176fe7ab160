package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/pledges"
	"github.com/spf13/cobra"
)

func (c *cli) pledgesCommand() *cobra.Command {
	var req pledges.ListRequest
	var limit uint
	var atLeast uint64
	cmd := &cobra.Command{
		Use:   "pledges",
		Short: "List pledges with what they reached, and what went beyond a cap",
		Example: `  allied pledges --donor NOR --status open
  allied pledges --over
  allied pledges --category MIL.ARTY -o csv`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req.AtLeast = es.Position(atLeast)
			return c.pledges(cmd.Context(), req, int(limit))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Donor, "donor", "", "only this donor, such as NOR")
	flags.StringVar(&req.Beneficiary, "beneficiary", "", "only this beneficiary, such as UKR")
	flags.StringVar(&req.Category, "category", "", "only pledges with a line in this category or below it")
	flags.StringVar(&req.Status, "status", "", "only pledges that are "+strings.Join(pledges.Statuses(), ", or "))
	flags.StringVar(&req.Flag, "flag", "", "only pledges with this flag, such as synthetic")
	flags.StringVar(&req.ExternalID, "external-id", "", "only pledges with this outside id")
	flags.BoolVar(&req.Over, "over", false, "only pledges of which something stands beyond a cap")
	flags.UintVar(&limit, "limit", 0, "at most so many pledges (0: all)")
	flags.Uint64Var(&atLeast, "at-least", 0, "a position that the answer must hold, such as an answer of submit named")
	return cmd
}

// pledgePagesMax bounds how many pages one listing asks for, and pagePledges how many pledges each holds.
const (
	pledgePagesMax = 1000
	pagePledges    = 1000
)

// listingDoc is a whole listing. Where events came between its pages, the later ones are true at a later position.
type listingDoc struct {
	pledges.Listing
	LastPagePosition es.Position `json:"last_page_position,omitempty"`
}

func (c *cli) pledges(ctx context.Context, req pledges.ListRequest, limit int) error {
	ledger, closeLedger, err := c.connectToRead(ctx)
	if err != nil {
		return err
	}
	doc, err := listPledges(req, limit, func(req pledges.ListRequest) (page pledges.Listing, err error) {
		return page, refusedQuery(ledger.Query(ctx, "pledges", req, &page))
	})
	if err := errors.Join(err, closeLedger()); err != nil {
		return err
	}
	if c.form == formCSV {
		return printBooks(doc).write(c.stdout, c.form)
	}
	return printListing(doc).write(c.stdout, c.form)
}

// listPledges asks page after page until the limit, or the end.
func listPledges(req pledges.ListRequest, limit int, ask func(pledges.ListRequest) (pledges.Listing, error)) (*listingDoc, error) {
	var doc *listingDoc
	for range pledgePagesMax {
		req.Limit = pagePledges
		if limit > 0 {
			req.Limit = min(req.Limit, limit)
			if doc != nil {
				req.Limit = min(req.Limit, limit-len(doc.Pledges))
			}
		}
		page, err := ask(req)
		if err != nil {
			return nil, err
		}
		if doc == nil {
			doc = &listingDoc{Listing: page}
		} else {
			doc.Pledges = append(doc.Pledges, page.Pledges...)
			if page.Position != doc.Position {
				doc.LastPagePosition = page.Position
			}
		}
		doc.Next = page.Next
		if page.Next == "" || limit > 0 && len(doc.Pledges) >= limit {
			return doc, nil
		}
		req.Cursor, req.AtLeast = page.Next, page.Position
	}
	return nil, failf(exitFailure, "more than %d pledges; list fewer with --donor or --limit", pledgePagesMax*pagePledges)
}

// pledgeItem is a pledge as JSON lines print it: true by itself.
type pledgeItem struct {
	pledges.Pledge
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
}

func printListing(doc *listingDoc) *printout {
	out := &printout{document: doc, columns: []column{
		left("pledge"), left("donor"), left("first"), left("status"), left("title"), left("outside id"), right("committed"), right("allocated"),
		right("over"), right("unknown"),
	}}
	for _, p := range doc.Pledges {
		out.add(p.Stream, p.Donor, deref(p.First), p.Status, clipped(p.Title, 40), clipped(outsideIDs(p), 24), rungCell(p.Books, "committed"),
			rungCell(p.Books, "allocated"), excessCell(p.Over), strconv.FormatInt(p.Unknown, 10))
		out.items = append(out.items, pledgeItem{p, doc.Position, doc.Ordinal})
	}
	note := fmt.Sprintf("%d of %s, at position %d (ordinal %d)", len(doc.Pledges), counted(doc.Total, "pledge", "pledges"), doc.Position, doc.Ordinal)
	if doc.LastPagePosition > 0 {
		note += fmt.Sprintf("; the last page at position %d", doc.LastPagePosition)
	}
	out.notes = append(out.notes, note, "committed and allocated: what was reached, in the asset named; a second asset is shown by `allied pledge show`")
	return out
}

// rungCell is what a pledge reached at a stage, in money where it has any, and how many other assets there are.
func rungCell(b pledges.Books, stage string) string {
	var first *pledges.Rung
	others := -1
	for i, r := range b.Ladder {
		if r.Stage != stage {
			continue
		}
		others++
		if first == nil || isQuantity(first.Asset) && !isQuantity(r.Asset) {
			first = &b.Ladder[i]
		}
	}
	if first == nil {
		return ""
	}
	return withOthers(groupDigits(first.Reached)+" "+clipped(first.Asset, 28), others)
}

func excessCell(over []pledges.Excess) string {
	if len(over) == 0 {
		return ""
	}
	return withOthers(groupDigits(over[0].Amount)+" "+clipped(over[0].Asset, 28), len(over)-1)
}

func withOthers(cell string, others int) string {
	if others > 0 {
		return fmt.Sprintf("%s +%d", cell, others)
	}
	return cell
}

func isQuantity(name string) bool {
	a, err := asset.Parse(name)
	return err == nil && a.IsQuantity()
}

func outsideIDs(p pledges.Pledge) string {
	var ids []string
	for _, r := range p.References {
		ids = append(ids, r.ExternalID)
	}
	return strings.Join(ids, " ")
}

// clipped cuts text for a table's cell; what is cut ends with an ellipsis.
func clipped(text string, charactersMax int) string {
	if runes := []rune(text); len(runes) > charactersMax {
		return string(runes[:charactersMax-1]) + "…"
	}
	return text
}

// printBooks is a listing as a spreadsheet wants it: one row for each asset at each stage of each pledge.
func printBooks(doc *listingDoc) *printout {
	out := &printout{}
	for _, name := range []string{
		"stream", "donor", "beneficiary", "title", "status", "first", "last", "outside_ids", "flags", "stage", "asset", "reached", "standing",
		"unknown", "position", "ordinal",
	} {
		out.columns = append(out.columns, left(name))
	}
	for _, p := range doc.Pledges {
		row := func(stage, asset, reached, standing, unknown string) {
			out.add(p.Stream, p.Donor, p.Beneficiary, p.Title, p.Status, deref(p.First), deref(p.Last), outsideIDs(p), strings.Join(p.Flags, " "),
				stage, asset, reached, standing, unknown, strconv.FormatUint(uint64(doc.Position), 10), strconv.FormatUint(doc.Ordinal, 10))
		}
		for _, r := range p.Ladder {
			row(r.Stage, r.Asset, r.Reached, r.Standing, "")
		}
		for _, x := range append(p.Over[:len(p.Over):len(p.Over)], p.Beside...) {
			row(x.Account, x.Asset, "", x.Amount, "")
		}
		for _, u := range p.Undisclosed {
			row(u.Stage, "@"+u.Basis, "", "", strconv.FormatInt(u.Count, 10))
		}
		if len(p.Ladder)+len(p.Over)+len(p.Beside)+len(p.Undisclosed) == 0 {
			row("", "", "", "", "0")
		}
	}
	return out
}
