// Package feed gives projection workers the recorder's log and broadcast over NATS.
package feed

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/allied-ledger/allied/services/internal/remotelog"
	"github.com/allied-ledger/allied/services/recorder"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

const (
	// framesWaitingMax: what a slow worker does not take is lost to it, and it reads the log.
	framesWaitingMax = 64
	pendingBytesMax  = 32 << 20
	subscribeWaitMax = 5 * time.Second
)

// Feed is an engine.Source over one connection, which stays its caller's.
type Feed struct {
	nc  *nats.Conn
	log *remotelog.Log
	zap *zap.Logger
}

var _ engine.Source = (*Feed)(nil)

// New returns a feed.
func New(nc *nats.Conn, log *zap.Logger) *Feed { return &Feed{nc, remotelog.New(nc), log} }

// Head names the log and its end.
func (f *Feed) Head(ctx context.Context) (engine.LogHead, error) {
	h, id, err := f.log.Head(ctx)
	if err != nil {
		return engine.LogHead{}, err
	}
	logID, err := uuid.Parse(id)
	if err != nil {
		return engine.LogHead{}, fmt.Errorf("the recorder names its log %q: %w", id, err)
	}
	return engine.LogHead{LogID: logID, Head: h}, nil
}

// Read yields the log's entries after a position.
func (f *Feed) Read(ctx context.Context, after es.Position) iter.Seq2[es.Entry, error] {
	return f.log.Read(ctx, after)
}

// Subscribe delivers the recorder's broadcast until ctx ends or the connection is closed. What is broadcast while the connection is away is
// lost, like any other frame: the next one shows the gap.
func (f *Feed) Subscribe(ctx context.Context) (<-chan engine.Frame, error) {
	sub, err := f.nc.SubscribeSync(recorder.FramesSubject)
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", recorder.FramesSubject, err)
	}
	if err := f.prepare(ctx, sub); err != nil {
		return nil, errors.Join(fmt.Errorf("subscribe to %s: %w", recorder.FramesSubject, err), sub.Unsubscribe())
	}
	frames := make(chan engine.Frame, framesWaitingMax)
	go f.deliver(ctx, sub, frames) // ends with ctx or the connection
	return frames, nil
}

// prepare returns once the server has the subscription: what is broadcast after this is delivered.
func (f *Feed) prepare(ctx context.Context, sub *nats.Subscription) error {
	if err := sub.SetPendingLimits(framesWaitingMax, pendingBytesMax); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, subscribeWaitMax)
	defer cancel()
	return f.nc.FlushWithContext(ctx)
}

func (f *Feed) deliver(ctx context.Context, sub *nats.Subscription, frames chan<- engine.Frame) {
	defer close(frames)
	defer func() { _ = sub.Unsubscribe() }() // fails only where the connection is closed
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrSlowConsumer) {
			continue
		}
		if err != nil {
			return
		}
		frame, err := decode(m.Data)
		if err != nil {
			f.zap.Warn("frame not read", zap.Error(err))
			continue
		}
		select {
		case frames <- frame:
		default:
		}
	}
}

func decode(data []byte) (engine.Frame, error) {
	var in logv1.Frame
	if err := proto.Unmarshal(data, &in); err != nil {
		return engine.Frame{}, fmt.Errorf("decode frame: %w", err)
	}
	logID, err := uuid.Parse(in.GetHead().GetLogId())
	if err != nil {
		return engine.Frame{}, fmt.Errorf("decode frame: log id: %w", err)
	}
	out := engine.Frame{Head: engine.LogHead{LogID: logID, Head: es.Head{
		Position: es.Position(in.Head.Position), Events: in.Head.Events,
	}}}
	for _, p := range in.Entries {
		e, err := wire.FromProto(p)
		if err != nil {
			return engine.Frame{}, fmt.Errorf("decode frame: %w", err)
		}
		out.Entries = append(out.Entries, e)
	}
	return out, nil
}
