package main

import (
	"path/filepath"
	"testing"
)

func TestAServedLedgerSaysWhatToTry(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "led ger")
	_, _, _ = served(t, "--data", dir, "--sample")
	must(t, "replay", "--verify", "--data", dir)
	if rows := must(t, "balances", "--basis", "donor_stated", "--stage", "committed", "--by", "donor", "--data", dir, "-o", "jsonl"); rows == "" {
		t.Error("the sample has no balances")
	}
}
