package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestTheReferenceIsTheHelp writes docs/reference/cli.md from what the commands say of themselves.
func TestTheReferenceIsTheHelp(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "reference", "cli.md")
	text := cliPage()
	old, err := os.ReadFile(path)
	switch {
	case err == nil && string(old) == text:
	case !*update:
		t.Errorf("%s is not what the commands say: run go test ./services/cmd/allied -update, and read the difference", path)
	default:
		t.Logf("%s is written anew", path)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func cliPage() string {
	root := new(cli).newRoot()
	root.InitDefaultHelpCmd()
	commands := leaves(root)
	var b strings.Builder
	b.WriteString("<!-- Written by `go test ./services/cmd/allied -update` from the help of the commands. Change that, not this page. -->\n\n# Command line\n\n")
	b.WriteString("What `allied --help`, and `--help` after every command, says.\n\n")
	b.WriteString(helpProse(root.Long) + "| Command | |\n|---|---|\n")
	for _, c := range commands {
		name := c.CommandPath()
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", name, strings.ReplaceAll(name, " ", "-"), cell(c.Short))
	}
	b.WriteString("\n## Flags of every command\n\n" + flagTable(root.PersistentFlags()))
	for _, c := range commands {
		fmt.Fprintf(&b, "## %s\n\n`%s`\n\n", c.CommandPath(), c.UseLine())
		long := c.Long
		if long == "" {
			long = c.Short + "."
		}
		b.WriteString(helpProse(long) + flagTable(c.LocalNonPersistentFlags()))
		if c.HasExample() {
			b.WriteString("```sh\n")
			for line := range strings.SplitSeq(strings.TrimRight(c.Example, "\n"), "\n") {
				b.WriteString(strings.TrimPrefix(line, "  ") + "\n")
			}
			b.WriteString("```\n\n")
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// leaves are the commands that do something; those that only hold others say no more than these.
func leaves(parent *cobra.Command) (out []*cobra.Command) {
	for _, c := range parent.Commands() {
		switch {
		case c.Hidden:
		case c.HasSubCommands():
			out = append(out, leaves(c)...)
		default:
			out = append(out, c)
		}
	}
	return out
}

// wrappedLine is a line that goes on with the one above it, and one after it that does not.
var wrappedLine = regexp.MustCompile(`(\n  [^\n]*)\n([^ ])`)

// helpProse is a text for a terminal as Markdown: its paragraphs, and as they stand those in which columns are lined up.
func helpProse(text string) string {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		flowing := strings.ReplaceAll(wrappedLine.ReplaceAllString(paragraph, "$1\n\n$2"), "\n  ", "\n")
		if strings.Contains(flowing, "  ") {
			b.WriteString("```text\n" + paragraph + "\n```\n\n")
			continue
		}
		b.WriteString(markdown(flowing) + "\n\n")
	}
	return b.String()
}

func flagTable(flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if b.Len() == 0 {
			b.WriteString("| Flag | | Without it |\n|---|---|---|\n")
		}
		kind, says := pflag.UnquoteUsage(f)
		name, without := strings.TrimRight("--"+f.Name+" "+kind, " "), ""
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		switch f.DefValue {
		case "", "0", "false", "[]", "0s":
		default:
			without = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, cell(says), without)
	})
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}

func cell(text string) string { return strings.ReplaceAll(markdown(text), "|", `\|`) }

// markdown lets no part of a plain text be taken for HTML or for emphasis.
func markdown(text string) string { return strings.NewReplacer("<", `\<`, "*", `\*`).Replace(text) }
