package postgres_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/sink/postgres"
	"github.com/allied-ledger/allied/projections/sink/postgres/postgrestest"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var logID = uuid.UUID{1: 7}

func filled(t *testing.T, n int) *enginetest.Log {
	log := enginetest.NewLog(logID)
	log.Fill(t, n)
	return log
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func execute(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// role ends with the test, which makes it: it belongs to all databases of the server.
func role(t *testing.T, conn *pgx.Conn, name string) {
	t.Cleanup(func() {
		if _, err := conn.Exec(context.Background(), "DROP OWNED BY "+name+" CASCADE; DROP ROLE "+name); err != nil {
			t.Error(err)
		}
	})
}

// query answers one value as text.
func query(t testing.TB, url, sql string) (answer string) {
	t.Helper()
	if err := connect(t, url).QueryRow(t.Context(), "SELECT concat(("+sql+"))").Scan(&answer); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return answer
}

// Tables that are not what allied_views says are damage to who reads and to who writes, and are built again only where that is asked for.
func TestTablesThatContradictTheirRowAreDamage(t *testing.T) {
	log := filled(t, 30)
	for statement, want := range map[string]string{
		"DELETE FROM allied.allied_views":                                                                   "allied_views knows no view tally",
		"DROP TABLE allied.allied_views":                                                                    "allied_views",
		"DROP TABLE allied.tally CASCADE":                                                                   "view tally lacks its table tally",
		"ALTER TABLE allied.tally ADD COLUMN more text":                                                     "other columns",
		"ALTER TABLE allied.tally ALTER COLUMN donor DROP NOT NULL":                                         "other columns",
		"ALTER TABLE allied.tally_state DROP CONSTRAINT tally_state_pkey":                                   "other columns",
		"ALTER TABLE allied.tally_state ALTER COLUMN stream TYPE text COLLATE \"POSIX\"":                    "other columns",
		"ALTER TABLE allied.allied_views DROP COLUMN log_id":                                                "log_id",
		"ALTER TABLE allied.tally DROP CONSTRAINT tally_total_check; UPDATE allied.tally SET total = 'NaN'": "something else stands where amount belongs",
		"DROP TABLE allied.allied_migrations":                                                               "did not make it",
	} {
		t.Run(statement, func(t *testing.T) {
			url := postgrestest.URL(t)
			sink := open(t, url)
			enginetest.Build(t, log, sink, enginetest.NewTally)
			if err := sink.Close(); err != nil {
				t.Fatal(err)
			}
			execute(t, connect(t, url), statement)
			isDamage := func(doing string, err error) {
				t.Helper()
				var damaged *engine.DamagedViewError
				if !errors.As(err, &damaged) || !strings.Contains(err.Error(), " at ") || !strings.Contains(err.Error(), "DROP SCHEMA allied") {
					t.Errorf("%s: %v", doing, err)
				} else if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: the fault is not named %q: %v", doing, want, err)
				}
			}
			reader, err := postgres.OpenReader(t.Context(), url)
			if err == nil {
				_, err = engine.Verify(t.Context(), log.All(), reader, enginetest.NewTally())
				err = errors.Join(err, reader.Close())
			}
			isDamage("verify", err)
			sink, err = postgres.Open(t.Context(), url)
			if err == nil {
				defer sink.Close()
				err = engine.NewWorker(enginetest.NewTally, log, sink, engine.Config{}).Run(t.Context())
			}
			isDamage("work", err)
			if strings.Contains(want, "log_id") || strings.Contains(want, "did not") || statement == "DROP TABLE allied.allied_views" {
				return // the sink's own tables are nothing that Reset makes
			}
			if err := sink.Reset(t.Context(), enginetest.TallySpec); err != nil {
				t.Fatal("reset:", err)
			}
			enginetest.Build(t, log, sink, enginetest.NewTally)
			whole(t, log, sink)
		})
	}
}

// PostgreSQL shows a snapshot tables that were dropped and made again after it. A reader that began before must not see them.
func TestSnapshotIsOneMomentWhileTablesAreMadeAnew(t *testing.T) {
	log := filled(t, 30)
	url := postgrestest.URL(t)
	sink := open(t, url)
	enginetest.Build(t, log, sink, enginetest.NewTally)
	conn, ended := connect(t, url), make(chan error, 1)
	err := sink.View(t.Context(), func(s engine.Snapshot) error {
		go func() { ended <- sink.Reset(t.Context(), enginetest.TallySpec) }()
		for waits := false; len(ended) == 0 && !waits; { // until the other waits, or has not waited
			if err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)").Scan(&waits); err != nil {
				return err
			}
		}
		at, err := s.Checkpoint(t.Context(), enginetest.TallySpec)
		rows := 0
		for _, scanned := range s.Scan(t.Context(), enginetest.TallySpec.Tables[0], engine.Range{}) {
			err = errors.Join(err, scanned)
			rows++
		}
		if at.Events() != 30 || rows == 0 {
			t.Errorf("at %d events there are %d rows", at.Events(), rows)
		}
		return err
	})
	if err = errors.Join(err, <-ended); err != nil {
		t.Fatal(err)
	}
}

func TestForeignAndNewerSchemasAreRefused(t *testing.T) {
	url := postgrestest.URL(t)
	if _, err := postgres.OpenReader(t.Context(), url); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a reader of nothing: %v", err)
	}
	conn := connect(t, url)
	execute(t, conn, "CREATE SCHEMA allied; CREATE TABLE allied.theirs (a int)")
	var damaged *engine.DamagedViewError
	if _, err := postgres.Open(t.Context(), url); !errors.As(err, &damaged) {
		t.Errorf("somebody else's schema: %v", err)
	}
	execute(t, conn, "DROP TABLE allied.theirs") // an empty schema may be there already
	open(t, url)
	execute(t, conn, "INSERT INTO allied.allied_migrations (layout) VALUES (99)")
	for _, err := range []error{second(postgres.Open(t.Context(), url)), second(postgres.OpenReader(t.Context(), url))} {
		if err == nil || errors.As(err, &damaged) || !strings.Contains(err.Error(), "layout 99") || !strings.Contains(err.Error(), "newer") {
			t.Errorf("a newer schema: %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestSeveralProcessesStartAtOnce(t *testing.T) {
	urls := []string{postgrestest.URL(t), postgrestest.URL(t)} // the role is common to both
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			sink, err := postgres.Open(t.Context(), urls[i%2])
			if err == nil {
				err = sink.Close()
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := query(t, urls[0], "SELECT string_agg(layout::text, ' ' ORDER BY layout) FROM allied.allied_migrations"); n != "1 2 3" {
		t.Fatalf("layouts %s", n)
	}
}

func TestErrorsHideThePasswordAndFitOnALine(t *testing.T) {
	url := postgrestest.URL(t)
	for _, bad := range []string{
		strings.Replace(url, "/test", "/no_such_", 1) + "&password=secret",
		strings.Replace(strings.Replace(url, "/test", "/no_such_", 1), "host=", "host=/nowhere,", 1) + "&password=secret",
		"postgres://user:secret@127.0.0.1:1/db", "postgres://user:secret@[/db", "postgres://user:secret@h/db?sslmode=wrong",
	} {
		_, err := postgres.Open(t.Context(), bad)
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// A role that may make schemas, and nothing else, is enough; one that may not is told what it lacks.
func TestRoleThatMayOnlyMakeSchemas(t *testing.T) {
	url := postgrestest.URL(t)
	conn := connect(t, url)
	role(t, conn, "plain")
	execute(t, conn, "CREATE ROLE plain LOGIN")
	own := url + "&user=plain"
	if _, err := postgres.Open(t.Context(), own); err == nil || !strings.Contains(err.Error(), "GRANT CREATE ON DATABASE") {
		t.Fatalf("a role without rights: %v", err)
	}
	execute(t, conn, "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO plain', current_database()); END $$")
	sink := open(t, own)
	log := filled(t, 20)
	enginetest.Build(t, log, sink, enginetest.NewTally)
	whole(t, log, sink)
	query(t, url, "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_locks WHERE locktype = 'advisory'")
	log.Fill(t, 5)
	enginetest.Build(t, log, sink, enginetest.NewTally)
	whole(t, log, sink)
}
