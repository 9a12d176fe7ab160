package boot

import (
	"context"
	"fmt"

	"github.com/allied-ledger/allied/projections/reservations"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/feed"
	"github.com/allied-ledger/allied/services/internal/health"
	"github.com/allied-ledger/allied/services/policies"
	"github.com/nats-io/nats.go"
)

// startPolicies starts what releases unused draws, and what was given up of others. It is the last role to start and the first to stop: its
// commands need the others.
func (n *Node) startPolicies(ctx context.Context) error {
	if n.cfg.ReleaseDrawsAfter == 0 {
		return nil
	}
	sink, err := n.openSink(ctx, policiesName)
	if err != nil {
		return err
	}
	nc, err := n.dial(nats.Name("allied policies"), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("start policies: %w", err)
	}
	n.closers = append(n.closers, func() error { nc.Close(); return nil })
	ledger := client.New(nc, client.Config{Logger: n.zap})
	source := feed.New(nc, n.zap)
	r := policies.New(policies.ReleaseUnusedDraws(n.cfg.ReleaseDrawsAfter), source, sink, ledger, policies.Config{Logger: n.zap})
	n.policy = func(ctx context.Context) health.Answer {
		return progress(ctx, source, n.cfg.clock, followed{reservations.Spec.Name, r})
	}
	n.run(Policies, r)
	return nil
}
