package relay_test

import (
	"context"
	"fmt"
	"testing"

	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"

	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/services/relay"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// BenchmarkBacklog publishes a log that is there already: by the relay, and as a bare client that has no conditions, headers or checkpoints does.
func BenchmarkBacklog(b *testing.B) {
	const events = 50_000
	log := newLog(1)
	for i := range events {
		log.Add(b, enginetest.Stream(i%997), "NOR", enginetest.Announcement("of some length", &eventv1.Amount{Lo: uint64(i)}))
	}
	perSecond := func(b *testing.B) { b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events/s") }
	for _, form := range []relay.Form{relay.Events, relay.EventsJSON} {
		b.Run("relay/"+form.Stream, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				s := newNATS(b)
				b.StartTimer()
				r := run(b, dial(b, s.URL()), log, relay.Config{Form: form, Logger: zap.NewNop()})
				r.awaitEvents(b, events)
				b.StopTimer()
				r.stop()
				s.Close()
				b.StartTimer()
			}
			perSecond(b)
		})
	}
	b.Run("bare", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			s := newNATS(b)
			js := dial(b, s.URL())
			_, err := js.CreateStream(context.Background(), jetstream.StreamConfig{Name: "BARE", Subjects: []string{"bare.>"}})
			must(b, err)
			b.StartTimer()
			for _, e := range log.Entries() {
				_, err := js.PublishMsgAsync(&nats.Msg{Subject: fmt.Sprint("bare.pledge.NOR.", e.Stream), Data: e.Bytes})
				must(b, err)
			}
			<-js.PublishAsyncComplete()
			b.StopTimer()
			s.Close()
			b.StartTimer()
		}
		perSecond(b)
	})
}
