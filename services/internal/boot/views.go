package boot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/exceptions"
	"github.com/allied-ledger/allied/projections/journal"
	"github.com/allied-ledger/allied/projections/payments"
	"github.com/allied-ledger/allied/projections/pledges"
	"github.com/allied-ledger/allied/projections/shipments"
	"github.com/allied-ledger/allied/projections/sink/postgres"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
	"github.com/allied-ledger/allied/projections/timeline"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/feed"
	"github.com/allied-ledger/allied/services/internal/health"
	"github.com/allied-ledger/allied/services/internal/remotelog"
	"github.com/allied-ledger/allied/services/live"
	"github.com/allied-ledger/allied/services/query"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// atLeastWaitMax bounds how long a query waits for a view to reach the position that it asks for.
const atLeastWaitMax = 10 * time.Second

// headWaitMax bounds how long the recorder is waited for to tell how far a view is behind it.
const headWaitMax = time.Second

// views is the role that folds the log into read models, answers queries to them, and publishes live ones.
type views struct {
	source  engine.Source
	sink    engine.Sink
	server  *query.Server
	workers map[string]*engine.Worker // by the name of their view
	figures *figures                  // nil without metrics
	clock   func() time.Time
	live    []*live.Publisher
	zap     *zap.Logger
}

// LiveBalances is what dashboards follow of the balances.
var LiveBalances = live.View{Bucket: "balances", Spec: balances.Spec, Key: balances.LiveKey, Value: balances.LiveValue}

// created are the views of a ledger, in the order in which a state hash takes them.
var created = []func() engine.Projection{
	balances.New, pledges.New, shipments.New, payments.New, exceptions.New, timeline.New, journal.New,
}

// Projections are the views of an empty log, in the order in which a state hash takes them.
func Projections() []engine.Projection {
	var out []engine.Projection
	for _, create := range created {
		out = append(out, create())
	}
	return out
}

// Specs declare the views of a ledger, in the same order.
func Specs() []engine.Spec {
	var out []engine.Spec
	for _, p := range Projections() {
		out = append(out, p.Spec())
	}
	return out
}

func (n *Node) startViews(ctx context.Context) error {
	sink, err := n.openSink(ctx, viewsName)
	if err != nil {
		return err
	}
	nc, err := n.dial(nats.Name("allied views to recorder"), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("start views: %w", err)
	}
	n.closers = append(n.closers, func() error { nc.Close(); return nil })
	server, err := query.NewServer(n.dial, n.zap)
	if err != nil {
		return err
	}
	n.views = &views{source: feed.New(nc, n.zap), sink: sink, server: server, workers: map[string]*engine.Worker{}, clock: n.cfg.clock, zap: n.zap}
	if n.metrics != nil {
		n.views.figures = &figures{views: sink, zap: n.zap}
		if err := n.register(n.views.figures); err != nil {
			return err
		}
	}
	cfg := engine.Config{Logger: n.zap, Clock: n.cfg.clock}
	for _, create := range created {
		n.views.workers[create().Spec().Name] = engine.NewWorker(create, n.views.source, sink, cfg)
	}
	if !n.cfg.unlistened {
		if err := n.publishLive(LiveBalances); err != nil {
			return err
		}
	}
	n.run(Views, n.views)
	return n.views.serve()
}

// openSink opens what keeps views: the database that is named, else a file of the folder, or memory where there is no folder.
func (n *Node) openSink(ctx context.Context, name string) (sink engine.Sink, err error) {
	switch {
	case n.cfg.Views != "":
		sink, err = postgres.Open(ctx, n.cfg.Views)
	case n.folder != nil:
		sink, err = sqlite.Open(filepath.Join(n.cfg.DataDir, name))
	default:
		return engine.NewMemSink(), nil
	}
	if err != nil {
		return nil, err
	}
	n.closers = append(n.closers, sink.Close)
	return sink, nil
}

// publishLive publishes a view over a connection of its own, so that no write of it stands before the feed. A write that cannot be sent at once
// is not kept for later: it would come when it is no longer true.
func (n *Node) publishLive(view live.View) error {
	nc, err := n.dial(nats.Name("allied live views"), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1))
	if err != nil {
		return fmt.Errorf("start live views: %w", err)
	}
	n.closers = append(n.closers, func() error { nc.Close(); return nil })
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("start live views: %w", err)
	}
	model := live.Model{Views: n.views.sink, Head: n.views.source.Head, Await: n.views.workers[view.Spec.Name].Await}
	n.views.live = append(n.views.live, live.New(js, view, model, n.zap))
	return nil
}

func (v *views) serve() error {
	return errors.Join(
		serveViews(v.server, v.sink, func(ctx context.Context, spec engine.Spec, at es.Position) error {
			w := v.workers[spec.Name]
			if w.Status().Checkpoint.Position < at {
				if err := v.checkReach(ctx, at); err != nil {
					return err
				}
			}
			return await(ctx, w, at)
		}),
		query.Handle(v.server, health.Query, func(ctx context.Context, _ struct{}) (health.Answer, error) { return v.status(ctx), nil }),
	)
}

// status tells how far each view is, in the order in which a state hash takes them.
func (v *views) status(ctx context.Context) health.Answer {
	var all []followed
	for _, spec := range Specs() {
		all = append(all, followed{spec.Name, v.workers[spec.Name]})
	}
	out := progress(ctx, v.source, v.clock, all...)
	ctx, cancel := context.WithTimeout(ctx, headWaitMax)
	defer cancel()
	if err := v.sink.View(ctx, func(engine.Snapshot) error { return nil }); err != nil {
		for i := range out.Views {
			out.Views[i].Unread = err.Error()
		}
	}
	return out
}

// followed is a view that somebody folds.
type followed struct {
	name string
	by   interface{ Status() engine.Status }
}

// progress tells how far views of one source are.
func progress(ctx context.Context, source engine.Source, clock func() time.Time, all ...followed) (out health.Answer) {
	ctx, cancel := context.WithTimeout(ctx, headWaitMax)
	defer cancel()
	head, err := source.Head(ctx)
	for _, f := range all {
		s := f.by.Status()
		view := health.View{
			View: f.name, Position: s.Checkpoint.Position, Ordinal: s.Checkpoint.Ordinal, Events: s.Checkpoint.Events(), Standby: s.Standby, Stopped: s.Stopped,
		}
		if s.Err != nil {
			view.Error = s.Err.Error()
		}
		if err == nil {
			view.Behind(health.Head{Position: head.Position, Events: head.Events}, s.AtHead, clock())
		}
		out.Views = append(out.Views, view)
	}
	return out
}

// checkReach refuses a position beyond the log, for which a query would wait in vain and others behind it. Where the recorder does not answer,
// the query waits.
func (v *views) checkReach(ctx context.Context, at es.Position) error {
	ctx, cancel := context.WithTimeout(ctx, headWaitMax)
	defer cancel()
	head, err := v.source.Head(ctx)
	if err != nil {
		return nil
	}
	return remotelog.CheckReach(head.Head, head.LogID.String(), at)
}

// status tells how far all views of this process are, once it has started: those that are asked, and what its policies read.
func (n *Node) status(ctx context.Context) (out health.Answer) {
	if n.views != nil {
		out = n.views.status(ctx)
	}
	if n.policy != nil {
		out.Views = append(out.Views, n.policy(ctx).Views...)
	}
	return out
}

// awaiting returns once a view holds a position.
type awaiting func(ctx context.Context, spec engine.Spec, at es.Position) error

func serveViews(s *query.Server, kept engine.Views, await awaiting) error {
	return errors.Join(
		serveView(s, kept, "balances", balances.Spec, await, func(q balances.Request) es.Position { return q.AtLeast }, balances.Query),
		serveView(s, kept, "assets", balances.Spec, await, func(q balances.AssetsRequest) es.Position { return q.AtLeast }, balances.Assets),
		serveView(s, kept, "pledges", pledges.Spec, await, func(q pledges.ListRequest) es.Position { return q.AtLeast }, pledges.List),
		serveView(s, kept, "pledge", pledges.Spec, await, func(q pledges.ShowRequest) es.Position { return q.AtLeast }, pledges.Show),
		serveView(s, kept, "shipments", shipments.Spec, await, func(q shipments.ListRequest) es.Position { return q.AtLeast }, shipments.List),
		serveView(s, kept, "shipment", shipments.Spec, await, func(q shipments.ShowRequest) es.Position { return q.AtLeast }, shipments.Show),
		serveView(s, kept, "payments", payments.Spec, await, func(q payments.ListRequest) es.Position { return q.AtLeast }, payments.List),
		serveView(s, kept, "payment", payments.Spec, await, func(q payments.ShowRequest) es.Position { return q.AtLeast }, payments.Show),
		serveView(s, kept, "exceptions", exceptions.Spec, await, func(q exceptions.ListRequest) es.Position { return q.AtLeast }, exceptions.List),
		serveView(s, kept, "timeline", timeline.Spec, await, func(q timeline.Request) es.Position { return q.AtLeast }, timeline.Query),
		serveView(s, kept, "journal", journal.Spec, await, func(q journal.ListRequest) es.Position { return q.AtLeast }, journal.List),
		serveView(s, kept, "entries", journal.Spec, await, func(q journal.EntriesRequest) es.Position { return q.AtLeast }, journal.Entries),
	)
}

// AwaitViews returns once every view of a ledger holds a position, wherever it is served. Views of sums are asked by a basis; the others list
// a page.
func AwaitViews(ctx context.Context, ledger *client.Client, at es.Position) error {
	for _, spec := range Specs() {
		var ask any = struct {
			Limit   int         `json:"limit"`
			AtLeast es.Position `json:"at_least"`
		}{1, at}
		switch spec.Name {
		case balances.Spec.Name, timeline.Spec.Name:
			ask = balances.Request{Basis: balances.Quantity, Stages: []string{"announced"}, AtLeast: at}
		}
		var answer json.RawMessage
		if err := ledger.Query(ctx, spec.Name, ask, &answer); err != nil {
			return err
		}
	}
	return nil
}

// serveView answers queries from one moment of what is kept, once the view holds the position that a query asks for.
func serveView[Q, R any](
	s *query.Server, kept engine.Views, name string, spec engine.Spec, await awaiting, atLeast func(Q) es.Position,
	answer func(context.Context, engine.Snapshot, Q) (R, error),
) error {
	return query.Handle(s, name, func(ctx context.Context, q Q) (out R, err error) {
		if err := await(ctx, spec, atLeast(q)); err != nil {
			return out, err
		}
		err = kept.View(ctx, func(moment engine.Snapshot) error {
			out, err = answer(ctx, moment, q)
			return err
		})
		return out, err
	})
}

// await returns once the view holds a position. A view that has stopped is refused, since what it holds is not what the log holds.
func await(ctx context.Context, w *engine.Worker, at es.Position) error {
	ctx, cancel := context.WithTimeout(ctx, atLeastWaitMax)
	defer cancel()
	err := w.Await(ctx, at)
	if s := w.Status(); s.Stopped {
		return &es.Refusal{
			Code: "view_stopped", Reason: s.Err.Error(), Remedy: health.StoppedRemedy,
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &es.Refusal{
			Code: "view_behind", Field: "at_least", Reason: err.Error(),
			Remedy: "ask again later, or check that the position is of this ledger",
		}
	}
	return err
}

// Run folds and publishes until ctx ends. A view that cannot go on stands still and says so to who asks; the others go on.
func (v *views) Run(ctx context.Context) error {
	var g errgroup.Group
	for name, w := range v.workers {
		g.Go(func() error {
			if err := w.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				v.zap.Error("view stopped", zap.String("view", name), zap.Error(err))
			}
			return nil
		})
	}
	if v.figures != nil {
		g.Go(func() error {
			v.figures.run(ctx)
			return nil
		})
	}
	for _, p := range v.live {
		g.Go(func() error { return p.Run(ctx) })
	}
	return g.Wait()
}

// Stop answers the queries that have arrived.
func (v *views) Stop(ctx context.Context) error { return v.server.Stop(ctx) }

// awaitViews returns once the views of this process hold all that its log holds, or once one of them has failed without a step forward for
// a while: nobody is there who could mend it meanwhile.
func (n *Node) awaitViews(ctx context.Context) error {
	if n.views == nil || n.log == nil {
		return nil
	}
	head, err := n.log.Head(ctx)
	if err != nil {
		return fmt.Errorf("ask for the log's head: %w", err)
	}
	for _, w := range n.views.workers {
		if err := awaitView(ctx, w, head.Position); err != nil {
			return err
		}
	}
	return nil
}

// viewStuckMax is how long a view may fail without a step forward before a program that only reads gives up.
const viewStuckMax = 5 * time.Second

func awaitView(ctx context.Context, w *engine.Worker, at es.Position) error {
	for {
		began := w.Status().Checkpoint.Position
		patient, cancel := context.WithTimeout(ctx, viewStuckMax)
		err := w.Await(patient, at)
		cancel()
		s := w.Status()
		stuck := s.Checkpoint.Position == began
		switch {
		case err == nil || ctx.Err() != nil || s.Stopped || s.Err != nil && stuck:
			return err
		case s.Standby && stuck:
			return fmt.Errorf("another process folds it, and does not go on, or is of another version: ask there, or end it: %w", err)
		}
	}
}
