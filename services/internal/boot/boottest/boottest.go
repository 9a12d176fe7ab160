// Package boottest runs a ledger for a test, by the same path as the program does.
package boottest

import (
	"context"
	"testing"

	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// Start starts the given roles, or all, of an empty ledger in memory, and connects to it. All ends with the test.
func Start(t testing.TB, roles ...string) (*client.Client, *nats.Conn) {
	t.Helper()
	n, err := boot.Start(t.Context(), boot.Config{Profile: boot.ProfileDev, Roles: roles, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	nc, err := n.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return client.New(nc, client.Config{}), nc
}
