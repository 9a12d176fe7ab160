package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"
)

func (c *cli) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup DIR",
		Short: "Copy the log into a folder, also beside a running server",
		Long: `Copies the log of a ledger into DIR, which is made: its sealed segments, and the live one up to the end of what was answered. --data names
the ledger's folder; --server finds it where the server runs on this machine. The copy opens as a whole log. It holds no views and no
index, which are built from the log where it is restored.

A server goes on meanwhile: its log's files are read as they are, and everything that it had answered when the backup began is in it.
An earlier backup of the same ledger in DIR is continued: what it holds is compared, and only what is new is copied. A folder that holds
anything else is refused. What an interrupted backup leaves opens as the earlier one or a longer part of the log, or does not open; the
same command completes it.`,
		Example: `  allied backup /mnt/backups/ledger --data /var/lib/allied`,
		Args:    exactly("DIR"),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.backup(cmd.Context(), args[0]) },
	}
}

// backupDoc is what -o json prints of a backup.
type backupDoc struct {
	Position    es.Position `json:"position"`
	Ordinal     uint64      `json:"ordinal"`
	Events      uint64      `json:"events"`
	Bytes       int64       `json:"bytes"`
	BytesCopied int64       `json:"bytes_copied"`
	Segments    int         `json:"segments"`
	LogID       uuid.UUID   `json:"log_id"`
	Dir         string      `json:"dir"`
	// Continued is the position at which an earlier backup in the folder ended.
	Continued es.Position `json:"continued_from_position,omitempty"`
}

func (c *cli) backup(ctx context.Context, dir string) error {
	if err := c.locate(ctx); err != nil {
		return err
	}
	if err := c.checkLog(); err != nil {
		return err
	}
	if err := checkApart(c.dataDir, dir); err != nil {
		return err
	}
	answered, served, err := c.answered(ctx)
	if err != nil {
		return err
	}
	report, err := c.copyLog(ctx, filelog.BackupConfig{From: c.dataDir, To: dir, AtLeast: answered})
	if err != nil {
		return err
	}
	if report.BytesUnanswered > 0 && !served {
		c.say("%d bytes behind the head of %s are not in the backup: after a power failure they may be events. Start the ledger once, which settles it, and back up again",
			report.BytesUnanswered, c.dataDir)
	}
	if err := printBackup(report, dir).write(c.stdout, c.form); err != nil {
		return err
	}
	c.say("it is restored with `%s restore %s --data FOLDER`", quoted(selfCommand()), quoted(dir))
	return nil
}

// locate finds the folder of the server that --server names, which must be on this machine: files are copied from the disk they are on.
func (c *cli) locate(ctx context.Context) error {
	if c.server == "" {
		return nil
	}
	ledger, disconnect, err := c.connectToRead(ctx)
	if err != nil {
		return err
	}
	about, err := ledger.About(ctx)
	if err == nil && about.Dir == "" {
		err = failf(exitFailure, "the ledger at %s keeps its log in no folder: there are no files to copy; `allied store copy` copies one that is in a store", c.server)
	}
	if err := errors.Join(err, disconnect()); err != nil {
		return err
	}
	_, gone := os.Stat(logDir(about.Dir))
	if here, err := filelog.LogID(nil, about.Dir); errors.Is(gone, fs.ErrNotExist) || err == nil && here.String() != about.LogID { // damage is told later
		return failf(exitFailure, "the ledger at %s lies in %s on another machine: run the command there", c.server, about.Dir)
	}
	c.server, c.dataDir = "", about.Dir
	return nil
}

// answered is the position up to which the server of the folder has answered; 0 where nobody serves it.
func (c *cli) answered(ctx context.Context) (at es.Position, served bool, err error) {
	ledger, disconnect, err := boot.ConnectServing(ctx, c.dataDir, c.logger(zapcore.WarnLevel))
	if err != nil || ledger == nil {
		return 0, false, err
	}
	head, _, err := ledger.Head(ctx)
	return head.Position, true, errors.Join(err, disconnect())
}

// copyLog copies, and shows a person how far it is.
func (c *cli) copyLog(ctx context.Context, config filelog.BackupConfig) (filelog.BackupReport, error) {
	bar := c.startProgress("copying bytes")
	defer bar.end()
	config.Progress = func(done, of int64) { bar.set(int(done), int(of)) }
	return filelog.Backup(ctx, config)
}

func printBackup(r filelog.BackupReport, dir string) *printout {
	doc := backupDoc{
		Position: r.Head.Position, Ordinal: lastOrdinal(r.Head), Events: r.Head.Events, Bytes: r.Bytes, BytesCopied: r.BytesCopied,
		Segments: r.Segments, LogID: r.Log, Dir: dir, Continued: r.Before.Position,
	}
	out := &printout{document: doc, items: []any{doc}, columns: []column{
		right("position"), right("ordinal"), right("events"), right("bytes"), right("bytes_copied"), right("segments"), left("log_id"), hidden("dir"),
	}}
	out.columns[4].title, out.columns[6].title = "copied", "log"
	out.add(strconv.FormatUint(uint64(doc.Position), 10), strconv.FormatUint(doc.Ordinal, 10), strconv.FormatUint(doc.Events, 10),
		strconv.FormatInt(doc.Bytes, 10), strconv.FormatInt(doc.BytesCopied, 10), strconv.Itoa(doc.Segments), doc.LogID.String(), dir)
	if doc.Continued > 0 {
		out.notes = append(out.notes, fmt.Sprintf("continued the backup in %s, which ended at position %d", dir, doc.Continued))
	}
	return out
}

// lastOrdinal is the ordinal of the last event, as replay prints it.
func lastOrdinal(h es.Head) uint64 { return max(h.Events, 1) - 1 }

// checkApart refuses a copy within the folder that it is a copy of: it would be lost together with it.
func checkApart(from, to string) error {
	realFrom, err := realPath(from)
	if err != nil {
		return err
	}
	realTo, err := realPath(to)
	if err != nil {
		return err
	}
	if rel, err := filepath.Rel(realFrom, realTo); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return failf(exitFailure, "%s lies in %s itself; name a folder apart from it, best on another disk", to, from)
	}
	return nil
}

// realPath is where a path leads, also one whose last parts are not there yet.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	found, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(path) == path {
		return found, err
	}
	above, err := realPath(filepath.Dir(path))
	return filepath.Join(above, filepath.Base(path)), err
}
