package live_test

import (
	"fmt"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/services/live"
	"github.com/google/uuid"
	"go.uber.org/zap"
)

// many are n balances.
func many(n int) []engine.Row {
	rows := make([]engine.Row, n)
	for i := range rows {
		rows[i] = row(fmt.Sprintf("D%06d", i), int64(i))
	}
	return rows
}

// BenchmarkFill fills an empty bucket, over a socket.
func BenchmarkFill(b *testing.B) {
	for _, n := range []int{5000, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := startNATS(b, 0)
			model := newBook(b, newLog(7))
			model.head = headAt(uuid.UUID{1: 7}, 1)
			model.put(1, many(n)...)
			b.ResetTimer()
			for i := range b.N {
				bucket := fmt.Sprint("b", i)
				stop := publish(b, s.js, bucket, model, zap.NewNop())
				awaitMark(b, s.js, bucket, func(m live.Mark) bool { return m.Keys == n }, nil)
				stop()
				b.StopTimer()
				must(b, s.js.DeleteKeyValue(b.Context(), bucket))
				b.StartTimer()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "puts/s")
		})
	}
}

// BenchmarkCompare starts on a bucket that equals the read model but for its mark: all of it is read and compared.
func BenchmarkCompare(b *testing.B) {
	benchmarkMark(b, func(b *testing.B, s *natsServer, model *book) {
		for i := range b.N {
			model.put(es.Position(i + 2))
			stop := publish(b, s.js, "balances", model, zap.NewNop())
			model.awaitMark(b, s.js, "balances")
			stop()
		}
	})
}

// BenchmarkChange changes one balance, and waits until a subscriber has heard of it.
func BenchmarkChange(b *testing.B) {
	benchmarkMark(b, func(b *testing.B, s *natsServer, model *book) {
		publish(b, s.js, "balances", model, zap.NewNop())
		m := follow(b, s, "balances")
		b.ResetTimer()
		for i := range b.N {
			model.put(es.Position(i+2), row("D000003", int64(-i)))
			m.untilHeld(func(held map[string][]byte) bool { return readMark(held[live.MarkKey]).Position == es.Position(i+2) })
		}
	})
}

func benchmarkMark(b *testing.B, run func(*testing.B, *natsServer, *book)) {
	for _, n := range []int{5000, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := startNATS(b, 0)
			model := newBook(b, newLog(7))
			model.head = headAt(uuid.UUID{1: 7}, 1<<40)
			model.put(1, many(n)...)
			stop := publish(b, s.js, "balances", model, zap.NewNop())
			model.awaitMark(b, s.js, "balances")
			stop()
			b.ResetTimer()
			run(b, s, model)
		})
	}
}
