package deployments

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/live"
	"github.com/allied-ledger/allied/services/relay"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// configuration is nats-server.conf as the server reads it, with the arguments that go before it.
func configuration(t *testing.T, args ...string) *server.Options {
	t.Helper()
	flags := flag.NewFlagSet("nats-server", flag.ContinueOnError)
	path := filepath.Join(folder, "nats", "nats-server.conf")
	opts, err := server.ConfigureOptions(flags, append([]string{"--config", path}, args...), func() {}, func() {}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return opts
}

// startNATS runs a server with the configuration, on free ports and in a folder of the test's.
func startNATS(t *testing.T) *server.Server {
	t.Helper()
	opts := configuration(t)
	opts.Port, opts.HTTPPort, opts.StoreDir, opts.NoSigs, opts.NoLog = server.RANDOM_PORT, server.RANDOM_PORT, t.TempDir(), true, true
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	s.Start()
	if !s.ReadyForConnections(factWaitMax) {
		t.Fatal("NATS does not take connections")
	}
	return s
}

func TestNATSIsAsTheEmbeddedServer(t *testing.T) {
	opts := configuration(t)
	if opts.MaxPayload != embednats.PayloadBytesMax {
		t.Errorf("max_payload is %d, want %d as in the embedded server", opts.MaxPayload, embednats.PayloadBytesMax)
	}
	checkLoopback(t, "host", opts.Host)
	checkLoopback(t, "http", opts.HTTPHost)
	if opts.Cluster.Port != 0 || opts.LeafNode.Port != 0 || opts.Gateway.Port != 0 || opts.Websocket.Port != 0 || opts.MQTT.Port != 0 || opts.ProfPort != 0 {
		t.Error("the server listens on ports that nobody asked for")
	}
}

// In the compose file the server listens on its network, and only for clients.
func TestNATSInCompose(t *testing.T) {
	s := mustProject(t).Services["nats"]
	if i := slices.Index(s.Command, "--config"); i != 0 {
		t.Fatalf("the command is %v", s.Command)
	}
	opts := configuration(t, s.Command[2:]...)
	if opts.Host != "0.0.0.0" {
		t.Errorf("clients are served on %s", opts.Host)
	}
	checkLoopback(t, "http", opts.HTTPHost)
	if want := "nats:" + server.VERSION + "-alpine"; s.Image != want {
		t.Errorf("image %s is not the release whose parser read its configuration here; want %s", s.Image, want)
	}
	if s.Configs[0].Target != s.Command[1] {
		t.Errorf("--config %s, and the configuration is at %s", s.Command[1], s.Configs[0].Target)
	}
	check := s.HealthCheck.Test[len(s.HealthCheck.Test)-1]
	path, ok := strings.CutPrefix(check, fmt.Sprintf("http://%s:%d", opts.HTTPHost, opts.HTTPPort))
	if !ok {
		t.Fatalf("health is asked at %s", check)
	}
	if err := get(t.Context(), "http://"+startNATS(t).MonitorAddr().String()+path); err != nil {
		t.Error(err)
	}
}

// dashboard connects as anybody who follows the balances does, and fails the test where the server forbids what it asks.
func dashboard(t *testing.T, s *server.Server) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { t.Error(err) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// awaitRow waits until a row of the balances is published, and finds it in the bucket.
func awaitRow(t *testing.T, js jetstream.JetStream, rows *nats.Subscription) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), factWaitMax)
	defer cancel()
	for {
		msg, err := rows.NextMsgWithContext(ctx)
		if err != nil {
			t.Fatalf("no row of the balances is published: %v", err)
		}
		key := strings.TrimPrefix(msg.Subject, live.Subject(boot.LiveBalances.Bucket, ""))
		if key == live.MarkKey {
			continue
		}
		kv, err := js.KeyValue(ctx, boot.LiveBalances.Bucket)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.Get(ctx, key); err != nil {
			t.Errorf("%s: %v", key, err)
		}
		all, err := kv.Keys(ctx)
		if err != nil || !slices.Contains(all, key) {
			t.Errorf("the bucket lists %v, without %s: %v", all, key, err)
		}
		return
	}
}

// A stream on the subjects of the ledger would acknowledge each request, and who asked would take that for the answer.
func TestNATSHasNoRoomForAnotherStream(t *testing.T) {
	s := startNATS(t)
	_, js := dashboard(t, s)
	if err := boot.LiveBalances.Prepare(t.Context(), js); err != nil {
		t.Fatal(err)
	}
	for _, form := range []relay.Form{relay.Events, relay.EventsJSON} {
		if err := form.Claim(t.Context(), js, jetstream.FileStorage); err != nil {
			t.Fatal(err)
		}
	}
	account, err := js.AccountInfo(t.Context())
	if err != nil || account.Limits.MaxStreams != 4 || account.Streams != 4 {
		t.Errorf("the account is %+v, want room for four streams, and four: %v", account, err)
	}
	forbidden := make(chan error, 1)
	other, err := nats.Connect(s.ClientURL(), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { forbidden <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, subject := range []string{"$JS.API.STREAM.CREATE.S", "$JS.API.STREAM.DELETE.KV_balances", "$JS.API.STREAM.PURGE.KV_balances", "$JS.API.STREAM.DELETE.ALLIED_EVENTS", "$JS.API.STREAM.PURGE.ALLIED_EVENTS", "$SYS.REQ.SERVER.PING"} {
		if err := other.Publish(subject, []byte(`{"name":"S","subjects":["allied.>"]}`)); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-forbidden:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", subject, err)
			}
		case <-time.After(factWaitMax):
			t.Errorf("%s is not forbidden", subject)
		}
	}
	if account, err := js.AccountInfo(t.Context()); err != nil || account.Streams != 4 {
		t.Errorf("the account is %+v: %v", account, err)
	}
}
