package stream

import (
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// Hurry shortens a hub's times.
func (h *Hub) Hurry(beat, take, lag time.Duration) *Hub {
	h.beatEvery, h.takeWait, h.lagAfter, h.lookEvery = beat, take, lag, lag/4
	return h
}

// Room makes room for so many readers only.
func (h *Hub) Room(readers int) *Hub {
	h.open = make(chan struct{}, readers)
	return h
}

// Cut is how many streams of events were cut.
func (h *Hub) Cut() float64 { return testutil.ToFloat64(h.metrics.cut.WithLabelValues(viewEvents)) }
