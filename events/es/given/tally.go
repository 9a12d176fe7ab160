package given

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
)

const (
	// acceptedPercentMin: random commands that are mostly refused prove little.
	acceptedPercentMin = 20
	// judgedAskedMin is how often a command is asked before chance no longer decides on its percentage.
	judgedAskedMin = 30
	// sensibleDrawsMax bounds the draws of one random command.
	sensibleDrawsMax = 4
)

// Sensible draws a command, and another in its place while the decider would refuse it, a few times. What it returns may be refused all the same:
// refusals are to be tried too.
func Sensible[S, C any](d es.Decider[S, C], state S, draw func() C) (cmd C) {
	for range sensibleDrawsMax {
		cmd = draw()
		if _, err := d.Decide(state, cmd); err == nil {
			break
		}
	}
	return cmd
}

// Tally counts how often random commands were asked and accepted, by their type.
type Tally struct{ asked, accepted map[string]int }

// NewTally returns a tally of nothing.
func NewTally() Tally { return Tally{map[string]int{}, map[string]int{}} }

// Count counts the answer to a command.
func (c Tally) Count(cmd any, err error) {
	name := strings.TrimPrefix(fmt.Sprintf("%T", cmd), "*")
	c.asked[name]++
	if err == nil {
		c.accepted[name]++
	}
}

// Report tells the acceptance of every command, and fails where one is mostly refused.
func (c Tally) Report(t *testing.T) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(c.asked)) {
		asked, accepted := c.asked[name], c.accepted[name]
		t.Logf("%-24s %6d asked, %3d%% accepted", name, asked, 100*accepted/asked)
		if asked >= judgedAskedMin && 100*accepted < acceptedPercentMin*asked {
			t.Errorf("only %d of %d %s were accepted: what it does is hardly tried", accepted, asked, name)
		}
	}
}
