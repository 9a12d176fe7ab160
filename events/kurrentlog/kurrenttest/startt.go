package kurrenttest

import (
	"runtime"
	"testing"
	"time"
)

// stopSecondsMax is how long a node's calls may take to end after its stop: they end at once unless one is stuck.
const stopSecondsMax = 20

// StartT starts a node for a test, which fails if the node cannot start, or if one of its calls does not end when the test does.
func StartT(t testing.TB, store *Store, config NodeConfig) *Node {
	t.Helper()
	n, err := Start(store, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stopped := make(chan error, 1)
		go func() { stopped <- n.Stop() }()
		select {
		case err := <-stopped:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(stopSecondsMax * time.Second):
			stacks := make([]byte, 1<<20)
			t.Errorf("node %s still serves calls %d s after its stop:\n%s", n.Endpoint(), stopSecondsMax, stacks[:runtime.Stack(stacks, true)])
		}
	})
	return n
}

// TLS gives a test an authority of its own.
func TLS(t testing.TB) *Authority {
	t.Helper()
	a, err := NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return a
}
