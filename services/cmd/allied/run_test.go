package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/readable"
	"go.uber.org/zap"
)

const dayStream = "pledge-e2f2354f-2ca5-521b-a858-c6df3acd0c71"

// aDay is a folder after the commands of testdata/day.jsonl: one pledge, three allocations, one of them undisclosed, one beyond the cap, and
// one more that was refused.
func aDay(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ledger")
	r := try(t, "", "submit", filepath.Join("testdata", "day.jsonl"), "--data", dir, "-o", "jsonl")
	if r.code != exitFailure {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	golden(t, "submit.stderr", r.stderr)
	return dir
}

func TestADayAtWork(t *testing.T) {
	dir := aDay(t)
	sums := []string{"balances", "--basis", "donor_stated", "--stage", "committed,allocated,over:allocated", "--reached", "--by", "donor,category"}
	for _, view := range []struct {
		name string
		args []string
	}{
		{"balances", sums},
		{"quantities", []string{"balances", "--basis", "quantity", "--stage", "allocated", "--standing"}},
		{"pledges", []string{"pledges"}},
		{"over", []string{"pledges", "--over", "--donor", "NOR", "--limit", "1"}},
		{"pledge", []string{"pledge", "show", "EX-1"}},
		{"events", []string{"events", "--decode"}},
		{"replay", []string{"replay"}},
		{"state", []string{"debug", "state", dayStream, "--at", "1"}},
	} {
		for _, form := range forms {
			if view.name == "state" && form == formCSV || view.name == "replay" && form != formJSON {
				continue
			}
			t.Run(view.name+"."+form, func(t *testing.T) {
				golden(t, view.name+"."+form, must(t, append(view.args, "--data", dir, "-o", form)...))
			})
		}
	}
}

const (
	moveShipment = "shipment-7d1f5a30-0000-4000-8000-000000000002"
	movePayment  = "payment-7d1f5a30-0000-4000-8000-000000000003"
	moveLoan     = "payment-7d1f5a30-0000-4000-8000-000000000004"
)

// moved is a folder after the commands of testdata/moves.jsonl, one after the other: a shipment of which one truck is lost on the way and two
// are never sent, a payment of which a part comes back to be owed again, and a loan that is booked in another currency. One dispatch is refused.
func moved(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ledger")
	text, err := os.ReadFile(filepath.Join("testdata", "moves.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	refused := ""
	for line := range strings.Lines(string(text)) {
		if r := try(t, line, "submit", "-", "--data", dir, "-o", "jsonl"); r.code != exitOK {
			refused += r.stdout
		}
	}
	golden(t, "moves.refused", refused)
	return dir
}

func TestShipmentsAndPaymentsAtWork(t *testing.T) {
	dir := moved(t)
	for _, view := range []struct {
		name string
		args []string
	}{
		{"shipments", []string{"shipments", "--status", "handed_over"}},
		{"shipment", []string{"shipment", "show", moveShipment}},
		{"payments", []string{"payments", "--donor", "SWE"}},
		{"payment", []string{"payment", "show", strings.TrimPrefix(movePayment, "payment-")}},
		{"loan", []string{"payment", "show", moveLoan}},
		{"exceptions", []string{"exceptions", "--status", "all"}},
		{"exceptions_summary", []string{"exceptions", "--summary"}},
		{"state_shipment", []string{"debug", "state", moveShipment}},
		{"state_payment", []string{"debug", "state", movePayment}},
	} {
		for _, form := range forms {
			if strings.HasPrefix(view.name, "state") && form != formJSON {
				continue
			}
			t.Run(view.name+"."+form, func(t *testing.T) {
				golden(t, view.name+"."+form, must(t, append(view.args, "--data", dir, "-o", form)...))
			})
		}
	}
	if verified := must(t, "replay", "--verify", "--data", dir, "-o", "json"); !strings.Contains(verified, `"verified": true`) {
		t.Errorf("printed %s", verified)
	}
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"shipments", "--status", "open"}, exitUsage, []string{"--status", `"open" is not known here`, "planned, dispatched, arrived, handed_over, closed; use one of them"}},
		{[]string{"shipments", "--donor", "ZZZ"}, exitUsage, []string{"--donor", "ISO 3166-1 alpha-3 code such as POL"}},
		{[]string{"shipments", "--category", "XYZ"}, exitUsage, []string{"--category", "such as MIL.AIRDEF"}},
		{[]string{"payments", "--donor", "Sweden"}, exitUsage, []string{"--donor", `did you mean "SWE"?`}},
		{[]string{"payments", "--pledge", movePayment}, exitUsage, []string{"--pledge", "is not a pledge's stream"}},
		{[]string{"exceptions", "--kind", "lost,shrot"}, exitUsage, []string{"--kind", `"shrot" is not known here`, `did you mean "short"?`}},
		{[]string{"exceptions", "--status", "closed"}, exitUsage, []string{"--status", "open, resolved, all"}},
		{[]string{"exceptions", "--older-than", "30"}, exitUsage, []string{"--older-than", "write 30d"}},
		{[]string{"exceptions", "--older-than", "9999999d"}, exitUsage, []string{"--older-than", "write 30d"}},
		{[]string{"exceptions", "--min-amount", "5"}, exitUsage, []string{"--asset", "name the asset"}},
		{[]string{"exceptions", "--stream", "x"}, exitUsage, []string{"--stream", "by the UUID alone"}},
		{[]string{"exceptions", "--summary", "--limit", "3"}, exitUsage, []string{"--summary"}},
		{[]string{"shipment", "show", movePayment}, exitFailure, []string{"allied shipment show: ID: there is no shipment", "list the shipments"}},
		{[]string{"payment", "show"}, exitUsage, []string{"ID is missing"}},
		{[]string{"debug", "state", "statement-7d1f5a30-0000-4000-8000-000000000009"}, exitUsage, []string{"pledge, shipment, payment"}},
	} {
		try(t, "", append(c.args, "--data", dir)...).refused(t, c.code, c.says...)
	}
}

func TestAFileSentTwiceRecordsNothing(t *testing.T) {
	dir := aDay(t)
	before := must(t, "replay", "--data", dir, "-o", "json")
	r := try(t, "", "submit", filepath.Join("testdata", "day.jsonl"), "--data", dir)
	r.refused(t, exitFailure, "4 repeated, 1 refused")
	if after := must(t, "replay", "--data", dir, "-o", "json"); stateHash(t, after) != stateHash(t, before) {
		t.Errorf("the state changed from %s to %s", before, after)
	}
}

func stateHash(t *testing.T, document string) string {
	t.Helper()
	var doc struct {
		StateHash string `json:"state_hash"`
	}
	if err := json.Unmarshal([]byte(document), &doc); err != nil || len(doc.StateHash) != 64 {
		t.Fatalf("no state hash in %s: %v", document, err)
	}
	return doc.StateHash
}

func TestReplayOfACopyGivesTheSameHash(t *testing.T) {
	dir, copied := aDay(t), filepath.Join(t.TempDir(), "copy")
	first := must(t, "replay", "--verify", "--data", dir, "-o", "json")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	second := must(t, "replay", "--verify", "--data", copied, "-o", "json")
	if stateHash(t, first) != stateHash(t, second) || !strings.Contains(second, `"verified": true`) {
		t.Errorf("the copy says %s, the original %s", second, first)
	}
}

func TestAFalsifiedViewIsNamed(t *testing.T) {
	dir := aDay(t)
	must(t, "replay", "--verify", "--data", dir)
	falsify(t, filepath.Join(dir, "views.db"))
	r := try(t, "", "replay", "--verify", "--data", dir, "-o", "json")
	r.refused(t, exitVerify, "verification failed: view balances", "differs from the log", "table balances", "column", "the log gives", "once it is moved away, it is rebuilt")
	if !strings.Contains(r.stdout, `"verified": false`) {
		t.Errorf("printed %s", r.stdout)
	}
}

// falsify changes one amount of the balances, and leaves the view at its checkpoint.
func falsify(t *testing.T, path string) {
	t.Helper()
	sink, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	at, err := sink.Open(t.Context(), balances.Spec)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([][]engine.Row, len(balances.Spec.Tables))
	err = sink.View(t.Context(), func(s engine.Snapshot) error {
		for i, table := range balances.Spec.Tables {
			for row, err := range s.Scan(t.Context(), table, engine.Range{}) {
				if err != nil {
					return err
				}
				rows[i] = append(rows[i], slices.Clone(row))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range rows[0][0] {
		if v.Kind() == engine.Amount {
			rows[0][0][i] = engine.AmountOf(money.New(1))
		}
	}
	if err := sink.Reset(t.Context(), balances.Spec); err != nil {
		t.Fatal(err)
	}
	err = sink.Commit(t.Context(), engine.Checkpoint{Projection: at.Projection}, at, func(yield func(int, engine.Row) error) error {
		for i := range rows {
			for _, row := range rows[i] {
				if err := yield(i, row); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedLogIsNamed(t *testing.T) {
	dir := aDay(t)
	must(t, "replay", "--verify", "--data", dir)
	flipABit(t, filepath.Join(dir, "log"))
	try(t, "", "replay", "--verify", "--data", dir).refused(t, exitVerify, "verification failed", "log damaged", "at byte")
	try(t, "", "events", "--data", dir).refused(t, exitVerify, "log damaged")
}

func TestALogThatIsGoneIsNotBegunAgain(t *testing.T) {
	dir := aDay(t)
	must(t, "pledges", "--data", dir)
	if err := os.RemoveAll(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "log"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"pledges"}, {"submit", filepath.Join("testdata", "day.jsonl")}, {"serve"}, {"replay", "--verify"}, {"events"}} {
		try(t, "", append(args, "--data", dir)...).refused(t, exitVerify, "log damaged", "head file is missing", "restore")
	}
}

// flipABit changes the middle of the log's largest file.
func flipABit(t *testing.T, dir string) {
	t.Helper()
	var largest string
	var size int64
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > size {
			largest, size = path, info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(largest)
	if err != nil {
		t.Fatal(err)
	}
	data[1000] ^= 1
	if err := os.WriteFile(largest, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFramesAreShownByTheByte(t *testing.T) {
	dir := aDay(t)
	first := must(t, "events", "--limit", "1", "--data", dir, "-o", "jsonl")
	var e readable.Entry
	if err := json.Unmarshal([]byte(first), &e); err != nil {
		t.Fatal(err)
	}
	at := number(&e.Position)
	shown := must(t, "debug", "frame", at, "--data", dir)
	for _, want := range []string{"position     " + at, dayStream + " @ 0", "sha256", "PledgeCommitted", `"amount": "1000625.00"`, "\nframe bytes\n00000000", "crc32c", "00000001.seg"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the frame lacks %q:\n%s", want, shown)
		}
	}
	try(t, "", "debug", "frame", "1", "--data", dir).refused(t, exitFailure, "no entry is at position 1: the first is at "+at)
	for _, absent := range []string{"0", "99999999"} {
		try(t, "", "debug", "frame", absent, "--data", dir).refused(t, exitFailure, "no entry is at position "+absent+": the last is at ")
	}
}

func TestCSVQuotesWhatItMust(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	line := `{"donor":"NOR","beneficiary":"UKR","effective":"2024-03-01","commit_pledge":{"title":"a \"quoted\", split\ntitle","commitments":[{"firmness":"firm",` +
		`"line":{"category":"MIL.AIRDEF","instrument":"grant","values":[{"basis":"donor_stated","asset":"EUR/2@donor_stated","amount":"1"}]}}]}}`
	if r := try(t, line, "submit", "-", "--data", dir, "-o", "jsonl"); r.code != exitOK {
		t.Fatal(r.stderr)
	}
	rows, err := csv.NewReader(strings.NewReader(must(t, "pledges", "--data", dir, "-o", "csv"))).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][3] != "a \"quoted\", split\ntitle" {
		t.Errorf("read back %q: %v", rows, err)
	}
}

var address = regexp.MustCompile(`nats://[0-9.:]+`)

// served runs `allied serve` on a folder in this process, and returns its address and what stops it and returns its exit code.
func served(t *testing.T, args ...string) (url string, stop func() int, messages *watchedWriter) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, messages := newWatchedWriter(), newWatchedWriter()
	ended := make(chan int, 1)
	running, over := context.WithCancel(t.Context())
	go func() {
		defer over()
		ended <- run(ctx, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...), strings.NewReader(""), out, messages)
	}()
	out.await(running, t, regexp.MustCompile(`Ctrl-C`))
	code := -1
	stop = func() int {
		if cancel(); code < 0 {
			code = <-ended
		}
		return code
	}
	t.Cleanup(func() { stop() })
	return out.await(t.Context(), t, address), stop, messages
}

func TestCommandsFindTheServerOfAFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	url, stop, messages := served(t, "--data", dir)
	day := filepath.Join("testdata", "day.jsonl")
	try(t, "", "submit", day, "--data", dir).refused(t, exitFailure, "4 recorded, 1 refused")
	try(t, "", "submit", day, "--server", url).refused(t, exitFailure, "4 repeated, 1 refused")
	byFolder, byServer := must(t, "events", "--data", dir, "-o", "csv"), must(t, "events", "--server", url, "-o", "csv")
	if byFolder != byServer || strings.Count(byFolder, "\n") != 5 {
		t.Errorf("the folder says\n%s\nthe server\n%s", byFolder, byServer)
	}
	one := must(t, "events", "--server", url, "--stream", dayStream, "--after", "1100", "--limit", "1", "-o", "jsonl")
	if strings.Count(one, "\n") != 1 || !strings.Contains(one, `"revision":2`) {
		t.Errorf("one event of the stream: %s", one)
	}
	must(t, "replay", "--verify", "--data", dir)
	try(t, "", "serve", "--data", dir).refused(t, exitUnavailable, "is served by process", url, "stop it")
	if code := stop(); code != exitOK {
		t.Errorf("serve ended with %d: %s", code, messages)
	}
	must(t, "pledges", "--data", dir)
}

func TestNobodyIsThere(t *testing.T) {
	for _, args := range [][]string{
		{"balances", "--basis", "tracker", "--stage", "committed"},
		{"pledges"},
		{"pledge", "show", "x"},
		{"shipments"},
		{"shipment", "show", "x"},
		{"payments"},
		{"payment", "show", "x"},
		{"exceptions"},
		{"events"},
		{"submit", filepath.Join("testdata", "day.jsonl")},
	} {
		try(t, "", append(args, "--server", "nats://127.0.0.1:1")...).refused(t, exitUnavailable, "nats://127.0.0.1:1", "is it running?")
	}
}

func TestAFolderInUseIsRefused(t *testing.T) {
	dir := aDay(t)
	// A process that holds the folder and serves nobody else, as an import does.
	node, err := boot.Start(t.Context(), boot.Config{DataDir: dir, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := node.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	if err := os.Remove(filepath.Join(dir, "server.json")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"submit", filepath.Join("testdata", "day.jsonl")}, {"pledges"}, {"serve"}} {
		try(t, "", append(args, "--data", dir)...).refused(t, exitUnavailable, dir, "in use by another process")
	}
	if events := must(t, "events", "--data", dir, "-o", "csv"); strings.Count(events, "\n") != 5 {
		t.Errorf("beside it the log reads\n%s", events)
	}
	if err := os.WriteFile(filepath.Join(dir, "server.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
}
