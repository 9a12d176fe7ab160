package relay

import (
	"context"
	"errors"
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
)

// HeldError: the stream is not as the relay left it, and nothing is published until an operator has said where to go on.
type HeldError struct {
	Reason, Remedy string
}

func (e *HeldError) Error() string { return e.Reason + ": " + e.Remedy }

func held(remedy, reason string, args ...any) error {
	return &HeldError{Reason: fmt.Sprintf(reason, args...), Remedy: remedy}
}

// refill is what an operator may do about a stream that has lost messages.
func (f Form) refill(c Checkpoint) string {
	command := "`allied relay refill"
	if f.Stream != Events.Stream {
		command += " --stream " + f.Stream
	}
	return fmt.Sprintf("%s --from 0` publishes all events again, another ordinal those from there on, and %s --from %d` goes on and publishes none again",
		command, command, c.Next)
}

// found is what a stream is now.
type found struct {
	exists bool
	info   *jetstream.StreamInfo
	last   *jetstream.RawStreamMsg // the message of the last sequence; nil where it is gone
}

// find looks at a stream. It creates nothing.
func find(ctx context.Context, js jetstream.JetStream, name string) (out found, stream jetstream.Stream, err error) {
	stream, err = js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return out, nil, nil
	}
	if err != nil {
		return out, nil, fmt.Errorf("look at stream %s: %w", name, err)
	}
	out, err = look(ctx, stream)
	return out, stream, err
}

func look(ctx context.Context, stream jetstream.Stream) (found, error) {
	info, err := stream.Info(ctx)
	if err != nil {
		return found{}, fmt.Errorf("look at a stream: %w", err)
	}
	out := found{exists: true, info: info}
	if info.State.Msgs == 0 {
		return out, nil
	}
	out.last, err = stream.GetMsg(ctx, info.State.LastSeq)
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return found{}, fmt.Errorf("read the last message of stream %s: %w", info.Config.Name, err)
	}
	return out, nil
}

// sequence is the last one that the stream has given.
func (f found) sequence() uint64 {
	if !f.exists {
		return 0
	}
	return f.info.State.LastSeq
}

// fresh tells that the stream has never held a message.
func (f found) fresh() bool {
	return !f.exists || f.info.State.LastSeq+1 <= max(f.info.Config.FirstSeq, 1)
}

// as tells that the stream is the one that a checkpoint was written of, and reaches as far.
func (f found) as(c Checkpoint) bool {
	return f.exists && f.info.Created.Equal(c.Created) && f.info.State.LastSeq >= c.Sequence
}

// cutBack tells that the stream has lost its newest messages and nothing else, as in a power failure: what is published again has the sequences that
// it had. The server sets durable consumers back with the stream, and others that have had it find it where it was.
func (f found) cutBack(c Checkpoint, last place) bool {
	return f.info.Created.Equal(c.Created) && f.sequence() < c.Sequence && f.sequence() >= c.RefilledAt && last.Next < c.Next &&
		c.Sequence-f.sequence() == c.Next-last.Next
}

// judge finds what a stream was last given of a log, from the stream and the last checkpoint. Its position is 0 where only the ordinal is known. Its
// error is a *HeldError where nobody but an operator can say how to go on.
func (f Form) judge(s found, c Checkpoint, log uuid.UUID) (place, error) {
	of, last, ours := uuid.Nil, place{}, false
	if s.last != nil {
		of, last, ours = readPlace(s.last.Header)
	}
	switch {
	case ours && of != log:
		return place{}, held("give each ledger a NATS account of its own; where the other is gone, purge the stream, and refill it",
			"stream %s holds events of log %s, and the recorder holds log %s", f.Stream, of, log)
	case c.none() && s.fresh():
		return place{}, nil
	case c.none() && ours:
		return last, nil // its checkpoint was not written yet, or lost
	case c.none() || s.last != nil && !ours && !(s.as(c) && s.sequence() == c.Sequence):
		return place{}, held(f.refill(c), "stream %s has held messages that no checkpoint tells of, and its end is none of the relay's", f.Stream)
	case c.LogID != log:
		return place{}, held("`allied relay refill --from 0` fills it from this log", "stream %s was filled from log %s, and the recorder holds log %s", f.Stream, c.LogID, log)
	case !s.exists:
		return place{}, held(f.refill(c), "stream %s is gone, and was filled up to ordinal %s", f.Stream, c.last())
	case s.as(c):
		return f.judgeGrown(s, c, last)
	case ours && s.cutBack(c, last):
		return last, nil
	case ours && last.Next >= c.Next && !s.info.Created.Equal(c.Created):
		return last, nil // made anew from a copy that holds all
	case s.info.Created.Equal(c.Created):
		return place{}, held(f.refill(c), "stream %s was set back: it ends at sequence %d, and was filled up to sequence %d, ordinal %s",
			f.Stream, s.sequence(), c.Sequence, c.last())
	default:
		return place{}, held(f.refill(c), "stream %s was made anew, and was filled up to ordinal %s before", f.Stream, c.last())
	}
}

// judgeGrown judges the stream of a checkpoint, with all that was written after it: one message for each event.
func (f Form) judgeGrown(s found, c Checkpoint, last place) (place, error) {
	grown := s.sequence() - c.Sequence
	switch {
	case grown == 0:
		return c.place, nil // and whatever was removed
	case s.last == nil:
		return place{Next: c.Next + grown}, nil // published, and removed before it was noted
	case last.Next != c.Next+grown:
		return place{}, held(f.refill(c), "stream %s has been written by somebody else: sequence %d has ordinal %d, and should have %d",
			f.Stream, s.sequence(), last.Next-1, c.Next+grown-1)
	}
	return last, nil
}

// last is the ordinal of the last event that a checkpoint tells of.
func (c Checkpoint) last() string {
	if c.Next == 0 {
		return "none"
	}
	return fmt.Sprint(c.Next - 1)
}

// goOn finds where to go on in a log. Where the stream has lost messages, what they said must be there as it was: whoever has had it does not hear
// what else has those ordinals.
func (f Form) goOn(ctx context.Context, source engine.Source, s found, c Checkpoint, head engine.LogHead) (place, error) {
	at, err := f.judge(s, c, head.LogID)
	if err == nil && at.Next < c.Next {
		_, err = settle(ctx, source, head, c.place)
	}
	if err != nil {
		return place{}, err
	}
	return settle(ctx, source, head, at)
}

// settle finds a place in the log, and holds where the log does not have it: then it was restored from a copy that ends before, or is another
// that grew from one.
func settle(ctx context.Context, source engine.Source, head engine.LogHead, at place) (place, error) {
	const remedy = "restore the log from a copy that has all its events; where it is right as it is, `allied relay refill --from` names the ordinal to go on from"
	if at.Next == 0 {
		return place{}, nil
	}
	if at.Next > head.Events {
		return place{}, held(remedy, "%d events were published, and the log has %d", at.Next, head.Events)
	}
	from := at.Position
	if from == 0 {
		var err error
		if from, err = locate(ctx, source, head, at.Next-1); err != nil {
			return place{}, err
		}
	}
	e, err := first(ctx, source, from-1)
	switch {
	case err != nil:
		return place{}, err
	case e.Ordinal+1 != at.Next, at.Position != 0 && (e.Position != at.Position || e.ID != at.Event):
		return place{}, held(remedy, "event %s was published as ordinal %d, and the log has event %s there or before", at.Event, at.Next-1, e.ID)
	}
	return placeOf(e), nil
}

// first is the first entry after a position.
func first(ctx context.Context, source engine.Source, after es.Position) (es.Entry, error) {
	for e, err := range source.Read(ctx, after) {
		return e, err
	}
	return es.Entry{}, fmt.Errorf("the log has nothing after position %d", after)
}

// locate finds the position of an ordinal, which the log has, by halving.
func locate(ctx context.Context, source engine.Source, head engine.LogHead, ordinal uint64) (es.Position, error) {
	low, high := es.Position(0), head.Position // the entry is after low, and not after high
	for low < high {
		middle := low + (high-low)/2
		e, err := first(ctx, source, middle)
		switch {
		case err != nil:
			return 0, err
		case e.Ordinal == ordinal:
			return e.Position, nil
		case e.Ordinal < ordinal:
			low = e.Position
		default:
			high = e.Prev
		}
	}
	return 0, fmt.Errorf("the log has no ordinal %d", ordinal)
}
