package shipment_test

import (
	"encoding/json"
	"testing"

	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/shipment"
	kit "github.com/allied-ledger/allied/events/shipment/shipmenttest"
	"pgregory.net/rapid"
)

func TestRandomCommandsKeepTheInvariants(t *testing.T) {
	tally := given.NewTally()
	rapid.Check(t, func(t *rapid.T) {
		c := given.History(shipment.Decider)
		revision := uint64(0)
		do := func(cmd shipment.Command) {
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
				shipment.Evolve(c.State(), given.Fact(c.State().Stream, revision, e))
				revision++
			}
			checkInvariants(t, c.State())
		}
		do(kit.Plan(kit.Line(7, 2, shells, "10"), kit.Line(8, 3, eur, "100"), kit.Line(9, 4, "", "")))
		for range rapid.IntRange(1, 40).Draw(t, "commands") {
			do(kit.Random(t, c.State()))
		}
	})
	tally.Report(t)
}

func encode(t *rapid.T, s *shipment.State) string {
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// checkInvariants: nothing is below zero, nothing stands that was not reached, and a closed shipment has nothing under way.
func checkInvariants(t *rapid.T, s *shipment.State) {
	for _, l := range s.Lines {
		for _, r := range l.Rungs {
			if r.Reached.Sign() < 0 || r.Standing.Sign() < 0 || r.Over.Sign() < 0 || r.Standing.Cmp(r.Reached) > 0 {
				t.Fatalf("draw %s at %s: reached %s, standing %s, over %s", l.Draw, r.Stage, l.Text(r.Reached), l.Text(r.Standing), l.Text(r.Over))
			}
		}
		for _, m := range []money.Amount{l.Standing(reserved), l.Standing(dispatched), l.Standing(missing)} {
			if s.Phase == shipment.Closed && !m.IsZero() {
				t.Fatalf("%s of draw %s is under way, and the shipment closed", l.Text(m), l.Draw)
			}
		}
	}
}
