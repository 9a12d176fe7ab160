package boot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/allied-ledger/allied/services/client"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

const (
	dialWaitMax = 5 * time.Second
	// stopWaitMax bounds how long a program that ends waits for what is under way.
	stopWaitMax = 30 * time.Second
)

// ErrUnavailable: the ledger cannot be reached; nothing was done.
var ErrUnavailable = errors.New("ledger unavailable")

// Target names a ledger: a server's address, or where it is kept.
type Target struct {
	Server string
	// DataDir, Store and Views are as in Config.
	DataDir, Store, Views string
	// ReadOnly: queries only. A folder that is not there is not created.
	ReadOnly bool
}

// Dial connects to a NATS server.
func Dial(url string, opts ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect(url, append([]nats.Option{nats.Timeout(dialWaitMax)}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("%w: connect to %s: %w", ErrUnavailable, url, err)
	}
	return nc, nil
}

// Connect returns a client of the ledger, and what disconnects it. A folder that is served is reached through its server; otherwise the
// needed roles run in this process until then. A query of it sees all that is recorded. A folder that cannot be written answers queries from
// views at its log's end, else with a *FrozenError.
func Connect(ctx context.Context, t Target, log *zap.Logger) (*client.Client, func() error, error) {
	if t.Server != "" {
		nc, err := Dial(t.Server, nats.Name("allied client"))
		if err != nil {
			return nil, nil, err
		}
		return client.New(nc, client.Config{Logger: log}), closing(nc), nil
	}
	cfg := Config{
		DataDir: t.DataDir, Store: t.Store, Views: t.Views, Roles: []string{Recorder, Pledges, Shipments, Payments, Imports}, Logger: log, unlistened: true,
	}
	if t.ReadOnly {
		cfg.Roles = []string{Recorder, Views}
	}
	if !cfg.NeedsFolder() {
		cfg.DataDir = ""
	} else if c, disconnect, err := ConnectServing(ctx, t.DataDir, log); c != nil || err != nil {
		return c, disconnect, err
	}
	return connectHere(ctx, t, cfg)
}

// ConnectServing returns a client of the server that serves a folder now, and what disconnects it; nil where nobody does. It starts nothing.
func ConnectServing(ctx context.Context, dir string, log *zap.Logger) (*client.Client, func() error, error) {
	owner, err := ReadOwner(dir)
	if err != nil || owner.URL == "" {
		return nil, nil, err
	}
	c, disconnect, _ := served(ctx, owner, log)
	return c, disconnect, nil
}

// served connects to the server that a folder names, unless it is gone: its port may be another program's by now, so the log is compared.
func served(ctx context.Context, owner Owner, log *zap.Logger) (*client.Client, func() error, bool) {
	nc, err := Dial(owner.URL, nats.Name("allied client"))
	if err != nil {
		return nil, nil, false
	}
	c := client.New(nc, client.Config{Logger: log})
	ctx, cancel := context.WithTimeout(ctx, dialWaitMax)
	defer cancel()
	if _, logID, err := c.Head(ctx); err != nil || logID != owner.LogID {
		nc.Close()
		return nil, nil, false
	}
	return c, closing(nc), true
}

func closing(nc *nats.Conn) func() error {
	return func() error {
		nc.Close()
		return nil
	}
}

func connectHere(ctx context.Context, t Target, cfg Config) (*client.Client, func() error, error) {
	if t.ReadOnly && t.Store == "" {
		if _, err := os.Stat(filepath.Join(t.DataDir, logName)); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("no ledger in %s: name another folder with --data, or begin one with `allied serve` or `allied import`", t.DataDir)
		}
	}
	n, err := Start(ctx, cfg)
	if t.ReadOnly && t.Store == "" && isForbidden(err) {
		n, err = startFrozen(ctx, t.DataDir, cfg.Logger)
	}
	if err != nil {
		return nil, nil, err
	}
	stop := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWaitMax)
		defer cancel()
		return n.Close(ctx)
	}
	if err := n.awaitViews(ctx); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	nc, err := n.Dial(nats.Name("allied client"))
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return client.New(nc, client.Config{Logger: cfg.Logger}), func() error { nc.Close(); return stop() }, nil
}
