package pledge

import (
	"fmt"
	"slices"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// capKnown tells whether allocations in an asset have a known cap: some commitment is in it, and none has an unknown value.
func (s *State) capKnown(asset string) bool {
	known := false
	for _, l := range s.Lines {
		if l.Stage != eventv1.Stage_STAGE_COMMITTED {
			continue
		}
		if l.opaque() || slices.Contains(l.Undisclosed, basisOf(asset)) {
			return false
		}
		known = known || l.controlledBy(asset)
	}
	return known
}

// room is what may still be allocated in an asset: what stands committed, less what uses the cap up without having relieved it.
func (s *State) room(asset string) money.Amount {
	var room money.Amount
	for _, l := range s.Lines {
		if !l.controlledBy(asset) {
			continue
		}
		room = sum(room, l.Standing(eventv1.Stage_STAGE_COMMITTED, asset))
		if b := l.find(eventv1.Stage_STAGE_ALLOCATED, asset); b != nil {
			room = sum(room, b.Uncapped.Neg())
		}
	}
	if room.Sign() < 0 {
		return money.Amount{}
	}
	return room
}

// checkControlChoice: where the commitments are counted in one asset, an allocation that states it is counted in it too, lest it pass the cap by.
func (s *State) checkControlChoice(field string, l *eventv1.Line) error {
	for _, c := range s.Lines {
		if c.Stage == eventv1.Stage_STAGE_COMMITTED && c.controlledBy(l.ControlAsset) {
			return nil
		}
	}
	for _, c := range s.Lines {
		if c.Stage != eventv1.Stage_STAGE_COMMITTED {
			continue
		}
		for _, v := range l.Values {
			if v.Asset != "" && v.Asset != l.ControlAsset && c.controlledBy(v.Asset) {
				return refuse("control_asset_differs", field+".control_asset", fmt.Sprintf("the pledge is committed in %s, and the allocation is to be counted in %s", v.Asset, l.ControlAsset), "name "+v.Asset)
			}
		}
	}
	return nil
}

func (m *Meta) mayExceed() bool { return m.Observed || m.Override != nil }

const remedyOverride = "ask for less, or override with authority and reason"

func exceeds(code, field string, want AssetAmount, over money.Amount, of, remedy string) *es.Refusal {
	have, _ := want.Amount.Sub(over)
	return refuse(code, field, fmt.Sprintf("%s of %s asked, %s %s", text(want.Amount, want.Asset), want.Asset, text(have, want.Asset), of), remedy)
}

// roomToRevalue refuses to lift an allocation beyond what is committed.
func (s *State) roomToRevalue(field string, c *Revalue) error {
	if c.Stage != eventv1.Stage_STAGE_ALLOCATED || c.Delta.Sign() < 0 || c.mayExceed() || !s.capKnown(c.Asset) {
		return nil
	}
	if room := s.room(c.Asset); c.Delta.Cmp(room) > 0 {
		return exceeds("exceeds_committed", field+".delta", AssetAmount{c.Asset, c.Delta}, sum(c.Delta, room.Neg()), "committed and not yet allocated", remedyOverride)
	}
	return nil
}
