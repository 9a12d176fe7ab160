package boot_test

import (
	"context"
	"fmt"
	"testing"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"go.uber.org/zap"
)

// BenchmarkSubmit counts commands answered recorded, durable on disk, through client, NATS, decider, recorder and file log in one process.
func BenchmarkSubmit(b *testing.B) {
	for _, c := range []struct {
		name, listen string
		roles        []string
	}{
		{"recorder and pledges", "", []string{boot.Recorder, boot.Pledges}},
		{"all", "", nil},
		{"all with HTTP and metrics", "127.0.0.1:0", nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			n, err := boot.Start(b.Context(), boot.Config{DataDir: b.TempDir(), Roles: c.roles, HTTPListen: c.listen, Logger: zap.NewNop()})
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := n.Close(context.Background()); err != nil {
					b.Error(err)
				}
			}()
			nc, err := n.Dial()
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			c := client.New(nc, client.Config{})
			cmds := func(yield func(*apiv1.Command) bool) {
				for range b.N {
					if !yield(commit("1.00")) {
						return
					}
				}
			}
			b.ResetTimer()
			err = c.SubmitAll(b.Context(), cmds, func(_ int, _ *apiv1.Command, a *apiv1.Answer) error {
				if a.Outcome != "recorded" {
					return fmt.Errorf("answered %v", a)
				}
				return nil
			})
			b.StopTimer()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
		})
	}
}
