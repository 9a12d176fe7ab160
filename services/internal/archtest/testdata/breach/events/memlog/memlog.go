package memlog

import (
	"context"
	"log" // want library

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"                // want role
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1" // want role
	"github.com/cockroachdb/pebble/v2"                              // want technology
)

var _ = []any{context.Canceled, log.Println, es.ErrBusy, filelog.Open, logv1.Record{}, pebble.Open}

func init() { // want library
}
