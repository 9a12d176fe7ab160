// Package stream follows a ledger for the readers of Server-Sent Events: its events as they are recorded, and its live balances as they change.
//
// No reader has a queue. Each has a place, of which the hub tells what came after it: events from a ring of the last ones, or from the log;
// balances as one change that holds all that is new since. A slow reader costs its connection and its place, and delays nobody.
package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/allied-ledger/allied/services/internal/feed"
	"github.com/allied-ledger/allied/services/internal/pause"
	"github.com/allied-ledger/allied/services/internal/remotelog"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

const (
	// StreamsMax bounds the readers of one process.
	StreamsMax = 2000
	// turnsMax bounds how many readers at once are sent what no other shares: pages of the log, and large parts of the balances.
	turnsMax = 16
	// turnWaitMax is how long a reader may take to be sent it, even piece by piece.
	turnWaitMax = time.Minute
	// headsAskedMax bounds how many readers at once ask the recorder where the log ends.
	headsAskedMax = 8
	readyWaitMax  = 5 * time.Second
	// retryDelay is between two attempts of a reader, followDelay between two of the hub.
	retryDelay  = time.Second
	followDelay = 250 * time.Millisecond
	// beatEvery is how long a stream is silent at most.
	beatEvery = 10 * time.Second
	// takeWaitMax is how long a reader may take for pieceBytes; one that takes nothing for so long is cut.
	takeWaitMax = 10 * time.Second
	pieceBytes  = 64 << 10
	// lagAfter is how long a view may stand still behind the log's head, or the recorder be silent, before readers are told.
	lagAfter  = 3 * time.Second
	lookEvery = time.Second
)

// Config is what a hub needs beside its connection.
type Config struct {
	// Bucket is that of the live balances.
	Bucket string
	Logger *zap.Logger
	// Metrics is where the measurements go; nil for nowhere.
	Metrics prometheus.Registerer
}

// Hub follows one ledger for all readers of a process.
type Hub struct {
	log     *remotelog.Log
	tail    *tail
	board   *board
	metrics *metrics
	zap     *zap.Logger
	open    chan struct{} // one slot for each reader
	turns   chan struct{}
	heads   chan struct{}

	end   sync.Once
	ended chan struct{}

	beatEvery, takeWait, lagAfter, lookEvery time.Duration // the constants, but in tests
}

// New returns a hub over a connection that stays its caller's. Run follows the ledger.
func New(nc *nats.Conn, cfg Config) (*Hub, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("follow live views: %w", err)
	}
	measured, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, err
	}
	return &Hub{
		log: remotelog.New(nc), tail: newTail(feed.New(nc, cfg.Logger)), board: newBoard(js, cfg.Bucket), metrics: measured, zap: cfg.Logger,
		open: make(chan struct{}, StreamsMax), turns: make(chan struct{}, turnsMax), heads: make(chan struct{}, headsAskedMax), ended: make(chan struct{}),
		beatEvery: beatEvery, takeWait: takeWaitMax, lagAfter: lagAfter, lookEvery: lookEvery,
	}, nil
}

// Run follows the ledger until ctx ends. What fails is tried again; readers wait meanwhile, and are told.
func (h *Hub) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.follow(ctx, "events", h.tail.session) })
	g.Go(func() error { return h.follow(ctx, "balances", h.board.session) })
	g.Go(func() error { return h.lookForLag(ctx) })
	return g.Wait()
}

// End ends all streams, and begins no other: a server that shuts down waits for none.
func (h *Hub) End() { h.end.Do(func() { close(h.ended) }) }

// Stop ends all streams.
func (h *Hub) Stop(context.Context) error {
	h.End()
	return nil
}

// follow repeats a session until ctx ends.
func (h *Hub) follow(ctx context.Context, what string, session func(ctx context.Context) error) error {
	failing := false
	for {
		err := session(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errAgain):
			h.zap.Debug("stream is followed anew", zap.String("view", what), zap.Error(err))
		case !failing:
			h.zap.Warn("stream waits; its readers hear nothing new", zap.String("view", what), zap.Error(err))
		}
		failing = !errors.Is(err, errAgain)
		if err := pause.For(ctx, followDelay); err != nil {
			return err
		}
	}
}

// errAgain ends a session that is begun again, since what it follows has changed.
var errAgain = errors.New("begin anew")

// lookForLag tells readers where a view falls silent, which no news would.
func (h *Hub) lookForLag(ctx context.Context) error {
	for {
		if err := pause.For(ctx, h.lookEvery); err != nil {
			return err
		}
		now := time.Now()
		heard, head := h.tail.judge(now, h.lagAfter)
		h.board.judge(now, heard, head, h.lagAfter)
	}
}
