module github.com/allied-ledger/allied/events

go 1.25

require (
	example.org/shared v1.2.0
	github.com/allied-ledger/allied/proto v0.0.0
)

replace github.com/allied-ledger/allied/proto => ../proto
