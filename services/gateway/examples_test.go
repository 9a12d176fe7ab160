package gateway_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestExamplesPrintTheSame runs each program of docs/examples/rest on a ledger with the sample.
func TestExamplesPrintTheSame(t *testing.T) {
	dir, err := filepath.Abs(filepath.Join("..", "..", "docs", "examples", "rest"))
	if err != nil {
		t.Fatal(err)
	}
	printed, err := os.ReadFile(filepath.Join(dir, "printed.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for file, program := range map[string][]string{"curl.sh": {"sh"}, "client.py": {"python3"}, "client.go": {"go", "run"}} {
		t.Run(file, func(t *testing.T) {
			cmd := outside(t, program[0], append(program[1:], filepath.Join(dir, file), sampled(t).url)...)
			cmd.Dir = t.TempDir()
			cmd.Env = append(cmd.Env, "GOWORK=off", "GOFLAGS=")
			out, err := cmd.Output()
			if err != nil || string(out) != string(printed) {
				t.Errorf("%v\n%s\nwant\n%s", err, out, printed)
			}
		})
	}
}
