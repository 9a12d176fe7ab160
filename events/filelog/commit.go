package filelog

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/allied-ledger/allied/events/es"
)

const (
	groupBytesMax       = 4 << 20
	groupAppendsMax     = 16 << 10
	groupsPublishingMax = 1
)

// committer judges appends, one group after the other, and makes each group durable with one write and one sync. It takes all that waits
// while the sync before was under way, so it needs no timer. Nobody else writes segments.
type committer struct {
	log          *Log
	publish      chan<- publishing
	live         vfs.File
	segment      segment // the live one
	segmentBytes int64
	committed    func(Commit)
	revisions    *revisions
	scratch      []byte

	// The end of what is durable.
	end    uint64
	events uint64
	crc    uint32
}

// group is what one write makes durable.
type group struct {
	requests []*request
	appends  int
	start    uint64
	end      uint64 // and where it will end
	events   uint64
	crc      uint32
	buffers  [][]byte
	entries  []es.Entry // with the frames' bytes
	indexed  []indexed
	staged   map[string]*stagedStream
}

// stagedStream is what a group adds to one stream.
type stagedStream struct {
	revision int64
	first    int64 // the revision of entries[0]
	entries  []int // places in the group's entries
}

func (c *committer) run() {
	defer close(c.publish)
	for r := range c.log.requests {
		g := &group{start: c.end, end: c.end, events: c.events, crc: c.crc, staged: make(map[string]*stagedStream)}
		refusal := c.log.Refusal()
		for {
			if r.state.CompareAndSwap(requestWaiting, requestTaken) {
				if refusal == nil {
					c.judge(g, r)
					g.requests = append(g.requests, r)
				}
				close(r.encoded)
				if refusal != nil {
					r.refuse(refusal)
				}
			}
			if r = c.waiting(g); r == nil {
				break
			}
		}
		if len(g.requests) > 0 {
			c.commit(g)
		}
	}
}

// waiting returns a request that waits already and fits into the group, or nil.
func (c *committer) waiting(g *group) *request {
	if g.end-g.start >= groupBytesMax || g.appends >= groupAppendsMax {
		return nil
	}
	select {
	case r := <-c.log.requests:
		return r // nil when the queue is closed and empty
	default:
		return nil
	}
}

// commit makes the group durable and hands it on to be published and answered.
func (c *committer) commit(g *group) {
	if g.end > g.start {
		began := time.Now()
		if err := c.write(g); err != nil {
			c.log.latch(err)
			g.answer(fmt.Errorf("%w: %w", es.ErrUnknown, err))
			return
		}
		c.committed(Commit{Appends: len(g.indexed), Events: len(g.entries), Took: time.Since(began)})
		for stream, s := range g.staged {
			c.revisions.set(stream, s.revision)
		}
		c.end, c.events, c.crc = g.end, g.events, g.crc
	}
	// A group that only answers goes the same way, so that no answer overtakes the readers' view that it speaks of.
	c.publish <- publishing{group: g}
}

func (c *committer) write(g *group) error {
	if c.segment.offset(g.start) >= c.segmentBytes && g.start > c.segment.base {
		if err := c.seal(g.start); err != nil {
			return err
		}
	}
	c.scratch = c.scratch[:0] // a vfs.File may change what it is given; the buffers belong to readers
	for _, b := range g.buffers {
		c.scratch = append(c.scratch, b...)
	}
	if _, err := c.live.WriteAt(c.scratch, c.segment.offset(g.start)); err != nil {
		return fmt.Errorf("write %s: %w", c.segment.path, err)
	}
	if err := c.live.SyncData(); err != nil {
		return fmt.Errorf("sync %s: %w", c.segment.path, err)
	}
	return nil
}

// seal ends the live segment for ever and begins the next one, which keeps its digest.
func (c *committer) seal(end uint64) error {
	next := segment{segmentHeader: segmentHeader{
		log: c.segment.log, number: c.segment.number + 1, base: end, ordinal: c.events, prevCRC: c.crc, digest: c.drain(),
	}}
	next.path = c.log.folder.join(segmentName(next.number))
	if err := c.log.folder.create(segmentName(next.number), next.text()); err != nil {
		return fmt.Errorf("begin segment %d: %w", next.number, err)
	}
	live, err := c.log.folder.fs.OpenReadWrite(next.path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("open segment %d: %w", next.number, err)
	}
	// Only now: until the next segment is there, this one is live, and the next opening must be able to write it.
	if err := c.log.folder.protect(c.segment.path); err != nil {
		return errors.Join(err, live.Close())
	}
	old := c.live
	c.live, c.segment = live, next
	c.log.mu.Lock()
	c.log.segments = append(c.log.segments, next)
	c.log.mu.Unlock()
	c.publish <- publishing{begins: next.text()}
	if err := old.Close(); err != nil {
		return fmt.Errorf("close segment %d: %w", next.number-1, err)
	}
	return nil
}

// drain waits until all groups before are published, and returns the digest of the live segment.
func (c *committer) drain() [sha256.Size]byte {
	drained := make(chan [sha256.Size]byte)
	c.publish <- publishing{drained: drained}
	return <-drained
}

// answer sets the same error for all appends of the group, or none, and lets their callers go on.
func (g *group) answer(err error) {
	for _, r := range g.requests {
		if err != nil {
			for i := range r.results {
				r.results[i] = es.Result{Err: err}
			}
		}
		close(r.done)
	}
}

// judge stages what a request may append, and sets its results for the case that the group becomes durable.
func (c *committer) judge(g *group, r *request) {
	size := 0
	for _, a := range r.appends {
		for _, record := range a.Records {
			size += frameBytes(a.Stream, record.Bytes)
		}
	}
	buffer := make([]byte, 0, size)
	for i, a := range r.appends {
		stage, err := c.stage(g, a, &r.results[i])
		if err != nil {
			// Its appends before this one stay in the group, so its caller cannot be told that nothing was recorded.
			c.log.latch(err)
			for j := range r.results {
				r.results[j] = es.Result{Err: fmt.Errorf("%w: %w", es.ErrUnknown, err)}
			}
			break
		}
		if stage {
			buffer = g.add(buffer, a, &r.results[i])
		}
	}
	g.appends += len(r.appends)
	if len(buffer) > 0 {
		g.buffers = append(g.buffers, buffer)
	}
}

// stage decides whether an append is to be added; otherwise its result is set.
func (c *committer) stage(g *group, a es.Append, result *es.Result) (bool, error) {
	actual, err := c.revision(g, a.Stream)
	if err != nil {
		return false, err
	}
	if actual == a.Expected {
		return true, nil
	}
	if a.Expected+int64(len(a.Records)) <= actual {
		last, ok, err := c.recorded(g, a)
		if err != nil {
			return false, err
		}
		if ok {
			*result = es.Result{Position: last.Position, Ordinal: last.Ordinal, Repeated: true}
			return false, nil
		}
	}
	*result = es.Result{Err: &es.ConflictError{Stream: a.Stream, Expected: a.Expected, Actual: actual}}
	return false, nil
}

func (c *committer) revision(g *group, stream string) (int64, error) {
	if s, ok := g.staged[stream]; ok {
		return s.revision, nil
	}
	if revision, ok := c.revisions.get(stream); ok {
		return revision, nil
	}
	// What the index does not have yet is among the latest revisions, which are never forgotten.
	revision, err := c.log.index.last(stream)
	if err != nil {
		return 0, fmt.Errorf("look up stream %s: %w", stream, err)
	}
	c.revisions.set(stream, revision)
	return revision, nil
}

// add puts the append's frames into the buffer, which has room for them.
func (g *group) add(buffer []byte, a es.Append, result *es.Result) []byte {
	s := g.staged[a.Stream]
	if s == nil {
		s = &stagedStream{first: a.Expected + 1}
		g.staged[a.Stream] = s
	}
	s.revision = a.Expected + int64(len(a.Records))
	g.indexed = append(g.indexed, indexed{a.Stream, location{first: uint64(a.Expected + 1), count: uint32(len(a.Records)), start: g.end}})
	for i, r := range a.Records {
		e := es.Entry{
			Prev: es.Position(g.end), Ordinal: g.events, Stream: a.Stream, Revision: uint64(a.Expected + 1 + int64(i)), Record: r,
		}
		buffer, g.crc = appendFrame(buffer, g.crc, uint32(len(a.Records)-1-i), &e)
		e.Bytes = buffer[len(buffer)-len(r.Bytes) : len(buffer) : len(buffer)]
		g.end += uint64(frameBytes(a.Stream, r.Bytes))
		g.events++
		e.Position = es.Position(g.end)
		s.entries = append(s.entries, len(g.entries))
		g.entries = append(g.entries, e)
	}
	*result = es.Result{Position: es.Position(g.end), Ordinal: g.events - 1}
	return buffer
}

// recorded finds the append's records where a repeat would have them: in the log, or in the group itself. It returns the last one.
func (c *committer) recorded(g *group, a es.Append) (last es.Entry, ok bool, err error) {
	revision, next := a.Expected+1, 0
	staged := g.staged[a.Stream]
	if staged == nil || revision < staged.first {
		c.drain() // so that the index holds all that is durable
		end := es.Head{Position: es.Position(c.end), Events: c.events}
		for e, err := range c.log.readStream(context.Background(), a.Stream, uint64(revision), end) {
			if err != nil {
				return last, false, fmt.Errorf("read stream %s back: %w", a.Stream, err)
			}
			if e.ID != a.Records[next].ID {
				return last, false, nil
			}
			last = e
			revision++
			if next++; next == len(a.Records) {
				return last, true, nil
			}
		}
	}
	for ; next < len(a.Records); next++ {
		if staged == nil || revision < staged.first || revision > staged.revision {
			return last, false, nil
		}
		last = g.entries[staged.entries[revision-staged.first]]
		if last.ID != a.Records[next].ID {
			return last, false, nil
		}
		revision++
	}
	return last, true, nil
}

// revisionsMax bounds each of the two generations. It exceeds what the groups not yet indexed can hold, so a revision that the index does
// not have yet is never forgotten.
const revisionsMax = 1 << 17

// revisions remembers the last revision of the streams in use: those of the current generation and of the one before.
type revisions struct {
	young, old map[string]int64
}

func newRevisions() *revisions { return &revisions{young: make(map[string]int64)} }

func (r *revisions) get(stream string) (int64, bool) {
	revision, ok := r.young[stream]
	if !ok {
		if revision, ok = r.old[stream]; ok {
			r.set(stream, revision)
		}
	}
	return revision, ok
}

func (r *revisions) set(stream string, revision int64) {
	if len(r.young) >= revisionsMax {
		r.young, r.old = make(map[string]int64, revisionsMax/2), r.young
	}
	r.young[stream] = revision
}
