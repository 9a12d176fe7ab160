package recorder

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/allied-ledger/allied/services/internal/endpoint"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
)

// turnWaitMax is how long the recorder that broadcasts may be silent before the next one does.
const turnWaitMax = 3 * headEvery

// turn decides which of a log's recorders broadcasts: the one whose name comes first of those that are heard. Each listens to the others'
// broadcasts. While they have not heard of each other, or after one has fallen silent, two may send the same or none sends: workers fold each
// event once, and read the log where a frame is missing, so neither harms.
type turn struct {
	dial endpoint.Dialer
	name string

	mu    sync.Mutex
	heard time.Time // when a recorder that comes before this one was heard last
}

func newTurn(dial endpoint.Dialer) *turn { return &turn{dial: dial, name: uuid.NewString()} }

// mine tells whether this recorder broadcasts now; one that is alone always does.
func (t *turn) mine() bool {
	if t == nil {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.heard) > turnWaitMax
}

// header names this recorder in what it sends.
func (t *turn) header() nats.Header {
	if t == nil {
		return nil
	}
	return nats.Header{RecorderHeader: {t.name}}
}

// listen hears the others until ctx ends, on a connection of its own, which a service that stops need not wait for.
func (t *turn) listen(ctx context.Context) error {
	nc, err := t.dial(nats.Name("allied recorder, to hear others"), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("hear other recorders: %w", err)
	}
	defer nc.Close()
	if _, err := nc.Subscribe(FramesSubject, func(m *nats.Msg) {
		if name := m.Header.Get(RecorderHeader); name != "" && name < t.name {
			t.mu.Lock()
			t.heard = time.Now()
			t.mu.Unlock()
		}
	}); err != nil {
		return fmt.Errorf("hear other recorders: %w", err)
	}
	<-ctx.Done()
	return ctx.Err()
}
