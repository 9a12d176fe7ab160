package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/term"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// cli is what every command shares: where data and messages go, and what the flags before the command say.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	server  string
	dataDir string
	store   string
	views   string
	form    string
	quiet   bool
}

// defaultDataDir is where a ledger lies when nobody says otherwise: beside the person who tries it.
const defaultDataDir = "./allied-data"

// run executes one command line and returns its exit code. It is all of main but the process: tests call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := &cli{stdin: stdin, stdout: stdout, stderr: stderr}
	root := c.newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	help := &helpWriter{w: stdout}
	root.SetOut(help)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = help.err
	}
	if err == nil {
		return exitOK
	}
	var silent *silentFailure
	if errors.As(err, &silent) {
		return silent.code
	}
	code := exitCode(err)
	said := err.Error()
	if ctx.Err() != nil {
		said = strings.ReplaceAll(said, context.Canceled.Error(), "interrupted")
	}
	fmt.Fprintf(stderr, "%s: %s\n", cmd.CommandPath(), visibleLines(said))
	if code == exitUsage {
		fmt.Fprintf(stderr, "%s --help shows what it takes\n", cmd.CommandPath())
	}
	return code
}

// helpWriter keeps the first failure, which cobra has nowhere to return.
type helpWriter struct {
	w   io.Writer
	err error
}

func (h *helpWriter) Write(p []byte) (int, error) {
	if h.err == nil {
		_, h.err = h.w.Write(p)
	}
	return len(p), nil
}

// silentFailure ends the process with a code after everything there is to say has been printed.
type silentFailure struct{ code int }

func (s *silentFailure) Error() string { return fmt.Sprintf("exit code %d", s.code) }

func (c *cli) newRoot() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "allied",
		Short: "Event-sourced ledger of what allies promise, send and pay",
		Long: `Allied Ledger keeps what allies promise, send and pay as events, and counts them into balances that can be replayed and checked.

Commands that read or write a ledger find it by --server, or by --data: a folder that is being served leads them to its server, and
any other is opened in this process. Where a KurrentDB keeps the log, or a PostgreSQL the views, --store and --views name them. Data goes to
standard output, messages to standard error.

Exit codes: 0 ok, 1 failure, 2 usage, 3 verification failed, 4 differences found, 5 not allowed, 6 unavailable.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return c.checkGlobal(cmd) },
	})
	flags := root.PersistentFlags()
	flags.StringVar(&c.server, "server", "", "address of a running ledger, such as nats://127.0.0.1:4222")
	flags.StringVar(&c.dataDir, "data", defaultDataDir, "folder of the ledger")
	flags.StringVar(&c.store, "store", "", "event store, such as esdb://host:2113 (KurrentDB), instead of the folder's own")
	flags.StringVar(&c.views, "views", "", "database of the views, such as postgres://user@host/database, instead of a file in the folder")
	flags.StringVarP(&c.form, "output", "o", formTable, "form of the data: "+strings.Join(forms, ", "))
	flags.BoolVarP(&c.quiet, "quiet", "q", false, "no progress and no summary on standard error; errors stay")
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(helpCommand())
	root.AddCommand(
		c.serveCommand(), c.submitCommand(), c.importCommand(), c.balancesCommand(), c.pledgesCommand(), c.pledgeCommand(),
		c.shipmentsCommand(), c.shipmentCommand(), c.paymentsCommand(), c.paymentCommand(), c.exceptionsCommand(), c.sqlCommand(),
		c.eventsCommand(), c.replayCommand(), c.backupCommand(), c.restoreCommand(), c.storeCommand(), c.relayCommand(), c.doctorCommand(), c.debugCommand(), c.versionCommand(),
	)
	return root
}

func (c *cli) checkGlobal(cmd *cobra.Command) error {
	if cmd.Flags().Changed("server") && cmd.Flags().Changed("data") {
		return usagef("--server and --data name two ledgers; give one of them")
	}
	if c.server != "" && (c.store != "" || c.views != "") {
		return usagef("--server is asked, and keeps log and views where it was told; leave out --store and --views")
	}
	if c.views != "" && !strings.HasPrefix(c.views, "postgres://") && !strings.HasPrefix(c.views, "postgresql://") {
		return usagef("--views %q is no address of a PostgreSQL database, such as postgres://user@host/database", c.views)
	}
	if c.store != "" && !isStoreURL(c.store) {
		return usagef("--store %q is no connection string of a store, such as esdb://host:2113; --data names a folder", c.store)
	}
	if strings.HasPrefix(c.server, "http://") || strings.HasPrefix(c.server, "https://") {
		return usagef("--server %s is an address of HTTP; give the other one that `allied serve` prints, such as nats://127.0.0.1:4222", c.server)
	}
	if slices.Contains(forms, c.form) {
		return nil
	}
	return usagef("--output %q is none of %s%s", c.form, strings.Join(forms, ", "), didYouMean(c.form, forms))
}

// say prints a message for people, unless they asked for quiet.
func (c *cli) say(format string, args ...any) {
	if !c.quiet {
		fmt.Fprintln(c.stderr, visibleLines(fmt.Sprintf(format, args...)))
	}
}

// flagError explains a flag that cannot be read, and names the one that was perhaps meant.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return usagef("--%s is %s, not %q", invalid.GetFlag().Name, typeInWords(invalid.GetFlag().Value.Type()), invalid.GetValue())
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usagef("%w", err)
	}
	// A misspelt command leaves its flags to its parent, which knows none of them.
	if before := cmd.Flags().Args(); cmd.HasSubCommands() && len(before) > 0 {
		return unknownSubcommand(cmd, before[0])
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	name := unknown.GetSpecifiedName()
	if unknown.GetSpecifiedShortnames() != "" {
		return usagef("there is no flag -%s", name)
	}
	if best := term.Nearest(name, names); best != "" {
		return usagef("there is no flag --%s; did you mean --%s?", name, best)
	}
	return usagef("there is no flag --%s", name)
}

func typeInWords(flagType string) string {
	switch flagType {
	case "uint64", "uint":
		return "a whole number from 0"
	case "uint16":
		return "a whole number from 0 to 65535"
	case "int":
		return "a whole number"
	case "duration":
		return "a time such as 24h or 90m"
	case "bool":
		return "true or false"
	}
	return "a " + flagType
}

// unknownSubcommand answers a misspelt command.
func unknownSubcommand(parent *cobra.Command, name string) error {
	var names []string
	for _, sub := range parent.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if best := term.Nearest(name, names); best != "" {
		return usagef("there is no command %q; did you mean %q?", name, best)
	}
	return usagef("there is no command %q, only %s", name, strings.Join(names, ", "))
}

// helpCommand is cobra's, but a command that does not exist is an error.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			about := cmd.Root()
			for _, name := range args {
				i := slices.IndexFunc(about.Commands(), func(sub *cobra.Command) bool { return sub.Name() == name })
				switch {
				case i >= 0:
					about = about.Commands()[i]
				case about.HasAvailableSubCommands():
					return unknownSubcommand(about, name)
				default:
					return usagef("%s has no command %q: `%s --help` shows what it takes", about.CommandPath(), name, about.CommandPath())
				}
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// exactly accepts n arguments, named for the message.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usagef("%s is missing: %s", names[len(args)], cmd.UseLine())
		case len(args) > len(names):
			return usagef("%q is one argument too many: %s", args[len(names)], cmd.UseLine())
		}
		return nil
	}
}

// group is a command that only holds others.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownSubcommand(cmd, args[0])
		}
		return cmd.Help()
	}
	return cmd
}
