package filelog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"go.uber.org/zap"
)

const (
	indexMemTableBytes = 4 << 20
	indexCacheBytes    = 32 << 20
	indexOpenFilesMax  = 256
	// Pebble would make writers wait for a flush, for ever on a disk that fails. The index is given up at the first failure instead,
	// so what waits for a flush is bounded by how long a flush takes.
	indexStallNever = 1 << 20
)

// index finds the appends of a stream. It is derived from the log and may be deleted at any time the log is closed. Pebble's own log is
// off: after a crash the index is an older whole state with the mark that belongs to it, and what follows is indexed again.
type index struct {
	fs     vfs.FS
	dir    string
	failed chan struct{} // closed by fail
	cause  atomic.Pointer[error]

	mu sync.RWMutex // held to use db; db is nil once shut
	db *pebble.DB

	recent recent
}

// location is where the log holds an append to a stream.
type location struct {
	first uint64 // the revision of its first event
	count uint32
	start uint64 // the log's bytes of frames before it
}

func (l location) last() uint64 { return l.first + uint64(l.count) - 1 }

// applied is how far the index has come: it holds exactly the events before it.
type applied struct {
	log    uuid.UUID
	end    uint64
	events uint64
	crc    uint32 // of the last frame
}

// A key is the name's length, the name and the inverted first revision of a run of the stream's appends, so that the newest run comes
// first and Pebble's bloom filters know a stream by its name.
func streamPrefix(stream string) []byte {
	return append(append(make([]byte, 0, len(stream)+9), byte(len(stream))), stream...)
}

func runKey(stream string, first uint64) []byte {
	return binary.BigEndian.AppendUint64(streamPrefix(stream), ^first)
}

var appliedKey = []byte{0xff} // no stream's name is that long

func indexComparer() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "allied.filelog.streams.1"
	c.Split = func(key []byte) int {
		if len(key) == 0 {
			return 0
		}
		return min(1+int(key[0]), len(key))
	}
	return &c
}

// openIndex opens or makes the index of a folder. Any error means that it must be deleted and made anew.
func openIndex(fs vfs.FS, dir string, logger *zap.Logger) (x *index, mark applied, err error) {
	x = &index{fs: fs, dir: dir, failed: make(chan struct{})}
	options := &pebble.Options{
		FS: fs, Comparer: indexComparer(), DisableWAL: true, FormatMajorVersion: pebble.FormatNewest,
		MemTableSize: indexMemTableBytes, CacheSize: indexCacheBytes, MaxOpenFiles: indexOpenFilesMax,
		MemTableStopWritesThreshold: indexStallNever, L0StopWritesThreshold: indexStallNever,
		Logger: indexLogger{x: x, zap: logger},
		EventListener: &pebble.EventListener{
			BackgroundError: x.fail,
			DataCorruption:  func(info pebble.DataCorruptionInfo) { x.fail(fmt.Errorf("%s", info)) },
		},
	}
	for i := range options.Levels {
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	// Pebble panics on some damage that it takes for its own mistake.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("open the index: %v", p)
		}
	}()
	if x.db, err = pebble.Open(dir, options); err != nil {
		return nil, mark, fmt.Errorf("open the index: %w", err)
	}
	if mark, err = x.mark(); err == nil {
		err = x.failure()
	}
	if err != nil {
		return nil, mark, errors.Join(err, x.shut())
	}
	return x, mark, nil
}

// fail gives the index up for the rest of this log's life. It may be called with Pebble's locks held.
func (x *index) fail(err error) {
	if x.cause.CompareAndSwap(nil, &err) {
		close(x.failed)
	}
}

func (x *index) failure() error {
	if cause := x.cause.Load(); cause != nil {
		return fmt.Errorf("the index of streams failed: %w", *cause)
	}
	return nil
}

// shut closes the index, and deletes it where it has failed, so that the next start makes it anew.
func (x *index) shut() (err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.db == nil {
		return nil
	}
	db := x.db
	x.db = nil
	defer func() {
		if p := recover(); p != nil {
			err = errors.Join(err, fmt.Errorf("close the index: %v", p))
		}
	}()
	if x.failure() == nil {
		if err = x.store(db); err == nil {
			err = x.flush(db)
		}
	}
	if err = errors.Join(err, db.Close()); err != nil {
		err = fmt.Errorf("close the index: %w", err)
	}
	if x.failure() != nil {
		return errors.Join(err, x.fs.RemoveAll(x.dir))
	}
	return err
}

// flush makes durable what Pebble holds in memory: without a log of its own it keeps nothing else. Where flushing fails Pebble repeats it
// without end, so the first failure ends the wait.
func (x *index) flush(db *pebble.DB) error {
	flushed, err := db.AsyncFlush()
	if err != nil {
		return fmt.Errorf("flush the index: %w", err)
	}
	select {
	case <-flushed:
	case <-x.failed:
	}
	return nil
}

// use calls f with the open database. An error of f gives the index up.
func (x *index) use(f func(db *pebble.DB) error) error {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if err := x.failure(); err != nil {
		return err
	}
	if x.db == nil {
		return errors.New("the index of streams is closed")
	}
	if err := f(x.db); err != nil {
		x.fail(err)
		return x.failure()
	}
	return nil
}

func (x *index) mark() (m applied, err error) {
	err = x.use(func(db *pebble.DB) error {
		value, closer, err := db.Get(appliedKey)
		if errors.Is(err, pebble.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the index's mark: %w", err)
		}
		defer closer.Close()
		if len(value) != 36 {
			return fmt.Errorf("the index's mark has %d bytes; want 36", len(value))
		}
		m = applied{
			log: uuid.UUID(value[:16]), end: binary.LittleEndian.Uint64(value[16:]),
			events: binary.LittleEndian.Uint64(value[24:]), crc: binary.LittleEndian.Uint32(value[32:]),
		}
		return nil
	})
	return m, err
}

// indexLogger takes what Pebble would end the process for as the end of the index alone.
type indexLogger struct {
	x   *index
	zap *zap.Logger
}

func (l indexLogger) Infof(format string, args ...any) {
	l.zap.Debug("index", zap.String("detail", fmt.Sprintf(format, args...)))
}

func (l indexLogger) Errorf(format string, args ...any) {
	l.zap.Warn("index", zap.String("detail", fmt.Sprintf(format, args...)))
}

func (l indexLogger) Fatalf(format string, args ...any) { l.x.fail(fmt.Errorf(format, args...)) }
