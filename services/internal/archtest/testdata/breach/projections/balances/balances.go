package balances

import (
	"github.com/allied-ledger/allied/events/memlog" // want role
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/services/client" // want layer
	"github.com/nats-io/nats.go"                      // want technology
)

var _ = []any{memlog.New, posting.NewRegister, wire.Decode, client.New, nats.Connect}
