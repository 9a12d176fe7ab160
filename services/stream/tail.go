package stream

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/internal/readable"
	"github.com/allied-ledger/allied/services/internal/strictjson"
	"github.com/google/uuid"
)

// The bounds of the ring. As text an event is some five times its record.
const (
	ringEventsMax      = 8192
	ringRecordBytesMax = 4 << 20
	// givenEventsMax bounds what a reader takes from the ring at once.
	givenEventsMax = 256
	// readEventsMax bounds what is read of the log before readers are told.
	readEventsMax = 256
)

// tail is the end of the log: the last events, each rendered once for all readers, when the first asks for it.
type tail struct {
	source engine.Source

	mu          sync.Mutex
	logID       uuid.UUID // nil before the recorder has first answered
	epoch       int       // grows when the log is another, or was cut
	ring        []*message
	recordBytes int
	floor       es.Position // the place before the ring's first event
	last        place       // of the last event heard of
	lost        bool        // the log does not hold it any more
	head        es.Position // the furthest that the recorder has named
	heard       time.Time
	lag         lag
	news        news
}

// place is one in the log; ordinal is that of the event at it.
type place struct {
	position es.Position
	ordinal  uint64
}

func placeOf(h es.Head) place { return place{h.Position, max(h.Events, 1) - 1} }

// Event is what filters ask of an event.
type Event struct {
	Type, Donor string
	// Unread: what it says cannot be read, so that nobody knows whose it is.
	Unread bool
}

// DonorOf is whose an event is.
func DonorOf(e *apiv1.LoggedEvent) string { return e.Envelope.GetFields()["donor"].GetStringValue() }

// message is an event to send.
type message struct {
	entry       es.Entry
	recordBytes int
	once        sync.Once
	event       Event
	text        []byte
	err         error
}

// render returns the event, and all of its message.
func (m *message) render() (*Event, []byte, error) {
	m.once.Do(func() {
		logged := readable.Logged(m.entry)
		m.event = Event{Type: logged.Type, Donor: DonorOf(logged), Unread: logged.Error != ""}
		data, err := strictjson.Marshal(logged)
		if err != nil {
			m.err = fmt.Errorf("encode the event at position %d: %w", m.entry.Position, err)
			return
		}
		m.text, m.entry.Bytes = recorded(m.entry.Position, data), nil
	})
	return &m.event, m.text, m.err
}

func recorded(at es.Position, data []byte) []byte {
	out := make([]byte, 0, len(data)+64)
	out = append(out, "event: recorded\nid: "...)
	out = strconv.AppendUint(out, uint64(at), 10)
	out = append(out, "\ndata: "...)
	out = append(out, data...)
	return append(out, "\n\n"...)
}

func newTail(source engine.Source) *tail {
	return &tail{source: source, heard: time.Now(), news: newNews()}
}

// session follows the recorder's broadcast until something fails. What the broadcast loses is read from the log.
func (t *tail) session(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	frames, err := t.source.Subscribe(ctx) // before the head is asked for, so that nothing falls between the two
	if err != nil {
		return err
	}
	head, err := t.source.Head(ctx)
	if err != nil {
		return err
	}
	t.begin(head)
	for {
		if err := t.catchUp(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case f, open := <-frames:
			if !open {
				return errors.New("the feed of frames ended")
			}
			if err := t.take(ctx, f); err != nil {
				return err
			}
		}
	}
}

// begin takes the log as it is now. Where it is another, or ends before what readers have, all begin anew.
func (t *tail) begin(head engine.LogHead) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.logID != head.LogID || head.Position < t.last.position || t.lost {
		if t.logID != uuid.Nil {
			t.epoch++
		}
		t.logID, t.ring, t.recordBytes, t.floor, t.last = head.LogID, nil, 0, head.Position, placeOf(head.Head)
		t.lost = false
	}
	t.head, t.heard = head.Position, time.Now()
	t.news.tell()
}

// take adds what of a frame follows the last event; of all else only the head counts, up to which the log is read then.
func (t *tail) take(ctx context.Context, f engine.Frame) error {
	t.mu.Lock()
	logID, last := t.logID, t.last.position
	t.head, t.heard = max(t.head, f.Head.Position), time.Now()
	t.mu.Unlock()
	switch {
	case f.Head.LogID != logID:
		return fmt.Errorf("%w: the log is %s now", errAgain, f.Head.LogID)
	case f.Head.Position < last && len(f.Entries) == 0: // said before what was read since, or the log was cut
		head, err := t.source.Head(ctx)
		if err != nil {
			return err
		}
		if head.LogID != logID || head.Position < last {
			return fmt.Errorf("%w: the log ends at position %d now", errAgain, head.Position)
		}
	}
	var fit []es.Entry
	for _, e := range f.Entries {
		if e.Prev == last && len(e.Bytes) > 0 {
			fit, last = append(fit, e), e.Position
		}
	}
	t.add(fit)
	return nil
}

// catchUp reads the log from the last event up to the head that is known.
func (t *tail) catchUp(ctx context.Context) error {
	for {
		t.mu.Lock()
		last, head := t.last.position, t.head
		t.mu.Unlock()
		if last >= head {
			return nil
		}
		began := last
		var some []es.Entry
		for e, err := range t.source.Read(ctx, last) {
			if err != nil {
				return fmt.Errorf("read the log after position %d: %w", last, err)
			}
			if e.Prev != last {
				t.mu.Lock()
				t.lost = true
				t.mu.Unlock()
				return fmt.Errorf("%w: the log has no position %d any more", errAgain, last)
			}
			some, last = append(some, e), e.Position
			if len(some) == readEventsMax {
				t.add(some)
				some = nil
			}
		}
		t.add(some)
		if last == began {
			return fmt.Errorf("the log's head is %d, but nothing is read after %d", head, began)
		}
	}
}

// add puts entries into the ring, and lets go of the oldest.
func (t *tail) add(entries []es.Entry) {
	if len(entries) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range entries {
		t.ring = append(t.ring, &message{entry: e, recordBytes: len(e.Bytes)})
		t.recordBytes += len(e.Bytes)
		t.last = place{e.Position, e.Ordinal}
	}
	t.head = max(t.head, t.last.position)
	for len(t.ring) > ringEventsMax || t.recordBytes > ringRecordBytesMax && len(t.ring) > 1 {
		t.recordBytes -= t.ring[0].recordBytes
		t.floor, t.ring[0] = t.ring[0].entry.Position, nil
		t.ring = t.ring[1:]
	}
	t.heard = time.Now()
	t.news.tell()
}

// extend puts before the ring what a reader has read of the log right before it, as far as there is room: where many come back at once, as after
// a restart, one reads and renders for all. It tells whether the ring now reaches back to a position.
func (t *tail) extend(logID string, entries []es.Entry, at es.Position) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.logID.String() != logID || at >= t.floor {
		return at >= t.floor
	}
	end := sort.Search(len(entries), func(i int) bool { return entries[i].Position > t.floor })
	if end == 0 || entries[end-1].Position != t.floor {
		return false
	}
	begin := end
	for ; begin > 0; begin-- {
		n := len(entries[begin-1].Bytes)
		if len(t.ring)+end-begin == ringEventsMax || t.recordBytes+n > ringRecordBytesMax {
			break
		}
		t.recordBytes += n
	}
	if begin == end {
		return false
	}
	before := make([]*message, 0, end-begin+len(t.ring))
	for _, e := range entries[begin:end] {
		before = append(before, &message{entry: e, recordBytes: len(e.Bytes)})
	}
	t.ring, t.floor = append(before, t.ring...), entries[begin].Prev
	return at >= t.floor
}

// given is what a reader gets to know of the tail.
type given struct {
	logID    uuid.UUID
	epoch    int
	messages []*message
	// behind: the ring does not reach back to the reader, who reads the log.
	behind bool
	// astray: no event, nor the begin, is at the reader's position.
	astray bool
	last   place
	lag    lag
	moved  <-chan struct{}
}

// after tells what follows a position.
func (t *tail) after(at es.Position) given {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := given{logID: t.logID, epoch: t.epoch, last: t.last, lag: t.lag, moved: t.news.moved}
	switch {
	case at < t.floor:
		g.behind = true
		return g
	case at > t.last.position: // the reader has heard of it before the tail
		return g
	}
	i := sort.Search(len(t.ring), func(i int) bool { return t.ring[i].entry.Position > at })
	before := t.floor
	if i > 0 {
		before = t.ring[i-1].entry.Position
	}
	g.astray = before != at
	g.messages = append(g.messages, t.ring[i:min(i+givenEventsMax, len(t.ring))]...)
	return g
}

// judge notes whether the recorder has fallen silent, and returns when it was last heard, and where the log ends as far as is known.
func (t *tail) judge(now time.Time, after time.Duration) (heard time.Time, head es.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	late := t.logID != uuid.Nil && now.Sub(t.heard) > after
	if t.lag.set(lag{late: late, since: t.heard, position: t.last.position, head: t.head}) {
		t.news.tell()
	}
	return t.heard, t.head
}
