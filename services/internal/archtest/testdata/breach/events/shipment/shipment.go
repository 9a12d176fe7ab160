package shipment

import (
	"testing" // want library pure

	"github.com/allied-ledger/allied/events/es/given" // want role
)

var _ = []any{testing.Short, given.History}
