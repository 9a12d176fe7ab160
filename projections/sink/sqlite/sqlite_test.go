package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
	"github.com/google/uuid"
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

func filled(t *testing.T, n int) *enginetest.Log {
	log := enginetest.NewLog(uuid.UUID{1: 7})
	log.Fill(t, n)
	return log
}

func verify(t *testing.T, log *enginetest.Log, views engine.Views) engine.Check {
	t.Helper()
	r, err := engine.Verify(t.Context(), log.All(), views, enginetest.NewTally())
	if err != nil {
		t.Fatal(err)
	}
	return r.Views[0]
}

// A process that dies leaves the files as they are. Whenever that happens, also within a commit, what is found again is the view at one of
// its checkpoints, and a worker goes on from there.
func TestFilesAsACrashLeavesThem(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "views.db")
	log := filled(t, 40)
	sink := enginetest.NewFaults(open(t, path))
	crashes := 0
	crash := func() error {
		crashes++
		copied := t.TempDir()
		for _, suffix := range []string{"", "-wal", "-shm"} {
			data, err := os.ReadFile(path + suffix)
			if err == nil {
				err = os.WriteFile(filepath.Join(copied, "views.db"+suffix), data, 0o600)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		found := open(t, filepath.Join(copied, "views.db"))
		if check := verify(t, log, found); !check.OK() {
			t.Errorf("after crash %d: %+v %v", crashes, check, check.Difference)
		}
		enginetest.Build(t, log, found, enginetest.NewTally)
		if check := verify(t, log, found); !check.OK() || check.Ordinal != 39 {
			t.Errorf("after crash %d and a restart: %+v", crashes, check)
		}
		return nil
	}
	sink.FailCommits(crash, crash)
	sink.WithinCommits(crash)
	w := engine.NewWorker(enginetest.NewTally, log, sink, engine.Config{BatchEventsMax: 9})
	enginetest.Run(t, w, log)
	if crashes != 15 {
		t.Fatalf("%d crashes tried", crashes)
	}
}

func TestChangedFileIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "views.db")
	log := filled(t, 30)
	sink := open(t, path)
	enginetest.Build(t, log, sink, enginetest.NewTally)
	if check := verify(t, log, sink); !check.OK() {
		t.Fatalf("%+v", check)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("UPDATE tally SET total = '1' || total WHERE stream = ?", enginetest.Stream(2)); err != nil {
		t.Fatal(err)
	}
	check := verify(t, log, sink)
	if d := check.Difference; d == nil || d.Table != "tally" || d.Column != "total" || !strings.Contains(d.Key, enginetest.Stream(2)) || d.A != "1"+d.B {
		t.Fatalf("%+v %v", check, d)
	}
	if _, err := db.Exec("DELETE FROM tally WHERE stream = ?", enginetest.Stream(1)); err != nil {
		t.Fatal(err)
	}
	if d := verify(t, log, sink).Difference; d == nil || d.A != "no row" || d.B != "a row" {
		t.Fatal(d)
	}
}

func TestReaderBesideAWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with blank, % and ?#.db")
	if _, err := sqlite.OpenReader(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a reader of nothing: %v", err)
	}
	log := filled(t, 30)
	sink := open(t, path)
	reader, err := sqlite.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	})
	if check := verify(t, log, reader); !check.Missing {
		t.Fatalf("%+v", check)
	}
	enginetest.Build(t, log, sink, enginetest.NewTally)
	if check := verify(t, log, reader); !check.OK() || check.Ordinal != 29 {
		t.Fatalf("%+v", check)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal("the file has another name:", err)
	}
}

func TestForeignFilesAreRefusedWithARemedy(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "foreign.db")
	db, err := sql.Open("sqlite", foreign)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE theirs (a)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{text, foreign} {
		_, err := sqlite.Open(path)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "rebuilt") {
			t.Errorf("open %s: %v", path, err)
		}
		if _, err := sqlite.OpenReader(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("read %s: %v", path, err)
		}
	}
	if _, err := sqlite.Open(filepath.Join(dir, "no", "such", "folder.db")); err == nil {
		t.Error("a folder that is not there is no error")
	}
}

// changed is a file with the tally of a log, after somebody else's hand.
func changed(t *testing.T, log *enginetest.Log, statement string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "views.db")
	sink, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	enginetest.Build(t, log, sink, enginetest.NewTally)
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// A file whose tables are not what allied_views says is damage to who reads and to who writes, and is built again only where that is asked for.
func TestTablesThatContradictTheirRowAreDamage(t *testing.T) {
	log := filled(t, 30)
	for statement, want := range map[string]string{
		"DELETE FROM allied_views":                           "allied_views knows no view tally",
		"DROP TABLE allied_views":                            "no table allied_views",
		"DROP TABLE tally":                                   "view tally lacks its table tally",
		"ALTER TABLE tally ADD COLUMN more TEXT":             "other columns",
		"ALTER TABLE allied_views DROP COLUMN log_id":        "no such column",
		"UPDATE allied_views SET log_id = 'x'":               "log id",
		"UPDATE tally SET total = 'much'":                    `"much" stands where an amount belongs`,
		"PRAGMA user_version = 7":                            "layout 7",
		"ALTER TABLE allied_views RENAME COLUMN log_id TO x": "no such column",
	} {
		t.Run(statement, func(t *testing.T) {
			path := changed(t, log, statement)
			isDamage := func(doing string, err error) {
				t.Helper()
				var damaged *engine.DamagedViewError
				if !errors.As(err, &damaged) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "rebuilt") {
					t.Errorf("%s: %v", doing, err)
				}
				if doing == "verify" && !strings.Contains(err.Error(), want) {
					t.Errorf("the fault is not named %q: %v", want, err)
				}
			}
			reader, err := sqlite.OpenReader(path)
			if err == nil {
				_, err = engine.Verify(t.Context(), log.All(), reader, enginetest.NewTally())
				err = errors.Join(err, reader.Close())
			}
			isDamage("verify", err)
			sink, err := sqlite.Open(path)
			if err != nil {
				isDamage("open", err)
				return
			}
			defer sink.Close()
			err = engine.NewWorker(enginetest.NewTally, log, sink, engine.Config{}).Run(t.Context())
			isDamage("work", err)
			if strings.Contains(statement, "COLUMN") && strings.Contains(statement, "allied_views") {
				return // the sink's own table is nothing that Reset makes
			}
			if err := sink.Reset(t.Context(), enginetest.TallySpec); err != nil {
				t.Fatal("reset:", err)
			}
			enginetest.Build(t, log, sink, enginetest.NewTally)
			if check := verify(t, log, sink); !check.OK() || check.Ordinal != 29 {
				t.Errorf("after a reset: %+v %v", check, check.Difference)
			}
		})
	}
}

// What is closed is whole in one file, also where a worker was broken off: whoever moves or copies the file then has the views.
func TestClosedFileIsWhole(t *testing.T) {
	dir := t.TempDir()
	for i := range 200 {
		path := filepath.Join(dir, fmt.Sprintf("%d.db", i))
		s, err := sqlite.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(i)*5*time.Microsecond, cancel) // before, within and after the transaction
		if _, err := s.Open(ctx, enginetest.NewTally().Spec()); err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil {
			t.Fatal(err)
		}
		cancel()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if left, err := filepath.Glob(path + "-*"); err != nil || len(left) > 0 {
			t.Fatalf("round %d left %v, %v", i, left, err)
		}
	}
}
