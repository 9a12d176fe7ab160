package boot

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/exceptions"
	"github.com/allied-ledger/allied/projections/payments"
	"github.com/allied-ledger/allied/services/internal/pause"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

const (
	// figuresPauseMin bounds how often the figures are computed, and figuresPauseTimes how large a part of the time that takes: a twentieth.
	figuresPauseMin   = time.Second
	figuresPauseTimes = 20
	figuresWaitMax    = time.Minute
)

// figures are what metrics tell of the books. They read whole tables, so they are computed beside the scrapes, when the views have moved.
type figures struct {
	views engine.Views
	zap   *zap.Logger
	now   atomic.Pointer[bookFigures] // nil where they are not known
}

type bookFigures struct {
	at         [len(figured)]es.Position
	trial      balances.TrialBalance
	booked     int
	exceptions map[string]int // open, by kind
}

// figured are the views that the figures are from.
var figured = [...]engine.Spec{balances.Spec, payments.Spec, exceptions.Spec}

var (
	trialAssets     = prometheus.NewDesc("allied_trial_balance_assets", "Assets in the balances.", nil, nil)
	trialUnbalanced = prometheus.NewDesc("allied_trial_balance_unbalanced_assets", "Assets whose postings do not sum to zero: damage, or a bug.", nil, nil)
	trialPosition   = prometheus.NewDesc("allied_trial_balance_position", "Position of the last event that the trial balance holds.", nil, nil)
	openExceptions  = prometheus.NewDesc("allied_exceptions_open", "Exceptions that nothing has resolved, by kind.", []string{"kind"}, nil)
	unreconciled    = prometheus.NewDesc("allied_payments_unreconciled", "Payments of which an amount stands booked that no bank statement has confirmed.", nil, nil)
)

// Describe implements prometheus.Collector.
func (f *figures) Describe(to chan<- *prometheus.Desc) {
	to <- trialAssets
	to <- trialUnbalanced
	to <- trialPosition
	to <- openExceptions
	to <- unreconciled
}

// Collect implements prometheus.Collector. Figures that are not known are left out.
func (f *figures) Collect(to chan<- prometheus.Metric) {
	now := f.now.Load()
	if now == nil {
		return
	}
	gauge(to, trialAssets, float64(now.trial.Assets))
	gauge(to, trialUnbalanced, float64(len(now.trial.Unbalanced)))
	gauge(to, trialPosition, float64(now.at[0]))
	gauge(to, unreconciled, float64(now.booked))
	for _, kind := range exceptions.Kinds() {
		gauge(to, openExceptions, float64(now.exceptions[kind]), kind)
	}
}

// run computes the figures until ctx ends. A failure leaves them unknown until the next try.
func (f *figures) run(ctx context.Context) {
	told := "" // an error that lasts is logged once
	for {
		began := time.Now()
		next, err := f.compute(ctx)
		if ctx.Err() != nil {
			return
		}
		if before := f.now.Swap(next); next != nil && next != before && len(next.trial.Unbalanced) > 0 {
			f.zap.Error("postings do not sum to zero", zap.Strings("assets", next.trial.Unbalanced), zap.Uint64("position", uint64(next.at[0])))
		}
		switch {
		case err == nil:
			told = ""
		case !errors.As(err, new(*engine.NoViewError)) && told != err.Error(): // a view that is not there its worker is about to make
			told = err.Error()
			f.zap.Warn("the figures of the books cannot be told", zap.Error(err))
		}
		if pause.For(ctx, max(figuresPauseMin, figuresPauseTimes*time.Since(began))) != nil {
			return
		}
	}
}

// compute returns the figures of one moment; those that are known where nothing has moved.
func (f *figures) compute(ctx context.Context) (out *bookFigures, err error) {
	ctx, cancel := context.WithTimeout(ctx, figuresWaitMax)
	defer cancel()
	err = f.views.View(ctx, func(s engine.Snapshot) error {
		var at [len(figured)]es.Position
		for i, spec := range figured {
			c, err := s.Checkpoint(ctx, spec)
			if err != nil {
				return err
			}
			at[i] = c.Position
		}
		if now := f.now.Load(); now != nil && now.at == at {
			out = now
			return nil
		}
		trial, err := balances.Trial(ctx, s)
		if err != nil {
			return err
		}
		booked, err := payments.List(ctx, s, payments.ListRequest{Status: payments.Booked, Limit: 1})
		if err != nil {
			return err
		}
		listed, err := exceptions.List(ctx, s, exceptions.ListRequest{Status: exceptions.All, Limit: 1})
		if err != nil {
			return err
		}
		open := map[string]int{}
		for _, kind := range listed.Summary {
			open[kind.Kind] = kind.Open
		}
		out = &bookFigures{at, trial, booked.Total, open}
		return nil
	})
	return out, err
}
