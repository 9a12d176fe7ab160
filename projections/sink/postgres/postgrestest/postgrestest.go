// Package postgrestest runs a PostgreSQL server for tests, from the programs that the machine has.
package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	startSecondsMax = 60
	superuser       = "postgres"
	// The language orders text otherwise than by its bytes, as an operator's database may.
	createDatabase = "CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'"
)

// Server is one server, whose data no crash of the machine would spare.
type Server struct {
	dir       string // holds data and the socket
	bin       string
	as        *syscall.Credential // nil: as this process
	process   *os.Process
	ended     chan struct{}
	databases int
	mu        sync.Mutex
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Main runs the tests of a package, and ends the server that they share: func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }.
// Without it the server ends with the process all the same, and leaves its folder.
func Main(m *testing.M) int {
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.remove(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return max(code, 1)
		}
	}
	return code
}

// URL is that of a new, empty database on the server that the tests of this process share.
func URL(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = start() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server.URL(t)
}

// Start runs a server for one test, which may stop it.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.remove(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// URL is that of a new, empty database.
func (s *Server) URL(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	s.databases++
	name := "test" + strconv.Itoa(s.databases)
	s.mu.Unlock()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.url(superuser))
	if err == nil {
		_, err = conn.Exec(ctx, fmt.Sprintf(createDatabase, name))
		err = errors.Join(err, conn.Close(ctx))
	}
	if err != nil {
		t.Fatal("make a database for the test:", err)
	}
	return s.url(name)
}

func (s *Server) url(database string) string {
	return fmt.Sprintf("postgres:///%s?host=%s&user=%s", database, s.dir, superuser)
}

func start() (*Server, error) {
	s := &Server{}
	var err error
	if s.bin, err = binaries(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "pg"); err != nil { // short: the socket's path must fit into 107 bytes
		return nil, err
	}
	if err := s.init(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.Run(); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// binaries finds the newest server that Debian has installed, or else the one on the path.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	slices.SortFunc(found, func(a, b string) int { return major(a) - major(b) })
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("initdb")
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", fmt.Errorf("the tests need a PostgreSQL server: install the package postgresql: %w", err)
	}
	return filepath.Dir(path), nil
}

func major(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb)))) // not a number comes first
	return n
}

// init makes the folder of data. PostgreSQL refuses to run as root, and is then run as who owns it on Debian, or nobody.
func (s *Server) init() error {
	if os.Getuid() == 0 {
		owner, err := user.Lookup("postgres")
		if err != nil {
			owner, err = user.Lookup("nobody")
		}
		if err != nil {
			return err
		}
		uid, err := strconv.Atoi(owner.Uid)
		if err != nil {
			return err
		}
		gid, err := strconv.Atoi(owner.Gid)
		if err != nil {
			return err
		}
		s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(s.dir, uid, gid); err != nil {
			return err
		}
	}
	out, err := s.command("initdb", "--pgdata="+s.data(), "--username="+superuser, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	return cmd
}

// Run starts the server, which must not run, and returns when it answers.
func (s *Server) Run() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.command("postgres", "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off",
		"-c", "max_connections=200", "-c", "autovacuum_naptime=5s")
	cmd.Stdout, cmd.Stderr = log, log
	// The kernel ends the server in haste when the thread that started it ends: this one stays until the server has ended.
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	s.ended = make(chan struct{})
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is no matter
			close(s.ended)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process = cmd.Process
	return s.awaitAnswer()
}

// awaitAnswer asks until the server answers.
func (s *Server) awaitAnswer() error {
	ctx, cancel := context.WithTimeout(context.Background(), startSecondsMax*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.url(superuser))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.ended:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("the PostgreSQL server ended: %s", log)
		case <-ctx.Done():
			return fmt.Errorf("the PostgreSQL server does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Crash stops the server as pg_ctl stop -m immediate does: without a word to anybody, and to be recovered when it is run again.
func (s *Server) Crash() error {
	if err := s.process.Signal(syscall.SIGQUIT); err != nil {
		return err
	}
	<-s.ended
	return nil
}

func (s *Server) remove() error {
	if s.process != nil {
		if err := s.Crash(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	if err := os.RemoveAll(s.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
