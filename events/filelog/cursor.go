package filelog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/allied-ledger/allied/events/es"
)

const (
	scanChunkBytes   = 256 << 10
	lookupChunkBytes = 8 << 10
)

// cursor reads frames in the log's order and checks each one: its own checksum, its place, and that it names the frame before it. The
// entries it returns share buffers that are never written again, so they may be kept.
type cursor struct {
	fs       vfs.FS
	segments []segment
	at       uint64 // where the next frame starts
	limit    uint64 // where the last frame that may be read ends
	chunk    int

	current int // index of the segment that file belongs to
	file    vfs.File
	window  []byte // the log's bytes from at on

	// What the last frame says about the next; known after one frame, or at a segment's beginning.
	known     bool
	crc       uint32
	ordinal   uint64
	following uint32
}

func newCursor(fs vfs.FS, segments []segment, at, limit uint64, chunk int) *cursor {
	return &cursor{fs: fs, segments: segments, at: at, limit: limit, chunk: chunk, current: -1}
}

func (c *cursor) close() error {
	if c.file == nil {
		return nil
	}
	f := c.file
	c.file = nil
	return f.Close()
}

// jump moves the cursor to where another frame starts.
func (c *cursor) jump(at uint64) {
	if skip := at - c.at; at >= c.at && skip <= uint64(len(c.window)) {
		c.window = c.window[skip:]
	} else {
		c.window = nil
	}
	c.at, c.known, c.following = at, false, 0
}

// next returns the next frame, io.EOF at the limit, or an *es.DamageError.
func (c *cursor) next() (frame, error) {
	if c.at >= c.limit {
		if c.following > 0 {
			return frame{}, c.damage("the log ends within an append; %d of its events are missing", c.following)
		}
		return frame{}, io.EOF
	}
	if err := c.enter(); err != nil {
		return frame{}, err
	}
	f, err := decodeFrame(c.window, c.at)
	for want := c.chunk; errors.Is(err, errShortFrame); {
		if n, lengthErr := frameLengthAt(c.window); lengthErr == nil {
			want = max(n, c.chunk)
		}
		var more bool
		if more, err = c.fill(want); err != nil {
			return frame{}, err
		}
		if f, err = decodeFrame(c.window, c.at); !more {
			break
		}
	}
	if err != nil {
		return frame{}, c.damage("%s", err)
	}
	if err := c.follow(&f); err != nil {
		return frame{}, err
	}
	c.window = c.window[f.length:]
	return f, nil
}

// follow holds a frame to the one before it.
func (c *cursor) follow(f *frame) error {
	if c.known {
		switch {
		case f.prev != c.crc:
			return c.damage("the frame follows one with checksum %08x; the one before it has %08x", f.prev, c.crc)
		case f.entry.Ordinal != c.ordinal:
			return c.damage("the frame has ordinal %d; %d is due", f.entry.Ordinal, c.ordinal)
		case c.following > 0 && f.following != c.following-1:
			return c.damage("the frame says that %d of its append follow; %d are due", f.following, c.following-1)
		}
	}
	c.at = f.end()
	c.known, c.crc, c.ordinal, c.following = true, f.crc, f.entry.Ordinal+1, f.following
	return nil
}

// enter opens the segment that holds the next frame, where it is not open.
func (c *cursor) enter() error {
	i := sort.Search(len(c.segments), func(i int) bool { return c.segments[i].base > c.at }) - 1
	if i < 0 {
		return fmt.Errorf("no segment holds the log's byte %d", c.at)
	}
	if i == c.current && c.file != nil {
		return nil
	}
	if err := c.close(); err != nil {
		return fmt.Errorf("close segment: %w", err)
	}
	s := &c.segments[i]
	c.current, c.window = i, nil
	if c.at == s.base {
		if c.known && (s.prevCRC != c.crc || s.ordinal != c.ordinal || c.following > 0) {
			return c.damage("the segment follows event %d with checksum %08x; the one before it ends with event %d and checksum %08x",
				s.ordinal, s.prevCRC, c.ordinal, c.crc)
		}
		c.known, c.crc, c.ordinal = true, s.prevCRC, s.ordinal
	}
	f, err := c.fs.Open(s.path)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	c.file = f
	return nil
}

// fill reads at least `want` bytes from the cursor's place on, or all that the segment may have; more says that there were more than
// before.
func (c *cursor) fill(want int) (more bool, err error) {
	end := c.limit
	if next := c.current + 1; next < len(c.segments) {
		end = min(end, c.segments[next].base)
	}
	want = int(min(uint64(want), end-c.at))
	if want <= len(c.window) {
		return false, nil
	}
	before := len(c.window)
	// A new buffer each time: entries keep the old one.
	window := make([]byte, want)
	n, err := c.file.ReadAt(window, c.segments[c.current].offset(c.at))
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read %s at byte %d: %w", c.segments[c.current].path, c.segments[c.current].offset(c.at), err)
	}
	c.window = window[:n]
	return n > before, nil
}

func (c *cursor) damage(format string, args ...any) error {
	e := &es.DamageError{Position: es.Position(c.at), Detail: fmt.Sprintf(format, args...), Remedy: remedyRestore}
	if c.current >= 0 {
		e.File, e.Offset = c.segments[c.current].path, c.segments[c.current].offset(c.at)
	}
	return e
}

// seek puts the cursor where the first frame that ends after a position starts. The usual position is where a frame ends, and is tried
// first; any other is found by reading its segment from the beginning.
func (c *cursor) seek(ctx context.Context, after uint64) error {
	c.jump(after)
	if after >= c.limit {
		return nil
	}
	if _, err := c.next(); err == nil {
		c.rewind(after)
		return nil
	} else if damage := (*es.DamageError)(nil); !errors.As(err, &damage) {
		return err
	}
	i := sort.Search(len(c.segments), func(i int) bool { return c.segments[i].base > after }) - 1
	c.jump(c.segments[i].base)
	for c.at < after {
		if err := ctx.Err(); err != nil {
			return err
		}
		start := c.at
		if _, err := c.next(); err != nil {
			return err
		}
		if c.at > after {
			c.rewind(start)
			return nil
		}
	}
	return nil
}

// rewind goes back to the start of a frame that was read.
func (c *cursor) rewind(at uint64) {
	c.window = nil
	c.jump(at)
}
