package relay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// session is the time in which a relay knows all that the stream holds.
type session struct {
	*Relay
	kv       jetstream.KeyValue
	stream   jetstream.Stream
	created  time.Time
	bytesMax int // of a message with its headers

	head       engine.LogHead
	checkpoint Checkpoint
	revision   uint64  // of the checkpoint in the bucket
	asked      *uint64 // by an operator: the ordinal to go on from
	marked     place   // that the checkpoint there says
	markedAt   time.Time

	nonce       string // makes ids of messages that no other session has
	lastID      string // of the message that was sent last; empty before the first
	seq         uint64 // the stream's last sequence
	acked, sent place
	flight      []sending // in order
	flightBytes int
}

// sending is a message that is not yet acknowledged.
type sending struct {
	answer jetstream.PubAckFuture
	at     place
	bytes  int
}

// run follows the log until ctx ends, something fails or somebody else writes.
func (s *session) run(ctx context.Context) error {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	frames, err := s.source.Subscribe(within)
	if err != nil {
		return err
	}
	tick := time.NewTicker(s.check)
	defer tick.Stop()
	for err = s.catchUp(ctx); err == nil; {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case f, open := <-frames:
			if !open {
				err = fmt.Errorf("%w: the broadcast ended", errChanged)
				break
			}
			err = s.take(ctx, f)
		case <-tick.C:
			err = s.look(ctx)
		}
	}
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), s.leave(ctx))
	}
	defer s.remember(false)
	for errors.Is(err, errChanged) && len(s.flight) > 0 { // what is under way would look like somebody else's
		if after := s.settle(ctx); after != nil && !errors.Is(after, errChanged) {
			return errors.Join(err, after)
		}
	}
	return err
}

// take publishes what is broadcast, and reads the log where that leaves something out.
func (s *session) take(ctx context.Context, f engine.Frame) error {
	if f.Head.LogID != s.head.LogID {
		return fmt.Errorf("%w: the recorder holds log %s, and held %s", errChanged, f.Head.LogID, s.head.LogID)
	}
	for _, e := range f.Entries {
		if e.Position <= s.sent.Position {
			continue
		}
		if e.Prev != s.sent.Position || len(e.Bytes) == 0 {
			break
		}
		if err := s.send(ctx, e); err != nil {
			return err
		}
	}
	if s.sent.Position < f.Head.Position {
		return s.catchUp(ctx)
	}
	return s.drain(ctx, f.Head.Position == s.sent.Position)
}

// catchUp publishes what the log holds.
func (s *session) catchUp(ctx context.Context) error {
	for e, err := range s.source.Read(ctx, s.sent.Position) {
		if err != nil {
			return err
		}
		if err := s.send(ctx, e); err != nil {
			return err
		}
	}
	return s.drain(ctx, true)
}

// send writes the next event, and waits where too much is under way. The first of a session is on condition that the stream is as it was read,
// each other that the one before it is the stream's last: sequences alone would not do, since where somebody else writes right before the
// first, the second would find the sequence that it expects.
func (s *session) send(ctx context.Context, e es.Entry) error {
	if e.Prev != s.sent.Position || e.Ordinal != s.sent.Next {
		return fmt.Errorf("%w: position %d, ordinal %d follows position %d in the log, and the relay is at %d", errChanged, e.Position, e.Ordinal, e.Prev, s.sent.Position)
	}
	for len(s.flight) >= flightMessagesMax || s.flightBytes >= flightBytesMax {
		if err := s.settle(ctx); err != nil {
			return err
		}
	}
	m, err := s.cfg.Form.message(s.head.LogID, e, s.bytesMax)
	if err != nil {
		return err
	}
	condition := jetstream.WithExpectLastMsgID(s.lastID)
	if s.lastID == "" {
		condition = jetstream.WithExpectLastSequence(s.seq)
	}
	s.lastID = s.nonce + "." + strconv.FormatUint(e.Ordinal, 10)
	bytes := m.Size()
	answer, err := s.js.PublishMsgAsync(m, jetstream.WithMsgID(s.lastID), jetstream.WithExpectStream(s.cfg.Form.Stream), condition)
	if err != nil {
		return fmt.Errorf("publish ordinal %d: %w", e.Ordinal, err)
	}
	s.sent = placeOf(e)
	s.flight = append(s.flight, sending{answer, s.sent, bytes})
	s.flightBytes += bytes
	return nil
}

// drain waits until all is acknowledged.
func (s *session) drain(ctx context.Context, atHead bool) error {
	for len(s.flight) > 0 {
		if err := s.settle(ctx); err != nil {
			return err
		}
	}
	s.reach(s.acked, atHead)
	return nil
}

// settle waits for the answer to the oldest message under way.
func (s *session) settle(ctx context.Context) error {
	m := s.flight[0]
	select { // most have come by now
	case ack := <-m.answer.Ok():
		return s.arrived(ctx, m, ack)
	default:
	}
	late := time.NewTimer(ackWaitMax)
	defer late.Stop()
	select {
	case ack := <-m.answer.Ok():
		return s.arrived(ctx, m, ack)
	case err := <-m.answer.Err():
		if isConflict(err) {
			return fmt.Errorf("%w: %w", errConflict, err)
		}
		return fmt.Errorf("publish ordinal %d: %w", m.at.Next-1, err)
	case <-late.C:
		return fmt.Errorf("publish ordinal %d: no answer within %s", m.at.Next-1, ackWaitMax)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// arrived notes that a message is in the stream.
func (s *session) arrived(ctx context.Context, m sending, ack *jetstream.PubAck) error {
	if ack.Duplicate || ack.Sequence != s.seq+1 {
		return fmt.Errorf("%w: ordinal %d got sequence %d, not %d (duplicate: %t)", errConflict, m.at.Next-1, ack.Sequence, s.seq+1, ack.Duplicate)
	}
	s.seq, s.acked = ack.Sequence, m.at
	s.flight, s.flightBytes = s.flight[1:], s.flightBytes-m.bytes
	s.standby = false
	s.report(func(st *Status) { st.Published++ })
	if time.Since(s.markedAt) < s.check {
		return nil
	}
	s.reach(s.acked, false)
	return s.mark(ctx, false)
}

// mark writes the checkpoint, behind what is acknowledged.
func (s *session) mark(ctx context.Context, now bool) error {
	ctx, cancel := context.WithTimeout(ctx, requestWaitMax)
	defer cancel()
	c := s.reached()
	revision, err := writeCheckpoint(ctx, s.kv, s.cfg.Form.key(), c, s.revision)
	if err != nil {
		return err
	}
	s.revision, s.checkpoint, s.marked, s.markedAt = revision, c, s.acked, time.Now()
	s.remember(now)
	return nil
}

// reached is the checkpoint of what is acknowledged.
func (s *session) reached() Checkpoint {
	return Checkpoint{LogID: s.head.LogID, place: s.acked, Sequence: s.seq, Created: s.created, Refills: s.checkpoint.Refills, RefilledAt: s.checkpoint.RefilledAt}
}

// remember notes what is acknowledged outside of NATS.
func (s *session) remember(now bool) {
	if err := s.witness.note(s.reached(), now); err != nil {
		s.zap.Warn("the relay's file is not written: a stream that is lost with all of NATS would be filled again from the begin", zap.Error(err))
	}
}

// look returns errChanged where stream, checkpoint or log are not as this relay left them, and errConflict where another has written.
func (s *session) look(ctx context.Context) error {
	if s.acked != s.marked {
		return s.mark(ctx, false)
	}
	ctx, cancel := context.WithTimeout(ctx, requestWaitMax)
	defer cancel()
	head, err := s.source.Head(ctx)
	if err != nil {
		return err
	}
	if head.LogID != s.head.LogID || head.Position < s.acked.Position {
		return fmt.Errorf("%w: log %s ends at position %d", errChanged, head.LogID, head.Position)
	}
	_, revision, err := readCheckpoint(ctx, s.kv, s.cfg.Form.key())
	if err != nil {
		return err
	}
	info, err := s.stream.Info(ctx)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Errorf("%w: %w", errChanged, err)
	case err != nil:
		return fmt.Errorf("look at stream %s: %w", s.cfg.Form.Stream, err)
	case info.State.LastSeq > s.seq && info.Created.Equal(s.created):
		return fmt.Errorf("%w: it ends at sequence %d, not %d", errConflict, info.State.LastSeq, s.seq)
	case info.State.LastSeq != s.seq, !info.Created.Equal(s.created), revision != s.revision:
		return fmt.Errorf("%w: the stream ends at sequence %d, not %d, or the checkpoint was written", errChanged, info.State.LastSeq, s.seq)
	}
	return nil
}

// leave waits for what is under way, and notes how far the stream is.
func (s *session) leave(ctx context.Context) error {
	defer s.remember(true)
	if !s.js.Conn().IsConnected() {
		return nil // the next session looks
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWaitMax)
	defer cancel()
	if err := s.drain(ctx, false); err != nil || s.acked == s.marked {
		return err
	}
	return s.mark(ctx, true)
}

// isConflict tells that a write was refused for its condition.
func isConflict(err error) bool {
	const wrongLastMsgID = 10070 // of the server; the client's library does not name it
	var refused *jetstream.APIError
	if !errors.As(err, &refused) {
		return false
	}
	switch refused.ErrorCode {
	case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant, wrongLastMsgID:
		return true
	}
	return false
}
