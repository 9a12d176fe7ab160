package stream

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/live"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// roundsKept bounds for how many rounds back a reader that resumes is told only what changed: some minutes of a busy ledger.
	roundsKept = 4096
	// goneKept bounds how many vanished keys are remembered.
	goneKept = 4096
	// sharedBytesMax bounds the encoded changes of one round that are made once for all readers, and a snapshot that is. What is beyond that is
	// sent in turns, so that slow readers hold little.
	sharedBytesMax = 4 << 20
	// partBytes is how large a part of a snapshot becomes, but for its last row.
	partBytes = 256 << 10
)

// board is the live balances, as they were at the last mark of their bucket.
type board struct {
	js     jetstream.JetStream
	bucket string

	mu      sync.Mutex
	refusal error // why there are none, before there have been any
	epoch   int   // grows when all that readers hold is void; 0 before the first mark
	mark    live.Mark
	round   int // counts the marks
	rows    map[string]row
	gone    map[string]int // the round in which a key vanished
	floor   int            // the first round since which all that vanished is known
	known   []known        // rounds that readers may resume from, in order; what changed after each is known
	void    es.Position    // up to it readers may have seen what is void: nobody knows which of the two they have at a position
	changes map[int][]byte // since a round, encoded
	parts   [][]byte       // of a snapshot, encoded
	shared  int            // bytes of changes
	behind  time.Time      // since when the log is ahead of it; zero where it is not
	lag     lag
	news    news
}

// row is a live row: its value in the bucket, with its key, and the round in which it changed.
type row struct {
	value []byte
	round int
}

// known is a round that readers have been sent.
type known struct {
	position es.Position
	round    int
}

func newBoard(js jetstream.JetStream, bucket string) *board {
	return &board{js: js, bucket: bucket, rows: map[string]row{}, gone: map[string]int{}, news: newNews()}
}

// publish makes the board what the bucket was at a mark. Of the values of keys, nil is none. Where the mark is of another log, or from before
// the last one, all begins anew, and values must be all that there are.
func (b *board) publish(mark live.Mark, values map[string][]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.round++
	if b.epoch == 0 || !follows(b.mark, mark) {
		b.epoch++
		b.void = max(b.void, b.mark.Position)
		b.rows, b.gone, b.known = map[string]row{}, map[string]int{}, nil
	}
	for key, value := range values {
		had, ok := b.rows[key]
		switch {
		case value == nil && ok:
			delete(b.rows, key)
			b.gone[key] = b.round
		case value != nil && !(ok && string(had.value) == string(value)):
			b.rows[key] = row{value, b.round}
			delete(b.gone, key)
		}
	}
	if !(len(b.known) > 0 && b.known[len(b.known)-1].position == mark.Position) { // of rounds at one position the first is the safe one
		b.known = append(b.known, known{mark.Position, b.round})
	}
	b.forget()
	if mark.Position != b.mark.Position {
		b.behind = time.Time{}
	}
	b.mark, b.refusal, b.changes, b.parts, b.shared = mark, nil, map[int][]byte{}, nil, 0
	b.news.tell()
}

// follows tells whether a mark goes on from another, or is the same.
func follows(before, mark live.Mark) bool {
	return before.LogID == mark.LogID && before.Position <= mark.Position
}

// whole completes the values of a bucket: where they are all that it has, by the keys that the board has beside them; else by what the board
// has of the others.
func (b *board) whole(values map[string][]byte, all bool) map[string][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := maps.Clone(values)
	for key, had := range b.rows {
		if _, ok := values[key]; !ok {
			if out[key] = nil; !all {
				out[key] = had.value
			}
		}
	}
	return out
}

// count is how many keys there are with new values.
func (b *board) count(values map[string][]byte) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.rows)
	for key, value := range values {
		_, had := b.rows[key]
		switch {
		case had && value == nil:
			n--
		case !had && value != nil:
			n++
		}
	}
	return n
}

// forget keeps what is remembered within its bounds. Whoever has not seen what is forgotten is sent a snapshot.
func (b *board) forget() {
	from := 0
	if len(b.gone) > goneKept {
		for _, round := range b.gone {
			from = max(from, round)
		}
		clear(b.gone)
	}
	drop := max(0, len(b.known)-roundsKept)
	for drop < len(b.known) && b.known[drop].round < from {
		drop++
	}
	b.known = slices.Delete(b.known, 0, drop)
	b.floor = max(b.floor, from)
}

// refuse notes why there are no live balances.
func (b *board) refuse(why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refusal = why
	b.news.tell()
}

// shown is what a reader gets to know of the board.
type shown struct {
	refusal error
	epoch   int
	round   int
	mark    live.Mark
	lag     lag
	moved   <-chan struct{}
}

func (b *board) look() shown {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shown()
}

func (b *board) shown() shown {
	return shown{b.refusal, b.epoch, b.round, b.mark, b.lag, b.news.moved}
}

// resume returns the round that a reader has seen who has been sent a position; false where that is not known.
func (b *board) resume(at es.Position) (round int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := slices.BinarySearchFunc(b.known, at, func(k known, at es.Position) int { return cmp.Compare(k.position, at) })
	if !ok {
		return 0, false
	}
	return b.known[i].round, at > b.void
}

// since returns what has changed after a round as one message, and what it leads to. One that is large is made only in turn, and none where it
// is not known what has changed.
func (b *board) since(epoch, round int, inTurn bool) (message []byte, large bool, now shown) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now = b.shown()
	if epoch != b.epoch || round < b.floor {
		return nil, false, now
	}
	if message, ok := b.changes[round]; ok {
		return message, false, now
	}
	var keys, gone []string
	size := 0
	for key, row := range b.rows {
		if row.round > round {
			keys = append(keys, key)
			size += len(row.value) + 1
		}
	}
	for key, vanished := range b.gone {
		if vanished > round {
			gone = append(gone, key)
			size += len(key) + 3
		}
	}
	shared := b.shared+size <= sharedBytesMax
	if !shared && !inTurn {
		return nil, true, now
	}
	slices.Sort(keys)
	slices.Sort(gone)
	data := appendMark(make([]byte, 0, size+256), b.mark)
	data = append(data, `,"rows":[`...)
	for i, key := range keys {
		data = appendItem(data, i, b.rows[key].value)
	}
	data = append(data, `],"gone":[`...)
	for i, key := range gone {
		data = appendItem(data, i, strconv.AppendQuote(nil, key))
	}
	message = framed("change", &b.mark.Position, append(data, "]}"...))
	if shared {
		b.changes[round] = message
		b.shared += len(message)
	}
	return message, false, now
}

// snapshot returns all rows, in messages of which only the last has an id: who has not had that has not had all. A large one is given only in
// turn.
func (b *board) snapshot(inTurn bool) (parts [][]byte, large bool, now shown) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now = b.shown()
	size := 0
	for _, row := range b.rows {
		size += len(row.value) + 1
	}
	if size > sharedBytesMax && !inTurn {
		return nil, true, now
	}
	if b.parts != nil {
		return b.parts, false, now
	}
	keys := slices.Sorted(maps.Keys(b.rows))
	for begin := true; begin || len(keys) > 0; begin = false {
		data := append(appendMark(nil, b.mark), `,"rows":[`...)
		i := 0
		for ; i < len(keys) && len(data) < partBytes; i++ {
			data = appendItem(data, i, b.rows[keys[i]].value)
		}
		if keys = keys[i:]; len(keys) == 0 {
			b.parts = append(b.parts, framed("snapshot", &b.mark.Position, append(data, `],"last":true}`...)))
			break
		}
		b.parts = append(b.parts, framed("snapshot", nil, append(data, `],"last":false}`...)))
	}
	return b.parts, false, now
}

// framed is a message; without an id where there is none.
func framed(event string, id *es.Position, data []byte) []byte {
	out := make([]byte, 0, len(data)+64)
	out = append(append(append(out, "event: "...), event...), '\n')
	if id != nil {
		out = append(strconv.AppendUint(append(out, "id: "...), uint64(*id), 10), '\n')
	}
	out = append(append(out, "data: "...), data...)
	return append(out, "\n\n"...)
}

func appendMark(data []byte, m live.Mark) []byte {
	data = append(data, `{"position":"`...)
	data = strconv.AppendUint(data, uint64(m.Position), 10)
	data = append(data, `","ordinal":"`...)
	data = strconv.AppendUint(data, m.Ordinal, 10)
	data = append(data, `","log_id":"`...)
	data = append(data, m.LogID.String()...)
	return append(data, '"')
}

func appendItem(data []byte, i int, item []byte) []byte {
	if i > 0 {
		data = append(data, ',')
	}
	return append(data, item...)
}

// judge notes whether the mark stands still behind the log's head, or the recorder has fallen silent.
func (b *board) judge(now, heard time.Time, head es.Position, after time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epoch == 0 {
		return
	}
	switch {
	case head <= b.mark.Position:
		b.behind = time.Time{}
	case b.behind.IsZero():
		b.behind = now
	}
	since := heard
	if !b.behind.IsZero() && b.behind.Before(heard) {
		since = b.behind
	}
	if b.lag.set(lag{late: now.Sub(since) > after, since: since, position: b.mark.Position, head: head}) {
		b.news.tell()
	}
}
