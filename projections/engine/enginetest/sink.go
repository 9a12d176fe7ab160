package enginetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/google/uuid"
)

// Opener opens the storage of a name, which begins empty. It may be called again for the same name, while the first sink is open or after
// it was closed, and then finds what is there.
type Opener func(t *testing.T, name string) engine.Sink

// kindsSpec has a column of every kind, and a key of every kind that may be one.
var kindsSpec = engine.Spec{Name: "kinds", Version: 1, Tables: []engine.Table{
	{Name: "kinds", Key: 3, Columns: []engine.Column{
		{Name: "k_text", Kind: engine.Text},
		{Name: "k_int", Kind: engine.Int},
		{Name: "k_bytes", Kind: engine.Bytes},
		{Name: "text", Kind: engine.Text, Null: true},
		{Name: "int", Kind: engine.Int, Null: true},
		{Name: "amount", Kind: engine.Amount, Null: true},
		{Name: "bytes", Kind: engine.Bytes, Null: true},
		{Name: "bool", Kind: engine.Bool, Null: true},
		{Name: "day", Kind: engine.Day, Null: true},
	}},
	{Name: "kinds_order", Key: 1, Hidden: true, Columns: []engine.Column{{Name: "select", Kind: engine.Text}}}, // a reserved word, and nothing but a key
}}

var (
	logID      = uuid.UUID{1: 4, 15: 1}
	otherLogID = uuid.UUID{1: 4, 15: 2}
)

// TestSink runs the contract of engine.Sink.
func TestSink(t *testing.T, open Opener) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Opener)
	}{
		{"a new view is empty and at no position", newView},
		{"every value comes back exactly, in key order", exactValues},
		{"a row is replaced by its key", replaced},
		{"a commit that fails leaves nothing", atomic},
		{"of two workers at one checkpoint one commits", fenced},
		{"a checkpoint moves forward within one log", forward},
		{"rows that do not fit are refused", misfits},
		{"what is committed is there after reopening", reopened},
		{"another version begins from zero and leaves other views alone", rebuilt},
		{"reset empties a view", reset},
		{"a snapshot is one moment", oneMoment},
		{"ranges", ranges},
		{"many rows in one commit", manyRows},
		{"cancelled contexts stop", cancelled},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open) })
	}
}

func newView(t *testing.T, open Opener) {
	s := open(t, "a")
	ctx := t.Context()
	err := s.View(ctx, func(v engine.Snapshot) error {
		_, err := v.Checkpoint(ctx, kindsSpec)
		return err
	})
	var none *engine.NoViewError
	if !errors.As(err, &none) {
		t.Fatalf("checkpoint of a view that was never opened: %v", err)
	}
	if at := mustOpen(t, s, kindsSpec); at != (engine.Checkpoint{Projection: "kinds"}) {
		t.Fatalf("new view is at %+v", at)
	}
	if rows := scan(t, s, kindsSpec.Tables[0], engine.Range{}); len(rows) != 0 {
		t.Fatalf("new view has rows: %v", rows)
	}
}

func kindsRow(text string, n int64, b string, rest ...engine.Value) engine.Row {
	row := engine.Row{engine.TextOf(text), engine.IntOf(n), engine.BytesOf([]byte(b))}
	for _, c := range kindsSpec.Tables[0].Columns[len(row)+len(rest):] {
		rest = append(rest, engine.NullOf(c.Kind))
	}
	return append(row, rest...)
}

func exactValues(t *testing.T, open Opener) {
	s := open(t, "a")
	at := mustOpen(t, s, kindsSpec)
	most := money.MaxAmount
	rest := func(text string, n int64, a money.Amount, b string, y bool, day int32) []engine.Value {
		return []engine.Value{engine.TextOf(text), engine.IntOf(n), engine.AmountOf(a), engine.BytesOf([]byte(b)), engine.BoolOf(y), engine.DayOf(day)}
	}
	rows := []engine.Row{
		kindsRow("", math.MinInt64, "", rest("", math.MinInt64, most, "", false, -719162)...),
		kindsRow("", 0, "\x00"),
		kindsRow("", 0, "\x00\x00", rest("'; DROP TABLE \"kinds\"; --", math.MaxInt64, most.Neg(), "\x00\xff", true, 2932896)...),
		kindsRow("", 0, "\x01", rest("line\nline\ttab\\", -1, money.New(0), "x", true, 0)...),
		kindsRow("", 0, "\xff"),
		kindsRow("", math.MaxInt64, ""),
		kindsRow("Z", 0, "", rest("1e5", 1, money.New(-1), "1", false, 1)...),
		kindsRow("Z ", 0, ""),
		kindsRow("a", 0, "", rest("0123", 0, money.New(math.MaxInt64), "", false, 0)...),
		kindsRow("ab", 0, ""),
		kindsRow("z", 0, ""),
		kindsRow("é", 0, ""),
		kindsRow("С", 0, ""), // Cyrillic
		kindsRow("\uFFFD", 0, "", rest("nul becomes \uFFFD", 0, money.New(math.MinInt64), "", false, 0)...),
		kindsRow("🚀", 0, ""),
	}
	shuffled := slices.Clone(rows)
	slices.Reverse(shuffled)
	commit(t, s, at, move(at, 1), 0, shuffled...)
	got := scan(t, s, kindsSpec.Tables[0], engine.Range{})
	equalRows(t, got, rows)
}

func replaced(t *testing.T, open Opener) {
	s := open(t, "a")
	at := mustOpen(t, s, kindsSpec)
	next := commit(t, s, at, move(at, 1), 0, kindsRow("a", 1, "", engine.TextOf("old"), engine.IntOf(5)), kindsRow("b", 1, ""))
	// Twice in one commit too: the last one counts.
	next = commit(t, s, next, move(next, 2), 0, kindsRow("a", 1, "", engine.TextOf("new")), kindsRow("a", 1, "", engine.TextOf("newest")))
	commit(t, s, next, move(next, 3), 1, engine.Row{engine.TextOf("x")}, engine.Row{engine.TextOf("x")})
	equalRows(t, scan(t, s, kindsSpec.Tables[0], engine.Range{}), []engine.Row{kindsRow("a", 1, "", engine.TextOf("newest")), kindsRow("b", 1, "")})
	equalRows(t, scan(t, s, kindsSpec.Tables[1], engine.Range{}), []engine.Row{{engine.TextOf("x")}})
}

func atomic(t *testing.T, open Opener) {
	s := open(t, "a")
	at := mustOpen(t, s, kindsSpec)
	at = commit(t, s, at, move(at, 1), 0, kindsRow("kept", 1, ""))
	failure := errors.New("flush failed")
	err := s.Commit(t.Context(), at, move(at, 2), func(yield func(int, engine.Row) error) error {
		for i := range 1000 {
			if err := yield(0, kindsRow("lost", int64(i), "")); err != nil {
				return err
			}
		}
		if err := yield(0, kindsRow("kept", 1, "", engine.TextOf("changed"))); err != nil {
			return err
		}
		return failure
	})
	if !errors.Is(err, failure) {
		t.Fatalf("commit: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = s.Commit(ctx, at, move(at, 2), func(yield func(int, engine.Row) error) error {
		err := yield(0, kindsRow("lost", 1, ""))
		cancel()
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled commit: %v", err)
	}
	equalRows(t, scan(t, s, kindsSpec.Tables[0], engine.Range{}), []engine.Row{kindsRow("kept", 1, "")})
	commit(t, s, at, move(at, 2), 0, kindsRow("next", 1, "")) // the checkpoint did not move either
}

func fenced(t *testing.T, open Opener) {
	const rounds, workers = 10, 4
	sinks := make([]engine.Sink, workers)
	for i := range sinks {
		sinks[i] = open(t, "a")
	}
	at := mustOpen(t, sinks[0], kindsSpec)
	for i := range sinks {
		// A sink that lets one worker hold the view says so, and what the others commit all the same, it refuses.
		other, err := sinks[i].Open(t.Context(), kindsSpec)
		var held *engine.HeldError
		if errors.As(err, &held) && i > 0 {
			other, err = held.Checkpoint, nil
		}
		if err != nil || other != at {
			t.Fatalf("worker %d opens the view at %+v: %v", i, other, err)
		}
	}
	for round := range rounds {
		errs := make([]error, workers)
		var wg sync.WaitGroup
		for i, s := range sinks {
			wg.Go(func() {
				to := move(at, es.Position((round+1)*workers+i))
				errs[i] = s.Commit(t.Context(), at, to, func(yield func(int, engine.Row) error) error {
					return yield(0, kindsRow("round", int64(round), "", engine.TextOf(fmt.Sprint(i))))
				})
			})
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			var lost *engine.CheckpointError
			var held *engine.HeldError
			switch {
			case err == nil && winner < 0:
				winner = i
			case err == nil:
				t.Fatalf("round %d: workers %d and %d both committed from position %d", round, winner, i, at.Position)
			case !errors.As(err, &lost) && !errors.As(err, &held):
				t.Fatalf("round %d, worker %d: %v", round, i, err)
			}
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody committed: %v", round, errs)
		}
		at = checkpoint(t, sinks[0], kindsSpec)
		rows := scan(t, sinks[1], kindsSpec.Tables[0], engine.Range{})
		if want := es.Position((round+1)*workers + winner); at.Position != want || rows[round][3].Text() != fmt.Sprint(winner) {
			t.Fatalf("round %d: worker %d won, but the view is at %d with row %v", round, winner, at.Position, rows[round])
		}
	}
}

func forward(t *testing.T, open Opener) {
	s := open(t, "a")
	at := mustOpen(t, s, kindsSpec)
	at = commit(t, s, at, move(at, 5), 0)
	elsewhere := move(at, 6)
	elsewhere.LogID = otherLogID
	for name, to := range map[string]engine.Checkpoint{"the same position": at, "an earlier position": move(at, 4), "another log": elsewhere} {
		if err := s.Commit(t.Context(), at, to, nothing); err == nil {
			t.Errorf("a commit to %s is accepted", name)
		}
	}
	if err := s.Commit(t.Context(), engine.Checkpoint{Projection: "never"}, move(engine.Checkpoint{Projection: "never"}, 1), nothing); err == nil {
		t.Error("a commit to a view that is not open is accepted")
	}
	if got := checkpoint(t, s, kindsSpec); got != at {
		t.Errorf("refused commits moved the checkpoint to %+v", got)
	}
	big := move(at, math.MaxInt64)
	big.Ordinal = math.MaxInt64
	commit(t, s, at, big, 0)
}

func nothing(func(int, engine.Row) error) error { return nil }

func misfits(t *testing.T, open Opener) {
	s := open(t, "a")
	at := mustOpen(t, s, kindsSpec)
	null := kindsRow("a", 1, "")
	null[1] = engine.NullOf(engine.Int)
	for name, c := range map[string]struct {
		table int
		row   engine.Row
	}{
		"a short row":        {0, kindsRow("a", 1, "")[:4]},
		"a wrong kind":       {0, kindsRow("a", 1, "", engine.IntOf(1))},
		"a null in the key":  {0, null},
		"a table too many":   {2, kindsRow("a", 1, "")},
		"a table before all": {-1, kindsRow("a", 1, "")},
	} {
		err := s.Commit(t.Context(), at, move(at, 1), func(yield func(int, engine.Row) error) error { return yield(c.table, c.row) })
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	bad := kindsSpec
	bad.Name = "Robert'); DROP TABLE"
	if _, err := s.Open(t.Context(), bad); err == nil {
		t.Error("a name that is no name is accepted")
	}
}

func reopened(t *testing.T, open Opener) {
	s := open(t, "a")
	at := mustOpen(t, s, kindsSpec)
	at = commit(t, s, at, move(at, 3), 0, kindsRow("a", 1, "\x00"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, "a")
	if got := mustOpen(t, s, kindsSpec); got != at {
		t.Fatalf("reopened at %+v, not %+v", got, at)
	}
	equalRows(t, scan(t, s, kindsSpec.Tables[0], engine.Range{}), []engine.Row{kindsRow("a", 1, "\x00")})
	commit(t, s, at, move(at, 4), 0, kindsRow("b", 1, ""))
}

func rebuilt(t *testing.T, open Opener) {
	s := open(t, "a")
	other := mustOpen(t, s, TallySpec)
	other = commit(t, s, other, move(other, 9), 1, engine.Row{engine.TextOf("s"), engine.BytesOf([]byte("state"))})
	at := mustOpen(t, s, kindsSpec)
	commit(t, s, at, move(at, 3), 0, kindsRow("a", 1, ""))

	next := kindsSpec
	next.Version++
	next.Tables = slices.Clone(next.Tables[:1])
	next.Tables[0].Columns = append(slices.Clone(next.Tables[0].Columns), engine.Column{Name: "added", Kind: engine.Text, Null: true})
	if got := mustOpen(t, s, next); got != (engine.Checkpoint{Projection: "kinds"}) {
		t.Fatalf("the next version begins at %+v", got)
	}
	if rows := scan(t, s, next.Tables[0], engine.Range{}); len(rows) != 0 {
		t.Fatalf("the next version has rows of the last: %v", rows)
	}
	if err := s.View(t.Context(), func(v engine.Snapshot) error { _, err := v.Checkpoint(t.Context(), kindsSpec); return err }); err == nil {
		t.Fatal("the last version still has a checkpoint")
	}
	if got := mustOpen(t, s, TallySpec); got != other {
		t.Fatalf("the other view is at %+v, not %+v", got, other)
	}
	if rows := scan(t, s, TallySpec.Tables[1], engine.Range{}); len(rows) != 1 {
		t.Fatalf("the other view has %d rows", len(rows))
	}
}

func reset(t *testing.T, open Opener) {
	s := open(t, "a")
	at := mustOpen(t, s, kindsSpec)
	at = commit(t, s, at, move(at, 3), 0, kindsRow("a", 1, ""))
	if err := s.Reset(t.Context(), kindsSpec); err != nil {
		t.Fatal(err)
	}
	var lost *engine.CheckpointError
	if err := s.Commit(t.Context(), at, move(at, 4), nothing); !errors.As(err, &lost) {
		t.Fatalf("a worker from before the reset commits: %v", err)
	}
	at = mustOpen(t, s, kindsSpec)
	if rows := scan(t, s, kindsSpec.Tables[0], engine.Range{}); len(rows) != 0 || at.Position != 0 {
		t.Fatalf("after the reset: %+v %v", at, rows)
	}
	elsewhere := move(at, 1)
	elsewhere.LogID = otherLogID // after a reset another log may be followed
	if err := s.Commit(t.Context(), at, elsewhere, nothing); err != nil {
		t.Fatal(err)
	}
}

func oneMoment(t *testing.T, open Opener) {
	s := open(t, "a")
	at := mustOpen(t, s, kindsSpec)
	at = commit(t, s, at, move(at, 1), 0, kindsRow("a", 1, ""), kindsRow("b", 1, ""))
	committed := make(chan error, 1)
	err := s.View(t.Context(), func(v engine.Snapshot) error {
		go func() {
			committed <- s.Commit(t.Context(), at, move(at, 2), func(yield func(int, engine.Row) error) error { return yield(0, kindsRow("c", 1, "")) })
		}()
		// A sink may let the writer pass or wait: in either case this moment does not change. Scans may stand inside each other.
		for row, err := range v.Scan(t.Context(), kindsSpec.Tables[0], engine.Range{}) {
			if err != nil {
				return err
			}
			n := 0
			for _, err := range v.Scan(t.Context(), kindsSpec.Tables[0], engine.Range{}) {
				if err != nil {
					return err
				}
				n++
			}
			if n != 2 {
				t.Errorf("at row %v there are %d rows", row[0], n)
			}
		}
		got, err := v.Checkpoint(t.Context(), kindsSpec)
		if err == nil && got != at {
			t.Errorf("snapshot moved to %+v", got)
		}
		return err
	})
	if err = errors.Join(err, <-committed); err != nil {
		t.Fatal(err)
	}
	if rows := scan(t, s, kindsSpec.Tables[0], engine.Range{}); len(rows) != 3 {
		t.Fatalf("after the commit there are %d rows", len(rows))
	}
}

func ranges(t *testing.T, open Opener) {
	s := open(t, "a")
	at := mustOpen(t, s, kindsSpec)
	var rows []engine.Row
	for _, text := range []string{"a", "ab", "b"} {
		for n := range int64(3) {
			for _, b := range []string{"", "\x00", "x"} {
				rows = append(rows, kindsRow(text, n, b))
			}
		}
	}
	commit(t, s, at, move(at, 1), 0, rows...)
	text, n, b := engine.TextOf, engine.IntOf, func(s string) engine.Value { return engine.BytesOf([]byte(s)) }
	for _, c := range []struct {
		name     string
		r        engine.Range
		from, to int
	}{
		{"all", engine.Range{}, 0, 27},
		{"one text", engine.Range{Prefix: []engine.Value{text("ab")}}, 9, 18},
		{"no such text", engine.Range{Prefix: []engine.Value{text("aa")}}, 0, 0},
		{"a text and an int", engine.Range{Prefix: []engine.Value{text("ab"), n(1)}}, 12, 15},
		{"one row", engine.Range{Prefix: []engine.Value{text("ab"), n(1), b("\x00")}}, 13, 14},
		{"after a text", engine.Range{After: []engine.Value{text("a")}}, 9, 27},
		{"after a text that is not there", engine.Range{After: []engine.Value{text("aa")}}, 9, 27},
		{"after a row", engine.Range{After: []engine.Value{text("a"), n(2), b("")}}, 7, 27},
		{"after a row within a text", engine.Range{Prefix: []engine.Value{text("a")}, After: []engine.Value{text("a"), n(1), b("x")}}, 6, 9},
		{"after the last", engine.Range{After: []engine.Value{text("b"), n(2), b("x")}}, 0, 0},
	} {
		if got := scan(t, s, kindsSpec.Tables[0], c.r); len(got) != c.to-c.from {
			t.Errorf("%s: %d rows, not %d", c.name, len(got), c.to-c.from)
		} else {
			equalRows(t, got, rows[c.from:c.to])
		}
	}
	backwards := func(from, to int) []engine.Row {
		part := slices.Clone(rows[from:to])
		slices.Reverse(part)
		return part
	}
	for _, c := range []struct {
		name     string
		r        engine.Range
		from, to int
	}{
		{"all", engine.Range{}, 0, 27},
		{"one text", engine.Range{Prefix: []engine.Value{text("ab")}}, 9, 18},
		{"no such text", engine.Range{Prefix: []engine.Value{text("aa")}}, 0, 0},
		{"before a text", engine.Range{After: []engine.Value{text("b")}}, 0, 18},
		{"before a text that is not there", engine.Range{After: []engine.Value{text("aa")}}, 0, 9},
		{"before a row", engine.Range{After: []engine.Value{text("a"), n(2), b("")}}, 0, 6},
		{"before a row within a text", engine.Range{Prefix: []engine.Value{text("b")}, After: []engine.Value{text("b"), n(1), b("\x00")}}, 18, 22},
		{"before the first", engine.Range{After: []engine.Value{text("a"), n(0), b("")}}, 0, 0},
	} {
		c.r.Descending = true
		if got := scan(t, s, kindsSpec.Tables[0], c.r); len(got) != c.to-c.from {
			t.Errorf("descending, %s: %d rows, not %d", c.name, len(got), c.to-c.from)
		} else {
			equalRows(t, got, backwards(c.from, c.to))
		}
	}
}

func manyRows(t *testing.T, open Opener) {
	const n = 5000
	s := open(t, "a")
	at := mustOpen(t, s, kindsSpec)
	var rows []engine.Row
	for i := range int64(n) {
		rows = append(rows, kindsRow("many", i, "", engine.TextOf(strings.Repeat("x", int(i%50)))))
	}
	at = commit(t, s, at, move(at, 1), 0, rows...)
	rows[n/2] = kindsRow("many", n/2, "", engine.TextOf("changed"))
	commit(t, s, at, move(at, 2), 0, rows[n/2-1], rows[n/2])
	equalRows(t, scan(t, s, kindsSpec.Tables[0], engine.Range{}), rows)
	slices.Reverse(rows)
	equalRows(t, scan(t, s, kindsSpec.Tables[0], engine.Range{Descending: true}), rows)
}

func cancelled(t *testing.T, open Opener) {
	s := open(t, "a")
	at := mustOpen(t, s, kindsSpec)
	at = commit(t, s, at, move(at, 1), 0, kindsRow("a", 1, ""))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Open(ctx, kindsSpec); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
	if err := s.Commit(ctx, at, move(at, 2), nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
	if err := s.View(ctx, func(engine.Snapshot) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("view: %v", err)
	}
	commit(t, s, at, move(at, 2), 0)
}
