package posting_test

import (
	"reflect"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/posting"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"pgregory.net/rapid"
)

// caps are what the postings say of the caps of one pledge, by control asset. The decider's own account of them is not asked.
type caps struct {
	// over is what stands beyond a cap, by account.
	over map[posting.Account]map[string]money.Amount
	// committed is what may still be allocated, and allocated all that ever was, net of corrections.
	committed, allocated map[string]money.Amount
	known                map[string]bool
}

func (s totals) caps(state *pledge.State) caps {
	c := caps{
		over:      map[posting.Account]map[string]money.Amount{posting.OverAllocated: {}, posting.OverReserved: {}},
		committed: map[string]money.Amount{}, allocated: map[string]money.Amount{}, known: map[string]bool{},
	}
	for k, a := range s {
		if of := c.over[k.account]; of != nil {
			of[k.asset] = drawn.Sum(of[k.asset], a.Neg())
		}
	}
	for _, l := range state.Lines {
		for _, asset := range l.Controls {
			at := func(stage eventv1.Stage) money.Amount { return s[total{posting.In(stage), l.ID, asset}] }
			c.allocated[asset] = drawn.Sum(c.allocated[asset], at(eventv1.Stage_STAGE_ALLOCATED))
			c.committed[asset] = drawn.Sum(c.committed[asset], at(eventv1.Stage_STAGE_COMMITTED), s[total{posting.Out(eventv1.Stage_STAGE_COMMITTED), l.ID, asset}])
			c.known[asset] = c.known[asset] || l.Stage == eventv1.Stage_STAGE_COMMITTED
		}
	}
	for asset := range c.known {
		for _, l := range state.Lines {
			_, basis, _ := strings.Cut(asset, "@")
			if l.Stage == eventv1.Stage_STAGE_COMMITTED && (len(l.Controls) == 0 || slices.Contains(l.Undisclosed, basis)) {
				c.known[asset] = false
			}
		}
	}
	return c
}

// keeps expects of a command that is neither observed nor an override that it leads no further beyond a cap, and allocates no more than stood
// committed where that is known.
func (c caps) keeps(t *rapid.T, cmd any, after caps) {
	t.Helper()
	for account, assets := range after.over {
		for asset, now := range assets {
			if before := c.over[account][asset]; now.Cmp(before) > 0 {
				t.Fatalf("%T takes %s from %s to %s of %s", cmd, account, text(asset, before), text(asset, now), asset)
			}
		}
	}
	for asset, now := range after.allocated {
		more := drawn.Sum(now, c.allocated[asset].Neg())
		if c.known[asset] && more.Sign() > 0 && more.Cmp(c.committed[asset]) > 0 {
			t.Fatalf("%T allocates %s more, and %s of %s stood committed", cmd, text(asset, more), text(asset, c.committed[asset]), asset)
		}
	}
}

// mayExceed tells whether a command to a pledge may go beyond a cap.
func mayExceed(cmd pledge.Command) bool {
	m := reflect.Indirect(reflect.ValueOf(cmd)).FieldByName("Meta").Interface().(pledge.Meta)
	return m.Observed || m.Override != nil
}
