package stream

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what a hub measures.
type metrics struct {
	open    *prometheus.GaugeVec
	bytes   *prometheus.CounterVec
	cut     *prometheus.CounterVec
	refused prometheus.Counter
}

// The views, as metrics name them.
const (
	viewEvents   = "events"
	viewBalances = "balances"
)

func newMetrics(into prometheus.Registerer) (*metrics, error) {
	view := []string{"view"}
	m := &metrics{
		open:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "allied_streams_open", Help: "Streams that are read now."}, view),
		bytes:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "allied_stream_bytes_total", Help: "Bytes of messages written to streams."}, view),
		cut:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "allied_streams_cut_total", Help: "Streams cut since their readers took too little in too long."}, view),
		refused: prometheus.NewCounter(prometheus.CounterOpts{Name: "allied_streams_refused_total", Help: "Streams refused since as many were open as are served."}),
	}
	for _, v := range []string{viewEvents, viewBalances} {
		m.open.WithLabelValues(v)
		m.bytes.WithLabelValues(v)
		m.cut.WithLabelValues(v)
	}
	if into == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.open, m.bytes, m.cut, m.refused} {
		if err := into.Register(c); err != nil {
			return nil, fmt.Errorf("measure streams: %w", err)
		}
	}
	return m, nil
}
