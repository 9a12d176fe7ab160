package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/spf13/cobra"
)

func (c *cli) doctorCommand() *cobra.Command {
	var deep bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what a ledger stands on: disk, folder, log, views, server",
		Long: `Looks at the ledger's disk and how long it takes to make a write durable, at its folder and who serves it, the log's head and what has
read how far, its views, its NATS server, and the versions. Each line is ok, warn or fail, with what to do.

It works beside a server and on a folder that cannot be written, and changes nothing: one small file is written, synced and removed to
measure the disk. --deep also reads every byte of the log. With --server it checks what can be seen from outside.

Exit codes: 0 where nothing fails, 3 where damage is found, 1 where something else fails.`,
		Example: `  allied doctor --data /var/lib/allied
  allied doctor --deep -o json`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doctor(cmd.Context(), deep) },
	}
	cmd.Flags().BoolVar(&deep, "deep", false, "read every byte of the log")
	return cmd
}

// The outcomes of one check.
const (
	checkOK   = "ok"
	checkWarn = "warn" // works, and may not for long
	checkFail = "fail"
)

// finding is what one check found.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"`
	Found  string `json:"found"`
	// Remedy is what to do; empty where there is nothing to.
	Remedy string `json:"remedy,omitempty"`

	damage bool // the log or a view is not what it was
}

func fine(check, format string, args ...any) finding {
	return finding{Check: check, Status: checkOK, Found: fmt.Sprintf(format, args...)}
}

func warn(check, remedy, format string, args ...any) finding {
	return finding{Check: check, Status: checkWarn, Found: fmt.Sprintf(format, args...), Remedy: remedy}
}

func fails(check, remedy, format string, args ...any) finding {
	return finding{Check: check, Status: checkFail, Found: fmt.Sprintf(format, args...), Remedy: remedy}
}

// broken is a check that an error ended.
func broken(check, remedy string, err error) finding {
	f := fails(check, remedy, "%s", err)
	f.damage = exitCode(err) == exitVerify
	var damage *es.DamageError
	if errors.As(err, &damage) { // which knows best what to do
		f.Found = "log damaged: " + damage.Found()
		f.Remedy = damage.Remedy
	}
	return f
}

// doctorDoc is what -o json prints.
type doctorDoc struct {
	Ledger  string    `json:"ledger"`
	Healthy bool      `json:"healthy"` // nothing fails
	Checks  []finding `json:"checks"`
}

func (c *cli) doctor(ctx context.Context, deep bool) error {
	doc := doctorDoc{Ledger: c.server, Healthy: true}
	if c.server != "" {
		if deep {
			return usagef("--deep reads the log's files and not a server; give --data instead of --server")
		}
		doc.Checks = c.examineServer(ctx, c.server, "")
	} else {
		if err := c.checkLog(); err != nil {
			return err
		}
		doc.Ledger, doc.Checks = c.dataDir, c.examineFolder(ctx, deep)
	}
	doc.Checks = append(doc.Checks, examineVersions())
	code := exitOK
	for _, f := range doc.Checks {
		switch {
		case f.damage:
			code = exitVerify
		case f.Status == checkFail && code == exitOK:
			code = exitFailure
		}
	}
	doc.Healthy = code == exitOK
	if err := printDoctor(doc).write(c.stdout, c.form); err != nil {
		return err
	}
	if code != exitOK {
		return &silentFailure{code}
	}
	return nil
}

func printDoctor(doc doctorDoc) *printout {
	out := &printout{document: doc, columns: []column{left("check"), left("status"), left("found"), hidden("remedy"), hidden("ledger")}}
	for _, f := range doc.Checks {
		out.items = append(out.items, f)
		out.add(f.Check, f.Status, f.Found, f.Remedy, doc.Ledger)
		if f.Remedy != "" {
			out.notes = append(out.notes, fmt.Sprintf("%s: %s", f.Check, f.Remedy))
		}
	}
	return out
}
