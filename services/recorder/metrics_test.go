package recorder

import (
	"testing"
	"time"

	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/prometheus/client_golang/prometheus"
)

// BenchmarkMetrics is what measuring adds to a request of one append, beside the hundred microseconds or more that the request takes.
func BenchmarkMetrics(b *testing.B) {
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	out := &logv1.AppendResponse{Results: []*logv1.AppendResult{{Status: logv1.AppendStatus_APPEND_STATUS_RECORDED}}}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.answered(time.Now(), out)
		}
	})
}
