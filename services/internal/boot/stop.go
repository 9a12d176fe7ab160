package boot

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"
)

// runner is what every role is: Run works until its context ends, Stop takes nothing new and finishes what is under way.
type runner interface {
	Run(ctx context.Context) error
	Stop(ctx context.Context) error
}

type role struct {
	name   string
	runner runner
	cancel context.CancelFunc
	ended  chan struct{}
}

func (n *Node) run(name string, r runner) {
	ctx, cancel := context.WithCancel(context.Background())
	started := &role{name: name, runner: r, cancel: cancel, ended: make(chan struct{})}
	n.running = append(n.running, started)
	n.group.Go(func() error {
		defer close(started.ended)
		if err := r.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			n.zap.Error("role failed", zap.String("role", name), zap.Error(err))
			return fmt.Errorf("role %s: %w", name, err)
		}
		return nil
	})
	n.zap.Debug("role started", zap.String("role", name))
}

// Close stops in the reverse order of the start: nothing new is taken, what is under way is finished and answered, then the log, the server
// and the folder are let go. When ctx ends first, what is under way is broken off, and its clients are not answered. The error holds that of
// a role that failed before.
func (n *Node) Close(ctx context.Context) error {
	var errs []error
	for i := len(n.running) - 1; i >= 0; i-- {
		r := n.running[i]
		errs = append(errs, r.runner.Stop(ctx))
		r.cancel()
		<-r.ended
	}
	errs = append(errs, n.group.Wait())
	for i := len(n.closers) - 1; i >= 0; i-- {
		errs = append(errs, n.closers[i]())
	}
	n.running, n.closers = nil, nil
	return errors.Join(errs...)
}
