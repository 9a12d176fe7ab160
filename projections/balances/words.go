package balances

import (
	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/events/term"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// Stages are the words that a request may name: the ladder from its lowest rung, then the accounts beside it.
func Stages() []string {
	words := term.Words(eventv1.Stage_STAGE_UNSPECIFIED)
	for _, a := range []posting.Account{
		posting.OverAllocated, posting.OverReserved, posting.OverHandedOver, posting.Unmeasured, posting.Difference, posting.Origin,
	} {
		words = append(words, a.String())
	}
	return words
}

// Bases are the valuation bases that a request may name, and `quantity`.
func Bases() []string { return append(asset.Bases(), Quantity) }

// Dimensions are what a request may report by.
func Dimensions() []string { return []string{"donor", "beneficiary", "category", "instrument"} }

// Instruments are the words of all instruments.
func Instruments() []string { return term.Words(eventv1.Instrument_INSTRUMENT_UNSPECIFIED) }
