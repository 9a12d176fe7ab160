package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/kurrentlog"
	"github.com/allied-ledger/allied/events/memlog"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/importing/kiel"
	"github.com/spf13/cobra"
)

func (c *cli) importCommand() *cobra.Command {
	var release string
	var dryRun bool
	cmd := group(&cobra.Command{
		Use:   "import",
		Short: "Import outside data through the same commands that everybody sends",
	})
	tracker := &cobra.Command{
		Use:   "kiel FILE --release NAME",
		Short: "Import the main sheet of the Kiel Institute's Ukraine Support Tracker, .xlsx or .csv",
		Long: `Imports the tracker's main sheet: a pledge for each ID, an allocation for each of its packages, their rows as items. What the file
says beyond a known commitment is recorded as observed; what it does not say is counted as undisclosed, never as zero. What it says was
delivered is claimed, since nobody signed for it, on no known date. Doubtful rows are imported and flagged. Rows that cannot be imported
are listed, with the reason, and the rest goes on: each ID whole or not at all. -o csv prints these rows alone.

Importing the same file again records nothing; a changed file is another release and needs another name. Of a later release, what an
earlier one recorded with the same content is matched and not recorded again, and what it restates is refused for now. --dry-run shows
what would happen, and records nothing either.`,
		Example: `  allied import kiel UST_main_data.xlsx --release 2024-06 --dry-run
  allied import kiel UST_main_data.xlsx --release 2024-06`,
		Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case !cmd.Flags().Changed("release"):
				return usagef("--release is missing: it names the tracker's release, such as 2024-06")
			case release == "":
				return usagef("--release is empty: it names the tracker's release, such as 2024-06")
			case !releaseForm.MatchString(release):
				return usagef("--release %q is not 1 to 64 letters, digits, points, dashes and underscores, such as 2024-06", release)
			}
			return c.importKiel(cmd.Context(), args[0], release, dryRun)
		},
	}
	tracker.Flags().StringVar(&release, "release", "", "name of the tracker's release, such as 2024-06 (required)")
	tracker.Flags().BoolVar(&dryRun, "dry-run", false, "show what would happen and record nothing")
	cmd.AddCommand(tracker)
	return cmd
}

// releaseForm is what the importer takes, judged before a file is read.
var releaseForm = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$`)

func (c *cli) importKiel(ctx context.Context, file, release string, dryRun bool) error {
	if err := checkFile(file); err != nil {
		return err
	}
	report, err := c.runKiel(ctx, file, release, dryRun)
	if report == nil {
		return err
	}
	if printErr := c.printReport(report); printErr != nil {
		return errors.Join(err, printErr)
	}
	switch {
	case errors.Is(err, kiel.ErrUnanswered):
		return failf(exitUnavailable, "%w", err)
	case err != nil:
		return withRemedy(err, "run the same import again to finish it: what is recorded is not recorded twice")
	case len(report.Refused) > 0:
		return failf(exitFailure, "%s refused; the report names each", counted(len(report.Refused), "row or command is", "rows and commands are"))
	}
	return nil
}

func (c *cli) runKiel(ctx context.Context, file, release string, dryRun bool) (*kiel.Report, error) {
	opts := kiel.Options{Release: release}
	if dryRun {
		ledger, closeLedger, err := c.rehearsalLedger(ctx)
		if err != nil {
			return nil, err
		}
		report, err := kiel.Rehearse(ctx, ledger, file, opts)
		return report, errors.Join(err, closeLedger())
	}
	ledger := &lateLedger{cli: c, close: func() error { return nil }}
	bar := c.startProgress("importing")
	opts.Progress = bar.set
	report, err := kiel.Run(ctx, ledger, file, opts)
	bar.end()
	return report, errors.Join(err, ledger.close())
}

// lateLedger is reached when it is first needed, so that a file that cannot be read begins no ledger. It is used by one goroutine.
type lateLedger struct {
	cli    *cli
	ledger *client.Client
	close  func() error
}

func (l *lateLedger) connect(ctx context.Context) (*client.Client, error) {
	if l.ledger == nil {
		ledger, closeLedger, err := l.cli.connectToWrite(ctx)
		if err != nil {
			return nil, err
		}
		l.ledger, l.close = ledger, closeLedger
	}
	return l.ledger, nil
}

// SubmitAll implements kiel.Ledger.
func (l *lateLedger) SubmitAll(
	ctx context.Context, cmds iter.Seq[*apiv1.Command], answer func(int, *apiv1.Command, *apiv1.Answer) error,
) error {
	ledger, err := l.connect(ctx)
	if err != nil {
		return err
	}
	return ledger.SubmitAll(ctx, cmds, answer)
}

// Read implements kiel.Ledger.
func (l *lateLedger) Read(ctx context.Context, after es.Position) iter.Seq2[es.Entry, error] {
	ledger, err := l.connect(ctx)
	if err != nil {
		return func(yield func(es.Entry, error) bool) { yield(es.Entry{}, err) }
	}
	return ledger.Read(ctx, after)
}

// rehearsalLedger is what a dry run reads: the server, the log as it lies there, or nothing where no ledger has begun. It begins none.
func (c *cli) rehearsalLedger(ctx context.Context) (kiel.Ledger, func() error, error) {
	if c.server != "" {
		return c.connectToRead(ctx)
	}
	noClose := func() error { return nil }
	if c.store == "" {
		if err := checkFolder(c.dataDir, true); err != nil {
			return nil, nil, err
		}
		if _, err := os.Stat(logDir(c.dataDir)); errors.Is(err, fs.ErrNotExist) {
			return readOnlyLedger{memlog.New()}, noClose, nil
		}
	}
	log, closeLog, err := c.openLog(ctx)
	if errors.Is(err, kurrentlog.ErrNoLog) {
		return readOnlyLedger{memlog.New()}, noClose, nil
	}
	return readOnlyLedger{log}, closeLog, err
}

// readOnlyLedger is a log that takes no commands.
type readOnlyLedger struct{ entryReader }

func (readOnlyLedger) SubmitAll(context.Context, iter.Seq[*apiv1.Command], func(int, *apiv1.Command, *apiv1.Answer) error) error {
	return errors.New("a dry run sends no commands")
}

// printReport prints what an import did. As CSV that is a row for each problem, since a row of figures would be another table: these are
// said on standard error.
func (c *cli) printReport(r *kiel.Report) error {
	if c.form != formCSV {
		return printImport(r).write(c.stdout, c.form)
	}
	out := &printout{columns: []column{left("outcome"), left("row"), left("id"), left("code"), left("field"), left("reason"), left("remedy")}}
	for _, part := range []struct {
		outcome  string
		problems []kiel.Refused
	}{{"refused", r.Refused}, {"unanswered", r.Unanswered}} {
		for _, p := range part.problems {
			row := ""
			if p.Row != 0 { // 0 where the file has no such row
				row = strconv.Itoa(p.Row)
			}
			out.add(part.outcome, row, p.ID, p.Code, p.Field, p.Reason, p.Remedy)
		}
	}
	c.say("%s, release %s: %s, %s: %d recorded, %d repeated, %d matched, %d refused, %d unanswered; last at position %d", r.Dataset, r.Release,
		counted(r.Rows, "row", "rows"), counted(r.Commands, "command", "commands"), r.Recorded, r.Repeated, r.Matched,
		len(r.Refused), len(r.Unanswered), r.Position)
	for _, note := range importNotes(r) {
		c.say("%s", note)
	}
	return out.write(c.stdout, c.form)
}

func printImport(r *kiel.Report) *printout {
	out := &printout{document: r, items: []any{r}, columns: []column{
		left("dataset"), left("release"), right("rows"), right("pledges"), right("allocations"), right("commands"), right("recorded"),
		right("repeated"), right("matched"), right("refused"), right("unanswered"), right("position"),
	}}
	out.add(r.Dataset, r.Release, strconv.Itoa(r.Rows), strconv.Itoa(r.Pledges), strconv.Itoa(r.Allocations), strconv.Itoa(r.Commands),
		strconv.Itoa(r.Recorded), strconv.Itoa(r.Repeated), strconv.Itoa(r.Matched), strconv.Itoa(len(r.Refused)), strconv.Itoa(len(r.Unanswered)),
		strconv.FormatUint(r.Position, 10))
	out.notes = append(importNotes(r), problemNotes("refused", r.Refused)...)
	out.notes = append(out.notes, problemNotes("unanswered", r.Unanswered)...)
	return out
}

// importNotes says what the figures of an import are true for.
func importNotes(r *kiel.Report) []string {
	var notes []string
	if r.DryRun {
		notes = append(notes, "dry run: this is what would happen; nothing is recorded")
	}
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(r.Kinds)) {
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, r.Kinds[kind]))
	}
	if len(kinds) > 0 {
		notes = append(notes, "commands: "+strings.Join(kinds, ", "))
	}
	if !r.Complete {
		notes = append(notes, "not complete: the release's control totals are not recorded while something is refused or unanswered")
	}
	notes = append(notes, flagNotes(r.Flags)...)
	for _, x := range r.Exceptions {
		notes = append(notes, visible(fmt.Sprintf("compare: %s is %s here and %s in release %s", x.ID, x.Stream, x.OtherStream, x.OtherRelease)))
	}
	return notes
}

func flagNotes(flags map[string]uint64) []string {
	if len(flags) == 0 {
		return nil
	}
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(flags)) {
		parts = append(parts, fmt.Sprintf("%s %d", code, flags[code]))
	}
	return []string{"flagged rows: " + wrapped(parts, 110)}
}

func problemNotes(what string, problems []kiel.Refused) []string {
	var notes []string
	for _, p := range problems {
		var place []string
		if p.Row != 0 { // 0 where the file has no such row
			place = append(place, fmt.Sprintf("row %d", p.Row))
		}
		if p.ID != "" {
			place = append(place, "ID "+p.ID)
		}
		note := what + ": " + strings.Join(place, ", ") + ": " + p.Code
		if p.Field != "" {
			note += " at " + p.Field
		}
		notes = append(notes, visible(note+": "+p.Reason+"; "+p.Remedy))
	}
	return notes
}
