package postgres_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/sink/postgres"
	"github.com/allied-ledger/allied/projections/sink/postgres/postgrestest"
	"github.com/jackc/pgx/v5"
)

var small = engine.Config{BatchEventsMax: 7, RetryDelayMax: 50 * time.Millisecond}

// start runs a worker until the test ends, or until it is stopped.
func start(t *testing.T, log *enginetest.Log, sink engine.Sink) (w *engine.Worker, stop func() error) {
	t.Helper()
	w = engine.NewWorker(enginetest.NewTally, log, sink, small)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ended <- w.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return w, func() error {
		cancel()
		return <-ended
	}
}

// grow adds events, and tells who follows.
func grow(t *testing.T, log *enginetest.Log, n int) {
	t.Helper()
	log.Fill(t, n)
	log.Beat()
}

func await(t *testing.T, w *engine.Worker, log *enginetest.Log) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	entries := log.Entries()
	if err := w.Await(ctx, entries[len(entries)-1].Position); err != nil {
		t.Fatal(err)
	}
}

// whole expects the view to be the fold of the log, to its end.
func whole(t *testing.T, log *enginetest.Log, views engine.Views) {
	t.Helper()
	r, err := engine.Verify(t.Context(), log.All(), views, enginetest.NewTally())
	if err != nil {
		t.Fatal(err)
	}
	if check := r.Views[0]; !check.OK() || check.Position != r.Position {
		t.Fatalf("%+v at the log's end %d: %v", check, r.Position, check.Difference)
	}
}

// pair is two workers of one view, of which the first holds it.
func pair(t *testing.T, log *enginetest.Log, url string) (first, second *engine.Worker, stopFirst func() error, sinks [2]*postgres.Sink) {
	t.Helper()
	sinks = [2]*postgres.Sink{open(t, url), open(t, url)}
	first, stopFirst = start(t, log, sinks[0])
	await(t, first, log)
	second, _ = start(t, log, sinks[1])
	await(t, second, log)
	if a, b := first.Status(), second.Status(); a.Standby || !b.Standby || b.Err != nil {
		t.Fatalf("of two workers: %+v and %+v", a, b)
	}
	return first, second, stopFirst, sinks
}

func TestStandbyTakesOverFromAWorkerThatEnds(t *testing.T) {
	log := filled(t, 30)
	url := postgrestest.URL(t)
	_, second, stop, sinks := pair(t, log, url)
	grow(t, log, 11)
	await(t, second, log) // which follows
	if !second.Status().Standby {
		t.Fatal("the standby took over from a worker that works")
	}
	whole(t, log, sinks[1])
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := sinks[0].Close(); err != nil {
		t.Fatal(err)
	}
	grow(t, log, 13)
	await(t, second, log)
	if second.Status().Standby {
		t.Fatal("the standby still stands by")
	}
	whole(t, log, sinks[1])
}

// Whoever loses its connection stops being the one who writes. Whichever of the two then gets the view, the other follows.
func TestWorkerThatLosesItsConnection(t *testing.T) {
	log := filled(t, 30)
	url := postgrestest.URL(t)
	first, second, _, sinks := pair(t, log, url)
	for range 5 {
		query(t, url, "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name LIKE 'allied tally %' AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')")
		grow(t, log, 20)
		await(t, first, log)
		await(t, second, log)
		whole(t, log, sinks[0])
	}
}

// A session that is lost within a commit leaves the lock to the next one of the same sink, at once.
func TestSinkOpensAgainWhateverBecameOfItsConnection(t *testing.T) {
	log := filled(t, 10)
	url := postgrestest.URL(t)
	sink := open(t, url)
	enginetest.Build(t, log, sink, enginetest.NewTally)
	for name, lose := range map[string]func(engine.Checkpoint) error{
		"cancelled": func(at engine.Checkpoint) error {
			ctx, cancel := context.WithCancel(t.Context())
			return sink.Commit(ctx, at, next(at), func(func(int, engine.Row) error) error { cancel(); return nil })
		},
		"timed out while it waits for a lock": func(at engine.Checkpoint) error {
			blocked := connect(t, url)
			execute(t, blocked, "BEGIN; LOCK TABLE allied.allied_views IN SHARE MODE")
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			err := sink.Commit(ctx, at, next(at), func(func(int, engine.Row) error) error { return nil })
			execute(t, blocked, "ROLLBACK")
			return err
		},
		"terminated within the commit": func(at engine.Checkpoint) error {
			return sink.Commit(t.Context(), at, next(at), func(func(int, engine.Row) error) error {
				query(t, url, "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name LIKE 'allied tally %'")
				return nil
			})
		},
	} {
		at, err := sink.Open(t.Context(), enginetest.TallySpec)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := lose(at); err == nil {
			t.Errorf("%s: no error", name)
		}
		if again, err := sink.Open(t.Context(), enginetest.TallySpec); err != nil || again != at {
			t.Errorf("%s, and opened again: %+v %v, not %+v", name, again, err, at)
		}
	}
}

// The server may take long to notice that a client is gone. What then still holds the lock under this sink's name is ended.
func TestSinkEndsWhatIsLeftOfItsEarlierConnection(t *testing.T) {
	url := postgrestest.URL(t)
	sink := open(t, url)
	enginetest.Build(t, filled(t, 10), sink, enginetest.NewTally)
	name := query(t, url, "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'allied tally %'")
	key := query(t, url, "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory'")
	left, err := pgx.Connect(t.Context(), url+"&application_name="+strings.ReplaceAll(name, " ", "%20"))
	if err != nil {
		t.Fatal(err)
	}
	query(t, url, "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_locks WHERE locktype = 'advisory'")
	execute(t, left, "SELECT pg_advisory_lock("+key+")")
	at, err := sink.Open(t.Context(), enginetest.TallySpec)
	if err != nil || at.Events() != 10 {
		t.Fatal(at, err)
	}
	if err := left.Ping(t.Context()); err == nil {
		t.Fatal("the earlier connection goes on")
	}
}

func next(at engine.Checkpoint) engine.Checkpoint {
	at.Position++
	at.Ordinal++
	return at
}

// Somebody who moves the checkpoint without the lock is found all the same.
func TestCheckpointFencesToo(t *testing.T) {
	log := filled(t, 10)
	url := postgrestest.URL(t)
	sink := open(t, url)
	enginetest.Build(t, log, sink, enginetest.NewTally)
	at, err := sink.Open(t.Context(), enginetest.TallySpec)
	if err != nil {
		t.Fatal(err)
	}
	execute(t, connect(t, url), "UPDATE allied.allied_views SET position = position + 5")
	var lost *engine.CheckpointError
	err = sink.Commit(t.Context(), at, next(at), func(yield func(int, engine.Row) error) error {
		return yield(1, engine.Row{engine.TextOf("s"), engine.BytesOf(nil)})
	})
	if !errors.As(err, &lost) || lost.Actual.Position != at.Position+5 {
		t.Fatal(err)
	}
	if n := query(t, url, "SELECT count(*) FROM allied.tally_state WHERE stream = 's'"); n != "0" {
		t.Fatalf("%s rows of a commit that was refused", n)
	}
}

// A process that is killed leaves the view to the one that stands by. The log is the same in both, since each test makes the same.
func TestStandbyTakesOverFromAProcessThatIsKilled(t *testing.T) {
	const events = 60
	if url := os.Getenv("ALLIED_TEST_POSTGRES_WORKER"); url != "" {
		// This is the other process: it writes half of the log, and hangs within its next commit.
		log := filled(t, events/2)
		sink := enginetest.NewFaults(open(t, url))
		w, _ := start(t, log, sink)
		await(t, w, log)
		sink.WithinCommits(func() error { os.Stdout.WriteString("within\n"); select {} })
		grow(t, log, events/2)
		<-t.Context().Done()
	}
	url := postgrestest.URL(t)
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "ALLIED_TEST_POSTGRES_WORKER="+url)
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if said := make([]byte, len("within")); true {
		if _, err := out.Read(said); err != nil || string(said) != "within" {
			t.Fatalf("the other process says %q, %v", said, err)
		}
	}
	log := filled(t, events)
	sink := open(t, url)
	w, _ := start(t, log, sink)
	awaitStandby(t, w)
	if at := w.Status().Checkpoint; at.Events() != events/2 {
		t.Fatalf("the standby is at %+v", at)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	await(t, w, log)
	whole(t, log, sink)
}

func awaitStandby(t *testing.T, w *engine.Worker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !w.Status().Standby {
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		_ = w.Await(short, 1<<62) // ends with the wait: nothing is there
		cancel()
		if ctx.Err() != nil {
			t.Fatalf("the worker does not stand by: %+v", w.Status())
		}
	}
}

// A server that crashes is waited for; what it lost of the last commits is folded again.
func TestServerThatCrashes(t *testing.T) {
	server := postgrestest.Start(t)
	url := server.URL(t)
	log := filled(t, 30)
	first, second, _, sinks := pair(t, log, url)
	for range 2 {
		grow(t, log, 40) // some of it is under way
		if err := server.Crash(); err != nil {
			t.Fatal(err)
		}
		grow(t, log, 40)
		if err := sinks[0].View(t.Context(), func(engine.Snapshot) error { return nil }); err == nil || !strings.Contains(err.Error(), "test1 at ") {
			t.Fatalf("views are read without a server: %v", err)
		}
		if err := server.Run(); err != nil {
			t.Fatal(err)
		}
		grow(t, log, 40)
		await(t, first, log)
		await(t, second, log)
		whole(t, log, sinks[0])
		whole(t, log, sinks[1])
	}
}

// Whoever stands by looks at the row and the tables of a view at one moment: tables that are made anew between the two are no damage.
func TestStandbySeesOneMomentOfTablesThatAreMadeAnew(t *testing.T) {
	url := postgrestest.URL(t)
	first, second := open(t, url), open(t, url)
	other := enginetest.TallySpec
	other.Version++
	other.Tables = slices.Clone(other.Tables)
	other.Tables[0].Columns = append(slices.Clone(other.Tables[0].Columns), engine.Column{Name: "more", Kind: engine.Int})
	for _, spec := range []engine.Spec{other, enginetest.TallySpec} { // and then the server has looked up whatever it needs for it
		if _, err := first.Open(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	between := connect(t, url)
	execute(t, between, "BEGIN; LOCK TABLE pg_catalog.pg_collation") // which the check of the tables reads
	stands, made := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := second.Open(t.Context(), enginetest.TallySpec)
		stands <- err
	}()
	awaitTrue(t, url, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'pg_collation'::regclass)")
	go func() {
		_, err := first.Open(t.Context(), other)
		made <- err
	}()
	awaitTrue(t, url, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'allied.allied_views'::regclass) OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('allied.tally') AND attname = 'more')")
	execute(t, between, "ROLLBACK")
	var held *engine.HeldError
	if err := <-stands; !errors.As(err, &held) {
		t.Errorf("who stands by: %v", err)
	}
	if err := <-made; err != nil {
		t.Errorf("who makes the view anew: %v", err)
	}
}

// awaitTrue asks until the answer is yes.
func awaitTrue(t *testing.T, url, sql string) {
	t.Helper()
	conn := connect(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for yes := false; !yes; {
		if err := conn.QueryRow(ctx, sql).Scan(&yes); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// A connection that has died without a word keeps nobody from taking over.
func TestStandbyThatWaitsOnADeadConnectionTakesOver(t *testing.T) {
	t.Parallel()
	log := filled(t, 30)
	url := postgrestest.URL(t)
	_, second, stop, sinks := pair(t, log, url)
	pid, err := strconv.Atoi(query(t, url, "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'allied tally %' AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGCONT)
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := sinks[0].Close(); err != nil {
		t.Fatal(err)
	}
	grow(t, log, 13)
	await(t, second, log)
	whole(t, log, sinks[1])
}

// old is a projection of a program that does not know the newest event.
type old struct {
	engine.Projection
	unknown uint64 // its ordinal
}

func (o old) Fold(f *es.Fact) error {
	if f.Ordinal >= o.unknown {
		return errors.New("an event that this program does not know")
	}
	return o.Projection.Fold(f)
}

// A worker that has stopped leaves its view to one that can go on, although its process stays and tells why it stopped.
func TestStandbyTakesOverFromAWorkerThatStopped(t *testing.T) {
	log := filled(t, 30)
	url := postgrestest.URL(t)
	first := engine.NewWorker(func() engine.Projection { return old{enginetest.NewTally(), 35} }, log, open(t, url), small)
	ended := make(chan error, 1)
	go func() { ended <- first.Run(t.Context()) }()
	await(t, first, log)
	sink := open(t, url)
	second, _ := start(t, log, sink)
	await(t, second, log)
	grow(t, log, 10)
	var unknown *engine.FoldError
	if err := <-ended; !errors.As(err, &unknown) || unknown.Ordinal != 35 {
		t.Fatal(err)
	}
	await(t, second, log)
	whole(t, log, sink)
}
