package boot_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/live"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// awaitLive returns what the bucket of balances holds once its mark is at a position.
func awaitLive(t *testing.T, n *boot.Node, at es.Position) map[string]balances.Live {
	t.Helper()
	nc, err := n.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sub, err := nc.SubscribeSync(live.Subject("balances", live.MarkKey))
	if err != nil {
		t.Fatal(err)
	}
	for {
		if held, mark := readLive(t, ctx, js); mark.Position >= at {
			return held
		}
		if _, err := sub.NextMsgWithContext(ctx); err != nil {
			t.Fatalf("the mark does not reach position %d: %v", at, err)
		}
	}
}

func readLive(t *testing.T, ctx context.Context, js jetstream.JetStream) (map[string]balances.Live, live.Mark) {
	t.Helper()
	var mark live.Mark
	kv, err := js.KeyValue(ctx, "balances")
	if err != nil {
		return nil, mark // not there yet
	}
	all, err := kv.WatchAll(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = all.Stop() }()
	held := map[string]balances.Live{}
	for e := range all.Updates() {
		if e == nil {
			break
		}
		var into any = &mark
		var row balances.Live
		if e.Key() != live.MarkKey {
			into = &row
		}
		if err := json.Unmarshal(e.Value(), into); err != nil {
			t.Fatal(err)
		}
		if e.Key() != live.MarkKey {
			held[e.Key()] = row
		}
	}
	return held, mark
}

const liveAllocated = "NOR.UKR.grant.allocated.EUR=2F2=40donor_stated.MIL.AIRDEF"

func TestBalancesAreLive(t *testing.T) {
	dir := t.TempDir()
	start := func() *boot.Node {
		n, err := boot.Start(t.Context(), boot.Config{DataDir: dir, Roles: []string{boot.Recorder, boot.Pledges, boot.Views}, Logger: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	stop := func(n *boot.Node) {
		if err := n.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	n := start()
	nc, err := nats.Connect(n.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := client.New(nc, client.Config{})
	stream := submit(t, c, commit("625.00"), "recorded").Stream
	last := submit(t, c, allocate(stream, "200.00"), "recorded").Position
	held := awaitLive(t, n, es.Position(last))
	if got := held[liveAllocated]; got.Standing == nil || *got.Standing != "200.00" || got.LogID.String() != n.LogID() || got.Position != es.Position(last) {
		t.Errorf("live balances %+v", held)
	}
	stop(n)
	if _, err := os.Stat(filepath.Join(dir, "server.streams")); !os.IsNotExist(err) {
		t.Errorf("JetStream's folder stays: %v", err)
	}

	n = start() // the bucket was in memory
	defer stop(n)
	if again := awaitLive(t, n, es.Position(last)); len(again) != len(held) || *again[liveAllocated].Standing != "200.00" {
		t.Errorf("after a restart %+v, not %+v", again, held)
	}
}

// The views may run on a NATS server and in a process of their own. The bucket outlives them, and is right again when they come back.
func TestLiveBalancesOutliveTheirProcess(t *testing.T) {
	rest, err := boot.Start(t.Context(), boot.Config{
		DataDir: t.TempDir(), Roles: []string{boot.Recorder, boot.Pledges}, Logger: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := rest.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	nc, err := rest.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := client.New(nc, client.Config{})
	stream := submit(t, c, commit("625.00"), "recorded").Stream
	dir := t.TempDir()
	for _, amount := range []string{"100.00", "50.00"} {
		last := submit(t, c, allocate(stream, amount), "recorded").Position // while no view runs
		views, err := boot.Start(t.Context(), boot.Config{DataDir: dir, Roles: []string{boot.Views}, NATSURL: rest.URL(), Logger: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		held := awaitLive(t, views, es.Position(last))
		if want := map[string]string{"100.00": "100.00", "50.00": "150.00"}[amount]; *held[liveAllocated].Standing != want {
			t.Errorf("%s stands allocated, not %s", *held[liveAllocated].Standing, want)
		}
		if err := views.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// A stream on subjects of the ledger would answer those who ask it. What is the ledger's takes the only places before anybody can connect for long.
func TestNoOtherStreamHearsTheLedger(t *testing.T) {
	n, err := boot.Start(t.Context(), boot.Config{Profile: boot.ProfileDev, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	nc, err := nats.Connect(n.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"allied.cmd.>"}, Storage: jetstream.MemoryStorage}); err == nil {
		t.Error("a stream takes commands")
	}
	submit(t, client.New(nc, client.Config{}), commit("625.00"), "recorded")
}
