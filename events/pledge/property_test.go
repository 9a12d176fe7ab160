package pledge_test

import (
	"encoding/json"
	"testing"

	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"pgregory.net/rapid"
)

func TestRandomCommandsKeepTheInvariants(t *testing.T) {
	tally := given.NewTally()
	rapid.Check(t, func(t *rapid.T) {
		n := 0
		next := func() int { n++; return n }
		c := given.History(pledge.Decider)
		for range rapid.IntRange(1, 40).Draw(t, "commands") {
			cmd := pledgetest.Random(t, c.State(), next)
			before := encode(t, c.State())
			a := c.When(cmd)
			tally.Count(cmd, a.Err)
			if encode(t, c.State()) != before {
				t.Fatalf("deciding %T changed the state", cmd)
			}
			if a.Err != nil {
				continue
			}
			for _, e := range a.Events {
				pledge.Evolve(c.State(), given.Fact(c.State().Stream, 1, e))
			}
			checkInvariants(t, c.State())
		}
	})
	tally.Report(t)
}

func encode(t *rapid.T, s *pledge.State) string {
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// checkInvariants: nothing stands below zero in a control asset, no more than was reached, and a line's reservations are those of its draws. That caps
// are kept is judged from the postings (package posting).
func checkInvariants(t *rapid.T, s *pledge.State) {
	for _, l := range s.Lines {
		for _, b := range l.Balances {
			if b.Reached.Sign() < 0 || b.Standing.Sign() < 0 || b.Over.Sign() < 0 || b.Standing.Cmp(b.Reached) > 0 {
				t.Fatalf("line %s at %s in %s: reached %s, standing %s, over %s", l.ID, b.Stage, b.Asset, b.Reached.Text(2), b.Standing.Text(2), b.Over.Text(2))
			}
		}
	}
	for _, d := range s.Draws {
		if d.Over.Sign() < 0 || d.Over.Cmp(d.Amount) > 0 {
			t.Fatalf("draw %s of %s is %s over", d.ID, d.Amount.Text(2), d.Over.Text(2))
		}
	}
	reserved := map[string]money.Amount{}
	for _, d := range s.Draws {
		if d.Asset != "" && d.Status != pledge.Released {
			k := d.Allocation.String() + d.Asset
			holds, _ := d.Amount.Sub(d.Released)
			reserved[k], _ = reserved[k].Add(holds)
		}
	}
	for _, l := range s.Lines {
		for _, b := range l.Balances {
			if b.Stage != eventv1.Stage_STAGE_RESERVED {
				continue
			}
			if want := reserved[l.ID.String()+b.Asset]; want != b.Reached {
				t.Fatalf("line %s has %s reserved, and its draws %s", l.ID, b.Reached.Text(2), want.Text(2))
			}
		}
	}
}
