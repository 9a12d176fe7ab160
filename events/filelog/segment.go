package filelog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
)

const (
	// segmentHeaderBytes is text, so that `head -c 512` shows it; frames begin after it.
	segmentHeaderBytes = 512
	formatVersion      = 1
	segmentSuffix      = ".seg"
	temporarySuffix    = ".tmp"
	headName           = "head"
)

// segmentHeader is what a segment says about its place in the log.
type segmentHeader struct {
	log     uuid.UUID
	number  uint32
	base    uint64            // the log's bytes of frames before this segment
	ordinal uint64            // the entries before this segment
	prevCRC uint32            // the checksum of the frame before this segment
	digest  [sha256.Size]byte // of the whole segment before this one; zero in the first
}

// text is the header's one representation: whatever differs from it is damaged.
func (h *segmentHeader) text() []byte {
	b := fmt.Appendf(nil, "allied ledger log, format %d\nlog %s\nsegment %d\nbytes before %d\nevents before %d\nframe checksum before %08x\nsegment sha256 before %x\n",
		formatVersion, h.log, h.number, h.base, h.ordinal, h.prevCRC, h.digest)
	b = fmt.Appendf(b, "checksum %08x\n", crc32.Checksum(b, castagnoli))
	b = append(b, bytes.Repeat([]byte{' '}, segmentHeaderBytes-len(b)-1)...)
	return append(b, '\n')
}

func parseSegmentHeader(b []byte) (h segmentHeader, err error) {
	var version int
	var log, digest string
	_, err = fmt.Sscanf(string(b), "allied ledger log, format %d\nlog %s\nsegment %d\nbytes before %d\nevents before %d\nframe checksum before %x\nsegment sha256 before %s\n",
		&version, &log, &h.number, &h.base, &h.ordinal, &h.prevCRC, &digest)
	if err != nil {
		return h, fmt.Errorf("the segment's header cannot be read: %w", err)
	}
	if version != formatVersion {
		return h, fmt.Errorf("the segment has format %d; this program reads format %d", version, formatVersion)
	}
	if h.log, err = uuid.Parse(log); err != nil {
		return h, fmt.Errorf("the segment's header names no log: %w", err)
	}
	if sum, err := hex.DecodeString(digest); err != nil || len(sum) != len(h.digest) {
		return h, fmt.Errorf("the segment's header holds no SHA-256 but %q", digest)
	} else {
		copy(h.digest[:], sum)
	}
	if !bytes.Equal(b, h.text()) {
		return h, errors.New("the segment's header fails its checksum")
	}
	return h, nil
}

// segment is one file of the log.
type segment struct {
	segmentHeader
	path string
}

// end is where a sealed segment's frames end in the log, by its file's size.
func (s *segment) end(fileBytes int64) uint64 { return s.base + uint64(fileBytes) - segmentHeaderBytes }

// offset is where the log's byte lies in the segment's file.
func (s *segment) offset(at uint64) int64 { return int64(at-s.base) + segmentHeaderBytes }

func segmentName(number uint32) string { return fmt.Sprintf("%08d%s", number, segmentSuffix) }

// folder is the log's own directory.
type folder struct {
	fs  vfs.FS
	dir string // DIR/log
}

func (d folder) join(name string) string { return d.fs.PathJoin(d.dir, name) }

// listing is what lies in the folder: segments by number, and files that a crash left half made.
func (d folder) listing() (segments []uint32, leftovers []string, err error) {
	names, err := d.fs.List(d.dir)
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		var number uint32
		if n, _ := fmt.Sscanf(name, "%d", &number); n == 1 && name == segmentName(number) {
			segments = append(segments, number)
		} else if strings.HasSuffix(name, temporarySuffix) {
			leftovers = append(leftovers, name)
		}
	}
	slices.Sort(segments)
	return segments, leftovers, nil
}

// open reads the headers of all segments and holds them to each other and to their files' sizes, so that a missing or shortened
// sealed segment is found before anything is read from it. It returns the size of the last segment's file.
func (d folder) open() (segments []segment, liveBytes int64, err error) {
	numbers, _, err := d.listing()
	if err != nil {
		return nil, 0, fmt.Errorf("list the segments: %w", err)
	}
	for i, number := range numbers {
		s := segment{path: d.join(segmentName(number))}
		damage := func(offset int64, position uint64, format string, args ...any) error {
			return &es.DamageError{File: s.path, Offset: offset, Position: es.Position(position), Detail: fmt.Sprintf(format, args...), Remedy: remedyRestore}
		}
		var last segment
		expected := uint32(1)
		if i > 0 {
			last = segments[i-1]
			expected = last.number + 1
		}
		if number != expected {
			return nil, 0, damage(0, last.base, "segment %s is missing", segmentName(expected))
		}
		content, size, err := d.readHeader(s.path)
		if err != nil {
			return nil, 0, err
		}
		if s.segmentHeader, err = parseSegmentHeader(content); err != nil {
			return nil, 0, damage(0, last.base, "%s", err)
		}
		switch {
		case s.number != number:
			return nil, 0, damage(0, last.base, "the file holds segment %d", s.number)
		case i == 0 && (s.base != 0 || s.ordinal != 0 || s.prevCRC != 0 || s.digest != [sha256.Size]byte{}):
			return nil, 0, damage(0, 0, "the first segment names segments before it")
		case i > 0 && s.log != last.log:
			return nil, 0, damage(0, last.base, "the segment belongs to log %s, the one before to %s", s.log, last.log)
		case i > 0 && s.base != last.end(liveBytes):
			return nil, 0, &es.DamageError{
				File: last.path, Offset: liveBytes, Position: es.Position(last.base), Remedy: remedyRestore,
				Detail: fmt.Sprintf("the file has %d bytes; the next segment says %d", liveBytes, last.offset(s.base)),
			}
		}
		liveBytes = size
		segments = append(segments, s)
	}
	return segments, liveBytes, nil
}

// readHeader returns a segment file's first bytes, fewer where it is shorter than a header, and its size.
func (d folder) readHeader(path string) (content []byte, size int64, err error) {
	f, err := d.fs.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("open segment: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("size of %s: %w", path, err)
	}
	content = make([]byte, segmentHeaderBytes)
	n, err := f.ReadAt(content, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, fmt.Errorf("read the header of %s: %w", path, err)
	}
	return content[:n], info.Size(), nil
}

// create makes a file with its first content under its name, whole or not at all, whatever crashes. The name is durable when it returns.
func (d folder) create(name string, content []byte) error {
	temporary := d.join(name + temporarySuffix)
	f, err := d.fs.Create(temporary, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create %s: %w", temporary, err)
	}
	_, err = f.Write(bytes.Clone(content)) // a vfs.File may change what it is given
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", temporary, err)
	}
	if err := d.fs.Rename(temporary, d.join(name)); err != nil {
		return fmt.Errorf("name %s: %w", d.join(name), err)
	}
	return syncDir(d.fs, d.dir)
}

func (d folder) removeLeftovers() error {
	_, leftovers, err := d.listing()
	if err != nil {
		return fmt.Errorf("list the segments: %w", err)
	}
	for _, name := range leftovers {
		if err := d.fs.Remove(d.join(name)); err != nil {
			return fmt.Errorf("remove what a crash left half made: %w", err)
		}
	}
	return nil
}

// protect takes the write permission from a sealed segment. On a file system that is not the disk's there is none to take.
func (d folder) protect(path string) error {
	if vfs.Root(d.fs) != vfs.Default {
		return nil
	}
	if err := os.Chmod(path, 0o444); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make a sealed segment read-only: %w", err)
	}
	return nil
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("open %s to sync it: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// makeDirs makes a directory and durable names for it and for those above it that were missing.
func makeDirs(fs vfs.FS, dir string) error {
	var made []string
	for at := dir; ; at = fs.PathDir(at) {
		if _, err := fs.Stat(at); err == nil || fs.PathDir(at) == at {
			break
		}
		made = append(made, fs.PathDir(at))
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder %s: %w", dir, err)
	}
	for _, parent := range made {
		if err := syncDir(fs, parent); err != nil {
			return err
		}
	}
	return nil
}
