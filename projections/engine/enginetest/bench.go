package enginetest

import (
	"testing"

	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/google/uuid"
)

// pledgeEvents is how many events each pledge of a benchmark has.
const pledgeEvents = 5

// BenchLog is a log of about so many events, those of pledges that are committed, allocated and drawn on.
func BenchLog(events int) *Log {
	log := NewLog(uuid.UUID{1: 7})
	t := &testing.T{}
	for i := range events / pledgeEvents {
		log.Decide(t, Stream(i), Donors[i%len(Donors)],
			pledgetest.Commit(pledgetest.Line(10*i, pledgetest.Stated(pledgetest.EUR, "625.50"), pledgetest.Stated("USD/2@donor_stated", "700"))),
			pledgetest.Allocate(pledgetest.Line(10*i+1, pledgetest.Stated(pledgetest.EUR, "200")), pledgetest.Item("shell", "10")),
			pledgetest.Allocate(pledgetest.Line(10*i+2, pledgetest.Stated(pledgetest.EUR, "250")), pledgetest.Item("shell", "20")),
			pledgetest.Draw(10*i+3, 10*i+1, pledgetest.EUR, "100"),
			pledgetest.Allocate(pledgetest.Line(10*i+4, pledgetest.Stated(pledgetest.EUR, "75"))),
		)
	}
	return log
}

// BenchRebuild decodes, folds and commits a view of a log to an empty sink, and closes that. An op is one rebuild; how open makes the sink is not
// measured.
func BenchRebuild(b *testing.B, log *Log, open func() (engine.Sink, error), create func() engine.Projection) {
	for range b.N {
		b.StopTimer()
		sink, err := open()
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		Build(b, log, sink, create)
		if err := sink.Close(); err != nil {
			b.Fatal(err)
		}
	}
	PerSecond(b, len(log.Entries()))
}

// BenchSmallCommits commits one event at a time, as a quiet log does. An op is one commit.
func BenchSmallCommits(b *testing.B, log *Log, sink engine.Sink, p engine.Projection) {
	entries := log.Entries()
	at, err := sink.Open(b.Context(), p.Spec())
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for i := range b.N {
		e := entries[i%len(entries)]
		f, err := wire.Decode(e)
		if err != nil {
			b.Fatal(err)
		}
		if i < len(entries) {
			if err := p.Fold(f); err != nil {
				b.Fatal(err)
			}
		}
		to := engine.Checkpoint{Projection: at.Projection, LogID: log.id, Position: at.Position + 1, Ordinal: uint64(i)}
		if err := sink.Commit(b.Context(), at, to, p.Flush); err != nil {
			b.Fatal(err)
		}
		at = to
	}
	PerSecond(b, 1)
}

// PerSecond reports the events of each op by the second.
func PerSecond(b *testing.B, events int) {
	b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
