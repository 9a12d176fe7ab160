package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files, and print the difference")

// asBinary makes the test binary be allied itself, so that tests can start, signal and kill the real program without building it.
const asBinary = "ALLIED_TEST_AS_BINARY"

func TestMain(m *testing.M) {
	if os.Getenv(asBinary) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// allied returns a command that runs the real program.
func allied(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asBinary+"=1")
	return cmd
}

// result is what one command line left behind.
type result struct {
	code           int
	stdout, stderr string
}

// try runs a command line in this process, with text on standard input.
func try(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var out, messages bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(stdin), &out, &messages)
	return result{code, out.String(), messages.String()}
}

// must runs a command line that succeeds, and returns its data.
func must(t *testing.T, args ...string) string {
	t.Helper()
	r := try(t, "", args...)
	if r.code != exitOK {
		t.Fatalf("allied %s: exit code %d: %s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// refused asserts that a command line ends with a code, prints no data, and says on one line all that is wanted.
func (r result) refused(t *testing.T, code int, wanted ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d: %s", r.code, code, r.stderr)
	}
	for _, w := range wanted {
		if !strings.Contains(r.stderr, w) {
			t.Errorf("message lacks %q:\n%s", w, r.stderr)
		}
	}
	if strings.Contains(r.stderr, "panic") || strings.Contains(r.stderr, "\n\n") {
		t.Errorf("not a message for people:\n%s", r.stderr)
	}
}

// What differs from run to run is masked in golden files: clocks, log ids, and what is hashed over them.
var masks = []struct {
	find *regexp.Regexp
	put  string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "<recorded at>"},
	{regexp.MustCompile(`"log_id": ?"[0-9a-f-]{36}"`), `"log_id": "<log>"`},
	{regexp.MustCompile(`(sha256"?:? ?"?)[0-9a-f]{64}`), "${1}<digest>"},
	{regexp.MustCompile(`("events_per_second": )\d+`), "${1}<speed>"},
	{regexp.MustCompile(`("recorded": ?)"\d{4}-\d\d-\d\d"`), `${1}"<day>"`},
	{regexp.MustCompile(`(,\d+),\d{4}-\d\d-\d\d,`), "${1},<day>,"},               // the same in CSV, behind the ordinal
	{regexp.MustCompile(`(?m)^([a-z_]+ +)\d+(  [A-Z]{3}[A-Z-]* )`), "${1}#${2}"}, // days since then
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	for _, m := range masks {
		got = m.find.ReplaceAllString(got, m.put)
	}
	path := filepath.Join("testdata", name)
	want, err := os.ReadFile(path)
	if err == nil && string(want) == got {
		return
	}
	if *update {
		t.Logf("%s was\n%s\nand becomes\n%s", path, want, got)
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
}

// watchedWriter lets a test wait for text that a running command prints.
type watchedWriter struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func newWatchedWriter() *watchedWriter { return &watchedWriter{changed: make(chan struct{})} }

func (w *watchedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	close(w.changed)
	w.changed = make(chan struct{})
	return len(p), nil
}

func (w *watchedWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// await returns the first match once it has been printed.
func (w *watchedWriter) await(ctx context.Context, t *testing.T, pattern *regexp.Regexp) string {
	t.Helper()
	for {
		w.mu.Lock()
		found, changed := pattern.FindString(w.text.String()), w.changed
		w.mu.Unlock()
		if found != "" {
			return found
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("never printed %s, only:\n%s", pattern, w)
		}
	}
}

var _ io.Writer = (*watchedWriter)(nil)
