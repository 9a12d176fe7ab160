package pledge

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/memlog"
	"github.com/allied-ledger/allied/services/client" // want layer
)

func TestDecide(t *testing.T) {
	_ = []any{context.Background, os.Args, given.History, memlog.New, client.New}
	time.Sleep(time.Second) // want sleep
}
