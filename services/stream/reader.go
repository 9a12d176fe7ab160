package stream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/google/uuid"
)

var errEnded = errors.New("the server ends")

// reader is one stream.
type reader struct {
	hub     *Hub
	view    string
	ctx     context.Context // of the request
	w       http.ResponseWriter
	times   *http.ResponseController
	piece   int       // bytes since the last flush
	until   time.Time // when the piece must be taken
	cutAt   time.Time // when all of a turn must be; zero outside of one
	beat    *time.Timer
	wrote   time.Time
	late    bool        // as last told
	at      es.Position // all up to it is told
	told    es.Position // the id that the reader has
	ordinal uint64      // of the event at at
	epoch   int
}

// enter takes a reader's slot; the stream has not begun yet.
func (h *Hub) enter() (leave func(), err error) {
	select {
	case <-h.ended:
		return nil, &es.Refusal{Code: "stopping", Reason: "the server is about to end", Remedy: "connect again in a moment"}
	default:
	}
	select {
	case h.open <- struct{}{}:
		return func() { <-h.open }, nil
	default:
		h.metrics.refused.Inc()
		return nil, &es.Refusal{
			Code: "too_many_streams", Reason: fmt.Sprintf("%d streams are open, and no more are served", cap(h.open)), Remedy: "connect again later, or close streams that nobody reads",
		}
	}
}

// read begins a stream, and sends what follow does, until the reader goes away, is cut, or the server ends.
func (h *Hub) read(w http.ResponseWriter, r *http.Request, view string, to *reader, follow func(*reader) error) {
	to.hub, to.view, to.ctx, to.w, to.times = h, view, r.Context(), w, http.NewResponseController(w)
	_ = to.times.SetReadDeadline(time.Time{}) // the request's own would end the stream; a connection that takes none has none
	for name, value := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no", // a proxy that gathers would hold back the news
	} {
		w.Header().Set(name, value)
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	open := h.metrics.open.WithLabelValues(view)
	open.Inc()
	defer open.Dec()
	to.beat = time.NewTimer(h.beatEvery)
	defer to.beat.Stop()
	err := to.send([]byte("retry: 1000\n\n"))
	if err == nil {
		err = to.flush()
	}
	if err == nil {
		err = follow(to)
	}
	if late := !to.until.IsZero() && time.Now().After(to.until); late || errors.Is(err, os.ErrDeadlineExceeded) { // HTTP/2 has no error for it
		h.metrics.cut.WithLabelValues(view).Inc()
	}
}

// send writes a message. It is with the reader only after flush, or after a piece's bytes.
func (c *reader) send(message []byte) error {
	for len(message) > 0 {
		if c.piece == 0 {
			c.until = c.deadline()
			if err := c.times.SetWriteDeadline(c.until); err != nil {
				return err
			}
		}
		some := message[:min(len(message), pieceBytes-c.piece)]
		n, err := c.w.Write(some)
		c.hub.metrics.bytes.WithLabelValues(c.view).Add(float64(n))
		if err != nil {
			return err
		}
		message = message[n:]
		if c.piece += n; c.piece == pieceBytes {
			if err := c.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *reader) deadline() time.Time {
	at := time.Now().Add(c.hub.takeWait)
	if !c.cutAt.IsZero() && c.cutAt.Before(at) {
		return c.cutAt
	}
	return at
}

// flush sends what is written. A reader that does not take it in time is cut.
func (c *reader) flush() error {
	if c.piece == 0 {
		return nil
	}
	c.piece = 0
	if err := c.times.Flush(); err != nil {
		return err
	}
	c.wrote, c.until = time.Now(), time.Time{}
	return c.times.SetWriteDeadline(time.Time{}) // what is said later has its own time
}

// wait returns when there may be something new, or when the stream has been silent for long enough; a nil error means to look again.
func (c *reader) wait(moved <-chan struct{}, now lag) error {
	if now.late != c.late {
		c.late = now.late
		return c.sendLag(now)
	}
	c.beat.Reset(max(0, time.Until(c.wrote.Add(c.hub.beatEvery))))
	select {
	case <-moved:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	case <-c.hub.ended:
		return errEnded
	case <-c.beat.C:
		return c.sendBeat(now)
	}
}

// sendBeat shows that the stream lives, and where it is if the reader does not know.
func (c *reader) sendBeat(now lag) error {
	switch {
	case c.at != c.told:
		if err := c.sendHead(uuid.Nil); err != nil {
			return err
		}
	default:
		if err := c.send([]byte(":\n\n")); err != nil {
			return err
		}
	}
	if now.late {
		return c.sendLag(now)
	}
	return c.flush()
}

// turn waits for one of the few turns to be sent what no other reader shares. The reader must then take it within a time.
func (c *reader) turn() (leave func(), err error) {
	for {
		c.beat.Reset(max(0, time.Until(c.wrote.Add(c.hub.beatEvery))))
		select {
		case c.hub.turns <- struct{}{}:
			c.cutAt = time.Now().Add(turnWaitMax)
			return func() { c.cutAt = time.Time{}; <-c.hub.turns }, nil
		case <-c.ctx.Done():
			return nil, c.ctx.Err()
		case <-c.hub.ended:
			return nil, errEnded
		case <-c.beat.C:
			if err := c.sendBeat(lag{}); err != nil {
				return nil, err
			}
		}
	}
}

// sendHead says where the stream is; of which log, where it begins.
func (c *reader) sendHead(log uuid.UUID) error {
	text := fmt.Appendf(nil, "event: head\nid: %d\ndata: {\"position\":\"%d\",\"ordinal\":\"%d\"", c.at, c.at, c.ordinal)
	if log != uuid.Nil {
		text = fmt.Appendf(text, `,"log_id":"%s"`, log)
	}
	c.told = c.at
	return c.sendNow(append(text, "}\n\n"...))
}

// sendLag says how long what the reader sees has stood still; no time where it has caught up.
func (c *reader) sendLag(now lag) error {
	seconds := 0
	if now.late {
		seconds = int(time.Since(now.since).Seconds())
	}
	return c.sendNow(fmt.Appendf(nil, "event: lag\ndata: {\"position\":\"%d\",\"head\":\"%d\",\"seconds\":%d}\n\n", now.position, max(now.head, now.position), seconds))
}

// sendReset says that nothing of what the reader has counts any more.
func (c *reader) sendReset(log uuid.UUID) error {
	c.at, c.told, c.ordinal = 0, 0, 0
	return c.sendNow(fmt.Appendf(nil, "event: reset\nid: 0\ndata: {\"log_id\":\"%s\"}\n\n", log))
}

func (c *reader) sendNow(message []byte) error {
	if err := c.send(message); err != nil {
		return err
	}
	return c.flush()
}

// Position reads a position as readers send it; nil where they send none. Its error is an *es.Refusal.
func Position(field, text string) (*es.Position, error) {
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return nil, &es.Refusal{
			Code: "bad_position", Field: field, Reason: fmt.Sprintf("%.40q is no position", text),
			Remedy: "send a position of this ledger, such as the id of the last message, or leave it out",
		}
	}
	at := es.Position(n)
	return &at, nil
}
