package posting_test

import (
	"bytes"
	"testing"

	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/posting"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"pgregory.net/rapid"
)

// The decider keeps control standings of its own and never asks the postings; here the two are compared after every event. Caps are kept, but by
// outside data and by decisions of people.
func TestPostingsAgreeWithTheDecider(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := 0
		next := func() int { n++; return n }
		c := given.History(pledge.Decider)
		register, totals := posting.NewRegister(), totals{}
		var j posting.Journal
		for range rapid.IntRange(1, 40).Draw(t, "commands") {
			cmd, before := pledgetest.Random(t, c.State(), next), totals.caps(c.State())
			a := c.When(cmd)
			for _, e := range a.Events {
				f := given.Fact(c.State().Stream, 1, e)
				pledge.Evolve(c.State(), f)
				if err := register.Fold(f.Stream, f, &j); err != nil {
					t.Fatal(err)
				}
				checkZero(t, &j)
				totals.add(t, &j)
			}
			totals.compare(t, c.State())
			if !mayExceed(cmd) {
				before.keeps(t, cmd, totals.caps(c.State()))
			}
			register = reread(t, register)
		}
	})
}

// totals sums postings by account, line and asset, without the register.
type totals map[total]money.Amount

type total struct {
	account posting.Account
	line    [16]byte
	asset   string
}

func (s totals) add(t fataler, j *posting.Journal) {
	t.Helper()
	for _, p := range j.Postings {
		k := total{p.Account, p.Line, p.Asset}
		var err error
		if s[k], err = s[k].Add(p.Amount); err != nil {
			t.Fatalf("%v", err)
		}
	}
}

// compare: what the pledge holds of each line is what is posted, where nothing has gone on from it.
func (s totals) compare(t *rapid.T, state *pledge.State) {
	t.Helper()
	s.compareAt(t, state, func(eventv1.Stage) bool { return true })
}

func (s totals) compareAt(t *rapid.T, state *pledge.State, of func(eventv1.Stage) bool) {
	t.Helper()
	for _, l := range state.Lines {
		for _, b := range l.Balances {
			if !of(b.Stage) {
				continue
			}
			in, out := s[total{posting.In(b.Stage), l.ID, b.Asset}], s[total{posting.Out(b.Stage), l.ID, b.Asset}]
			standing, err := in.Add(out)
			if err != nil {
				t.Fatal(err)
			}
			if in != b.Reached || standing != b.Standing {
				t.Fatalf("line %s at %s in %s: posted %s reached and %s standing, decided %s and %s",
					l.ID, b.Stage, b.Asset, in.Text(2), standing.Text(2), b.Reached.Text(2), b.Standing.Text(2))
			}
			over := posting.OverAllocated
			switch b.Stage {
			case eventv1.Stage_STAGE_RESERVED:
				over = posting.OverReserved
			case eventv1.Stage_STAGE_ALLOCATED:
			default:
				continue
			}
			if got := s[total{over, l.ID, b.Asset}].Neg(); got != b.Over {
				t.Fatalf("line %s in %s: posted %s over, decided %s", l.ID, b.Asset, got.Text(2), b.Over.Text(2))
			}
		}
	}
	for k, amount := range s {
		if k.account.In() && amount.Sign() < 0 && state.Line(k.line) != nil && contains(state.Line(k.line).Controls, k.asset) {
			t.Fatalf("%s of line %x in %s is %s: what was reached is below zero", k.account, k.line, k.asset, amount.Text(2))
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// reread writes and reads the register: what follows must go on as if it had stayed in memory.
func reread(t *rapid.T, r *posting.Register) *posting.Register {
	data, err := r.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	got := posting.NewRegister()
	if err := got.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	again, err := got.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, again) {
		t.Fatal("a register reads back differently")
	}
	return got
}

func FuzzRegister(f *testing.F) {
	r := posting.NewRegister()
	var j posting.Journal
	c := given.History(pledge.Decider)
	for _, cmd := range []pledge.Command{
		commit(line(1, stated(eur, "100"))), allocate(line(2, stated(eur, "70")), item("shell", "3")), draw(7, 2, eur, "5"),
	} {
		a := c.When(cmd)
		for _, e := range a.Events {
			fact := given.Fact(c.State().Stream, 1, e)
			pledge.Evolve(c.State(), fact)
			if err := r.Fold(fact.Stream, fact, &j); err != nil {
				f.Fatal(err)
			}
		}
	}
	data, err := r.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		r := posting.NewRegister()
		if r.UnmarshalBinary(data) != nil {
			return
		}
		again, err := r.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := posting.NewRegister().UnmarshalBinary(again); err != nil {
			t.Fatalf("what was read and written cannot be read: %v", err)
		}
	})
}
