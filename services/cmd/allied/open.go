package main

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"syscall"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/events/kurrentlog"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/query"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"
)

// isUnavailable tells errors that a later try may not meet.
func isUnavailable(err error) bool {
	var nobody *query.UnavailableError
	var inUse *boot.InUseError
	var locked *filelog.InUseError
	if errors.As(err, &nobody) || errors.As(err, &inUse) || errors.As(err, &locked) {
		return true
	}
	for _, target := range []error{
		boot.ErrUnavailable, nats.ErrNoServers, nats.ErrNoResponders, nats.ErrTimeout, nats.ErrConnectionClosed, es.ErrBusy, es.ErrUnknown,
		context.DeadlineExceeded,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func isNotAllowed(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// isTerminal tells whether a person sits at the other end.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// connectToWrite reaches the ledger for commands; a folder that is not there yet is begun.
func (c *cli) connectToWrite(ctx context.Context) (*client.Client, func() error, error) {
	return c.connect(ctx, false)
}

// connectToRead reaches the ledger for queries; a folder that is not there is an error.
func (c *cli) connectToRead(ctx context.Context) (*client.Client, func() error, error) {
	return c.connect(ctx, true)
}

func (c *cli) connect(ctx context.Context, readOnly bool) (*client.Client, func() error, error) {
	target := boot.Target{Server: c.server, DataDir: c.dataDir, Store: c.store, Views: c.views, ReadOnly: readOnly}
	if target.Server != "" {
		target.DataDir = ""
	} else if err := c.checkDataDir(readOnly); err != nil {
		return nil, nil, err
	}
	ledger, closeLedger, err := boot.Connect(ctx, target, c.logger(zapcore.WarnLevel))
	switch {
	case err == nil:
		return ledger, closeLedger, nil
	case target.Server != "" && isUnavailable(err):
		err = withRemedy(err, "is it running? `allied serve` prints its address")
	}
	return nil, nil, err
}

// checkDataDir says early and plainly why the folder cannot serve, where one is needed.
func (c *cli) checkDataDir(readOnly bool) error {
	if c.store != "" && (c.views != "" || !readOnly) {
		return nil // nothing is kept in it
	}
	return checkFolder(c.dataDir, !readOnly || c.store != "")
}

// checkFolder says early and plainly why a folder cannot hold a ledger.
func checkFolder(dir string, mayBegin bool) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && mayBegin:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return failf(exitFailure, "there is no folder %s; --data names another, and `allied serve --sample --data %s` begins one", dir, dir)
	case err != nil:
		return err
	case !info.IsDir():
		return failf(exitFailure, "%s is a file; --data names a folder", dir)
	}
	return nil
}

// entryReader reads a log, wherever it is.
type entryReader interface {
	Read(ctx context.Context, after es.Position) iter.Seq2[es.Entry, error]
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[es.Entry, error]
}

// logReader reads a log without a server.
type logReader interface {
	entryReader
	// Head is where the log ends.
	Head(ctx context.Context) (es.Head, error)
}

// openLog opens the log to be read as it is, beside a server or without one: the folder's files, or the store.
func (c *cli) openLog(ctx context.Context) (log logReader, closeLog func() error, err error) {
	if c.store != "" {
		log, err := boot.OpenStore(ctx, kurrentlog.Config{URL: c.store, ReadOnly: true, Logger: c.logger(zapcore.WarnLevel)})
		if err != nil {
			return nil, nil, err
		}
		return log, log.Close, nil
	}
	if err := c.checkLog(); err != nil {
		return nil, nil, err
	}
	return files{c.dataDir}, func() error { return nil }, nil
}

// files are the log's files in a ledger's folder.
type files struct{ dir string }

// Read implements logReader. The files are read from their beginning, which checks all of them.
func (f files) Read(_ context.Context, after es.Position) iter.Seq2[es.Entry, error] {
	return f.only(func(e es.Entry) bool { return e.Position > after })
}

// ReadStream implements logReader.
func (f files) ReadStream(_ context.Context, stream string, from uint64) iter.Seq2[es.Entry, error] {
	return f.only(func(e es.Entry) bool { return e.Stream == stream && e.Revision >= from })
}

// Head implements logReader. Every byte of the files is checked.
func (f files) Head(context.Context) (es.Head, error) {
	report, err := filelog.Verify(nil, f.dir)
	if err != nil {
		report, err = filelog.Verify(nil, f.dir) // beside a server a mark may have been read while it was written
	}
	return report.Head, err
}

func (f files) only(wanted func(es.Entry) bool) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		for e, err := range filelog.Scan(nil, f.dir) {
			if (err != nil || wanted(e)) && !yield(e, err) {
				return
			}
		}
	}
}

// checkLog says early and plainly why there is no log to read.
func (c *cli) checkLog() error {
	switch {
	case c.server != "":
		return usagef("this reads the files in a ledger's folder and not a server; give --data instead of --server")
	case c.store != "":
		return usagef("this reads the files of a ledger's own log, which a store has not; leave --store out; `allied store copy` copies a store into a folder")
	}
	if err := checkFolder(c.dataDir, false); err != nil {
		return err
	}
	if _, err := os.Stat(logDir(c.dataDir)); errors.Is(err, fs.ErrNotExist) {
		return failf(exitFailure, "no ledger in %s; --data names another folder, and `allied serve --sample --data %s` begins one", c.dataDir, c.dataDir)
	}
	return nil
}

// logDir is where a ledger's folder keeps its log.
func logDir(dataDir string) string { return filepath.Join(dataDir, "log") }

// logger writes what libraries report to standard error, for a person.
func (c *cli) logger(level zapcore.Level) *zap.Logger {
	if c.quiet {
		level = zapcore.ErrorLevel
	}
	return newLogger(c.stderr, level, true)
}
