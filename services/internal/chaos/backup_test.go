package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/projections/engine"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/internal/boot"
)

// place is where a backup, or a replay, ends.
type place struct {
	Position  es.Position `json:"position"`
	Events    uint64      `json:"events"`
	StateHash string      `json:"state_hash"`
}

// TestBackupsUnderLoadAreTheLedgerAtTheirPosition takes backups while commands are being answered, one folder afresh and one continued, and
// restores each elsewhere: it verifies, and has the state hash of the original folded up to where the backup ends.
func TestBackupsUnderLoadAreTheLedgerAtTheirPosition(t *testing.T) {
	const rounds, answersBetween = 5, 150
	binary, dir, away := build(t), t.TempDir(), t.TempDir()
	h := newHistory(t, 3)
	s := serve(t, binary, dir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answered := make(chan es.Position) // the highest one, whenever somebody asks
	ended := make(chan error, 1)
	go func() {
		var last es.Position
		n, due := 0, 0
		ended <- s.client.SubmitAll(ctx, h.commands(), func(_ int, cmd *apiv1.Command, a *apiv1.Answer) error {
			h.note(cmd, a)
			last = max(last, es.Position(a.Position))
			if n++; n-due >= answersBetween {
				select {
				case answered <- last:
					due = n
				default: // a backup is under way
				}
			}
			return nil
		})
	}()
	taken := map[string]place{} // by the folder of the restored ledger
	for round := range rounds {
		for kind, to := range map[string]string{"fresh": fmt.Sprintf("fresh-%d", round), "continued": "continued"} {
			var before es.Position
			select {
			case before = <-answered:
			case err := <-ended:
				t.Fatalf("the load ended early: %v", err)
			}
			backup, restored := filepath.Join(away, to), filepath.Join(away, fmt.Sprintf("restored-%s-%d", kind, round))
			at := decoded(t, run(t.Context(), t, binary, "backup", backup, "--data", dir, "-o", "json"))
			if at.Position < before {
				t.Errorf("the backup ends at position %d; %d was answered before it began", at.Position, before)
			}
			if got := decoded(t, run(t.Context(), t, binary, "restore", backup, "--data", restored, "-o", "json")); got != at {
				t.Errorf("a backup at %+v is restored at %+v", at, got)
			}
			taken[restored] = at
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.stop()
	for restored, at := range taken {
		got := decoded(t, run(t.Context(), t, binary, "replay", "--verify", "--data", restored, "-o", "json"))
		want, err := engine.Replay(t.Context(), upTo(filelog.Scan(nil, dir), at.Position), boot.Projections()...)
		if err != nil {
			t.Fatal(err)
		}
		if got.Position != at.Position || got.Events != at.Events || want.Position != at.Position || got.StateHash != want.StateHash {
			t.Errorf("%s: backed up at %+v, replays as %+v; the original folded up to there gives %d events and %s", restored, at, got, want.Events, want.StateHash)
		}
	}
	t.Logf("%d backups beside %d commands", len(taken), len(h.sent))
}

func decoded(t *testing.T, text string) (at place) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &at); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return at
}

// upTo ends the entries at a position.
func upTo(entries iter.Seq2[es.Entry, error], at es.Position) iter.Seq2[es.Entry, error] {
	return func(yield func(es.Entry, error) bool) {
		for e, err := range entries {
			if err == nil && e.Position > at || !yield(e, err) {
				return
			}
		}
	}
}
