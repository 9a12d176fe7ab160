package embednats_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
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

// keeps tells whether a server keeps a stream, of the kind that a client asks for.
func keeps(t *testing.T, s *embednats.Server, storage jetstream.StorageType) error {
	t.Helper()
	nc, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, Storage: storage}); err != nil {
		return err
	}
	for range 2 { // the server looks at what is there already
		if _, err = js.Publish(t.Context(), "s", []byte("a message")); err != nil {
			break
		}
	}
	return errors.Join(err, js.DeleteStream(t.Context(), "S"))
}

func TestStreamsStayInMemory(t *testing.T) {
	if err := keeps(t, start(t, embednats.Config{}), jetstream.MemoryStorage); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("without a folder: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "streams")
	if err := os.MkdirAll(filepath.Join(dir, "jetstream", "$G", "streams", "damaged"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := start(t, embednats.Config{StreamsDir: dir})
	if err := keeps(t, s, jetstream.MemoryStorage); err != nil {
		t.Error(err)
	}
	if err := keeps(t, s, jetstream.FileStorage); err == nil {
		t.Error("a stream is kept on disk")
	}
	s.Close()
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder stays: %v", err)
	}
}

// Who asks the ledger would take the acknowledgement of a stream for its answer.
func TestThereIsOneStream(t *testing.T) {
	s := start(t, embednats.Config{StreamsDir: filepath.Join(t.TempDir(), "streams")})
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "KV_balances", Subjects: []string{"$KV.balances.>"}, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"allied.>"}, Storage: jetstream.MemoryStorage})
	var refused *jetstream.APIError
	if !errors.As(err, &refused) || refused.ErrorCode != 10027 { // maximum number of streams reached
		t.Errorf("another stream: %v", err)
	}
}

// A folder that cannot be had costs the streams, and nothing else.
func TestServerRunsWithoutItsFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, embednats.Config{StreamsDir: filepath.Join(file, "streams")})
	nc, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Request("nobody", nil, time.Minute); !errors.Is(err, nats.ErrNoResponders) {
		t.Error(err)
	}
	if err := keeps(t, s, jetstream.MemoryStorage); err == nil {
		t.Error("a stream is kept")
	}
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
