package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func skipped(message string) string {
	text, _ := json.Marshal("    a_test.go:7: " + message + "\n")
	return `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":` + string(text) + `}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
` + packagePassed
}

const (
	packagePassed = `{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.002s\n"}
{"Action":"pass","Package":"p"}
`
	testPassed = `{"Action":"pass","Package":"p","Test":"TestA"}
` + packagePassed
	testFailed = `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:9: one is not two\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.002s\n"}
{"Action":"fail","Package":"p"}
`
	buildFailed = `{"Action":"build-output","ImportPath":"p [p.test]","Output":"./a.go:1: undefined: x\n"}
{"Action":"build-fail","ImportPath":"p [p.test]"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}
`
)

func TestGate(t *testing.T) {
	everythingAbsent := absence{dataFolder: true, storeVariable: true}
	for _, test := range []struct {
		name, in, want string
		absent         absence
	}{
		{"all passed", testPassed, "", nil},
		{"a failure", testFailed, "2 tests or packages failed", nil},
		{"a failure that another run passes", testFailed + testPassed, "2 tests or packages failed", nil},
		{"a build failure", buildFailed, "1 tests or packages failed", nil},
		{"a skip without a permitted reason", skipped("not today"), "1 tests were skipped", everythingAbsent},
		{"a skip without a message", skipped(""), "1 tests were skipped", everythingAbsent},
		{"a skip that another run executes", skipped("long") + testPassed, "", nil},
		{"an executed test that another run skips", testPassed + skipped("long"), "", nil},
		{"absent data", skipped("no ../shared/data/kiel"), "", everythingAbsent},
		{"absent data, by its full path", skipped("open /x/shared/data/kiel: no such file"), "", everythingAbsent},
		{"data said to be absent that is there", skipped("no ../shared/data/kiel"), "1 tests were skipped", absence{}},
		{"no event store", skipped("ALLIED_TEST_ESDB_URL is not set"), "", everythingAbsent},
		{"an event store that is there", skipped("ALLIED_TEST_ESDB_URL is not set"), "1 tests were skipped", absence{}},
		{"nothing", "", "no test was executed", nil},
		{"go's own error", "pattern ./nowhere: directory not found\n", "go test did not start: pattern ./nowhere", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGate(io.Discard)
			err := g.read(strings.NewReader(test.in))
			if err == nil {
				err = g.close(io.Discard, test.absent)
			}
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestOutputOfFailuresAndClosingLinesAreShown(t *testing.T) {
	var progress, out strings.Builder
	g := newGate(&progress)
	if err := g.read(strings.NewReader(testFailed + buildFailed + skipped("no ../shared/data"))); err != nil {
		t.Fatal(err)
	}
	if err := g.close(&out, absence{dataFolder: true}); err == nil {
		t.Error("a failure passed")
	}
	for _, want := range []string{"one is not two", "undefined: x"} {
		if !strings.Contains(progress.String(), want) {
			t.Errorf("progress lacks %q:\n%s", want, progress.String())
		}
	}
	for _, want := range []string{"FAIL\tp\t0.002s\n", "FAIL\tp [build failed]\n", "ok  \tp\t0.002s\n", "failed: p TestA\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("closing output lacks %q:\n%s", want, out.String())
		}
	}
}

// TestRealGo reads what the installed go prints about a module with a test that passes, one that skips and one that does not compile.
func TestRealGo(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":         "module m\n\ngo 1.26.0\n",
		"good/a_test.go": "package good\n\nimport \"testing\"\n\nfunc TestGood(t *testing.T) {}\n\nfunc TestLate(t *testing.T) { t.Skip(\"too late\") }\n",
		"bad/a_test.go":  "package bad\n\nvar x int = \"text\"\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "test", "-json", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	printed, err := cmd.Output()
	if err == nil {
		t.Fatal("go test passed a package that does not compile")
	}
	var out strings.Builder
	g := newGate(io.Discard)
	if err := g.read(strings.NewReader(string(printed))); err != nil {
		t.Fatal(err)
	}
	if err := g.close(&out, nil); err == nil {
		t.Error("the gate passed a package that does not compile")
	}
	for _, want := range []string{"ok  \tm/good\t", "FAIL\tm/bad [build failed]", "failed: m/bad\n", "skipped: m/good TestLate: a_test.go:7: too late\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("closing output lacks %q:\n%s", want, out.String())
		}
	}
}
