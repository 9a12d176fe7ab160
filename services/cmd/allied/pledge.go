package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/pledges"
	"github.com/spf13/cobra"
)

func (c *cli) pledgeCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "pledge",
		Short: "Look at one pledge",
	})
	var atLeast uint64
	show := &cobra.Command{
		Use:   "show ID",
		Short: "Print one pledge with the ladder of each of its lines",
		Long: `Prints one pledge. ID is its stream, its UUID alone, or an outside id such as the tracker's where one pledge alone has it: outside ids
are references, never keys.`,
		Example: `  allied pledge show pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8
  allied pledge show USA42`,
		Args: exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.showPledge(cmd.Context(), pledges.ShowRequest{ID: args[0], AtLeast: es.Position(atLeast)})
		},
	}
	show.Flags().Uint64Var(&atLeast, "at-least", 0, "a position that the answer must hold, such as an answer of submit named")
	cmd.AddCommand(show)
	return cmd
}

func (c *cli) showPledge(ctx context.Context, req pledges.ShowRequest) error {
	var detail pledges.Detail
	if err := c.query(ctx, "pledge", req, &detail); err != nil {
		return err
	}
	switch c.form {
	case formJSON:
		return writeJSON(c.stdout, detail)
	case formJSONL:
		return writeJSONLine(c.stdout, detail)
	case formCSV:
		return printLines(&detail).write(c.stdout, c.form)
	}
	return writeDetail(c.stdout, &detail)
}

// writeDetail prints a pledge for a person: its facts, its ladder, then each line's.
func writeDetail(w io.Writer, d *pledges.Detail) error {
	var b bytes.Buffer
	facts := [][2]string{
		{"pledge", d.Stream},
		{"title", d.Title},
		{"from", d.Donor},
		{"to", d.Beneficiary},
		{"status", d.Status},
		{"dates", datesOf(d.Pledge)},
		{"flags", strings.Join(d.Flags, ", ")},
	}
	for _, r := range d.References {
		facts = append(facts, [2]string{"source", strings.TrimSpace(strings.Join([]string{r.Publisher, r.Release, r.ExternalID}, " "))})
	}
	for _, fact := range facts {
		if fact[1] != "" {
			fmt.Fprintf(&b, "%-8s %s\n", fact[0], visible(fact[1]))
		}
	}
	b.WriteString("\nwhole pledge\n")
	if err := writeBooks(&b, d.Books); err != nil {
		return err
	}
	for _, l := range d.Lines {
		fmt.Fprintf(&b, "\n%s %s, %s%s, %s\n", l.Entered, l.Category, l.Instrument, prefixed(", ", l.Firmness), l.Effective)
		fmt.Fprintf(&b, "  line %s%s\n", l.Line, prefixed("  ", visible(clipped(l.Title, 90))))
		if len(l.Flags) > 0 {
			fmt.Fprintf(&b, "  flags %s\n", visible(strings.Join(l.Flags, ", ")))
		}
		if err := writeBooks(&b, l.Books); err != nil {
			return err
		}
	}
	fmt.Fprintf(&b, "\neach asset names its basis; at position %d (ordinal %d)\n", d.Position, d.Ordinal)
	_, err := w.Write(b.Bytes())
	return err
}

func datesOf(p pledges.Pledge) string {
	first, last := deref(p.First), deref(p.Last)
	if first == last {
		return first
	}
	return first + " to " + last
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func writeBooks(w io.Writer, books pledges.Books) error {
	out := &printout{columns: []column{left("stage"), left("asset"), amount("reached"), amount("standing")}}
	for _, r := range books.Ladder {
		out.add(r.Stage, r.Asset, r.Reached, r.Standing)
	}
	for _, x := range books.Over {
		out.add(x.Account, x.Asset, "", x.Amount)
	}
	for _, x := range books.Beside {
		out.add(x.Account, x.Asset, "", x.Amount)
	}
	for _, u := range books.Undisclosed {
		out.notes = append(out.notes, fmt.Sprintf("undisclosed on basis %s at %s: %d", u.Basis, u.Stage, u.Count))
	}
	for _, stage := range books.NotReported {
		out.notes = append(out.notes, "not reported: "+stage+" (what is claimed names no shipment)")
	}
	if len(out.rows) == 0 && len(out.notes) == 0 {
		out.notes = append(out.notes, "posts nothing")
	}
	var b bytes.Buffer
	if err := out.writeTable(&b); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		if _, err := io.WriteString(w, "  "+line); err != nil {
			return err
		}
	}
	return nil
}

// printLines is a pledge as a spreadsheet wants it: one row for each asset at each stage of each line.
func printLines(d *pledges.Detail) *printout {
	out := &printout{}
	for _, name := range []string{
		"stream", "line", "entered", "title", "category", "instrument", "effective", "stage", "asset", "reached", "standing", "unknown", "position",
		"ordinal",
	} {
		out.columns = append(out.columns, left(name))
	}
	for _, l := range d.Lines {
		row := func(stage, asset, reached, standing, unknown string) {
			out.add(d.Stream, l.Line, l.Entered, l.Title, l.Category, l.Instrument, l.Effective, stage, asset, reached, standing, unknown,
				strconv.FormatUint(uint64(d.Position), 10), strconv.FormatUint(d.Ordinal, 10))
		}
		for _, r := range l.Ladder {
			row(r.Stage, r.Asset, r.Reached, r.Standing, "")
		}
		for _, x := range append(l.Over[:len(l.Over):len(l.Over)], l.Beside...) {
			row(x.Account, x.Asset, "", x.Amount, "")
		}
		for _, u := range l.Undisclosed {
			row(u.Stage, "@"+u.Basis, "", "", strconv.FormatInt(u.Count, 10))
		}
	}
	return out
}
