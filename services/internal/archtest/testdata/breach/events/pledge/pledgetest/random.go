package pledgetest

import (
	"math/rand/v2"
	"testing"

	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/projections/balances" // want layer
	"pgregory.net/rapid"
)

var _ = []any{rand.Int, testing.Short, given.History, pledge.State{}, balances.Report{}, rapid.Check}
