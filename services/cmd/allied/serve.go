package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/allied-ledger/allied/events/kurrentlog"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/relay"
	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"
)

// drainWaitMax bounds how long a server that was told to stop finishes what is under way.
const drainWaitMax = 30 * time.Second

type serveOptions struct {
	sample    bool
	profile   string
	roles     []string
	natsURL   string
	port      uint16
	release   time.Duration
	relayJSON bool
	// listen is where HTTP is served; empty or noListen for nowhere.
	listen   string
	insecure bool
}

const (
	listenDefault = "127.0.0.1:8080"
	noListen      = "none"
)

func (c *cli) serveCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the ledger: its event store, its services and its views",
		Long: `Runs all roles in this process with a NATS server of its own on the loopback interface, until it is interrupted; then it takes nothing
new, finishes what is under way and ends. A second interrupt ends it at once.

Other commands find the server through the folder that it serves, or by --server and the address that it prints. One process serves a
folder; to run roles apart, give each process --roles and the --nats address of the one that holds the recorder.

--store keeps the log in KurrentDB and --views the views in PostgreSQL, instead of in the folder. Several processes may then have the role
recorder, and several the role views, of which one folds each view and another takes over.

HTTP is served at --listen: /livez, /readyz and /metrics in every process that has the address, the dashboard and the API where the role api
runs. A process without that role serves HTTP only where --listen is given.

Who submits is not checked yet: actors and authorities are claims, marked unverified. Therefore the server listens on loopback only.`,
		Example: `  allied serve --sample
  allied serve --data /var/lib/allied --port 4222 --listen 127.0.0.1:9000
  allied serve --profile=dev --listen none
  allied serve --store esdb://db1:2113 --views postgres://allied@db2/allied`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("listen") && !o.runs(boot.API) {
				o.listen = noListen
			}
			return c.serve(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.sample, "sample", false, "load the sample: announced US drawdown packages and synthetic pledges")
	flags.StringVar(&o.profile, "profile", "", "dev keeps everything in memory and logs for people")
	flags.StringSliceVar(&o.roles, "roles", nil, "roles to run, of "+strings.Join(boot.AllRoles(), ",")+" (all where not given)")
	flags.StringVar(&o.natsURL, "nats", "", "NATS server to use instead of one in this process")
	flags.DurationVar(&o.release, "release-draws-after", 24*time.Hour, "release draws that no shipment or payment has named, or what one gave up, after so long (a minute or more; 0: never)")
	flags.BoolVar(&o.relayJSON, "relay-json", false, "have the role relay publish every event as JSON, too, on the stream "+relay.EventsJSON.Stream)
	flags.Uint16Var(&o.port, "port", 0, "port of the NATS server in this process (0: a free one)")
	flags.StringVar(&o.listen, "listen", listenDefault, "loopback address of HTTP (port 0: a free one; none: no HTTP)")
	flags.BoolVar(&o.insecure, "insecure-listen", false, "let --listen reach beyond this machine, although nobody checks who acts")
	return cmd
}

func (c *cli) serve(ctx context.Context, o serveOptions) error {
	if err := c.checkServe(o); err != nil {
		return err
	}
	cfg := boot.Config{
		DataDir: c.dataDir, Store: c.store, Views: c.views, NATSURL: o.natsURL, Profile: o.profile, Roles: o.roles, ReleaseDrawsAfter: o.release,
		RelayJSON:    o.relayJSON,
		HTTPInsecure: o.insecure,
		Logger:       newLogger(c.stderr, zapcore.InfoLevel, o.profile == boot.ProfileDev || isTerminal(c.stderr)),
	}
	if !c.keepsFiles(o) {
		cfg.DataDir = ""
	}
	if o.listen != noListen {
		cfg.HTTPListen = o.listen
	}
	if o.natsURL == "" {
		cfg.Listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(int(o.port)))
	}
	node, err := boot.Start(ctx, cfg)
	if err != nil {
		return startFailure(err)
	}
	err = c.runNode(ctx, node, o)
	c.say("allied serve: finishing what is under way")
	closeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWaitMax)
	defer cancel()
	return errors.Join(err, node.Close(closeCtx))
}

func (c *cli) keepsFiles(o serveOptions) bool {
	cfg := boot.Config{Profile: o.profile, Roles: o.roles, Store: c.store, Views: c.views}
	return cfg.NeedsFolder()
}

func (o serveOptions) runs(role string) bool {
	return len(o.roles) == 0 || slices.Contains(o.roles, role)
}

// releaseAfterMin keeps the release of draws from racing the commands that made them: one is answered, or repeated by its client, in less.
const releaseAfterMin = time.Minute

func (c *cli) checkServe(o serveOptions) error {
	switch {
	case c.server != "":
		return usagef("serve is the server; --nats names a NATS server to use, and --server is for the other commands")
	case o.profile != "" && o.profile != boot.ProfileDev:
		return usagef("--profile %q is not known; give %s, or leave it out", o.profile, boot.ProfileDev)
	case o.natsURL != "" && o.port != 0:
		return usagef("--port is for the NATS server in this process, and --nats uses another one; give one of them")
	}
	if o.release != 0 && o.release < releaseAfterMin {
		return usagef("--release-draws-after %s would release what commands under way are to use; give %s or more, such as 24h, or 0 for never", o.release, releaseAfterMin)
	}
	for _, role := range o.roles {
		if !slices.Contains(boot.AllRoles(), role) {
			return usagef("there is no role %q, only %s%s", role, strings.Join(boot.AllRoles(), ", "), didYouMean(role, boot.AllRoles()))
		}
	}
	if o.relayJSON && !o.runs(boot.Relay) {
		return usagef("--relay-json is for the role %s, and --roles %s leaves it out: add it, or leave --relay-json out", boot.Relay, strings.Join(o.roles, ","))
	}
	if err := o.checkListen(); err != nil {
		return err
	}
	if o.sample && !o.runs(boot.Pledges) {
		return usagef("--sample sends commands of pledges, and --roles %s leaves out who decides them: add %s, or leave the sample out",
			strings.Join(o.roles, ","), boot.Pledges)
	}
	if !c.keepsFiles(o) {
		return nil
	}
	return checkFolder(c.dataDir, true)
}

func (o serveOptions) checkListen() error {
	if o.listen == "" || o.listen == noListen {
		if slices.Contains(o.roles, boot.API) {
			return usagef("--roles names %s, which serves HTTP, and --listen says that there is none; leave one of the two out", boot.API)
		}
		return nil
	}
	err := boot.CheckHTTPListen(o.listen, o.insecure)
	switch {
	case errors.As(err, new(*boot.BeyondLoopbackError)):
		return usagef("--listen: %w; --insecure-listen allows it all the same", err)
	case err != nil:
		return usagef("--listen: %w", err)
	}
	return nil
}

func startFailure(err error) error {
	if errors.As(err, new(*boot.HTTPListenError)) {
		return &failure{
			code: exitUnavailable, err: err,
			remedy: "--listen names another address, such as 127.0.0.1:0 for a free port, and --listen none serves no HTTP",
		}
	}
	if strings.Contains(err.Error(), "address already in use") {
		return &failure{code: exitUnavailable, err: err, remedy: "--port names another port, and --port 0 takes a free one"}
	}
	return err
}

// runNode tells where the node is, loads the sample where asked, and returns when the node is to stop.
func (c *cli) runNode(ctx context.Context, node *boot.Node, o serveOptions) error {
	if o.sample {
		if err := c.loadSample(ctx, node); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprint(c.stdout, c.welcome(node, o)); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-node.Done():
		return failf(exitFailure, "a role has failed")
	}
}

func (c *cli) loadSample(ctx context.Context, node *boot.Node) error {
	nc, err := node.Dial(nats.Name("allied sample"))
	if err != nil {
		return err
	}
	defer nc.Close()
	return c.submitSample(ctx, client.New(nc, client.Config{}))
}

// welcome tells where the ledger is and what to try, in commands that work when they are copied.
func (c *cli) welcome(node *boot.Node, o serveOptions) string {
	var b strings.Builder
	url := node.HTTPURL()
	if url != "" && o.runs(boot.API) {
		fmt.Fprintf(&b, "Open %s/ to see the figures; %s/api describes the API.\n", url, url)
	}
	fmt.Fprintf(&b, "Allied Ledger is running at %s", node.URL())
	switch {
	case o.profile == boot.ProfileDev:
		b.WriteString(", in memory: what is recorded ends with it")
	case c.keepsFiles(o):
		fmt.Fprintf(&b, ", folder %s", c.dataDir)
	}
	if c.store != "" && o.runs(boot.Recorder) {
		fmt.Fprintf(&b, ", log in %s", kurrentlog.Place(c.store))
	}
	if c.views != "" && o.runs(boot.Views) {
		fmt.Fprintf(&b, ", views in %s", withoutSecret(c.views))
	}
	if len(o.roles) > 0 {
		fmt.Fprintf(&b, ", roles %s", strings.Join(o.roles, ", "))
	}
	b.WriteString("\n")
	if url != "" {
		fmt.Fprintf(&b, "HTTP is served at %s (/livez, /readyz, /metrics)\n", url)
		if o.insecure {
			b.WriteString("WARNING: --insecure-listen is given, and nobody checks who acts: whoever reaches this address may submit commands in any name.\n")
		}
	}
	if o.sample {
		b.WriteString("The sample: US drawdown packages as announced; the pledges of all other donors are invented, and flagged synthetic.\n")
	}
	b.WriteString("Try, in another terminal:\n")
	if dir, err := os.Getwd(); err == nil {
		fmt.Fprintf(&b, "  cd %s\n", quoted(dir))
	}
	whole := o.profile == "" && len(o.roles) == 0 && c.store == "" && c.views == "" // the folder holds all that commands need
	for _, command := range o.worthTrying(whole) {
		reach := "--server " + node.URL()
		if whole {
			reach = "--data " + quoted(c.dataDir)
		}
		fmt.Fprintf(&b, "  %s %s %s\n", quoted(selfCommand()), command, reach)
	}
	if url != "" && o.runs(boot.API) {
		fmt.Fprintf(&b, "  curl '%s/v1/pledges?limit=2'\n", url)
	}
	b.WriteString("Ctrl-C stops it.\n")
	return b.String()
}

func (o serveOptions) worthTrying(whole bool) []string {
	var try []string
	if o.sample {
		try = append(try,
			"balances --basis donor_stated --stage committed,allocated --reached --by donor",
			"balances --basis donor_stated --stage handed_over,booked --reached --by donor,category --category-depth 1",
			"exceptions")
	}
	try = append(try, "pledges", "events --limit 5 --decode")
	if whole {
		try = append(try, "replay --verify")
	}
	return try
}

// withoutSecret is a database's address as it may be shown.
func withoutSecret(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "a database"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	u.RawQuery = "" // which may hold one, too
	return u.String()
}

// quoted is a word that a shell reads as one.
func quoted(word string) string {
	if strings.ContainsAny(word, " \t\n'\"\\$&|;<>()*?[]#~`!{}") {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

// selfCommand is how a person calls this binary from where they stand.
func selfCommand() string {
	path, err := os.Executable()
	if err != nil {
		return "allied"
	}
	dir, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(rel, "..") {
		return "./" + rel
	}
	return path
}
