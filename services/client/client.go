// Package client sends commands and queries to a ledger over NATS, and reads its log.
package client

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/internal/remotelog"
	"github.com/allied-ledger/allied/services/query"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// Config is what a client may be given beside its connection.
type Config struct {
	Logger *zap.Logger // nil logs nothing
}

// Client is safe for use by many goroutines.
type Client struct {
	nc  *nats.Conn
	log *remotelog.Log
	zap *zap.Logger
	// triesMax bounds how often one command is sent.
	triesMax int
}

// New returns a client over a connection that stays its caller's.
func New(nc *nats.Conn, cfg Config) *Client {
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	return &Client{nc: nc, log: remotelog.New(nc), zap: cfg.Logger, triesMax: triesMax}
}

// Query asks a view and decodes its answer into reply. Errors that the view answers are *es.Refusal; *UnavailableError says that nobody
// serves the view.
func (c *Client) Query(ctx context.Context, view string, request, reply any) error {
	return query.Ask(ctx, c.nc, view, request, reply)
}

// Head is where the log ends, and its id.
func (c *Client) Head(ctx context.Context) (es.Head, string, error) { return c.log.Head(ctx) }

// About is what a recorder says of its log.
type About = remotelog.About

// About asks the recorder about its log: its end, its folder, and whether it takes appends.
func (c *Client) About(ctx context.Context) (About, error) { return c.log.About(ctx) }

// Read yields the log's entries after a position, and ends at the last that is durable.
func (c *Client) Read(ctx context.Context, after es.Position) iter.Seq2[es.Entry, error] {
	return c.log.Read(ctx, after)
}

// ReadStream yields a stream's entries from a revision on, and ends at the last that is durable.
func (c *Client) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[es.Entry, error] {
	return c.log.ReadStream(ctx, stream, from)
}

// Address says where the client is connected to, for messages.
func (c *Client) Address() string {
	if url := c.nc.ConnectedUrlRedacted(); url != "" {
		return url
	}
	return fmt.Sprintf("the server is gone (%s)", strings.ToLower(c.nc.Status().String()))
}
