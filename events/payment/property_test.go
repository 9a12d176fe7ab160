package payment_test

import (
	"encoding/json"
	"testing"

	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/payment"
	kit "github.com/allied-ledger/allied/events/payment/paymenttest"
	"pgregory.net/rapid"
)

func TestRandomCommandsKeepTheInvariants(t *testing.T) {
	tally := given.NewTally()
	rapid.Check(t, func(t *rapid.T) {
		c := given.History(payment.Decider)
		revision := uint64(0)
		do := func(cmd payment.Command) {
			before := encode(t, c.State())
			a := c.When(cmd)
			tally.Count(cmd, a.Err)
			if encode(t, c.State()) != before {
				t.Fatalf("deciding %T changed the state", cmd)
			}
			if a.Err != nil {
				return
			}
			for _, e := range a.Events {
				payment.Evolve(c.State(), given.Fact(c.State().Stream, revision, e))
				revision++
			}
			checkInvariants(t, c.State())
		}
		l := kit.Line(7, 2, eur, "100")
		if rapid.Bool().Draw(t, "a loan") {
			l = kit.Lent(7, 2, eur, "100")
		}
		do(kit.Instruct(l))
		for range rapid.IntRange(1, 20).Draw(t, "commands") {
			do(kit.Random(t, c.State()))
		}
	})
	tally.Report(t)
}

func encode(t *rapid.T, s *payment.State) string {
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// checkInvariants: nothing is below zero, nothing stands that was not reached, and what stands booked does so in both currencies or in none.
func checkInvariants(t *rapid.T, s *payment.State) {
	l := s.Line
	for _, r := range l.Rungs {
		if r.Reached.Sign() < 0 || r.Standing.Sign() < 0 || r.Standing.Cmp(r.Reached) > 0 {
			t.Fatalf("at %s: reached %s, standing %s", r.Stage, l.Text(r.Reached), l.Text(r.Standing))
		}
	}
	if in := l.Standing(booked); s.Booked.Amount.Sign() < 0 || s.Booked.Asset == l.Asset && s.Booked.Amount != in || in.IsZero() != s.Booked.Amount.IsZero() {
		t.Fatalf("%s stands booked, as %s of %s", l.Text(in), s.Booked.Amount.Text(2), s.Booked.Asset)
	}
	if s.Principal.Sign() < 0 || s.Interest.Sign() < 0 {
		t.Fatalf("%s of the principal and %s of interest are open", s.Principal.Text(2), s.Interest.Text(2))
	}
}
