package pledges_test

import (
	"testing"

	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/pledges"
)

func TestProjection(t *testing.T) { enginetest.TestProjection(t, pledges.New) }

func TestProjectionOfAll(t *testing.T) {
	enginetest.TestProjectionOf(t, enginetest.RandomOfAll, pledges.New)
}
