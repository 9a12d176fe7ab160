package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/allied-ledger/allied/projections/balances"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// Follow what Norway has allocated: first what there is, then every change.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ledger := begin(ctx) // a ledger, of which ledger.URL() is the address
	defer ledger.close()

	nc, err := nats.Connect(ledger.URL())
	check(err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	check(err)
	kv, err := js.KeyValue(ctx, "balances")
	check(err)
	allocated, err := kv.Watch(ctx, "NOR.*.*.allocated.>")
	check(err)
	for e := range allocated.Updates() {
		if e == nil { // after all that there was
			fmt.Println("from now on:")
			ledger.allocate(ctx, "250.00")
			continue
		}
		if e.Operation() != jetstream.KeyValuePut {
			fmt.Println(e.Key(), "is gone")
			continue
		}
		var b balances.Live
		check(json.Unmarshal(e.Value(), &b))
		fmt.Println(b.Category, b.Instrument, "reached", *b.Reached, *b.Asset)
		if *b.Reached == "450.00" {
			break
		}
	}
	// Output:
	// MIL.AIRDEF grant reached 200.00 EUR/2@donor_stated
	// from now on:
	// MIL.AIRDEF grant reached 450.00 EUR/2@donor_stated
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// exampleLedger is a ledger with one pledge.
type exampleLedger struct {
	*boot.Node
	nc     *nats.Conn
	pledge string
}

// begin returns a ledger once its balances are live.
func begin(ctx context.Context) *exampleLedger {
	n, err := boot.Start(ctx, boot.Config{Profile: boot.ProfileDev, Logger: zap.NewNop()})
	check(err)
	nc, err := n.Dial()
	check(err)
	l := &exampleLedger{Node: n, nc: nc}
	mark, err := nc.SubscribeSync("allied.view.balances.mark")
	check(err)
	check(nc.Flush())
	l.pledge = l.submit(ctx, &apiv1.Command{
		Donor: "NOR", Beneficiary: "UKR", Body: &apiv1.Command_CommitPledge{CommitPledge: &apiv1.CommitPledge{
			Title: "Air defence", Commitments: []*apiv1.CommitLine{{Firmness: "firm", Line: exampleLine("625.00")}},
		}},
	}).Stream
	at := l.allocate(ctx, "200.00")
	for {
		m, err := mark.NextMsgWithContext(ctx)
		check(err)
		if uint64(readMark(m.Data).Position) >= at {
			return l
		}
	}
}

func (l *exampleLedger) allocate(ctx context.Context, amount string) (position uint64) {
	return l.submit(ctx, &apiv1.Command{Stream: l.pledge, Body: &apiv1.Command_AllocatePledge{
		AllocatePledge: &apiv1.AllocatePledge{Title: "Package", Line: exampleLine(amount)},
	}}).Position
}

func (l *exampleLedger) submit(ctx context.Context, cmd *apiv1.Command) *apiv1.Answer {
	cmd.CommandId, cmd.Effective = uuid.NewString(), "2024-03-01"
	a, err := client.New(l.nc, client.Config{}).Submit(ctx, cmd)
	check(err)
	return a
}

func exampleLine(amount string) *apiv1.Line {
	return &apiv1.Line{Category: "MIL.AIRDEF", Instrument: "grant", Values: []*apiv1.Value{
		{Basis: "donor_stated", Asset: "EUR/2@donor_stated", Amount: amount},
	}}
}

func (l *exampleLedger) close() {
	l.nc.Close()
	check(l.Close(context.Background()))
}
