package boot

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/services/internal/feed"
	"github.com/allied-ledger/allied/services/internal/health"
	"github.com/allied-ledger/allied/services/relay"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
)

// keptBytesMax bounds what the NATS server in this process keeps on disk: the stream of events and its twin, and where the relay is.
const keptBytesMax = 2*relay.StreamBytesMax + 16<<20

// forms are what the relay of this process publishes; none without the role.
func (n *Node) forms() []relay.Form {
	switch {
	case !n.cfg.runs(Relay):
		return nil
	case n.cfg.RelayJSON:
		return []relay.Form{relay.Events, relay.EventsJSON}
	}
	return []relay.Form{relay.Events}
}

// streamsMax counts the bucket of live views, and with the relay its bucket and a stream for each form.
func (n *Node) streamsMax() int {
	if forms := len(n.forms()); forms > 0 {
		return 1 + 1 + forms
	}
	return 1
}

// storage is where streams are that the relay makes: in memory where nothing is kept.
func (n *Node) storage() jetstream.StorageType {
	if n.cfg.NATSURL == "" && n.folder == nil {
		return jetstream.MemoryStorage
	}
	return jetstream.FileStorage
}

// relays is the role that publishes every event on streams of JetStream.
type relays struct {
	source engine.Source
	all    []*relay.Relay
}

func (n *Node) startRelay(context.Context) error {
	nc, err := n.dial(nats.Name("allied relay to recorder"), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("start relay: %w", err)
	}
	n.closers = append(n.closers, func() error { nc.Close(); return nil })
	n.relays = &relays{source: feed.New(nc, n.zap)}
	for _, form := range n.forms() {
		if err := n.addRelay(form); err != nil {
			return err
		}
	}
	n.run(Relay, n.relays)
	return n.register(relayMetrics{n})
}

// addRelay publishes a form over a connection of its own, so that no write of it stands before the feed. A write that cannot be sent at once
// is not kept for later: another relay may have written by then.
func (n *Node) addRelay(form relay.Form) error {
	nc, err := n.dial(nats.Name("allied relay "+form.Stream), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1))
	if err != nil {
		return fmt.Errorf("start relay: %w", err)
	}
	n.closers = append(n.closers, func() error { nc.Close(); return nil })
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("start relay: %w", err)
	}
	cfg := relay.Config{Form: form, Storage: n.storage(), Logger: n.zap}
	if n.folder != nil {
		cfg.Witness = filepath.Join(n.cfg.DataDir, witnessName(form))
	}
	n.relays.all = append(n.relays.all, relay.New(js, n.relays.source, cfg))
	return nil
}

func (r *relays) Run(ctx context.Context) error {
	var g errgroup.Group
	for _, one := range r.all {
		g.Go(func() error { return one.Run(ctx) })
	}
	return g.Wait()
}

// Stop has nothing to answer; what is under way is settled when Run ends.
func (r *relays) Stop(context.Context) error { return nil }

// relayed tells how far the streams of this process are.
func (n *Node) relayed(ctx context.Context) (out []health.Relay) {
	if n.relays == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, headWaitMax)
	defer cancel()
	head, err := n.relays.source.Head(ctx)
	for _, r := range n.relays.all {
		s := r.Status()
		one := health.Relay{
			View:      health.View{View: r.Form().Stream, Position: s.Position, Ordinal: s.Ordinal, Events: s.Events, Standby: s.Standby},
			Published: s.Published,
		}
		if s.Err != nil {
			one.Error = s.Err.Error()
		}
		if s.Held != nil {
			one.Held, one.Remedy = s.Held.Reason, s.Held.Remedy
		}
		if err == nil {
			one.Behind(health.Head{Position: head.Position, Events: head.Events}, s.AtHead, n.cfg.clock())
		}
		out = append(out, one)
	}
	return out
}

// relayMetrics tell how far the streams of this process are.
type relayMetrics struct{ node *Node }

var (
	relayPosition   = prometheus.NewDesc("allied_relay_position", "Position of the last event in a stream of events.", []string{"stream"}, nil)
	relayLagEvents  = prometheus.NewDesc("allied_relay_lag_events", "Events of the log that are not published. Absent where the recorder does not answer.", []string{"stream"}, nil)
	relayLagSeconds = prometheus.NewDesc("allied_relay_lag_seconds", "Time since all that the log held was published; 0 where it is now. Absent where the recorder does not answer.", []string{"stream"}, nil)
	relayPublished  = prometheus.NewDesc("allied_relay_published_total", "Events that this process has published.", []string{"stream"}, nil)
	relayHeld       = prometheus.NewDesc("allied_relay_held", "1 where nothing is published until an operator says where to go on.", []string{"stream"}, nil)
	relayStandby    = prometheus.NewDesc("allied_relay_standby", "1 where another process publishes, and this one takes over when that one ends.", []string{"stream"}, nil)
)

// Describe implements prometheus.Collector.
func (m relayMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{relayPosition, relayLagEvents, relayLagSeconds, relayPublished, relayHeld, relayStandby} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m relayMetrics) Collect(to chan<- prometheus.Metric) {
	for _, r := range m.node.relayed(context.Background()) { // which bounds itself
		gauge(to, relayPosition, float64(r.Position), r.View.View)
		if r.Head != nil {
			gauge(to, relayLagEvents, float64(*r.LagEvents), r.View.View)
			gauge(to, relayLagSeconds, *r.LagSeconds, r.View.View)
		}
		to <- prometheus.MustNewConstMetric(relayPublished, prometheus.CounterValue, float64(r.Published), r.View.View)
		gauge(to, relayHeld, truth(r.Held != ""), r.View.View)
		gauge(to, relayStandby, truth(r.Standby), r.View.View)
	}
}
