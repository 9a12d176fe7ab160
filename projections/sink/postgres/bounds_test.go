package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/sink/postgres"
	"github.com/allied-ledger/allied/projections/sink/postgres/postgrestest"
)

// What an administrator bounds for the people who read a database does not end a worker's session, which is silent while nothing is recorded,
// nor a comparison with the log, which is silent while the log is read.
func TestBoundsForPeopleAreNotTheLedgers(t *testing.T) {
	url := postgrestest.URL(t)
	conn := connect(t, url)
	for _, set := range []string{
		"idle_session_timeout = '50ms'", "idle_in_transaction_session_timeout = '50ms'", "statement_timeout = '50ms'", "lock_timeout = '1ms'",
		"default_transaction_isolation = 'serializable'", "search_path = 'nowhere'", "synchronous_commit = 'on'", "standard_conforming_strings = 'off'",
		"DateStyle = 'German, DMY'", "bytea_output = 'escape'", "enable_nestloop = 'off'", "extra_float_digits = '-15'", "lc_messages = 'C'",
	} {
		execute(t, conn, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET "+strings.ReplaceAll(set, "'", "''")+"', current_database()); END $$")
	}
	sink := open(t, url)
	log := filled(t, 30)
	enginetest.Build(t, log, sink, enginetest.NewTally)
	at, err := sink.Open(t.Context(), enginetest.TallySpec)
	if err != nil {
		t.Fatal(err)
	}
	wait := "SELECT pg_sleep(0.3)"
	execute(t, conn, wait)
	if err := sink.Commit(t.Context(), at, next(at), func(func(int, engine.Row) error) error { return nil }); err != nil {
		t.Errorf("a commit after a silence: %v", err)
	}
	err = sink.View(t.Context(), func(s engine.Snapshot) error {
		execute(t, conn, wait)
		_, err := s.Checkpoint(t.Context(), enginetest.TallySpec)
		return err
	})
	if err != nil {
		t.Errorf("a snapshot after a silence: %v", err)
	}
}

// A copy of a server that follows it, and any database that takes no writes, is told apart from one that is broken.
func TestDatabaseThatTakesNoWrites(t *testing.T) {
	url := postgrestest.URL(t)
	enginetest.Build(t, filled(t, 5), open(t, url), enginetest.NewTally)
	only := url + "&default_transaction_read_only=on"
	_, err := postgres.Open(t.Context(), only)
	if err == nil || errors.As(err, new(*engine.DamagedViewError)) || !strings.Contains(err.Error(), "primary") {
		t.Errorf("to write: %v", err)
	}
	r, err := postgres.OpenReader(t.Context(), only)
	if err != nil {
		t.Fatal(err)
	}
	whole(t, filled(t, 5), r)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
