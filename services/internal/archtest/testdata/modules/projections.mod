module github.com/allied-ledger/allied/projections

go 1.26

require (
	example.org/shared v1.10.0
	github.com/allied-ledger/allied/events v0.0.0
)

replace github.com/allied-ledger/allied/events => ../events/v2
