package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/allied-ledger/allied/projections/pledges"
	"github.com/allied-ledger/allied/services/importing/kiel"
)

// TestBadInputIsAnsweredWithPlaceAndRemedy tries what a new user gets wrong. Nothing is recorded by any of it, and no folder is begun.
func TestBadInputIsAnsweredWithPlaceAndRemedy(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a-file")
	if err := os.WriteFile(file, []byte("no commands\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	empty, absent, day := filepath.Join(dir, "empty"), filepath.Join(dir, "absent"), filepath.Join("testdata", "day.jsonl")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		line string // words parted by blanks; FILE, DIR, EMPTY, ABSENT and DAY stand for the paths above
		code int
		want []string
	}{
		{"balnces --basis x", exitUsage, []string{`no command "balnces"`, `did you mean "balances"?`}},
		{"frobnicate", exitUsage, []string{`no command "frobnicate"`, "serve", "submit"}},
		{"debug fram", exitUsage, []string{`did you mean "frame"?`}},
		{"pledge shew x", exitUsage, []string{`did you mean "show"?`}},
		{"import kiell x", exitUsage, []string{`did you mean "kiel"?`}},
		{"events --limt 3", exitUsage, []string{"no flag --limt", "did you mean --limit?", "allied events --help"}},
		{"events -z", exitUsage, []string{"no flag -z"}},
		{"events --limit many", exitUsage, []string{`--limit is a whole number from 0, not "many"`}},
		{"events --limit -1", exitUsage, []string{`--limit is a whole number from 0, not "-1"`}},
		{"events --data", exitUsage, []string{"--data"}},
		{"events -o xml", exitUsage, []string{`"xml"`, "table, json, jsonl, csv"}},
		{"events --server nats://127.0.0.1:1 --data DIR", exitUsage, []string{"--server and --data", "one of them"}},
		{"events surplus", exitUsage, []string{`"surplus" is one argument too many`}},
		{"events --stream pledge-1 --data ABSENT", exitUsage, []string{`"pledge-1"`, "such as pledge-"}},
		{"events --data ABSENT", exitFailure, []string{"no folder " + absent, "serve --sample --data"}},
		{"events --data FILE", exitFailure, []string{file + " is a file", "--data names a folder"}},
		{"events --data EMPTY", exitFailure, []string{"no ledger in " + empty, "--data"}},
		{"submit", exitUsage, []string{"FILE is missing"}},
		{"submit ABSENT --data ABSENT", exitFailure, []string{"no file " + absent}},
		{"submit DIR --data ABSENT", exitFailure, []string{dir + " is a folder", "name a file"}},
		{"submit DAY --data FILE", exitFailure, []string{file + " is a file"}},
		{"import kiel", exitUsage, []string{"FILE is missing"}},
		{"import kiel FILE", exitUsage, []string{"--release is missing", "2024-06"}},
		{"import kiel FILE --release june/2024 --data ABSENT", exitUsage, []string{"june/2024", "such as 2024-06"}},
		{"import kiel FILE --release= --data ABSENT", exitUsage, []string{"--release is empty", "such as 2024-06"}},
		{"help frobnicate", exitUsage, []string{`no command "frobnicate"`, "serve", "submit"}},
		{"help balnces", exitUsage, []string{`no command "balnces"`, `did you mean "balances"?`}},
		{"help balances surplus", exitUsage, []string{`allied balances has no command "surplus"`, "allied balances --help"}},
		{"help debug fram", exitUsage, []string{`did you mean "frame"?`}},
		{"import kiel ABSENT --release 2024-06 --data ABSENT", exitFailure, []string{"no file " + absent}},
		{"import kiel DIR --release 2024-06 --data ABSENT", exitFailure, []string{dir + " is a folder"}},
		{"import kiel FILE --release 2024-06 --data ABSENT", exitFailure, []string{file, ".xlsx"}},
		{"import kiel FILE --release 2024-06 --dry-run --data ABSENT", exitFailure, []string{file, ".xlsx"}},
		{"balances", exitUsage, []string{"--basis donor_stated --stage committed"}},
		{"balances --basis tracker --stage committed --reached --standing", exitUsage, []string{"give one of them"}},
		{"balances --basis tracker --stage committed --data ABSENT", exitFailure, []string{"no folder " + absent}},
		{"balances --basis tracker --stage committed --data EMPTY", exitFailure, []string{"no ledger in " + empty}},
		{"pledges --limit some", exitUsage, []string{"--limit is a whole number"}},
		{"pledges --data FILE", exitFailure, []string{file + " is a file"}},
		{"pledge show", exitUsage, []string{"ID is missing"}},
		{"replay --data EMPTY", exitFailure, []string{"no ledger in " + empty}},
		{"replay --verify --data ABSENT", exitFailure, []string{"no folder " + absent}},
		{"replay --server nats://127.0.0.1:1", exitUsage, []string{"give --data instead"}},
		{"debug frame first", exitUsage, []string{`"first" is not a whole number`}},
		{"debug frame 1 --data EMPTY", exitFailure, []string{"no ledger in " + empty}},
		{"debug state nonsense", exitUsage, []string{`"nonsense"`, "such as pledge-"}},
		{"debug state statement-6ba7b810-9dad-51d1-80b4-00c04fd430c8", exitUsage, []string{`kind "statement"`, "pledge, shipment, payment, import"}},
		{"serve --profile prod", exitUsage, []string{`--profile "prod"`, "dev"}},
		{"serve --roles recrder --data ABSENT", exitUsage, []string{`no role "recrder"`, `did you mean "recorder"?`}},
		{"serve --release-draws-after -1h", exitUsage, []string{"--release-draws-after -1h", "0 for never"}},
		{"serve --release-draws-after 59.9s", exitUsage, []string{"--release-draws-after 59.9s", "1m0s or more", "0 for never"}},
		{"serve --release-draws-after tomorrow", exitUsage, []string{`--release-draws-after is a time such as 24h or 90m, not "tomorrow"`}},
		{"serve --port 99999", exitUsage, []string{"--port is a whole number from 0 to 65535"}},
		{"serve --port 4222 --nats nats://127.0.0.1:1", exitUsage, []string{"give one of them"}},
		{"serve --roles recorder --sample --data ABSENT", exitUsage, []string{"--sample", "--roles recorder", "add pledges"}},
		{"serve --data DIR", exitFailure, []string{dir + " holds no ledger, but a-file", "an empty folder"}},
		{"submit DAY --data DIR", exitFailure, []string{dir + " holds no ledger, but a-file", "an empty folder"}},
		{"events --server http://127.0.0.1:8080", exitUsage, []string{"an address of HTTP", "such as nats://"}},
		{"serve --server nats://127.0.0.1:1", exitUsage, []string{"--nats"}},
		{"serve --data FILE", exitFailure, []string{file + " is a file"}},
		{"serve --nats nats://127.0.0.1:1 --roles pledges --data ABSENT", exitUnavailable, []string{"nats://127.0.0.1:1"}},
	} {
		t.Run(test.line, func(t *testing.T) {
			args := strings.Fields(strings.NewReplacer("ABSENT", absent, "EMPTY", empty, "FILE", file, "DIR", dir, "DAY", day).Replace(test.line))
			r := try(t, "", args...)
			r.refused(t, test.code, test.want...)
			if r.stdout != "" {
				t.Errorf("printed %s", r.stdout)
			}
			if _, err := os.Stat(absent); err == nil {
				t.Errorf("began a ledger in %s", absent)
				if err := os.RemoveAll(absent); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestTheImporterTakesTheReleasesThatTheCommandTakes: the two judge alike.
func TestTheImporterTakesTheReleasesThatTheCommandTakes(t *testing.T) {
	for _, name := range []string{"", "2024-06", "2024/06", "a", "-a", ".a", "a_b.C-9", "a b", "ä", strings.Repeat("x", 64), strings.Repeat("x", 65)} {
		_, err := kiel.NewPlan(nil, name)
		if taken := !strings.Contains(err.Error(), "release"); taken != releaseForm.MatchString(name) {
			t.Errorf("release %q is taken by one of the two only: %v", name, err)
		}
	}
}

func TestALedgerBeginsAmongWhatOneLeavesBehind(t *testing.T) {
	dir, day := t.TempDir(), filepath.Join("testdata", "day.jsonl")
	for _, name := range []string{"lost+found", "index"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"server.lock", "policies.db", "policies.db-wal"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	try(t, "", "submit", day, "--data", dir).refused(t, exitFailure, "4 recorded")
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	try(t, "", "submit", day, "--data", dir).refused(t, exitFailure, "4 repeated") // beside a ledger, anything may lie
}

func TestHelpThatCannotBeWrittenIsAFailure(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, args := range [][]string{{"--help"}, {"balances", "--help"}, {"help", "balances"}, {"debug"}, {}, {"version"}} {
		var messages strings.Builder
		if code := run(t.Context(), args, strings.NewReader(""), full, &messages); code != exitFailure || strings.Count(messages.String(), "no space left") != 1 {
			t.Errorf("allied %v: exit code %d: %s", args, code, messages.String())
		}
	}
	if shown := must(t, "help", "balances"); shown != must(t, "balances", "--help") {
		t.Errorf("help shows\n%s", shown)
	}
}

func TestAnInterruptSaysSo(t *testing.T) {
	dir := aDay(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"replay"}, {"replay", "--verify"}} {
		var out, messages strings.Builder
		code := run(ctx, append(args, "--data", dir), strings.NewReader(""), &out, &messages)
		if code != exitFailure || !strings.Contains(messages.String(), "interrupted") || strings.Contains(messages.String(), "canceled") || out.Len() > 0 {
			t.Errorf("%v: exit code %d: %s%s", args, code, out.String(), messages.String())
		}
	}
}

func TestWordsThatAViewDoesNotKnowAreUsage(t *testing.T) {
	dir := aDay(t)
	for _, test := range []struct {
		line string
		code int
		want []string
	}{
		{"balances --basis tracer --stage committed", exitUsage, []string{`--basis: "tracer"`, `did you mean "tracker"?`}},
		{"balances --basis tracker --stage commited", exitUsage, []string{`--stage: "commited"`, `did you mean "committed"?`}},
		{"balances --basis tracker --stage committed --by doner", exitUsage, []string{`--by: "doner"`, `did you mean "donor"?`}},
		{"balances --basis tracker --stage committed --donor Norway", exitUsage, []string{"--donor", `did you mean "NOR"?`}},
		{"balances --basis tracker --stage committed --category MIL.TANKS", exitUsage, []string{"--category", "MIL.TANKS"}},
		{"balances --basis tracker --stage committed --instruments grants", exitUsage, []string{"--instruments", `did you mean "grant"?`}},
		{"balances --basis tracker --stage committed --asset EUR", exitUsage, []string{"--asset", "EUR/2@tracker"}},
		{"balances --basis tracker --stage committed --category-depth -1", exitUsage, []string{"--category-depth"}},
		{"pledges --status closed", exitUsage, []string{"--status", "open, fulfilled, lapsed"}},
		{"pledge show EX-2", exitFailure, []string{`"EX-2"`, "list pledges"}},
		{"debug state " + dayStream + " --at 7", exitFailure, []string{"ends at revision 3"}},
		{"debug state pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8", exitFailure, []string{"no stream", "allied pledges"}},
		{"debug state " + dayStream + " -o csv", exitUsage, []string{"use -o json"}},
	} {
		t.Run(test.line, func(t *testing.T) {
			try(t, "", append(strings.Fields(test.line), "--data", dir)...).refused(t, test.code, test.want...)
		})
	}
}

func TestABadLineStopsTheFileAndSaysWhatWasRecorded(t *testing.T) {
	day, err := os.ReadFile(filepath.Join("testdata", "day.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(day), "\n")
	text := lines[0] + `{"doner":"NOR"}` + "\n" + lines[2]
	dir := filepath.Join(t.TempDir(), "ledger")
	try(t, text, "submit", "-", "--data", dir).refused(t, exitFailure,
		"standard input: 1 command: 1 recorded", `standard input:2:2: Command has no field "doner"; did you mean "donor"?`, "nothing from this line on was sent", "--keep-going")
	if n := strings.Count(must(t, "events", "--data", dir, "-o", "jsonl"), "\n"); n != 1 {
		t.Errorf("%d events are recorded, want that of the line before", n)
	}
	try(t, text, "submit", "-", "--keep-going", "--data", dir).refused(t, exitFailure, "standard input:2:2", "1 recorded, 1 repeated, 1 line not sent")
	if n := strings.Count(must(t, "events", "--data", dir, "-o", "jsonl"), "\n"); n != 2 {
		t.Errorf("%d events are recorded, want those of both commands", n)
	}
}

func TestQuietKeepsErrorsOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	if r := try(t, "", "submit", filepath.Join("testdata", "day.jsonl"), "--data", dir, "--quiet"); r.stderr != "" || r.code != exitFailure {
		t.Errorf("exit code %d, said %q", r.code, r.stderr)
	}
	try(t, "", "pledge", "show", "x", "--data", dir, "-q").refused(t, exitFailure, `"x"`)
}

func TestAFolderThatMayNotBeReadIsNotAllowed(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("as root nothing is forbidden: only the exit code's rule is tested")
		if code := exitCode(&os.PathError{Op: "open", Path: "x", Err: syscall.EACCES}); code != exitNotAllowed {
			t.Errorf("exit code %d", code)
		}
		return
	}
	dir := aDay(t)
	if err := os.Chmod(filepath.Join(dir, "log"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(dir, "log"), 0o755)
	try(t, "", "events", "--data", dir).refused(t, exitNotAllowed, dir)
}

// TestAnInterruptEndsAWaitForInput: nothing ever comes on standard input.
func TestAnInterruptEndsAWaitForInput(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	silent, writer := io.Pipe()
	defer writer.Close()
	day, err := os.ReadFile(filepath.Join("testdata", "day.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(day), "\n")
	out, messages, ended := newWatchedWriter(), newWatchedWriter(), make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"submit", "-", "-o", "jsonl", "--data", filepath.Join(t.TempDir(), "ledger")}, silent, out, messages)
	}()
	if _, err := io.WriteString(writer, first+"\n"); err != nil {
		t.Fatal(err)
	}
	out.await(t.Context(), t, regexp.MustCompile(`"outcome":"recorded"`))
	cancel()
	if code := <-ended; code != exitFailure || !strings.Contains(messages.String(), "1 of the 1 command sent") {
		t.Errorf("exit code %d: %s", code, messages)
	}
}

// TestSignalsDrainThenEnd runs the real program.
func TestSignalsDrainThenEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		cmd := allied(t, "serve", "--data", dir, "--listen", "127.0.0.1:0")
		out, messages := newWatchedWriter(), newWatchedWriter()
		cmd.Stdout, cmd.Stderr = out, messages
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out.await(t.Context(), t, regexp.MustCompile(`Ctrl-C stops it`))
		try(t, "", "submit", filepath.Join("testdata", "day.jsonl"), "--data", dir).refused(t, exitFailure, "1 refused")
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v: %v: %s", signal, err, messages)
		}
	}
	must(t, "replay", "--verify", "--data", dir)
}

func TestAListingAsksPageAfterPage(t *testing.T) {
	asked := 0
	ask := func(req pledges.ListRequest) (pledges.Listing, error) {
		asked++
		l := pledges.Listing{Position: 7, Total: 5, Pledges: make([]pledges.Pledge, min(2, req.Limit)), Next: "more"}
		if asked == 3 {
			l.Position, l.Next = 9, ""
		}
		if asked > 1 && (req.Cursor != "more" || req.AtLeast != 7) {
			t.Errorf("page %d was asked for with %+v", asked, req)
		}
		return l, nil
	}
	doc, err := listPledges(pledges.ListRequest{}, 0, ask)
	if err != nil || len(doc.Pledges) != 6 || doc.Position != 7 || doc.LastPagePosition != 9 {
		t.Errorf("%+v, %v", doc, err)
	}
	asked = 0
	if doc, err = listPledges(pledges.ListRequest{}, 3, ask); err != nil || len(doc.Pledges) != 3 || doc.Next != "more" {
		t.Errorf("%+v, %v", doc, err)
	}
	failing := errors.New("gone")
	if _, err = listPledges(pledges.ListRequest{}, 0, func(pledges.ListRequest) (l pledges.Listing, _ error) { return l, failing }); !errors.Is(err, failing) {
		t.Errorf("%v", err)
	}
}
