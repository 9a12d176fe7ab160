package kiel

import (
	"github.com/allied-ledger/allied/events/money"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
)

// deliveries claim what the tracker says was delivered. It names no shipment, no day, no place and nobody who signed; of what was dispatched
// it reports nothing, and nothing is claimed there. What it says of a commitment stays there: of which allocation it was, nobody knows.
func (m *measure) deliveries(release string) []Step {
	var out []Step
	for i, f := range m.commitments {
		if isDelivered(f.delivered) {
			out = append(out, m.deliver(release, "", []*fact{f}, &apiv1.ClaimDelivery{
				Line: m.lineID("commitment", "", i), Amount: f.delivered.Text(centScale),
			}))
		}
	}
	for _, a := range m.allocations {
		if isDelivered(a.delivered) {
			out = append(out, m.deliver(release, a.id, a.facts, &apiv1.ClaimDelivery{
				Line: m.lineID("allocation", a.id, 0), Amount: a.delivered.Text(centScale), SameUnits: a.sameUnits, Stated: a.statedUnits(),
			}))
		}
	}
	return out
}

// statedUnits are left out where the allocation has no value at all: its units are then what it is counted in, which a claim in euros moves
// nothing of. The tracker's estimates in dollars are no part of an allocation either, and stay in the control totals.
func (a *allocation) statedUnits() []*apiv1.AssetAmount {
	if control(a.values()) == "" {
		return nil
	}
	var out []*apiv1.AssetAmount
	for _, u := range a.unitsDelivered {
		out = append(out, &apiv1.AssetAmount{Asset: u.asset, Amount: u.text()})
	}
	return out
}

// isDelivered: a blank says nothing of deliveries, and zero says that there was none; neither is a claim.
func isDelivered(value *money.Amount) bool { return value != nil && value.Sign() > 0 }

func (m *measure) deliver(release, allocationID string, facts []*fact, claim *apiv1.ClaimDelivery) Step {
	s := m.step(release, kindDeliver, allocationID, facts)
	s.Command.Effective, s.Command.EffectiveAsStated = "unknown", "" // the rows' date is that of the announcement
	claim.Asset, claim.Point = "EUR/2@"+basisTracker, "unstated"
	s.Command.Body = &apiv1.Command_ClaimDelivery{ClaimDelivery: claim}
	return s
}
