package stream

import "time"

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
