package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
)

func TestContract(t *testing.T) {
	folders := map[string]string{} // one for each case
	enginetest.TestSink(t, func(t *testing.T, name string) engine.Sink {
		if folders[t.Name()] == "" {
			folders[t.Name()] = t.TempDir()
		}
		return open(t, filepath.Join(folders[t.Name()], name+".db"))
	})
}

func open(t *testing.T, path string) *sqlite.Sink {
	t.Helper()
	s, err := sqlite.Open(path)
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
