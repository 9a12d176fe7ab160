// Package boot starts the roles of a ledger in one process and stops them in order.
package boot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/imports"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/internal/endpoint"
	"github.com/allied-ledger/allied/services/internal/health"
	"github.com/allied-ledger/allied/services/internal/reservation"
	"github.com/allied-ledger/allied/services/payments"
	"github.com/allied-ledger/allied/services/pledges"
	"github.com/allied-ledger/allied/services/recorder"
	"github.com/allied-ledger/allied/services/shipments"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// The roles.
const (
	Recorder  = "recorder"  // holds the event store
	Pledges   = "pledges"   // decides the commands of pledges
	Shipments = "shipments" // decides the commands of shipments
	Payments  = "payments"  // decides the commands of payments
	Imports   = "imports"   // decides the commands of imports
	Views     = "views"     // folds the log into read models, and answers queries
	Relay     = "relay"     // publishes every event on JetStream
	Policies  = "policies"  // sends the commands that facts call for
	API       = "api"       // takes commands and queries over HTTP
)

// AllRoles are the roles of `allied serve`.
func AllRoles() []string {
	return []string{Recorder, Pledges, Shipments, Payments, Imports, Views, Relay, Policies, API}
}

// ProfileDev keeps everything in memory.
const ProfileDev = "dev"

// Config says what to start.
type Config struct {
	// DataDir is the ledger's folder; it is created. Not used by profile dev, nor where NeedsFolder says that nothing is kept in it.
	DataDir string
	// Store is the connection string of the event store, such as esdb://127.0.0.1:2113; empty for the folder's own.
	Store string
	// Views is the database that keeps the views, such as postgres://user@127.0.0.1/ledger; empty for a file in the folder.
	Views string
	// NATSURL is the server to connect to; empty starts one in this process, which then must hold the recorder.
	NATSURL string
	// Listen is where the server in this process listens, a loopback address such as 127.0.0.1:4222; a free port where empty.
	Listen string
	// HTTPListen is where HTTP is served, such as 127.0.0.1:8080: health and metrics, and the API where that role runs. Nowhere where empty. An
	// address beyond loopback needs HTTPInsecure.
	HTTPListen   string
	HTTPInsecure bool
	// Profile is empty or dev.
	Profile string
	// Roles to start; all where empty, but the API only with HTTPListen.
	Roles []string
	// ReleaseDrawsAfter is how long a draw may stand unused, or what was given up of one unreleased, before the policies release it; 0 is for ever.
	ReleaseDrawsAfter time.Duration
	// RelayJSON has the relay publish every event as JSON, too, on a stream of its own.
	RelayJSON bool
	Logger    *zap.Logger

	unlistened bool             // no listener: only this process connects
	clock      func() time.Time // tells how long a view is behind; time.Now where nil
}

// Node is the running roles of one process.
type Node struct {
	cfg    Config
	zap    *zap.Logger
	dial   endpoint.Dialer
	server *embednats.Server // nil where another process runs it
	folder *folder           // nil in memory
	log    es.Log            // nil without the recorder
	logID  string
	views  *views  // nil without the role
	relays *relays // nil without the role
	// policy tells how far the view of a policy is; nil without one.
	policy func(context.Context) health.Answer
	front  *front // nil without HTTP
	// metrics is nil without HTTP.
	metrics registry

	group   *errgroup.Group
	failed  context.Context // ends when a role does before Close
	running []*role         // in the order of their start
	closers []func() error  // called in reverse after the roles have stopped
}

// Start starts the roles, and returns once they answer. What is started when one fails is stopped again.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, zap: cfg.Logger}
	n.group, n.failed = errgroup.WithContext(context.Background())
	if err := n.start(ctx); err != nil {
		return nil, errors.Join(err, n.Close(ctx))
	}
	return n, nil
}

func (c *Config) check() error {
	if c.clock == nil {
		c.clock = time.Now
	}
	if len(c.Roles) == 0 {
		c.Roles = AllRoles()
		if c.HTTPListen == "" {
			c.Roles = slices.DeleteFunc(c.Roles, func(r string) bool { return r == API })
		}
	}
	for _, r := range c.Roles {
		if !slices.Contains(AllRoles(), r) {
			return fmt.Errorf("start: no role %q: use some of %s", r, strings.Join(AllRoles(), ", "))
		}
	}
	if err := CheckHTTPListen(c.HTTPListen, c.HTTPInsecure); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	switch {
	case c.Profile != "" && c.Profile != ProfileDev:
		return fmt.Errorf("start: no profile %q: use %s, or none", c.Profile, ProfileDev)
	case c.NATSURL == "" && !slices.Contains(c.Roles, Recorder):
		return fmt.Errorf("start: roles %s without a recorder need the NATS server of the process that has it", strings.Join(c.Roles, ", "))
	case c.NATSURL != "" && c.Listen != "":
		return errors.New("start: a process that connects to a NATS server does not listen: leave one of the two out")
	case c.ReleaseDrawsAfter < 0:
		return fmt.Errorf("start: unused draws cannot be released after %s: name a time, or 0 for never", c.ReleaseDrawsAfter)
	case c.HTTPListen == "" && c.runs(API):
		return errors.New("start: the role api serves HTTP: name an address to listen on, or leave the role out")
	case c.Profile == ProfileDev && (c.Store != "" || c.Views != ""):
		return fmt.Errorf("start: profile %s keeps everything in memory: leave it out, or the store and the database of the views", ProfileDev)
	case c.DataDir == "" && c.NeedsFolder():
		return errors.New("start: name the ledger's folder, or use profile dev to keep all in memory")
	}
	return nil
}

// NeedsFolder tells whether a role keeps something in the ledger's folder. Deciders hold nothing that the log does not.
func (c *Config) NeedsFolder() bool {
	return c.Profile != ProfileDev && (c.runs(Recorder) && c.Store == "" || c.runs(Views) && c.Views == "" || c.runs(Relay))
}

func (c *Config) runs(role string) bool { return len(c.Roles) == 0 || slices.Contains(c.Roles, role) }

// BeyondLoopbackError: an address that other machines reach is refused.
type BeyondLoopbackError struct{ Listen string }

func (e *BeyondLoopbackError) Error() string {
	return fmt.Sprintf("listen on %q: only a loopback address such as 127.0.0.1 is allowed, since clients have no identities yet: actors and authorities are unverified claims", e.Listen)
}

// CheckHTTPListen refuses an address that HTTP cannot be served at.
func CheckHTTPListen(listen string, beyond bool) error {
	_, _, err := listenAt(listen, beyond)
	return err
}

// listenAt splits an address to listen on. Who acts is not checked yet, so that nobody outside this machine may, unless it is meant to be beyond.
func listenAt(listen string, beyond bool) (host string, port int, err error) {
	if listen == "" {
		return "127.0.0.1", 0, nil
	}
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("listen on %q: %w; write it as 127.0.0.1:4222", listen, err)
	}
	if port, err = strconv.Atoi(text); err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("listen on %q: %q is not a port", listen, text)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && !beyond {
		return "", 0, &BeyondLoopbackError{listen}
	}
	return host, port, nil
}

func (n *Node) start(ctx context.Context) error {
	if err := n.openFolder(); err != nil {
		return err
	}
	if err := n.openHTTP(ctx); err != nil {
		return err
	}
	if err := n.openNATS(ctx); err != nil {
		return err
	}
	for _, r := range []struct {
		name  string
		start func(context.Context) error
	}{
		{Recorder, n.startRecorder},
		{Pledges, func(context.Context) error { return startHost(n, pledges.Spec) }},
		{Shipments, func(context.Context) error { return startDrawing(n, "shipments", shipments.Spec) }},
		{Payments, func(context.Context) error { return startDrawing(n, "payments", payments.Spec) }},
		{Imports, func(context.Context) error { return startHost(n, imports.Spec) }},
		{Views, n.startViews},
		{Relay, n.startRelay},
		{Policies, n.startPolicies},
	} {
		if n.cfg.runs(r.name) {
			if err := r.start(ctx); err != nil {
				return err
			}
		}
	}
	if n.front != nil {
		if err := n.startHTTP(); err != nil {
			return err
		}
	}
	if n.folder != nil {
		return n.folder.announce(Owner{URL: n.URL(), HTTPURL: n.HTTPURL(), LogID: n.logID})
	}
	return nil
}

func (n *Node) openFolder() error {
	if n.cfg.Profile == ProfileDev || n.cfg.DataDir == "" {
		return nil
	}
	f, err := lockFolder(n.cfg.DataDir)
	if err != nil {
		return err
	}
	n.folder = f
	n.closers = append(n.closers, f.release)
	return nil
}

func (n *Node) openNATS(ctx context.Context) error {
	if n.cfg.NATSURL != "" {
		n.dial = n.noting(func(opts ...nats.Option) (*nats.Conn, error) { return Dial(n.cfg.NATSURL, opts...) })
		return nil
	}
	host, port, err := listenAt(n.cfg.Listen, false)
	if err != nil {
		return err
	}
	cfg := embednats.Config{Host: host, Port: port, InProcess: n.cfg.unlistened, Logger: n.zap}
	if !cfg.InProcess {
		cfg.StreamsMax = n.streamsMax()
		cfg.StreamsDir, cfg.KeptBytesMax = n.streamsDir()
	}
	s, err := embednats.Start(cfg)
	if err != nil {
		return err
	}
	n.server, n.dial = s, n.noting(s.Dial)
	n.closers = append(n.closers, func() error { s.Close(); return nil })
	if cfg.StreamsDir != "" {
		n.claimStreams(ctx)
	}
	return nil
}

// noting dials connections whose troubles go to the log, and not to the standard error, where NATS writes them.
func (n *Node) noting(dial endpoint.Dialer) endpoint.Dialer {
	note := nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
		subject := ""
		if sub != nil {
			subject = sub.Subject
		}
		if errors.Is(err, nats.ErrSlowConsumer) { // of frames; the log has what was dropped
			n.zap.Debug("messages were dropped", zap.String("subject", subject), zap.Error(err))
			return
		}
		n.zap.Warn("NATS connection has trouble", zap.String("subject", subject), zap.Error(err))
	})
	return func(opts ...nats.Option) (*nats.Conn, error) { return dial(append([]nats.Option{note}, opts...)...) }
}

// claimStreams makes what the server in this process has room for, before somebody else comes.
func (n *Node) claimStreams(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, dialWaitMax)
	defer cancel()
	nc, err := n.dial(nats.Name("allied streams"))
	if err == nil {
		defer nc.Close()
		var js jetstream.JetStream
		if js, err = jetstream.New(nc); err == nil {
			err = LiveBalances.Prepare(ctx, js)
		}
		for _, form := range n.forms() {
			err = errors.Join(err, form.Claim(ctx, js, n.storage()))
		}
	}
	if err != nil { // who publishes tries again, and says so where it is in vain
		n.zap.Debug("not all streams are there yet", zap.Error(err))
	}
}

// streamsDir is a folder for JetStream, and how much of it is kept: all streams of the relay, whose consumers go on after a restart. Where nothing
// is kept the NATS server removes it at its end. It is empty where none can be had.
func (n *Node) streamsDir() (dir string, keptBytes int64) {
	switch {
	case n.folder != nil && n.cfg.runs(Relay):
		return filepath.Join(n.cfg.DataDir, keptStreamsName), keptBytesMax
	case n.folder != nil:
		return filepath.Join(n.cfg.DataDir, streamsName), 0
	}
	dir, err := os.MkdirTemp("", "allied-streams-")
	if err != nil {
		n.zap.Warn("JetStream does not run: there are no live views and no stream of events", zap.Error(err))
	}
	return dir, 0
}

func (n *Node) startRecorder(ctx context.Context) error {
	log, err := n.openLog(ctx)
	if err != nil {
		return err
	}
	n.log, n.logID = log, log.ID().String()
	n.closers = append(n.closers, log.Close)
	if err := n.register(logMetrics{log}); err != nil {
		return err
	}
	cfg := recorder.Config{Shared: n.cfg.Store != "", Clock: time.Now, Logger: n.zap, Metrics: n.metrics}
	if n.folder != nil && n.cfg.Store == "" {
		if cfg.Dir, err = filepath.Abs(n.cfg.DataDir); err != nil {
			return fmt.Errorf("start recorder: %w", err)
		}
	}
	r, err := recorder.New(ctx, n.dial, log, cfg)
	if err != nil {
		return err
	}
	n.run(Recorder, r)
	return nil
}

func startHost[S, C any](n *Node, spec command.Spec[S, C]) error {
	h, err := command.New(n.dial, spec, command.Config{Logger: n.zap, Metrics: n.metrics})
	if err != nil {
		return err
	}
	n.run(spec.Service, h)
	return nil
}

// startDrawing starts a service that sends commands to pledges of its own.
func startDrawing[S, C any](n *Node, name string, spec func(reservation.Ledger) command.Spec[S, C]) error {
	nc, err := n.dial(nats.Name("allied "+name+" to pledges"), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	n.closers = append(n.closers, func() error { nc.Close(); return nil })
	return startHost(n, spec(client.New(nc, client.Config{Logger: n.zap})))
}

// URL is where other processes reach this ledger.
func (n *Node) URL() string {
	if n.server == nil {
		return n.cfg.NATSURL
	}
	return n.server.URL()
}

// HTTPURL is where this machine reaches the node's HTTP listener; empty without one.
func (n *Node) HTTPURL() string {
	if n.front == nil {
		return ""
	}
	return n.front.url()
}

// LogID names the log of this node's recorder; empty without one.
func (n *Node) LogID() string { return n.logID }

// Dial connects to the node's NATS server, in process where it runs here.
func (n *Node) Dial(opts ...nats.Option) (*nats.Conn, error) { return n.dial(opts...) }

// Done is closed when a role has failed; Close then says why.
func (n *Node) Done() <-chan struct{} { return n.failed.Done() }
