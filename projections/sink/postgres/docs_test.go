package postgres_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/sink/postgres/postgrestest"
	"pgregory.net/rapid"
)

var sqlBlock = regexp.MustCompile("(?s)\n```sql\n(.*?)```\n")

// The statements of the page are run, the first block by the owner, the others by the reader that it makes.
func TestStatementsOfTheReferenceRun(t *testing.T) {
	page, err := os.ReadFile("../../../docs/reference/postgresql.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := sqlBlock.FindAllSubmatch(page, -1)
	if len(blocks) < 6 {
		t.Fatalf("the page has %d blocks of SQL", len(blocks))
	}
	url := postgrestest.URL(t)
	sink := open(t, url)
	log := rapid.Custom(func(r *rapid.T) *enginetest.Log { return enginetest.RandomOfAll(t, r) }).Example(1)
	for _, create := range views {
		enginetest.Run(t, engine.NewWorker(create, log, sink, engine.Config{}), log)
	}
	conn := connect(t, url)
	role(t, conn, "excel")
	execute(t, conn, string(blocks[0][1]))
	reader := connect(t, url+"&user=excel")
	for _, b := range blocks[1:] {
		execute(t, reader, string(b[1]))
	}
	if _, err := reader.Exec(t.Context(), "SELECT * FROM allied.balances_registers"); err == nil {
		t.Error("the reader sees what is hidden")
	}
}
