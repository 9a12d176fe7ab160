package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"
)

func (c *cli) replayCommand() *cobra.Command {
	var verify bool
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Fold the log again from zero, and prove the views",
		Long: `Folds every event of the log again, from the first, in memory, and prints a hash of the views that this gives. The hash is SHA-256 of
all their rows in key order, without position, log id or time of recording: every true copy of the log gives the same.

--verify also compares each view in the folder, row by row and to the byte, with the fold up to the place where the view stands,
and checks every byte of the log's files. It ends with exit code 3 and the first difference or damage where something is not as it
must be. It reads the files as they are, also beside a server. Views that are behind the log catch up first, and where a folder has
none yet they are built, which it says; what is there and wrong is never built anew.`,
		Example: `  allied replay --verify
  allied replay --data copy-of-the-folder -o json`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.replay(cmd.Context(), verify) },
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "compare the views in the folder with the fold")
	return cmd
}

// replayDoc is what -o json prints.
type replayDoc struct {
	*engine.Result
	EventsPerSecond int64 `json:"events_per_second"`
	// Verified: every view in the folder equals the fold; absent where none was compared.
	Verified *bool `json:"verified,omitempty"`
	// Built names the views of which the folder kept none, so that they were built from the log for the comparison.
	Built []string `json:"built,omitempty"`
}

func (c *cli) replay(ctx context.Context, verify bool) (err error) {
	log, closeLog, err := c.openLog(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLog()) }()
	entries := log.Read(ctx, 0)
	began := time.Now()
	var result *engine.Result
	var built []string
	if verify {
		if built, err = c.prepareVerify(ctx, log); err != nil {
			return verificationFailure(err)
		}
		began = time.Now()
		result, err = c.verify(ctx, entries)
	} else {
		result, err = engine.Replay(ctx, c.watched(entries), boot.Projections()...)
	}
	if err != nil {
		return verificationFailure(err)
	}
	doc := replayDoc{Result: result, Built: built}
	if seconds := time.Since(began).Seconds(); seconds > 0 {
		doc.EventsPerSecond = int64(float64(result.Events) / seconds)
	}
	var difference error
	if verify {
		difference = firstDifference(result.Views, result.Events)
		verified := difference == nil
		doc.Verified = &verified
	}
	if err := printReplay(doc).write(c.stdout, c.form); err != nil {
		return err
	}
	return difference
}

// prepareVerify checks every byte of the log's files, and lets views that are behind catch up, or be built where there are none; it names
// these. Where all views are at the log's end, nothing is opened to write.
func (c *cli) prepareVerify(ctx context.Context, log logReader) (built []string, err error) {
	head, err := log.Head(ctx)
	if err != nil {
		return nil, err
	}
	absent, behind, err := c.keptViews(ctx, head.Position)
	if err != nil || len(absent) == 0 && !behind {
		return nil, err
	}
	return absent, c.catchUp(ctx)
}

// keptViews names the views that the folder does not keep, and tells whether one that it keeps is behind a position. What is kept and
// contradicts itself is an error, before anything could build over it.
func (c *cli) keptViews(ctx context.Context, pos es.Position) (absent []string, behind bool, err error) {
	specs := boot.Specs()
	views, err := boot.OpenViews(ctx, c.dataDir, c.views)
	if errors.Is(err, fs.ErrNotExist) {
		for _, spec := range specs {
			absent = append(absent, spec.Name)
		}
		return absent, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	err = views.View(ctx, func(s engine.Snapshot) error {
		for _, spec := range specs {
			at, err := s.Checkpoint(ctx, spec)
			var none *engine.NoViewError
			switch {
			case errors.As(err, &none):
				absent = append(absent, spec.Name)
			case err != nil:
				return err
			}
			behind = behind || at.Position < pos
		}
		return nil
	})
	return absent, behind, errors.Join(err, views.Close())
}

// catchUp waits until the views hold all that the log holds: those of the server, or of this process where nobody serves the folder. A
// folder in use by a process that serves nobody is taken as it is.
func (c *cli) catchUp(ctx context.Context) error {
	if c.store == "" || c.views == "" { // there is a folder, which a server may serve
		ledger, closeLedger, err := boot.ConnectServing(ctx, c.dataDir, c.logger(zapcore.WarnLevel))
		switch {
		case err != nil:
			return err
		case ledger != nil:
			return errors.Join(awaitViews(ctx, ledger), closeLedger())
		}
	}
	_, closeLedger, err := c.connectToRead(ctx) // which waits for the views of this process, and finds those of a frozen folder at the log's end
	var inUse *boot.InUseError
	switch {
	case errors.As(err, &inUse):
		return nil
	case err != nil:
		return err
	}
	return closeLedger()
}

func awaitViews(ctx context.Context, ledger *client.Client) error {
	head, _, err := ledger.Head(ctx)
	if err != nil || head.Events == 0 {
		return err
	}
	return boot.AwaitViews(ctx, ledger, head.Position)
}

func (c *cli) verify(ctx context.Context, entries iter.Seq2[es.Entry, error]) (*engine.Result, error) {
	views, err := boot.OpenViews(ctx, c.dataDir, c.views)
	if err != nil {
		return nil, err
	}
	result, err := engine.Verify(ctx, c.watched(entries), views, boot.Projections()...)
	return result, errors.Join(err, views.Close())
}

// viewsFile is where a ledger's folder keeps its views.
func viewsFile(dataDir string) string { return filepath.Join(dataDir, "views.db") }

// watched shows how far a fold is.
func (c *cli) watched(entries iter.Seq2[es.Entry, error]) iter.Seq2[es.Entry, error] {
	const shownEvery = 4096
	return func(yield func(es.Entry, error) bool) {
		bar := c.startProgress("folding")
		defer bar.end()
		n := 0
		for e, err := range entries {
			if n++; n%shownEvery == 0 {
				bar.set(n, -1)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// verificationFailure gives errors that say "the log or a view is not what it was" their own exit code.
func verificationFailure(err error) error {
	var (
		damage  *es.DamageError
		gap     *engine.GapError
		fold    *engine.FoldError
		short   *engine.LogShortError
		changed *engine.LogChangedError
		view    *engine.DamagedViewError
		lost    *boot.LostLogError
		refused *es.Refusal
	)
	switch {
	case errors.As(err, &damage), errors.As(err, &gap), errors.As(err, &fold), errors.As(err, &short), errors.As(err, &changed),
		errors.As(err, &view), errors.As(err, &lost):
		return failf(exitVerify, "verification failed: %w", err)
	case errors.As(err, &refused) && refused.Code == "view_stopped":
		return failf(exitVerify, "verification failed: %w", err)
	case errors.As(err, &refused):
		return refusedQuery(err)
	case errors.Is(err, fs.ErrNotExist):
		return &failure{exitVerify, fmt.Errorf("verification failed: %w", err), "no view has been built in this folder; `allied balances` builds them"}
	}
	return err
}

// firstDifference is nil where every view is proven.
func firstDifference(checks []engine.Check, events uint64) error {
	for _, check := range checks {
		switch {
		case check.Missing && events == 0: // nothing to show yet
		case check.Missing:
			return failf(exitVerify, "verification failed: the folder has no view %s to compare; `allied balances` builds the views", check.View)
		case check.Beyond:
			return failf(exitVerify, "verification failed: view %s stands at position %d, which the log does not have: it lost events, or the view is another log's",
				check.View, check.Position)
		case check.Difference != nil:
			d := check.Difference
			at := fmt.Sprintf("table %s, key %s", d.Table, d.Key)
			if d.Column != "" {
				at += ", column " + d.Column
			}
			return &failure{
				code: exitVerify,
				err: fmt.Errorf("verification failed: view %s at position %d differs from the log: %s: the folder has %s, the log gives %s",
					check.View, check.Position, at, d.A, d.B),
				remedy: "the log is the record: keep the folder's views.db as evidence; once it is moved away, it is rebuilt",
			}
		}
	}
	return nil
}

func printReplay(doc replayDoc) *printout {
	out := &printout{document: doc, items: []any{doc}, columns: []column{
		right("position"), right("ordinal"), right("events"), right("events_per_second"), left("state_hash"), hidden("verified"),
	}}
	out.columns[3].title = "events/s"
	verified := ""
	if doc.Verified != nil {
		verified = strconv.FormatBool(*doc.Verified)
	}
	out.add(strconv.FormatUint(uint64(doc.Position), 10), strconv.FormatUint(doc.Ordinal, 10), strconv.FormatUint(doc.Events, 10),
		strconv.FormatInt(doc.EventsPerSecond, 10), doc.StateHash, verified)
	for _, check := range doc.Views {
		switch {
		case check.OK() && slices.Contains(doc.Built, check.View):
			out.notes = append(out.notes, fmt.Sprintf("view %s at position %d: none was kept here; built from the log just now, it equals the fold, to the byte",
				check.View, check.Position))
		case check.OK():
			out.notes = append(out.notes, fmt.Sprintf("view %s at position %d equals the fold of the log, to the byte", check.View, check.Position))
		}
	}
	return out
}
