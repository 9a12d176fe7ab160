package deployments

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
	"github.com/allied-ledger/allied/projections/sink/postgres/postgrestest"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/processtest"
	"github.com/allied-ledger/allied/services/live"
	"github.com/allied-ledger/allied/services/relay"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// started are the services of the compose file in an order in which they can start.
var started = []string{"recorder", "pledges", "shipments", "payments", "imports", "views", "relay", "policies", "api"}

// TestTheRolesOfComposeWorkTogether starts every service of the compose file, as often as it says, as processes of their own: on a NATS server with
// the configuration, a server of KurrentDB's protocol, and PostgreSQL. Commands go through them while processes are killed.
func TestTheRolesOfComposeWorkTogether(t *testing.T) {
	s := startNATS(t)
	store := kurrenttest.NewStore(kurrenttest.StoreConfig{AppendBytesMax: 16_000_000})
	at := places{s.ClientURL(), kurrenttest.StartT(t, store, kurrenttest.NodeConfig{}).URL(), postgrestest.Start(t).URL(t)}
	path, running := startAll(t, at)
	nc, js := dashboard(t, s)
	rows, err := nc.SubscribeSync(live.Subject(boot.LiveBalances.Bucket, ">"))
	if err != nil {
		t.Fatal(err)
	}
	example, err := filepath.Abs(filepath.Join("..", "..", "..", "docs", "reference", "example.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	allied(t, "submit", example, "--server", at.nats)
	awaitRow(t, js, rows)
	if err := get(t.Context(), running["api"][0].HTTP+path); err != nil {
		t.Error(err)
	}
	t.Run("the tracker's file while some are killed", func(t *testing.T) {
		importUnderKills(t, store, at, running)
	})
	checkEvents(t, js, at.nats)
	for _, name := range slices.Backward(started) {
		for _, p := range running[name] {
			p.Stop()
			if said := p.Said(); strings.Contains(strings.ToLower(said), "permission") {
				t.Errorf("%s was forbidden something: %s", name, said)
			}
		}
	}
	allied(t, "replay", "--verify", "--store", at.store, "--views", at.views)
}

// checkEvents holds the stream of events to the log: each ordinal once, in order.
func checkEvents(t *testing.T, js jetstream.JetStream, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), factWaitMax)
	defer cancel()
	ledger, disconnect, err := boot.Connect(ctx, boot.Target{Server: url}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	head, _, err := ledger.Head(ctx)
	if err = errors.Join(err, disconnect()); err != nil {
		t.Fatal(err)
	}
	events := int(head.Events)
	c, err := js.OrderedConsumer(ctx, relay.Events.Stream, jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer all.Stop()
	for ordinal := range events {
		m, err := all.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatalf("ordinal %d of %d: %v", ordinal, events, err)
		}
		if got := m.Headers().Get(relay.OrdinalHeader); got != strconv.Itoa(ordinal) {
			t.Fatalf("ordinal %s stands in place of %d", got, ordinal)
		}
	}
	if s, err := js.Stream(ctx, relay.Events.Stream); err != nil || s.CachedInfo().State.Msgs != uint64(events) {
		t.Errorf("%d events, and the stream holds %+v: %v", events, s.CachedInfo().State, err)
	}
}

// startAll starts the services, and returns the path at which their health is asked.
func startAll(t *testing.T, at places) (path string, running map[string][]*processtest.Process) {
	t.Helper()
	p := mustProject(t)
	var health []string
	for _, service := range ours(p) {
		if check := service.HealthCheck.Test; !slices.Contains(health, check[len(check)-1]) {
			health = append(health, check[len(check)-1])
		}
	}
	if len(health) != 1 {
		t.Fatalf("health is asked at %v", health)
	}
	path = strings.TrimPrefix(health[0], "http://127.0.0.1:8080")
	running = map[string][]*processtest.Process{}
	for _, name := range started {
		service := ours(p)[name]
		replicas := 1
		if service.Deploy.Replicas != nil {
			replicas = *service.Deploy.Replicas
		}
		for range replicas {
			running[name] = append(running[name], processtest.Start(t, binary, commandLine(service.Command).here(at)...))
		}
	}
	for _, name := range []string{"recorder", "views"} {
		if len(running[name]) < 2 {
			t.Fatalf("the compose file runs one %s, and none takes over", name)
		}
	}
	for _, all := range running {
		for _, r := range all {
			awaitHTTP(t, r.HTTP+path)
		}
	}
	return path, running
}

// allied runs a command, and returns what it prints.
func allied(t *testing.T, args ...string) string {
	t.Helper()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("allied %s: %v\n%s%s", strings.Join(args, " "), err, &out, &said)
	}
	return out.String()
}

// importUnderKills imports the tracker's file while a recorder and a process with views are killed, and holds what is recorded to what a folder's
// own log gives.
func importUnderKills(t *testing.T, store *kurrenttest.Store, at places, running map[string][]*processtest.Process) {
	tracker, err := filepath.Abs(filepath.Join("..", "..", "..", "..", "shared", "data", "kiel", "UST_main_data_to_2024-06.xlsx"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tracker); err != nil {
		t.Skip("shared data absent: ../shared/data/kiel/UST_main_data_to_2024-06.xlsx")
	}
	args := func(where ...string) []string {
		return append([]string{"import", "kiel", tracker, "--release", "2024-06", "-q"}, where...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), factWaitMax)
	defer cancel()
	imported := make(chan error, 1)
	var said bytes.Buffer
	go func() {
		cmd := exec.CommandContext(ctx, binary, args("--server", at.nats)...)
		cmd.Stdout, cmd.Stderr = &said, &said
		imported <- cmd.Run()
	}()
	for i, name := range []string{"recorder", "views"} { // at a fifth, and at two fifths, of some 3,000 events
		awaitEvents(ctx, t, store, 600*(i+1), imported)
		running[name][0].Kill()
		_ = running[name][0].Wait() // it was killed
		running[name] = running[name][1:]
	}
	// What a killed process had taken and not answered is unknown to who asked; the same command again finishes it.
	if err := <-imported; err != nil {
		t.Logf("the import that met the kills: %v", err)
		allied(t, args("--server", at.nats)...)
	}
	awaitViews(t, at.nats)
	alone := filepath.Join(t.TempDir(), "ledger")
	allied(t, args("--data", alone)...)
	balances := []string{"balances", "--basis", "tracker", "--stage", "committed,allocated,handed_over", "--reached", "--instruments", "all", "--by", "donor,category", "-o", "csv"}
	// The example's pledges are not the tracker's, and stand under a basis of their own.
	got, want := figures(t, allied(t, append(balances, "--server", at.nats)...)), figures(t, allied(t, append(balances, "--data", alone)...))
	if len(want) < 100 || !slices.Equal(got, want) {
		t.Errorf("%d figures through the roles, %d from a folder; they differ", len(got), len(want))
	}
	events := strings.Count(allied(t, "events", "--data", alone, "-o", "jsonl"), "\n")
	if n := strings.Count(allied(t, "events", "--store", at.store, "-o", "jsonl"), "\n"); n < events {
		t.Errorf("%d events in the store; the import alone gives %d", n, events)
	}
}

// figures are the rows of balances without what they are true at.
func figures(t *testing.T, text string) (out []string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{"position", "ordinal"} {
		i := slices.Index(rows[0], place)
		if i < 0 {
			t.Fatalf("columns %v", rows[0])
		}
		for r := range rows {
			rows[r] = slices.Delete(rows[r], i, i+1)
		}
	}
	for _, r := range rows {
		out = append(out, fmt.Sprint(r))
	}
	return out
}

// awaitEvents returns once the store holds some events, or the import has ended.
func awaitEvents(ctx context.Context, t *testing.T, store *kurrenttest.Store, events int, ended chan error) {
	t.Helper()
	for len(store.All()) < events {
		select {
		case err := <-ended:
			ended <- err
			return
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		default:
		}
	}
}

// awaitViews returns once the views hold all that is recorded: a question that names no position is answered as they stand.
func awaitViews(t *testing.T, url string) {
	t.Helper()
	ledger, disconnect, err := boot.Connect(t.Context(), boot.Target{Server: url}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	head, _, err := ledger.Head(t.Context())
	if err == nil {
		err = boot.AwaitViews(t.Context(), ledger, head.Position)
	}
	if err = errors.Join(err, disconnect()); err != nil {
		t.Fatal(err)
	}
}
