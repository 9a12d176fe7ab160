// Package shareddata finds the outside files that tests compare with, which are no part of this repository.
package shareddata

import (
	"os"
	"path/filepath"
	"testing"
)

// Read returns a file of the shared data, named from its root. It skips the test, saying so, where the shared data is absent.
func Read(t testing.TB, name string) []byte {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("find the shared data: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		t.Skip("no go.work above this package, so no shared data beside it")
	}
	root := filepath.Join(dir, "..", "shared", "data")
	if _, err := os.Stat(root); os.IsNotExist(err) {
		t.Skipf("the shared data is absent: put it at ../shared/data beside the project to compare with %s", name)
	}
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatalf("read shared data: %v", err)
	}
	return b
}
