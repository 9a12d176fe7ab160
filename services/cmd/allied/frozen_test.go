package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// frozen is a folder of its own that any user may enter, with a copy of a ledger that nobody may write.
func frozen(t *testing.T, dir string) string {
	t.Helper()
	home, err := os.MkdirTemp("", "frozen")
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(home, "copy")
	everything := func(mode func(os.FileMode) os.FileMode) {
		err := filepath.WalkDir(home, func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			return os.Chmod(path, mode(info.Mode().Perm()))
		})
		if err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() {
		everything(func(m os.FileMode) os.FileMode { return m | 0o200 })
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	everything(func(m os.FileMode) os.FileMode { return m&^0o222 | 0o444 | m&0o100>>3 | m&0o100>>6 })
	return copied
}

// asAuditor runs the real program on a frozen copy as somebody whom the file system can stop: as root, as another user.
func asAuditor(t *testing.T, copied string, args ...string) result {
	t.Helper()
	cmd := allied(t, append(args, "--data", copied)...)
	cmd.Dir = filepath.Dir(copied)
	if os.Getuid() == 0 {
		const nobody = 65534
		cmd.Path = reachable(t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	err := cmd.Run()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), messages.String()}
}

// reachable is a copy of the test binary that any user may run: Go builds it in a folder of the builder's own.
func reachable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "binary")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "allied")
	if os.Link(os.Args[0], path) == nil {
		return path
	}
	from, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestACopyThatNobodyMayWriteCanBeAudited as an auditor has it: files and folders without a write bit, and another user's.
func TestACopyThatNobodyMayWriteCanBeAudited(t *testing.T) {
	dir := aDay(t)
	must(t, append(someQuery, "--data", dir)...)
	copied := frozen(t, dir)
	for _, args := range [][]string{
		someQuery, {"pledges"}, {"sql", "SELECT * FROM pledges"}, {"pledge", "show", "EX-1"}, {"events", "--decode"}, {"debug", "frame", "1042"}, {"debug", "state", dayStream}, {"replay", "--verify"},
	} {
		want := try(t, "", append(args, "--data", dir, "-o", "json")...)
		got := asAuditor(t, copied, append(args, "-o", "json")...)
		if args[0] == "replay" {
			if got.code != exitOK || stateHash(t, got.stdout) != stateHash(t, want.stdout) || !strings.Contains(got.stdout, `"verified": true`) {
				t.Errorf("replay ends with %d: %s%s", got.code, got.stdout, got.stderr)
			}
			continue
		}
		got.stdout = strings.ReplaceAll(got.stdout, copied, dir)
		if got.code != exitOK || got.stderr != "" || got.stdout != want.stdout {
			t.Errorf("%s ends with %d: %s%s\nwant %s", strings.Join(args, " "), got.code, got.stdout, got.stderr, want.stdout)
		}
	}
}

// TestAFrozenCopySaysWhatIsBehind, and never asks for a file of it to be touched.
func TestAFrozenCopySaysWhatIsBehind(t *testing.T) {
	behind, without, spoiled, unjoined := aDay(t), aDay(t), aDay(t), aDay(t)
	must(t, append(someQuery, "--data", behind)...)
	record(t, behind)
	must(t, append(someQuery, "--data", spoiled)...)
	inViews(t, spoiled, "DROP TABLE balances")
	must(t, append(someQuery, "--data", unjoined)...)
	if err := os.WriteFile(filepath.Join(unjoined, "views.db-wal"), make([]byte, 4152), 0o644); err != nil { // as a copy beside a server has it
		t.Fatal(err)
	}
	for _, test := range []struct {
		dir  string
		code int
		want []string
	}{
		{frozen(t, behind), exitNotAllowed, []string{"cannot be written", "view balances stands at position 1917, while its log ends at", "copy the folder"}},
		{frozen(t, without), exitNotAllowed, []string{"cannot be written", "it holds no views", "copy the folder"}},
		{frozen(t, unjoined), exitNotAllowed, []string{"its last commits", "copy the folder"}},
		{frozen(t, spoiled), exitVerify, []string{"lacks its table balances", "in a copy of it"}},
	} {
		for _, args := range [][]string{someQuery, {"sql", "SELECT 1"}, {"replay", "--verify"}} {
			r := asAuditor(t, test.dir, args...)
			r.refused(t, test.code, test.want...)
			if strings.Contains(r.stderr, "remove") || strings.Contains(r.stderr, "delete") {
				t.Errorf("advises to touch evidence: %s", r.stderr)
			}
		}
		if r := asAuditor(t, test.dir, "events"); r.code != exitOK {
			t.Errorf("events end with %d: %s", r.code, r.stderr)
		}
	}
}
