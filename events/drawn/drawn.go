// Package drawn keeps how far one drawn line of a shipment or payment has come.
package drawn

import (
	"fmt"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// Line is what one draw reserved, and what stands on each rung of it, in the draw's asset.
type Line struct {
	Draw       uuid.UUID
	Pledge     string
	Allocation uuid.UUID
	// Asset is empty where the allocation has neither value nor quantity: then a rung is reached or not, and amounts are zero.
	Asset      string
	Category   string
	Instrument eventv1.Instrument
	Rungs      []Rung
}

// Rung is what reached a stage, and has not left it. Over is what of it no lower rung gave.
type Rung struct {
	Stage                   eventv1.Stage
	Reached, Standing, Over money.Amount
}

// New is a line of which all is reserved.
func New(in *eventv1.DrawnLine) *Line {
	l := &Line{
		Draw: id(in.Draw), Pledge: in.Pledge, Allocation: id(in.Allocation), Asset: in.Asset, Category: in.Category, Instrument: in.Instrument,
	}
	a := Amount(in.Amount)
	l.Rungs = []Rung{{Stage: eventv1.Stage_STAGE_RESERVED, Reached: a, Standing: a}}
	return l
}

// At is a line's rung; it is zero where nothing ever reached it.
func (l *Line) At(s eventv1.Stage) Rung {
	for _, r := range l.Rungs {
		if r.Stage == s {
			return r
		}
	}
	return Rung{Stage: s}
}

// Standing is what stands at a stage.
func (l *Line) Standing(s eventv1.Stage) money.Amount { return l.At(s).Standing }

// Has tells whether anything ever reached a stage.
func (l *Line) Has(s eventv1.Stage) bool {
	for _, r := range l.Rungs {
		if r.Stage == s {
			return true
		}
	}
	return false
}

func (l *Line) rung(s eventv1.Stage) *Rung {
	for i := range l.Rungs {
		if l.Rungs[i].Stage == s {
			return &l.Rungs[i]
		}
	}
	l.Rungs = append(l.Rungs, Rung{Stage: s})
	return &l.Rungs[len(l.Rungs)-1]
}

// Take splits an amount: what stands on the rungs gives, in their order, and the rest goes where the caller says.
func (l *Line) Take(want money.Amount, restTo eventv1.RestTo, from ...eventv1.Stage) *eventv1.Movement {
	m := &eventv1.Movement{Draw: l.Draw[:], Pledge: l.Pledge}
	if l.Asset == "" {
		return m
	}
	split := &eventv1.Split{Asset: l.Asset}
	left := want
	for _, s := range from {
		t := money.Min(left, l.Standing(s))
		if t.Sign() <= 0 {
			continue
		}
		left = Sum(left, t.Neg())
		split.Reliefs = append(split.Reliefs, &eventv1.Relief{Line: l.Draw[:], Stage: s, Amount: t.Proto()})
	}
	if !left.IsZero() {
		split.Rest, split.RestTo = left.Proto(), restTo
	}
	m.Amount, m.Split = want.Proto(), split
	return m
}

// Apply lets a movement reach a stage; with sign -1 it takes the movement back.
func (l *Line) Apply(m *eventv1.Movement, to eventv1.Stage, sign int) {
	signed := func(a *eventv1.Amount) money.Amount {
		if sign < 0 {
			return Amount(a).Neg()
		}
		return Amount(a)
	}
	for _, x := range m.GetSplit().GetReliefs() {
		r := l.rung(x.Stage)
		r.Standing = Sum(r.Standing, signed(x.Amount).Neg())
	}
	r := l.rung(to)
	r.Reached, r.Standing = Sum(r.Reached, signed(m.Amount)), Sum(r.Standing, signed(m.Amount))
	if m.GetSplit().GetRestTo() == eventv1.RestTo_REST_TO_OVER {
		r.Over = Sum(r.Over, signed(m.Split.Rest))
	}
	if sign < 0 && l.Asset == "" {
		l.forget(to)
	}
}

// Undo takes a part back from a rung to the one below.
func (l *Line) Undo(t money.Amount, from, to eventv1.Stage) {
	r := l.rung(from)
	r.Reached, r.Standing = Sum(r.Reached, t.Neg()), Sum(r.Standing, t.Neg())
	below := l.rung(to)
	below.Standing = Sum(below.Standing, t)
	if l.Asset == "" {
		l.forget(from)
	}
}

// Reopen gives a part of what is reserved back to the pledge, since it came back and is owed again: it passes through returned.
func (l *Line) Reopen(t money.Amount) {
	r := l.rung(eventv1.Stage_STAGE_RETURNED)
	r.Reached = Sum(r.Reached, t)
	l.Release(t)
}

// Release gives a part of what is reserved back to the pledge. What cannot be counted is given back whole.
func (l *Line) Release(t money.Amount) {
	l.Revalue(eventv1.Stage_STAGE_RESERVED, t.Neg())
	if l.Asset == "" {
		l.forget(eventv1.Stage_STAGE_RESERVED)
	}
}

// Left is what has gone from a stage to higher ones.
func (l *Line) Left(s eventv1.Stage) money.Amount {
	r := l.At(s)
	return Sum(r.Reached, r.Standing.Neg())
}

// Revalue changes what stands at a stage.
func (l *Line) Revalue(s eventv1.Stage, delta money.Amount) {
	r := l.rung(s)
	r.Reached, r.Standing = Sum(r.Reached, delta), Sum(r.Standing, delta)
}

// forget drops a rung that a line without an asset has left.
func (l *Line) forget(s eventv1.Stage) {
	for i := range l.Rungs {
		if l.Rungs[i].Stage == s {
			l.Rungs = append(l.Rungs[:i:i], l.Rungs[i+1:]...)
			return
		}
	}
}

// Text writes an amount of the line with its asset, for refusals.
func (l *Line) Text(a money.Amount) string {
	x, err := asset.Parse(l.Asset)
	if err != nil {
		return a.Text(0)
	}
	return a.Text(x.Scale) + " of " + l.Asset
}

// Amount reads an amount that a decision wrote within its bound; nil is zero.
func Amount(a *eventv1.Amount) money.Amount {
	v, err := money.FromProto(a)
	if err != nil {
		panic(fmt.Sprintf("drawn: an event holds an amount that no decision wrote: %v", err))
	}
	return v
}

// Sum adds amounts whose sum a decision has checked.
func Sum(amounts ...money.Amount) (sum money.Amount) {
	for _, a := range amounts {
		var err error
		if sum, err = sum.Add(a); err != nil {
			panic(fmt.Sprintf("drawn: %v", err))
		}
	}
	return sum
}

func id(b []byte) (u uuid.UUID) {
	copy(u[:], b)
	return u
}
