// Package relay publishes every recorded event once, in order, on a stream of JetStream.
//
// A message is written on condition that the one before it is the stream's last, and the first of a session on condition that the stream is as
// it was read: whoever writes, relay or not, makes all others fail. Whoever fails looks again. So of several relays one publishes, and none
// that was paused can add what another has added already.
//
// Where a relay begins, its checkpoint and the stream say together how far the stream was filled. The checkpoint is written behind the messages, so
// that the stream may be ahead of it, by one message for each event. Where the stream has lost its newest messages alone, as in a power failure, the
// relay goes on after those that are left, and each event gets the sequence that it had. Where more was lost, consumers may have seen it or not:
// then nothing is published until an operator has said where to go on.
package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/services/internal/pause"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// The defaults of a stream that the relay makes. One that is there keeps its own.
const (
	// StreamBytesMax bounds a stream on disk, and MemoryBytesMax one in memory. Beyond it the oldest messages are removed.
	StreamBytesMax = 1 << 30
	MemoryBytesMax = 64 << 20
	// duplicatesKept bounds how many ids of messages the server remembers. None is ever sent twice, so that none is taken for a duplicate.
	duplicatesKept = time.Second
)

const (
	retryDelayMin = 50 * time.Millisecond
	retryDelayMax = 5 * time.Second
	// checkEvery is how often the checkpoint is written while messages are, and the stream looked at while none is. A held relay looks as often.
	checkEvery = time.Second
	// standbyLook is how often a relay looks whether another goes on, and standbyMin how long that one must stand still before it takes over.
	standbyLook = 500 * time.Millisecond
	standbyMin  = 2 * time.Second
	// flightMessagesMax and flightBytesMax bound what is sent and not yet acknowledged.
	flightMessagesMax = 2048
	flightBytesMax    = 8 << 20
	ackWaitMax        = 10 * time.Second // for the next
	openWaitMax       = 30 * time.Second
	requestWaitMax    = 5 * time.Second
	leaveWaitMax      = 2 * time.Second
)

var (
	// errConflict: a message was refused since another relay, or somebody else, has written the stream.
	errConflict = errors.New("the stream was written by somebody else")
	// errChanged: stream, bucket or log are no longer what they were.
	errChanged = errors.New("something has changed")
)

// Config says what is published, and how.
type Config struct {
	Form Form
	// Storage of the stream and the bucket where the relay makes them.
	Storage jetstream.StorageType
	// Witness is a file that remembers the checkpoint where the NATS server loses all that it holds; none where empty.
	Witness string
	Logger  *zap.Logger
}

// Relay publishes one stream.
type Relay struct {
	js      jetstream.JetStream
	source  engine.Source
	cfg     Config
	zap     *zap.Logger
	witness witness
	loaded  bool // the witness

	check, standbyMin, retryMax time.Duration // the constants, but in tests

	delay   time.Duration // before the next attempt
	standby bool          // another relay publishes
	told    string        // what was logged last

	mu     sync.Mutex
	status Status
}

// Status tells how far a relay is.
type Status struct {
	// Position and Ordinal of the last event in the stream, and how many Events of the log are, or were, in it; all zero before the first.
	Position es.Position
	Ordinal  uint64
	Events   uint64
	// Published counts what this process has published.
	Published uint64
	// Standby: another relay publishes, and this one takes over when that one stands still.
	Standby bool
	// Held is why nothing is published until an operator says where to go on; nil where that is not so.
	Held *HeldError
	// Err is why nothing is published now, and is tried again.
	Err error
	// AtHead is when the stream last held all that the log held, or the relay began.
	AtHead time.Time
}

// New returns a relay that has not begun. What cannot be sent at once must not be kept by the connection for later.
func New(js jetstream.JetStream, source engine.Source, cfg Config) *Relay {
	return &Relay{
		js: js, source: source, cfg: cfg, zap: cfg.Logger.With(zap.String("stream", cfg.Form.Stream)), witness: witness{path: cfg.Witness},
		check: checkEvery, standbyMin: standbyMin, retryMax: retryDelayMax, status: Status{AtHead: time.Now()},
	}
}

// Form is what the relay publishes.
func (r *Relay) Form() Form { return r.cfg.Form }

// Status tells how far the relay is.
func (r *Relay) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

func (r *Relay) report(set func(*Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	set(&r.status)
}

// reach reports an event as the stream's last.
func (r *Relay) reach(at place, atHead bool) {
	r.report(func(s *Status) {
		s.Position, s.Ordinal, s.Events = at.Position, max(at.Next, 1)-1, at.Next
		if atHead {
			s.AtHead = time.Now()
		}
	})
}

// Run publishes until ctx ends. What fails is tried again; who records never waits for it.
func (r *Relay) Run(ctx context.Context) error {
	for {
		err := r.session(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.note(err)
		if err := pause.For(ctx, r.delay); err != nil {
			return err
		}
	}
}

// note says once why nothing is published, and sets when to try again.
func (r *Relay) note(err error) {
	var hold *HeldError
	isHeld := errors.As(err, &hold)
	r.delay = min(max(retryDelayMin, 2*r.delay), r.retryMax)
	switch {
	case isHeld:
		r.delay, r.standby = r.check, false
	case errors.Is(err, errConflict):
		r.standby = true
	}
	passing := errors.Is(err, errConflict) || errors.Is(err, errChanged)
	r.report(func(s *Status) {
		s.Held, s.Standby, s.Err = hold, r.standby, err
		if passing || isHeld {
			s.Err = nil
		}
	})
	switch {
	case passing:
		r.zap.Debug("stream is looked at again", zap.Error(err))
	case r.told == err.Error():
	case isHeld:
		r.told = err.Error()
		r.zap.Error("relay holds; an operator must say where to go on", zap.String("reason", hold.Reason), zap.String("remedy", hold.Remedy))
	default:
		r.told = err.Error()
		r.zap.Warn("events are not published now; the ledger is whole without", zap.Error(err))
	}
}

// succeeded notes that the stream can be written.
func (r *Relay) succeeded(at place) {
	r.delay = 0
	r.report(func(s *Status) { s.Held, s.Err, s.Standby = nil, nil, r.standby })
	if r.told != "" {
		r.told = ""
		r.zap.Info("events are published again", zap.Uint64("events", at.Next))
	}
}

// session opens the stream and follows the log until something fails or changes.
func (r *Relay) session(ctx context.Context) error {
	if r.standby {
		if err := r.awaitTurn(ctx); err != nil {
			return err
		}
	}
	s, err := r.open(ctx)
	if err != nil {
		return err
	}
	r.succeeded(s.acked)
	return s.run(ctx)
}

// awaitTurn returns once there is something to do, and nobody has done it for a while.
func (r *Relay) awaitTurn(ctx context.Context) error {
	var last *session
	since := time.Now()
	for {
		s, err := r.open(ctx)
		if err != nil {
			return err
		}
		idle := s.acked.Next >= s.head.Events && s.asked == nil
		if idle || last == nil || s.seq != last.seq || s.revision != last.revision {
			since = time.Now()
		}
		if time.Since(since) >= r.standbyMin {
			r.standby = false
			r.zap.Info("relay takes over; the one that published stands still", zap.Uint64("events", s.acked.Next))
			return nil
		}
		r.succeeded(s.acked)
		r.reach(s.acked, idle)
		if err := pause.For(ctx, min(standbyLook, r.standbyMin/4)); err != nil {
			return err
		}
		last = s
	}
}

// open makes sure that there are stream and bucket, and finds where to go on.
func (r *Relay) open(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, openWaitMax)
	defer cancel()
	r.js.CleanupPublisher() // what an earlier session has sent is of no more interest
	if !r.loaded {
		if err := r.witness.load(); err != nil {
			return nil, err
		}
		r.loaded = true
	}
	kv, err := prepareBucket(ctx, r.js, r.cfg.Storage)
	if err != nil {
		return nil, withoutStreams(err)
	}
	c, revision, err := readCheckpoint(ctx, kv, r.cfg.Form.key())
	if err != nil {
		return nil, err
	}
	asked := c.RefillFrom
	if r.witness.last.after(c) {
		c = r.witness.last
		c.RefillFrom = asked
		if revision, err = writeCheckpoint(ctx, kv, r.cfg.Form.key(), c, revision); err != nil { // so that everybody knows
			return nil, err
		}
	}
	c.RefillFrom = nil
	s := &session{Relay: r, kv: kv, revision: revision, checkpoint: c, asked: asked, nonce: uuid.NewString()[:8]}
	return s, s.begin(ctx)
}

// begin finds where the stream is, or begins it where an operator has asked to. A relay that stands by leaves that to the one that publishes.
func (s *session) begin(ctx context.Context) error {
	form := s.cfg.Form
	now, stream, err := find(ctx, s.js, form.Stream)
	if err != nil {
		return err
	}
	// Asked last, so that what the stream holds of this log lies before the head.
	if s.head, err = s.source.Head(ctx); err != nil {
		return fmt.Errorf("ask for the log's head: %w", err)
	}
	var at place
	takesUp := s.asked != nil && !s.standby
	if takesUp {
		if at, err = form.chosen(now, *s.asked, s.head); err == nil {
			at, err = settle(ctx, s.source, s.head, at)
		}
	} else {
		at, err = form.goOn(ctx, s.source, now, s.checkpoint, s.head)
	}
	if err != nil {
		return err
	}
	if s.stream, err = form.prepare(ctx, s.js, stream, s.cfg.Storage); err != nil {
		return err
	}
	info := s.stream.CachedInfo()
	s.created, s.seq = info.Created, now.sequence()
	if !now.exists {
		if now = (found{exists: true, info: info}); !now.fresh() {
			return fmt.Errorf("%w: another relay has made the stream", errChanged)
		}
		s.seq = now.sequence()
	}
	if !takesUp && !s.standby && at.Next < s.checkpoint.Next {
		s.zap.Warn("the stream has lost its newest messages; they are published again, each with the sequence that it had",
			zap.Uint64("messages", s.checkpoint.Next-at.Next))
	}
	s.acked, s.sent, s.marked = at, at, s.checkpoint.place
	if s.bytesMax = int(s.js.Conn().MaxPayload()); info.Config.MaxMsgSize > 0 {
		s.bytesMax = min(s.bytesMax, int(info.Config.MaxMsgSize))
	}
	switch {
	case takesUp:
		s.checkpoint.Refills++
		s.checkpoint.RefilledAt = s.seq
		s.zap.Info("an operator has said where to go on", zap.Uint64("ordinal", *s.asked))
	case !s.checkpoint.none():
		return nil
	}
	return s.mark(ctx, true)
}

// chosen is the place before the ordinal that an operator wants published next.
func (f Form) chosen(now found, from uint64, head engine.LogHead) (place, error) {
	if now.last != nil {
		if of, _, ours := readPlace(now.last.Header); ours && of != head.LogID {
			return f.judge(now, Checkpoint{}, head.LogID)
		}
	}
	return place{Next: from}, nil
}

// Claim makes the stream and the bucket of a form before somebody else takes their places, in a server that has room for few. A stream that was
// lost is found out all the same: the one that is made does not hold what the checkpoint tells of.
func (f Form) Claim(ctx context.Context, js jetstream.JetStream, storage jetstream.StorageType) error {
	if _, err := prepareBucket(ctx, js, storage); err != nil {
		return err
	}
	stream, err := js.Stream(ctx, f.Stream)
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	_, err = f.prepare(ctx, js, stream, storage)
	return err
}

// prepare creates the stream, or adds to another's the subjects that the relay needs. The rest stays as an operator made it.
func (f Form) prepare(ctx context.Context, js jetstream.JetStream, stream jetstream.Stream, storage jetstream.StorageType) (jetstream.Stream, error) {
	all := f.Prefix + ".>"
	if stream == nil { // as Stream returns it where there is none
		bytesMax := int64(StreamBytesMax)
		if storage == jetstream.MemoryStorage {
			bytesMax = MemoryBytesMax
		}
		return js.CreateStream(ctx, jetstream.StreamConfig{
			Name: f.Stream, Description: f.about, Subjects: []string{all}, Storage: storage, MaxBytes: bytesMax, Discard: jetstream.DiscardOld,
			Duplicates: duplicatesKept, AllowDirect: true,
		})
	}
	cfg := stream.CachedInfo().Config
	for _, s := range cfg.Subjects {
		if s == all {
			return stream, nil
		}
	}
	cfg.Subjects = append(cfg.Subjects, all)
	return js.UpdateStream(ctx, cfg)
}

// withoutStreams says what is missing where the server runs no JetStream.
func withoutStreams(err error) error {
	if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("%w: the NATS server runs without JetStream; start it with JetStream to have events published, without them the ledger is whole", err)
	}
	return err
}
