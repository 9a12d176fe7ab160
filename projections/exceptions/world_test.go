package exceptions_test

import (
	"context"
	"testing"

	"github.com/allied-ledger/allied/events/money"
	pay "github.com/allied-ledger/allied/events/payment/paymenttest"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/exceptions"
)

const (
	eur    = pledgetest.EUR
	usd    = "USD/2@donor_stated"
	uah    = pay.UAH
	shells = "each/6:shell"
)

// world is one of which exceptions are asked.
type world struct{ *enginetest.World }

func newWorld(t testing.TB) *world { return &world{enginetest.NewWorld(t)} }

func (w *world) list(req exceptions.ListRequest) *exceptions.Listing {
	w.T.Helper()
	l, err := w.tryList(req)
	if err != nil {
		w.T.Fatal(err)
	}
	return l
}

func (w *world) tryList(req exceptions.ListRequest) (l *exceptions.Listing, err error) {
	w.T.Helper()
	r, failed := engine.Replay(context.Background(), w.Log.All(), exceptions.New())
	if failed == nil {
		failed = r.Sink.View(context.Background(), func(s engine.Snapshot) error {
			l, err = exceptions.List(context.Background(), s, req)
			return nil
		})
	}
	if failed != nil {
		w.T.Fatal(failed)
	}
	return l, err
}

func amountOf(asset, text string) money.Amount { return pledgetest.Amount(asset, text) }
