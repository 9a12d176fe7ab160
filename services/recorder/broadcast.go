package recorder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
)

const (
	// headEvery bounds for how long a reader that lost the last frame does not know it.
	headEvery = 500 * time.Millisecond
	// frameRecordBytesMax: a larger record is announced by its place alone; who needs it reads the log.
	frameRecordBytesMax = 256 << 10
	frameBytesMax       = 512 << 10
)

// Run broadcasts every commit as it becomes durable, and the head every 500 ms, until ctx ends. Delivery is never trusted, so a frame that
// cannot be sent is only logged: readers see the gap and read the log. An error means that the log cannot be read.
func (r *Recorder) Run(ctx context.Context) error {
	from, err := r.log.Head(ctx)
	if err != nil {
		return fmt.Errorf("broadcast: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	if r.turn != nil {
		g.Go(func() error { return r.turn.listen(ctx) })
	}
	g.Go(func() error { return r.broadcastTail(ctx, from.Position) })
	g.Go(func() error { return r.broadcastHead(ctx) })
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("broadcast: %w", err)
	}
	return nil
}

func (r *Recorder) broadcastTail(ctx context.Context, after es.Position) error {
	for entries, err := range r.log.Tail(ctx, after) {
		if err != nil {
			return err
		}
		if !r.turn.mine() {
			continue
		}
		frame, size := &logv1.Frame{}, 0
		for _, e := range entries {
			p := wire.ToProto(e)
			if len(p.Record) > frameRecordBytesMax {
				p.Record = nil
			}
			if n := len(p.Record) + entryOverheadBytes; size+n > frameBytesMax {
				if err := r.send(frame); err != nil {
					return err
				}
				frame, size = &logv1.Frame{}, 0
			}
			size += len(p.Record) + entryOverheadBytes
			frame.Entries = append(frame.Entries, p)
			frame.Head = r.headOf(es.Head{Position: e.Position, Events: e.Ordinal + 1})
		}
		if err := r.send(frame); err != nil {
			return err
		}
	}
	return nil
}

// broadcastHead goes on while a store beyond the network does not answer.
func (r *Recorder) broadcastHead(ctx context.Context) error {
	tick := time.NewTicker(headEvery)
	defer tick.Stop()
	silent := false
	for {
		if r.turn.mine() {
			h, err := r.log.Head(ctx)
			if errors.Is(err, es.ErrClosed) {
				return err
			}
			if err != nil && !silent && ctx.Err() == nil {
				r.zap.Warn("the log does not tell its head; asking again", zap.Error(err))
			}
			silent = err != nil
			if err == nil {
				if err := r.send(&logv1.Frame{Head: r.headOf(h)}); err != nil {
					return err
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *Recorder) send(f *logv1.Frame) error {
	data, err := proto.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode frame: %w", err)
	}
	// After Stop the connection is gone, and so is the need: a reader learns from the next recorder's head.
	if err := r.service.Publish(FramesSubject, data, r.turn.header()); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		r.zap.Warn("frame not sent", zap.Uint64("position", f.Head.Position), zap.Error(err))
	}
	return nil
}
