package stream

import (
	"context"
	"net/http"

	"github.com/allied-ledger/allied/events/es"
)

// Balances sends all balances, or what has changed since the reader saw them, and then every change, until the reader goes away. Seen
// is the id of a message that the reader has had; nil for none. It returns an error before the stream has begun.
func (h *Hub) Balances(w http.ResponseWriter, r *http.Request, seen *es.Position) error {
	return h.balances(w, r, seen, (*balancesReader).run)
}

// Marks sends what position the balances are of, and every change of it, without a balance: enough for who asks for sums again. Seen and the
// error are as those of Balances.
func (h *Hub) Marks(w http.ResponseWriter, r *http.Request, seen *es.Position) error {
	return h.balances(w, r, seen, (*balancesReader).runMarks)
}

func (h *Hub) balances(w http.ResponseWriter, r *http.Request, seen *es.Position, run func(*balancesReader) error) error {
	leave, err := h.enter()
	if err != nil {
		return err
	}
	defer leave()
	reset, err := h.beginBalances(r.Context(), seen)
	if err != nil {
		return err
	}
	h.read(w, r, viewBalances, &reader{}, func(c *reader) error {
		b := &balancesReader{reader: c, seen: seen}
		if reset {
			b.seen = nil
			if err := c.sendReset(h.board.look().mark.LogID); err != nil {
				return err
			}
		}
		return run(b)
	})
	return nil
}

// beginBalances returns once there are balances, and tells whether the reader has seen those of another log: one that reached further.
func (h *Hub) beginBalances(ctx context.Context, seen *es.Position) (reset bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readyWaitMax)
	defer cancel()
	now, err := h.awaitBoard(ctx)
	if err != nil || seen == nil || *seen <= now.mark.Position {
		return false, err
	}
	head, _, err := h.askHead(ctx)
	return *seen > head.Position, err
}

func (h *Hub) awaitBoard(ctx context.Context) (shown, error) {
	for {
		now := h.board.look()
		switch {
		case now.epoch > 0:
			return now, nil
		case now.refusal != nil:
			return now, now.refusal
		}
		select {
		case <-now.moved:
		case <-h.ended:
			return now, errNoBalances
		case <-ctx.Done():
			return now, errNoBalances
		}
	}
}

var errNoBalances = &es.Refusal{
	Code: "no_live_views", Field: "view", Reason: "there are no live balances yet",
	Remedy: "connect again in a moment; where it stays so, see whether a process with the role views runs, and what its log says of live views",
}

// balancesReader is a stream of balances.
type balancesReader struct {
	*reader
	seen  *es.Position // of a reader that resumes, until its place is found
	round int          // that the reader has seen
}

func (b *balancesReader) run() error {
	if err := b.begin(); err != nil {
		return err
	}
	for {
		now := b.hub.board.look()
		var err error
		switch {
		case now.epoch != b.epoch:
			if err = b.sendReset(now.mark.LogID); err == nil {
				err = b.sendSnapshot()
			}
		case now.round > b.round:
			err = b.sendChange()
		default:
			err = b.wait(now.moved, now.lag)
		}
		if err != nil {
			return err
		}
	}
}

func (b *balancesReader) runMarks() error {
	for first := b.hub.board.look().epoch; ; {
		now := b.hub.board.look()
		if now.round == b.round {
			if err := b.wait(now.moved, now.lag); err != nil {
				return err
			}
			continue
		}
		if now.epoch != first {
			first = now.epoch
			if err := b.sendReset(now.mark.LogID); err != nil {
				return err
			}
		}
		if err := b.sendAll(now, framed("mark", &now.mark.Position, append(appendMark(nil, now.mark), '}'))); err != nil {
			return err
		}
	}
}

// begin brings the reader to where changes follow. One that has seen more than there is now waits until there is as much again.
func (b *balancesReader) begin() error {
	for first := b.hub.board.look().epoch; ; {
		now := b.hub.board.look()
		switch {
		case b.seen == nil:
			return b.sendSnapshot()
		case now.epoch != first:
			return nil // all begins anew
		}
		if round, ok := b.hub.board.resume(*b.seen); ok {
			b.epoch, b.round, b.at, b.told = now.epoch, round, *b.seen, *b.seen
			return nil
		}
		if *b.seen <= now.mark.Position {
			return b.sendSnapshot()
		}
		b.at, b.told = *b.seen, *b.seen
		if err := b.wait(now.moved, now.lag); err != nil {
			return err
		}
	}
}

func (b *balancesReader) sendChange() error {
	message, large, now := b.hub.board.since(b.epoch, b.round, false)
	if large {
		leave, err := b.turn()
		if err != nil {
			return err
		}
		defer leave()
		message, _, now = b.hub.board.since(b.epoch, b.round, true)
	}
	switch {
	case message != nil:
		return b.sendAll(now, message)
	case now.epoch == b.epoch:
		return b.sendSnapshot()
	}
	return nil // all begins anew
}

func (b *balancesReader) sendSnapshot() error {
	parts, large, now := b.hub.board.snapshot(false)
	if large {
		leave, err := b.turn()
		if err != nil {
			return err
		}
		defer leave()
		parts, _, now = b.hub.board.snapshot(true)
	}
	return b.sendAll(now, parts...)
}

func (b *balancesReader) sendAll(now shown, messages ...[]byte) error {
	for _, m := range messages {
		if err := b.send(m); err != nil {
			return err
		}
	}
	b.epoch, b.round, b.at, b.told = now.epoch, now.round, now.mark.Position, now.mark.Position
	return b.flush()
}
