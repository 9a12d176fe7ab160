package boot_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/sink/postgres"
	"github.com/allied-ledger/allied/projections/sink/postgres/postgrestest"
	"github.com/allied-ledger/allied/services/internal/boot"
	"go.uber.org/zap/zaptest"
)

// A ledger whose log and views are on servers says which of them is away, records nothing that it does not have, and goes on when they are back.
func TestServersOfLogAndViewsComeAndGo(t *testing.T) {
	database := postgrestest.Start(t)
	store := kurrenttest.NewStore(kurrenttest.StoreConfig{AppendBytesMax: 16_000_000})
	server := kurrenttest.StartT(t, store, kurrenttest.NodeConfig{})
	n, _ := start(t, boot.Config{DataDir: t.TempDir(), Store: server.URL(), Views: database.URL(t), HTTPListen: freePort})
	c, disconnect := connect(t, boot.Target{Server: n.URL()})
	defer disconnect()
	submit(t, c, commit("5.00"), "recorded")
	awaitReady(t, n, http.StatusOK)

	if err := database.Crash(); err != nil {
		t.Fatal(err)
	}
	f := failing(awaitReady(t, n, http.StatusServiceUnavailable))
	if !strings.HasPrefix(f.Check, "view ") || f.Remedy == "" || strings.Contains(f.Found, "\n") {
		t.Errorf("without the views' database: %+v", f)
	}
	submit(t, c, commit("6.00"), "recorded") // which the log alone decides
	if err := database.Run(); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, n, http.StatusOK)
	head, _, err := c.Head(t.Context())
	if err == nil {
		err = boot.AwaitViews(t.Context(), c, head.Position)
	}
	if err != nil || committed(t, c) != "11.00" {
		t.Errorf("when it is back: %v", err)
	}

	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	f = failing(awaitReady(t, n, http.StatusServiceUnavailable))
	for f.Check != "recorder" || !strings.Contains(f.Found, "store_unreachable") { // until the log is known to be gone
		f = failing(awaitReady(t, n, http.StatusServiceUnavailable))
	}
	if f.Remedy == "" {
		t.Errorf("without the store: %+v", f)
	}
	late := commit("7.00")
	impatient, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if a, err := c.Submit(impatient, late); err == nil && a.GetOutcome() == "recorded" {
		t.Errorf("a command is recorded without a store: %v", a)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, n, http.StatusOK)
	if a, err := c.Submit(t.Context(), late); err != nil || a.GetOutcome() != "recorded" && a.GetOutcome() != "repeated" {
		t.Errorf("when the store is back: %v, %v", a, err)
	}
}

// A program that asks beside a process of another version, which holds the views, does not wait for ever.
func TestAQueryBesideAProcessOfAnotherVersionGivesUp(t *testing.T) {
	url := postgrestest.Start(t).URL(t)
	server := kurrenttest.StartT(t, kurrenttest.NewStore(kurrenttest.StoreConfig{AppendBytesMax: 16_000_000}), kurrenttest.NodeConfig{})
	n, stop := start(t, boot.Config{Store: server.URL(), Roles: []string{boot.Recorder, boot.Pledges}})
	c, disconnect := connect(t, boot.Target{Server: n.URL()})
	submit(t, c, commit("5.00"), "recorded")
	disconnect()
	stop()
	other, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	spec := balances.Spec
	spec.Version++
	if _, err := other.Open(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	patient, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, _, err = boot.Connect(patient, boot.Target{Store: server.URL(), Views: url, ReadOnly: true}, zaptest.NewLogger(t))
	if err == nil || patient.Err() != nil || !strings.Contains(err.Error(), "another process") || !strings.Contains(err.Error(), "balances") {
		t.Fatal(err)
	}
}

// Another process keeps the same log and the same views: it answers, and takes over.
func TestASecondProcessTakesOver(t *testing.T) {
	url := postgrestest.Start(t).URL(t)
	store := kurrenttest.NewStore(kurrenttest.StoreConfig{AppendBytesMax: 16_000_000})
	server := kurrenttest.StartT(t, store, kurrenttest.NodeConfig{})
	deciders := []string{boot.Recorder, boot.Pledges, boot.Shipments, boot.Payments, boot.Imports}
	home, _ := start(t, boot.Config{Store: server.URL(), Roles: deciders})
	both := boot.Config{NATSURL: home.URL(), Store: server.URL(), Views: url, Roles: []string{boot.Recorder, boot.Views}, HTTPListen: freePort}
	_, stopFirst := start(t, both)
	second, _ := start(t, both)
	c, disconnect := connect(t, boot.Target{Server: home.URL()})
	defer disconnect()
	for round := range 4 {
		if round == 2 {
			stopFirst()
		}
		submit(t, c, commit("5.00"), "recorded")
		head, _, err := c.Head(t.Context())
		if err == nil {
			err = boot.AwaitViews(t.Context(), c, head.Position)
		}
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if got := committed(t, c); got != []string{"5.00", "10.00", "15.00", "20.00"}[round] {
			t.Errorf("round %d: %s committed", round, got)
		}
	}
	awaitReady(t, second, http.StatusOK)
}
