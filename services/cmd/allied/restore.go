package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/allied-ledger/allied/events/filelog"
	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"
)

func (c *cli) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore BACKUP",
		Short: "Make a ledger from a backup, in a new folder",
		Long: `Checks every byte of a backup, copies it into the folder that --data names, and opens it there. The folder must be empty or missing: a
ledger is never overwritten. The views are built from the log when they are first asked for.

The restored ledger has the log id of the original. Let only one of the two record from then on: positions of the one mean nothing in
the other.`,
		Example: `  allied restore /mnt/backups/ledger --data /var/lib/allied-restored`,
		Args:    exactly("BACKUP"),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.restore(cmd.Context(), args[0]) },
	}
}

func (c *cli) restore(ctx context.Context, backup string) error {
	if c.server != "" {
		return usagef("restore makes a folder and does not reach a server; give --data instead of --server")
	}
	if err := checkBackup(backup); err != nil {
		return err
	}
	if err := checkApart(backup, c.dataDir); err != nil {
		return err
	}
	if _, err := filelog.Verify(nil, backup); err != nil {
		return err
	}
	report, err := c.copyLog(ctx, filelog.BackupConfig{From: backup, To: c.dataDir, Fresh: true})
	if err != nil {
		return err
	}
	log, err := filelog.Open(filelog.Config{Dir: c.dataDir, Logger: c.logger(zapcore.WarnLevel)})
	if err != nil {
		return err
	}
	if err := log.Close(); err != nil {
		return err
	}
	if err := printBackup(report, c.dataDir).write(c.stdout, c.form); err != nil {
		return err
	}
	self, data := quoted(selfCommand()), quoted(c.dataDir)
	c.say("next: `%s replay --verify --data %s` builds and proves the views; `%s serve --data %s` serves it, and the original must not record any more", self, data, self, data)
	return nil
}

// checkBackup says early and plainly why there is nothing to restore.
func checkBackup(dir string) error {
	info, err := os.Stat(logDir(dir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return failf(exitFailure, "there is no backup in %s; name the folder that `allied backup` was given", dir)
	case err != nil:
		return err
	case !info.IsDir():
		return failf(exitFailure, "%s is no folder; name the folder that `allied backup` was given", logDir(dir))
	}
	return nil
}
