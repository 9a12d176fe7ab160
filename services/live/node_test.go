package live_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// npmWaitMax bounds the installation of the example's packages from their registry, or from npm's cache.
const npmWaitMax = 3 * time.Minute

// The example in JavaScript is installed as its reader would, and follows a ledger.
func TestTheExampleForNodeWatches(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), npmWaitMax+patience)
	defer cancel()
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "docs", "examples", "nats"))))
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--prefer-offline")
	npm.Dir, npm.WaitDelay = dir, time.Second
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci, which needs npm's registry or a cache: %v: %s", err, out)
	}

	ledger := begin(ctx)
	defer ledger.close()
	watch := exec.CommandContext(ctx, "node", "watch.mjs", ledger.URL(), "NOR.*.*.allocated.>")
	watch.Dir, watch.Stderr, watch.WaitDelay = dir, os.Stderr, time.Second
	out, err := watch.StdoutPipe()
	must(t, err)
	must(t, watch.Start())
	lines := bufio.NewScanner(out)
	prints := func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("it prints %q, not %q: %v", lines.Text(), want, lines.Err())
		}
	}
	prints("NOR MIL.AIRDEF grant allocated: reached 200.00, stands at 200.00 EUR/2@donor_stated")
	ledger.allocate(ctx, "250.00")
	prints("NOR MIL.AIRDEF grant allocated: reached 450.00, stands at 450.00 EUR/2@donor_stated")
	must(t, watch.Process.Signal(os.Interrupt))
	_ = watch.Wait() // ended by the signal
}
