package command_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/memlog"
	"github.com/allied-ledger/allied/events/wire"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/internal/route"
	"github.com/allied-ledger/allied/services/pledges"
	"github.com/allied-ledger/allied/services/recorder"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"google.golang.org/protobuf/proto"
)

// faulty is a log that can be told to fail.
type faulty struct {
	es.Log
	mu     sync.Mutex
	append func(ctx context.Context, appends []es.Append) []es.Result // nil: as the log itself
}

func (f *faulty) Append(ctx context.Context, appends []es.Append) []es.Result {
	f.mu.Lock()
	do := f.append
	f.mu.Unlock()
	if do != nil {
		return do(ctx, appends)
	}
	return f.Log.Append(ctx, appends)
}

func (f *faulty) fail(do func(context.Context, []es.Append) []es.Result) {
	f.mu.Lock()
	f.append = do
	f.mu.Unlock()
}

func all(appends []es.Append, err error) []es.Result {
	out := make([]es.Result, len(appends))
	for i := range out {
		out[i].Err = err
	}
	return out
}

// world is a ledger of real services on a real NATS server, whose log can be told to fail.
type world struct {
	t      *testing.T
	nats   *embednats.Server
	log    *faulty
	nc     *nats.Conn
	client *client.Client
	zap    *zap.Logger
}

type runner interface {
	Run(context.Context) error
	Stop(context.Context) error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	log := zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))
	s, err := embednats.Start(embednats.Config{InProcess: true, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w := &world{t: t, nats: s, log: &faulty{Log: memlog.New()}, zap: log}
	nc, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	w.nc, w.client = nc, client.New(nc, client.Config{})
	return w
}

// run runs a role until the test or stop ends it.
func (w *world) run(r runner) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			if err := r.Stop(context.Background()); err != nil {
				w.t.Error(err)
			}
			cancel()
			if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
				w.t.Error(err)
			}
		})
	}
	w.t.Cleanup(stop)
	return stop
}

func (w *world) record() (stop func()) {
	w.t.Helper()
	r, err := recorder.New(w.t.Context(), w.nats.Dial, w.log, recorder.Config{Clock: time.Now, Logger: w.zap})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.run(r)
}

func (w *world) decide() (stop func()) {
	w.t.Helper()
	h, err := command.New(w.nats.Dial, pledges.Spec, command.Config{Logger: w.zap})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.run(h)
}

func (w *world) submit(cmd *apiv1.Command) *apiv1.Answer {
	w.t.Helper()
	a, err := w.client.Submit(w.t.Context(), cmd)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) expect(cmd *apiv1.Command, outcome string) *apiv1.Answer {
	w.t.Helper()
	a := w.submit(cmd)
	if a.Outcome != outcome {
		w.t.Fatalf("got %v, want outcome %s", a, outcome)
	}
	return a
}

// once sends a command without the client's retries.
func (w *world) once(cmd *apiv1.Command) *apiv1.Answer {
	w.t.Helper()
	service, err := route.Service(cmd)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := route.Complete(cmd); err != nil {
		w.t.Fatal(err)
	}
	data, err := proto.Marshal(cmd)
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := w.nc.RequestWithContext(w.t.Context(), route.Subject(service, cmd.Stream), data)
	if err != nil {
		w.t.Fatal(err)
	}
	a := new(apiv1.Answer)
	if err := proto.Unmarshal(m.Data, a); err != nil {
		w.t.Fatal(err)
	}
	return a
}

// facts counts the events of every command in the log.
func (w *world) facts() map[string]int {
	w.t.Helper()
	counts := map[string]int{}
	for e, err := range w.log.Log.Read(context.Background(), 0) {
		if err != nil {
			w.t.Fatal(err)
		}
		f, err := wire.Decode(e)
		if err != nil {
			w.t.Fatal(err)
		}
		counts[uuid.UUID(f.Envelope.CommandId).String()]++
	}
	return counts
}

func commit(amount string) *apiv1.Command {
	return &apiv1.Command{
		CommandId: uuid.NewString(), Donor: "NOR", Beneficiary: "UKR", Effective: "2024-03-01",
		Body: &apiv1.Command_CommitPledge{CommitPledge: &apiv1.CommitPledge{Title: "Air defence", Commitments: []*apiv1.CommitLine{{
			Firmness: "firm", Line: line(amount),
		}}}},
	}
}

func allocate(stream, amount string) *apiv1.Command {
	return &apiv1.Command{
		CommandId: uuid.NewString(), Stream: stream, Effective: "2024-04-01",
		Body: &apiv1.Command_AllocatePledge{AllocatePledge: &apiv1.AllocatePledge{Title: "Package", Line: line(amount)}},
	}
}

func line(amount string) *apiv1.Line {
	return &apiv1.Line{Line: uuid.NewString(), Category: "MIL.AIRDEF", Instrument: "grant", Values: []*apiv1.Value{
		{Basis: "donor_stated", Asset: "EUR/2@donor_stated", Amount: amount},
	}}
}

func draw(stream, allocation, id, amount string) *apiv1.Command {
	return &apiv1.Command{
		CommandId: uuid.NewString(), Stream: stream, Effective: "2024-05-01",
		Body: &apiv1.Command_ReserveDraw{ReserveDraw: &apiv1.ReserveDraw{
			Draw: id, Allocation: allocation, Asset: "EUR/2@donor_stated", Amount: amount, ForStream: es.StreamName("shipment", uuid.New()),
		}},
	}
}

func release(stream, id string) *apiv1.Command {
	return &apiv1.Command{
		CommandId: uuid.NewString(), Stream: stream, Effective: "2024-06-01",
		Body: &apiv1.Command_ReleaseDraw{ReleaseDraw: &apiv1.ReleaseDraw{Draw: id}},
	}
}

func TestRecordedRepeatedRefused(t *testing.T) {
	w := newWorld(t)
	w.record()
	stop := w.decide()
	cmd := commit("625.00")
	first := w.expect(cmd, command.Recorded)
	w.expect(allocate(first.Stream, "700.00"), command.Refused)
	for _, when := range []string{"from the cache", "from the log"} {
		again := w.expect(cmd, command.Repeated)
		if again.Position != first.Position || again.Ordinal != first.Ordinal || again.Revision != first.Revision ||
			fmt.Sprint(again.EventIds) != fmt.Sprint(first.EventIds) || again.LogId != first.LogId {
			t.Errorf("a repeat answered %s is %v, the first answer was %v", when, again, first)
		}
		other := commit("626.00")
		other.CommandId, other.Stream = cmd.CommandId, cmd.Stream
		if a := w.expect(other, command.Refused); a.Code != "command_id_reused" {
			t.Errorf("another command under the same id: %v", a)
		}
		stop()
		w.decide()
	}
	if got := w.facts(); len(got) != 1 || got[cmd.CommandId] != 1 {
		t.Errorf("the log holds %v", got)
	}
}

func TestBusyRecordsNothing(t *testing.T) {
	w := newWorld(t)
	w.record()
	w.decide()
	w.log.fail(func(_ context.Context, appends []es.Append) []es.Result { return all(appends, es.ErrBusy) })
	cmd := commit("1.00")
	if a := w.once(cmd); a.Outcome != command.Busy || a.Code != "store_busy" {
		t.Errorf("answered %v", a)
	}
	if got := w.facts(); len(got) != 0 {
		t.Errorf("the log holds %v", got)
	}
	w.log.fail(nil)
	w.expect(cmd, command.Recorded)
}

func TestBusyWithoutRecorder(t *testing.T) {
	w := newWorld(t)
	stop := w.record()
	w.decide()
	w.expect(commit("1.00"), command.Recorded)
	stop()
	if a := w.once(commit("1.00")); a.Outcome != command.Busy || a.Code != "recorder_unavailable" {
		t.Errorf("answered %v", a)
	}
}

func TestUnknownThatWasRecordedIsLearnt(t *testing.T) {
	w := newWorld(t)
	w.record()
	w.decide()
	var failed atomic.Bool
	w.log.fail(func(ctx context.Context, appends []es.Append) []es.Result {
		res := w.log.Log.Append(ctx, appends)
		if failed.CompareAndSwap(false, true) {
			return all(appends, es.ErrUnknown) // persisted, and the answer is lost
		}
		return res
	})
	cmd := commit("1.00")
	w.expect(cmd, command.Recorded)
	if got := w.facts(); got[cmd.CommandId] != 1 {
		t.Errorf("the log holds %v", got)
	}
}

func TestUnknownIsResolvedByRepeating(t *testing.T) {
	for _, persisted := range []bool{false, true} {
		t.Run(fmt.Sprintf("persisted=%t", persisted), func(t *testing.T) {
			w := newWorld(t)
			w.record()
			w.decide()
			w.log.fail(func(ctx context.Context, appends []es.Append) []es.Result {
				if persisted {
					w.log.Log.Append(ctx, appends)
				}
				return all(appends, es.ErrUnknown)
			})
			cmd := commit("1.00")
			if a := w.once(cmd); a.Outcome != command.Unknown || a.Code != "store_unknown" {
				t.Fatalf("answered %v", a)
			}
			w.log.fail(nil)
			if a := w.submit(cmd); a.Outcome != command.Recorded && a.Outcome != command.Repeated {
				t.Fatalf("repeated: %v", a)
			}
			if got := w.facts(); got[cmd.CommandId] != 1 {
				t.Errorf("the log holds %v", got)
			}
		})
	}
}

func TestLostAnswerThenRetry(t *testing.T) {
	w := newWorld(t)
	w.record()
	w.decide()
	cmd := commit("1.00")
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	w.log.fail(func(ctx context.Context, appends []es.Append) []es.Result {
		cancel() // the client goes away before its command is recorded
		<-gone
		return w.log.Log.Append(ctx, appends)
	})
	a, err := w.client.Submit(ctx, cmd)
	close(gone)
	if err == nil || a.Outcome != command.Unknown {
		t.Fatalf("a client that went away was told %v, %v", a, err)
	}
	w.expect(cmd, command.Repeated)
	if got := w.facts(); got[cmd.CommandId] != 1 {
		t.Errorf("the log holds %v", got)
	}
}

// A kept state that another process has overtaken must not refuse what the log allows.
func TestRefusalRestsOnTheLogAsItIs(t *testing.T) {
	w := newWorld(t)
	w.record()
	stop := w.decide()
	first := w.expect(commit("100.00"), command.Recorded)
	alloc := allocate(first.Stream, "100.00")
	w.expect(alloc, command.Recorded)
	allocation := alloc.GetAllocatePledge().Line.Line
	drawn := uuid.NewString()
	w.expect(draw(first.Stream, allocation, drawn, "100.00"), command.Recorded)

	// The other process: the same service against the same log, on a server of its own.
	other := newWorld(t)
	other.log = w.log
	other.record()
	other.decide()
	other.expect(release(first.Stream, drawn), command.Recorded)

	w.expect(draw(first.Stream, allocation, uuid.NewString(), "100.00"), command.Recorded)
	stop()
}

func TestRepeatedDrawAnswersItsPresentStatus(t *testing.T) {
	w := newWorld(t)
	w.record()
	w.decide()
	first := w.expect(commit("100.00"), command.Recorded)
	alloc := allocate(first.Stream, "100.00")
	w.expect(alloc, command.Recorded)
	cmd := draw(first.Stream, alloc.GetAllocatePledge().Line.Line, uuid.NewString(), "40.00")
	a := w.expect(cmd, command.Recorded)
	want := &apiv1.DrawStatus{
		Draw: cmd.GetReserveDraw().Draw, Allocation: cmd.GetReserveDraw().Allocation, Status: "reserved", Asset: "EUR/2@donor_stated",
		Amount: "40.00", Over: "0.00", Donor: "NOR", Beneficiary: "UKR", Category: "MIL.AIRDEF", Instrument: "grant",
	}
	if a.Draw.String() != want.String() {
		t.Errorf("draw %v, want %v", a.Draw, want)
	}
	w.expect(release(first.Stream, cmd.GetReserveDraw().Draw), command.Recorded)
	if a := w.expect(cmd, command.Repeated); a.Draw.GetStatus() != "released" || a.Draw.GetAmount() != "40.00" {
		t.Errorf("after its release: %v", a.Draw)
	}
}

func TestEnvelopeSaysWhoClaimedWhat(t *testing.T) {
	w := newWorld(t)
	w.record()
	w.decide()
	cmd := commit("1.00")
	cmd.Actor, cmd.Authority, cmd.CorrelationId, cmd.Reason = "anna", "Storting", uuid.NewString(), "first package"
	cmd.EffectiveAsStated, cmd.Marking = "1 March", "restricted"
	first := w.expect(cmd, command.Recorded)
	second := allocate(first.Stream, "1.00") // names neither donor nor beneficiary
	w.expect(second, command.Recorded)
	var envs []*eventv1.Envelope
	for e, err := range w.client.ReadStream(t.Context(), first.Stream, 0) {
		if err != nil {
			t.Fatal(err)
		}
		f, err := wire.Decode(e)
		if err != nil {
			t.Fatal(err)
		}
		envs = append(envs, f.Envelope)
	}
	e := envs[0]
	if e.Actor != "anna" || e.ActorClaim != eventv1.ClaimStatus_CLAIM_STATUS_UNVERIFIED || e.Authority != "Storting" ||
		e.AuthorityClaim != eventv1.ClaimStatus_CLAIM_STATUS_UNVERIFIED || e.Marking != eventv1.Marking_MARKING_RESTRICTED ||
		e.Effective.AsStated != "1 March" || uuid.UUID(e.CorrelationId).String() != cmd.CorrelationId || e.Kind != "pledge" {
		t.Errorf("envelope %v", e)
	}
	if e := envs[1]; e.Donor != "NOR" || e.Beneficiary != "UKR" || e.ActorClaim != eventv1.ClaimStatus_CLAIM_STATUS_UNSPECIFIED {
		t.Errorf("envelope of a later command %v", e)
	}
}
