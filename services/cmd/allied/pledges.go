package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/pledge"
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
			req.AtLeast, req.GroupOn = es.Position(atLeast), groupDay(req.Group, req.GroupOn)
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
	flags.StringVar(&req.Text, "text", "", "only pledges with this text in their title, a line's title or an outside id, in whatever case")
	groupFlags(flags, &req.Group, &req.GroupOn)
	flags.BoolVar(&req.Over, "over", false, "only pledges of which something stands beyond a cap")
	flags.UintVar(&limit, "limit", 0, "at most so many pledges (0: all)")
	atLeastFlag(flags, &atLeast)
	return cmd
}

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
	doc, err := listPledges(req, limit, func(req pledges.ListRequest) (got pledges.Listing, err error) {
		return got, refusedQuery(ledger.Query(ctx, "pledges", req, &got))
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
	doc := &listingDoc{}
	last, next, err := eachPage(limit, req.AtLeast, func(p page) (pageEnd, error) {
		req.Limit, req.Cursor, req.AtLeast = p.limit, p.cursor, p.atLeast
		got, err := ask(req)
		if p.cursor == "" {
			doc.Listing = got
		} else {
			doc.Pledges = append(doc.Pledges, got.Pledges...)
		}
		return pageEnd{got.Position, len(got.Pledges), got.Next}, err
	})
	doc.LastPagePosition, doc.Next = last, next
	return doc, err
}

// pledgeItem is a pledge as JSON lines print it: true by itself.
type pledgeItem struct {
	pledges.Pledge
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
}

// printListing shows one asset of each pledge: the one in which it went beyond a cap, else the first by basesShown.
func printListing(doc *listingDoc) *printout {
	out := &printout{document: doc, columns: []column{
		left("pledge"), left("donor"), left("first"), left("status"), left("title"), left("outside id"), left("asset"), amount("committed"),
		amount("allocated"), amount("over"), right("unknown"), left("flags"),
	}}
	for _, p := range doc.Pledges {
		shown := shownAsset(p.Books)
		over := ""
		for _, x := range p.Over {
			if x.Asset == shown {
				over = x.Amount
			}
		}
		out.add(strings.TrimPrefix(p.Stream, pledge.Kind+"-"), p.Donor, deref(p.First), p.Status, clipped(p.Title, 30), outsideIDCell(p),
			clipped(shown, 28), reachedIn(p.Books, "committed", shown), reachedIn(p.Books, "allocated", shown), over, strconv.FormatInt(p.Unknown, 10),
			clipped(strings.Join(p.Flags, " "), 30))
		out.items = append(out.items, pledgeItem{p, doc.Position, doc.Ordinal})
	}
	out.notes = append(out.notes, pageNote(len(doc.Pledges), counted(doc.Total, "pledge", "pledges"), doc.Position, doc.Ordinal, doc.LastPagePosition))
	if len(doc.Pledges) > 0 {
		out.notes = append(out.notes, "committed, allocated: all that was reached, in the one asset named, which names its basis; `allied pledge show ID` has every asset")
	}
	return out
}

// basesShown are the bases that a listing prefers, where a pledge has several: those that caps are counted in come first.
var basesShown = []string{"net_book", "tracker", "donor_stated"}

func shownAsset(b pledges.Books) string {
	if len(b.Over) > 0 {
		return b.Over[0].Asset
	}
	best, rank := "", len(basesShown)+2
	for _, r := range b.Ladder {
		of, err := asset.Parse(r.Asset)
		if err != nil {
			continue
		}
		at := slices.Index(basesShown, of.Basis)
		switch {
		case of.IsQuantity():
			at = len(basesShown) + 1
		case at < 0:
			at = len(basesShown)
		}
		if at < rank {
			best, rank = r.Asset, at
		}
	}
	return best
}

func reachedIn(b pledges.Books, stage, asset string) string {
	for _, r := range b.Ladder {
		if r.Stage == stage && r.Asset == asset {
			return r.Reached
		}
	}
	return ""
}

// outsideIDCell is the first outside id, and how many more there are.
func outsideIDCell(p pledges.Pledge) string {
	if len(p.References) == 0 {
		return ""
	}
	first := clipped(p.References[0].ExternalID, 16)
	if more := len(p.References) - 1; more > 0 {
		return fmt.Sprintf("%s +%d", first, more)
	}
	return first
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
