package pledge

import (
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// takings are what the events of one decision have taken so far and the state does not show yet.
type takings map[taking]money.Amount

type taking struct {
	line  uuid.UUID
	stage eventv1.Stage
	asset string
	over  bool // taken from what stands over a cap, not from a standing
}

func everyLine(*Line) bool { return true }

// relieve splits an amount: what lines that may give have standing at the stages, in that order and oldest first, and the rest. Only lines
// that the asset controls give.
func (s *State) relieve(want AssetAmount, taken takings, restTo eventv1.RestTo, may func(*Line) bool, stages ...eventv1.Stage) *eventv1.Split {
	split := &eventv1.Split{Asset: want.Asset}
	left := want.Amount
	for _, stage := range stages {
		for _, l := range s.Lines {
			if left.IsZero() {
				return split
			}
			if !may(l) || !l.controlledBy(want.Asset) {
				continue
			}
			key := taking{l.ID, stage, want.Asset, false}
			t := money.Min(left, sum(l.Standing(stage, want.Asset), taken[key].Neg()))
			if t.Sign() <= 0 {
				continue
			}
			taken[key] = sum(taken[key], t)
			left = sum(left, t.Neg())
			split.Reliefs = append(split.Reliefs, &eventv1.Relief{Line: l.ID[:], Stage: stage, Amount: t.Proto()})
		}
	}
	if !left.IsZero() {
		split.Rest, split.RestTo = left.Proto(), restTo
	}
	return split
}

// covers lets a new commitment cover allocations that stand over the cap in its asset, oldest first; nil when none does.
func (s *State) covers(commitment AssetAmount, taken takings) *eventv1.Split {
	split := &eventv1.Split{Asset: commitment.Asset}
	left := commitment.Amount
	for _, l := range s.Lines {
		b := l.find(eventv1.Stage_STAGE_ALLOCATED, commitment.Asset)
		if b == nil {
			continue
		}
		key := taking{l.ID, eventv1.Stage_STAGE_ALLOCATED, commitment.Asset, true}
		e := money.Min(left, sum(b.Over, taken[key].Neg()))
		if e.Sign() <= 0 {
			continue
		}
		taken[key] = sum(taken[key], e)
		left = sum(left, e.Neg())
		split.Reliefs = append(split.Reliefs, &eventv1.Relief{Line: l.ID[:], Stage: eventv1.Stage_STAGE_ALLOCATED, Amount: e.Proto()})
	}
	if len(split.Reliefs) == 0 {
		return nil
	}
	return split
}
