package relay

import (
	"context"
	"errors"
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Report is what is found of a stream from outside, whether a relay runs or not.
type Report struct {
	Stream string `json:"stream"`
	// Exists: the stream is there. Messages are those that it holds now, and Sequence is the last one that it has given.
	Exists   bool   `json:"exists"`
	Messages uint64 `json:"messages"`
	Sequence uint64 `json:"sequence"`
	// Next is the ordinal of the event that is published next, unless Held says why none is.
	Next uint64     `json:"next"`
	Held *HeldError `json:"held"`
	// LogEvents is how many events the log has.
	LogEvents uint64 `json:"log_events"`
	// Checkpoint is nil where no relay has run.
	Checkpoint *Checkpoint `json:"checkpoint"`
}

// Inspect looks at a stream and changes nothing.
func Inspect(ctx context.Context, js jetstream.JetStream, source engine.Source, f Form) (Report, error) {
	out := Report{Stream: f.Stream}
	kv, err := js.KeyValue(ctx, Bucket)
	if err != nil && !errors.Is(err, jetstream.ErrBucketNotFound) {
		return out, withoutStreams(err)
	}
	var c Checkpoint
	if err == nil {
		var revision uint64
		if c, revision, err = readCheckpoint(ctx, kv, f.key()); err != nil {
			return out, err
		}
		if revision > 0 {
			out.Checkpoint = &c
		}
	}
	now, _, err := find(ctx, js, f.Stream)
	if err != nil {
		return out, withoutStreams(err)
	}
	if out.Exists = now.exists; now.exists {
		out.Messages, out.Sequence = now.info.State.Msgs, now.info.State.LastSeq
	}
	head, err := source.Head(ctx)
	if err != nil {
		return out, fmt.Errorf("ask for the log's head: %w", err)
	}
	out.LogEvents = head.Events
	at, err := f.goOn(ctx, source, now, c, head)
	out.Next = at.Next
	if errors.As(err, &out.Held) {
		return out, nil
	}
	return out, err
}

// Refill asks whichever relay publishes the form to publish events from an ordinal on, whatever the stream has or had of them. A relay that is not
// running takes it up when it is. Its error is an *es.Refusal where the log has no such place.
func Refill(ctx context.Context, js jetstream.JetStream, source engine.Source, f Form, from uint64) error {
	head, err := source.Head(ctx)
	if err != nil {
		return fmt.Errorf("ask for the log's head: %w", err)
	}
	if from > head.Events {
		return &es.Refusal{
			Code: "out_of_range", Field: "from", Reason: fmt.Sprintf("the log has %d events, and ordinal %d would leave a gap", head.Events, from),
			Remedy: fmt.Sprintf("name an ordinal of at most %d, which publishes what is recorded from now on", head.Events),
		}
	}
	kv, err := js.KeyValue(ctx, Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return &es.Refusal{
			Code: "no_relay", Reason: "no relay has ever run here",
			Remedy: "start a process with the role relay: it fills a stream that was never there from the begin",
		}
	}
	if err != nil {
		return withoutStreams(err)
	}
	for {
		c, revision, err := readCheckpoint(ctx, kv, f.key())
		if err != nil {
			return err
		}
		c.RefillFrom = &from
		_, err = writeCheckpoint(ctx, kv, f.key(), c, revision)
		if !errors.Is(err, errChanged) { // else a relay has just written its own
			return err
		}
	}
}

// AwaitRefill returns once a relay has taken up what Refill asked for, and tells whether one has before ctx ended.
func AwaitRefill(ctx context.Context, js jetstream.JetStream, f Form) (taken bool, err error) {
	kv, err := js.KeyValue(ctx, Bucket)
	if err != nil {
		return false, err
	}
	w, err := kv.Watch(ctx, f.key())
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, w.Stop()) }()
	for {
		select {
		case <-ctx.Done():
			return false, nil
		case e, open := <-w.Updates():
			switch {
			case !open:
				return false, nats.ErrConnectionClosed
			case e == nil: // after what there was
				continue
			}
			c, _, err := readCheckpoint(ctx, kv, f.key())
			if err != nil || c.RefillFrom == nil {
				return err == nil, err
			}
		}
	}
}
