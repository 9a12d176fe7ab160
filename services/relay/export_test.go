package relay

import "time"

// Hurry shortens what the relay waits for: between two looks, before it takes over, and before another attempt.
func (r *Relay) Hurry(wait time.Duration) *Relay {
	r.check, r.standbyMin, r.retryMax = wait, 4*wait, wait
	return r
}
