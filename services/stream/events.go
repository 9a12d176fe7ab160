package stream

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/internal/remotelog"
	"github.com/google/uuid"
)

// pageWaitMax bounds how long one reader of the log keeps its turn; it then waits for another.
const pageWaitMax = 5 * time.Second

// EventsQuery is what a reader of events asks for.
type EventsQuery struct {
	// After is where it begins; the log's end where nil.
	After *es.Position
	// Resumed: After is the id of a message that the reader has had.
	Resumed bool
	// Kind and Stream name what is read; all where empty.
	Kind, Stream string
	// Passes tells whether an event is sent; every one where nil.
	Passes func(*Event) bool
}

// wants tells whether an event may be sent, before it is decoded.
func (q *EventsQuery) wants(stream string) bool {
	return (q.Stream == "" || stream == q.Stream) && (q.Kind == "" || strings.HasPrefix(stream, q.Kind+"-"))
}

// Events sends every event that passes, once, in order, until the reader goes away. It returns an error before the stream has begun.
func (h *Hub) Events(w http.ResponseWriter, r *http.Request, q EventsQuery) error {
	leave, err := h.enter()
	if err != nil {
		return err
	}
	defer leave()
	c, began, err := h.beginEvents(r.Context(), q)
	if err != nil {
		return err
	}
	h.read(w, r, viewEvents, c, func(c *reader) error {
		f := &eventsReader{reader: c, query: q, exact: q.Resumed}
		if err := f.begin(began); err != nil {
			return err
		}
		return f.run()
	})
	return nil
}

// beginning is how a stream of events begins.
type beginning struct {
	log   uuid.UUID
	reset bool
	// id: the reader may go on after its place; that of after need not be an event's.
	id bool
}

// beginEvents tells where a reader begins. Who resumes beyond the log's end has read another log.
func (h *Hub) beginEvents(ctx context.Context, q EventsQuery) (*reader, beginning, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWaitMax)
	defer cancel()
	known, err := h.awaitTail(ctx)
	if err != nil {
		return nil, beginning{}, err
	}
	c, b := &reader{epoch: known.epoch}, beginning{log: known.logID}
	if q.After != nil && *q.After <= known.last.position {
		c.at, c.told, b.id = *q.After, *q.After, q.Resumed
		return c, b, nil
	}
	head, logID, err := h.askHead(ctx)
	switch {
	case err != nil:
		return nil, b, err
	case q.After == nil:
		p := placeOf(head)
		c.at, c.told, c.ordinal, b.id = p.position, p.position, p.ordinal, true
	case *q.After <= head.Position:
		c.at, c.told, b.id = *q.After, *q.After, q.Resumed
	case q.Resumed:
		b.reset = true
	default:
		return nil, b, &es.Refusal{
			Code: "out_of_range", Field: "after", Reason: fmt.Sprintf("the log ends at position %d, before %d", head.Position, *q.After),
			Remedy: "check that the position is of this ledger: its log is " + logID,
		}
	}
	return c, b, nil
}

// awaitTail returns what is known of the log, once the recorder has answered.
func (h *Hub) awaitTail(ctx context.Context) (given, error) {
	for {
		g := h.tail.after(0)
		if g.logID != uuid.Nil {
			return g, nil
		}
		select {
		case <-g.moved:
		case <-h.ended:
			return g, remotelog.ErrUnavailable
		case <-ctx.Done():
			return g, fmt.Errorf("%w, or has not answered within %s", remotelog.ErrUnavailable, readyWaitMax)
		}
	}
}

// askHead asks the recorder where the log ends now: further, perhaps, than what has been heard.
func (h *Hub) askHead(ctx context.Context) (es.Head, string, error) {
	select {
	case h.heads <- struct{}{}:
		defer func() { <-h.heads }()
	case <-ctx.Done():
		return es.Head{}, "", ctx.Err()
	}
	return h.log.Head(ctx)
}

// eventsReader is a stream of events.
type eventsReader struct {
	*reader
	query EventsQuery
	// exact: the place of the reader is one of the log, or it has read another.
	exact bool
}

func (f *eventsReader) begin(b beginning) error {
	switch {
	case b.reset:
		return f.sendReset(b.log)
	case b.id && !f.query.Resumed:
		return f.sendHead(b.log)
	}
	return nil
}

func (f *eventsReader) run() error {
	for {
		g := f.hub.tail.after(f.at)
		var err error
		switch {
		case g.epoch != f.epoch, g.astray && f.exact:
			f.epoch, f.exact = g.epoch, true
			err = f.sendReset(g.logID)
		case g.behind:
			var read bool
			if read, err = f.readLog(g); err == nil && !read {
				err = f.rest()
			}
		case len(g.messages) > 0:
			err = f.sendSome(g.messages)
		default:
			err = f.wait(g.moved, g.lag)
		}
		if err != nil {
			return err
		}
	}
}

// sendSome sends what of the ring's messages passes.
func (f *eventsReader) sendSome(messages []*message) error {
	for _, m := range messages {
		if f.query.wants(m.entry.Stream) {
			event, text, err := m.render()
			if err != nil {
				return err
			}
			if err := f.pass(m.entry.Position, event, text); err != nil {
				return err
			}
		}
		f.at, f.ordinal = m.entry.Position, m.entry.Ordinal
	}
	f.exact = true
	return f.flush()
}

func (f *eventsReader) pass(at es.Position, event *Event, text []byte) error {
	if f.query.Passes != nil && !f.query.Passes(event) {
		return nil
	}
	f.told = at
	return f.send(text)
}

// readLog sends what follows the reader's place in the log, as far as its turn lasts. An error of the log is none of the reader's.
func (f *eventsReader) readLog(g given) (read bool, err error) {
	leave, err := f.turn()
	if err != nil {
		return false, err
	}
	defer leave()
	page, err := f.hub.log.Page(f.ctx, f.at)
	switch {
	case err != nil:
		return false, f.ctx.Err()
	case page.LogID != g.logID.String(), len(page.Entries) == 0: // the tail hears of it soon
		return false, nil
	case f.exact && page.Entries[0].Prev != f.at:
		return true, f.sendReset(g.logID)
	case f.hub.tail.extend(page.LogID, page.Entries, f.at):
		return true, nil
	case f.query.Stream != "":
		return f.readStream(g)
	}
	until := time.Now().Add(pageWaitMax)
	for _, e := range page.Entries {
		if err := f.sendEntry(e); err != nil {
			return false, err
		}
		if time.Now().After(until) {
			break
		}
	}
	f.exact = true
	return true, f.flush()
}

// readStream sends what one stream has between the reader's place and the tail's, without reading all others.
func (f *eventsReader) readStream(g given) (read bool, err error) {
	after := f.at
	for e, err := range f.hub.log.ReadStream(f.ctx, f.query.Stream, 0) {
		if err != nil {
			return false, f.ctx.Err()
		}
		if e.Position > g.last.position {
			break
		}
		if e.Position <= after {
			continue
		}
		if err := f.sendEntry(e); err != nil {
			return false, err
		}
	}
	f.at, f.ordinal, f.exact = g.last.position, g.last.ordinal, true
	return true, f.flush()
}

func (f *eventsReader) sendEntry(e es.Entry) error {
	if f.query.wants(e.Stream) {
		m := message{entry: e}
		event, text, err := m.render()
		if err != nil {
			return err
		}
		if err := f.pass(e.Position, event, text); err != nil {
			return err
		}
	}
	f.at, f.ordinal = e.Position, e.Ordinal
	if time.Since(f.wrote) > f.hub.beatEvery { // a filter may pass nothing for long
		return f.sendBeat(lag{})
	}
	return nil
}

// rest waits for a while, since the log could not be read.
func (f *eventsReader) rest() error {
	pause := time.NewTimer(retryDelay)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-f.ctx.Done():
		return f.ctx.Err()
	case <-f.hub.ended:
		return errEnded
	}
	if time.Since(f.wrote) > f.hub.beatEvery {
		return f.sendBeat(lag{})
	}
	return f.flush()
}
