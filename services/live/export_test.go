package live

import "time"

// Hurry shortens the rest after a round, the wait before another attempt, and the time that a change of the bucket by somebody else stays unseen.
func (p *Publisher) Hurry(checkDelay time.Duration) *Publisher {
	p.roundRest, p.checkDelay, p.retryMax = 0, checkDelay, 20*time.Millisecond
	return p
}
