package exceptions_test

import (
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/money"
	pay "github.com/allied-ledger/allied/events/payment/paymenttest"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	ship "github.com/allied-ledger/allied/events/shipment/shipmenttest"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/exceptions"
	"github.com/allied-ledger/allied/projections/internal/draws"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// random makes a log of pledges with the shipments and payments that draw on them, of which the deciders accepted every event.
func random(t testing.TB, r *rapid.T) *enginetest.Log { return play(t, r).log }

func play(t testing.TB, r *rapid.T) *history {
	h := &history{newWorld(t), r}
	for n := range 2 { // two releases know them by one id
		h.as(&eventv1.Envelope{Sources: []*eventv1.Source{{Publisher: "tracker", Release: strconv.Itoa(n), ExternalId: "-"}}}, func() { h.begin(n) })
	}
	for range rapid.IntRange(10, 120).Draw(r, "commands") {
		h.as(h.someEnvelope(), h.step)
	}
	return h
}

type history struct {
	*world
	r *rapid.T
}

// begin opens a pledge with allocations of every kind of control: values, quantities, nothing; in kind and granted.
func (h *history) begin(n int) {
	stream, at := enginetest.Stream(n), 10*n
	undisclosed := pledgetest.Missing("tracker", eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED)
	for _, c := range []pledge.Command{
		pledgetest.Commit(pledgetest.Line(at+1, pledgetest.Stated(eur, "1000"), pledgetest.Stated(usd, "1001"))),
		pledgetest.Allocate(pledgetest.Line(at+2, pledgetest.Stated(eur, "100"), pledgetest.Stated(usd, "0.97")), pledgetest.Item("shell", "7")),
		pledgetest.Allocate(pledgetest.Line(at+3, undisclosed), pledgetest.Item("shell", "10")),
		pledgetest.Allocate(pledgetest.Line(at+4, undisclosed)),
		pledgetest.Allocate(granted(pledgetest.Line(at+5, pledgetest.Stated(eur, "100"), pledgetest.Stated(usd, "1.07")))),
	} {
		h.toPledge(stream, c)
	}
}

func (h *history) someEnvelope() *eventv1.Envelope {
	env := &eventv1.Envelope{}
	switch rapid.IntRange(0, 5).Draw(h.r, "says") {
	case 0:
		env.Sources = []*eventv1.Source{{Publisher: "bank", ContentHash: "sha256:00"}}
	case 1:
		env.Flags = []*eventv1.Flag{{Code: rapid.SampledFrom([]string{"synthetic", "plug", "lookalike_letter"}).Draw(h.r, "flag")}}
	case 2:
		if h.last != nil {
			env.Corrects = [][]byte{h.last.ID[:]}
		}
	}
	return env
}

func (h *history) step() {
	kinds := []string{"pledge", "pledge", "pledge", "beyond", "link", "draw", "draw"}
	for range h.shipments {
		kinds = append(kinds, "shipment", "shipment", "shipment", "shipment")
	}
	for range h.payments {
		kinds = append(kinds, "payment", "payment")
	}
	stream := enginetest.Stream(rapid.IntRange(0, 1).Draw(h.r, "pledge"))
	h.crashed = rapid.IntRange(0, 4).Draw(h.r, "crashes") == 4
	switch rapid.SampledFrom(kinds).Draw(h.r, "step") {
	case "pledge":
		h.alter(stream)
	case "beyond":
		c := pledgetest.Allocate(pledgetest.Line(h.id(), pledgetest.Stated(eur, strconv.Itoa(rapid.IntRange(1, 900).Draw(h.r, "allocated")))))
		c.Meta = pledgetest.Observed()
		h.envelope.Observed = true
		_ = h.tryPledge(stream, c)
	case "link":
		_ = h.tryPledge(stream, &pledge.LinkTo{Meta: pledgetest.Meta(), Link: eventv1.Link_LINK_SAME, Pledge: enginetest.Stream(rapid.IntRange(0, 2).Draw(h.r, "other"))})
	case "draw":
		h.reserve(stream)
	case "shipment":
		s := h.shipments[h.one(keys(h.shipments))]
		_ = h.tryShipment(s.Stream, ship.Random(h.r, s)) // what is refused is no fact
	case "payment":
		s := h.payments[h.one(keys(h.payments))]
		_ = h.tryPayment(s.Stream, pay.Random(h.r, s))
	}
}

func keys[S any](of map[string]S) (all []string) {
	for k := range of {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

func (h *history) one(of []string) string { return rapid.SampledFrom(of).Draw(h.r, "one") }

// alter changes the pledge itself. What becomes of draws that something uses is a matter of those who use them.
func (h *history) alter(stream string) {
	s := h.pledge(stream)
	cmd := pledgetest.Random(h.r, s, h.id)
	switch c := cmd.(type) {
	case *pledge.ReserveDraw:
		return
	case *pledge.Fulfil, *pledge.Lapse, *pledge.CancelRemainder: // which leave little to happen
		if rapid.IntRange(0, 9).Draw(h.r, "really") > 0 {
			return
		}
	case *pledge.ReleaseDraw:
		if h.used(c.Draw) && rapid.IntRange(0, 4).Draw(h.r, "in use") < 4 {
			return
		}
	case *pledge.SettleDraw:
		if h.used(c.Draw) {
			return
		}
	case *pledge.Revalue:
		if c.Draw != uuid.Nil {
			return
		}
	case *pledge.Allocate:
		h.envelope.Observed, h.envelope.Override = c.Observed, c.Override
	}
	_ = h.tryPledge(stream, cmd)
}

func (h *history) used(draw uuid.UUID) bool {
	for _, s := range h.shipments {
		if s.Line(draw) != nil {
			return true
		}
	}
	for _, s := range h.payments {
		if s.Line != nil && s.Line.Draw == draw {
			return true
		}
	}
	return false
}

// reserve draws for a shipment, a payment, or one that never comes.
func (h *history) reserve(stream string) {
	s := h.pledge(stream)
	var allocations []*pledge.Line
	for _, l := range s.Lines {
		if l.Stage == eventv1.Stage_STAGE_ALLOCATED {
			allocations = append(allocations, l)
		}
	}
	l := rapid.SampledFrom(allocations).Draw(h.r, "allocation")
	pays := l.Instrument == eventv1.Instrument_INSTRUMENT_GRANT && rapid.Bool().Draw(h.r, "pays")
	at := shipmentStream(rapid.IntRange(0, 2).Draw(h.r, "shipment"))
	if pays {
		at = paymentStream(h.id())
	}
	c := &pledge.ReserveDraw{Meta: pledgetest.Meta(), Draw: pledgetest.ID(h.id()), Allocation: l.ID, ForStream: at}
	if rapid.IntRange(0, 2).Draw(h.r, "override") == 0 {
		c.Meta = pledgetest.Overridden()
		h.envelope.Override = c.Override
	}
	if len(l.Controls) > 0 {
		c.Asset = l.Controls[0]
		c.Amount = money.New(int64(rapid.IntRange(1, 5_000).Draw(h.r, "cents")))
		if c.Asset == shells {
			c.Amount = amountOf(shells, strconv.Itoa(rapid.IntRange(1, 5).Draw(h.r, "pieces")))
		}
	}
	if h.tryPledge(stream, c) != nil || rapid.IntRange(0, 4).Draw(h.r, "crash") == 4 {
		return
	}
	line := h.drawnLine(stream, c)
	if !pays {
		_ = h.tryShipment(at, ship.Plan(line))
	} else if h.tryPayment(at, pay.Instruct(line)) != nil {
		delete(h.payments, at)
	}
}

func TestProjection(t *testing.T) { enginetest.TestProjectionOf(t, random, exceptions.New) }

func TestProjectionOfPledgesAlone(t *testing.T) { enginetest.TestProjection(t, exceptions.New) }

// place is what an amount beyond a cap is counted under, in the balances as here.
type place struct{ account, category, asset string }

func drawsOf(t testing.TB, s engine.Snapshot) iter.Seq2[*draws.Draw, error] {
	return func(yield func(*draws.Draw, error) bool) {
		for row, err := range s.Scan(t.Context(), exceptions.Spec.Tables[5+draws.DrawTable], engine.Range{}) {
			var x *draws.Draw
			if err == nil {
				x, err = draws.Read(row)
			}
			if !yield(x, err) || err != nil {
				return
			}
		}
	}
}

// What is open beyond a cap is what stands on the accounts over:…, what is short is what stands at missing in the shipments, and what nobody uses
// somebody else released, or nobody has released yet is what the draws hold, whatever happened.
func TestWhatIsOpenIsWhatStands(t *testing.T) {
	kinds := map[string]int{}
	rapid.Check(t, func(r *rapid.T) {
		h := play(t, r)
		result, err := engine.Replay(t.Context(), h.log.All(), balances.New(), exceptions.New())
		if err != nil {
			r.Fatal(err)
		}
		stands, open := map[place]money.Amount{}, map[place]money.Amount{}
		add := func(to map[place]money.Amount, k place, a money.Amount) {
			if to[k], err = to[k].Add(a); err != nil {
				r.Fatal(err)
			}
			if to[k].IsZero() {
				delete(to, k)
			}
		}
		accounts := map[string]string{
			exceptions.OverAllocated: "over:allocated", exceptions.OverReserved: "over:reserved", exceptions.OverHandedOver: "over:handed_over",
		}
		for _, s := range h.shipments {
			for _, l := range s.Lines {
				add(stands, place{account: exceptions.Short, asset: l.Asset}, l.Standing(eventv1.Stage_STAGE_MISSING))
			}
		}
		err = result.Sink.View(t.Context(), func(s engine.Snapshot) error {
			for row, err := range s.Scan(t.Context(), balances.Spec.Tables[0], engine.Range{}) {
				if err != nil {
					return err
				}
				if account := row[4].Text(); strings.HasPrefix(account, "over:") {
					add(stands, place{account, row[2].Text(), row[6].Text()}, row[8].Amount().Neg())
				}
			}
			for x, err := range drawsOf(t, s) {
				if err != nil {
					return err
				}
				if left, any := x.Unreturned(); any {
					add(stands, place{account: exceptions.UnreturnedDraw, asset: x.Asset}, left)
				}
				switch {
				case x.Unused():
					add(stands, place{account: exceptions.UnusedDraw, asset: x.Asset}, drawn.Sum(x.Amount, x.Released.Neg()))
				case x.ReleasedInUse():
					add(stands, place{account: exceptions.ReleasedDraw, asset: x.Asset}, drawn.Sum(x.Released, x.GivenUp.Neg()))
				}
			}
			for row, err := range s.Scan(t.Context(), exceptions.Spec.Tables[0], engine.Range{}) {
				if err != nil {
					return err
				}
				kinds[row[1].Text()]++
				switch kind, in := row[1].Text(), row[11].Text(); kind {
				case exceptions.Short, exceptions.UnusedDraw, exceptions.UnreturnedDraw, exceptions.ReleasedDraw:
					add(open, place{account: kind, asset: in}, row[13].Amount())
				case exceptions.OverAllocated, exceptions.OverReserved, exceptions.OverHandedOver:
					add(open, place{accounts[kind], row[10].Text(), in}, row[13].Amount())
				}
				if row[13].Amount().Sign() < 0 && row[1].Text() != exceptions.Difference {
					r.Fatalf("less than nothing is open of %v", row)
				}
			}
			return nil
		})
		if err != nil {
			r.Fatal(err)
		}
		if !maps.Equal(open, stands) {
			r.Fatalf("open are %v, and there stand %v", open, stands)
		}
	})
	t.Log(kinds)
}
