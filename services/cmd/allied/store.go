package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/events/kurrentlog"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/storecopy"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"
)

func (c *cli) storeCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "store",
		Short: "Move a ledger's log between event stores",
	})
	var perSecond int
	copying := &cobra.Command{
		Use:   "copy FROM TO",
		Short: "Copy a log from one store to another, and prove the copy",
		Long: `Copies every event of the log in FROM into TO, in order and byte for byte, and reads both again to prove it: each event compared, and the
hash of the views that each gives. FROM and TO are folders of ledgers, or connection strings of KurrentDB such as esdb://host:2113.

FROM may be in use: what it held when the copy began is copied, and the same command copies what came after. TO must be empty, or hold a
part of FROM from its beginning, such as an interrupted copy leaves; it must have no other writer. The copy is a log of its own, with an
id and positions of its own: views are built anew from it, and clients' positions mean nothing there. To change stores, stop the ledger,
copy, and start it on the other store.`,
		Example: `  allied store copy /var/lib/allied esdb://ledger:secret@db1:2113?tlsCaFile=/etc/allied/ca.crt
  allied store copy esdb://db1:2113 ./copy --events-per-second 500`,
		Args: exactly("FROM", "TO"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case cmd.Flags().Changed("data"), c.server != "", c.store != "":
				return usagef("store copy names both ledgers by its arguments; leave out --data, --server and --store")
			case perSecond < 0:
				return usagef("--events-per-second %d is below 0; 0 is as fast as TO takes them", perSecond)
			}
			return c.storeCopy(cmd.Context(), args[0], args[1], perSecond)
		},
	}
	copying.Flags().IntVar(&perSecond, "events-per-second", 0, "append at most so many events a second (0: as fast as TO takes them)")
	cmd.AddCommand(copying)
	return cmd
}

// storeCopyDoc is what -o json prints of a copy.
type storeCopyDoc struct {
	From            string      `json:"from"`
	To              string      `json:"to"`
	LogID           uuid.UUID   `json:"log_id"` // of the copy
	Events          uint64      `json:"events"`
	Found           uint64      `json:"found"` // what TO held already, and was compared
	Copied          uint64      `json:"copied"`
	EventsPerSecond int64       `json:"events_per_second"`
	Position        es.Position `json:"position"` // of the copy's last event
	StateHash       string      `json:"state_hash"`
}

func isStoreURL(place string) bool {
	return strings.HasPrefix(place, "esdb://") || strings.HasPrefix(place, "esdb+discover://")
}

func (c *cli) storeCopy(ctx context.Context, fromPlace, toPlace string, perSecond int) (err error) {
	if !isStoreURL(fromPlace) && !isStoreURL(toPlace) {
		if err := checkApart(fromPlace, toPlace); err != nil {
			return err
		}
	}
	from, closeFrom, err := c.openSource(ctx, fromPlace)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFrom()) }()
	to, err := c.openTarget(ctx, toPlace)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	report, err := c.copyStore(ctx, from, to, perSecond)
	if err != nil {
		return copyFailure(err, toPlace)
	}
	hash, err := c.proveCopy(ctx, from, to, report)
	if err != nil {
		return copyFailure(err, toPlace)
	}
	doc := storeCopyDoc{
		From: withoutPassword(fromPlace), To: withoutPassword(toPlace), LogID: to.ID(), Events: report.From.Events, Found: report.Found,
		Copied: report.Copied, Position: report.To.Position, StateHash: hash,
	}
	if seconds := report.Took.Seconds(); seconds > 0 {
		doc.EventsPerSecond = int64(float64(report.Copied) / seconds)
	}
	return printStoreCopy(doc).write(c.stdout, c.form)
}

func (c *cli) openSource(ctx context.Context, place string) (storecopy.Source, func() error, error) {
	at := *c
	if isStoreURL(place) {
		at.store = place
	} else {
		at.dataDir = place
	}
	log, closeLog, err := at.openLog(ctx)
	if errors.Is(err, kurrentlog.ErrNoLog) {
		err = failf(exitFailure, "%s: %w", withoutPassword(place), err)
	}
	if err != nil {
		return storecopy.Source{}, nil, err
	}
	return storecopy.Source{Read: log.Read, Head: log.Head}, closeLog, nil
}

func (c *cli) openTarget(ctx context.Context, place string) (storecopy.Target, error) {
	if isStoreURL(place) {
		log, err := boot.OpenStore(ctx, kurrentlog.Config{URL: place, Logger: c.logger(zapcore.ErrorLevel)})
		return storecopy.Target{Log: log}, err
	}
	if err := errors.Join(checkFolder(place, true), boot.CheckForeign(place)); err != nil {
		return storecopy.Target{}, err
	}
	log, err := filelog.Open(filelog.Config{Dir: place, Logger: c.logger(zapcore.WarnLevel)})
	if err != nil {
		return storecopy.Target{}, err
	}
	return storecopy.Target{Log: log, InOrder: true}, nil
}

func (c *cli) copyStore(ctx context.Context, from storecopy.Source, to storecopy.Target, perSecond int) (storecopy.Report, error) {
	bar := c.startProgress("copying events")
	defer bar.end()
	return storecopy.Copy(ctx, from, to, storecopy.Options{
		EventsPerSecondMax: perSecond, Progress: func(done, of uint64) { bar.set(int(done), int(of)) },
	})
}

// proveCopy reads both logs again, compares them event by event, and returns the hash of the views that both give.
func (c *cli) proveCopy(ctx context.Context, from storecopy.Source, to storecopy.Target, r storecopy.Report) (string, error) {
	bar := c.startProgress("comparing events")
	err := storecopy.Verify(ctx, from, to, r, func(done, of uint64) { bar.set(int(done), int(of)) })
	bar.end()
	if err != nil {
		return "", err
	}
	var hashes [2]string
	for i, read := range []storecopy.Source{from, {Read: to.Read}} {
		result, err := engine.Replay(ctx, c.watched(storecopy.Until(read.Read(ctx, 0), r.From.Events)), boot.Projections()...)
		if err != nil {
			return "", err
		}
		hashes[i] = result.StateHash
	}
	if hashes[0] != hashes[1] {
		return "", failf(exitVerify, "verification failed: the source gives state hash %s, and the copy %s", hashes[0], hashes[1])
	}
	return hashes[0], nil
}

// copyFailure tells what is left when a copy ends early.
func copyFailure(err error, to string) error {
	var differs *storecopy.DifferenceError
	if errors.As(err, &differs) {
		return &failure{
			code: exitVerify, err: fmt.Errorf("%s is no copy of the source: %w", withoutPassword(to), err),
			remedy: "copy into an empty store, or one that holds an interrupted copy of the same ledger",
		}
	}
	if verified := verificationFailure(err); verified != err {
		return verified
	}
	return withRemedy(err, "run the same command again: it compares what is there and goes on")
}

// withoutPassword is a place as it may be shown.
func withoutPassword(place string) string {
	if isStoreURL(place) {
		return kurrentlog.Place(place)
	}
	return place
}

func printStoreCopy(doc storeCopyDoc) *printout {
	out := &printout{document: doc, items: []any{doc}, columns: []column{
		right("events"), right("found"), right("copied"), right("events_per_second"), right("position"), left("log_id"), left("state_hash"),
		hidden("from"), hidden("to"),
	}}
	out.columns[3].title, out.columns[5].title = "events/s", "log"
	out.add(strconv.FormatUint(doc.Events, 10), strconv.FormatUint(doc.Found, 10), strconv.FormatUint(doc.Copied, 10),
		strconv.FormatInt(doc.EventsPerSecond, 10), strconv.FormatUint(uint64(doc.Position), 10), doc.LogID.String(), doc.StateHash, doc.From, doc.To)
	out.notes = append(out.notes, "every event of the copy equals the source's, byte for byte and in the same order; both give the same views")
	return out
}
