package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/allied-ledger/allied/services/internal/remotelog"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
)

const (
	// requestsInFlightMax lets one request's answer be waited for while the next is filled and sent.
	requestsInFlightMax = 2
	requestAppendsMax   = 512
	requestWaitMax      = 5 * time.Second
	// requestSlackBytes is what a request needs beside its appends.
	requestSlackBytes = 1 << 10
)

// appender puts the appends that wait at the same moment into one request to the recorder: while one is in flight, the next fills up.
type appender struct {
	log      *remotelog.Log
	bytesMax int
	waiting  chan *pending
}

type pending struct {
	append *logv1.Append
	size   int
	answer chan appended // holds one
}

type appended struct {
	logID  string
	result *logv1.AppendResult
	err    error // remotelog.ErrUnavailable: not sent; any other: perhaps recorded
}

func newAppender(log *remotelog.Log, payloadBytesMax int) *appender {
	return &appender{log: log, bytesMax: payloadBytesMax - requestSlackBytes, waiting: make(chan *pending, commandsInFlightMax)}
}

// tooLargeError: one append is larger than a message may be.
type tooLargeError struct{ sizeBytes, maxBytes int }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the events that the command leads to have %d bytes, and a message carries %d", e.sizeBytes, e.maxBytes)
}

// Append sends one append, together with others, and returns the recorder's answer.
func (a *appender) Append(ctx context.Context, in *logv1.Append) (string, *logv1.AppendResult, error) {
	p := &pending{append: in, size: proto.Size(in) + 8, answer: make(chan appended, 1)}
	if p.size > a.bytesMax {
		return "", nil, &tooLargeError{p.size, a.bytesMax}
	}
	select {
	case a.waiting <- p:
	case <-ctx.Done():
		return "", nil, fmt.Errorf("%w: %w before the append was sent", remotelog.ErrUnavailable, ctx.Err())
	}
	select {
	case out := <-p.answer:
		return out.logID, out.result, out.err
	case <-ctx.Done():
		return "", nil, ctx.Err()
	}
}

// Run sends until ctx ends.
func (a *appender) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range requestsInFlightMax {
		g.Go(func() error { return a.send(ctx) })
	}
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (a *appender) send(ctx context.Context) error {
	var next *pending // taken from the queue, and too large for the request before
	for {
		if next == nil {
			select {
			case next = <-a.waiting:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		batch, size := []*pending{next}, next.size
		next = nil
	fill:
		for len(batch) < requestAppendsMax {
			select {
			case p := <-a.waiting:
				if size+p.size > a.bytesMax {
					next = p
					break fill
				}
				batch, size = append(batch, p), size+p.size
			default:
				break fill
			}
		}
		a.sendBatch(ctx, batch)
	}
}

func (a *appender) sendBatch(ctx context.Context, batch []*pending) {
	ctx, cancel := context.WithTimeout(ctx, requestWaitMax)
	defer cancel()
	appends := make([]*logv1.Append, len(batch))
	for i, p := range batch {
		appends[i] = p.append
	}
	logID, results, err := a.log.Append(ctx, appends)
	for i, p := range batch {
		out := appended{logID: logID, err: err}
		if err == nil {
			out.result = results[i]
		}
		p.answer <- out
	}
}
