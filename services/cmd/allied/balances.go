package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/spf13/cobra"
)

func (c *cli) balancesCommand() *cobra.Command {
	var req balances.Request
	var reached, standing bool
	var atLeast uint64
	cmd := &cobra.Command{
		Use:   "balances",
		Short: "Sum what stands at a stage, or ever reached it, by donor, category and more",
		Long: `Sums the ledger on one valuation basis, at one stage or several, each apart: rungs of the ladder are never collapsed, and amounts of
different assets or bases never add. --reached counts all that ever came to the stage, --standing (as when neither is given) what has
not moved on. Guarantees and swaps enter a sum only by name: without --instruments they are left out, and shown as such.

A value that is undisclosed is counted as unknown; it is never zero. What stands at origin, or beyond a cap at over:, is a credit, and
negative here.

Stages: ` + wrapped(balances.Stages(), 120) + `
Bases: ` + wrapped(balances.Bases(), 120),
		Example: `  allied balances --basis donor_stated --stage committed --reached --by donor
  allied balances --basis tracker --stage committed,allocated --by donor,category --category-depth 1 --instruments all
  allied balances --basis quantity --stage allocated --donor USA --category MIL.AMMO -o csv`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reached && standing {
				return usagef("--reached and --standing are two questions; give one of them")
			}
			if len(req.Stages) == 0 || req.Basis == "" && req.Asset == "" {
				return usagef("which amounts, and where? Amounts of two bases never add, nor do two stages: " +
					"name them, such as --basis donor_stated --stage committed")
			}
			req.Reached, req.AtLeast, req.GroupOn = reached, es.Position(atLeast), groupDay(req.Group, req.GroupOn)
			return c.balances(cmd.Context(), req)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Basis, "basis", "", "valuation basis of the amounts, such as tracker; quantity for units of items")
	flags.StringSliceVar(&req.Stages, "stage", nil, "stages, such as committed,allocated")
	flags.BoolVar(&reached, "reached", false, "all that ever reached the stage")
	flags.BoolVar(&standing, "standing", false, "what stands at the stage now (as when neither is given)")
	flags.StringSliceVar(&req.By, "by", nil, "dimensions of the rows: "+strings.Join(balances.Dimensions(), ","))
	flags.IntVar(&req.CategoryDepth, "category-depth", 0, "cut categories to so many parts (0: whole codes)")
	flags.StringSliceVar(&req.Instruments, "instruments", nil, "instruments that count: all, or some of "+strings.Join(balances.Instruments(), ","))
	flags.StringVar(&req.Donor, "donor", "", "only this donor, such as NOR")
	flags.StringVar(&req.Beneficiary, "beneficiary", "", "only this beneficiary, such as UKR")
	flags.StringVar(&req.Category, "category", "", "only this category and what is below it, such as MIL")
	flags.StringVar(&req.Asset, "asset", "", "only this asset, such as EUR/2@tracker")
	groupFlags(flags, &req.Group, &req.GroupOn)
	flags.Uint64Var(&atLeast, "at-least", 0, "a position that the answer must hold, such as an answer of submit named")
	return cmd
}

// flagOf names the flag behind a field of a request, where the two differ.
var flagOf = map[string]string{"stages": "stage", "kinds": "kind", "raised_before": "older-than"}

func (c *cli) balances(ctx context.Context, req balances.Request) error {
	var report balances.Report
	if err := c.query(ctx, "balances", req, &report); err != nil {
		return err
	}
	out, err := printBalances(req, &report)
	if err != nil {
		return err
	}
	return out.write(c.stdout, c.form)
}

// query asks one view, and turns what it refuses into words about flags.
func (c *cli) query(ctx context.Context, view string, request, reply any) error {
	ledger, closeLedger, err := c.connectToRead(ctx)
	if err != nil {
		return err
	}
	return errors.Join(refusedQuery(ledger.Query(ctx, view, request, reply)), closeLedger())
}

// refusedQuery says what a refusal means on the command line: a flag is wrong, or the view is not yet there.
func refusedQuery(err error) error {
	var r *es.Refusal
	if !errors.As(err, &r) {
		return err
	}
	code := exitUsage
	switch r.Code {
	case "behind", "view_behind", "busy":
		code = exitUnavailable
	case "view_failed", "view_stopped", "answer_too_large", "not_found", "ambiguous", "query_failed":
		code = exitFailure
	}
	text := r.Reason
	switch r.Field {
	case "":
	case "id": // the argument of the show commands
		text = "ID: " + text
	default:
		name := r.Field
		if flag, ok := flagOf[name]; ok {
			name = flag
		}
		text = "--" + strings.ReplaceAll(name, "_", "-") + ": " + text
	}
	return &failure{code: code, err: errors.New(text), remedy: r.Remedy}
}

// balanceItem is a row as JSON lines print it: true by itself.
type balanceItem struct {
	balances.Row
	Measure  string      `json:"measure"`
	Basis    string      `json:"basis"`
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	// LeftOut: no other row counts this one, since its instrument enters a sum only by name.
	LeftOut bool `json:"left_out"`
}

func measureOf(req balances.Request) string {
	if req.Reached {
		return "reached"
	}
	return "standing"
}

func printBalances(req balances.Request, report *balances.Report) (*printout, error) {
	measure := measureOf(req)
	out := &printout{document: report}
	for _, by := range req.By {
		out.columns = append(out.columns, left(by))
	}
	figure := amount("amount")
	figure.title = measure
	out.columns = append(out.columns, left("stage"), left("asset"), figure, right("unknown"),
		hidden("measure"), hidden("basis"), hidden("position"), hidden("ordinal"))
	byInstrument := slices.Contains(req.By, "instrument")
	if !byInstrument {
		out.columns = append(out.columns, hidden("instrument"))
	}
	out.columns = append(out.columns, hidden("left_out"))
	cells := func(row balances.Row, leftOut bool) []string {
		cells := append(dimensionsOf(req.By, row), row.Stage, deref(row.Asset), deref(row.Amount), strconv.FormatInt(row.Unknown, 10),
			measure, report.Basis, strconv.FormatUint(uint64(report.Position), 10), strconv.FormatUint(report.Ordinal, 10))
		if !byInstrument {
			cells = append(cells, deref(row.Instrument))
		}
		out.items = append(out.items, balanceItem{row, measure, report.Basis, report.Position, report.Ordinal, leftOut})
		return append(cells, strconv.FormatBool(leftOut))
	}
	for _, row := range report.Rows {
		out.add(cells(row, false)...)
	}
	for _, l := range report.LeftOut {
		row := balances.Row{Instrument: &l.Instrument, Stage: l.Stage, Asset: l.Asset, Amount: l.Amount, Unknown: l.Unknown}
		out.csvRows = append(out.csvRows, cells(row, true))
	}
	if len(report.Rows) == 0 && len(report.NotReported) < len(req.Stages) {
		out.notes = append(out.notes, "nothing "+measure+" at "+strings.Join(req.Stages, ", "))
	}
	out.notes = append(out.notes, balanceNotes(report, measure)...)
	if len(req.By) > 0 && report.Basis != balances.Quantity {
		return out, out.addTotals(req, report)
	}
	return out, nil
}

// balanceNotes says what the figures are true for, and what they leave out.
func balanceNotes(report *balances.Report, measure string) []string {
	notes := []string{fmt.Sprintf("basis %s, %s, at position %d (ordinal %d)", report.Basis, measure, report.Position, report.Ordinal)}
	if report.GroupOn != "" {
		notes = append(notes, fmt.Sprintf("members on %s: %s", report.GroupOn, cmp.Or(strings.Join(report.Members, ", "), "none")))
	}
	if len(report.NotReported) > 0 {
		notes = append(notes, fmt.Sprintf("not reported: %s (no fact says anything of it, which is not zero)", strings.Join(report.NotReported, ", ")))
	}
	if report.Unknown > 0 {
		notes = append(notes, fmt.Sprintf("unknown: %s undisclosed, which counts as no zero", counted(int(report.Unknown), "value is", "values are")))
	}
	for _, l := range report.LeftOut {
		notes = append(notes, leftOutNote(l))
	}
	return notes
}

func leftOutNote(l balances.LeftOut) string {
	var b strings.Builder
	b.WriteString("left out: " + l.Instrument + " " + l.Stage)
	if l.Amount != nil {
		b.WriteString(" " + groupDigits(*l.Amount) + " " + deref(l.Asset))
	}
	if l.Unknown > 0 {
		fmt.Fprintf(&b, ", %d unknown", l.Unknown)
	}
	return b.String() + " (--instruments all counts it)"
}

// addTotals sums the rows of one asset and stage, where there are several, as the table shows them. The report's own figures are what every other form prints.
func (p *printout) addTotals(req balances.Request, report *balances.Report) error {
	type group struct{ stage, asset string }
	sums, unknowns, rows := map[group]money.Amount{}, map[group]int64{}, map[group]int{}
	var order []group
	for _, row := range report.Rows {
		g := group{row.Stage, deref(row.Asset)}
		if only, ok := onlyAsset(report, row.Stage); ok {
			g.asset = only // a row of unknowns alone counts beside the one asset there is
		}
		if !slices.Contains(order, g) {
			order = append(order, g)
		}
		rows[g]++
		unknowns[g] += row.Unknown
		if row.Amount == nil {
			continue
		}
		of, err := asset.Parse(g.asset)
		if err != nil {
			return err
		}
		figure, err := money.Parse(*row.Amount, of.Scale)
		if err != nil {
			return err
		}
		if sums[g], err = sums[g].Add(figure); err != nil {
			return err
		}
	}
	for _, g := range order {
		if rows[g] < 2 {
			continue
		}
		total := make([]string, len(p.columns))
		total[0] = "total"
		at := len(req.By)
		total[at], total[at+1], total[at+3] = g.stage, g.asset, strconv.FormatInt(unknowns[g], 10)
		if of, err := asset.Parse(g.asset); err == nil {
			total[at+2] = sums[g].Text(of.Scale)
		}
		p.totals = append(p.totals, total)
	}
	return nil
}

// onlyAsset is the asset of a stage's rows, where they have one only.
func onlyAsset(report *balances.Report, stage string) (only string, ok bool) {
	for _, row := range report.Rows {
		switch {
		case row.Stage != stage || row.Asset == nil:
			continue
		case only != "" && only != *row.Asset:
			return "", false
		}
		only = *row.Asset
	}
	return only, only != ""
}

func dimensionsOf(by []string, row balances.Row) []string {
	var cells []string
	for _, dimension := range by {
		switch dimension {
		case "donor":
			cells = append(cells, deref(row.Donor))
		case "beneficiary":
			cells = append(cells, deref(row.Beneficiary))
		case "category":
			cells = append(cells, deref(row.Category))
		case "instrument":
			cells = append(cells, deref(row.Instrument))
		case "evidence":
			cells = append(cells, deref(row.Evidence))
		}
	}
	return cells
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
