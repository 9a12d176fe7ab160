// Package sqlite keeps views in one SQLite file.
//
// The file is a cache of the log: it may be deleted at any time, and is rebuilt. Amounts are stored as decimal text, since SQLite's numbers
// end at 64 bits and its SUM goes through floating point. Readers see one moment and never wait for the writer. A power cut may take the
// last commits, rows and checkpoint together (WAL with synchronous=NORMAL), and nothing else.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/google/uuid"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// Layout is the version of the sink's own tables, kept in the file's user_version.
	Layout = 1
	// readersMax bounds the connections that read at once; others wait.
	readersMax = 8
	// busyMillisMax is how long a writer waits for a writer in another process.
	busyMillisMax = 10_000

	remedy = "the file is a cache of the log: where it is damaged or foreign, stop the program and move it away, and it is rebuilt"
	// remedyFrozen leaves what is perhaps evidence as it is.
	remedyFrozen   = "the folder cannot be written: in a copy of it that can, move the file away, and it is rebuilt from the log"
	remedyUnjoined = "its last commits lie in a file beside it, and can be read only where the folder can be written: copy the folder to such a place"
)

// One row for each view: what it is, and what it is true at.
const viewsTable = `CREATE TABLE IF NOT EXISTS allied_views (
	projection  TEXT    NOT NULL,
	partition   INTEGER NOT NULL,
	fingerprint TEXT    NOT NULL,
	tables      TEXT    NOT NULL,
	log_id      TEXT    NOT NULL,
	position    INTEGER NOT NULL,
	ordinal     INTEGER NOT NULL,
	PRIMARY KEY (projection, partition)
) STRICT`

// Sink is an engine.Sink on one file. Several processes may read the file while one writes; views that two write are fenced.
type Sink struct {
	reader
	write *sql.DB

	mu    sync.Mutex
	specs map[string]engine.Spec
}

// Reader reads the views of a file that it never writes.
type Reader struct{ reader }

type reader struct {
	path   string
	read   *sql.DB
	frozen bool // the file lies in a folder that cannot be written
}

// Open opens or creates the file.
func Open(path string) (*Sink, error) {
	write, err := open(path, "_txlock=immediate&_pragma=journal_mode(wal)&_pragma=synchronous(normal)")
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1) // SQLite has one writer
	s := &Sink{reader: reader{path: path}, write: write, specs: map[string]engine.Spec{}}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(s.explain("open", err), write.Close())
	}
	if s.read, err = openReader(path, false); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return s, nil
}

// OpenReader opens an existing file for reading, also beside a process that writes it, and in a folder that cannot be written. Where there is
// no file, the error is fs.ErrNotExist.
func OpenReader(path string) (*Reader, error) {
	return newReader(path, !writable(filepath.Dir(path)) && alone(path))
}

// OpenStill is OpenReader, but leaves no file of its own beside one that no process has open: only for a look at it while nobody begins to
// write it.
func OpenStill(path string) (*Reader, error) { return newReader(path, alone(path)) }

func newReader(path string, immutable bool) (*Reader, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("read views: %w", err)
	}
	db, err := openReader(path, immutable)
	if err != nil {
		return nil, err
	}
	r := &Reader{reader{path: path, read: db, frozen: !writable(filepath.Dir(path))}}
	if err := checkLayout(context.Background(), db); err != nil {
		return nil, errors.Join(r.explain("open", err), db.Close())
	}
	return r, nil
}

// Close ends reading.
func (r *Reader) Close() error { return r.read.Close() }

// writable asks the kernel, which knows of file systems that are mounted to be read only.
func writable(dir string) bool {
	const write = 2
	return syscall.Access(dir, write) == nil
}

// alone tells that the file is all there is: no process has it open, and none was broken off. Without a folder to write, SQLite reads it only
// where it is told that nobody changes it.
func alone(path string) bool {
	_, err := os.Stat(path + "-shm")
	wal, walErr := os.Stat(path + "-wal")
	return errors.Is(err, fs.ErrNotExist) && (errors.Is(walErr, fs.ErrNotExist) || walErr == nil && wal.Size() == 0)
}

func openReader(path string, immutable bool) (*sql.DB, error) {
	params := "mode=ro"
	if immutable {
		params += "&immutable=1"
	}
	db, err := open(path, params)
	if err == nil {
		db.SetMaxOpenConns(readersMax)
	}
	return db, err
}

// address names the file and how to open it, as SQLite reads it.
func address(path, params string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("open views %s: %w", path, err)
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: fmt.Sprintf("%s&_pragma=busy_timeout(%d)", params, busyMillisMax)}).String(), nil
}

func open(path, params string) (*sql.DB, error) {
	name, err := address(path, params)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("open views %s: %w", path, err)
	}
	return db, nil
}

func (s *Sink) prepare() error {
	ctx := context.Background()
	if err := checkLayout(ctx, s.write); err != nil {
		return err
	}
	_, err := s.write.ExecContext(ctx, fmt.Sprintf("%s; PRAGMA user_version = %d", viewsTable, Layout))
	return err
}

// checkLayout accepts this program's layout, and an empty file.
func checkLayout(ctx context.Context, db *sql.DB) error {
	var found, tables int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&found); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	if found != Layout && (found != 0 || tables != 0) {
		return damaged("the file has layout %d, and this program knows %d", found, Layout)
	}
	return nil
}

func damaged(format string, args ...any) error {
	return &engine.DamagedViewError{Err: fmt.Errorf(format, args...)}
}

// explain adds the place, and the remedy where SQLite itself complains or the file is not as this sink leaves it.
func (r *reader) explain(doing string, err error) error {
	var own *sqlite.Error
	var broken *engine.DamagedViewError
	remedy := remedy
	if r.frozen {
		remedy = remedyFrozen
	}
	switch {
	case err == nil:
		return nil
	case errors.As(err, &broken):
		return fmt.Errorf("%s views %s: %w (%s)", doing, r.path, err, remedy)
	case errors.As(err, &own) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("%s views %s: %w (%s)", doing, r.path, err, remedy)
		switch own.Code() & 0xff {
		case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
			if r.frozen { // what is beside the file belongs to it
				return fmt.Errorf("%s views %s: %w: %w (%s)", doing, r.path, fs.ErrPermission, own, remedyUnjoined)
			}
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR: // ERROR: a table or column that must be there is not
			return &engine.DamagedViewError{Err: err}
		}
		return err
	}
	return fmt.Errorf("%s views %s: %w", doing, r.path, err)
}

// Open implements engine.Sink.
func (s *Sink) Open(ctx context.Context, spec engine.Spec) (engine.Checkpoint, error) {
	if err := spec.Check(); err != nil {
		return engine.Checkpoint{}, err
	}
	var at engine.Checkpoint
	err := s.inTx(ctx, func(tx *sql.Tx) (err error) {
		at, err = wholeCheckpoint(ctx, tx, spec)
		var none *engine.NoViewError
		if errors.As(err, &none) {
			at, err = engine.Checkpoint{Projection: spec.Name}, create(ctx, tx, spec)
		}
		return err
	})
	if err != nil {
		return engine.Checkpoint{}, s.explain("open view "+spec.Name+" in", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.specs[spec.Name] = spec
	return at, nil
}

// Reset implements engine.Sink.
func (s *Sink) Reset(ctx context.Context, spec engine.Spec) error {
	if err := spec.Check(); err != nil {
		return err
	}
	return s.explain("reset view "+spec.Name+" in", s.inTx(ctx, func(tx *sql.Tx) error { return create(ctx, tx, spec) }))
}

// create drops what is kept of a view and makes it anew, empty. Tables that no row speaks of, or that are gone, are in nobody's way.
func create(ctx context.Context, tx *sql.Tx, spec engine.Spec) error {
	var old string
	err := tx.QueryRowContext(ctx, "SELECT tables FROM allied_views WHERE projection = ? AND partition = 0", spec.Name).Scan(&old)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	drop := strings.Fields(old)
	var statements, names []string
	for _, t := range spec.Tables {
		names = append(names, t.Name)
	}
	for _, name := range append(drop, names...) {
		statements = append(statements, "DROP TABLE IF EXISTS "+quote(name))
	}
	for _, t := range spec.Tables {
		statements = append(statements, ddl(t))
	}
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO allied_views VALUES (?, 0, ?, ?, ?, 0, 0)",
		spec.Name, spec.Fingerprint(), strings.Join(names, " "), uuid.Nil.String())
	return err
}

// Commit implements engine.Sink.
func (s *Sink) Commit(ctx context.Context, from, to engine.Checkpoint, flush func(yield func(table int, row engine.Row) error) error) error {
	if err := engine.CheckMove(from, to); err != nil {
		return err
	}
	s.mu.Lock()
	spec, ok := s.specs[from.Projection]
	s.mu.Unlock()
	if !ok {
		return fmt.Errorf("commit view %s: not open", from.Projection)
	}
	return s.explain("commit view "+from.Projection+" in", s.inTx(ctx, func(tx *sql.Tx) error {
		if err := move(ctx, tx, spec, from, to); err != nil {
			return err
		}
		w := &writer{tx: tx, spec: spec, tables: make([]*rows, len(spec.Tables))}
		if err := flush(func(table int, row engine.Row) error { return w.put(ctx, table, row) }); err != nil {
			return err
		}
		return w.flush(ctx)
	}))
}

// move sets the checkpoint if it is where the caller believes.
func move(ctx context.Context, tx *sql.Tx, spec engine.Spec, from, to engine.Checkpoint) error {
	at, err := checkpoint(ctx, tx, spec)
	if err != nil {
		return err
	}
	if at != from {
		return &engine.CheckpointError{Expected: from, Actual: at}
	}
	_, err = tx.ExecContext(ctx, "UPDATE allied_views SET log_id = ?, position = ?, ordinal = ? WHERE projection = ? AND partition = ?",
		to.LogID.String(), int64(to.Position), int64(to.Ordinal), to.Projection, to.Partition)
	return err
}

func (s *Sink) inTx(ctx context.Context, do func(*sql.Tx) error) error {
	return transact(ctx, s.write, nil, do)
}

// transact runs do in a transaction, and commits it where do succeeds. Cancelling ctx ends the wait for a connection and each statement,
// but not the transaction: database/sql would end that on another goroutine, which may still hold the file when Close has returned.
func transact(ctx context.Context, db *sql.DB, opts *sql.TxOptions, do func(*sql.Tx) error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() // only returns it to the pool
	return transactOn(ctx, conn, opts, do)
}

// transactOn is transact on a connection that is there.
func transactOn(ctx context.Context, conn *sql.Conn, opts *sql.TxOptions, do func(*sql.Tx) error) error {
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), opts)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// Leave implements engine.Sink. One process at a time has the file.
func (s *Sink) Leave(string) error { return nil }

// Close implements engine.Sink.
func (s *Sink) Close() error { return errors.Join(s.read.Close(), s.write.Close()) }

// View implements engine.Views.
func (r *reader) View(ctx context.Context, fn func(engine.Snapshot) error) error {
	var answered error // fn's own, which needs no place added
	err := transact(ctx, r.read, &sql.TxOptions{ReadOnly: true}, func(tx *sql.Tx) error {
		// The first statement fixes the moment; without it, the first scan would.
		var views int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&views); err != nil {
			return err
		}
		answered = fn(&snapshot{reader: r, tx: tx})
		return nil
	})
	return errors.Join(answered, r.explain("read", err))
}

func checkpoint(ctx context.Context, tx *sql.Tx, spec engine.Spec) (engine.Checkpoint, error) {
	at := engine.Checkpoint{Projection: spec.Name}
	var fingerprint, logID string
	var position, ordinal int64
	err := tx.QueryRowContext(ctx, "SELECT fingerprint, log_id, position, ordinal FROM allied_views WHERE projection = ? AND partition = 0", spec.Name).
		Scan(&fingerprint, &logID, &position, &ordinal)
	if errors.Is(err, sql.ErrNoRows) || err == nil && fingerprint != spec.Fingerprint() {
		return at, &engine.NoViewError{Projection: spec.Name, Version: spec.Version}
	}
	if err != nil {
		return at, err
	}
	if at.LogID, err = uuid.Parse(logID); err != nil {
		return at, damaged("log id of view %s: %w", spec.Name, err)
	}
	at.Position, at.Ordinal = es.Position(position), uint64(ordinal)
	return at, nil
}

// wholeCheckpoint is the checkpoint of a view whose tables are there as this sink makes them. Tables without a row, or a row without its
// tables, are the work of somebody else: what a view then holds is not what its checkpoint says, and nobody may take it for built, or build
// over it unasked.
func wholeCheckpoint(ctx context.Context, tx *sql.Tx, spec engine.Spec) (engine.Checkpoint, error) {
	var version *string
	err := tx.QueryRowContext(ctx, "SELECT fingerprint FROM allied_views WHERE projection = ? AND partition = 0", spec.Name).Scan(&version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return engine.Checkpoint{}, err
	}
	if version != nil && *version != spec.Fingerprint() {
		return engine.Checkpoint{}, &engine.NoViewError{Projection: spec.Name, Version: spec.Version}
	}
	for _, t := range spec.Tables {
		made, err := declared(ctx, tx, t.Name)
		switch {
		case err != nil:
			return engine.Checkpoint{}, err
		case version == nil && made != "":
			return engine.Checkpoint{}, damaged("table %s is there, but allied_views knows no view %s", t.Name, spec.Name)
		case version != nil && made == "":
			return engine.Checkpoint{}, damaged("view %s lacks its table %s", spec.Name, t.Name)
		case version != nil && made != ddl(t):
			return engine.Checkpoint{}, damaged("table %s of view %s has other columns than this program makes", t.Name, spec.Name)
		}
	}
	return checkpoint(ctx, tx, spec)
}

// declared is the statement that made a table; empty where there is none.
func declared(ctx context.Context, tx *sql.Tx, table string) (made string, err error) {
	err = tx.QueryRowContext(ctx, "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", table).Scan(&made)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return made, err
}
