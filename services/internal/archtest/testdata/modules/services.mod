module github.com/allied-ledger/allied/service

go 1.26

require github.com/allied-ledger/allied/proto v0.0.0

replace github.com/allied-ledger/allied/proto => ../proto
