package boot

import "time"

// WithClock has the views tell the time by a test's clock.
func (c Config) WithClock(clock func() time.Time) Config {
	c.clock = clock
	return c
}
