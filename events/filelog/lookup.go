package filelog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/allied-ledger/allied/events/es"
)

const (
	// recentAppendsMax is how many appends wait in memory until they are stored together, a run of each stream under one key. Storing
	// each under a key of its own took more than half of all the log's work.
	recentAppendsMax = 256 << 10
	runAppendsMax    = 1024
)

// indexed is one append for the index.
type indexed struct {
	stream string
	location
}

// recent holds what is not in Pebble yet. What moves is in Pebble before it leaves here, so whoever looks here first misses nothing.
type recent struct {
	mu      sync.RWMutex
	streams map[string][]location
	appends int
	mark    applied
}

// of returns the stream's recent appends in order. The slice is only ever appended to.
func (r *recent) of(stream string) []location {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.streams[stream]
}

// apply adds appends and moves the mark. Only one goroutine applies.
func (x *index) apply(appends []indexed, mark applied) error {
	r := &x.recent
	r.mu.Lock()
	if r.streams == nil {
		r.streams = make(map[string][]location)
	}
	for i := range appends {
		a := &appends[i]
		r.streams[a.stream] = append(r.streams[a.stream], a.location)
	}
	r.appends += len(appends)
	r.mark = mark
	full := r.appends >= recentAppendsMax
	r.mu.Unlock()
	if !full {
		return x.failure()
	}
	return x.use(x.store)
}

// store moves what is recent into Pebble, with the mark that belongs to it.
func (x *index) store(db *pebble.DB) error {
	r := &x.recent
	if r.appends == 0 {
		return nil
	}
	batch := db.NewBatch()
	defer batch.Close()
	var value []byte
	for _, stream := range slices.Sorted(maps.Keys(r.streams)) {
		for run := range slices.Chunk(r.streams[stream], runAppendsMax) {
			value = encodeRun(value[:0], run)
			if err := batch.Set(runKey(stream, run[0].first), value, nil); err != nil {
				return err
			}
		}
	}
	value = append(value[:0], r.mark.log[:]...)
	value = binary.LittleEndian.AppendUint64(value, r.mark.end)
	value = binary.LittleEndian.AppendUint64(value, r.mark.events)
	value = binary.LittleEndian.AppendUint32(value, r.mark.crc)
	if err := batch.Set(appliedKey, value, nil); err != nil {
		return err
	}
	if err := batch.Commit(pebble.NoSync); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams, r.appends = make(map[string][]location), 0
	return nil
}

// A run's value is its number of events, then of each append how far it starts after the one before, and its number of events; all as
// unsigned varints. The appends of a run follow each other in the stream, so their revisions need no place.
func encodeRun(dst []byte, run []location) []byte {
	dst = binary.AppendUvarint(dst, run[len(run)-1].last()-run[0].first+1)
	start := uint64(0)
	for _, l := range run {
		dst = binary.AppendUvarint(dst, l.start-start)
		dst = binary.AppendUvarint(dst, uint64(l.count))
		start = l.start
	}
	return dst
}

// runSpan returns the first and the last revision of a run.
func runSpan(key, value []byte) (first, last uint64, rest []byte, err error) {
	events, n := binary.Uvarint(value)
	if len(key) < 9 || n <= 0 || events == 0 {
		return 0, 0, nil, fmt.Errorf("the index holds a key of %d bytes with a value that is no run", len(key))
	}
	first = ^binary.BigEndian.Uint64(key[len(key)-8:])
	return first, first + events - 1, value[n:], nil
}

// decodeRun appends the locations of a run that do not end before a revision.
func decodeRun(dst []location, key, value []byte, from uint64) ([]location, error) {
	first, last, rest, err := runSpan(key, value)
	if err != nil {
		return dst, err
	}
	start := uint64(0)
	for first <= last {
		step, n := binary.Uvarint(rest)
		count, m := binary.Uvarint(rest[max(n, 0):])
		if n <= 0 || m <= 0 || count == 0 || count > es.AppendRecordsMax {
			return dst, errors.New("the index holds a run that cannot be decoded")
		}
		rest, start = rest[n+m:], start+step
		l := location{first: first, count: uint32(count), start: start}
		if l.last() >= from {
			dst = append(dst, l)
		}
		first += count
	}
	return dst, nil
}

// last returns the stream's last revision, es.NoStream where it has none.
func (x *index) last(stream string) (revision int64, err error) {
	if mine := x.recent.of(stream); len(mine) > 0 {
		return int64(mine[len(mine)-1].last()), x.failure()
	}
	revision = es.NoStream
	err = x.use(func(db *pebble.DB) error {
		it, err := db.NewIter(nil)
		if err != nil {
			return err
		}
		if it.SeekPrefixGE(streamPrefix(stream)) {
			_, last, _, err := runSpan(it.Key(), it.Value())
			if err != nil {
				return errors.Join(err, it.Close())
			}
			revision = int64(last)
		}
		return it.Close()
	})
	return revision, err
}

// page returns the locations of about pageAppendsMax appends of the stream in order, from the one that holds a revision on, and whether
// there may be more.
func (x *index) page(stream string, from uint64) (page []location, more bool, err error) {
	mine := x.recent.of(stream)
	err = x.use(func(db *pebble.DB) error {
		it, err := db.NewIter(&pebble.IterOptions{LowerBound: streamPrefix(stream), UpperBound: append(runKey(stream, 0), 0)})
		if err != nil {
			return err
		}
		// Inverted revisions: the next run is the previous key.
		for ok := it.SeekGE(runKey(stream, from)); ok && !more; ok = it.Prev() {
			if page, err = decodeRun(page, it.Key(), it.Value(), from); err != nil {
				return errors.Join(err, it.Close())
			}
			more = len(page) >= pageAppendsMax
		}
		return it.Close()
	})
	if err != nil || more {
		return page, more, err
	}
	if n := len(page); n > 0 {
		from = page[n-1].last() + 1
	}
	i, _ := slices.BinarySearchFunc(mine, from, func(l location, from uint64) int {
		if l.last() < from {
			return -1
		}
		return 1
	})
	return append(page, mine[i:]...), false, nil
}
