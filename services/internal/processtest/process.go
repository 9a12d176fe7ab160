// Package processtest runs the program's binary in a process of its own, for tests that stop it and kill it.
package processtest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startWaitMax bounds how long a process takes to say where it serves.
const startWaitMax = time.Minute

// Build makes the binary of the working tree in a folder, and returns its path.
func Build(dir string) (string, error) {
	path := filepath.Join(dir, "allied")
	cmd := exec.Command("go", "build", "-o", path, "github.com/allied-ledger/allied/services/cmd/allied")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build allied: %w\n%s", err, out)
	}
	return path, nil
}

// Process is a running `allied serve`. One that still runs at the end of its test is killed; what a process said is logged where the test failed.
type Process struct {
	HTTP string // where it serves, such as http://127.0.0.1:1234

	t     testing.TB
	cmd   *exec.Cmd
	said  buffer        // on stderr
	ended chan struct{} // all that it printed has been read
	wait  func() error  // once it has ended
}

var served = regexp.MustCompile(`HTTP is served at (\S+)`)

// Start runs the binary with arguments in a folder of its own, and returns once it says where it serves HTTP.
func Start(t testing.TB, binary string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(binary, args...), ended: make(chan struct{})}
	p.wait = sync.OnceValue(func() error {
		<-p.ended
		return p.cmd.Wait()
	})
	p.cmd.Dir, p.cmd.Stderr, p.cmd.Env = t.TempDir(), &p.said, append(os.Environ(), "NO_COLOR=1")
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	at := make(chan string, 1)
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if m := served.FindStringSubmatch(lines.Text()); m != nil {
				at <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // fails where it has ended
		_ = p.wait()             // it was killed, or somebody has been told
		if t.Failed() {
			t.Logf("%v said\n%s", args, p.Said())
		}
	})
	select {
	case p.HTTP = <-at:
	case <-p.ended:
		t.Fatalf("%v ended: %s", args, p.Said())
	case <-time.After(startWaitMax):
		t.Fatalf("%v did not say where it serves: %s", args, p.Said())
	}
	return p
}

// Kill ends the process as a power cut would, but for what the kernel has in memory. It may still run when Kill returns.
func (p *Process) Kill() {
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Errorf("kill: %v", err)
	}
}

// Wait returns once the process is gone, with an error where it did not end by itself and well.
func (p *Process) Wait() error { return p.wait() }

// Stop asks the process to finish, as systemd and Docker do, and expects that it does.
func (p *Process) Stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if err := p.wait(); err != nil {
		p.t.Errorf("after SIGTERM: %v\n%s", err, p.Said())
	}
}

// Said is what the process has said on stderr so far.
func (p *Process) Said() string { return p.said.String() }

// buffer is written by a process while a test may read.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
