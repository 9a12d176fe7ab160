package recorder

import (
	"fmt"
	"strings"
	"time"

	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what a recorder measures. Every outcome is there from the start, so that its rate is zero before it first happens.
type metrics struct {
	duration prometheus.Histogram
	appends  map[logv1.AppendStatus]prometheus.Counter
}

func newMetrics(into prometheus.Registerer) (*metrics, error) {
	m := &metrics{appends: map[logv1.AppendStatus]prometheus.Counter{}, duration: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "allied_append_duration_seconds", Help: "Time from the arrival of an append request to its answer, which waits for the disk.",
		Buckets: prometheus.ExponentialBuckets(0.000_5, 2, 16),
	})}
	appends := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "allied_appends_total", Help: "Appends answered, by outcome. Unknown is perhaps recorded; all others but recorded are not.",
	}, []string{"outcome"})
	for status, name := range logv1.AppendStatus_name {
		if status != int32(logv1.AppendStatus_APPEND_STATUS_UNSPECIFIED) {
			m.appends[logv1.AppendStatus(status)] = appends.WithLabelValues(strings.ToLower(strings.TrimPrefix(name, "APPEND_STATUS_")))
		}
	}
	if into == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.duration, appends} {
		if err := into.Register(c); err != nil {
			return nil, fmt.Errorf("measure the recorder: %w", err)
		}
	}
	return m, nil
}

// answered counts a request that is being answered.
func (m *metrics) answered(arrived time.Time, out *logv1.AppendResponse) {
	m.duration.Observe(time.Since(arrived).Seconds())
	for _, r := range out.Results {
		if c, known := m.appends[r.Status]; known {
			c.Inc()
		}
	}
}
