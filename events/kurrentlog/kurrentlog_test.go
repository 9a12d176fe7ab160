package kurrentlog_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"go.uber.org/zap/zaptest"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/es/logtest"
	"github.com/allied-ledger/allied/events/kurrentlog"
	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
)

// appendBytesMax is what a server must take in one append.
const appendBytesMax = 16_000_000

// place is a store with one node, which ends with the test.
type place struct {
	store *kurrenttest.Store
	node  *kurrenttest.Node
}

func newPlace(t testing.TB, config kurrenttest.StoreConfig) place {
	t.Helper()
	config.AppendBytesMax = appendBytesMax
	p := place{store: kurrenttest.NewStore(config)}
	var err error
	if p.node, err = kurrenttest.Start(p.store, kurrenttest.NodeConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.node.Stop() }) // a test may have stopped it
	return p
}

func (p place) open(t testing.TB) *kurrentlog.Log {
	t.Helper()
	l, err := kurrentlog.Open(t.Context(), kurrentlog.Config{URL: p.node.URL(), Logger: zaptest.NewLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestContract(t *testing.T) {
	for name, config := range map[string]kurrenttest.StoreConfig{
		"alone": {},
		"among others' events, repeats told by their first position": {
			Noise: kurrenttest.Noise{Seed: 1, EventsMax: 3}, Repeated: kurrenttest.RepeatedFirst,
		},
		"repeats told without a position": {Repeated: kurrenttest.RepeatedNone},
	} {
		if testing.Short() && config.Noise.EventsMax == 0 {
			continue // the race detector makes them slow
		}
		t.Run(name, func(t *testing.T) {
			logtest.Run(t, func(t testing.TB) func() es.Log {
				p := newPlace(t, config)
				return func() es.Log { return p.open(t) }
			})
		})
	}
}

// TestContractOnARealServer runs where ALLIED_TEST_ESDB_URL names a server, such as esdb://127.0.0.1:2113?tls=false. Each case has stream
// names of its own there.
func TestContractOnARealServer(t *testing.T) {
	url := os.Getenv("ALLIED_TEST_ESDB_URL")
	if url == "" {
		t.Skip("ALLIED_TEST_ESDB_URL is not set; docs/stores.md tells how to start a server")
	}
	logtest.Run(t, func(t testing.TB) func() es.Log {
		prefix := fmt.Sprintf("test%s.", strings.ReplaceAll(uuid.NewString(), "-", ""))
		return func() es.Log {
			l, err := kurrentlog.Open(t.Context(), kurrentlog.Config{URL: url, Logger: zaptest.NewLogger(t)}.Prefixed(prefix))
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
	})
}
