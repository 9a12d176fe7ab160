package relay_test

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/allied-ledger/allied/events/wire"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// books is what a consumer keeps, in one transaction: what it made of the events, and the ordinal of the next one.
type books struct {
	next   uint64
	events []string // their ids
}

// follow takes events into the books until they hold so many, or the connection is cut after cut messages.
func (b *books) follow(ctx context.Context, url string, until uint64, cut int) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	c, err := js.CreateOrUpdateConsumer(ctx, "ALLIED_EVENTS", jetstream.ConsumerConfig{
		Durable: "treasury", FilterSubject: "allied.events.*.*.>", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 200 * time.Millisecond, MaxAckPending: 1,
	})
	if err != nil {
		return err
	}
	messages, err := c.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for b.next < until {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		ordinal, err := strconv.ParseUint(m.Headers().Get("Allied-Ledger-Ordinal"), 10, 64)
		if err != nil {
			return err
		}
		switch {
		case ordinal > b.next:
			return fmt.Errorf("ordinal %d came, and %d is missing: read it from /v1/events", ordinal, b.next)
		case ordinal == b.next: // else it was delivered again, or published again
			record, err := wire.DecodeRecord(m.Data()) // an allied.log.v1.Record
			if err != nil {
				return err
			}
			b.events = append(b.events, uuid.UUID(record.EventId).String())
			b.next++
		}
		if cut--; cut == 0 {
			return nil // not acknowledged: it is delivered again
		}
		if err := m.DoubleAck(ctx); err != nil {
			return err
		}
	}
	return nil
}

// A consumer takes every event once, over ten cuts of its connection.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n, err := boot.Start(ctx, boot.Config{Profile: boot.ProfileDev, Logger: zap.NewNop()})
	check(err)
	defer func() { check(n.Close(context.Background())) }()
	ledger := record(ctx, n, 60)

	var b books
	for range 10 {
		check(b.follow(ctx, n.URL(), 60, 5))
	}
	check(b.follow(ctx, n.URL(), 60, -1))

	var want []string
	for e, err := range ledger.Read(ctx, 0) {
		check(err)
		want = append(want, e.ID.String())
	}
	fmt.Println(len(b.events), "events, as the log has them:", fmt.Sprint(b.events) == fmt.Sprint(want))
	// Output:
	// 60 events, as the log has them: true
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// record has events recorded.
func record(ctx context.Context, n *boot.Node, events int) *client.Client {
	nc, err := n.Dial()
	check(err)
	c := client.New(nc, client.Config{})
	for range events {
		a, err := c.Submit(ctx, &apiv1.Command{
			CommandId: uuid.NewString(), Donor: "NOR", Beneficiary: "UKR", Effective: "2024-03-01",
			Body: &apiv1.Command_CommitPledge{CommitPledge: &apiv1.CommitPledge{Title: "Air defence", Commitments: []*apiv1.CommitLine{{Firmness: "firm", Line: &apiv1.Line{
				Category: "MIL.AIRDEF", Instrument: "grant", Values: []*apiv1.Value{{Basis: "donor_stated", Asset: "EUR/2@donor_stated", Amount: "5.00"}},
			}}}}},
		})
		check(err)
		if a.Outcome != "recorded" {
			panic(a)
		}
	}
	return c
}
