package term_test

import (
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/term"
)

func TestNearest(t *testing.T) {
	allowed := []string{"donor", "beneficiary", "category", "instrument", "MIL.AMMO"}
	for word, want := range map[string]string{
		"doner": "donor", "donro": "donor", "benefciary": "beneficiary", "INSTRUMENTS": "instrument", "mil.amo": "MIL.AMMO",
		"stage": "", "": "", "x": "", strings.Repeat("donor", 100): "",
	} {
		if got := term.Nearest(word, allowed); got != want {
			t.Errorf("nearest to %q is %q, not %q", word, got, want)
		}
	}
}
