package boot_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap/zaptest"
)

func start(t *testing.T, cfg boot.Config) (n *boot.Node, stop func()) {
	t.Helper()
	cfg.Logger = zaptest.NewLogger(t)
	n, err := boot.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		if err := n.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return n, stop
}

func connect(t *testing.T, target boot.Target) (c *client.Client, disconnect func()) {
	t.Helper()
	c, end, err := boot.Connect(t.Context(), target, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	ended := false
	disconnect = func() {
		if ended {
			return
		}
		ended = true
		if err := end(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(disconnect)
	return c, disconnect
}

func committed(t *testing.T, c *client.Client) string {
	t.Helper()
	var report balances.Report
	req := balances.Request{Basis: "donor_stated", Stages: []string{"committed"}}
	if err := c.Query(t.Context(), "balances", req, &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) == 0 {
		return ""
	}
	return *report.Rows[0].Amount
}

func TestFolderIsTheSameWithAndWithoutServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	c, disconnect := connect(t, boot.Target{DataDir: dir})
	first := commit("1.00")
	submit(t, c, first, "recorded")
	disconnect()

	n, stop := start(t, boot.Config{DataDir: dir})
	c, disconnect = connect(t, boot.Target{DataDir: dir}) // finds the server
	if c.Address() != n.URL() {
		t.Errorf("connected to %s, the folder is served at %s", c.Address(), n.URL())
	}
	submit(t, c, first, "repeated")
	submit(t, c, commit("2.00"), "recorded")
	disconnect()
	stop()

	c, disconnect = connect(t, boot.Target{DataDir: dir, ReadOnly: true})
	if got := committed(t, c); got != "3.00" {
		t.Errorf("committed %s, want 3.00", got)
	}
	disconnect()
	if left, err := filepath.Glob(filepath.Join(dir, "server.json*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSecondWriterIsRefused(t *testing.T) {
	dir := t.TempDir()
	n, stop := start(t, boot.Config{DataDir: dir})
	_, err := boot.Start(t.Context(), boot.Config{DataDir: dir, Logger: zaptest.NewLogger(t)})
	var inUse *boot.InUseError
	if !errors.As(err, &inUse) || inUse.Owner.PID != os.Getpid() || inUse.Owner.URL != n.URL() {
		t.Errorf("a second server on the folder: %v", err)
	}
	stop()
	_, disconnect := connect(t, boot.Target{DataDir: dir}) // in this process, for nobody else
	_, _, err = boot.Connect(t.Context(), boot.Target{DataDir: dir}, zaptest.NewLogger(t))
	if !errors.As(err, &inUse) || inUse.Owner.PID != os.Getpid() || !strings.Contains(err.Error(), "wait until it ends") {
		t.Errorf("a second program on the folder: %v", err)
	}
	disconnect()
	start(t, boot.Config{DataDir: dir})
}

func TestNameOfADeadServerIsPassedOver(t *testing.T) {
	dir := t.TempDir()
	c, disconnect := connect(t, boot.Target{DataDir: dir})
	submit(t, c, commit("1.00"), "recorded")
	disconnect()
	other, _ := start(t, boot.Config{Profile: boot.ProfileDev}) // took the port that a killed server had
	for _, url := range []string{"nats://127.0.0.1:1", other.URL()} {
		left := fmt.Sprintf(`{"url":%q,"log_id":"e7f7a1b6-0000-4000-8000-000000000000","pid":1}`, url)
		if err := os.WriteFile(filepath.Join(dir, "server.json"), []byte(left), 0o600); err != nil {
			t.Fatal(err)
		}
		c, disconnect := connect(t, boot.Target{DataDir: dir, ReadOnly: true})
		if got := committed(t, c); got != "1.00" {
			t.Errorf("committed %s, want 1.00", got)
		}
		disconnect()
	}
}

func TestQueryOfNoLedgerMakesNone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	_, _, err := boot.Connect(t.Context(), boot.Target{DataDir: dir, ReadOnly: true}, zaptest.NewLogger(t))
	if err == nil || !strings.Contains(err.Error(), "no ledger in "+dir) {
		t.Errorf("connected to nothing: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

func TestUnreachableServerIsSaid(t *testing.T) {
	_, _, err := boot.Connect(t.Context(), boot.Target{Server: "nats://127.0.0.1:1"}, zaptest.NewLogger(t))
	if !errors.Is(err, boot.ErrUnavailable) || !strings.Contains(err.Error(), "nats://127.0.0.1:1") {
		t.Errorf("connected to nothing: %v", err)
	}
}

func TestRolesInSeveralProcesses(t *testing.T) {
	dir := t.TempDir()
	home, _ := start(t, boot.Config{DataDir: dir, Roles: []string{boot.Recorder}})
	start(t, boot.Config{NATSURL: home.URL(), Roles: []string{boot.Pledges}})
	start(t, boot.Config{NATSURL: home.URL(), Roles: []string{boot.Views}, DataDir: t.TempDir()})
	nc, err := nats.Connect(home.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := client.New(nc, client.Config{})
	a := submit(t, c, commit("5.00"), "recorded")
	var report balances.Report
	req := balances.Request{Basis: "donor_stated", Stages: []string{"committed"}, AtLeast: es.Position(a.Position)}
	if err := c.Query(t.Context(), "balances", req, &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != 1 || *report.Rows[0].Amount != "5.00" {
		t.Errorf("balances %+v", report)
	}
}

// A log that its views have read further than it reaches has lost events; nothing begins another one under the old figures.
func TestALogThatLostEventsIsNotServed(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, dir string){
		"no log": func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "log")); err != nil {
				t.Fatal(err)
			}
		},
		"another log": func(t *testing.T, dir string) {
			other := t.TempDir()
			_, stop := start(t, boot.Config{DataDir: other})
			stop()
			if err := os.Rename(filepath.Join(dir, "views.db"), filepath.Join(other, "views.db")); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(other, dir); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "ledger")
			c, disconnect := connect(t, boot.Target{DataDir: dir})
			submit(t, c, commit("5.00"), "recorded")
			disconnect()
			c, disconnect = connect(t, boot.Target{DataDir: dir, ReadOnly: true})
			committed(t, c)
			disconnect()
			lose(t, dir)
			n, err := boot.Start(t.Context(), boot.Config{DataDir: dir, Logger: zaptest.NewLogger(t)})
			var lost *boot.LostLogError
			if !errors.As(err, &lost) {
				t.Fatalf("started with error %v", err)
			}
			if n != nil {
				t.Error("a node came with the error")
			}
		})
	}
}

func TestBadConfigurationsAreRefused(t *testing.T) {
	for want, cfg := range map[string]boot.Config{
		"no role \"views2\"":     {Profile: boot.ProfileDev, Roles: []string{"views2"}},
		"no profile \"prod\"":    {Profile: "prod"},
		"need the NATS server":   {Roles: []string{boot.Pledges}},
		"name the ledger's fold": {},
		"only a loopback":        {Profile: boot.ProfileDev, Listen: "0.0.0.0:0"},
		"is not a port":          {Profile: boot.ProfileDev, Listen: "127.0.0.1:http"},
		"0 for never":            {Profile: boot.ProfileDev, ReleaseDrawsAfter: -1},
		"does not listen":        {NATSURL: "nats://127.0.0.1:1", Listen: "127.0.0.1:0", Roles: []string{boot.Pledges}},
		"ledger unavailable":     {NATSURL: "nats://127.0.0.1:1", Roles: []string{boot.Pledges}},
	} {
		cfg.Logger = zaptest.NewLogger(t)
		n, err := boot.Start(t.Context(), cfg)
		if err == nil {
			t.Errorf("%+v started", cfg)
			_ = n.Close(t.Context())
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("refused with %q, want %q", err, want)
		}
	}
}

// flip changes one bit of a file.
func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// Damage in the log stops a view at once, also one that reads through a server, and its queries say so.
func TestDamagedLogStopsTheViews(t *testing.T) {
	dir := t.TempDir()
	c, disconnect := connect(t, boot.Target{DataDir: dir})
	for range 5 {
		submit(t, c, commit("5.00"), "recorded")
	}
	disconnect()
	home, _ := start(t, boot.Config{DataDir: dir, Roles: []string{boot.Recorder}})
	flip(t, filepath.Join(dir, "log", "00000001.seg"), 1000)
	start(t, boot.Config{NATSURL: home.URL(), Roles: []string{boot.Views}, DataDir: t.TempDir()})
	nc, err := nats.Connect(home.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	var report balances.Report
	err = client.New(nc, client.Config{}).Query(t.Context(), "balances", balances.Request{Basis: "donor_stated", Stages: []string{"committed"}}, &report)
	var refused *es.Refusal
	if !errors.As(err, &refused) || refused.Code != "view_stopped" || !strings.Contains(refused.Reason, "00000001.seg") {
		t.Errorf("answered %+v, %v", report, err)
	}
}

func TestDamagedViewsAreSaid(t *testing.T) {
	dir := t.TempDir()
	c, disconnect := connect(t, boot.Target{DataDir: dir})
	submit(t, c, commit("5.00"), "recorded")
	disconnect()
	_, disconnect = connect(t, boot.Target{DataDir: dir, ReadOnly: true}) // builds the views
	disconnect()
	views := filepath.Join(dir, "views.db")
	info, err := os.Stat(views)
	if err != nil {
		t.Fatal(err)
	}
	const pageBytes = 4096
	for at := int64(pageBytes); at < info.Size(); at += pageBytes { // all pages but the first, in what says how they are made
		flip(t, views, at)
	}
	_, _, err = boot.Connect(t.Context(), boot.Target{DataDir: dir, ReadOnly: true}, zaptest.NewLogger(t))
	var damaged *engine.DamagedViewError
	if !errors.As(err, &damaged) || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("opened with %v", err)
	}
}

// Views that start before the recorder is there answer nothing from less than the log held when they reached it.
func TestViewsThatStartFirstWaitForTheLog(t *testing.T) {
	dir := t.TempDir()
	c, disconnect := connect(t, boot.Target{DataDir: dir})
	submit(t, c, commit("5.00"), "recorded")
	disconnect()
	s, err := embednats.Start(embednats.Config{Logger: zaptest.NewLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close) // after the roles
	start(t, boot.Config{NATSURL: s.URL(), Roles: []string{boot.Views}, DataDir: t.TempDir()})
	start(t, boot.Config{NATSURL: s.URL(), Roles: []string{boot.Recorder}, DataDir: dir})
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if got := committed(t, client.New(nc, client.Config{})); got != "5.00" {
		t.Errorf("committed %q, want 5.00", got)
	}
}

// A position that no event has yet is refused at once: queries that wait for it in vain would keep others out.
func TestAPositionBeyondTheLogIsRefused(t *testing.T) {
	dir := t.TempDir()
	start(t, boot.Config{DataDir: dir})
	c, _ := connect(t, boot.Target{DataDir: dir})
	a := submit(t, c, commit("5.00"), "recorded")
	ask := func(at uint64) error {
		var answer json.RawMessage
		return c.Query(t.Context(), "pledges", map[string]any{"at_least": at}, &answer)
	}
	if err := ask(a.Position); err != nil {
		t.Error(err)
	}
	var r *es.Refusal
	if err := ask(a.Position + 1); !errors.As(err, &r) || r.Code != "behind" || r.Field != "at_least" {
		t.Errorf("refused with %v", err)
	}
}
