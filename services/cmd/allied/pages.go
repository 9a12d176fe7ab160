package main

import (
	"fmt"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// pagesMax bounds how many pages one listing asks for, and pageRows how many rows each holds.
const (
	pagesMax = 1000
	pageRows = 1000
)

// page is what a listing asks for next.
type page struct {
	limit   int
	cursor  string
	atLeast es.Position
}

// pageEnd is what an answer says of where it ends.
type pageEnd struct {
	position es.Position
	rows     int
	next     string
}

// eachPage asks page after page until the limit, or the end. It returns the position of the last page where events came between the pages,
// else 0, and the cursor of the page that was not asked for.
func eachPage(limit int, atLeast es.Position, ask func(page) (pageEnd, error)) (last es.Position, next string, err error) {
	var first es.Position
	want := page{atLeast: atLeast}
	for rows, n := 0, 0; n < pagesMax; n++ {
		want.limit = pageRows
		if limit > 0 {
			want.limit = min(want.limit, limit-rows)
		}
		end, err := ask(want)
		if err != nil {
			return 0, "", err
		}
		if n == 0 {
			first = end.position
		} else if end.position != first {
			last = end.position
		}
		if rows += end.rows; end.next == "" || limit > 0 && rows >= limit {
			return last, end.next, nil
		}
		want.cursor, want.atLeast = end.next, end.position
	}
	return 0, "", failf(exitFailure, "more than %d rows; list fewer with --donor or --limit", pagesMax*pageRows)
}

// pageNote says how much of a listing is shown, and what it is true for.
func pageNote(shown int, total string, at es.Position, ordinal uint64, last es.Position) string {
	note := fmt.Sprintf("%d of %s, at position %d (ordinal %d)", shown, total, at, ordinal)
	if last > 0 {
		note += fmt.Sprintf("; the last page at position %d", last)
	}
	return note
}

// drawnFilters are the filters that shipments and payments share.
type drawnFilters struct {
	donor, beneficiary, category, pledge, status, text *string
	limit                                              *uint
	atLeast                                            *uint64
}

func (f drawnFilters) declare(flags *pflag.FlagSet, noun string, statuses []string, textIn string) {
	flags.StringVar(f.donor, "donor", "", "only this donor, such as NOR")
	flags.StringVar(f.beneficiary, "beneficiary", "", "only this beneficiary, such as UKR")
	flags.StringVar(f.category, "category", "", "only "+noun+" of this category or below it")
	flags.StringVar(f.pledge, "pledge", "", "only "+noun+" that draw on this pledge: its stream, or the UUID alone")
	flags.StringVar(f.status, "status", "", "only "+noun+" that are "+strings.Join(statuses, ", or "))
	flags.StringVar(f.text, "text", "", "only "+noun+" with this text in "+textIn)
	flags.UintVar(f.limit, "limit", 0, "at most so many "+noun+" (0: all)")
	atLeastFlag(flags, f.atLeast)
}

func atLeastFlag(flags *pflag.FlagSet, atLeast *uint64) {
	flags.Uint64Var(atLeast, "at-least", 0, "a position that the answer must hold, such as an answer of submit named")
}

// showCommand is a group with the command that prints one of a kind.
func showCommand(kind, short, long, example string, show func(cmd *cobra.Command, id string, atLeast es.Position) error) *cobra.Command {
	cmd := group(&cobra.Command{Use: kind, Short: "Look at one " + kind})
	var atLeast uint64
	sub := &cobra.Command{
		Use: "show ID", Short: short, Long: long, Example: example, Args: exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error { return show(cmd, args[0], es.Position(atLeast)) },
	}
	atLeastFlag(sub.Flags(), &atLeast)
	cmd.AddCommand(sub)
	return cmd
}

// deliver prints one answer: as it is, as rows, or as a person reads it.
func (c *cli) deliver(document any, rows func() *printout, text func() error) error {
	switch c.form {
	case formJSON:
		return writeJSON(c.stdout, document)
	case formJSONL:
		return writeJSONLine(c.stdout, document)
	case formCSV:
		return rows().write(c.stdout, c.form)
	}
	return text()
}

// indented writes a table two columns in.
func indented(w interface{ WriteString(string) (int, error) }, out *printout) error {
	var b strings.Builder
	if err := out.writeTable(&b); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		if _, err := w.WriteString("  " + line); err != nil {
			return err
		}
	}
	return nil
}

// writeFacts prints names and what they say, without those that say nothing.
func writeFacts(w interface{ WriteString(string) (int, error) }, facts [][2]string) error {
	width := 0
	for _, f := range facts {
		if f[1] != "" {
			width = max(width, len(f[0]))
		}
	}
	for _, f := range facts {
		if f[1] == "" {
			continue
		}
		if _, err := w.WriteString(fmt.Sprintf("%-*s  %s\n", width, f[0], visible(f[1]))); err != nil {
			return err
		}
	}
	return nil
}

// spanned writes a first and a last day.
func spanned(first, last *string) string {
	if deref(first) == deref(last) {
		return deref(first)
	}
	return deref(first) + " to " + deref(last)
}
