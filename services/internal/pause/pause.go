// Package pause waits for a while, or until a context ends.
package pause

import (
	"context"
	"time"
)

// For returns nil after a while, or before it the error with which ctx ended.
func For(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
