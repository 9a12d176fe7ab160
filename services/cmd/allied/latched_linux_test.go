package main

import (
	"context"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/google/uuid"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// TestALatchedStoreIsNotReady takes from the real program the right to write, as a failing disk does: it says so until it is started again.
func TestALatchedStoreIsNotReady(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	start := func() (process int, kill func()) {
		t.Helper()
		cmd := allied(t, "serve", "--data", dir, "--listen", "127.0.0.1:0")
		out, messages := newWatchedWriter(), newWatchedWriter()
		cmd.Stdout, cmd.Stderr = out, messages
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out.await(t.Context(), t, regexp.MustCompile(`Ctrl-C stops it`))
		return cmd.Process.Pid, func() {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // it was killed
		}
	}
	pid, kill := start()
	record(t, dir)
	url := httpURL(t, dir)
	awaitStatus(t, url+"/readyz", http.StatusOK)
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 100, Max: 100}, nil); err != nil {
		t.Fatal(err)
	}
	ledger, disconnect, err := boot.Connect(t.Context(), boot.Target{DataDir: dir}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := disconnect(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	submitted := make(chan *apiv1.Answer, 1)
	go func() {
		a, _ := ledger.Submit(ctx, &apiv1.Command{ // repeated until ctx ends
			CommandId: uuid.NewString(), Donor: "NOR", Beneficiary: "UKR", Effective: "2024-03-01",
			Body: &apiv1.Command_CommitPledge{CommitPledge: &apiv1.CommitPledge{Title: "Air defence", Commitments: []*apiv1.CommitLine{{
				Firmness: "firm", Line: &apiv1.Line{Category: "MIL.AIRDEF", Instrument: "grant", Values: []*apiv1.Value{
					{Basis: "donor_stated", Asset: "EUR/2@donor_stated", Amount: "1.00"},
				}},
			}}}},
		})
		submitted <- a
	}()
	body := awaitStatus(t, url+"/readyz", http.StatusServiceUnavailable)
	for _, want := range []string{`"check": "recorder"`, "store_latched", "file too large", `"remedy": "restart the ledger`} {
		if !strings.Contains(body, want) {
			t.Errorf("/readyz lacks %q: %s", want, body)
		}
	}
	cancel()
	if a := <-submitted; a.GetOutcome() == "recorded" {
		t.Errorf("recorded by a latched store: %v", a)
	}
	if metrics := awaitStatus(t, url+"/metrics", http.StatusOK); !strings.Contains(metrics, "\nallied_log_writable 0\n") {
		t.Errorf("/metrics says\n%s", metrics)
	}
	if doc, _ := diagnosed(t, "--data", dir); doc.find("recorder").Status != checkFail || !strings.Contains(doc.find("recorder").Found, "store_latched") {
		t.Errorf("the doctor finds %+v", doc)
	}
	kill()
	_, kill = start()
	defer kill()
	awaitStatus(t, httpURL(t, dir)+"/readyz", http.StatusOK)
}
