package exceptions_test

import (
	"iter"
	"maps"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/exceptions"
	"github.com/allied-ledger/allied/projections/internal/draws"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"pgregory.net/rapid"
)

func TestProjection(t *testing.T) {
	enginetest.TestProjectionOf(t, enginetest.RandomOfAll, exceptions.New)
}

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
		h := enginetest.Play(t, r)
		result, err := engine.Replay(t.Context(), h.Log.All(), balances.New(), exceptions.New())
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
		for _, s := range h.Shipments {
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
