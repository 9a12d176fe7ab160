package engine_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/google/uuid"
)

func TestReplayIsTheSameOnEveryCopyOfALog(t *testing.T) {
	log, copied := enginetest.NewLog(logID), enginetest.NewLog(uuid.UUID{1: 9})
	log.Fill(t, 50)
	copied.Fill(t, 50)
	moved := copied.Entries()
	for i := range moved { // another store gives other positions
		moved[i].Position += 1000
		if i > 0 {
			moved[i].Prev += 1000
		}
	}
	a, err := engine.Replay(t.Context(), log.All(), enginetest.NewTally())
	if err != nil {
		t.Fatal(err)
	}
	b, err := engine.Replay(t.Context(), enginetest.Seq(moved), enginetest.NewTally())
	if err != nil {
		t.Fatal(err)
	}
	if a.StateHash != b.StateHash || a.Ordinal != b.Ordinal || a.Events != 50 || len(a.StateHash) != 64 {
		t.Fatalf("%+v and %+v", a, b)
	}
	less, err := engine.Replay(t.Context(), enginetest.Seq(log.Entries()[:49]), enginetest.NewTally())
	if err != nil || less.StateHash == a.StateHash {
		t.Fatalf("%v: an event less, and the same hash", err)
	}
}

// The hash is a promise to outsiders: the same rows give it for ever. This is what printf and sha256sum say too.
func TestStateHashIsAsDocumented(t *testing.T) {
	sink := engine.NewMemSink()
	log := enginetest.NewLog(logID)
	log.Fill(t, 1)
	enginetest.Build(t, log, sink, enginetest.NewTally)
	err := sink.View(t.Context(), func(s engine.Snapshot) error {
		got, err := engine.Hash(t.Context(), s, enginetest.TallySpec)
		// { printf '\0\0\0\5tally'; printf '\0\0\0\53pledge-00000000-0000-0000-0000-000000000001'; printf '\0\0\0\3D00'; printf '\0\0\0\0011';
		//   printf '\0\0\0\0010'; } | sha256sum
		if want := "ae40d3d86ba345f8548111b00c489587b2437009106cc73675f6257249c6dcf7"; got != want {
			t.Errorf("state hash %s, not %s", got, want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestReplayRefusesALogThatIsNotWhole(t *testing.T) {
	log := enginetest.NewLog(logID)
	log.Fill(t, 9)
	var gap *engine.GapError
	if _, err := engine.Replay(t.Context(), enginetest.Seq(slices.Delete(slices.Clone(log.Entries()), 3, 4)), enginetest.NewTally()); !errors.As(err, &gap) {
		t.Fatal(err)
	}
	if _, err := engine.Replay(t.Context(), enginetest.Seq(log.Entries()[1:]), enginetest.NewTally()); !errors.As(err, &gap) {
		t.Fatal(err)
	}
	damage := &es.DamageError{File: "000001.seg"}
	_, err := engine.Replay(t.Context(), func(yield func(es.Entry, error) bool) { yield(es.Entry{}, damage) }, enginetest.NewTally())
	if !errors.Is(err, damage) {
		t.Fatal(err)
	}
}

func TestVerifyTellsViewsApart(t *testing.T) {
	log := enginetest.NewLog(logID)
	log.Fill(t, 20)
	verify := func(kept engine.Views, entries []es.Entry) engine.Check {
		t.Helper()
		r, err := engine.Verify(t.Context(), enginetest.Seq(entries), kept, enginetest.NewTally())
		if err != nil {
			t.Fatal(err)
		}
		return r.Views[0]
	}
	if check := verify(engine.NewMemSink(), log.Entries()); !check.Missing || check.OK() {
		t.Errorf("no view: %+v", check)
	}
	sink := engine.NewMemSink()
	if _, err := sink.Open(t.Context(), enginetest.TallySpec); err != nil {
		t.Fatal(err)
	}
	if check := verify(sink, log.Entries()); !check.OK() {
		t.Errorf("an empty view that has folded nothing: %+v", check)
	}
	enginetest.Build(t, log, sink, enginetest.NewTally)
	if check := verify(sink, log.Entries()); !check.OK() || check.Ordinal != 19 {
		t.Errorf("a whole view: %+v", check)
	}
	log.Fill(t, 5)
	if check := verify(sink, log.Entries()); !check.OK() || check.Ordinal != 19 {
		t.Errorf("a view behind its log: %+v", check)
	}
	if check := verify(sink, log.Entries()[:10]); !check.Beyond || check.OK() {
		t.Errorf("a view beyond its log: %+v", check)
	}
}
