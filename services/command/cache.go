package command

import (
	"container/list"
	"sync"
)

// cachedEventsMax bounds the states kept between commands, by the events that they were folded from.
const cachedEventsMax = 200_000

// cache keeps the states used last. A state is in use by one command at most, since its stream lets one in at a time.
type cache[S any] struct {
	mu     sync.Mutex
	byName map[string]*list.Element
	recent *list.List // of *stream[S], the last used first
	events int64
}

func newCache[S any]() *cache[S] {
	return &cache[S]{byName: map[string]*list.Element{}, recent: list.New()}
}

// take removes and returns a stream's state, or nil: whoever judges with it puts it back, if it is still right.
func (c *cache[S]) take(name string) *stream[S] {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byName[name]
	if e == nil {
		return nil
	}
	return c.remove(e)
}

// put keeps a state, and drops those used longest ago beyond the bound.
func (c *cache[S]) put(s *stream[S]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byName[s.name] = c.recent.PushFront(s)
	c.events += weight(s)
	for c.events > cachedEventsMax {
		c.remove(c.recent.Back())
	}
}

func (c *cache[S]) remove(e *list.Element) *stream[S] {
	s := c.recent.Remove(e).(*stream[S])
	delete(c.byName, s.name)
	c.events -= weight(s)
	return s
}

// weight counts an empty stream as one event, since it too takes room.
func weight[S any](s *stream[S]) int64 { return s.revision + 2 }
