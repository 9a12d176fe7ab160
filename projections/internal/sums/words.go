package sums

import (
	"slices"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/projections/internal/words"
)

// Quantity is the word for the basis of amounts that are no money.
const Quantity = "quantity"

// The words for the evidence of what is handed over.
const (
	Signed = "signed"
	Claim  = "claim"
)

// Stages are the words that a request may name: the ladder from its lowest rung, then the accounts beside it. What is claimed is a part of
// what is handed over, told apart by its evidence.
func Stages() []string {
	return slices.DeleteFunc(words.Stages(), func(s string) bool { return s == words.Claimed })
}

// Rung is the stage under which a row's stage is asked for, and the evidence where the rung is told apart by it.
func Rung(stage string) (rung, evidence string) {
	switch stage {
	case words.HandedOver:
		return stage, Signed
	case words.Claimed:
		return words.HandedOver, Claim
	}
	return stage, ""
}

// Bases are the valuation bases that a request may name, and `quantity`.
func Bases() []string { return append(asset.Bases(), Quantity) }

// Dimensions are what a request may report by.
func Dimensions() []string {
	return []string{"donor", "beneficiary", "category", "instrument", "evidence"}
}

// byName are the instruments that enter a total only by name: a promise to pay if another does not, and an exchange, are no support yet.
var byName = []string{"guarantee", "swap"}
