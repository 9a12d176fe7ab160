package feed_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/memlog"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/internal/feed"
	"github.com/allied-ledger/allied/services/pledges"
	"github.com/allied-ledger/allied/services/recorder"
	"github.com/google/uuid"
	"go.uber.org/zap/zaptest"
)

// lossy loses broadcast frames.
type lossy struct {
	*feed.Feed
	keep func(i int, f engine.Frame) bool
}

func (l *lossy) Subscribe(ctx context.Context) (<-chan engine.Frame, error) {
	in, err := l.Feed.Subscribe(ctx)
	if err != nil {
		return nil, err
	}
	out := make(chan engine.Frame, 64)
	go func() {
		defer close(out)
		i := 0
		for f := range in {
			if l.keep(i, f) {
				select {
				case out <- f:
				case <-ctx.Done():
				}
			}
			i++
		}
	}()
	return out, nil
}

type runner interface {
	Run(context.Context) error
	Stop(context.Context) error
}

func run(t *testing.T, r runner) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		if err := r.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestLostFramesAreReadFromTheLog(t *testing.T) {
	for name, keep := range map[string]func(int, engine.Frame) bool{
		"none":         func(int, engine.Frame) bool { return true },
		"every second": func(i int, _ engine.Frame) bool { return i%2 == 0 },
		// Then only the head, which is repeated, tells that something was recorded; so it is with the last frame.
		"all with entries": func(_ int, f engine.Frame) bool { return len(f.Entries) == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			log := zaptest.NewLogger(t)
			s, err := embednats.Start(embednats.Config{InProcess: true, Logger: log})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			rec, err := recorder.New(t.Context(), s.Dial, memlog.New(), recorder.Config{Clock: time.Now, Logger: log})
			if err != nil {
				t.Fatal(err)
			}
			run(t, rec)
			host, err := command.New(s.Dial, pledges.Spec, command.Config{Logger: log})
			if err != nil {
				t.Fatal(err)
			}
			run(t, host)
			nc, err := s.Dial()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(nc.Close)

			sink := engine.NewMemSink()
			w := engine.NewWorker(balances.New, &lossy{feed.New(nc, log), keep}, sink, engine.Config{Logger: log})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- w.Run(ctx) }()
			defer func() {
				cancel()
				if err := <-ended; !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}()

			c := client.New(nc, client.Config{})
			const rounds, perRound = 3, 40
			for round := range rounds {
				var last uint64
				err := c.SubmitAll(t.Context(), announcements(perRound), func(_ int, _ *apiv1.Command, a *apiv1.Answer) error {
					if a.Outcome != command.Recorded {
						return fmt.Errorf("answered %v", a)
					}
					last = max(last, a.Position)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := w.Await(t.Context(), es.Position(last)); err != nil {
					t.Fatal(err)
				}
				want := fmt.Sprintf("%d.00", (round+1)*perRound)
				if got := announced(t, sink); got != want {
					t.Fatalf("announced %s, want %s", got, want)
				}
			}
		})
	}
}

func announcements(n int) func(func(*apiv1.Command) bool) {
	return func(yield func(*apiv1.Command) bool) {
		for range n {
			cmd := &apiv1.Command{
				CommandId: uuid.NewString(), Donor: "NOR", Beneficiary: "UKR", Effective: "2024",
				Body: &apiv1.Command_AnnouncePledge{AnnouncePledge: &apiv1.AnnouncePledge{Lines: []*apiv1.Line{{
					Category: "HUM.AID", Instrument: "grant", Values: []*apiv1.Value{{Basis: "donor_stated", Asset: "EUR/2@donor_stated", Amount: "1.00"}},
				}}}},
			}
			if !yield(cmd) {
				return
			}
		}
	}
}

func announced(t *testing.T, sink *engine.MemSink) (amount string) {
	t.Helper()
	err := sink.View(t.Context(), func(s engine.Snapshot) error {
		report, err := balances.Query(t.Context(), s, balances.Request{Basis: "donor_stated", Stages: []string{"announced"}, Reached: true})
		if err == nil && len(report.Rows) == 1 {
			amount = *report.Rows[0].Amount
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return amount
}
