package boot

import (
	"context"
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// registry is where the metrics of one process are. It is nil in a process without an HTTP listener, which nobody could ask for them.
type registry interface {
	prometheus.Registerer
	prometheus.Gatherer
}

func newRegistry() registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	return r
}

// register adds collectors where there is a registry.
func (n *Node) register(cs ...prometheus.Collector) error {
	if n.metrics == nil {
		return nil
	}
	for _, c := range cs {
		if err := n.metrics.Register(c); err != nil {
			return fmt.Errorf("start metrics: %w", err)
		}
	}
	return nil
}

// commits measures what the file log makes durable.
func (n *Node) commits() (func(filelog.Commit), error) {
	took := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "allied_log_commit_duration_seconds", Help: "Time of the one write and the one sync that make a group of appends durable.",
		Buckets: prometheus.ExponentialBuckets(0.000_1, 2, 16),
	})
	appends := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "allied_log_commit_appends", Help: "Appends that became durable with one sync.", Buckets: prometheus.ExponentialBuckets(1, 2, 13),
	})
	return func(c filelog.Commit) {
		took.Observe(c.Took.Seconds())
		appends.Observe(float64(c.Appends))
	}, n.register(took, appends)
}

// logMetrics tell where the log ends and whether it takes appends.
type logMetrics struct{ log es.Log }

// Positions and counts of events are exact in a float64 up to 2^53, which no log of events reaches.
var (
	logPosition = prometheus.NewDesc("allied_log_head_position", "Position of the log's last event; it grows with the log, and means nothing else.", nil, nil)
	logEvents   = prometheus.NewDesc("allied_log_events", "Events in the log.", nil, nil)
	logWritable = prometheus.NewDesc("allied_log_writable", "1 while the log takes appends; 0 where it is latched or its disk is full.", nil, nil)
)

// Describe implements prometheus.Collector.
func (m logMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- logPosition
	to <- logEvents
	to <- logWritable
}

// Collect implements prometheus.Collector.
func (m logMetrics) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), headWaitMax)
	defer cancel()
	head, err := m.log.Head(ctx)
	if err != nil {
		return // closed, or out of reach: a figure that is not known is left out
	}
	writable := 1.0
	if log, ok := m.log.(interface{ Refusal() error }); ok && log.Refusal() != nil {
		writable = 0
	}
	gauge(to, logPosition, float64(head.Position))
	gauge(to, logEvents, float64(head.Events))
	gauge(to, logWritable, writable)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func gauge(to chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

// viewMetrics tell how far the views of this process are.
type viewMetrics struct{ node *Node }

var (
	viewPosition   = prometheus.NewDesc("allied_view_position", "Position of the last event that a view holds.", []string{"view"}, nil)
	viewLagEvents  = prometheus.NewDesc("allied_view_lag_events", "Events of the log that a view does not hold. Absent where the recorder does not answer.", []string{"view"}, nil)
	viewLagSeconds = prometheus.NewDesc("allied_view_lag_seconds", "Time since a view last held all that the log held; 0 where it does now. Absent where the recorder does not answer.", []string{"view"}, nil)
	viewStopped    = prometheus.NewDesc("allied_view_stopped", "1 for a view that has stopped, and goes on only after a restart.", []string{"view"}, nil)
)

// Describe implements prometheus.Collector.
func (m viewMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- viewPosition
	to <- viewLagEvents
	to <- viewLagSeconds
	to <- viewStopped
}

// Collect implements prometheus.Collector.
func (m viewMetrics) Collect(to chan<- prometheus.Metric) {
	for _, v := range m.node.status(context.Background()).Views { // which bounds itself
		gauge(to, viewPosition, float64(v.Position), v.View)
		if v.Head != nil {
			gauge(to, viewLagEvents, float64(*v.LagEvents), v.View)
			gauge(to, viewLagSeconds, *v.LagSeconds, v.View)
		}
		gauge(to, viewStopped, truth(v.Stopped), v.View)
	}
}
