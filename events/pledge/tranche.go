package pledge

import (
	"fmt"

	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

func (s *State) scheduleTranche(c *ScheduleTranche) ([]es.Event, error) {
	const field = "schedule_tranche"
	if c.Tranche == uuid.Nil {
		return nil, refuse("id_missing", field+".tranche", "the tranche has no id", "give a UUID")
	}
	if s.tranche[c.Tranche] != nil {
		return nil, refuse("tranche_exists", field+".tranche", fmt.Sprintf("tranche %s is %s", c.Tranche, s.tranche[c.Tranche].Status), "reschedule it, or use another id")
	}
	if err := checkDue(field, c.Due); err != nil {
		return nil, err
	}
	ev := &eventv1.TrancheScheduled{Tranche: c.Tranche[:], Due: c.Due, ThreatLevel: c.ThreatLevel}
	if c.ThreatLevel > 0 {
		if c.OfLine != uuid.Nil || c.Asset != "" {
			return nil, refuse("two_tranches", field, "contingent support and a due part of a line are two things", "leave of_line, asset and amount empty, or threat_level")
		}
		if err := s.checkLine(field+".contingent", c.Contingent, nil, nil); err != nil {
			return nil, err
		}
		ev.Contingent = c.Contingent
		return one(ev)
	}
	if c.Contingent != nil {
		return nil, refuse("threat_level_missing", field+".threat_level", "contingent support names the threat level that activates it", "give a level above 0")
	}
	l, err := s.needLine(field+".of_line", c.OfLine)
	if err != nil {
		return nil, err
	}
	want := AssetAmount{c.Asset, c.Amount}
	if err := l.checkControl(field, want); err != nil {
		return nil, err
	}
	var due, reached money.Amount
	for _, d := range l.Due {
		if d.Asset == c.Asset {
			due = d.Amount
		}
	}
	if b := l.find(l.Stage, c.Asset); b != nil {
		reached = b.Reached
	}
	if next, err := due.Add(c.Amount); err != nil || next.Cmp(reached) > 0 {
		return nil, refuse("exceeds_line", field+".amount",
			fmt.Sprintf("%s of %s is scheduled already, and line %s holds %s", text(due, c.Asset), c.Asset, l.ID, text(reached, c.Asset)),
			"schedule no more than the line holds, or expire another tranche")
	}
	ev.OfLine, ev.Asset, ev.Amount = c.OfLine[:], c.Asset, c.Amount.Proto()
	return one(ev)
}

func checkDue(field string, due *eventv1.Effective) error {
	if due == nil {
		return refuse("due_missing", field+".due", "no due date is given", "give a date, or `unknown`")
	}
	if err := dates.Check(due); err != nil {
		return refuse("bad_date", field+".due", err.Error(), "give a date such as 2022-09-13, or `unknown`")
	}
	return nil
}

func (s *State) rescheduleTranche(c *RescheduleTranche) ([]es.Event, error) {
	t, err := s.needTranche("reschedule_tranche.tranche", c.Tranche)
	if err != nil {
		return nil, err
	}
	if err := checkDue("reschedule_tranche", c.Due); err != nil {
		return nil, err
	}
	return one(&eventv1.TrancheRescheduled{Tranche: t.ID[:], Due: c.Due, OriginalDue: t.OriginalDue})
}

func (s *State) activateTranche(c *ActivateTranche) ([]es.Event, error) {
	const field = "activate_tranche"
	t, err := s.needTranche(field+".tranche", c.Tranche)
	if err != nil {
		return nil, err
	}
	if t.ThreatLevel == 0 {
		return nil, refuse("not_contingent", field+".tranche", fmt.Sprintf("tranche %s falls due by date and waits for no threat level", t.ID), "nothing is to be activated")
	}
	if c.ThreatLevel < t.ThreatLevel {
		return nil, refuse("threat_level_too_low", field+".threat_level", fmt.Sprintf("level %d is declared, and the tranche waits for level %d", c.ThreatLevel, t.ThreatLevel), "declare the higher level first")
	}
	if c.Firmness == eventv1.Firmness_FIRMNESS_UNSPECIFIED {
		return nil, refuse("firmness_missing", field+".firmness", "no firmness is given", "firm, stated or unknown")
	}
	ev := &eventv1.TrancheActivated{Tranche: t.ID[:], ThreatLevel: c.ThreatLevel, Firmness: c.Firmness, Line: t.Line[:]}
	ev.Splits = s.contingent(t)
	taken := takings{}
	for _, split := range ev.Splits {
		var whole money.Amount
		for _, r := range split.Reliefs {
			whole = sum(whole, amountOf(r.Amount))
		}
		if cover := s.covers(AssetAmount{split.Asset, whole}, taken); cover != nil {
			ev.Covers = append(ev.Covers, cover)
		}
	}
	return one(ev)
}

func (s *State) expireTranche(c *ExpireTranche) ([]es.Event, error) {
	t, err := s.needTranche("expire_tranche.tranche", c.Tranche)
	if err != nil {
		return nil, err
	}
	ev := &eventv1.TrancheExpired{Tranche: t.ID[:]}
	if t.ThreatLevel > 0 {
		ev.Line, ev.Splits = t.Line[:], s.contingent(t)
	}
	return one(ev)
}

// contingent is all that stands on a tranche's contingent line.
func (s *State) contingent(t *Tranche) []*eventv1.Split {
	l := s.line[t.Line]
	var splits []*eventv1.Split
	for _, a := range l.Controls {
		want := AssetAmount{a, l.Standing(eventv1.Stage_STAGE_CONTINGENT, a)}
		splits = append(splits, s.relieve(want, takings{}, eventv1.RestTo_REST_TO_UNSPECIFIED, func(x *Line) bool { return x == l }, eventv1.Stage_STAGE_CONTINGENT))
	}
	return splits
}

// needTranche finds a tranche that can still change.
func (s *State) needTranche(field string, id uuid.UUID) (*Tranche, error) {
	switch t := s.tranche[id]; {
	case t == nil:
		return nil, refuse("no_such_tranche", field, fmt.Sprintf("%s has no tranche %s", s.Stream, id), "check the id")
	case t.Status != Scheduled:
		return nil, refuse("tranche_ended", field, fmt.Sprintf("tranche %s is %s", id, t.Status), "schedule another one")
	default:
		return t, nil
	}
}
