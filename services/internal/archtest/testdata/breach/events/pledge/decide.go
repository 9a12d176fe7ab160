package pledge

import (
	"context"      // want pure
	"math/rand/v2" // want pure
	"os"           // want pure
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"      // want role
	"github.com/allied-ledger/allied/events/shipment"               // want role
	"github.com/allied-ledger/allied/events/wire"                   // want role
	"github.com/allied-ledger/allied/projections/balances"          // want layer role
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1" // want role
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	ids "github.com/google/uuid"
	"go.uber.org/zap" // want pure
)

var _ = []any{
	context.Canceled, rand.Int, es.Decider[int, int]{}, money.Amount{}, pledgetest.Random, shipment.State{}, wire.Decode, balances.Report{}, apiv1.Command{},
	eventv1.Amount{}, zap.Logger{},
	time.UTC, time.Unix,
	time.Now, // want pure
	ids.Parse, ids.NewSHA1,
	ids.New, // want pure
	os.Args,
	float64(1), // want pure
}

func decide(state func()) {
	go state() // want pure
}
