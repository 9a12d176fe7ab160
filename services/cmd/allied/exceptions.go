package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/exceptions"
	"github.com/spf13/cobra"
)

// exceptionsAsk is what the command line asks beside the request.
type exceptionsAsk struct {
	limit     int
	olderThan string
	summary   bool
}

func (c *cli) exceptionsCommand() *cobra.Command {
	var req exceptions.ListRequest
	var ask exceptionsAsk
	var limit uint
	var atLeast uint64
	cmd := &cobra.Command{
		Use:   "exceptions",
		Short: "List what somebody must look at: beyond a cap, doubtful, unmatched, unsupported",
		Long: `Lists what a treasury clerk or an auditor must look at, the oldest first. Each is raised by one fact, and stays open until a later fact resolves
it: a commitment that covers what was allocated beyond it, a document for a booking, a find of what was short. Age is counted from the day of
recording. Amounts are what is still open; what has no amount is no zero.

--summary prints how many are open of each kind, by their age in days, and what is open in each asset.

Kinds, what raises each, and in brackets what resolves it:
` + strings.TrimSuffix(kindsText(), "\n"),
		Example: `  allied exceptions --kind over_allocated,over_reserved --donor DEU
  allied exceptions --older-than 30d --asset EUR/2@net_book --min-amount 1000000
  allied exceptions --summary
  allied exceptions --status all --stream payment-6ba7b810-9dad-51d1-80b4-00c04fd430c8 -o json`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ask.limit, req.AtLeast = int(limit), es.Position(atLeast)
			return c.exceptions(cmd.Context(), req, ask)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&req.Kinds, "kind", nil, "only these kinds, such as short,lost")
	flags.StringVar(&req.Donor, "donor", "", "only this donor, such as NOR")
	flags.StringVar(&req.Beneficiary, "beneficiary", "", "only this beneficiary, such as UKR")
	flags.StringVar(&req.Category, "category", "", "only this category and what is below it, such as MIL")
	flags.StringVar(&req.Stream, "stream", "", "only of this pledge, with what draws on it, or of this shipment or payment: its stream, or the UUID alone")
	flags.StringVar(&req.Status, "status", "", "only those that are "+strings.Join(exceptions.Statuses(), ", or ")+" (open where nothing is said)")
	flags.StringVar(&ask.olderThan, "older-than", "", "only what was recorded more than so many days ago, such as 30d")
	flags.StringVar(&req.Asset, "asset", "", "only amounts of this asset, such as EUR/2@tracker")
	flags.StringVar(&req.MinAmount, "min-amount", "", "only amounts of --asset of at least so much, whatever their sign")
	flags.StringVar(&req.Text, "text", "", "only those with this text in their detail")
	flags.BoolVar(&ask.summary, "summary", false, "count them by kind and age instead")
	flags.UintVar(&limit, "limit", 0, "at most so many exceptions (0: all)")
	atLeastFlag(flags, &atLeast)
	return cmd
}

// kindsText has a line for each kind.
func kindsText() string {
	var b strings.Builder
	for _, m := range exceptions.Meanings() {
		fmt.Fprintf(&b, "  %-27s%s\n", m.Kind, m.Means)
	}
	return b.String()
}

// exceptionsDoc is a whole listing. Where events came between its pages, the later ones are true at a later position.
type exceptionsDoc struct {
	exceptions.Listing
	LastPagePosition es.Position `json:"last_page_position,omitempty"`
}

func (c *cli) exceptions(ctx context.Context, req exceptions.ListRequest, ask exceptionsAsk) error {
	today := dayOf(time.Now())
	var err error
	if req.RaisedBefore, err = raisedBefore(today, ask.olderThan); err != nil {
		return err
	}
	if ask.summary && (ask.limit > 0 || req.Status != "" && req.Status != exceptions.Open) {
		return usagef("--summary counts all that is open: leave --limit and --status out")
	}
	ledger, closeLedger, err := c.connectToRead(ctx)
	if err != nil {
		return err
	}
	doc := &exceptionsDoc{}
	last, next, err := eachPage(ask.limit, req.AtLeast, func(p page) (pageEnd, error) {
		req.Limit, req.Cursor, req.AtLeast = p.limit, p.cursor, p.atLeast
		var got exceptions.Listing
		if err := refusedQuery(ledger.Query(ctx, "exceptions", req, &got)); err != nil {
			return pageEnd{}, err
		}
		if p.cursor == "" {
			doc.Listing = got
		} else {
			doc.Exceptions = append(doc.Exceptions, got.Exceptions...)
		}
		return pageEnd{got.Position, len(got.Exceptions), got.Next}, nil
	})
	if err := errors.Join(err, closeLedger()); err != nil {
		return err
	}
	doc.LastPagePosition, doc.Next = last, next
	switch {
	case ask.summary:
		return printExceptionSummary(doc, today).write(c.stdout, c.form)
	case c.form == formCSV:
		return printExceptionRows(doc).write(c.stdout, c.form)
	}
	return printExceptions(doc, today).write(c.stdout, c.form)
}

// dayOf is the day of a moment: ages are counted in days of the universal time, as days of recording are.
func dayOf(at time.Time) time.Time { return at.UTC().Truncate(24 * time.Hour) }

// daysMax bounds an age: more would lead before the years of the calendar.
const daysMax = 100_000

// raisedBefore is the day before which what is older than an age was recorded.
func raisedBefore(today time.Time, olderThan string) (string, error) {
	if olderThan == "" {
		return "", nil
	}
	text, ok := strings.CutSuffix(olderThan, "d")
	days, err := strconv.ParseUint(text, 10, 32)
	if !ok || err != nil || days > daysMax {
		return "", usagef("--older-than %q is no number of days from 0d to %dd; write 30d", olderThan, daysMax)
	}
	return today.AddDate(0, 0, -int(days)).Format(time.DateOnly), nil
}

// age is how many days ago an exception was recorded; 0 where the ledger's clock is ahead of this one.
func age(today time.Time, e *exceptions.Exception) int {
	recorded, err := time.Parse(time.DateOnly, e.Recorded)
	if err != nil {
		return 0
	}
	return max(0, int(today.Sub(recorded).Hours())/24)
}

// exceptionItem is an exception as JSON lines print it: true by itself.
type exceptionItem struct {
	exceptions.Exception
	Position  es.Position `json:"position"`
	AtOrdinal uint64      `json:"at_ordinal"` // of the position
}

// printExceptions keeps a row short: the detail stands where there is no amount, and in every other form.
func printExceptions(doc *exceptionsDoc, today time.Time) *printout {
	out := &printout{document: doc, columns: []column{left("kind"), right("days"), left("donor"), amount("open"), left("asset, or why"), left("of")}}
	for i := range doc.Exceptions {
		e := &doc.Exceptions[i]
		open := deref(e.OpenAmount)
		if e.Status == exceptions.Resolved {
			open = e.Status
		}
		what, _, _ := strings.Cut(e.Detail, ":") // of a flag, its code
		out.add(e.Kind, strconv.Itoa(age(today, e)), e.Donor, open, clipped(cmp.Or(deref(e.Asset), what), 21), e.Stream)
		out.items = append(out.items, exceptionItem{*e, doc.Position, doc.Ordinal})
	}
	out.notes = append(out.notes, pageNote(len(doc.Exceptions), counted(doc.Total, "exception", "exceptions"), doc.Position, doc.Ordinal, doc.LastPagePosition))
	if len(doc.Exceptions) > 0 {
		out.notes = append(out.notes, "days since it was recorded; `-o json` has the cause, the line, the draw, the fact and the detail of each")
	}
	return out
}

// ageClass is a span of ages, as treasuries count them.
type ageClass struct {
	name    string
	daysMax int
}

var ageClasses = []ageClass{{"0-30", 30}, {"31-90", 90}, {"91-180", 180}, {"181-365", 365}, {"over 365", daysMax}}

// exceptionSummary is what is open of one kind.
type exceptionSummary struct {
	exceptions.Summary
	// Days counts the open ones by their age.
	Days map[string]int `json:"days"`
}

// exceptionSummaryItem is a summary as JSON lines print it: true by itself.
type exceptionSummaryItem struct {
	exceptionSummary
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
}

// exceptionSummaryDoc is the summary of all kinds.
type exceptionSummaryDoc struct {
	Position es.Position        `json:"position"`
	Ordinal  uint64             `json:"ordinal"`
	Total    int                `json:"total"`
	Kinds    []exceptionSummary `json:"kinds"`
}

func printExceptionSummary(doc *exceptionsDoc, today time.Time) *printout {
	columns := []column{left("kind"), right("open")}
	for _, class := range ageClasses {
		columns = append(columns, right(class.name))
	}
	out := &printout{columns: append(columns, right("no amount"), amount("amount"), left("asset"), hidden("position"), hidden("ordinal"))}
	ages := countAges(doc.Exceptions, today)
	whole := exceptionSummaryDoc{doc.Position, doc.Ordinal, doc.Total, []exceptionSummary{}}
	for _, s := range doc.Summary {
		if s.Open == 0 {
			continue
		}
		item := exceptionSummaryItem{exceptionSummary{s, ages[s.Kind]}, doc.Position, doc.Ordinal}
		whole.Kinds, out.items = append(whole.Kinds, item.exceptionSummary), append(out.items, item)
		out.addSummary(item)
	}
	out.document = whole
	out.notes = append(out.notes, fmt.Sprintf("%s open, at position %d (ordinal %d); days since they were recorded", counted(doc.Total, "exception", "exceptions"), doc.Position, doc.Ordinal))
	return out
}

// countAges counts exceptions by kind and class of age.
func countAges(list []exceptions.Exception, today time.Time) map[string]map[string]int {
	ages := map[string]map[string]int{}
	for i := range list {
		e := &list[i]
		if ages[e.Kind] == nil {
			ages[e.Kind] = map[string]int{}
		}
		for _, class := range ageClasses {
			if age(today, e) <= class.daysMax {
				ages[e.Kind][class.name]++
				break
			}
		}
	}
	return ages
}

// addSummary adds a row for each asset. Only the first counts, so that a column may be added up.
func (p *printout) addSummary(s exceptionSummaryItem) {
	row := []string{s.Kind, strconv.Itoa(s.Open)}
	for _, class := range ageClasses {
		row = append(row, strconv.Itoa(s.Days[class.name]))
	}
	row = append(row, strconv.Itoa(s.WithoutAmount))
	for i, a := range append(s.Amounts, make([]exceptions.AssetAmount, max(0, 1-len(s.Amounts)))...) {
		if i > 0 {
			row = make([]string, len(row))
			row[0] = s.Kind
		}
		p.add(append(row[:len(row):len(row)], a.Amount, a.Asset, strconv.FormatUint(uint64(s.Position), 10), strconv.FormatUint(s.Ordinal, 10))...)
	}
}

// printExceptionRows are exceptions as a spreadsheet wants them: one row each.
func printExceptionRows(doc *exceptionsDoc) *printout {
	out := &printout{}
	for _, name := range []string{
		"id", "kind", "status", "cause", "stream", "pledge", "line", "draw", "donor", "beneficiary", "category", "asset", "amount", "open_amount", "event",
		"event_ordinal", "recorded", "effective", "resolved_ordinal", "detail", "position", "ordinal",
	} {
		out.columns = append(out.columns, left(name))
	}
	for _, e := range doc.Exceptions {
		resolved := ""
		if e.ResolvedOrdinal != nil {
			resolved = strconv.FormatUint(*e.ResolvedOrdinal, 10)
		}
		out.add(e.ID, e.Kind, e.Status, e.Cause, e.Stream, e.Pledge, e.Line, e.Draw, e.Donor, e.Beneficiary, e.Category, deref(e.Asset), deref(e.Amount),
			deref(e.OpenAmount), e.Event, strconv.FormatUint(e.Ordinal, 10), e.Recorded, deref(e.Effective), resolved, e.Detail,
			strconv.FormatUint(uint64(doc.Position), 10), strconv.FormatUint(doc.Ordinal, 10))
	}
	return out
}
