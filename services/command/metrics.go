package command

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// answers count a host's answers by outcome. Every outcome is there from the start, so that its rate is zero before it first happens.
type answers map[string]prometheus.Counter

func newAnswers(service string, into prometheus.Registerer) (answers, error) {
	counters := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "allied_commands_total", Help: "Commands answered, by service and outcome.", ConstLabels: prometheus.Labels{"service": service},
	}, []string{"outcome"})
	out := answers{}
	for _, outcome := range []string{Recorded, Repeated, Refused, Busy, Unknown} {
		out[outcome] = counters.WithLabelValues(outcome)
	}
	if into == nil {
		return out, nil
	}
	if err := into.Register(counters); err != nil {
		return nil, fmt.Errorf("measure service %s: %w", service, err)
	}
	return out, nil
}

func (a answers) count(outcome string) {
	if c, known := a[outcome]; known {
		c.Inc()
	}
}
