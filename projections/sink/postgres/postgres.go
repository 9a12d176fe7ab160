// Package postgres keeps views in one PostgreSQL database, which other programs may read with SQL.
//
// The schemas allied, allied_report and allied_sql are a cache of the log: they may be dropped at any time, and are rebuilt. Amounts are NUMERIC(38,0) in
// minor units; allied_report shows them as decimals, and Queries read allied_sql. Several sinks and processes may share the database: of one projection one at a time
// writes, by a lock that its connection holds and that falls with it. Readers see one moment and never wait for a commit. A crash of the server
// may take the last commits, rows and checkpoint together (synchronous_commit off), and nothing else.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// readersMax bounds the connections that read at once; others wait.
	readersMax = 8
	// connectSecondsMax bounds the wait for one connection.
	connectSecondsMax = 10
	// commitSecondsMax bounds one commit: a server that takes longer is perhaps behind a network that is gone, which nobody would notice.
	commitSecondsMax = 120
	// endSecondsMax bounds what is said to the server after the caller has gone.
	endSecondsMax = 5
	// majorMin is the oldest server that knows MERGE.
	majorMin = 15

	remedy = "the schemas allied, allied_report and allied_sql are a cache of the log: where they are damaged or foreign, stop the program and run DROP SCHEMA allied, allied_report, allied_sql CASCADE, and they are rebuilt"
)

// bounds are those that a database may have for people. They are no bounds for a worker, which is silent while nothing is recorded, nor for who
// compares views while it reads the log.
var bounds = [...]string{"statement_timeout", "lock_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout"}

// Sink is an engine.Sink on one database.
type Sink struct {
	reader
	id string // of this sink among all, in the names of its sessions

	mu       sync.Mutex
	sessions map[string]*session // by projection
}

// Reader reads the views of a database that it never writes.
type Reader struct{ reader }

type reader struct {
	place string // for people, without secrets
	cfg   *pgx.ConnConfig
	pool  *pgxpool.Pool
}

// Open connects to the database that a URL names, such as postgres://user@host/database, and prepares its schemas. The role that connects must
// own them, or be allowed to create them.
func Open(ctx context.Context, url string) (*Sink, error) {
	r, err := newReader(ctx, url)
	if err != nil {
		return nil, err
	}
	s := &Sink{reader: *r, id: uuid.NewString()[:13], sessions: map[string]*session{}}
	if err := s.explain("open", s.migrate(ctx)); err != nil {
		s.pool.Close()
		return nil, err
	}
	return s, nil
}

// OpenReader connects for reading, also beside processes that write. Where the database holds no views, the error is fs.ErrNotExist.
func OpenReader(ctx context.Context, url string) (*Reader, error) {
	r, err := newReader(ctx, url)
	if err != nil {
		return nil, err
	}
	at, err := r.layout(ctx)
	if err == nil && at == 0 {
		err = fmt.Errorf("%w: no schema allied: start the role views on this database, which builds it from the log", fs.ErrNotExist)
	}
	if err := r.explain("open", err); err != nil {
		r.pool.Close()
		return nil, err
	}
	return &Reader{*r}, nil
}

// Close ends reading.
func (r *Reader) Close() error {
	r.pool.Close()
	return nil
}

func newReader(ctx context.Context, url string) (*reader, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open views: %w", err) // pgx hides the password
	}
	conn := cfg.ConnConfig
	conn.ConnectTimeout = connectSecondsMax * time.Second
	// A worker whose machine is gone says no goodbye: both ends ask, and its lock falls within half a minute.
	conn.DialFunc = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}).DialContext
	for name, value := range map[string]string{
		"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
		"tcp_user_timeout":   "25000", // milliseconds: keepalives do not ask while an answer is on its way
		"synchronous_commit": "off",
		"search_path":        "pg_catalog", // every name is written with its schema
		"application_name":   "allied reader",
	} {
		conn.RuntimeParams[name] = value
	}
	for _, bound := range bounds {
		conn.RuntimeParams[bound] = "0"
	}
	cfg.MaxConns = readersMax
	// A server that was restarted has ended the connections that wait here.
	cfg.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return true }
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open views: %w", err)
	}
	r := &reader{place: fmt.Sprintf("%s at %s", conn.Database, net.JoinHostPort(conn.Host, strconv.Itoa(int(conn.Port)))), cfg: conn.Copy(), pool: pool}
	if err := r.explain("open", r.checkServer(ctx)); err != nil {
		pool.Close()
		return nil, err
	}
	return r, nil
}

func (r *reader) checkServer(ctx context.Context) error {
	var number int
	var encoding string
	err := r.pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')").Scan(&number, &encoding)
	switch {
	case err != nil:
		return err
	case number/10_000 < majorMin:
		return fmt.Errorf("the server is PostgreSQL %d: use %d or newer", number/10_000, majorMin)
	case encoding != "UTF8":
		return fmt.Errorf("the database is encoded in %s: create one with ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	return nil
}

func damaged(format string, args ...any) error {
	return &engine.DamagedViewError{Err: fmt.Errorf(format, args...)}
}

// explain adds the place, and what to do where the server or this sink says what is wrong.
func (r *reader) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	var broken *engine.DamagedViewError
	if errors.As(err, &broken) {
		return fmt.Errorf("%s views of %s: %w (%s)", doing, r.place, err, remedy)
	}
	err = oneLine{err}
	var own *pgconn.PgError
	if !errors.As(err, &own) {
		return fmt.Errorf("%s views of %s: %w", doing, r.place, err)
	}
	if own.Detail != "" {
		err = fmt.Errorf("%w: %s", err, own.Detail)
	}
	advice, damage := advise(own.Code)
	err = fmt.Errorf("%s views of %s: %w (%s)", doing, r.place, err, advice)
	if damage {
		err = &engine.DamagedViewError{Err: err}
	}
	return err
}

// oneLine is an error of the client library, which lists the addresses that it tried on lines of their own.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }

func (e oneLine) Unwrap() error { return e.error }

// advise says what to do about an error of the server, by its code, and whether it means that what is kept is not as this sink leaves it.
func advise(code string) (advice string, damage bool) {
	switch {
	case code == "42P01" || code == "42703" || code == "42883" || code == "3F000" || strings.HasPrefix(code, "XX"):
		return remedy, true // a table, column, function or schema that must be there is not, or the server finds its files corrupt
	case code == "42501":
		return "GRANT CREATE ON DATABASE to the role that connects, and let it own the schemas allied, allied_report and allied_sql", false
	case code == "25006":
		return "name the server that takes writes: the primary, not one that follows it", false
	case code == "3D000":
		return "create it: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0", false
	case strings.HasPrefix(code, "28"):
		return "look at the user and password of the URL, and at pg_hba.conf", false
	case code == "55P03":
		return "somebody reads the tables for long: they are made anew when that ends", false
	case code == "2BP01":
		return "the view is to be rebuilt, and others depend on its tables: drop those, and make them again afterwards", false
	case strings.HasPrefix(code, "53"):
		return "give the server more of it: connections, memory or disk space", false
	}
	return "look at the server's log", false
}

// Leave implements engine.Sink.
func (s *Sink) Leave(projection string) error { return s.session(projection).close() }

// Close implements engine.Sink: another process may write the views at once.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, v := range s.sessions {
		errs = append(errs, v.close())
	}
	s.pool.Close()
	return errors.Join(errs...)
}

// ending is a context for what must be said although the caller has gone.
func ending(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), endSecondsMax*time.Second)
}

func quote(names ...string) string { return pgx.Identifier(names).Sanitize() }
