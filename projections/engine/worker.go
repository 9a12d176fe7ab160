package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/google/uuid"
	"go.uber.org/zap"
)

// Config tunes a worker; the zero Config is ready for use.
type Config struct {
	// BatchEventsMax and BatchBytesMax bound what one commit holds; 8192 events and 16 MiB where zero.
	BatchEventsMax int
	BatchBytesMax  int
	// RetryDelayMax bounds the wait between attempts while the source or the sink fails; 5 s where zero.
	RetryDelayMax time.Duration
	// Clock tells since when a view is behind; time.Now where nil.
	Clock func() time.Time
	// Logger gets one line for each failed attempt; nil logs nothing.
	Logger *zap.Logger
}

const (
	retryDelayMin = 50 * time.Millisecond
	// standbyDelay is how long a worker waits before it looks again whether the one that holds its view has ended, and how far that is.
	standbyDelay = 200 * time.Millisecond
)

// Worker runs one projection: it folds what the source has into the sink, from the checkpoint on, in order, each event once.
type Worker struct {
	create func() Projection
	spec   Spec
	source Source
	sink   Sink
	cfg    Config

	mu      sync.Mutex
	first   *LogHead // where the log ended when the worker first reached it, or found that the view had gone back; nil before
	status  Status
	changed chan struct{} // closed and replaced whenever status changes
}

// Status tells how far a view is.
type Status struct {
	Checkpoint Checkpoint
	// Head is the furthest end of the log that the worker has heard of.
	Head LogHead
	// LagEvents is how many events of the log the view has not folded.
	LagEvents uint64
	// AtHead is when the view last held all that the worker had heard of; when the worker was made, where it never did.
	AtHead time.Time
	// Err is why the view stands still: the last failure while the worker retries, or what ended it.
	Err error
	// Standby: another worker folds the view, in another process, and this one takes over when that one ends. Checkpoint follows.
	Standby bool
	// Stopped: the worker has ended, and only a new one goes on.
	Stopped bool
}

// NewWorker returns a worker that has not begun. create returns an empty projection; it is called again whenever memory and sink may differ.
func NewWorker(create func() Projection, source Source, sink Sink, cfg Config) *Worker {
	if cfg.BatchEventsMax <= 0 {
		cfg.BatchEventsMax = 8192
	}
	if cfg.BatchBytesMax <= 0 {
		cfg.BatchBytesMax = 16 << 20
	}
	if cfg.RetryDelayMax <= 0 {
		cfg.RetryDelayMax = 5 * time.Second
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	return &Worker{
		create: create, spec: create().Spec(), source: source, sink: sink, cfg: cfg, changed: make(chan struct{}),
		status: Status{AtHead: cfg.Clock()},
	}
}

// Run works until ctx ends, and then returns ctx's error, or until the view cannot go on: a *FoldError, *LogChangedError, *LogShortError,
// *GapError, *CheckpointError, *DamagedViewError or *es.DamageError, which Status keeps. While the source or the sink fails otherwise, it tries again.
func (w *Worker) Run(ctx context.Context) error {
	var suspect es.Position
	var delay time.Duration
	for {
		began := w.Status().Checkpoint.Position
		err := w.session(ctx, suspect)
		if ctx.Err() != nil {
			err = ctx.Err()
			w.stop(err)
			return err
		}
		if w.Status().Checkpoint.Position > began {
			delay = 0
		}
		var fold *FoldError
		if errors.As(err, &fold) && fold.Position != suspect {
			// The batch that held the event is lost with the projection: read again, and commit right before the event.
			suspect = fold.Position
			continue
		}
		if final(err) {
			err = errors.Join(err, w.sink.Leave(w.spec.Name)) // to one that stands by, perhaps of a version that can go on
			w.stop(err)
			return err
		}
		delay = min(max(retryDelayMin, 2*delay), w.cfg.RetryDelayMax)
		w.cfg.Logger.Warn("view waits", zap.String("view", w.spec.Name), zap.Duration("retry_in", delay), zap.Error(err))
		w.update(func(s *Status) { s.Err = err })
		if !sleep(ctx, delay) {
			err = ctx.Err()
			w.stop(err)
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// final tells errors that no repetition mends.
func final(err error) bool {
	var (
		fold    *FoldError
		changed *LogChangedError
		short   *LogShortError
		gap     *GapError
		fence   *CheckpointError
		damage  *es.DamageError
		broken  *DamagedViewError
	)
	return errors.As(err, &fold) || errors.As(err, &changed) || errors.As(err, &short) || errors.As(err, &gap) ||
		errors.As(err, &fence) || errors.As(err, &damage) || errors.As(err, &broken)
}

// Status returns how far the view is now.
func (w *Worker) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// Await returns once the view holds the event at a position, and with it all before, and all that the log held when the worker first reached
// it: a view that is being built is not an answer. Of a view that has stopped, it returns at once. Its error is the one that stopped the view, or ctx's with how far the view is.
func (w *Worker) Await(ctx context.Context, pos es.Position) error {
	for {
		w.mu.Lock()
		s, changed, first := w.status, w.changed, w.first
		w.mu.Unlock()
		built := first != nil && s.Checkpoint.Position >= first.Position
		if s.Checkpoint.Position >= pos && (built || s.Stopped) {
			return nil
		}
		if s.Stopped {
			return fmt.Errorf("view %s ends at position %d, before %d: %w", w.spec.Name, s.Checkpoint.Position, pos, s.Err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("view %s is at position %d, not yet at %d: %w", w.spec.Name, s.Checkpoint.Position, pos, errors.Join(ctx.Err(), s.Err))
		}
	}
}

func (w *Worker) update(change func(*Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.status)
	s := &w.status
	s.LagEvents = 0
	if done := s.Checkpoint.Events(); s.Head.Events > done {
		s.LagEvents = s.Head.Events - done
	}
	w.noteAtHead()
	close(w.changed)
	w.changed = make(chan struct{})
}

// noteAtHead sets the time at which the view was last at the head, if it is there now. The caller holds mu.
func (w *Worker) noteAtHead() {
	if s := &w.status; w.first != nil && s.LagEvents == 0 && s.Err == nil && !s.Stopped {
		s.AtHead = w.cfg.Clock()
	}
}

// confirm notes that the recorder has just named the head at which the view is. Nothing changed, so nobody who waits is woken.
func (w *Worker) confirm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteAtHead()
}

func (w *Worker) stop(err error) {
	w.update(func(s *Status) { s.Err, s.Standby, s.Stopped = err, false, true })
}

// session restores the projection from what is committed, and folds from there on until something fails. It commits before it tries the
// suspect event.
func (w *Worker) session(ctx context.Context, suspect es.Position) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	frames, err := w.source.Subscribe(ctx) // before the log is read, so that nothing falls between the two
	if err != nil {
		return fmt.Errorf("subscribe to the log's frames: %w", err)
	}
	b, err := w.restore(ctx, suspect)
	if err != nil {
		return err
	}
	for {
		if err := b.catchUp(ctx); err != nil {
			return err
		}
		if err := b.receive(ctx, frames); err != nil {
			return err
		}
	}
}

func (w *Worker) restore(ctx context.Context, suspect es.Position) (*batch, error) {
	at, err := w.open(ctx)
	if err != nil {
		return nil, err
	}
	p := w.create()
	if err := Load(ctx, w.sink, p); err != nil {
		return nil, err
	}
	head, err := w.place(ctx, at, false)
	if err != nil {
		return nil, err
	}
	return &batch{worker: w, projection: p, committed: at, last: at, head: head, suspect: suspect}, nil
}

// open opens the view, and stands by while another worker holds it.
func (w *Worker) open(ctx context.Context) (Checkpoint, error) {
	for {
		at, err := w.sink.Open(ctx, w.spec)
		var held *HeldError
		switch {
		case err == nil:
			return at, nil
		case !errors.As(err, &held):
			return at, fmt.Errorf("open view %s: %w", w.spec.Name, err)
		}
		if !w.Status().Standby {
			w.cfg.Logger.Info("view stands by: another worker holds it", zap.String("view", w.spec.Name))
		}
		if _, err := w.place(ctx, held.Checkpoint, true); err != nil {
			return at, err
		}
		if !sleep(ctx, standbyDelay) {
			return at, ctx.Err()
		}
	}
}

// place tells where the view stands in the log, and refuses a view of another log, or of more than this one holds.
func (w *Worker) place(ctx context.Context, at Checkpoint, standby bool) (LogHead, error) {
	head, err := w.source.Head(ctx)
	if err != nil {
		return head, fmt.Errorf("ask for the log's head: %w", err)
	}
	if at.LogID != uuid.Nil && head.LogID != at.LogID {
		return head, &LogChangedError{Projection: w.spec.Name, View: at.LogID, Source: head.LogID}
	}
	if head.Position < at.Position {
		return head, &LogShortError{Projection: w.spec.Name, LogID: head.LogID, View: at.Position, Log: head.Position}
	}
	// A view that another worker folds while the log grows is always a little behind what was asked after it: judge it by what was heard before.
	w.update(func(s *Status) {
		if at.Position < s.Checkpoint.Position {
			w.first = nil // what the sink has lost is built again
		}
		s.Checkpoint, s.Err, s.Standby = at, nil, standby
	})
	w.update(func(s *Status) {
		s.Head = head
		if w.first == nil {
			w.first = &head
		}
	})
	return head, nil
}

// Load restores a projection from the rows of a sink that it is open in.
func Load(ctx context.Context, views Views, p Projection) error {
	spec := p.Spec()
	return views.View(ctx, func(s Snapshot) error {
		for i, t := range spec.Tables {
			if t.Log {
				continue
			}
			for row, err := range s.Scan(ctx, t, Range{}) {
				if err == nil {
					if err = p.Restore(i, row); err != nil {
						err = &DamagedViewError{Err: err} // no worker has written such a row
					}
				}
				if err != nil {
					return fmt.Errorf("restore view %s from table %s: %w", spec.Name, t.Name, err)
				}
			}
		}
		return nil
	})
}

// batch is a session's work between two commits.
type batch struct {
	worker     *Worker
	projection Projection
	committed  Checkpoint
	last       Checkpoint // the last event folded
	head       LogHead
	suspect    es.Position
	events     int
	bytes      int
}

// catchUp reads the log until the head that is known, and commits.
func (b *batch) catchUp(ctx context.Context) error {
	for b.last.Position < b.head.Position {
		began := b.last.Position
		read := func(ctx context.Context) iter.Seq2[es.Entry, error] { return b.worker.source.Read(ctx, began) }
		for e, err := range readAhead(ctx, read) {
			if err != nil {
				return fmt.Errorf("read the log after position %d: %w", b.last.Position, err)
			}
			if e.Prev != b.last.Position {
				return &GapError{Projection: b.worker.spec.Name, LogID: b.head.LogID, After: b.last.Position, Position: e.Position, Prev: e.Prev}
			}
			if err := b.fold(ctx, e); err != nil {
				return err
			}
		}
		if b.last.Position == began {
			return fmt.Errorf("the log's head is %d, but nothing is read after %d", b.head.Position, began)
		}
	}
	return b.commit(ctx)
}

// receive waits for a frame and takes all that are waiting. What follows the last event is folded; of everything else only the head counts,
// and a head that is then not reached is for the log to fill.
func (b *batch) receive(ctx context.Context, frames <-chan Frame) error {
	var f Frame
	var open bool
	select {
	case <-ctx.Done():
		return ctx.Err()
	case f, open = <-frames:
	}
	for {
		if !open {
			return errors.New("the feed of frames ended")
		}
		if err := b.absorb(ctx, f); err != nil {
			return err
		}
		select {
		case f, open = <-frames:
		default:
			return nil
		}
	}
}

func (b *batch) absorb(ctx context.Context, f Frame) error {
	if f.Head.LogID != b.head.LogID {
		return &LogChangedError{Projection: b.worker.spec.Name, View: b.head.LogID, Source: f.Head.LogID}
	}
	if f.Head.Position > b.head.Position {
		b.head = f.Head
		b.worker.update(func(s *Status) { s.Head = f.Head })
	} else if f.Head.Position == b.head.Position {
		b.worker.confirm()
	}
	for _, e := range f.Entries {
		if e.Prev != b.last.Position || len(e.Bytes) == 0 {
			continue
		}
		if err := b.fold(ctx, decode(e)); err != nil {
			return err
		}
	}
	return nil
}

// fold applies the entry that follows the last one.
func (b *batch) fold(ctx context.Context, e decoded) error {
	if e.Position == b.suspect {
		if err := b.commit(ctx); err != nil {
			return err
		}
	}
	err := e.err
	if err == nil {
		err = apply(b.projection, e.fact)
	}
	if err != nil {
		return &FoldError{Projection: b.worker.spec.Name, Position: e.Position, Ordinal: e.Ordinal, Stream: e.Stream, Err: err}
	}
	b.last.LogID, b.last.Position, b.last.Ordinal = b.head.LogID, e.Position, e.Ordinal
	if b.head.Position < e.Position {
		b.head.Position, b.head.Events = e.Position, b.last.Events()
	}
	b.events++
	b.bytes += len(e.Bytes)
	if b.events >= b.worker.cfg.BatchEventsMax || b.bytes >= b.worker.cfg.BatchBytesMax {
		return b.commit(ctx)
	}
	return nil
}

// apply folds a fact. A projection that panics has met what no decider wrote: its view stops there, and the process goes on.
func apply(p Projection, f *es.Fact) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the fold cannot take the event: %v", r)
		}
	}()
	return p.Fold(f)
}

func (b *batch) commit(ctx context.Context) error {
	if b.events == 0 {
		return nil
	}
	if err := b.worker.sink.Commit(ctx, b.committed, b.last, b.projection.Flush); err != nil {
		return fmt.Errorf("commit view %s: %w", b.worker.spec.Name, err)
	}
	b.committed, b.events, b.bytes = b.last, 0, 0
	b.worker.update(func(s *Status) { s.Checkpoint, s.Head, s.Err = b.last, b.head, nil })
	return nil
}
