package chaos

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"go.uber.org/zap"
)

// build makes the binary of the working tree.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "allied")
	cmd := exec.Command("go", "build", "-o", path, "github.com/allied-ledger/allied/services/cmd/allied")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build allied: %v\n%s", err, out)
	}
	return path
}

// server is a running `allied serve`.
type server struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr *bytes.Buffer
	client *client.Client
	leave  func() error
}

// serve starts a server on a folder and returns once it answers.
func serve(t *testing.T, binary, dir string, flags ...string) *server {
	t.Helper()
	args := append([]string{"serve", "--data", dir, "--listen", "127.0.0.1:0"}, flags...)
	s := &server{t: t, cmd: exec.Command(binary, args...), stderr: new(bytes.Buffer)}
	s.cmd.Stderr = s.stderr
	s.cmd.Env = append(os.Environ(), "NO_COLOR=1")
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() }) // fails where it has ended
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "is running at") {
			break
		}
	}
	s.client, s.leave, err = boot.Connect(t.Context(), boot.Target{DataDir: dir}, zap.NewNop())
	if err != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		t.Fatalf("connect to the server that was started: %v\n%s", err, s.stderr)
	}
	return s
}

// kill ends the process as a power cut would, but for what the kernel has in memory.
func (s *server) kill() {
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Errorf("kill: %v", err)
	}
}

// wait returns once the process is gone.
func (s *server) wait() error {
	err := s.cmd.Wait()
	if leaveErr := s.leave(); leaveErr != nil {
		s.t.Errorf("disconnect: %v", leaveErr)
	}
	return err
}

// stop asks the server to finish, and expects that it does.
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := s.wait(); err != nil {
		s.t.Fatalf("a server that was told to stop: %v\n%s", err, s.stderr)
	}
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
