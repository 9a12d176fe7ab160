package es

import (
	"context"

	"github.com/allied-ledger/allied/events/money" // want role
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

var _ = []any{context.Canceled, money.Amount{}, eventv1.Amount{}}
