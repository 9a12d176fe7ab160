package postgres_test

import (
	"os"
	"testing"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/sink/postgres"
	"github.com/allied-ledger/allied/projections/sink/postgres/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

func TestContract(t *testing.T) {
	databases := map[string]string{} // one for each case and name
	enginetest.TestSink(t, func(t *testing.T, name string) engine.Sink {
		at := t.Name() + name
		if databases[at] == "" {
			databases[at] = postgrestest.URL(t)
		}
		return open(t, databases[at])
	})
}

func open(t testing.TB, url string) *postgres.Sink {
	t.Helper()
	s, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
