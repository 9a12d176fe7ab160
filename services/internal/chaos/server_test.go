package chaos

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/processtest"
	"go.uber.org/zap"
)

// build makes the binary of the working tree.
func build(t *testing.T) string {
	t.Helper()
	path, err := processtest.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// server is a running `allied serve`, and a client of it.
type server struct {
	*processtest.Process
	t      *testing.T
	client *client.Client
	leave  func() error
}

// serve starts a server on a folder and returns once it answers.
func serve(t *testing.T, binary, dir string, flags ...string) *server {
	t.Helper()
	args := append([]string{"serve", "--data", dir, "--listen", "127.0.0.1:0"}, flags...)
	s := &server{Process: processtest.Start(t, binary, args...), t: t}
	var err error
	if s.client, s.leave, err = boot.Connect(t.Context(), boot.Target{DataDir: dir}, zap.NewNop()); err != nil {
		t.Fatalf("connect to the server that was started: %v", err)
	}
	return s
}

// gone disconnects once the process is gone, and tells how that ended.
func (s *server) gone() error {
	err := s.Wait()
	if leaveErr := s.leave(); leaveErr != nil {
		s.t.Errorf("disconnect: %v", leaveErr)
	}
	return err
}

// stop asks the server to finish, and expects that it does.
func (s *server) stop() {
	s.t.Helper()
	s.Stop()
	_ = s.gone() // Stop has told
}

// run runs the binary to its end and returns what it printed.
func run(ctx context.Context, t *testing.T, binary string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, binary, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("allied %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}
