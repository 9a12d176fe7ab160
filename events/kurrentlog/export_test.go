package kurrentlog

// Prefixed keeps a log under stream names of its own, so that the tests of a server do not meet.
func (c Config) Prefixed(prefix string) Config {
	c.prefix = prefix
	return c
}

// PageEvents is how many events a page of the index holds.
const PageEvents = pageEvents
