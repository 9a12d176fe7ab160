package shipments_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/memlog"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/exceptions"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/internal/remotelog"
	"github.com/allied-ledger/allied/services/internal/reservation"
	"github.com/allied-ledger/allied/services/internal/route"
	"github.com/allied-ledger/allied/services/payments"
	"github.com/allied-ledger/allied/services/pledges"
	"github.com/allied-ledger/allied/services/recorder"
	"github.com/allied-ledger/allied/services/shipments"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

// fault strikes the nth time that it is met, before or after what it strikes.
type fault struct {
	mu     sync.Mutex
	met    int
	at     int // 0: never
	after  bool
	lasts  bool // it strikes from then on, and nothing has an effect any more
	struck bool
}

// strikes counts, and tells whether this is the time.
func (f *fault) strikes() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.met++
	hit := f.met == f.at
	if f.lasts && f.struck {
		hit, f.after = true, false
	}
	f.struck = f.struck || hit
	return hit
}

// faultyLog fails one append: nothing of it, or all of it, is recorded, and nobody knows.
type faultyLog struct {
	es.Log
	*fault
}

func (l faultyLog) Append(ctx context.Context, appends []es.Append) []es.Result {
	if !l.strikes() {
		return l.Log.Append(ctx, appends)
	}
	if l.after {
		l.Log.Append(ctx, appends)
	}
	out := make([]es.Result, len(appends))
	for i := range out {
		out[i].Err = es.ErrUnknown
	}
	return out
}

// faultyLedger loses one command to a pledge, or its answer.
type faultyLedger struct {
	reservation.Ledger
	*fault
}

// meddlingLedger does something right after the first draw was made.
type meddlingLedger struct {
	reservation.Ledger
	once *sync.Once
	then func()
}

func (l meddlingLedger) Submit(ctx context.Context, cmd *apiv1.Command) (*apiv1.Answer, error) {
	a, err := l.Ledger.Submit(ctx, cmd)
	if l.then != nil {
		l.once.Do(l.then)
	}
	return a, err
}

func (l faultyLedger) Submit(ctx context.Context, cmd *apiv1.Command) (*apiv1.Answer, error) {
	if !l.strikes() {
		return l.Ledger.Submit(ctx, cmd)
	}
	if l.after {
		if _, err := l.Ledger.Submit(ctx, cmd); err != nil {
			return nil, err
		}
	}
	return &apiv1.Answer{Outcome: command.Unknown, CommandId: cmd.CommandId, Stream: cmd.Stream, Code: "no_answer", Reason: "lost"}, nil
}

type world struct {
	t      *testing.T
	log    es.Log
	nc     *nats.Conn
	client *client.Client
	meddle *meddlingLedger
}

type runner interface {
	Run(context.Context) error
	Stop(context.Context) error
}

// open starts the services on one log; commands to pledges and appends meet the faults.
func open(t *testing.T, appends, submits *fault) *world {
	t.Helper()
	s, err := embednats.Start(embednats.Config{InProcess: true, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	log := memlog.New()
	run := func(r runner, err error) {
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		t.Cleanup(func() {
			if err := r.Stop(context.Background()); err != nil {
				t.Error(err)
			}
			cancel()
			<-ended
		})
	}
	t.Cleanup(s.Close)
	nc, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	c := client.New(nc, client.Config{})
	r, err := recorder.New(t.Context(), s.Dial, faultyLog{log, appends}, recorder.Config{Clock: time.Now, Logger: zap.NewNop()})
	run(r, err)
	p, err := command.New(s.Dial, pledges.Spec, command.Config{Logger: zap.NewNop()})
	run(p, err)
	meddle := &meddlingLedger{Ledger: faultyLedger{c, submits}, once: new(sync.Once)}
	sh, err := command.New(s.Dial, shipments.Spec(meddle), command.Config{Logger: zap.NewNop()})
	run(sh, err)
	pay, err := command.New(s.Dial, payments.Spec(faultyLedger{c, submits}), command.Config{Logger: zap.NewNop()})
	run(pay, err)
	return &world{t, log, nc, c, meddle}
}

// submit sends a command until it is recorded.
func (w *world) submit(cmd *apiv1.Command) *apiv1.Answer {
	w.t.Helper()
	for range 5 {
		a, err := w.client.Submit(w.t.Context(), cmd)
		if err != nil {
			w.t.Fatal(err)
		}
		switch a.Outcome {
		case command.Recorded, command.Repeated:
			return a
		case command.Refused:
			w.t.Fatalf("%T is refused: %s at %s: %s", cmd.Body, a.Code, a.Field, a.Reason)
		}
	}
	w.t.Fatalf("%T has no certain answer", cmd.Body)
	return nil
}

func (w *world) facts() (facts []*es.Fact) {
	w.t.Helper()
	for e, err := range w.log.Read(context.Background(), 0) {
		if err != nil {
			w.t.Fatal(err)
		}
		f, err := wire.Decode(e)
		if err != nil {
			w.t.Fatal(err)
		}
		facts = append(facts, f)
	}
	return facts
}

const asset = "EUR/2@net_book"

func id(n int) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "reservation %d", n)).String()
}

func cmd(n int, stream string, body func(*apiv1.Command)) *apiv1.Command {
	c := &apiv1.Command{CommandId: id(n), Stream: stream, Effective: "2024-03-01"}
	body(c)
	return c
}

func promise(n int) []*apiv1.Command {
	line := func(role string) *apiv1.Line {
		return &apiv1.Line{
			Line: uuid.NewSHA1(uuid.NameSpaceOID, []byte(role)).String(), Category: "MIL.AMMO", Instrument: "in_kind",
			Values: []*apiv1.Value{{Basis: "net_book", Asset: asset, Amount: "100.00"}},
		}
	}
	commit := cmd(n, "", func(c *apiv1.Command) {
		c.Donor, c.Beneficiary = "NOR", "UKR"
		c.Body = &apiv1.Command_CommitPledge{CommitPledge: &apiv1.CommitPledge{Commitments: []*apiv1.CommitLine{{Firmness: "firm", Line: line("commitment")}}}}
	})
	return []*apiv1.Command{commit, cmd(n+1, "", func(c *apiv1.Command) {
		c.Body = &apiv1.Command_AllocatePledge{AllocatePledge: &apiv1.AllocatePledge{Line: line("allocation")}}
	})}
}

func allocation() string { return uuid.NewSHA1(uuid.NameSpaceOID, []byte("allocation")).String() }

// day is a shipment of 60, of which 40 go and 38 arrive, and two payments: one rejected, one returned in part.
func (w *world) day() {
	w.t.Helper()
	p := promise(1)
	pledge := w.submit(p[0]).Stream
	p[1].Stream = pledge
	w.submit(p[1])

	plan := w.submit(cmd(3, "", func(c *apiv1.Command) {
		c.Body = &apiv1.Command_PlanShipment{PlanShipment: &apiv1.PlanShipment{Lines: []*apiv1.PlanLine{{Pledge: pledge, Allocation: allocation(), Asset: asset, Amount: "60.00"}}}}
	})).Stream
	sent := []*apiv1.Command{
		cmd(4, plan, func(c *apiv1.Command) {
			c.Body = &apiv1.Command_DispatchShipment{DispatchShipment: &apiv1.DispatchShipment{Movements: []*apiv1.Moving{{Asset: asset, Amount: "40.00"}}}}
		}),
		cmd(5, plan, func(c *apiv1.Command) {
			c.Body = &apiv1.Command_HandOverShipment{HandOverShipment: &apiv1.HandOverShipment{
				Movements: []*apiv1.Moving{{Asset: asset, Amount: "38.00"}}, Point: "beneficiary", Evidence: "signed", Signatory: "N. N.", Complete: true,
			}}
		}),
		cmd(6, plan, func(c *apiv1.Command) { c.Body = &apiv1.Command_LoseShipment{LoseShipment: &apiv1.LoseShipment{}} }),
		cmd(7, plan, func(c *apiv1.Command) { c.Body = &apiv1.Command_CloseShipment{CloseShipment: &apiv1.CloseShipment{}} }),
	}
	instruct := func(n int, amount string) *apiv1.Command {
		return cmd(n, "", func(c *apiv1.Command) {
			c.Body = &apiv1.Command_InstructPayment{InstructPayment: &apiv1.InstructPayment{Pledge: pledge, Allocation: allocation(), Asset: asset, Amount: amount}}
		})
	}
	rejected, paid := instruct(8, "10.00"), instruct(10, "25.00")
	for _, c := range append(sent, rejected, paid) {
		w.submit(c)
	}
	later := []*apiv1.Command{
		cmd(9, rejected.Stream, func(c *apiv1.Command) {
			c.Body = &apiv1.Command_RejectPayment{RejectPayment: &apiv1.RejectPayment{ReasonCode: "AC04"}}
		}),
		cmd(11, paid.Stream, func(c *apiv1.Command) {
			c.Body = &apiv1.Command_BookPayment{BookPayment: &apiv1.BookPayment{Asset: asset, Fee: "1.00", Point: "debited"}}
		}),
		cmd(12, paid.Stream, func(c *apiv1.Command) {
			c.Body = &apiv1.Command_ReturnPayment{ReturnPayment: &apiv1.ReturnPayment{Asset: asset, Amount: "10.00", Reopens: true}}
		}),
	}
	for _, c := range later {
		w.submit(c)
	}
	for _, c := range append(append(sent, rejected, paid), later...) { // a client that heard nothing sends all again
		if a := w.submit(proto.CloneOf(c)); a.Outcome != command.Repeated {
			w.t.Errorf("%T sent again is %s", c.Body, a.Outcome)
		}
	}
}

// check compares the books with hand-computed ones, by a fold of the drawn amounts that shares nothing with the projections.
func (w *world) check() {
	w.t.Helper()
	kinds := map[string]int{}
	allocated := money.New(100_00)
	for _, f := range w.facts() {
		kinds[string(f.Event.ProtoReflect().Descriptor().Name())]++
		switch e := f.Event.(type) {
		case *eventv1.DrawReserved:
			allocated = sub(w.t, allocated, e.Amount)
		case *eventv1.DrawReleased:
			n, err := money.FromProto(e.Amount)
			if err != nil {
				w.t.Fatal(err)
			}
			if allocated, err = allocated.Add(n); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	// 100 - 60 for the shipment + 20 unused - 10 + 10 rejected - 25 paid + 10 returned
	if want := money.New(45_00); allocated != want {
		w.t.Errorf("%s stands allocated, not %s: %v", allocated.Text(2), want.Text(2), kinds)
	}
	for kind, want := range map[string]int{
		"PledgeCommitted": 1, "PledgeAllocated": 1, "DrawReserved": 3, "DrawReleased": 3, "DrawSettled": 1, "ShipmentPlanned": 1, "ShipmentDispatched": 1,
		"ShipmentHandedOver": 1, "ShipmentDiscrepancy": 1, "ShipmentLost": 1, "ShipmentClosed": 1, "PaymentInstructed": 2, "PaymentRejected": 1,
		"PaymentBooked": 1, "PaymentReturned": 1,
	} {
		if kinds[kind] != want {
			w.t.Errorf("%d %s, not %d", kinds[kind], kind, want)
		}
	}
	// No manifest was named; 2 of 40 were short, and are lost; the bank refused 10, and sent back 10 of 24 that no document shows.
	want := []string{"no_manifest 40.00", "lost 2.00", "rejected 10.00", "unsupported 14.00", "owed_again 10.00"}
	if open := w.exceptions(); !slices.Equal(open, want) {
		w.t.Errorf("open are %q, not %q", open, want)
	}
}

// exceptions are what the log leaves for somebody to look at: the kinds, with what is open of each.
func (w *world) exceptions() (open []string) {
	w.t.Helper()
	r, err := engine.Replay(w.t.Context(), w.log.Read(w.t.Context(), 0), exceptions.New())
	if err != nil {
		w.t.Fatal(err)
	}
	err = r.Sink.View(w.t.Context(), func(s engine.Snapshot) error {
		list, err := exceptions.List(w.t.Context(), s, exceptions.ListRequest{})
		if err != nil {
			return err
		}
		for _, e := range list.Exceptions {
			open = append(open, e.Kind+" "+*e.OpenAmount)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return open
}

func sub(t *testing.T, a money.Amount, b *eventv1.Amount) money.Amount {
	t.Helper()
	n, err := money.FromProto(b)
	if err == nil {
		a, err = a.Sub(n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Every append, and every command to a pledge, fails once before and once after it took effect; the client tries again. Nothing is drawn twice,
// nothing is lost, and what is not used is given back.
func TestEveryFaultOfAReservation(t *testing.T) {
	appends, submits := new(fault), new(fault)
	w := open(t, appends, submits)
	w.day()
	w.check()
	points := 0
	for name, count := range map[string]int{"append": appends.met, "command to a pledge": submits.met} {
		for at := 1; at <= count; at++ {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %d after=%t", name, at, after), func(t *testing.T) {
					appends, submits := new(fault), new(fault)
					f := appends
					if name != "append" {
						f = submits
					}
					f.at, f.after = at, after
					w := open(t, appends, submits)
					w.day()
					w.check()
					if !f.struck {
						t.Error("the fault was not met")
					}
				})
				points++
			}
		}
	}
	t.Logf("%d points of failure", points)
	if points < 40 {
		t.Errorf("only %d points of failure", points)
	}
}

// A client that sends once, hears nothing and never sends again leaves nothing unseen: a draw without its shipment is listed. Whoever sends again
// finishes what was begun, and nothing is listed any more.
func TestEveryFaultThatNobodyRepeatsIsListed(t *testing.T) {
	points, listed := 0, 0
	for _, name := range []string{"append", "command to a pledge"} {
		for _, after := range []bool{false, true} {
			struck := true
			for at := 1; struck; at++ {
				t.Run(fmt.Sprintf("%s %d after=%t", name, at, after), func(t *testing.T) {
					appends, submits := new(fault), new(fault)
					w := open(t, appends, submits)
					p := promise(1)
					p[1].Stream = w.submit(p[0]).Stream
					w.submit(p[1])
					f := submits
					if name == "append" {
						f = appends
					}
					f.mu.Lock()
					f.at, f.after = f.met+at, after
					f.mu.Unlock()
					plan := cmd(3, "", func(c *apiv1.Command) {
						c.Body = &apiv1.Command_PlanShipment{PlanShipment: &apiv1.PlanShipment{
							Lines: []*apiv1.PlanLine{{Pledge: p[1].Stream, Allocation: allocation(), Asset: asset, Amount: "60.00"}},
						}}
					})
					w.sendOnce(route.Shipments, plan)
					if struck = f.struck; !struck {
						return // it was sent without a fault
					}
					points++
					if want := w.unused(); !slices.Equal(w.exceptions(), want) {
						t.Errorf("open are %q, not %q", w.exceptions(), want)
					} else if len(want) > 0 {
						listed++
					}
					w.submit(plan)
					if open := w.exceptions(); len(open) > 0 {
						t.Errorf("open are %q after it was sent again", open)
					}
				})
			}
		}
	}
	t.Logf("%d points of failure, %d of which leave a draw", points, listed)
	if points < 6 || listed == 0 {
		t.Errorf("only %d points of failure, and %d of them leave a draw", points, listed)
	}
}

// sendOnce sends a command to a service as a client does, and does not care for the answer.
func (w *world) sendOnce(service string, c *apiv1.Command) {
	w.t.Helper()
	if _, err := route.Complete(c); err != nil {
		w.t.Fatal(err)
	}
	data, err := proto.Marshal(c)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.nc.Request(route.Subject(service, c.Stream), data, time.Minute); err != nil {
		w.t.Fatal(err)
	}
}

// unused tells from the facts alone which draws no shipment names, as they should be listed.
func (w *world) unused() (out []string) {
	planned := map[string]bool{}
	for _, f := range w.facts() {
		if e, ok := f.Event.(*eventv1.ShipmentPlanned); ok {
			for _, l := range e.Lines {
				planned[string(l.Draw)] = true
			}
		}
	}
	for _, f := range w.facts() {
		if e, ok := f.Event.(*eventv1.DrawReserved); ok && !planned[string(e.Draw)] {
			out = append(out, "unused_draw 60.00")
		}
	}
	return out
}

// A command that its own stream refuses leaves no draw behind, and what one pledge refuses gives back what others gave.
func TestARefusedPlanKeepsNoDraw(t *testing.T) {
	w := open(t, new(fault), new(fault))
	p := promise(1)
	pledge := w.submit(p[0]).Stream
	p[1].Stream = pledge
	w.submit(p[1])
	line := func(amount string) *apiv1.PlanLine {
		return &apiv1.PlanLine{Pledge: pledge, Allocation: allocation(), Asset: asset, Amount: amount}
	}
	plan := cmd(3, "", func(c *apiv1.Command) {
		c.Body = &apiv1.Command_PlanShipment{PlanShipment: &apiv1.PlanShipment{Lines: []*apiv1.PlanLine{line("60.00"), line("60.00")}}}
	})
	a, err := w.client.Submit(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	if a.Outcome != command.Refused || a.Code != "exceeds_allocated" || a.Field != "plan_shipment.lines[1].amount" {
		t.Errorf("answered %v", a)
	}
	again, err := w.client.Submit(t.Context(), plan)
	if err != nil || again.Code != "draw_released" {
		t.Errorf("answered %v, %v", again, err)
	}
	w.submit(cmd(4, "", func(c *apiv1.Command) {
		c.Body = &apiv1.Command_PlanShipment{PlanShipment: &apiv1.PlanShipment{Lines: []*apiv1.PlanLine{line("60.00"), line("40.00")}}}
	}))
}

// The donor of a shipment's books is that of its pledges, whoever is named.
func TestAPlanOfAnotherDonorIsRefused(t *testing.T) {
	w := open(t, new(fault), new(fault))
	p := promise(1)
	pledge := w.submit(p[0]).Stream
	p[1].Stream = pledge
	w.submit(p[1])
	for n, body := range map[int]func(*apiv1.Command){
		3: func(c *apiv1.Command) {
			c.Body = &apiv1.Command_PlanShipment{PlanShipment: &apiv1.PlanShipment{Lines: []*apiv1.PlanLine{{Pledge: pledge, Allocation: allocation(), Asset: asset, Amount: "60.00"}}}}
		},
		4: func(c *apiv1.Command) {
			c.Body = &apiv1.Command_InstructPayment{InstructPayment: &apiv1.InstructPayment{Pledge: pledge, Allocation: allocation(), Asset: asset, Amount: "60.00"}}
		},
	} {
		c := cmd(n, "", body)
		c.Donor = "POL"
		a, err := w.client.Submit(t.Context(), c)
		if err != nil || a.Outcome != command.Refused || a.Code != "other_party" {
			t.Errorf("answered %v, %v", a, err)
		}
	}
	w.submit(cmd(5, "", func(c *apiv1.Command) { // the refused ones gave back what they drew
		c.Body = &apiv1.Command_InstructPayment{InstructPayment: &apiv1.InstructPayment{Pledge: pledge, Allocation: allocation(), Asset: asset, Amount: "100.00"}}
	}))
}

// A file may promise, allocate and draw: what draws goes after what came before it on its pledge.
func TestAFileMayDrawOnWhatItPromises(t *testing.T) {
	w := open(t, new(fault), new(fault))
	const files = 40
	all := func(yield func(*apiv1.Command) bool) {
		for i := range files {
			p := promise(100 * (i + 1))
			pledge := "pledge-" + uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "file %d", i)).String()
			p[0].Stream, p[1].Stream = pledge, pledge
			plan := cmd(100*(i+1)+2, "", func(c *apiv1.Command) {
				c.Body = &apiv1.Command_PlanShipment{PlanShipment: &apiv1.PlanShipment{Lines: []*apiv1.PlanLine{{Pledge: pledge, Allocation: allocation(), Asset: asset, Amount: "60.00"}}}}
			})
			pay := cmd(100*(i+1)+3, "", func(c *apiv1.Command) {
				c.Body = &apiv1.Command_InstructPayment{InstructPayment: &apiv1.InstructPayment{Pledge: pledge, Allocation: allocation(), Asset: asset, Amount: "40.00"}}
			})
			for _, c := range []*apiv1.Command{p[0], p[1], plan, pay} {
				if !yield(c) {
					return
				}
			}
		}
	}
	recorded := 0
	err := w.client.SubmitAll(t.Context(), all, func(_ int, c *apiv1.Command, a *apiv1.Answer) error {
		if a.Outcome != command.Recorded {
			return fmt.Errorf("%T: %v", c.Body, a)
		}
		recorded++
		return nil
	})
	if err != nil || recorded != 4*files {
		t.Errorf("%d recorded: %v", recorded, err)
	}
}

// Another process closes the shipment between the draw and the record: the plan is judged again and refused, and its draw given back.
func TestADrawForAPlanThatComesTooLateIsGivenBack(t *testing.T) {
	w := open(t, new(fault), new(fault))
	p := promise(1)
	pledge := w.submit(p[0]).Stream
	p[1].Stream = pledge
	w.submit(p[1])
	plan := func(n int, stream, amount string) *apiv1.Command {
		return cmd(n, stream, func(c *apiv1.Command) {
			c.Body = &apiv1.Command_PlanShipment{PlanShipment: &apiv1.PlanShipment{Lines: []*apiv1.PlanLine{{Pledge: pledge, Allocation: allocation(), Asset: asset, Amount: amount}}}}
		})
	}
	stream := w.submit(plan(3, "", "10.00")).Stream
	w.meddle.then = func() {
		env := &eventv1.Envelope{
			Kind: "shipment", Donor: "NOR", Beneficiary: "UKR", Effective: &eventv1.Effective{Precision: eventv1.Precision_PRECISION_UNKNOWN},
			CommandId: make([]byte, 15, 16), CommandDigest: make([]byte, 32),
		}
		env.CommandId = append(env.CommandId, 1)
		e, err := wire.NewEvent(uuid.New(), env, &eventv1.ShipmentClosed{})
		if err != nil {
			t.Error(err)
			return
		}
		_, results, err := remotelog.New(w.nc).Append(context.Background(), []*logv1.Append{{Stream: stream, ExpectedRevision: 0, Events: []*logv1.NewEvent{e}}})
		if err != nil || results[0].Status != logv1.AppendStatus_APPEND_STATUS_RECORDED {
			t.Errorf("the other process: %v, %v", results, err)
		}
	}
	a, err := w.client.Submit(t.Context(), plan(4, stream, "60.00"))
	if err != nil || a.Outcome != command.Refused || a.Code != "shipment_closed" {
		t.Errorf("answered %v, %v", a, err)
	}
	w.submit(plan(5, "", "90.00")) // what the refused one drew is there again
}
