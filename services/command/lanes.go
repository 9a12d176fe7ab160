package command

import (
	"context"
	"sync"
)

// lanes let one command of each stream in at a time.
type lanes struct {
	mu    sync.Mutex
	taken map[string]*lane
}

type lane struct {
	turn  chan struct{} // holds one token while nobody is in
	users int           // in or waiting
}

// enter waits for the stream's turn; leave must be called unless it fails.
func (l *lanes) enter(ctx context.Context, stream string) (leave func(), err error) {
	l.mu.Lock()
	if l.taken == nil {
		l.taken = map[string]*lane{}
	}
	ln := l.taken[stream]
	if ln == nil {
		ln = &lane{turn: make(chan struct{}, 1)}
		ln.turn <- struct{}{}
		l.taken[stream] = ln
	}
	ln.users++
	l.mu.Unlock()
	release := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if ln.users--; ln.users == 0 {
			delete(l.taken, stream)
		}
	}
	select {
	case <-ln.turn:
		return func() { ln.turn <- struct{}{}; release() }, nil
	case <-ctx.Done():
		release()
		return nil, ctx.Err()
	}
}
