package shipments_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/engine"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/feed"
	"github.com/allied-ledger/allied/services/internal/route"
	"github.com/allied-ledger/allied/services/policies"
	"github.com/google/uuid"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

// later is a clock two days ahead, which tells when nothing is left to do: it is waited for then only.
type later struct{ idle chan struct{} }

func (later) Now() time.Time { return time.Now().Add(48 * time.Hour) }

func (l later) After(time.Duration) <-chan time.Time {
	select {
	case l.idle <- struct{}{}:
	default:
	}
	return nil
}

// release lets the policy release what is due two days from now.
func (w *world) release() {
	w.t.Helper()
	clock := later{make(chan struct{}, 1)}
	r := policies.New(policies.ReleaseUnusedDraws(24*time.Hour), feed.New(w.nc, zap.NewNop()), engine.NewMemSink(), w.client, policies.Config{Clock: clock})
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	select {
	case <-clock.idle:
	case <-time.After(time.Minute):
		w.t.Error("the policy does not come to rest")
	}
	cancel()
	if err := <-ended; err != nil {
		w.t.Error(err)
	}
}

// givings are commands that give up a part of a draw, each with what comes before it.
func givings(pledge string) map[string][]*apiv1.Command {
	shipment, other := "shipment-"+id(50), "shipment-"+id(51)
	payment, returned := "payment-"+id(52), "payment-"+id(53)
	part := func(text string) *apiv1.Moving { return &apiv1.Moving{Asset: asset, Amount: text} }
	plan := func(n int, stream, amount string) *apiv1.Command {
		return cmd(n, stream, func(c *apiv1.Command) {
			c.Body = &apiv1.Command_PlanShipment{PlanShipment: &apiv1.PlanShipment{Lines: []*apiv1.PlanLine{
				{Pledge: pledge, Allocation: allocation(), Asset: asset, Amount: amount}, {Pledge: pledge, Allocation: allocation(), Asset: asset, Amount: "7.00"},
			}}}
		})
	}
	draw := func(n, i int, stream string) string {
		return ident.LineID(stream, uuid.MustParse(id(n)), "draw", i).String()
	}
	instruct := func(n int, stream string) *apiv1.Command {
		return cmd(n, stream, func(c *apiv1.Command) {
			c.Body = &apiv1.Command_InstructPayment{InstructPayment: &apiv1.InstructPayment{Pledge: pledge, Allocation: allocation(), Asset: asset, Amount: "60.00"}}
		})
	}
	moving := func(n int, stream, text string) *apiv1.Moving {
		m := part(text)
		m.Draw = draw(n, 0, stream)
		return m
	}
	return map[string][]*apiv1.Command{
		// 30 of 60 go, and 7 of another draw do not
		"close": {
			plan(60, shipment, "60.00"),
			cmd(61, shipment, func(c *apiv1.Command) {
				c.Body = &apiv1.Command_DispatchShipment{DispatchShipment: &apiv1.DispatchShipment{Movements: []*apiv1.Moving{moving(60, shipment, "30.00")}}}
			}),
			cmd(62, shipment, func(c *apiv1.Command) {
				c.Body = &apiv1.Command_HandOverShipment{HandOverShipment: &apiv1.HandOverShipment{
					Movements: []*apiv1.Moving{moving(60, shipment, "30.00")}, Point: "beneficiary", Evidence: "signed", Signatory: "N. N.", Complete: true,
				}}
			}),
			cmd(63, shipment, func(c *apiv1.Command) { c.Body = &apiv1.Command_CloseShipment{CloseShipment: &apiv1.CloseShipment{}} }),
		},
		"return goods": {
			plan(60, other, "60.00"),
			cmd(61, other, func(c *apiv1.Command) {
				c.Body = &apiv1.Command_DispatchShipment{DispatchShipment: &apiv1.DispatchShipment{Movements: []*apiv1.Moving{moving(60, other, "60.00")}}}
			}),
			cmd(62, other, func(c *apiv1.Command) {
				c.Body = &apiv1.Command_ReturnShipment{ReturnShipment: &apiv1.ReturnShipment{Movements: []*apiv1.Moving{moving(60, other, "20.00")}, Reopens: true}}
			}),
		},
		"reject": {instruct(60, payment), cmd(61, payment, func(c *apiv1.Command) {
			c.Body = &apiv1.Command_RejectPayment{RejectPayment: &apiv1.RejectPayment{ReasonCode: "AC04"}}
		})},
		"return money": {
			instruct(60, returned),
			cmd(61, returned, func(c *apiv1.Command) {
				c.Body = &apiv1.Command_BookPayment{BookPayment: &apiv1.BookPayment{Asset: asset, Point: "debited"}}
			}),
			cmd(62, returned, func(c *apiv1.Command) {
				c.Body = &apiv1.Command_ReturnPayment{ReturnPayment: &apiv1.ReturnPayment{Asset: asset, Amount: "20.00", Reopens: true}}
			}),
		},
	}
}

// standing tells from the facts alone what stands allocated of 100, and what of draws was given up and not released, draw by draw.
func (w *world) standing() (allocated money.Amount, unreturned []string) {
	w.t.Helper()
	allocated = money.New(100_00)
	var draws []string
	left := map[string]money.Amount{}
	for _, f := range w.facts() {
		var given []*eventv1.Movement
		switch e := f.Event.(type) {
		case *eventv1.DrawReserved:
			allocated = sub(w.t, allocated, e.Amount)
			draws = append(draws, string(e.Draw))
		case *eventv1.DrawReleased:
			left[string(e.Draw)] = sub(w.t, left[string(e.Draw)], e.Amount)
			allocated = drawn.Sum(allocated, drawn.Amount(e.Amount))
		case *eventv1.ShipmentClosed:
			given = e.Unused
		case *eventv1.ShipmentReturned:
			given = e.Movements
		case *eventv1.PaymentRejected:
			given = append(given, e.Movement)
		case *eventv1.PaymentReturned:
			given = append(given, e.Movement)
		}
		for _, m := range given {
			left[string(m.Draw)] = drawn.Sum(left[string(m.Draw)], drawn.Amount(m.Amount))
		}
	}
	for _, draw := range draws {
		if n := left[draw]; !n.IsZero() {
			unreturned = append(unreturned, "unreturned_draw "+n.Text(2))
		}
	}
	slices.Sort(unreturned)
	return allocated, unreturned
}

// unreturned are the exceptions of that kind.
func (w *world) unreturned() (open []string) {
	w.t.Helper()
	for _, e := range w.exceptions() {
		if strings.HasPrefix(e, "unreturned_draw ") {
			open = append(open, e)
		}
	}
	slices.Sort(open)
	return open
}

// The service of a shipment or payment dies at any point while it gives back a part of a draw, and nobody sends its command again: what is not
// released is listed, and the policy releases it in time, once. Whoever sends the command again after that changes nothing.
func TestWhatWasGivenUpIsReleasedOnce(t *testing.T) {
	want := map[string]struct {
		allocated int64 // cents
		releases  int
	}{
		"close":        {70_00, 2}, // 100 - 67 drawn + 30 + 7
		"return goods": {53_00, 1}, // 100 - 67 drawn + 20
		"reject":       {100_00, 1},
		"return money": {60_00, 1}, // 100 - 60 drawn + 20
	}
	points, listed := 0, 0
	for giving := range want {
		for _, name := range []string{"append", "command to a pledge"} {
			for _, after := range []bool{false, true} {
				struck := true
				for at := 1; struck; at++ {
					t.Run(fmt.Sprintf("%s, %s %d after=%t", giving, name, at, after), func(t *testing.T) {
						struck = false // also where the test fails
						appends, submits := new(fault), new(fault)
						w := open(t, appends, submits)
						p := promise(1)
						p[1].Stream = w.submit(p[0]).Stream
						w.submit(p[1])
						all := givings(p[1].Stream)[giving]
						last := all[len(all)-1]
						for _, c := range all[:len(all)-1] {
							w.submit(c)
						}
						f := submits
						if name == "append" {
							f = appends
						}
						f.mu.Lock()
						f.at, f.after, f.lasts = f.met+at, after, f == submits // the service is dead, and the log goes on
						f.mu.Unlock()
						service := route.Shipments
						if strings.HasPrefix(last.Stream, "payment") {
							service = route.Payments
						}
						w.sendOnce(service, proto.CloneOf(last))
						f.mu.Lock()
						struck, f.lasts = f.struck, false
						f.mu.Unlock()
						if struck {
							points++
						}
						_, open := w.standing()
						if got := w.unreturned(); !slices.Equal(got, open) {
							t.Errorf("open are %q, not %q", got, open)
						}
						if len(open) > 0 {
							listed++
						}
						w.release()
						if _, open := w.standing(); len(open) > 0 || len(w.unreturned()) > 0 {
							t.Errorf("open are %q after the policy released, listed %q", open, w.unreturned())
						}
						if a := w.submit(last); len(open) > 0 && a.Outcome != command.Repeated {
							t.Errorf("sent again, it is %s", a.Outcome)
						}
						w.release() // where nothing is left to do
						allocated, open := w.standing()
						if n := w.count("DrawReleased"); allocated != money.New(want[giving].allocated) || n != want[giving].releases || len(open) > 0 {
							t.Errorf("%s stands allocated after %d releases, and %q is open", allocated.Text(2), n, open)
						}
						if listed := w.exceptions(); slices.ContainsFunc(listed, func(e string) bool { return strings.Contains(e, "_draw ") && !strings.HasPrefix(e, "unused") }) {
							t.Errorf("open are %q", listed)
						}
					})
				}
			}
		}
	}
	t.Logf("%d points of failure, %d of which leave something", points, listed)
	if points < 30 || listed < 6 {
		t.Errorf("only %d points of failure, and %d of them leave something", points, listed)
	}
}

// count counts the events of a kind.
func (w *world) count(kind string) (n int) {
	w.t.Helper()
	for _, f := range w.facts() {
		if string(f.Event.ProtoReflect().Descriptor().Name()) == kind {
			n++
		}
	}
	return n
}
