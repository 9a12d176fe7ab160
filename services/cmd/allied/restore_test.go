package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestARestoredLedgerIsTheOneThatWasBackedUp(t *testing.T) {
	dir, copied, restored := aDay(t), filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
	want := backedUp(t, copied, "--data", dir)
	r := try(t, "", "restore", copied, "--data", restored)
	if r.code != exitOK || !strings.Contains(r.stdout, want.LogID.String()) || !strings.Contains(r.stderr, "replay --verify --data "+restored) {
		t.Errorf("restore ends with %d and says\n%s%s", r.code, r.stdout, r.stderr)
	}
	first, second := must(t, "replay", "--verify", "--data", dir, "-o", "json"), must(t, "replay", "--verify", "--data", restored, "-o", "json")
	if stateHash(t, first) != stateHash(t, second) {
		t.Errorf("the restored ledger says %s, the original %s", second, first)
	}
	try(t, "", "submit", filepath.Join("testdata", "day.jsonl"), "--data", restored).refused(t, exitFailure, "4 repeated, 1 refused")
	record(t, restored)
	must(t, "replay", "--verify", "--data", restored)
	if doc := backedUp(t, copied, "--data", restored); doc.Continued != want.Position { // the restored one goes on where the original stood
		t.Errorf("the next backup says %+v", doc)
	}
	must(t, "replay", "--verify", "--data", copied)
}

func TestARestoreOverwritesNothing(t *testing.T) {
	dir, copied, home := aDay(t), filepath.Join(t.TempDir(), "backup"), t.TempDir()
	backedUp(t, copied, "--data", dir)
	before := must(t, "replay", "--data", dir, "-o", "json")
	try(t, "", "restore", copied, "--data", dir).refused(t, exitFailure, "it holds log ", "already", "name an empty folder")
	try(t, "", "restore", copied, "--data", guaranteed(t)).refused(t, exitFailure, "it holds log ", "already")
	try(t, "", "restore", copied, "--data", filepath.Join(copied, "here")).refused(t, exitFailure, "name a folder apart from it")
	try(t, "", "restore", filepath.Join(home, "none"), "--data", filepath.Join(home, "x")).refused(t, exitFailure, "there is no backup in")
	try(t, "", "restore", copied, "--server", "nats://127.0.0.1:1").refused(t, exitUsage, "give --data")
	if err := os.WriteFile(filepath.Join(home, "notes.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	try(t, "", "restore", copied, "--data", home).refused(t, exitFailure, "it holds notes.txt")
	if after := must(t, "replay", "--data", dir, "-o", "json"); stateHash(t, after) != stateHash(t, before) {
		t.Errorf("the ledger changed from %s to %s", before, after)
	}
}

func TestADamagedBackupIsNotRestored(t *testing.T) {
	dir, copied, restored := aDay(t), filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
	backedUp(t, copied, "--data", dir)
	flipABit(t, filepath.Join(copied, "log"))
	try(t, "", "restore", copied, "--data", restored).refused(t, exitVerify, "log damaged", copied)
	if _, err := os.Stat(restored); err == nil {
		t.Error("a folder was made of a damaged backup")
	}
}
