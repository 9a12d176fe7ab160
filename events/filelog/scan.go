package filelog

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"sort"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
)

// readable opens a folder's log to read it beside whoever writes it: its segments, and the end of what was answered.
func readable(fs vfs.FS, dir string) (vfs.FS, []segment, mark, error) {
	if fs == nil {
		fs = vfs.Default
	}
	d := folder{fs: fs, dir: fs.PathJoin(dir, "log")}
	// The mark first: what it speaks of is in the segments already.
	m, _, err := readHead(d)
	if err != nil {
		return fs, nil, m, missingHead(d, err)
	}
	segments, liveBytes, err := d.open()
	if err != nil {
		return fs, nil, m, err
	}
	end, file := uint64(0), d.dir
	if n := len(segments); n > 0 {
		end, file = segments[n-1].end(liveBytes), segments[n-1].path
		if segments[0].log != m.log {
			return fs, nil, m, &es.DamageError{File: d.join(headName), Detail: fmt.Sprintf("the head file belongs to log %s, the segments to %s", m.log, segments[0].log), Remedy: remedyHead}
		}
	}
	if end < m.end {
		return fs, nil, m, &es.DamageError{
			File: file, Position: es.Position(end), Remedy: remedyRestore,
			Detail: fmt.Sprintf("the segments end at position %d; %d events up to position %d were answered", end, m.events, m.end),
		}
	}
	return fs, segments, m, nil
}

// Scan yields all entries of the log in a folder up to the end of what was answered, and checks every frame. It reads plain files only,
// never the index, takes no lock and may run beside the ledger that writes there. The disk is read where fs is nil.
//
// After a power failure the head file may be older than the segments; what lies above it is seen once the ledger has been started.
func Scan(fs vfs.FS, dir string) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		fs, segments, m, err := readable(fs, dir)
		if err != nil {
			yield(es.Entry{}, err)
			return
		}
		var last es.Head
		c := newCursor(fs, segments, 0, m.end, scanChunkBytes)
		each(context.Background(), c, func(f frame, err error) bool {
			if err == nil {
				last = es.Head{Position: f.entry.Position, Events: f.entry.Ordinal + 1}
				if last.Position == es.Position(m.end) && last != m.head() {
					err = c.damage("the log holds %d events up to here; the head file says %d", last.Events, m.events)
				}
			}
			return yield(f.entry, err) && err == nil
		})
	}
}

// LogID returns the id of the log in a folder, without opening it.
func LogID(fs vfs.FS, dir string) (uuid.UUID, error) {
	_, _, m, err := readable(fs, dir)
	return m.log, err
}

// headReadsMax: a mark that is being written while it is read looks damaged once; what is damaged looks so every time.
const headReadsMax = 10

// Report is what Verify has checked.
type Report struct {
	Log      uuid.UUID
	Head     es.Head
	Segments int
	// BytesUnanswered lie behind the head: appends under way, or what a crash left for the next start.
	BytesUnanswered int64
}

// Verify checks every byte of the log in a folder: each frame as Scan does, the digest of each sealed segment, and both marks of the head
// file. Its error is an *es.DamageError for the first damage that it finds.
func Verify(fs vfs.FS, dir string) (Report, error) {
	for _, err := range Scan(fs, dir) {
		if err != nil {
			return Report{}, err
		}
	}
	fs, segments, m, err := readable(fs, dir)
	if err != nil {
		return Report{}, err
	}
	report := Report{Log: m.log, Head: m.head(), Segments: len(segments)}
	for i, s := range segments {
		digest, size, err := digestFile(fs, s.path)
		if err != nil {
			return report, err
		}
		if i+1 == len(segments) {
			report.BytesUnanswered = int64(s.end(size) - max(m.end, s.base))
		} else if next := segments[i+1]; digest != next.digest {
			return report, &es.DamageError{
				File: s.path, Position: es.Position(s.base), Remedy: remedyRestore,
				Detail: fmt.Sprintf("the file's SHA-256 is %x; the next segment says %x", digest, next.digest),
			}
		}
	}
	d := folder{fs: fs, dir: fs.PathJoin(dir, "log")}
	damaged := 0
	for range headReadsMax {
		if _, damaged, err = readHead(d); err == nil && damaged == 0 {
			break
		}
	}
	if err != nil || damaged > 0 {
		return report, errors.Join(err, &es.DamageError{
			File: d.join(headName), Position: es.Position(m.end),
			Detail: fmt.Sprintf("%d of its marks are damaged", damaged), Remedy: "start the ledger once: it rewrites the head file from the mark that is whole",
		})
	}
	return report, nil
}

func digestFile(fs vfs.FS, path string) (sum [sha256.Size]byte, size int64, err error) {
	f, err := fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return sum, 0, fmt.Errorf("open segment: %w", err)
	}
	h := sha256.New()
	size, err = io.Copy(h, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return sum, 0, fmt.Errorf("read %s: %w", path, err)
	}
	return [sha256.Size]byte(h.Sum(nil)), size, nil
}

// FrameInfo is a frame as it stands in its file.
type FrameInfo struct {
	File      string
	Offset    int64
	Length    int
	CRC       uint32 // its own checksum
	PrevCRC   uint32 // that of the frame before it, as this one says
	Following uint32 // how many frames of the same append come after it
	Entry     es.Entry
	Raw       []byte
}

// Frame returns the frame of the entry at a position, or an error that names the entries around it.
func Frame(fs vfs.FS, dir string, position es.Position) (info FrameInfo, err error) {
	fs, segments, m, err := readable(fs, dir)
	if err != nil {
		return info, err
	}
	if position == 0 || uint64(position) > m.end {
		return info, fmt.Errorf("no entry is at position %d: the last is at %d", position, m.end)
	}
	i := sort.Search(len(segments), func(i int) bool { return segments[i].base >= uint64(position) }) - 1
	c := newCursor(fs, segments, segments[i].base, m.end, scanChunkBytes)
	defer func() { err = errors.Join(err, c.close()) }()
	for {
		f, err := c.next()
		if err != nil {
			return info, err
		}
		if f.entry.Position < position {
			continue
		}
		if f.entry.Position > position {
			if f.entry.Prev == 0 {
				return info, fmt.Errorf("no entry is at position %d: the first is at %d", position, f.entry.Position)
			}
			return info, fmt.Errorf("no entry is at position %d: the entries around it are at %d and %d", position, f.entry.Prev, f.entry.Position)
		}
		s := segments[c.current]
		info = FrameInfo{
			File: s.path, Offset: s.offset(f.start), Length: f.length, CRC: f.crc, PrevCRC: f.prev, Following: f.following,
			Entry: f.entry, Raw: make([]byte, f.length),
		}
		if _, err := c.file.ReadAt(info.Raw, info.Offset); err != nil && !errors.Is(err, io.EOF) {
			return info, fmt.Errorf("read %s: %w", s.path, err)
		}
		return info, nil
	}
}
