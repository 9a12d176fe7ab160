package dashboard_test

import (
	"testing"

	"github.com/allied-ledger/allied/services/internal/browsertest"
)

func TestEmptyLedgerSaysHowToBegin(t *testing.T) {
	p := theEmpty(t).open(t, "/", browsertest.View{})
	p.AwaitText("main h2", "This ledger holds no facts yet")
	p.AwaitText("main code", "allied import kiel FILE")
	if said := p.Text(".live"); said != "Live" {
		t.Errorf("the state of an empty ledger is %q", said)
	}
}
