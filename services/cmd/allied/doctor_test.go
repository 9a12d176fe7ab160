package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/filelog"
)

// diagnosed runs the doctor and returns its document and exit code.
func diagnosed(t *testing.T, args ...string) (doc doctorDoc, code int) {
	t.Helper()
	r := try(t, "", append([]string{"doctor", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil {
		t.Fatalf("%s%s: %v", r.stdout, r.stderr, err)
	}
	return doc, r.code
}

func (d doctorDoc) find(check string) finding {
	for _, f := range d.Checks {
		if f.Check == check {
			return f
		}
	}
	return finding{}
}

// contents are all files of a folder, with what they hold.
func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out[path], err = os.ReadFile(path)
		} else if err == nil {
			out[path] = nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// killed is a copy of a folder as a server leaves it that is broken off.
func killed(t *testing.T) string {
	t.Helper()
	dir, copied := filepath.Join(t.TempDir(), "ledger"), filepath.Join(t.TempDir(), "copy")
	served(t, "--data", dir)
	record(t, dir)
	must(t, append(someQuery, "--data", dir)...)
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return copied
}

func TestADoctorChangesNothing(t *testing.T) {
	viewed := aDay(t)
	must(t, append(someQuery, "--data", viewed)...)
	for name, dir := range map[string]string{"never asked": aDay(t), "with views": viewed, "broken off": killed(t)} {
		before := contents(t, dir)
		doc, code := diagnosed(t, "--data", dir, "--deep")
		if code != exitOK || !doc.Healthy || doc.find("bytes").Status != checkOK || doc.find("versions").Found == "" {
			t.Errorf("%s: ends with %d and %+v", name, code, doc)
		}
		after := contents(t, dir)
		for path := range after {
			if _, was := before[path]; !was {
				t.Errorf("%s: left %s", name, path)
			}
			if !bytes.Equal(before[path], after[path]) && !strings.HasSuffix(path, "-shm") { // which SQLite keeps its readers in
				t.Errorf("%s: changed %s", name, path)
			}
		}
		if len(after) != len(before) {
			t.Errorf("%s: %d files became %d", name, len(before), len(after))
		}
	}
}

func TestADoctorLooksAtARunningServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	url, stop, _ := served(t, "--data", dir)
	record(t, dir)
	must(t, append(someQuery, "--data", dir)...)
	for _, args := range [][]string{{"--data", dir, "--deep"}, {"--server", url}} {
		doc, code := diagnosed(t, args...)
		if code != exitOK || doc.find("answers").Status != checkOK || doc.find("recorder").Status != checkOK || !strings.Contains(doc.find("nats").Found, "1048576 bytes") {
			t.Errorf("%v: ends with %d and %+v", args, code, doc)
		}
	}
	if doc, _ := diagnosed(t, "--data", dir); !strings.Contains(doc.find("server").Found, url) {
		t.Errorf("the server is not named: %+v", doc)
	}
	table := must(t, "doctor", "--data", dir)
	if !strings.HasPrefix(table, "check") || !strings.Contains(table, "\nfsync ") {
		t.Errorf("the table says\n%s", table)
	}
	stop()
	doc, code := diagnosed(t, "--server", url)
	if f := doc.find("nats"); code != exitFailure || f.Status != checkFail || f.Remedy == "" || doc.Healthy {
		t.Errorf("a server that is gone: %d and %+v", code, doc)
	}
	try(t, "", "doctor", "--deep", "--server", url).refused(t, exitUsage, "give --data")
	try(t, "", "doctor", "--data", filepath.Join(dir, "none")).refused(t, exitFailure, "there is no folder")
}

// TestADoctorNamesWhatIsWrong: what is done to a folder, which check says so, and how the program ends.
func TestADoctorNamesWhatIsWrong(t *testing.T) {
	remove := func(names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	write := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(text); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	statement := func(sql string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { inViews(t, dir, sql) }
	}
	for name, test := range map[string]struct {
		spoil               func(*testing.T, string)
		check, status, want string
		code                int
	}{
		"a flipped bit":           {func(t *testing.T, dir string) { flipABit(t, logDir(dir)) }, "bytes", checkFail, "log damaged", exitVerify},
		"no head file":            {remove("log/head"), "log", checkFail, "head file is missing", exitVerify},
		"no segment":              {remove("log/00000001.seg"), "log", checkFail, "log damaged", exitVerify},
		"one damaged mark":        {write("log/head", "x"), "log", checkWarn, "1 of the head file's two marks", exitVerify},
		"an unsettled end":        {write("log/00000001.seg", "half a frame"), "log", checkWarn, "12 bytes behind it", exitOK},
		"a half made segment":     {write("log/00000002.seg.tmp", "x"), "log", checkWarn, "00000002.seg.tmp", exitOK},
		"no index":                {remove("index"), "index", checkOK, "the next start makes it", exitOK},
		"no views":                {remove("views.db"), "views", checkOK, "none kept", exitOK},
		"views of nothing":        {write("server.json", `{"url":"nats://127.0.0.1:1","pid":999999}`), "server", checkWarn, "process 999999", exitOK},
		"a view ahead":            {statement("UPDATE allied_views SET position = position + 1"), "view balances", checkFail, "events were lost", exitVerify},
		"a view of another log":   {statement("UPDATE allied_views SET log_id = '6ba7b810-9dad-51d1-80b4-00c04fd430c8'"), "view pledges", checkFail, "it has read log 6ba7b810", exitVerify},
		"a view behind":           {statement("UPDATE allied_views SET position = 1042, ordinal = 1"), "view balances", checkOK, "2 events behind", exitOK},
		"views of another layout": {statement("PRAGMA user_version = 9"), "views", checkFail, "layout 9", exitVerify},
		"a folder for everybody": {func(t *testing.T, dir string) {
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
		}, "folder", checkWarn, "every user of this machine may write", exitOK},
	} {
		t.Run(name, func(t *testing.T) {
			dir := aDay(t)
			must(t, append(someQuery, "--data", dir)...)
			test.spoil(t, dir)
			doc, code := diagnosed(t, "--data", dir, "--deep")
			f := doc.find(test.check)
			if code != test.code || f.Status != test.status || !strings.Contains(f.Found, test.want) || doc.Healthy != (code == exitOK) {
				t.Errorf("ends with %d, want %d, and %+v", code, test.code, doc)
			}
			if f.Status != checkOK && f.Remedy == "" {
				t.Errorf("no remedy for %+v", f)
			}
		})
	}
}

func TestADoctorWarnsBeforeTheDiskIsFull(t *testing.T) {
	for free, want := range map[uint64]string{
		filelog.FreeBytesMin - 1: checkFail, filelog.FreeBytesMin: checkWarn, 4*filelog.FreeBytesMin - 1: checkWarn, 4 * filelog.FreeBytesMin: checkOK,
	} {
		if f := judgeDisk(free); f.Status != want {
			t.Errorf("%d bytes free: %+v; want %s", free, f, want)
		}
	}
}

func TestADoctorSaysThatAFolderCannotBeWritten(t *testing.T) {
	dir := aDay(t)
	must(t, append(someQuery, "--data", dir)...)
	r := asAuditor(t, frozen(t, dir), "doctor", "--deep", "-o", "json")
	var doc doctorDoc
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || r.code != exitOK {
		t.Fatalf("ends with %d: %s%s", r.code, r.stdout, r.stderr)
	}
	if f := doc.find("fsync"); f.Status != checkWarn || !strings.Contains(f.Found, "cannot be written") || doc.find("index").Status != checkOK || doc.find("view pledges").Status != checkOK {
		t.Errorf("%+v", doc)
	}
}
