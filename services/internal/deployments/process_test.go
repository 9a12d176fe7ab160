package deployments

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/http"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

// factWaitMax bounds how long a test waits for something to become true.
const factWaitMax = time.Minute

// process is a running `allied serve`.
type process struct {
	cmd *exec.Cmd

	http string // its address

	stderr *buffer
	ended  chan struct{}
}

// buffer is written by a process while the test may read.
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

var served = regexp.MustCompile(`HTTP is served at (\S+)`)

// start runs a command line in a folder of its own, and returns once it says where it serves HTTP.
func start(t *testing.T, line commandLine) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary, line...), stderr: &buffer{}, ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stderr = t.TempDir(), p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1)
	go func() {
		defer close(p.ended)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if m := served.FindStringSubmatch(lines.Text()); m != nil {
				said <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			<-p.ended
			_ = p.cmd.Wait() // killed
		}
		if t.Failed() {
			t.Logf("%v said\n%s", line, p.stderr)
		}
	})
	select {
	case p.http = <-said:
	case <-p.ended:
		t.Fatalf("%v ended: %s", line, p.stderr)
	case <-time.After(factWaitMax):
		t.Fatalf("%v did not say where it serves: %s", line, p.stderr)
	}
	return p
}

// awaitHTTP asks until the answer is 200.
func (p *process) awaitHTTP(t *testing.T, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), factWaitMax)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := get(ctx, p.http+path)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", p.http+path, err)
		case <-again.C:
		}
	}
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// stop asks the process to finish, as systemd and Docker do.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, p.stderr)
	}
}

// kill ends the process as a crash would.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	_ = p.cmd.Wait() // killed
}
