package posting

import (
	"strings"

	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// amounts are what was relieved, by asset, in the order of relief.
type amounts []stated

func (a *amounts) add(asset string, n money.Amount) error {
	for i := range *a {
		if s := &(*a)[i]; s.asset == asset {
			var err error
			s.amount, err = s.amount.Add(n)
			return err
		}
	}
	*a = append(*a, stated{asset, n})
	return nil
}

// take removes an asset and returns its amount, zero where it has none.
func (a *amounts) take(asset string) money.Amount {
	for i, s := range *a {
		if s.asset == asset {
			*a = append((*a)[:i], (*a)[i+1:]...)
			return s.amount
		}
	}
	return money.Amount{}
}

func (a amounts) each(do func(asset string, n money.Amount) error) error {
	for _, s := range a {
		if err := do(s.asset, s.amount); err != nil {
			return err
		}
	}
	return nil
}

// relieve posts what lines give, and returns what they gave in assets other than the splits' own.
func (r *Register) relieve(j *Journal, splits []*eventv1.Split) (amounts, error) {
	var relieved amounts
	for _, split := range splits {
		for _, x := range split.Reliefs {
			l, err := r.find(x.Line)
			if err != nil {
				return nil, err
			}
			t, err := money.FromProto(x.Amount)
			if err != nil {
				return nil, err
			}
			if err := l.give(j, x.Stage, split.Asset, t, &relieved); err != nil {
				return nil, err
			}
		}
	}
	for _, split := range splits {
		relieved.take(split.Asset)
	}
	return relieved, nil
}

// give posts what one line gives: t in the control asset and, where that asset counts for the whole line, every other asset in proportion to
// the control standing before: all of it where the control standing ends at zero, nothing where it began there.
func (l *line) give(j *Journal, s eventv1.Stage, asset string, t money.Amount, relieved *amounts) error {
	before, err := l.standing(s, asset)
	if err != nil {
		return err
	}
	counted, err := l.countedIn(s)
	if err != nil {
		return err
	}
	if err := l.post(j, Out(s), asset, t.Neg()); err != nil {
		return err
	}
	if err := relieved.add(asset, t); err != nil {
		return err
	}
	if counted != asset || before.IsZero() {
		return nil
	}
	for i, n := 0, len(l.balances); i < n; i++ {
		b := l.balances[i]
		if b.account != In(s) || b.asset == asset {
			continue
		}
		r, err := l.standing(s, b.asset)
		if err != nil {
			return err
		}
		if t != before {
			if r, err = money.MulDiv(r, t, before); err != nil {
				return err
			}
		}
		if r.IsZero() {
			continue
		}
		if err := l.post(j, Out(s), b.asset, r.Neg()); err != nil {
			return err
		}
		if err := relieved.add(b.asset, r); err != nil {
			return err
		}
	}
	return nil
}

// countedIn is the one asset in which what stands on a rung is counted: what was booked in another currency in that, all else in control.
func (l *line) countedIn(s eventv1.Stage) (string, error) {
	if s != eventv1.Stage_STAGE_BOOKED {
		return l.control, nil
	}
	for i := range l.balances {
		b := &l.balances[i]
		if b.account != Fx || b.asset == l.control {
			continue
		}
		x, err := l.standing(s, b.asset)
		if err != nil {
			return "", err
		}
		if !x.IsZero() {
			return b.asset, nil
		}
	}
	return l.control, nil
}

// sweep lets nothing stand on a rung in any asset where nothing stands in the one that is counted.
func (l *line) sweep(j *Journal, s eventv1.Stage) error {
	counted, err := l.countedIn(s)
	if err != nil || counted == "" {
		return err
	}
	if x, err := l.standing(s, counted); err != nil || !x.IsZero() {
		return err
	}
	for i, n := 0, len(l.balances); i < n; i++ {
		b := l.balances[i]
		if b.account != In(s) || b.asset == counted {
			continue
		}
		x, err := l.standing(s, b.asset)
		if err != nil {
			return err
		}
		if x.IsZero() {
			continue
		}
		if err := l.post(j, In(s), b.asset, x.Neg()); err != nil {
			return err
		}
		if err := l.post(j, Difference, b.asset, x); err != nil {
			return err
		}
	}
	return nil
}

// leave posts what lines give to another stage of the same line, every asset alike.
func (r *Register) leave(j *Journal, splits []*eventv1.Split, to eventv1.Stage) error {
	for _, split := range splits {
		for _, x := range split.GetReliefs() {
			l, err := r.find(x.Line)
			if err != nil {
				return err
			}
			t, err := money.FromProto(x.Amount)
			if err != nil {
				return err
			}
			var relieved amounts
			if err := l.give(j, x.Stage, split.Asset, t, &relieved); err != nil {
				return err
			}
			err = relieved.each(func(asset string, a money.Amount) error { return l.post(j, In(to), asset, a) })
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// hasQuantities tells whether the line holds quantities, which control it where no value does.
func (l *line) hasQuantities() bool {
	for i := range l.balances {
		if strings.ContainsRune(l.balances[i].asset, ':') {
			return true
		}
	}
	return false
}
