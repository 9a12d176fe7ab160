package posting

import (
	"slices"

	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

func (r *Register) reserve(j *Journal, e *eventv1.DrawReserved) error {
	l, err := r.find(e.Allocation)
	if err != nil {
		return err
	}
	d := &draw{id: key(e.Draw), from: l, part: &line{id: l.id, category: l.category, instrument: l.instrument, control: e.Asset, items: l.items}}
	r.addDraw(d)
	for _, u := range l.unknowns {
		if u.stage == eventv1.Stage_STAGE_ALLOCATED && !tells(u.basis, e.Asset, e.Stated) {
			d.hide(j, eventv1.Stage_STAGE_RESERVED, u.basis)
		}
	}
	if e.Asset == "" {
		return nil
	}
	relieved, err := r.relieve(j, []*eventv1.Split{e.Split})
	if err != nil {
		return err
	}
	d.taken = append(amounts(nil), relieved...)
	for _, x := range e.Split.Reliefs {
		t, err := money.FromProto(x.Amount)
		if err != nil {
			return err
		}
		if err := d.taken.add(e.Asset, t); err != nil {
			return err
		}
	}
	return d.part.arrive(j, eventv1.Stage_STAGE_RESERVED, l, e.Split, e.Amount, e.Stated, relieved)
}

// tells reports whether an asset, or one of those stated beside it, is on a basis.
func tells(basis, asset string, also []*eventv1.AssetAmount) bool {
	for _, a := range also {
		if basisOf(a.Asset) == basis {
			return true
		}
	}
	return basisOf(asset) == basis
}

// hide counts a basis on which the draw's value at a stage is undisclosed: once for the allocation, however many of its draws hide it.
func (d *draw) hide(j *Journal, s eventv1.Stage, basis string) {
	if d.part.unknown(s, basis) {
		return
	}
	u := unknown{s, basis}
	d.part.unknowns = append(d.part.unknowns, u)
	if d.from.unknown(s, basis) {
		d.from.unknowns = append(d.from.unknowns, u)
		return
	}
	d.from.count(j, s, basis, +1)
}

// tell takes back what hide counted; an empty basis stands for all.
func (d *draw) tell(j *Journal, s eventv1.Stage, basis string) {
	var kept []unknown
	for _, u := range d.part.unknowns {
		if u.stage != s || basis != "" && u.basis != basis {
			kept = append(kept, u)
			continue
		}
		i := slices.Index(d.from.unknowns, u)
		if rest := slices.Delete(slices.Clone(d.from.unknowns), i, i+1); slices.Contains(rest, u) {
			d.from.unknowns = rest // another draw hides it still
			continue
		}
		d.from.count(j, s, u.basis, -1)
	}
	d.part.unknowns = kept
}

// emptied tells what was hidden at a stage that nothing of the draw has reached any more.
func (d *draw) emptied(j *Journal, s eventv1.Stage) {
	for i := range d.part.balances {
		if b := &d.part.balances[i]; b.account == In(s) && !b.amount.IsZero() {
			return
		}
	}
	d.tell(j, s, "")
}

// arrive posts what reaches a stage: in the control asset the amount, and what no lower rung gave of it to the account that the split names;
// in other assets what is stated, or what was relieved. Below is where they come from.
func (l *line) arrive(
	j *Journal, s eventv1.Stage, below *line, split *eventv1.Split, amount *eventv1.Amount, also []*eventv1.AssetAmount, relieved amounts,
) error {
	rest, err := money.FromProto(split.GetRest())
	if err != nil {
		return err
	}
	v, err := money.FromProto(amount)
	if err != nil {
		return err
	}
	if err := l.postRest(j, split, s, rest); err != nil {
		return err
	}
	if err := l.post(j, In(s), split.GetAsset(), v); err != nil {
		return err
	}
	for _, o := range also {
		v, err := money.FromProto(o.Amount)
		if err != nil {
			return err
		}
		gap, err := v.Sub(relieved.take(o.Asset))
		if err != nil {
			return err
		}
		account := gapAccount(below, o.Asset)
		if err := l.post(j, In(s), o.Asset, v); err != nil {
			return err
		}
		if err := l.post(j, account, o.Asset, gap.Neg()); err != nil {
			return err
		}
	}
	return relieved.each(func(asset string, a money.Amount) error { return l.post(j, In(s), asset, a) })
}

// gapAccount balances an asset other than control: difference, or unmeasured where it appears or disappears on the way.
func gapAccount(below *line, asset string) Account {
	if below.holds(asset) {
		return Difference
	}
	return Unmeasured
}

// release gives back what a draw did not use: in the control asset as its split says, in others in proportion.
func (r *Register) release(j *Journal, e *eventv1.DrawReleased) error {
	d, err := r.findDraw(e.Draw)
	if err != nil {
		return err
	}
	const reserved = eventv1.Stage_STAGE_RESERVED
	if d.part.control == "" {
		d.tell(j, reserved, "")
		return nil
	}
	t, back, over, err := d.released(e)
	if err != nil {
		return err
	}
	gone, err := d.part.shrink(j, reserved, t)
	if err != nil {
		return err
	}
	d.emptied(j, reserved)
	gone.take(d.part.control)
	before := d.taken.of(d.part.control)
	if err := d.giveBack(j, d.part.control, back); err != nil {
		return err
	}
	if err := d.part.post(j, OverReserved, d.part.control, over); err != nil {
		return err
	}
	return gone.each(func(asset string, x money.Amount) error {
		y, err := share(d.taken.of(asset), back, before)
		if err != nil {
			return err
		}
		if err := d.giveBack(j, asset, y); err != nil {
			return err
		}
		gap, err := x.Sub(y)
		if err != nil {
			return err
		}
		return d.part.post(j, gapAccount(d.from, asset), asset, gap)
	})
}

// released reads how much of the draw is released, and how much of that goes back to the allocation and over it.
func (d *draw) released(e *eventv1.DrawReleased) (t, back, over money.Amount, err error) {
	if e.Amount == nil { // as draws were first released: whole, and before anything moved
		if t, err = d.part.standing(eventv1.Stage_STAGE_RESERVED, d.part.control); err != nil {
			return t, back, over, err
		}
		back = d.taken.of(d.part.control)
		over, err = t.Sub(back)
		return t, back, over, err
	}
	if t, err = money.FromProto(e.Amount); err != nil {
		return t, back, over, err
	}
	if over, err = money.FromProto(e.Split.GetRest()); err != nil {
		return t, back, over, err
	}
	back, err = t.Sub(over)
	return t, back, over, err
}

func (d *draw) giveBack(j *Journal, asset string, a money.Amount) error {
	if err := d.taken.add(asset, a.Neg()); err != nil {
		return err
	}
	return d.from.post(j, Out(eventv1.Stage_STAGE_ALLOCATED), asset, a)
}

// shrink takes a part of what stands on a rung back from what reached it, and returns what went in each asset: t in the control asset, the
// others in proportion.
func (l *line) shrink(j *Journal, s eventv1.Stage, t money.Amount) (gone amounts, err error) {
	whole, err := l.standing(s, l.control)
	if err != nil {
		return nil, err
	}
	for i, n := 0, len(l.balances); i < n; i++ {
		b := l.balances[i]
		if b.account != In(s) {
			continue
		}
		x := t
		if b.asset != l.control {
			if x, err = l.standing(s, b.asset); err != nil {
				return nil, err
			}
			if x, err = share(x, t, whole); err != nil {
				return nil, err
			}
		}
		if err := l.post(j, In(s), b.asset, x.Neg()); err != nil {
			return nil, err
		}
		if err := gone.add(b.asset, x); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// share is the part of an amount that belongs to a part of a whole, cut toward zero: all of it for the whole, and nothing of nothing.
func share(a, part, whole money.Amount) (money.Amount, error) {
	switch {
	case part == whole:
		return a, nil
	case whole.IsZero():
		return money.Amount{}, nil
	}
	return money.MulDiv(a, part, whole)
}

// of is the amount of an asset, zero where there is none.
func (a amounts) of(asset string) money.Amount {
	for _, s := range a {
		if s.asset == asset {
			return s.amount
		}
	}
	return money.Amount{}
}

// claim posts what is said to have arrived without a shipment.
func (r *Register) claim(j *Journal, e *eventv1.DeliveryClaimed) error {
	l, err := r.find(e.Line)
	if err != nil {
		return err
	}
	relieved, err := r.relieve(j, []*eventv1.Split{e.Split})
	if err != nil {
		return err
	}
	return l.arrive(j, eventv1.Stage_STAGE_CLAIMED, l, e.Split, e.Amount, e.Stated, relieved)
}

// handedOver is the rung of a hand-over: what nobody signed stands apart.
func handedOver(by eventv1.Evidence) eventv1.Stage {
	if by == eventv1.Evidence_EVIDENCE_SIGNED {
		return eventv1.Stage_STAGE_HANDED_OVER
	}
	return eventv1.Stage_STAGE_CLAIMED
}
