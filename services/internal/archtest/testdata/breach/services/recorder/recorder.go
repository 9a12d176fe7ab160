package recorder

import (
	"time"

	"github.com/allied-ledger/allied/events/es/logtest" // want role
	"github.com/allied-ledger/allied/events/memlog"
	_ "github.com/allied-ledger/allied/proto/tools" // want layer
	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra" // want technology
)

var _ = []any{logtest.Run, memlog.New, nats.Connect, cobra.Command{}, time.Now}
