package filelog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/allied-ledger/allied/events/es"
)

const (
	segmentBytesDefault = 64 << 20
	freeBytesMinDefault = 256 << 20

	requestsQueuedMax = 1024
	requestBytesMax   = es.AppendBytesMax
	requestAppendsMax = 4096
)

// Config says where a log lies. Only Dir is required.
type Config struct {
	// Dir holds the folders log and index, and the file lock.
	Dir string
	// FS is the disk where it is nil.
	FS vfs.FS
	// SegmentBytes is how large a segment grows before the next one begins: 64 MiB where it is 0.
	SegmentBytes int64
	// FreeBytesMin is how much space stays free on the disk: appends are refused below, 256 MiB where it is 0.
	FreeBytesMin uint64
	// Committed is told of each group that has become durable. It may be nil; it holds up the next group until it returns.
	Committed func(Commit)
	// Logger tells what opening repaired, and why the log latched. It may be nil.
	Logger *zap.Logger
}

func (c *Config) complete() {
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	if c.Committed == nil {
		c.Committed = func(Commit) {}
	}
	if c.SegmentBytes == 0 {
		c.SegmentBytes = segmentBytesDefault
	}
	if c.FreeBytesMin == 0 {
		c.FreeBytesMin = freeBytesMinDefault
	}
}

// Commit is one group of appends that one write and one sync made durable.
type Commit struct {
	Appends, Events int
	// Took is how long the write and the sync took.
	Took time.Duration
}

// Recovery is what opening found and repaired.
type Recovery struct {
	// CutBytes above every answered mark failed their check and were removed; Cut says where and why.
	CutBytes int64
	Cut      error
	// HeadMarksDamaged of the head file's two marks were rewritten from the other one.
	HeadMarksDamaged int
	// IndexRebuilt: the index was missing, damaged or of another history. EventsIndexed were indexed again.
	IndexRebuilt  bool
	EventsIndexed uint64
}

// Log is an es.Log in a folder of plain files.
type Log struct {
	dir      string
	folder   folder
	id       uuid.UUID
	logger   *zap.Logger
	lock     io.Closer
	index    *index
	recovery Recovery

	freeBytesMin uint64

	gate     sync.RWMutex // held to put requests into the queue; Close takes it to end that
	isClosed bool
	closed   chan struct{}
	requests chan *request
	latched  atomic.Pointer[LatchedError]

	committer committer
	publisher publisher
	running   sync.WaitGroup

	mu       sync.Mutex // guards what readers see
	segments []segment  // only ever appended to
	head     es.Head
	grown    chan struct{} // closed and replaced when the head moves
	ring     ring
}

var _ es.Log = (*Log)(nil)

// Open opens the log of a folder, or makes one, checks its end and repairs what a crash left. It fails with *InUseError where another
// ledger writes in the folder, and with *es.DamageError where the log ends before what was answered.
func Open(config Config) (_ *Log, err error) {
	config.complete()
	l := &Log{
		dir: config.Dir, folder: folder{fs: config.FS, dir: config.FS.PathJoin(config.Dir, "log")}, logger: config.Logger,
		closed: make(chan struct{}), requests: make(chan *request, requestsQueuedMax), grown: make(chan struct{}),
		freeBytesMin: config.FreeBytesMin,
	}
	if err := makeDirs(config.FS, l.folder.dir); err != nil {
		return nil, err
	}
	if l.lock, err = config.FS.Lock(config.FS.PathJoin(config.Dir, "lock")); err != nil {
		return nil, &InUseError{Dir: config.Dir, Cause: err}
	}
	var undo []func() error
	defer func() {
		if err != nil {
			for i := len(undo) - 1; i >= 0; i-- {
				err = errors.Join(err, undo[i]())
			}
		}
	}()
	undo = append(undo, l.lock.Close)

	end, err := l.recover()
	if err != nil {
		return nil, err
	}
	head, err := openHead(l.folder, end.mark)
	if err != nil {
		return nil, err
	}
	undo = append(undo, head.file.Close)
	if err := head.settle(end.end, end.events); err != nil {
		return nil, err
	}
	if err := l.openIndex(end); err != nil {
		return nil, err
	}
	undo = append(undo, l.index.shut)
	live, err := config.FS.OpenReadWrite(l.segments[len(l.segments)-1].path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("open the live segment: %w", err)
	}

	l.head = es.Head{Position: es.Position(end.end), Events: end.events}
	publish := make(chan publishing, groupsPublishingMax)
	l.committer = committer{
		log: l, publish: publish, live: live, segment: l.segments[len(l.segments)-1], segmentBytes: config.SegmentBytes,
		committed: config.Committed, end: end.end, events: end.events, crc: end.crc, revisions: newRevisions(),
	}
	l.publisher = publisher{log: l, queue: publish, head: head, digest: end.digest}
	l.running.Go(l.committer.run)
	l.running.Go(l.publisher.run)
	l.running.Go(l.watchIndex)
	return l, nil
}

// watchIndex latches the log when its index fails, and closes the index, which would go on trying.
func (l *Log) watchIndex() {
	select {
	case <-l.closed:
	case <-l.index.failed:
		l.latch(l.index.failure())
		if err := l.index.shut(); err != nil {
			l.logger.Warn("the failed index could not be removed; the next start tries again", zap.String("dir", l.index.dir), zap.Error(err))
		}
	}
}

// latch ends appends for the life of this log.
func (l *Log) latch(cause error) {
	if l.latched.CompareAndSwap(nil, &LatchedError{Cause: cause}) {
		l.logger.Error("the log takes no more appends", zap.String("dir", l.dir), zap.Error(cause), zap.String("remedy", remedyLatched))
	}
}

// Refusal is why the log takes no appends now, as it would answer them: a *LatchedError, a *FullError or another es.ErrBusy. It is nil where
// it takes them.
func (l *Log) Refusal() error {
	if latched := l.latched.Load(); latched != nil {
		return latched
	}
	usage, err := l.folder.fs.GetDiskUsage(l.folder.dir)
	if err == nil && usage.AvailBytes < l.freeBytesMin {
		return &FullError{Dir: l.dir, FreeBytes: usage.AvailBytes, FreeBytesMin: l.freeBytesMin}
	}
	if err != nil && !errors.Is(err, vfs.ErrUnsupported) {
		return fmt.Errorf("%w: the free space of %s cannot be seen: %w", es.ErrBusy, l.dir, err)
	}
	return nil
}

// ID names this log; it stands in each segment.
func (l *Log) ID() uuid.UUID { return l.id }

// Recovery is what opening this log repaired.
func (l *Log) Recovery() Recovery { return l.recovery }

// Close waits for appends under way, makes the head file durable and releases the folder.
func (l *Log) Close() error {
	l.gate.Lock()
	if l.isClosed {
		l.gate.Unlock()
		return es.ErrClosed
	}
	l.isClosed = true
	close(l.requests)
	l.gate.Unlock()
	close(l.closed)
	l.running.Wait()

	var errs []error
	if l.latched.Load() == nil {
		errs = append(errs, l.publisher.head.settle(uint64(l.head.Position), l.head.Events))
	}
	errs = append(errs, l.index.shut())
	if l.latched.Load() == nil {
		errs = append(errs, l.index.failure()) // while closing; otherwise it was told when it latched the log
	}
	errs = append(errs, l.publisher.head.file.Close(), l.committer.live.Close(), l.lock.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the log in %s: %w", l.dir, err)
	}
	return nil
}

// Head is the end of what is durable.
func (l *Log) Head(ctx context.Context) (es.Head, error) {
	select {
	case <-l.closed:
		return es.Head{}, es.ErrClosed
	default:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head, ctx.Err()
}

// request is a part of one call of Append, small enough for one group.
type request struct {
	appends []es.Append
	results []es.Result   // set before done is closed
	state   atomic.Int32  // requestWaiting, then who took it
	encoded chan struct{} // closed when the appends' bytes are no longer needed
	done    chan struct{}
}

const (
	requestWaiting int32 = iota
	requestTaken
	requestAbandoned
)

// Append puts the appends into the queue and waits until they are answered or ctx ends.
func (l *Log) Append(ctx context.Context, appends []es.Append) []es.Result {
	results := make([]es.Result, len(appends))
	var valid []es.Append
	var places []int
	for i, a := range appends {
		if results[i].Err = a.Check(); results[i].Err == nil {
			valid, places = append(valid, a), append(places, i)
		}
	}
	requests := split(valid)
	var failed error
	for i, r := range requests {
		if failed = l.enqueue(ctx, r); failed != nil {
			for _, rest := range requests[i:] {
				rest.refuse(failed)
			}
			break
		}
	}
	for _, r := range requests {
		for _, result := range r.await(ctx) {
			results[places[0]] = result
			places = places[1:]
		}
	}
	return results
}

// split cuts a call into requests within the bounds of one.
func split(appends []es.Append) (requests []*request) {
	for len(appends) > 0 {
		n, bytes := 0, 0
		for ; n < len(appends) && n < requestAppendsMax; n++ {
			for _, r := range appends[n].Records {
				bytes += len(r.Bytes)
			}
			if n > 0 && bytes > requestBytesMax {
				break
			}
		}
		requests = append(requests, &request{
			appends: appends[:n], results: make([]es.Result, n), encoded: make(chan struct{}), done: make(chan struct{}),
		})
		appends = appends[n:]
	}
	return requests
}

func (l *Log) enqueue(ctx context.Context, r *request) error {
	l.gate.RLock()
	defer l.gate.RUnlock()
	if l.isClosed {
		return es.ErrClosed
	}
	if latched := l.latched.Load(); latched != nil {
		return latched
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", es.ErrUnknown, err)
	}
	select {
	case l.requests <- r:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", es.ErrUnknown, ctx.Err())
	}
}

// refuse answers all appends of the request with an error.
func (r *request) refuse(err error) {
	for i := range r.results {
		r.results[i] = es.Result{Err: err}
	}
	close(r.done)
}

// await returns the results when they are set, or unknown ones when ctx has ended and nobody reads the appends' bytes any more.
func (r *request) await(ctx context.Context) []es.Result {
	select {
	case <-r.done:
		return r.results
	default:
	}
	select {
	case <-r.done:
		return r.results
	case <-ctx.Done():
	}
	if !r.state.CompareAndSwap(requestWaiting, requestAbandoned) {
		<-r.encoded
	}
	// The log may still set the request's own results.
	unknown := make([]es.Result, len(r.appends))
	for i := range unknown {
		unknown[i].Err = fmt.Errorf("%w: %w", es.ErrUnknown, ctx.Err())
	}
	return unknown
}
