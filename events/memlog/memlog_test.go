package memlog_test

import (
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/es/logtest"
	"github.com/allied-ledger/allied/events/memlog"
)

func TestContract(t *testing.T) {
	logtest.Run(t, func(testing.TB) func() es.Log {
		var last *memlog.Log
		return func() es.Log {
			if last == nil {
				last = memlog.New()
			} else {
				last = last.Reopen()
			}
			return last
		}
	})
}
