package exceptions_test

import (
	"testing"

	"github.com/allied-ledger/allied/events/es"
	pay "github.com/allied-ledger/allied/events/payment/paymenttest"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/posting"
	ship "github.com/allied-ledger/allied/events/shipment/shipmenttest"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/exceptions"
	"github.com/allied-ledger/allied/projections/internal/draws"
	"github.com/allied-ledger/allied/projections/internal/registers"
)

// What raises nothing costs no memory beside the registers and the draws.
func TestAQuietFactIsFoldedWithoutAllocation(t *testing.T) {
	w := newWorld(t)
	w.planned()
	pays := w.Draw(pledgetest.Meta(), on, 5, 3, eur, "100", paid)
	w.As(documented(), func() { w.ToPayment(paid, pay.Instruct(pays)) })
	quiet := len(w.Log.Entries())
	w.As(documented(), func() {
		w.ToShipment(convoy, ship.Dispatch(part("60")))
		w.ToShipment(convoy, ship.HandOver())
		w.ToShipment(convoy, ship.Verify())
		w.ToPayment(paid, pay.Accept())
		w.ToPayment(paid, pay.BookPart(eur, "40", "1"))
		w.ToPledge(on, pledgetest.Commit(line(7, stated(eur, "10"))))
	})
	var facts []*es.Fact
	for _, e := range w.Log.Entries() {
		f, err := wire.Decode(e)
		if err != nil {
			t.Fatal(err)
		}
		facts = append(facts, f)
	}
	allocations := func(create func() func(*es.Fact) error) int {
		const rounds = 10
		var folds []func(*es.Fact) error
		for range rounds + 1 { // AllocsPerRun warms up once
			fold := create()
			for _, f := range facts[:quiet] {
				if err := fold(f); err != nil {
					t.Fatal(err)
				}
			}
			folds = append(folds, fold)
		}
		return int(testing.AllocsPerRun(rounds, func() {
			for _, f := range facts[quiet:] {
				if err := folds[0](f); err != nil {
					t.Fatal(err)
				}
			}
			folds = folds[1:]
		}))
	}
	needed := allocations(func() func(*es.Fact) error {
		d, r, j := draws.New(), registers.New(), &posting.Journal{}
		return func(f *es.Fact) error {
			if err := d.Fold(f); err != nil {
				return err
			}
			return r.Fold(f, j, func(string) error { return nil })
		}
	})
	if got := allocations(func() func(*es.Fact) error { return exceptions.New().Fold }); got > needed {
		t.Errorf("%d allocations for %d quiet facts, and the registers and draws need %d", got, len(facts)-quiet, needed)
	}
}
