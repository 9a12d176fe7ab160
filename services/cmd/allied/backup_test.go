package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// backedUp makes a backup and returns what it says of itself.
func backedUp(t *testing.T, args ...string) (doc backupDoc) {
	t.Helper()
	text := must(t, append([]string{"backup", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return doc
}

func TestABackupHasTheSameStateHash(t *testing.T) {
	dir, copied := aDay(t), filepath.Join(t.TempDir(), "away", "backup")
	first := backedUp(t, copied, "--data", dir)
	if first.Events != 4 || first.Ordinal != 3 || first.Position == 0 || first.Bytes != first.BytesCopied || first.Continued != 0 || first.Dir != copied {
		t.Errorf("the first says %+v", first)
	}
	if got, want := stateHash(t, must(t, "replay", "--data", copied, "-o", "json")), stateHash(t, must(t, "replay", "--data", dir, "-o", "json")); got != want {
		t.Errorf("the backup has state hash %s, its ledger %s", got, want)
	}
	record(t, dir)
	second := try(t, "", "backup", copied, "--data", dir)
	if second.code != exitOK || !strings.Contains(second.stdout, "continued the backup in "+copied) || !strings.Contains(second.stderr, "restore "+copied) {
		t.Errorf("the second ends with %d and says\n%s%s", second.code, second.stdout, second.stderr)
	}
	if got, want := stateHash(t, must(t, "replay", "--data", copied, "-o", "json")), stateHash(t, must(t, "replay", "--data", dir, "-o", "json")); got != want {
		t.Errorf("the continued backup has state hash %s, its ledger %s", got, want)
	}
}

func TestABackupHoldsAllThatAServerHasAnswered(t *testing.T) {
	dir, copied := filepath.Join(t.TempDir(), "ledger"), filepath.Join(t.TempDir(), "backup")
	served(t, "--data", dir)
	for round := range uint64(3) {
		record(t, dir)
		if doc := backedUp(t, copied, "--data", dir); doc.Events != round+1 {
			t.Errorf("after %d events the backup says %+v", round+1, doc)
		}
	}
	must(t, "replay", "--verify", "--data", copied)
}

// TestABackupFindsTheFolderOfAServer, where it is on this machine.
func TestABackupFindsTheFolderOfAServer(t *testing.T) {
	dir, copied := filepath.Join(t.TempDir(), "a ledger, 100 %"), filepath.Join(t.TempDir(), "backup")
	url, _, _ := served(t, "--data", dir)
	record(t, dir)
	if doc := backedUp(t, copied, "--server", url); doc.Events != 1 {
		t.Errorf("the backup says %+v", doc)
	}
	must(t, "replay", "--verify", "--data", copied)
	if err := os.Rename(dir, dir+" elsewhere"); err != nil { // as the folder of another machine is not here
		t.Fatal(err)
	}
	try(t, "", "backup", copied, "--server", url).refused(t, exitFailure, "on another machine")
	if err := os.Rename(dir+" elsewhere", dir); err != nil {
		t.Fatal(err)
	}
	memory, _, _ := served(t, "--profile", "dev")
	try(t, "", "backup", copied, "--server", memory).refused(t, exitFailure, "in no folder")
}

func TestABackupTakesNoFolderOfOthers(t *testing.T) {
	dir, other, home := aDay(t), guaranteed(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "notes.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{
		home:                             "it holds notes.txt (name an empty folder",
		other:                            "it holds log ",
		dir:                              "lies in " + dir + " itself",
		link:                             "name a folder apart from it",
		filepath.Join(dir, "copy"):       "name a folder apart from it",
		filepath.Join(home, "notes.txt"): "not a directory",
	} {
		try(t, "", "backup", to, "--data", dir).refused(t, exitFailure, want)
	}
	try(t, "", "backup", home, "--server", "nats://127.0.0.1:1").refused(t, exitUnavailable, "is it running?")
	try(t, "", "backup", home, "--data", filepath.Join(home, "none")).refused(t, exitFailure, "there is no folder")
	try(t, "", "backup").refused(t, exitUsage, "DIR is missing")
}

func TestABackupOfADamagedLogIsRefused(t *testing.T) {
	dir, copied := aDay(t), filepath.Join(t.TempDir(), "backup")
	flipABit(t, filepath.Join(dir, "log"))
	try(t, "", "backup", copied, "--data", dir).refused(t, exitVerify, "log damaged", filepath.Join(dir, "log", "00000001.seg"))
	try(t, "", "replay", "--data", copied).refused(t, exitVerify, "log damaged")
}
