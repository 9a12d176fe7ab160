package kiel

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/journal"
	"github.com/allied-ledger/allied/services/command"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// trackerViews folds the facts of a plan, as a ledger would that holds nothing else.
func trackerViews(t testing.TB, p *Plan, projections ...engine.Projection) engine.Views {
	t.Helper()
	sink := engine.NewMemSink()
	to := engine.Checkpoint{LogID: uuid.Max}
	s := newStage(p)
	s.heard = func(heard *es.Fact) {
		f := *heard
		if to.Position > 0 {
			to.Ordinal++
		}
		to.Position += 3
		f.Position, f.Ordinal, f.Envelope = to.Position, to.Ordinal, proto.CloneOf(f.Envelope)
		f.Envelope.Kind, _, _ = strings.Cut(f.Stream, "-") // which the service adds
		for _, view := range projections {
			if err := view.Fold(&f); err != nil {
				t.Fatal(err)
			}
		}
	}
	for step := range p.Steps() {
		if a, err := s.play(step.Command); err != nil || a.Outcome != command.Recorded {
			t.Fatal(a, err)
		}
	}
	for _, view := range projections {
		at, err := sink.Open(context.Background(), view.Spec())
		if err == nil {
			to.Projection = at.Projection
			err = sink.Commit(context.Background(), at, to, view.Flush)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return sink
}

// Every figure of the tracker's books is what its entries sum to: in all, and of each donor.
func TestEntriesOfTheTrackerFileSumToItsBalances(t *testing.T) {
	views := trackerViews(t, planFor(t, trackerRows(t, ".csv")), balances.New(), journal.New())
	figures, entries := 0, 0
	err := views.View(t.Context(), func(s engine.Snapshot) error {
		for _, stage := range balances.Stages() {
			for _, basis := range balances.Bases() {
				for _, reached := range []bool{false, true} {
					ask := balances.Request{Basis: basis, Stages: []string{stage}, Reached: reached, By: []string{"donor"}}
					report, err := balances.Query(t.Context(), s, ask)
					if err != nil {
						return err
					}
					want := map[string][]journal.Sum{}
					for _, row := range report.Rows {
						want[*row.Donor] = append(want[*row.Donor], journal.Sum{Asset: row.Asset, Amount: row.Amount, Unknown: row.Unknown})
					}
					ask.By = nil
					if report, err = balances.Query(t.Context(), s, ask); err != nil {
						return err
					}
					for _, row := range report.Rows {
						want[""] = append(want[""], journal.Sum{Asset: row.Asset, Amount: row.Amount, Unknown: row.Unknown})
					}
					for donor, sums := range want {
						l, err := journal.Entries(t.Context(), s, journal.EntriesRequest{Stage: stage, Basis: basis, Reached: reached, Donor: donor, Limit: 1})
						if err != nil {
							return err
						}
						got, gerr := json.Marshal(l.Sums)
						wanted, werr := json.Marshal(sums)
						if gerr != nil || werr != nil || string(got) != string(wanted) {
							t.Errorf("%s %s reached %t of %q: %s, and the balances are %s", stage, basis, reached, donor, got, wanted)
						}
						figures++
						if donor == "" {
							entries += l.Total
						}
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if figures < 300 || entries < 10_000 {
		t.Errorf("only %d figures of %d entries are compared", figures, entries)
	}
}
