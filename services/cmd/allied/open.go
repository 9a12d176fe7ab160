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
	return c.connect(ctx, boot.Target{Server: c.server, DataDir: c.dataDir})
}

// connectToRead reaches the ledger for queries; a folder that is not there is an error.
func (c *cli) connectToRead(ctx context.Context) (*client.Client, func() error, error) {
	return c.connect(ctx, boot.Target{Server: c.server, DataDir: c.dataDir, ReadOnly: true})
}

func (c *cli) connect(ctx context.Context, target boot.Target) (*client.Client, func() error, error) {
	if target.Server != "" {
		target.DataDir = ""
	} else if err := checkFolder(target.DataDir, !target.ReadOnly); err != nil {
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

// scanLog reads the log's files as they are: read-only, beside a server or without one.
func (c *cli) scanLog() (iter.Seq2[es.Entry, error], error) {
	if err := c.checkLog(); err != nil {
		return nil, err
	}
	return filelog.Scan(nil, c.dataDir), nil
}

// checkLog says early and plainly why there is no log to read.
func (c *cli) checkLog() error {
	if c.server != "" {
		return usagef("this reads the files in a ledger's folder and not a server; give --data instead of --server")
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
