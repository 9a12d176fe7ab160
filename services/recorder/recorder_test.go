package recorder_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/events/memlog"
	"github.com/allied-ledger/allied/events/wire"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/internal/endpoint"
	"github.com/allied-ledger/allied/services/internal/remotelog"
	"github.com/allied-ledger/allied/services/recorder"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap/zaptest"
	"google.golang.org/protobuf/proto"
)

var stamp = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

type fixture struct {
	t    *testing.T
	nats *embednats.Server
	nc   *nats.Conn
	log  es.Log
	far  *remotelog.Log

	metrics *prometheus.Registry
}

func newFixture(t *testing.T, log es.Log) *fixture {
	t.Helper()
	s, err := embednats.Start(embednats.Config{InProcess: true, Logger: zaptest.NewLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	nc, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	f := &fixture{t: t, nats: s, nc: nc, log: log, far: remotelog.New(nc), metrics: prometheus.NewRegistry()}
	return f
}

// record starts a recorder of the fixture's log, which ends with the test or with stop.
func (f *fixture) record(cfg recorder.Config) (stop func()) {
	f.t.Helper()
	cfg.Clock, cfg.Logger = func() time.Time { return stamp }, zaptest.NewLogger(f.t)
	r, err := recorder.New(f.t.Context(), f.nats.Dial, f.log, cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		if err := r.Stop(context.Background()); err != nil {
			f.t.Error(err)
		}
		cancel()
		if err := <-ended; err != nil {
			f.t.Error(err)
		}
	})
	f.t.Cleanup(stop)
	return stop
}

func (f *fixture) append(appends ...*logv1.Append) []*logv1.AppendResult {
	f.t.Helper()
	id, results, err := f.far.Append(f.t.Context(), appends)
	if err != nil {
		f.t.Fatal(err)
	}
	if id != f.log.ID().String() {
		f.t.Fatalf("answered by log %s", id)
	}
	return results
}

func newAppend(stream string, expected int64, payloads ...[]byte) *logv1.Append {
	a := &logv1.Append{Stream: stream, ExpectedRevision: expected}
	for i, p := range payloads {
		id := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s %d %d", stream, expected, i))
		a.Events = append(a.Events, &logv1.NewEvent{EventId: id[:], Type: "allied.event.v1.PledgeFulfilled", Header: []byte("header"), Payload: p})
	}
	return a
}

func newStream() string { return es.StreamName("pledge", uuid.New()) }

func expectStatus(t *testing.T, r *logv1.AppendResult, want logv1.AppendStatus) {
	t.Helper()
	if r.Status != want {
		t.Fatalf("answered %v, want %v", r, want)
	}
}

func TestAppendsOfOneRequestAreJudgedAlone(t *testing.T) {
	f := newFixture(t, memlog.New())
	f.record(recorder.Config{Metrics: f.metrics})
	a, b := newStream(), newStream()
	r := f.append(newAppend(a, -1, []byte("1"), []byte("2")), newAppend(b, 7, []byte("x")), newAppend(b, -1, []byte("y")))
	expectStatus(t, r[0], logv1.AppendStatus_APPEND_STATUS_RECORDED)
	expectStatus(t, r[1], logv1.AppendStatus_APPEND_STATUS_CONFLICT)
	expectStatus(t, r[2], logv1.AppendStatus_APPEND_STATUS_RECORDED)
	if r[0].Ordinal != 1 || r[1].ActualRevision != -1 || r[2].Ordinal != 2 {
		t.Errorf("answers %v", r)
	}
	for e, err := range f.far.ReadStream(t.Context(), a, 1) {
		if err != nil {
			t.Fatal(err)
		}
		rec, err := wire.DecodeRecord(e.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Revision != 1 || rec.RecordedAtNanos != stamp.UnixNano() || string(rec.Payload) != "2" || string(rec.Header) != "header" {
			t.Errorf("record %v", rec)
		}
	}
}

func TestRepeatedAppendAnswersTheFirst(t *testing.T) {
	f := newFixture(t, memlog.New())
	f.record(recorder.Config{Metrics: f.metrics})
	s := newStream()
	first := f.append(newAppend(s, -1, []byte("1"), []byte("2")))[0]
	again := f.append(newAppend(s, -1, []byte("1"), []byte("2")))[0]
	if !proto.Equal(first, again) {
		t.Errorf("first %v, again %v", first, again)
	}
	other := f.append(newAppend(s, -1, []byte("1"), []byte("other")))[0]
	expectStatus(t, other, logv1.AppendStatus_APPEND_STATUS_CONFLICT)
}

func TestBadAppendsAreRefused(t *testing.T) {
	f := newFixture(t, memlog.New())
	f.record(recorder.Config{Metrics: f.metrics})
	short := newAppend(newStream(), -1, []byte("1"))
	short.Events[0].EventId = short.Events[0].EventId[:3]
	large := newAppend(newStream(), -1, make([]byte, embednats.PayloadBytesMax-6<<10))
	for _, bad := range []*logv1.Append{short, newAppend(newStream(), -2, []byte("1")), newAppend("", -1, []byte("1")), newAppend(newStream(), -1)} {
		r := f.append(bad, newAppend(newStream(), -1, []byte("good")))
		expectStatus(t, r[0], logv1.AppendStatus_APPEND_STATUS_REFUSED)
		expectStatus(t, r[1], logv1.AppendStatus_APPEND_STATUS_RECORDED)
		if r[0].Message == "" || r[0].Remedy == "" || r[0].Code == "" {
			t.Errorf("refused without a reason: %v", r[0])
		}
	}
	// The largest record that can be appended can be read back.
	expectStatus(t, f.append(large)[0], logv1.AppendStatus_APPEND_STATUS_RECORDED)
	n := 0
	for e, err := range f.far.ReadStream(t.Context(), large.Stream, 0) {
		if err != nil || len(e.Bytes) < len(large.Events[0].Payload) {
			t.Fatalf("%d bytes: %v", len(e.Bytes), err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d events read", n)
	}
	tooLarge := newAppend(newStream(), -1, make([]byte, embednats.PayloadBytesMax-1<<10))
	expectStatus(t, f.append(tooLarge)[0], logv1.AppendStatus_APPEND_STATUS_REFUSED)
}

func TestMalformedRequestsAreAnswered(t *testing.T) {
	f := newFixture(t, memlog.New())
	f.record(recorder.Config{Metrics: f.metrics})
	for _, subject := range []string{recorder.AppendSubject, recorder.ReadSubject, recorder.StreamSubject} {
		m, err := f.nc.RequestWithContext(t.Context(), subject, []byte{0xff})
		if err != nil {
			t.Fatal(err)
		}
		var failed *endpoint.FailedError
		if err := endpoint.Failure(m); !errors.As(err, &failed) || failed.Code != "malformed_request" {
			t.Errorf("%s answered %v", subject, err)
		}
	}
}

func TestPagesHoldAllInOrder(t *testing.T) {
	f := newFixture(t, memlog.New())
	f.record(recorder.Config{Metrics: f.metrics})
	payload := bytes.Repeat([]byte("x"), 100<<10)
	for range 40 {
		expectStatus(t, f.append(newAppend(newStream(), -1, payload))[0], logv1.AppendStatus_APPEND_STATUS_RECORDED)
	}
	var want uint64
	for e, err := range f.far.Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Ordinal != want {
			t.Fatalf("ordinal %d, want %d", e.Ordinal, want)
		}
		want++
	}
	if want != 40 {
		t.Errorf("%d entries read, want 40", want)
	}
	if _, _, err := f.far.Head(t.Context()); err != nil {
		t.Error(err)
	}
	for _, err := range f.far.Read(t.Context(), 1<<40) {
		if err == nil || !strings.Contains(err.Error(), "read_failed") {
			t.Errorf("a position beyond the head answers %v", err)
		}
	}
}

func TestFramesAnnounceEveryCommit(t *testing.T) {
	f := newFixture(t, memlog.New())
	sub, err := f.nc.SubscribeSync(recorder.FramesSubject)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	f.record(recorder.Config{Metrics: f.metrics})
	next := func() *logv1.Frame {
		t.Helper()
		m, err := sub.NextMsg(10 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Data) > embednats.PayloadBytesMax {
			t.Fatalf("a frame of %d bytes", len(m.Data))
		}
		frame := new(logv1.Frame)
		if err := proto.Unmarshal(m.Data, frame); err != nil {
			t.Fatal(err)
		}
		return frame
	}
	if first := next(); first.Head.Position != 0 || first.Head.LogId != f.log.ID().String() {
		t.Errorf("the first head %v", first.Head)
	}
	small, large := bytes.Repeat([]byte("x"), 200<<10), bytes.Repeat([]byte("y"), 300<<10)
	s := newStream()
	for i, p := range [][]byte{small, small, large, small, small} {
		expectStatus(t, f.append(newAppend(s, int64(i)-1, p))[0], logv1.AppendStatus_APPEND_STATUS_RECORDED)
	}
	var ordinal, prev uint64
	for ordinal < 5 {
		frame := next()
		for _, e := range frame.Entries {
			if e.Ordinal != ordinal || e.Prev != prev {
				t.Fatalf("entry %d after %d, want %d after %d", e.Ordinal, e.Prev, ordinal, prev)
			}
			if announced := len(e.Record) == 0; announced != (ordinal == 2) {
				t.Errorf("entry %d has %d bytes of record", e.Ordinal, len(e.Record))
			}
			ordinal, prev = ordinal+1, e.Position
		}
		if n := len(frame.Entries); n > 0 && frame.Head.Position != frame.Entries[n-1].Position {
			t.Errorf("a frame that ends at %d names head %d", frame.Entries[n-1].Position, frame.Head.Position)
		}
	}
	// The head is repeated, for who lost the last frame.
	for frame := next(); frame.Head.Position != prev || len(frame.Entries) > 0; frame = next() {
	}
}

func TestSecondRecorderIsRefused(t *testing.T) {
	f := newFixture(t, memlog.New())
	f.record(recorder.Config{Metrics: f.metrics})
	_, err := recorder.New(t.Context(), f.nats.Dial, memlog.New(), recorder.Config{Clock: time.Now, Logger: zaptest.NewLogger(t)})
	if err == nil || !strings.Contains(err.Error(), f.log.ID().String()) {
		t.Errorf("a second recorder: %v", err)
	}
}

// refusing is a log that takes no appends when a test says so.
type refusing struct {
	es.Log
	why error
}

func (l *refusing) Refusal() error { return l.why }

func TestAHeadSaysWhyNothingIsTaken(t *testing.T) {
	log := &refusing{Log: memlog.New()}
	f := newFixture(t, log)
	f.record(recorder.Config{Metrics: f.metrics})
	if a, err := f.far.About(t.Context()); err != nil || a.Refusal != nil || a.LogID != log.ID().String() || a.Dir != "" {
		t.Errorf("of a log that takes appends: %+v, %v", a, err)
	}
	log.why = &filelog.LatchedError{Cause: errors.New("write é:\nfailed")}
	a, err := f.far.About(t.Context())
	if err != nil || a.Refusal == nil || a.Refusal.Code != "store_latched" || !strings.Contains(a.Refusal.Reason, "write é:\nfailed") || a.Refusal.Remedy == "" {
		t.Errorf("of a latched log: %+v, %v", a, err)
	}
}

func TestAppendsAreCountedByOutcome(t *testing.T) {
	f := newFixture(t, memlog.New())
	f.record(recorder.Config{Metrics: f.metrics})
	s := newStream()
	f.append(newAppend(s, -1, []byte("1")), newAppend(s, 7, []byte("x")), newAppend(s, -5, []byte("y")))
	f.append(newAppend(s, 0, []byte("2")))
	want := `
# HELP allied_appends_total Appends answered, by outcome. Unknown is perhaps recorded; all others but recorded are not.
# TYPE allied_appends_total counter
allied_appends_total{outcome="busy"} 0
allied_appends_total{outcome="conflict"} 1
allied_appends_total{outcome="recorded"} 2
allied_appends_total{outcome="refused"} 1
allied_appends_total{outcome="unknown"} 0
`
	if err := testutil.GatherAndCompare(f.metrics, strings.NewReader(want), "allied_appends_total"); err != nil {
		t.Error(err)
	}
	families, err := f.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range families {
		if m.GetName() == "allied_append_duration_seconds" && m.Metric[0].GetHistogram().GetSampleCount() != 2 {
			t.Errorf("%v of 2 requests", m)
		}
	}
}

// unread is a log that has all, and whose streams cannot be read for now.
type unread struct{ es.Log }

func (unread) ReadStream(context.Context, string, uint64) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) { yield(es.Entry{}, fmt.Errorf("%w: no connection", es.ErrBusy)) }
}

// A repeat of what is recorded is not called busy, which says that it is not recorded, where the first cannot be read.
func TestARepeatThatCannotBeComparedIsUnknown(t *testing.T) {
	f := newFixture(t, unread{memlog.New()})
	f.record(recorder.Config{})
	a := newAppend(newStream(), es.NoStream, []byte("x"))
	expectStatus(t, f.append(a)[0], logv1.AppendStatus_APPEND_STATUS_RECORDED)
	expectStatus(t, f.append(a)[0], logv1.AppendStatus_APPEND_STATUS_UNKNOWN)
}
