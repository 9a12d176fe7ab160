// Package remotelog speaks to the recorder: it reads and appends over NATS.
package remotelog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/allied-ledger/allied/services/internal/endpoint"
	"github.com/allied-ledger/allied/services/internal/pause"
	"github.com/allied-ledger/allied/services/recorder"
	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"
)

// ErrUnavailable: nobody answers; nothing was done.
var ErrUnavailable = errors.New("the recorder is not there")

const (
	readWaitMax   = 10 * time.Second
	readTriesMax  = 5
	readRetryWait = 50 * time.Millisecond
)

// Log is the recorder's log as seen from another service.
type Log struct{ nc *nats.Conn }

// New reads and appends over a connection that stays its caller's.
func New(nc *nats.Conn) *Log { return &Log{nc} }

// Append sends appends in one message and returns an answer to each, and the log's id. An error other than ErrUnavailable means that each may
// be recorded or not.
func (l *Log) Append(ctx context.Context, appends []*logv1.Append) (logID string, results []*logv1.AppendResult, err error) {
	var out logv1.AppendResponse
	if err := l.ask(ctx, recorder.AppendSubject, &logv1.AppendRequest{Appends: appends}, &out); err != nil {
		return "", nil, fmt.Errorf("append: %w", err)
	}
	if len(out.Results) != len(appends) {
		return "", nil, fmt.Errorf("append: %d answers to %d appends", len(out.Results), len(appends))
	}
	return out.LogId, out.Results, nil
}

// Head is where the log ends, and the log's id.
func (l *Log) Head(ctx context.Context) (es.Head, string, error) {
	var out logv1.Head
	if err := l.retry(ctx, recorder.HeadSubject, &logv1.HeadRequest{}, &out); err != nil {
		return es.Head{}, "", fmt.Errorf("ask for the log's head: %w", err)
	}
	return es.Head{Position: es.Position(out.Position), Events: out.Events}, out.LogId, nil
}

// CheckReach refuses a position that a request wants held, and that the log does not reach: to wait for it would be in vain, since what a
// command was answered to is in the log. Its error is an *es.Refusal.
func CheckReach(head es.Head, logID string, atLeast es.Position) error {
	if atLeast <= head.Position {
		return nil
	}
	return &es.Refusal{
		Code: "behind", Field: "at_least", Reason: fmt.Sprintf("the log ends at position %d, before %d", head.Position, atLeast),
		Remedy: "check that the position is of this ledger: its log is " + logID,
	}
}

// About is what a recorder says of its log.
type About struct {
	es.Head
	LogID string
	// Dir is the ledger's folder on the recorder's machine; empty where its log is in none.
	Dir string
	// Refusal is why the log takes no appends now; nil where it takes them.
	Refusal *es.Refusal
}

// About asks the recorder once.
func (l *Log) About(ctx context.Context) (About, error) {
	ctx, cancel := context.WithTimeout(ctx, readWaitMax)
	defer cancel()
	var head logv1.Head
	m, err := l.request(ctx, recorder.HeadSubject, &logv1.HeadRequest{}, &head)
	if err != nil {
		return About{}, fmt.Errorf("ask the recorder about its log: %w", err)
	}
	out := About{Head: es.Head{Position: es.Position(head.Position), Events: head.Events}, LogID: head.LogId}
	if out.Dir, err = url.PathUnescape(m.Header.Get(recorder.DirHeader)); err != nil {
		return About{}, fmt.Errorf("ask the recorder about its log: its folder: %w", err)
	}
	if text := m.Header.Get(recorder.RefusalHeader); text != "" {
		if err := json.Unmarshal([]byte(text), &out.Refusal); err != nil {
			return About{}, fmt.Errorf("ask the recorder about its log: why it takes no appends: %w", err)
		}
	}
	return out, nil
}

// Page is a run of entries, and the log that they are of.
type Page struct {
	LogID   string
	Entries []es.Entry
	// End: nothing followed when the page was read. A page that is not the end has entries.
	End bool
}

// Page returns the entries after a position that fit one message.
func (l *Log) Page(ctx context.Context, after es.Position) (Page, error) {
	p, err := l.page(ctx, recorder.ReadSubject, &logv1.ReadRequest{After: uint64(after)})
	if err != nil {
		return Page{}, fmt.Errorf("read the log after position %d: %w", after, err)
	}
	return p, nil
}

// StreamPage returns the stream's entries from a revision on that fit one message.
func (l *Log) StreamPage(ctx context.Context, stream string, from uint64) (Page, error) {
	p, err := l.page(ctx, recorder.StreamSubject, &logv1.ReadStreamRequest{Stream: stream, FromRevision: from})
	if err != nil {
		return Page{}, fmt.Errorf("read stream %s from revision %d: %w", stream, from, err)
	}
	return p, nil
}

// Read yields the entries after a position, and ends at the last that was durable when the last page was read.
func (l *Log) Read(ctx context.Context, after es.Position) iter.Seq2[es.Entry, error] {
	return pages(func() (Page, error) { return l.Page(ctx, after) }, func(last es.Entry) { after = last.Position })
}

// ReadStream yields the stream's entries from a revision on.
func (l *Log) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[es.Entry, error] {
	return pages(func() (Page, error) { return l.StreamPage(ctx, stream, from) }, func(last es.Entry) { from = last.Revision + 1 })
}

func pages(next func() (Page, error), advance func(last es.Entry)) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		for {
			p, err := next()
			if err != nil {
				yield(es.Entry{}, err)
				return
			}
			for _, e := range p.Entries {
				if !yield(e, nil) {
					return
				}
			}
			if p.End {
				return
			}
			advance(p.Entries[len(p.Entries)-1])
		}
	}
}

func (l *Log) page(ctx context.Context, subject string, in proto.Message) (Page, error) {
	var out logv1.ReadResponse
	if err := l.retry(ctx, subject, in, &out); err != nil {
		return Page{}, err
	}
	if len(out.Entries) == 0 && !out.End {
		return Page{}, errors.New("the recorder answered an empty page that is not the last")
	}
	p := Page{LogID: out.LogId, Entries: make([]es.Entry, len(out.Entries)), End: out.End}
	for i, in := range out.Entries {
		e, err := wire.FromProto(in)
		if err != nil {
			return Page{}, err
		}
		if len(e.Bytes) == 0 {
			return Page{}, fmt.Errorf("the recorder answered position %d without its record", e.Position)
		}
		p.Entries[i] = e
	}
	return p, nil
}

// retry asks again what changes nothing, since a reader need not know that a message was lost.
func (l *Log) retry(ctx context.Context, subject string, in, out proto.Message) error {
	for try := 1; ; try++ {
		err := l.askWithin(ctx, subject, in, out)
		if err == nil || ctx.Err() != nil || try == readTriesMax || errors.Is(err, nats.ErrConnectionClosed) {
			return err
		}
		var failed *endpoint.FailedError
		var damage *es.DamageError
		if errors.As(err, &failed) && failed.Code != "busy" || errors.As(err, &damage) {
			return err
		}
		if pause.For(ctx, readRetryWait<<try) != nil {
			return err
		}
	}
}

// readDamage returns the damage that the recorder met, as who reads the log itself would meet it, or the error as it is.
func readDamage(err error, body []byte) error {
	var failed *endpoint.FailedError
	damage := new(es.DamageError)
	if !errors.As(err, &failed) || failed.Code != recorder.CodeDamaged || json.Unmarshal(body, damage) != nil {
		return err
	}
	return damage
}

func (l *Log) askWithin(ctx context.Context, subject string, in, out proto.Message) error {
	ctx, cancel := context.WithTimeout(ctx, readWaitMax)
	defer cancel()
	return l.ask(ctx, subject, in, out)
}

func (l *Log) ask(ctx context.Context, subject string, in, out proto.Message) error {
	_, err := l.request(ctx, subject, in, out)
	return err
}

// request is ask for who reads the answer's headers, too.
func (l *Log) request(ctx context.Context, subject string, in, out proto.Message) (*nats.Msg, error) {
	data, err := proto.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	m, err := l.nc.RequestWithContext(ctx, subject, data)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("%w: nobody answers %s", ErrUnavailable, subject)
	case err != nil:
		return nil, err
	}
	if err := endpoint.Failure(m); err != nil {
		return nil, readDamage(err, m.Data)
	}
	return m, proto.Unmarshal(m.Data, out)
}
