package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// session is the connection over which one view is written. It holds the view's lock from Open on, so who loses the connection loses the lock
// and the right to commit in one moment; what the server is still committing then, it commits before the lock falls.
type session struct {
	sink *Sink
	name string // of the projection

	mu      sync.Mutex
	conn    *pgx.Conn // nil before the first use
	spec    engine.Spec
	holds   bool              // conn holds the lock
	refused *engine.HeldError // what Open said, where another held it
	rows    writer
}

// lockKey is the number of an advisory lock, which PostgreSQL keeps for each database.
func lockKey(name string) int64 {
	sum := sha256.Sum256([]byte("allied " + name))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

func (s *Sink) session(projection string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.sessions[projection]
	if v == nil {
		v = &session{sink: s, name: projection}
		s.sessions[projection] = v
	}
	return v
}

// Open implements engine.Sink.
func (s *Sink) Open(ctx context.Context, spec engine.Spec) (at engine.Checkpoint, err error) {
	if err := spec.Check(); err != nil {
		return engine.Checkpoint{}, err
	}
	err = s.session(spec.Name).prepare(ctx, spec, func(tx pgx.Tx) (err error) {
		at, err = checkpoint(ctx, tx, spec)
		var none *engine.NoViewError
		if errors.As(err, &none) {
			at, err = engine.Checkpoint{Projection: spec.Name}, create(ctx, tx, spec)
		}
		return err
	})
	if err != nil {
		return engine.Checkpoint{}, s.explain("open view "+spec.Name+" in", err)
	}
	return at, nil
}

// Reset implements engine.Sink.
func (s *Sink) Reset(ctx context.Context, spec engine.Spec) error {
	if err := spec.Check(); err != nil {
		return err
	}
	return s.explain("reset view "+spec.Name+" in", s.session(spec.Name).prepare(ctx, spec, func(tx pgx.Tx) error { return create(ctx, tx, spec) }))
}

// prepare takes the view's lock, unless another session has it, and runs do before anything is committed.
func (v *session) prepare(ctx context.Context, spec engine.Spec, do func(pgx.Tx) error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.lock(ctx, spec); err != nil {
		return err
	}
	v.spec = spec
	return pgx.BeginFunc(ctx, v.conn, func(tx pgx.Tx) error {
		// One after the other: two that read the layout, and then both want to change it, would wait for each other.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", lockKey("layout")); err != nil {
			return err
		}
		if err := do(tx); err != nil {
			return err
		}
		return admit(ctx, tx, spec)
	})
}

// lock takes the view's lock, or returns a *engine.HeldError.
func (v *session) lock(ctx context.Context, spec engine.Spec) error {
	if err := ctx.Err(); err != nil {
		return err // and not a connection that is taken for lost
	}
	answers := v.answers(ctx)
	if v.holds && answers {
		return nil
	}
	again := v.conn != nil && !answers // an earlier connection of this session may still hold the lock
	if !answers {
		if err := v.connect(ctx); err != nil {
			return err
		}
	}
	err := v.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", lockKey("view "+v.name)).Scan(&v.holds)
	if err == nil && !v.holds && again {
		// The server has not yet noticed that the connection before this one is gone. It is nobody else's.
		_, err = v.conn.Exec(ctx, "SELECT pg_terminate_backend(pid, $1) FROM pg_stat_activity WHERE application_name = $2 AND pid <> pg_backend_pid()",
			endSecondsMax*1000, v.application())
		if err == nil {
			err = v.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", lockKey("view "+v.name)).Scan(&v.holds)
		}
	}
	if err != nil || v.holds {
		v.refused = nil
		return err
	}
	held := &engine.HeldError{Projection: spec.Name, Checkpoint: engine.Checkpoint{Projection: spec.Name}}
	// As any reader: who holds the view may be making its tables anew.
	err = pgx.BeginTxFunc(ctx, v.conn, pgx.TxOptions{BeginQuery: beginView}, func(tx pgx.Tx) error {
		at, err := checkpoint(ctx, tx, spec)
		var none *engine.NoViewError
		if errors.As(err, &none) {
			return nil
		}
		held.Checkpoint = at
		return err
	})
	if err != nil {
		return err
	}
	v.refused = held
	return held
}

// usable tells that the connection stands, as far as is known here, and is not within a transaction that somebody broke off.
func (v *session) usable() bool {
	const idle = 'I'
	return v.conn != nil && !v.conn.IsClosed() && v.conn.PgConn().TxStatus() == idle
}

// answers tells that the connection still stands; one that does not is closed.
func (v *session) answers(ctx context.Context) bool {
	if !v.usable() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, connectSecondsMax*time.Second)
	defer cancel()
	return v.conn.Ping(ctx) == nil
}

// application is the name under which the server shows the session: at most 63 bytes, and this sink's alone.
func (v *session) application() string { return fmt.Sprintf("allied %.40s %s", v.name, v.sink.id) }

func (v *session) connect(ctx context.Context) error {
	if err := v.drop(ctx); err != nil {
		return err
	}
	cfg := v.sink.cfg.Copy()
	for name, value := range map[string]string{
		"application_name": v.application(),
		// Rows are found by their keys, however many a commit brings: one plan, made once.
		"plan_cache_mode": "force_generic_plan", "enable_hashjoin": "off", "enable_mergejoin": "off",
	} {
		cfg.RuntimeParams[name] = value
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err == nil {
		v.conn = conn
	}
	return err
}

// drop ends the connection, if there is one.
func (v *session) drop(ctx context.Context) error {
	v.holds, v.refused = false, nil
	if v.conn == nil || v.conn.IsClosed() {
		return nil
	}
	ctx, cancel := ending(ctx)
	defer cancel()
	return v.conn.Close(ctx)
}

// close lets go of the lock before it ends the connection, whose end the server notices later.
func (v *session) close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.usable() && v.holds {
		ctx, cancel := ending(context.Background())
		defer cancel()
		// A server that is gone has let go of it.
		_, _ = v.conn.Exec(ctx, "SELECT pg_advisory_unlock_all()")
	}
	return v.drop(context.Background())
}

// Commit implements engine.Sink.
func (s *Sink) Commit(ctx context.Context, from, to engine.Checkpoint, flush func(yield func(table int, row engine.Row) error) error) error {
	if err := engine.CheckMove(from, to); err != nil {
		return err
	}
	v := s.session(from.Projection)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.refused != nil {
		return v.refused // as Open did
	}
	if !v.holds || !v.usable() {
		return fmt.Errorf("commit view %s: not open, or its connection was lost", from.Projection)
	}
	return s.explain("commit view "+from.Projection+" in", v.commit(ctx, from, to, flush))
}

const moveCheckpoint = `UPDATE allied.allied_views SET log_id = $1, position = $2, ordinal = $3
	WHERE projection = $4 AND partition = $5 AND fingerprint = $6 AND log_id = $7 AND position = $8 AND ordinal = $9`

// commit sends the rows and the move of the checkpoint at once, and commits where the checkpoint was where the caller believes.
func (v *session) commit(ctx context.Context, from, to engine.Checkpoint, flush func(yield func(table int, row engine.Row) error) error) error {
	v.rows.begin(v.spec)
	if err := flush(v.rows.put); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, commitSecondsMax*time.Second)
	defer cancel()
	var batch pgconn.Batch
	batch.ExecParams("BEGIN", nil, nil, nil, nil)
	move, err := v.conn.Prepare(ctx, "move", moveCheckpoint)
	if err != nil {
		return err
	}
	batch.ExecStatement(move, [][]byte{
		to.LogID[:], int8Of(int64(to.Position)), int8Of(int64(to.Ordinal)), []byte(to.Projection), int4Of(int32(to.Partition)),
		[]byte(v.spec.Fingerprint()), from.LogID[:], int8Of(int64(from.Position)), int8Of(int64(from.Ordinal)),
	}, binaryFormat, nil)
	if err := v.rows.queue(ctx, v.conn, &batch); err != nil {
		return err
	}
	results, err := v.conn.PgConn().ExecBatch(ctx, &batch).ReadAll()
	if err == nil && results[1].CommandTag.RowsAffected() != 1 {
		var at engine.Checkpoint
		if at, err = checkpoint(ctx, v.conn, v.spec); err == nil {
			err = &engine.CheckpointError{Expected: from, Actual: at}
		}
	}
	if err == nil {
		_, err = v.conn.Exec(ctx, "COMMIT")
	}
	if err != nil && !v.conn.IsClosed() {
		ctx, cancel := ending(ctx)
		defer cancel()
		if _, undone := v.conn.Exec(ctx, "ROLLBACK"); undone != nil {
			err = errors.Join(err, v.drop(ctx))
		}
	}
	return err
}
