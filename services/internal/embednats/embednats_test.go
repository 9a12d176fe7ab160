package embednats_test

import (
	"strings"
	"testing"

	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap/zaptest"
)

func start(t *testing.T, cfg embednats.Config) *embednats.Server {
	t.Helper()
	cfg.Logger = zaptest.NewLogger(t)
	s, err := embednats.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestServerIsReachedByAddressAndInProcess(t *testing.T) {
	s := start(t, embednats.Config{})
	if !strings.HasPrefix(s.URL(), "nats://127.0.0.1:") {
		t.Fatalf("URL %q is not on the loopback", s.URL())
	}
	outside, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	inside, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	if got := inside.MaxPayload(); got != embednats.PayloadBytesMax {
		t.Fatalf("max payload %d, want %d", got, embednats.PayloadBytesMax)
	}
}

func TestInProcessServerHasNoAddress(t *testing.T) {
	s := start(t, embednats.Config{InProcess: true})
	if s.URL() != "" {
		t.Fatalf("a server without a listener names the address %q", s.URL())
	}
	nc, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

func TestTakenPortIsNamed(t *testing.T) {
	s := start(t, embednats.Config{})
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	var port int
	for _, c := range nc.ConnectedAddr()[strings.LastIndex(nc.ConnectedAddr(), ":")+1:] {
		port = port*10 + int(c-'0')
	}
	_, err = embednats.Start(embednats.Config{Port: port, Logger: zaptest.NewLogger(t)})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Fatalf("second server on port %d: %v", port, err)
	}
}
