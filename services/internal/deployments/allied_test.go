package deployments

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/processtest"
)

// drainWaitMax is how long `allied serve` finishes what is under way.
const drainWaitMax = 30 * time.Second

// folder is where the files lie.
var folder = filepath.Join("..", "..", "..", "deployments")

// binary is `allied`, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "allied-deployments-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if binary, err = processtest.Build(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// commandLine is `allied serve` as a deployment writes it.
type commandLine []string

// flag is the value of a flag; all of them are written --name=value.
func (c commandLine) flag(name string) string {
	for _, arg := range c {
		if value, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}

func (c commandLine) roles() []string { return strings.Split(c.flag("roles"), ",") }

// places are where what a command line connects to is on this machine.
type places struct{ nats, store, views string }

// here is the command line for this machine, in a folder of the test's, with a free port of the loopback interface to listen on.
func (c commandLine) here(at places) commandLine {
	var out commandLine
	for _, arg := range c {
		name, value, _ := strings.Cut(arg, "=")
		switch {
		case name == "--data":
			out = append(out, name+"=ledger")
		case name == "--port":
			out = append(out, name+"=0")
		case name == "--nats":
			out = append(out, name+"="+at.nats)
		case name == "--store":
			out = append(out, name+"="+at.store)
		case name == "--views":
			out = append(out, name+"="+at.views)
		case name == "--listen" && value != "none":
			out = append(out, name+"=127.0.0.1:0")
		default:
			out = append(out, arg)
		}
	}
	return out
}

// nobody is an address at which nothing listens.
const nobody = "127.0.0.1:1"

// nowhere is where nothing is.
var nowhere = places{"nats://" + nobody, "esdb://" + nobody + "?tls=false", "postgres://" + nobody + "/allied?sslmode=disable"}

// checkCommandLine runs the real binary with a command line, on a machine where nothing can be reached: one that the binary does not understand
// ends before it tries.
func checkCommandLine(t *testing.T, line commandLine) {
	t.Helper()
	for _, arg := range line {
		if strings.HasPrefix(arg, "--") && !strings.Contains(arg, "=") && arg != "--insecure-listen" {
			t.Errorf("%s: write it as --name=value, so that this test can read it", arg)
		}
	}
	if listen := line.flag("listen"); listen != "none" {
		if err := boot.CheckHTTPListen(listen, slices.Contains(line, "--insecure-listen")); err != nil {
			t.Errorf("%s: %v", strings.Join(line, " "), err)
		}
	}
	cmd := exec.CommandContext(t.Context(), binary, line.here(nowhere)...)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	const usage = 2
	if !errors.As(err, &exit) || exit.ExitCode() == usage || !strings.Contains(string(out), nobody) {
		t.Errorf("allied %s: %v\n%s", strings.Join(line, " "), err, out)
	}
}

// checkLoopback asks that an address is this machine's alone.
func checkLoopback(t *testing.T, what, host string) {
	t.Helper()
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		t.Errorf("%s: %q is not on the loopback interface; nobody checks who comes", what, host)
	}
}

func read(t *testing.T, elements ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{folder}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
