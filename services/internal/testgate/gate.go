package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

const (
	// dataFolder holds files that nobody on the project wrote; the project stands without them.
	dataFolder = "../shared/data"
	// storeVariable names an outside event store to test against.
	storeVariable = "ALLIED_TEST_ESDB_URL"

	eventBytesMax  = 16 << 20 // one line of go test -json
	outputBytesMax = 1 << 20  // what is kept of one test's output, from its start
)

// absence tells which of the two permitted reasons to skip hold on this machine.
type absence map[string]bool

// event is one line of go test -json; build output carries ImportPath where test output carries Package.
type event struct {
	Action, Package, ImportPath, Test, Output string
}

// testName identifies a test, or with an empty Test its package.
type testName struct{ Package, Test string }

func (n testName) String() string {
	if n.Test == "" {
		return n.Package
	}
	return n.Package + " " + n.Test
}

// gate collects the outcome of every test of every run.
type gate struct {
	progress io.Writer
	output   map[testName]*strings.Builder
	builds   map[string]*strings.Builder
	skips    map[testName]string // the message
	passed   map[testName]bool
	failed   map[testName]bool
	lines    []string // the packages' closing lines, in order
	packages int
}

func newGate(progress io.Writer) *gate {
	return &gate{
		progress: progress,
		output:   map[testName]*strings.Builder{},
		builds:   map[string]*strings.Builder{},
		skips:    map[testName]string{},
		passed:   map[testName]bool{},
		failed:   map[testName]bool{},
	}
}

// read takes runs until the input ends. A line that is not JSON is an error of go itself: the run tested nothing.
func (g *gate) read(in io.Reader) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, eventBytesMax)
	for scanner.Scan() {
		line := strings.TrimSpace(scanner.Text())
		if line == "" {
			continue
		}
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return fmt.Errorf("go test did not start: %s", line)
		}
		g.take(e)
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("read go test -json: %w", err)
	}
	return nil
}

func (g *gate) take(e event) {
	name := testName{e.Package, e.Test}
	switch e.Action {
	case "output":
		keep(g.output, name, e.Output)
		if e.Test == "" && isClosing(e.Output) {
			g.lines = append(g.lines, strings.TrimRight(e.Output, "\n"))
		}
	case "build-output":
		keep(g.builds, e.ImportPath, e.Output)
	case "build-fail":
		if b := g.builds[e.ImportPath]; b != nil {
			fmt.Fprint(g.progress, b.String())
		}
	case "skip":
		if e.Test != "" {
			g.skips[name] = message(g.output[name])
		}
		g.done(name)
	case "pass":
		g.passed[name] = true
		g.done(name)
	case "fail":
		g.failed[name] = true
		if b := g.output[name]; b != nil {
			fmt.Fprint(g.progress, b.String())
		}
		g.done(name)
	}
}

// done says that a package is ready, and forgets the output of what is.
func (g *gate) done(name testName) {
	delete(g.output, name)
	if name.Test == "" {
		g.packages++
		fmt.Fprintf(g.progress, "%4d  %s\n", g.packages, name.Package)
	}
}

// close prints why tests were not executed, then the packages' closing lines as go test prints them, and reports whether all is well.
func (g *gate) close(out io.Writer, absent absence) error {
	var refused, permitted []string
	for _, name := range slices.SortedFunc(maps.Keys(g.skips), compareNames) {
		reason, ok := absent.permits(g.skips[name])
		switch {
		case g.passed[name] || g.failed[name]:
		case ok:
			permitted = append(permitted, fmt.Sprintf("not executed, as %s: %s", reason, name))
		default:
			refused = append(refused, fmt.Sprintf("skipped: %s: %s", name, g.skips[name]))
		}
	}
	for _, line := range slices.Concat(permitted, g.lines, refused) {
		fmt.Fprintln(out, line)
	}
	failed := slices.SortedFunc(maps.Keys(g.failed), compareNames)
	for _, name := range failed {
		fmt.Fprintf(out, "failed: %s\n", name)
	}
	switch {
	case len(failed) > 0:
		return fmt.Errorf("%d tests or packages failed", len(failed))
	case len(refused) > 0:
		return fmt.Errorf("%d tests were skipped; make them run everywhere", len(refused))
	case len(g.passed) == 0:
		return errors.New("no test was executed")
	}
	return nil
}

// permits gives the reason that a skip message names, if it is one of the two and holds here.
func (a absence) permits(message string) (reason string, ok bool) {
	switch {
	case strings.Contains(message, strings.TrimPrefix(dataFolder, "../")):
		return dataFolder + " is absent", a[dataFolder]
	case strings.Contains(message, storeVariable):
		return storeVariable + " is unset", a[storeVariable]
	}
	return "", false
}

// isClosing recognises the line that go test prints for a package that is ready.
func isClosing(line string) bool {
	return strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "FAIL\t")
}

// message is what a skipped test said, on one line.
func message(output *strings.Builder) string {
	if output == nil {
		return ""
	}
	var said []string
	for line := range strings.Lines(output.String()) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			said = append(said, line)
		}
	}
	return strings.Join(said, " ")
}

func keep[K comparable](kept map[K]*strings.Builder, key K, text string) {
	b := kept[key]
	if b == nil {
		b = &strings.Builder{}
		kept[key] = b
	}
	if b.Len() < outputBytesMax {
		b.WriteString(text)
	}
}

func compareNames(a, b testName) int { return strings.Compare(a.String(), b.String()) }
