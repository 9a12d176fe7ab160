// Command testgate reads what `go test -json` prints and fails on any test that failed, and on any that no run executed.
//
// A test may stay unexecuted for two reasons alone, which are checked and printed: its skip message names ../shared/data and that folder
// is absent, or names ALLIED_TEST_ESDB_URL and that is unset. Input may hold several runs, one after another: a test that one run skips
// and another passes was executed.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "testgate:", err)
		os.Exit(1)
	}
}

func run() error {
	g := newGate(os.Stderr)
	if err := g.read(os.Stdin); err != nil {
		return err
	}
	_, err := os.Stat(filepath.FromSlash(dataFolder))
	return g.close(os.Stdout, absence{
		dataFolder:    os.IsNotExist(err),
		storeVariable: os.Getenv(storeVariable) == "",
	})
}
