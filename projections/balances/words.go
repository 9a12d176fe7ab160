package balances

import (
	"github.com/allied-ledger/allied/projections/internal/sums"
	"github.com/allied-ledger/allied/projections/internal/words"
)

// Quantity is the word for the basis of amounts that are no money.
const Quantity = sums.Quantity

// Stages are the words that a request may name: the ladder from its lowest rung, then the accounts beside it. What is claimed is a part of
// what is handed over, told apart by its evidence.
func Stages() []string { return sums.Stages() }

// Bases are the valuation bases that a request may name, and `quantity`.
func Bases() []string { return sums.Bases() }

// Dimensions are what a request may report by.
func Dimensions() []string { return sums.Dimensions() }

// Instruments are the words of all instruments.
func Instruments() []string { return words.Instruments() }
