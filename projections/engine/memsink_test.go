package engine_test

import (
	"testing"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
)

func TestMemSinkContract(t *testing.T) {
	sinks := map[string]engine.Sink{}
	enginetest.TestSink(t, func(t *testing.T, name string) engine.Sink {
		name = t.Name() + name
		if sinks[name] == nil {
			sinks[name] = engine.NewMemSink()
		}
		return sinks[name]
	})
}
