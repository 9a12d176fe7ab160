package enginetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/google/uuid"
)

// Log is an engine.Source in memory, with positions that leave gaps and a broadcast that a test can make as bad as it likes.
type Log struct {
	id uuid.UUID

	mu        sync.Mutex
	entries   []es.Entry
	revisions map[string]uint64
	feeds     map[chan engine.Frame]bool
	dropped   chan struct{} // closed and replaced whenever a feed has been dropped
	readErr   error
	reads     int
}

// NewLog returns an empty log.
func NewLog(id uuid.UUID) *Log {
	return &Log{id: id, revisions: map[string]uint64{}, feeds: map[chan engine.Frame]bool{}, dropped: make(chan struct{})}
}

// Stream names the nth stream of tests.
func Stream(n int) string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
	return es.StreamName("pledge", id)
}

// Add appends an event of a donor, and broadcasts nothing.
func (l *Log) Add(t testing.TB, stream, donor string, ev es.Event) es.Entry {
	t.Helper()
	return l.AddFact(t, stream, &eventv1.Envelope{Donor: donor, Beneficiary: "UKR"}, ev)
}

// AddFact appends an event with its envelope, of which kind and ids are filled in.
func (l *Log) AddFact(t testing.TB, stream string, env *eventv1.Envelope, ev es.Event) es.Entry {
	t.Helper()
	kind, _, err := es.ParseStream(stream)
	if err != nil {
		t.Fatal(err)
	}
	env.Kind, env.CommandId, env.CommandDigest = kind, make([]byte, 16), make([]byte, 32)
	e, err := wire.NewEvent(uuid.Max, env, ev)
	if err != nil {
		t.Fatal(err)
	}
	return l.AddRaw(t, stream, e)
}

// AddRaw appends an event as it would be stored, also one that no program knows.
func (l *Log) AddRaw(t testing.TB, stream string, e *logv1.NewEvent) es.Entry {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	ordinal := uint64(len(l.entries))
	id := uuid.UUID{15: 1}
	binary.BigEndian.PutUint64(id[:], ordinal+1)
	entry := es.Entry{Position: 7 + es.Position(3*ordinal), Ordinal: ordinal, Stream: stream, Revision: l.revisions[stream]}
	if ordinal > 0 {
		entry.Prev = l.entries[ordinal-1].Position
	}
	record := &logv1.Record{
		EventId: id[:], Stream: stream, Revision: entry.Revision, Type: e.Type, RecordedAtNanos: int64(ordinal), Header: e.Header, Payload: e.Payload,
	}
	bytes, err := wire.EncodeRecord(record)
	if err != nil {
		t.Fatal(err)
	}
	entry.Record = es.Record{ID: id, Bytes: bytes}
	l.entries = append(l.entries, entry)
	l.revisions[stream]++
	return entry
}

// Entries returns all entries.
func (l *Log) Entries() []es.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries[:len(l.entries):len(l.entries)]
}

// All yields all entries, as Replay takes them.
func (l *Log) All() iter.Seq2[es.Entry, error] { return Seq(l.Entries()) }

// Seq yields entries.
func Seq(entries []es.Entry) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// grow appends entries of another log.
func (l *Log) grow(entries []es.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, entries...)
}

// Cut takes back the last n entries, as no true log does.
func (l *Log) Cut(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = l.entries[:len(l.entries)-n]
}

// FailReads makes Read and Head fail until it is called with nil.
func (l *Log) FailReads(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readErr = err
}

// Reads is how often Read has been called.
func (l *Log) Reads() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reads
}

// AwaitNoFeeds returns once no subscription is open. They end with their context, on a goroutine of their own.
func (l *Log) AwaitNoFeeds(t testing.TB) {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		l.mu.Lock()
		n, dropped := len(l.feeds), l.dropped
		l.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-dropped:
		case <-late:
			t.Fatalf("%d subscriptions left behind", n)
		}
	}
}

// Head implements engine.Source.
func (l *Log) Head(ctx context.Context) (engine.LogHead, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.readErr != nil {
		return engine.LogHead{}, l.readErr
	}
	return l.head(), ctx.Err()
}

func (l *Log) head() engine.LogHead {
	h := engine.LogHead{LogID: l.id}
	if n := len(l.entries); n > 0 {
		h.Head = es.Head{Position: l.entries[n-1].Position, Events: uint64(n)}
	}
	return h
}

// Read implements engine.Source.
func (l *Log) Read(ctx context.Context, after es.Position) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		l.mu.Lock()
		l.reads++
		entries, err := l.entries, l.readErr
		l.mu.Unlock()
		for _, e := range entries {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				break
			}
			if e.Position > after && !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(es.Entry{}, err)
		}
	}
}

// Subscribe implements engine.Source.
func (l *Log) Subscribe(ctx context.Context) (<-chan engine.Frame, error) {
	feed := make(chan engine.Frame, 16)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.feeds[feed] = true
	context.AfterFunc(ctx, func() { l.drop(feed) })
	return feed, nil
}

func (l *Log) drop(feed chan engine.Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.feeds[feed] {
		delete(l.feeds, feed)
		close(feed)
	}
	close(l.dropped)
	l.dropped = make(chan struct{})
}

// Disconnect ends all subscriptions.
func (l *Log) Disconnect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for feed := range l.feeds {
		delete(l.feeds, feed)
		close(feed)
	}
}

// Broadcast sends a frame to every subscriber that has room for it.
func (l *Log) Broadcast(f engine.Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for feed := range l.feeds {
		select {
		case feed <- f:
		default:
		}
	}
}

// Beat broadcasts the head alone, as the recorder does every 500 ms.
func (l *Log) Beat() {
	l.mu.Lock()
	h := l.head()
	l.mu.Unlock()
	l.Broadcast(engine.Frame{Head: h})
}

// BroadcastBadly broadcasts entries in small frames, of which some are lost, some repeated, some late and some without their bytes.
func (l *Log) BroadcastBadly(rng *rand.Rand, entries []es.Entry) {
	var frames []engine.Frame
	for len(entries) > 0 {
		n := min(1+rng.IntN(4), len(entries))
		last := entries[n-1]
		f := engine.Frame{Head: engine.LogHead{LogID: l.id, Head: es.Head{Position: last.Position, Events: last.Ordinal + 1}}, Entries: entries[:n:n]}
		if rng.IntN(8) == 0 {
			f.Entries = append([]es.Entry(nil), f.Entries...)
			f.Entries[rng.IntN(n)].Bytes = nil
		}
		for range []int{0, 1, 1, 1, 2}[rng.IntN(5)] {
			frames = append(frames, f)
		}
		entries = entries[n:]
	}
	for i := range frames {
		if j := min(i+rng.IntN(3), len(frames)-1); rng.IntN(4) == 0 {
			frames[i], frames[j] = frames[j], frames[i]
		}
	}
	for _, f := range frames {
		l.Broadcast(f)
	}
}

// Announcement is a small event with one value.
func Announcement(title string, amount *eventv1.Amount) *eventv1.PledgeAnnounced {
	return &eventv1.PledgeAnnounced{Title: title, Lines: []*eventv1.Line{{
		Line: make([]byte, 16), Title: title, Category: "MIL.AMMO", Instrument: eventv1.Instrument_INSTRUMENT_GRANT, ControlAsset: "EUR/2@donor_stated",
		Values: []*eventv1.Valuation{{
			Basis: "donor_stated", Status: eventv1.ValueStatus_VALUE_STATUS_STATED, Asset: "EUR/2@donor_stated", Amount: amount,
		}},
	}}}
}

// Fill appends n small events over a few streams.
func (l *Log) Fill(t testing.TB, n int) {
	t.Helper()
	for i := range n {
		l.Add(t, Stream(i*i%7), fmt.Sprintf("D%02d", i%5), Announcement("a", &eventv1.Amount{Lo: uint64(i)}))
	}
}
