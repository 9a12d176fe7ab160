package balances

import (
	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/projections/internal/words"
)

// Stages are the words that a request may name: the ladder from its lowest rung, then the accounts beside it.
func Stages() []string { return words.Stages() }

// Bases are the valuation bases that a request may name, and `quantity`.
func Bases() []string { return append(asset.Bases(), Quantity) }

// Dimensions are what a request may report by.
func Dimensions() []string { return []string{"donor", "beneficiary", "category", "instrument"} }

// Instruments are the words of all instruments.
func Instruments() []string { return words.Instruments() }
