package pledge

import (
	"fmt"
	"slices"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	eventv2 "github.com/allied-ledger/allied/proto/gen/allied/event/v2"
	"github.com/google/uuid"
)

// Evolve applies one fact to the state and returns it.
func Evolve(s *State, f *es.Fact) *State {
	if s.Phase == New {
		s.Phase = Open
		s.Donor, s.Beneficiary = f.Envelope.GetDonor(), f.Envelope.GetBeneficiary()
	}
	switch e := f.Event.(type) {
	case *eventv1.PledgeAnnounced:
		for _, l := range e.Lines {
			s.enter(l, nil, eventv1.Stage_STAGE_ANNOUNCED)
		}
	case *eventv1.PledgeCommitted:
		for _, c := range e.Commitments {
			s.enter(c.Line, nil, eventv1.Stage_STAGE_COMMITTED)
			s.give(c.Splits...)
			s.cover(idOf(c.Line.Line), c.Covers)
		}
	case *eventv1.PledgeAllocated:
		l := s.enter(e.Line, e.Items, eventv1.Stage_STAGE_ALLOCATED)
		s.give(e.Splits...)
		for _, split := range e.Splits {
			b := l.balance(eventv1.Stage_STAGE_ALLOCATED, split.Asset)
			switch split.RestTo {
			case eventv1.RestTo_REST_TO_OVER:
				b.Over = sum(b.Over, amountOf(split.Rest))
			case eventv1.RestTo_REST_TO_UNMEASURED:
				b.Uncapped = sum(b.Uncapped, amountOf(split.Rest))
			}
		}
	case *eventv1.TrancheScheduled:
		s.scheduled(e)
	case *eventv1.TrancheRescheduled:
		s.tranche[idOf(e.Tranche)].Due = e.Due
	case *eventv1.TrancheActivated:
		s.tranche[idOf(e.Tranche)].Status = Activated
		s.give(e.Splits...)
		s.line[idOf(e.Line)].take(e.Splits, eventv1.Stage_STAGE_COMMITTED)
		s.cover(idOf(e.Line), e.Covers)
	case *eventv1.TrancheExpired:
		s.expired(e)
	case *eventv1.DrawReserved:
		s.reserved(e)
	case *eventv1.DrawReleased:
		s.released(s.draw[idOf(e.Draw)], e)
	case *eventv1.DrawSettled:
		s.draw[idOf(e.Draw)].Status = Settled
	case *eventv2.PledgeReduced:
		s.give(e.Split)
	case *eventv1.RemainderCancelled:
		s.give(e.Splits...)
	case *eventv1.PledgeFulfilled:
		s.Phase = Fulfilled
	case *eventv1.PledgeLapsed:
		s.give(e.Splits...)
		s.Phase = Lapsed
	case *eventv1.PledgeLinked:
		s.Links = append(s.Links, Link{e.Link, e.Pledge})
	case *eventv1.LineReclassified:
		l := s.line[idOf(e.Line)]
		l.Category, l.Instrument = e.ToCategory, e.ToInstrument
	case *eventv1.LineRevalued:
		s.revalued(e)
	case *eventv1.DeliveryClaimed:
		s.claimed(e)
	}
	return s
}

// enter adds a line with what it states at the stage where it enters.
func (s *State) enter(in *eventv1.Line, items []*eventv1.Item, stage eventv1.Stage) *Line {
	l := &Line{ID: idOf(in.Line), Category: in.Category, Instrument: in.Instrument, Stage: stage}
	stated := controlAmounts(in, items)
	for _, a := range stated {
		l.Controls = append(l.Controls, a.Asset)
		l.Balances = append(l.Balances, Balance{Stage: stage, Asset: a.Asset, Reached: a.Amount, Standing: a.Amount})
	}
	for _, v := range in.Values {
		switch v.Status {
		case eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED:
			l.Undisclosed = append(l.Undisclosed, v.Basis)
		case eventv1.ValueStatus_VALUE_STATUS_WITHHELD:
			l.Withheld = append(l.Withheld, v.Basis)
		}
	}
	s.Lines = append(s.Lines, l)
	s.line[l.ID] = l
	return l
}

// give takes what splits relieve from the lines that give it.
func (s *State) give(splits ...*eventv1.Split) {
	for _, split := range splits {
		for _, r := range split.GetReliefs() {
			b := s.line[idOf(r.Line)].balance(r.Stage, split.Asset)
			b.Standing = sum(b.Standing, amountOf(r.Amount).Neg())
		}
	}
}

// take puts what splits relieve on the line, which now stands at another stage.
func (l *Line) take(splits []*eventv1.Split, stage eventv1.Stage) {
	l.Stage = stage
	for _, split := range splits {
		for _, r := range split.Reliefs {
			b := l.balance(stage, split.Asset)
			b.Reached = sum(b.Reached, amountOf(r.Amount))
			b.Standing = sum(b.Standing, amountOf(r.Amount))
		}
	}
}

// cover uses a new commitment for allocations that stood over the cap.
func (s *State) cover(commitment uuid.UUID, covers []*eventv1.Split) {
	for _, split := range covers {
		b := s.line[commitment].balance(eventv1.Stage_STAGE_COMMITTED, split.Asset)
		for _, r := range split.Reliefs {
			over := s.line[idOf(r.Line)].balance(r.Stage, split.Asset)
			over.Over = sum(over.Over, amountOf(r.Amount).Neg())
			b.Standing = sum(b.Standing, amountOf(r.Amount).Neg())
		}
	}
}

func (s *State) scheduled(e *eventv1.TrancheScheduled) {
	t := &Tranche{ID: idOf(e.Tranche), ThreatLevel: e.ThreatLevel, Due: e.Due, OriginalDue: e.Due, Status: Scheduled}
	if e.ThreatLevel > 0 {
		t.Line = s.enter(e.Contingent, nil, eventv1.Stage_STAGE_CONTINGENT).ID
	} else {
		t.Line, t.Asset, t.Amount = idOf(e.OfLine), e.Asset, amountOf(e.Amount)
		s.line[t.Line].addDue(t.Asset, t.Amount)
	}
	s.Tranches = append(s.Tranches, t)
	s.tranche[t.ID] = t
}

func (s *State) expired(e *eventv1.TrancheExpired) {
	t := s.tranche[idOf(e.Tranche)]
	t.Status = Expired
	if t.ThreatLevel == 0 {
		s.line[t.Line].addDue(t.Asset, t.Amount.Neg())
	}
	s.give(e.Splits...)
}

func (s *State) reserved(e *eventv1.DrawReserved) {
	d := &Draw{
		ID: idOf(e.Draw), Allocation: idOf(e.Allocation), Asset: e.Asset, Amount: amountOf(e.Amount),
		Over: amountOf(e.Split.GetRest()), ForStream: e.ForStream, Status: Reserved,
	}
	s.Draws = append(s.Draws, d)
	s.draw[d.ID] = d
	if e.Asset == "" {
		return
	}
	s.give(e.Split)
	b := s.line[d.Allocation].balance(eventv1.Stage_STAGE_RESERVED, e.Asset)
	b.Reached = sum(b.Reached, d.Amount)
	b.Standing = sum(b.Standing, d.Amount)
	b.Over = sum(b.Over, d.Over)
}

// released: an event without an amount released all of its draw, as all did at first.
func (s *State) released(d *Draw, e *eventv1.DrawReleased) {
	t, over := sum(d.Amount, d.Released.Neg()), d.Over
	if e.Amount != nil {
		t, over = amountOf(e.Amount), amountOf(e.Split.GetRest())
	}
	if d.Released = sum(d.Released, t); d.Released == d.Amount {
		d.Status = Released
	}
	if d.Asset == "" {
		return
	}
	d.Over = sum(d.Over, over.Neg())
	l := s.line[d.Allocation]
	from := l.balance(eventv1.Stage_STAGE_RESERVED, d.Asset)
	from.Reached = sum(from.Reached, t.Neg())
	from.Standing = sum(from.Standing, t.Neg())
	from.Over = sum(from.Over, over.Neg())
	to := l.balance(eventv1.Stage_STAGE_ALLOCATED, d.Asset)
	to.Standing = sum(to.Standing, sum(t, over.Neg()))
}

func (s *State) claimed(e *eventv1.DeliveryClaimed) {
	s.give(e.Split)
	l := s.line[idOf(e.Line)]
	if !l.controlledBy(e.Asset) {
		return
	}
	b := l.balance(eventv1.Stage_STAGE_CLAIMED, e.Asset)
	b.Reached = sum(b.Reached, amountOf(e.Amount))
	b.Standing = sum(b.Standing, amountOf(e.Amount))
	if e.Split.RestTo == eventv1.RestTo_REST_TO_OVER {
		b.Over = sum(b.Over, amountOf(e.Split.Rest))
	}
}

func (s *State) revalued(e *eventv1.LineRevalued) {
	if len(e.Draw) > 0 {
		return // a value beside what the draw is counted in
	}
	l := s.line[idOf(e.Line)]
	l.disclose(basisOf(e.Asset))
	if len(l.Controls) == 0 {
		l.Controls = []string{e.Asset}
	}
	if !l.controlledBy(e.Asset) {
		return
	}
	b := l.balance(e.Stage, e.Asset)
	b.Reached = sum(b.Reached, amountOf(e.Delta))
	b.Standing = sum(b.Standing, amountOf(e.Delta))
	if e.Stage == eventv1.Stage_STAGE_ALLOCATED {
		if b.Uncapped = sum(b.Uncapped, amountOf(e.Delta)); b.Uncapped.Sign() < 0 {
			b.Uncapped = money.Amount{}
		}
	}
}

// disclose forgets that the value on a basis was undisclosed or withheld.
func (l *Line) disclose(basis string) {
	told := func(b string) bool { return b == basis }
	l.Undisclosed = slices.DeleteFunc(slices.Clone(l.Undisclosed), told)
	l.Withheld = slices.DeleteFunc(slices.Clone(l.Withheld), told)
}

func (l *Line) addDue(asset string, a money.Amount) {
	for i := range l.Due {
		if l.Due[i].Asset == asset {
			l.Due[i].Amount = sum(l.Due[i].Amount, a)
			return
		}
	}
	l.Due = append(l.Due, AssetAmount{asset, a})
}

func idOf(b []byte) uuid.UUID {
	var id uuid.UUID
	copy(id[:], b)
	return id
}

// amountOf reads an amount that Decide wrote within its bound.
func amountOf(a *eventv1.Amount) money.Amount {
	v, err := money.FromProto(a)
	if err != nil {
		panic(fmt.Sprintf("pledge: an event holds an amount that no decision wrote: %v", err))
	}
	return v
}

// sum adds amounts whose sum Decide has checked.
func sum(a, b money.Amount) money.Amount {
	c, err := a.Add(b)
	if err != nil {
		panic(fmt.Sprintf("pledge: %v", err))
	}
	return c
}
