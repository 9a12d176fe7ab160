package filelog

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
)

const (
	remedyBackupAside  = "keep it aside, and back up into an empty folder"
	remedyBackupLonger = "start the ledger once: after a power failure it finds its end again; where it still ends here, restore it from this backup"
)

// BackupConfig says what is copied to where.
type BackupConfig struct {
	// From is the folder of a ledger, which may be running, and To the folder of its backup.
	From, To string
	// FromFS and ToFS are the disk where they are nil.
	FromFS, ToFS vfs.FS
	// Fresh refuses a folder that holds anything, also an earlier backup.
	Fresh bool
	// AtLeast is a position that the backup must reach, such as one that a server answered.
	AtLeast es.Position
	// Progress is told how many of the backup's bytes are done. It may be nil.
	Progress func(doneBytes, ofBytes int64)
}

// BackupReport is what a backup holds.
type BackupReport struct {
	Log      uuid.UUID
	Head     es.Head
	Segments int
	// Bytes are those of all its files; BytesCopied of them were written now, the others were there and equal.
	Bytes, BytesCopied int64
	// Before is where an earlier backup in the folder ended; zero where there was none.
	Before es.Head
	// BytesUnanswered lie behind the ledger's head and are not in the backup: appends under way, or what a crash left for the next start.
	BytesUnanswered int64
}

// BackupFolderError: a folder cannot take a backup, because something else is in it. Nothing was changed.
type BackupFolderError struct {
	Dir, Detail, Remedy string
}

func (e *BackupFolderError) Error() string {
	return fmt.Sprintf("%s cannot take this copy: %s (%s)", e.Dir, e.Detail, e.Remedy)
}

// Backup copies the log in a folder, up to the end of what was answered, into a folder of its own that opens as a whole log. It takes no
// lock on the ledger, reads plain files only and may run beside who writes there. An earlier backup of the same log is continued: what it
// holds is compared, sealed segments by their digests, and only what is missing is copied.
//
// Whatever interrupts it, the folder opens as what the earlier backup was or as a longer part of the log; one that was begun in an empty
// folder does not open until it is complete, and is completed by the next backup. A nil error means that all is synced. Its error is an
// *es.DamageError where the log, or the earlier backup, is not what it was, and a *BackupFolderError where the folder holds something else.
func Backup(ctx context.Context, config BackupConfig) (report BackupReport, err error) {
	if config.ToFS == nil {
		config.ToFS = vfs.Default
	}
	b := backup{BackupConfig: config, to: folder{fs: config.ToFS, dir: config.ToFS.PathJoin(config.To, "log")}}
	if err := b.readSource(); err != nil {
		return report, fmt.Errorf("copy the log of %s: %w", config.From, err)
	}
	if err := b.copy(ctx); err != nil {
		return report, fmt.Errorf("copy the log of %s to %s: %w", config.From, config.To, err)
	}
	return b.report, nil
}

// backup is one run of Backup.
type backup struct {
	BackupConfig
	source []segment // those that hold what was answered
	mark   mark
	to     folder
	report BackupReport

	done, all int64 // bytes, for Progress
}

// readSource settles what the backup will hold.
func (b *backup) readSource() (err error) {
	var segments []segment
	for range headReadsMax { // a mark may have been read while it was written
		if b.FromFS, segments, b.mark, err = readable(b.FromFS, b.From); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	for len(segments) > 0 && segments[len(segments)-1].base > b.mark.end {
		segments = segments[:len(segments)-1]
	}
	if len(segments) == 0 {
		return errors.New("the log has no segment yet; start the ledger once, which makes it")
	}
	if uint64(b.AtLeast) > b.mark.end {
		return &es.DamageError{
			File: b.FromFS.PathJoin(b.From, "log", headName), Position: es.Position(b.mark.end), Remedy: "name the folder that the server serves",
			Detail: fmt.Sprintf("the head file ends at position %d; position %d was answered", b.mark.end, b.AtLeast),
		}
	}
	b.source = segments
	b.report = BackupReport{Log: b.mark.log, Head: b.mark.head(), Segments: len(segments)}
	live := segments[len(segments)-1]
	_, size, err := folder{fs: b.FromFS}.readHeader(live.path)
	if err != nil {
		return err
	}
	b.report.BytesUnanswered = max(0, size-live.offset(b.mark.end))
	b.all = headFileBytes
	for i := range segments {
		b.all += b.size(i)
	}
	b.report.Bytes = b.all
	return nil
}

// size is how many bytes of a segment's file belong to the backup: all of a sealed one, the last up to the mark.
func (b *backup) size(i int) int64 {
	if i+1 < len(b.source) {
		return b.source[i].offset(b.source[i+1].base)
	}
	return b.source[i].offset(b.mark.end)
}

func (b *backup) copy(ctx context.Context) (err error) {
	if b.FromFS == b.ToFS && b.FromFS.PathJoin(b.From) == b.ToFS.PathJoin(b.To) {
		return &BackupFolderError{b.To, "it is the ledger itself", "name another folder"}
	}
	if _, err := b.earlier(); err != nil {
		return err // before anything is made
	}
	if err := makeDirs(b.ToFS, b.to.dir); err != nil {
		return err
	}
	lock, err := b.ToFS.Lock(b.ToFS.PathJoin(b.To, "lock"))
	if err != nil {
		return &InUseError{Dir: b.To, Cause: err}
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	earlier, err := b.earlier()
	if err != nil {
		return err
	}
	if err := b.to.removeLeftovers(); err != nil {
		return err
	}
	keep, err := b.compare(ctx, earlier)
	if err != nil {
		return err
	}
	if err := b.checkSpace(keep); err != nil {
		return err
	}
	if !earlier {
		// First, so that the folder does not open until the segments reach it.
		if err := b.writeHead(); err != nil {
			return err
		}
	}
	for i := range b.source {
		if !keep[i] {
			if err := b.copySegment(ctx, i); err != nil {
				return err
			}
		}
		if i+1 < len(b.source) {
			if err := b.to.protect(b.to.join(segmentName(b.source[i].number))); err != nil {
				return err
			}
		}
	}
	if earlier {
		// Last, so that the folder opens all the time. A crash may have left the same mark damaged, so it is written in any case.
		return b.writeHead()
	}
	return nil
}

func (b *backup) writeHead() error {
	b.report.BytesCopied += headFileBytes
	b.progress(headFileBytes)
	return writeMarks(b.to, b.mark.log, b.mark.end, b.mark.events)
}

func (b *backup) progress(bytes int64) {
	if b.done += bytes; b.Progress != nil {
		b.Progress(b.done, b.all)
	}
}

// earlier tells whether the folder holds an earlier backup of this log, one that was begun included. What holds anything else is refused.
func (b *backup) earlier() (bool, error) {
	names, err := b.ToFS.List(b.To)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("list %s: %w", b.To, err)
	}
	refuse := func(detail, remedy string) (bool, error) { return false, &BackupFolderError{b.To, detail, remedy} }
	const remedyEmpty = "name an empty folder, or one that is not there yet"
	m, _, err := readHead(b.to)
	switch {
	case err == nil && b.Fresh:
		return refuse(fmt.Sprintf("it holds log %s, or a part of it, already", m.log), remedyEmpty)
	case err == nil && m.log != b.mark.log:
		return refuse(fmt.Sprintf("it holds log %s, and not %s", m.log, b.mark.log), remedyEmpty)
	case err == nil && m.end > b.mark.end:
		return false, &es.DamageError{
			File: b.source[len(b.source)-1].path, Position: es.Position(b.mark.end), Remedy: remedyBackupLonger,
			Detail: fmt.Sprintf("the log ends here with %d events; its backup in %s holds %d up to position %d", b.mark.events, b.To, m.events, m.end),
		}
	case err == nil:
		b.report.Before = m.head()
		return true, nil
	case !errors.Is(err, os.ErrNotExist):
		return false, err
	}
	for _, name := range names {
		if name != "lock" && name != "log" && name != "lost+found" {
			return refuse("it holds "+name, remedyEmpty+", or an earlier backup of this ledger")
		}
	}
	inside, err := b.ToFS.List(b.to.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("list %s: %w", b.to.dir, err)
	}
	for _, name := range inside {
		if name != headName+temporarySuffix { // a backup that ended before it had begun
			return refuse("it holds log/"+name+" without a head file", remedyEmpty)
		}
	}
	return false, nil
}

// compare holds an earlier backup to the log, and tells which segments need no copy.
func (b *backup) compare(ctx context.Context, earlier bool) (keep []bool, err error) {
	keep = make([]bool, len(b.source))
	if !earlier {
		return keep, nil
	}
	segments, lastBytes, err := b.to.open()
	if err != nil {
		return nil, fmt.Errorf("the earlier backup: %w", err)
	}
	if n := len(segments); n == 0 || segments[n-1].end(lastBytes) < uint64(b.report.Before.Position) {
		b.report.Before = es.Head{} // it was begun, and never complete
	}
	for i, s := range segments {
		differs := func(format string, args ...any) error {
			return &es.DamageError{File: s.path, Position: es.Position(s.base), Detail: "the earlier backup " + fmt.Sprintf(format, args...), Remedy: remedyBackupAside}
		}
		size := lastBytes
		if i+1 < len(segments) {
			size = s.offset(segments[i+1].base)
		}
		if i >= len(b.source) || size > b.size(i) {
			return nil, differs("holds more than the log, which ends at position %d", b.mark.end)
		}
		if s.segmentHeader != b.source[i].segmentHeader {
			return nil, differs("has another history: its header is not that of the log's segment")
		}
		whole := size == b.size(i)
		if !whole && i+1 < len(segments) {
			return nil, differs("has %d bytes here; the log's segment has %d", size, b.size(i))
		}
		there, err := digest(ctx, b.ToFS, s.path, size)
		if err != nil {
			return nil, err
		}
		var wanted [sha256.Size]byte
		if whole && i+1 < len(b.source) {
			wanted = b.source[i+1].digest
		} else if wanted, err = digest(ctx, b.FromFS, b.source[i].path, size); err != nil {
			return nil, err
		}
		if there != wanted {
			return nil, differs("differs from the log: the SHA-256 of its first %d bytes is %x; the log's is %x", size, there, wanted)
		}
		if keep[i] = whole; whole {
			b.progress(size)
		}
	}
	return keep, nil
}

// digest is that of a file's first bytes.
func digest(ctx context.Context, fs vfs.FS, path string, bytes int64) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	if err := feed(ctx, fs, path, bytes, h, nil); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// feed writes a file's first bytes to w, and says how many each time.
func feed(ctx context.Context, fs vfs.FS, path string, bytes int64, w io.Writer, wrote func(int64)) (err error) {
	f, err := fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for at := int64(0); at < bytes; {
		if err := ctx.Err(); err != nil {
			return err
		}
		chunk := make([]byte, min(scanChunkBytes, bytes-at)) // a new one each time: a vfs.File may change what it is given
		n, err := f.ReadAt(chunk, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s at byte %d: %w", path, at, err)
		}
		if n == 0 {
			return &es.DamageError{File: path, Offset: at, Detail: fmt.Sprintf("the file ends here; %d bytes are due", bytes), Remedy: remedyRestore}
		}
		if _, err := w.Write(chunk[:n]); err != nil {
			return err
		}
		if at += int64(n); wrote != nil {
			wrote(int64(n))
		}
	}
	return nil
}

// checkSpace says before the first byte where the disk cannot hold the rest.
func (b *backup) checkSpace(keep []bool) error {
	needed := int64(headFileBytes)
	for i := range b.source {
		if !keep[i] {
			needed += b.size(i)
		}
	}
	usage, err := b.ToFS.GetDiskUsage(b.To)
	if err == nil && usage.AvailBytes < uint64(needed) {
		return fmt.Errorf("the disk of %s has %d bytes free; the copy needs %d; free space on it, or name a folder on another disk", b.To, usage.AvailBytes, needed)
	}
	return nil // where the space cannot be seen, a write says so
}

// copySegment copies a segment, or as much of it as was answered, and proves what it has copied: a sealed one by its digest, the last one
// frame by frame.
func (b *backup) copySegment(ctx context.Context, i int) (err error) {
	s, name := b.source[i], segmentName(b.source[i].number)
	temporary := b.to.join(name + temporarySuffix)
	sum, err := b.copyFile(ctx, s.path, temporary, b.size(i))
	if err == nil {
		err = b.check(ctx, i, sum, temporary)
	}
	if err != nil {
		if removed := b.ToFS.Remove(temporary); removed != nil && !errors.Is(removed, os.ErrNotExist) {
			err = errors.Join(err, removed)
		}
		return err
	}
	if err := b.ToFS.Rename(temporary, b.to.join(name)); err != nil {
		return fmt.Errorf("name %s: %w", b.to.join(name), err)
	}
	b.report.BytesCopied += b.size(i)
	return syncDir(b.ToFS, b.to.dir)
}

func (b *backup) copyFile(ctx context.Context, from, to string, bytes int64) (h hash.Hash, err error) {
	f, err := b.ToFS.Create(to, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", to, err)
	}
	h = sha256.New()
	err = feed(ctx, b.FromFS, from, bytes, io.MultiWriter(h, f), b.progress)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("copy to %s: %w", to, err)
	}
	return h, nil
}

// check proves what was copied of a segment.
func (b *backup) check(ctx context.Context, i int, sum hash.Hash, path string) error {
	s := b.source[i]
	if i+1 < len(b.source) {
		if got, want := [sha256.Size]byte(sum.Sum(nil)), b.source[i+1].digest; got != want {
			return &es.DamageError{
				File: s.path, Position: es.Position(s.base), Remedy: remedyRestore,
				Detail: fmt.Sprintf("the file's SHA-256 is %x; the next segment says %x", got, want),
			}
		}
		return nil
	}
	copied := s
	copied.path = path
	c := newCursor(b.ToFS, []segment{copied}, s.base, b.mark.end, scanChunkBytes)
	events := s.ordinal
	for {
		f, err := c.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			var damage *es.DamageError
			if errors.As(err, &damage) {
				damage.File = s.path // the copy is what was read there
			}
			return errors.Join(err, c.close())
		}
		events = f.entry.Ordinal + 1
	}
	if err := c.close(); err != nil {
		return fmt.Errorf("close the copy: %w", err)
	}
	if events != b.mark.events {
		return &es.DamageError{
			File: s.path, Offset: s.offset(b.mark.end), Position: es.Position(b.mark.end), Remedy: remedyHead,
			Detail: fmt.Sprintf("the log holds %d events up to here; the head file says %d", events, b.mark.events),
		}
	}
	return nil
}
