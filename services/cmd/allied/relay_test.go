package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/services/relay"
)

// streamed returns the report of the events' stream once it is right.
func streamed(t *testing.T, url string, right func(relay.Report) bool) relay.Report {
	t.Helper()
	for {
		r := try(t, "", "relay", "status", "--server", url, "-o", "json")
		var doc relayDoc
		if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || len(doc.Streams) == 0 {
			t.Fatalf("%v: %s%s", err, r.stdout, r.stderr)
		}
		if got := doc.Streams[0]; right(got) {
			if held := r.code == exitFailure; held != (got.Held != nil) {
				t.Fatalf("exit code %d: %s", r.code, r.stdout)
			}
			return got
		}
	}
}

// An operator sees that a stream was lost, and says where it goes on while the server runs.
func TestALostStreamIsRefilled(t *testing.T) {
	dir := t.TempDir()
	url, stop, _ := served(t, "--data", dir, "--sample", "--listen", "none")
	all := streamed(t, url, func(r relay.Report) bool { return r.Messages > 100 && r.Next == r.LogEvents }).LogEvents
	stop()
	if err := os.RemoveAll(filepath.Join(dir, "events.streams")); err != nil {
		t.Fatal(err)
	}
	url, stop, _ = served(t, "--data", dir, "--listen", "none")
	defer stop()
	lost := streamed(t, url, func(r relay.Report) bool { return r.Held != nil })
	if lost.Messages != 0 || !strings.Contains(lost.Held.Remedy, "--from 0") {
		t.Errorf("%+v", lost)
	}
	if doc, code := diagnosed(t, "--data", dir); code != exitFailure || doc.find("relay ALLIED_EVENTS").Status != checkFail {
		t.Errorf("exit code %d: %+v", code, doc)
	}
	if table := try(t, "", "relay", "status", "--data", dir); !strings.Contains(table.stdout, "held") {
		t.Errorf("%s", table.stdout)
	}
	try(t, "", "relay", "refill", "--data", dir).refused(t, exitUsage, "--from is missing")
	try(t, "", "relay", "refill", "--from", "1", "--stream", "S", "--data", dir).refused(t, exitUsage, "ALLIED_EVENTS_JSON")
	try(t, "", "relay", "refill", "--from", "999999", "--data", dir).refused(t, exitFailure, "out_of_range")
	must(t, "relay", "refill", "--from", "10", "--data", dir)
	if got := streamed(t, url, func(r relay.Report) bool { return r.Next == all }); got.Held != nil || got.Messages != all-10 {
		t.Errorf("%+v", got)
	}
	if doc, code := diagnosed(t, "--data", dir); code != exitOK || doc.find("relay ALLIED_EVENTS").Status != checkOK {
		t.Errorf("exit code %d: %+v", code, doc)
	}
}

func TestRelayWithoutAServer(t *testing.T) {
	try(t, "", "relay", "status", "--data", t.TempDir()).refused(t, exitUnavailable, "nobody serves", "allied serve")
	try(t, "", "serve", "--relay-json", "--roles", "recorder", "--data", t.TempDir()).refused(t, exitUsage, "--relay-json", "relay")
}
