package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/sink/postgres/postgrestest"
	"github.com/allied-ledger/allied/services/internal/boot"
	"go.uber.org/zap"
)

// storeURL is that of an empty store on a server of KurrentDB's protocol.
func storeURL(t *testing.T) string {
	t.Helper()
	store := kurrenttest.NewStore(kurrenttest.StoreConfig{AppendBytesMax: 16_000_000})
	return kurrenttest.StartT(t, store, kurrenttest.NodeConfig{}).URL()
}

// The tracker's file gives the same balances, byte for byte, and the same views, wherever log and views are kept.
func TestTheTrackerIsTheSameOnEveryStore(t *testing.T) {
	file := filepath.Join("..", "..", "..", "..", "shared", "data", "kiel", "UST_main_data_to_2024-06.xlsx")
	if _, err := os.Stat(file); err != nil {
		t.Skip("shared data absent: ../shared/data/kiel/UST_main_data_to_2024-06.xlsx")
	}
	n, err := boot.Start(t.Context(), boot.Config{Profile: boot.ProfileDev, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	dir := t.TempDir()
	database := postgrestest.Start(t)
	places := map[string][]string{
		"memory":              {"--server", n.URL()},
		"folder":              {"--data", filepath.Join(dir, "folder")},
		"server":              {"--store", storeURL(t), "--data", filepath.Join(dir, "beside")},
		"server and database": {"--store", storeURL(t), "--views", database.URL(t)},
		"folder and database": {"--data", filepath.Join(dir, "log"), "--views", database.URL(t)},
	}
	var figures, sums, hash string
	for _, name := range slices.Sorted(maps.Keys(places)) {
		at := places[name]
		must(t, append([]string{"import", "kiel", file, "--release", "2024-06", "-q"}, at...)...)
		var state string
		if name == "memory" {
			state = hashOf(t, n)
		}
		got := withoutColumns(t, must(t, append([]string{
			"balances", "--basis", "tracker", "--stage", "committed,allocated,handed_over", "--reached", "--instruments", "all",
			"--by", "donor,category,instrument", "-o", "csv",
		}, at...)...), "position", "ordinal")
		if name != "memory" {
			asked := withoutColumns(t, must(t, append([]string{
				"sql", "-o", "csv", "SELECT donor, stage, asset, exact_sum(reached) AS reached, decimal(exact_sum(standing), asset) AS standing, sum(unknown) AS unknown " +
					"FROM balances GROUP BY donor, stage, asset ORDER BY donor, stage, asset",
			}, viewsOf(at)...)...), trueAt)
			if sums == "" {
				sums = asked
			}
			if asked != sums || len(asked) < 10_000 {
				t.Errorf("%s: SQL answers %d bytes, not the %d of the others", name, len(asked), len(sums))
			}
			var doc struct {
				StateHash string `json:"state_hash"`
				Verified  bool   `json:"verified"`
			}
			if err := json.Unmarshal([]byte(must(t, append([]string{"replay", "--verify", "-o", "json"}, at...)...)), &doc); err != nil || !doc.Verified {
				t.Fatalf("%s: %+v, %v", name, doc, err)
			}
			state = doc.StateHash
		}
		if figures == "" {
			figures, hash = got, state
		}
		if got != figures || len(got) < 10_000 {
			t.Errorf("%s: %d bytes of figures, not the %d of the others", name, len(got), len(figures))
		}
		if state != hash || hash == "" {
			t.Errorf("%s: state hash %s, not %s", name, state, hash)
		}
	}
}

// hashOf is the state hash of a ledger that is served, whose views hold all of it then.
func hashOf(t *testing.T, n *boot.Node) string {
	t.Helper()
	ledger, disconnect, err := boot.Connect(t.Context(), boot.Target{Server: n.URL()}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := disconnect(); err != nil {
			t.Error(err)
		}
	}()
	if err := awaitViews(t.Context(), ledger); err != nil {
		t.Fatal(err)
	}
	r, err := engine.Replay(t.Context(), ledger.Read(t.Context(), 0), boot.Projections()...)
	if err != nil {
		t.Fatal(err)
	}
	return r.StateHash
}

// viewsOf leaves of a place what says where its views are.
func viewsOf(at []string) []string {
	if i := slices.Index(at, "--views"); i >= 0 {
		return at[i : i+2]
	}
	return at
}

// withoutColumns is a table as CSV without the columns that say what it is true at.
func withoutColumns(t *testing.T, text string, names ...string) string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		i := slices.Index(rows[0], name)
		for r := range rows {
			rows[r] = slices.Delete(rows[r], i, i+1)
		}
	}
	return fmt.Sprint(rows)
}

func TestAStoreIsReadAndCopiedByItsAddress(t *testing.T) {
	url, dir := storeURL(t), t.TempDir()
	try(t, "", "events", "--store", url).refused(t, exitFailure, "holds no log")
	try(t, "", "store", "copy", url, filepath.Join(dir, "copy")).refused(t, exitFailure, url, "holds no log")
	if _, err := os.Stat(filepath.Join(dir, "copy")); err == nil {
		t.Error("a copy of nothing has begun a ledger")
	}
	example := filepath.Join("..", "..", "..", "docs", "reference", "example.jsonl")
	must(t, "submit", example, "--store", url)
	events := strings.Count(must(t, "events", "--store", url, "-o", "jsonl"), "\n")
	if events < 10 {
		t.Fatalf("%d events", events)
	}
	if got := must(t, "store", "copy", url, filepath.Join(dir, "copy"), "-o", "json"); !strings.Contains(got, fmt.Sprintf(`"copied": %d`, events)) {
		t.Errorf("%s", got)
	}
	for _, args := range [][]string{
		{"events", "--limit", "3", "--decode"}, {"replay", "--verify"}, {"pledges"}, {"exceptions"},
	} {
		must(t, append(args, "--store", url, "--data", filepath.Join(dir, "views"))...)
		must(t, append(args, "--data", filepath.Join(dir, "copy"))...)
	}
	if got := must(t, "import", "kiel", quirks(t), "--release", "x", "--dry-run", "--store", url); !strings.Contains(got, "kiel") {
		t.Errorf("%s", got)
	}
}

func quirks(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("..", "..", "importing", "kiel", "testdata", "*.csv"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no rows to import: %v", err)
	}
	return found[0]
}

func TestStoresThatCannotBeUsedAreNamed(t *testing.T) {
	gone := "esdb://ledger:secret@127.0.0.1:1?tls=false"
	dir := t.TempDir()
	for name, c := range map[string]struct {
		code   int
		wanted string
		args   []string
	}{
		"not there":           {exitUnavailable, "127.0.0.1:1", []string{"events", "--store", gone}},
		"to serve":            {exitUnavailable, "127.0.0.1:1", []string{"serve", "--roles", "recorder", "--store", gone}},
		"to copy":             {exitUnavailable, "127.0.0.1:1", []string{"store", "copy", gone, dir}},
		"no address":          {exitUsage, "esdb://host:2113", []string{"events", "--store", "127.0.0.1:2113"}},
		"and a server":        {exitUsage, "--server", []string{"events", "--store", gone, "--server", "nats://127.0.0.1:4222"}},
		"views of a server":   {exitUsage, "--views", []string{"pledges", "--views", "postgres://127.0.0.1:1/x", "--server", "nats://127.0.0.1:4222"}},
		"views nowhere":       {exitUsage, "postgres://", []string{"pledges", "--views", "mysql://x"}},
		"in memory":           {exitFailure, "memory", []string{"serve", "--profile", "dev", "--store", gone}},
		"a misspelt setting":  {exitFailure, `"tsl"`, []string{"events", "--store", "esdb://127.0.0.1:1?tsl=false"}},
		"backup":              {exitUsage, "store copy", []string{"backup", filepath.Join(dir, "b"), "--store", gone}},
		"doctor":              {exitUsage, "--store", []string{"doctor", "--store", gone}},
		"copy onto itself":    {exitFailure, "itself", []string{"store", "copy", dir, dir}},
		"copy from nothing":   {exitFailure, "no folder", []string{"store", "copy", filepath.Join(dir, "none"), filepath.Join(dir, "to")}},
		"copy with --data":    {exitUsage, "--data", []string{"store", "copy", dir, gone, "--data", dir}},
		"copy at no speed":    {exitUsage, "-1", []string{"store", "copy", dir, gone, "--events-per-second", "-1"}},
		"copy to one missing": {exitUsage, "TO", []string{"store", "copy", dir}},
	} {
		t.Run(name, func(t *testing.T) {
			r := try(t, "", c.args...)
			r.refused(t, c.code, c.wanted)
			if strings.Contains(r.stderr, "secret") {
				t.Errorf("the password is shown: %s", r.stderr)
			}
		})
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	for address, want := range map[string]string{
		"postgres://allied:secret@db/x?sslmode=require": "postgres://allied@db/x",
		"postgres:///x?host=/run&password=secret":       "postgres:///x",
		"postgres://db/x":        "postgres://db/x",
		"postgres://%zz:secret@": "a database",
	} {
		if got := withoutSecret(address); got != want {
			t.Errorf("%s is shown as %s", address, got)
		}
	}
}
