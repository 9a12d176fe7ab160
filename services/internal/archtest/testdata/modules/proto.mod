module github.com/allied-ledger/allied/proto

go 1.26

require example.org/shared v1.10.0
