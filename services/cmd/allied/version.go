package main

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

type versionDoc struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print what this binary was built from",
		Args:  exactly(),
		RunE: func(*cobra.Command, []string) error {
			doc := readVersion()
			out := &printout{
				document: doc, items: []any{doc},
				columns: []column{left("version"), left("revision"), left("time"), left("go")},
			}
			revision := cmp.Or(doc.Revision, "unknown")
			if doc.Modified {
				revision += " and changes"
			}
			out.add(doc.Version, revision, cmp.Or(doc.Time, "unknown"), doc.Go)
			return out.write(c.stdout, c.form)
		},
	}
}

// readVersion takes what the Go tool wrote into the binary.
func readVersion() versionDoc {
	doc := versionDoc{Version: "(devel)", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return doc
	}
	if info.Main.Version != "" {
		doc.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			doc.Revision = s.Value
		case "vcs.time":
			doc.Time = s.Value
		case "vcs.modified":
			doc.Modified = s.Value == "true"
		}
	}
	return doc
}
