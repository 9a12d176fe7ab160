package filelog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/allied-ledger/allied/events/es"
)

const (
	// Format is the version of the files that this program reads and writes.
	Format = formatVersion
	// FreeBytesMin is how much space a log leaves free on its disk where its Config says nothing else.
	FreeBytesMin = freeBytesMinDefault
)

// Inspection is what can be seen of a log without reading its frames.
type Inspection struct {
	Log  uuid.UUID
	Head es.Head
	// End is where the last segment's file ends. What lies between Head and End are appends under way, or what a crash left.
	End      es.Position
	Segments int
	Bytes    int64
	// HeadMarksDamaged of the head file's two marks cannot be read, each time that they were tried.
	HeadMarksDamaged int
	// SealedWritable are the sealed segments that the file system would let somebody write.
	SealedWritable []string
	// Leftovers are files that a crash left half made; the next start removes them.
	Leftovers []string
}

// Inspect looks at a folder's log beside whoever writes it: the head file, and the headers and sizes of all segments. It writes nothing and
// takes no lock. Its error is an *es.DamageError where they contradict each other.
func Inspect(from vfs.FS, dir string) (out Inspection, err error) {
	var segments []segment
	var m mark
	for range headReadsMax { // a mark may have been read while it was written
		var fs vfs.FS
		if fs, segments, m, err = readable(from, dir); err == nil {
			from = fs
			break
		}
	}
	if err != nil {
		return out, err
	}
	d := folder{fs: from, dir: from.PathJoin(dir, "log")}
	out = Inspection{Log: m.log, Head: m.head(), End: m.head().Position, Segments: len(segments)}
	for range headReadsMax {
		if _, out.HeadMarksDamaged, err = readHead(d); err == nil && out.HeadMarksDamaged == 0 {
			break
		}
	}
	if err != nil {
		return out, err
	}
	if _, out.Leftovers, err = d.listing(); err != nil {
		return out, fmt.Errorf("list the segments: %w", err)
	}
	for i, s := range segments {
		info, err := from.Stat(s.path)
		if err != nil {
			return out, fmt.Errorf("size of %s: %w", s.path, err)
		}
		out.Bytes += info.Size()
		switch {
		case i+1 == len(segments):
			out.End = max(out.End, es.Position(s.end(info.Size())))
		case info.Mode().Perm()&0o222 != 0 && vfs.Root(from) == vfs.Default:
			out.SealedWritable = append(out.SealedWritable, s.path)
		}
	}
	return out, nil
}

// FreeBytes is the space that the disk of a folder has left for who is not root.
func FreeBytes(on vfs.FS, dir string) (uint64, error) {
	if on == nil {
		on = vfs.Default
	}
	usage, err := on.GetDiskUsage(dir)
	if err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return usage.AvailBytes, nil
}

// IndexMark is how far the index of a log that nobody runs has come, and the log that it is of. It writes nothing. Its error is
// os.ErrNotExist where there is no index, and anything where it cannot be read; the next start makes such an index anew.
func IndexMark(from vfs.FS, dir string) (log uuid.UUID, at es.Head, err error) {
	if from == nil {
		from = vfs.Default
	}
	dir = from.PathJoin(dir, "index")
	if names, err := from.List(dir); err != nil || len(names) == 0 {
		return log, at, errors.Join(err, fmt.Errorf("no index in %s: %w", dir, os.ErrNotExist))
	}
	defer func() {
		if p := recover(); p != nil { // Pebble takes some damage for its own mistake
			err = fmt.Errorf("read the index: %v", p)
		}
	}()
	x := &index{fs: stillFS{from}, dir: dir, failed: make(chan struct{})}
	x.db, err = pebble.Open(dir, &pebble.Options{
		FS: stillFS{from}, Comparer: indexComparer(), DisableWAL: true, ReadOnly: true, ErrorIfNotExists: true,
		Logger: indexLogger{x: x, zap: zap.NewNop()},
	})
	if err != nil {
		return log, at, fmt.Errorf("read the index: %w", err)
	}
	m, err := x.mark()
	if err = errors.Join(err, x.failure(), x.db.Close()); err != nil {
		return log, at, fmt.Errorf("read the index: %w", err)
	}
	return m.log, es.Head{Position: es.Position(m.end), Events: m.events}, nil
}

// stillFS lets nobody change a file, and needs no lock therefore.
type stillFS struct{ vfs.FS }

func (s stillFS) Unwrap() vfs.FS { return s.FS }

func (stillFS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

func (stillFS) Create(string, vfs.DiskWriteCategory) (vfs.File, error) { return nil, fs.ErrPermission }

func (stillFS) OpenReadWrite(string, vfs.DiskWriteCategory, ...vfs.OpenOption) (vfs.File, error) {
	return nil, fs.ErrPermission
}

func (stillFS) ReuseForWrite(string, string, vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, fs.ErrPermission
}

func (stillFS) Link(string, string) error          { return fs.ErrPermission }
func (stillFS) Remove(string) error                { return fs.ErrPermission }
func (stillFS) RemoveAll(string) error             { return fs.ErrPermission }
func (stillFS) Rename(string, string) error        { return fs.ErrPermission }
func (stillFS) MkdirAll(string, os.FileMode) error { return fs.ErrPermission }
