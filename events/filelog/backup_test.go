package filelog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
)

const (
	ledgerDir = "/a/ledger"
	backupDir = "/b/backup"
)

func backUp(t testing.TB, fs vfs.FS) filelog.BackupReport {
	t.Helper()
	report, err := filelog.Backup(t.Context(), filelog.BackupConfig{FromFS: fs, From: ledgerDir, ToFS: fs, To: backupDir})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func scanned(t testing.TB, fs vfs.FS, dir string) (entries []es.Entry) {
	t.Helper()
	for e, err := range filelog.Scan(fs, dir) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	return entries
}

// TestABackupIsTheLogUpToItsHead, again and again, beside the ledger that writes; what is there already is not copied twice.
func TestABackupIsTheLogUpToItsHead(t *testing.T) {
	fs := vfs.NewMem()
	l := mustOpen(t, filelog.Config{Dir: ledgerDir, FS: fs, SegmentBytes: segmentBytesSmall})
	before, copied := es.Head{}, int64(0)
	for round, events := range []int{0, 1, 40, 0, 7, 200} {
		if events > 0 {
			fill(t, l, events)
		}
		want := readAll(t, l)
		report := backUp(t, fs)
		if report.Log != l.ID() || report.Head.Events != uint64(len(want)) || report.Before != before || report.BytesUnanswered != 0 {
			t.Errorf("round %d: %+v; want %d events of log %s, %+v before", round, report, len(want), l.ID(), before)
		}
		same(t, "", "the backup", scanned(t, fs, backupDir), want)
		verified, err := filelog.Verify(fs, backupDir)
		if err != nil || verified.Head != report.Head || verified.Segments != report.Segments || verified.BytesUnanswered != 0 {
			t.Errorf("round %d: %+v, %v; want as %+v", round, verified, err, report)
		}
		before, copied = report.Head, copied+report.BytesCopied
		if round == 5 && (report.Segments < 4 || copied > report.Bytes+5*(segmentBytesSmall+2<<10)) {
			t.Errorf("%d bytes were copied for a backup of %d bytes in %d segments", copied, report.Bytes, report.Segments)
		}
	}
	want := readAll(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	restored := mustOpen(t, filelog.Config{Dir: backupDir, FS: fs, SegmentBytes: segmentBytesSmall})
	if r := restored.Recovery(); r.Cut != nil || r.HeadMarksDamaged > 0 || restored.ID() != l.ID() {
		t.Errorf("the backup opens as log %s with %+v", restored.ID(), r)
	}
	same(t, "", "the opened backup", readAll(t, restored), want)
	fill(t, restored, 10)
	if err := restored.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestBackupsBesideAWriterAreWhole(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, filelog.Config{Dir: filepath.Join(dir, "ledger"), SegmentBytes: segmentBytesSmall})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 {
			fill(t, l, 30)
		}
	}()
	backups := 0
	for writing := true; writing; backups++ {
		select {
		case <-done:
			writing = false
		default:
		}
		head, err := l.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, fmt.Sprintf("backup-%d", backups%2))
		report, err := filelog.Backup(t.Context(), filelog.BackupConfig{From: filepath.Join(dir, "ledger"), To: to, AtLeast: head.Position})
		if err != nil {
			t.Fatal(err)
		}
		verified, err := filelog.Verify(nil, to)
		if err != nil || verified.Head != report.Head || report.Head.Events < head.Events {
			t.Fatalf("backup %d: %+v, %v; want %+v, and no less than %+v", backups, verified, err, report.Head, head)
		}
		same(t, "", "the backup", scanned(t, nil, to), readAll(t, l)[:report.Head.Events])
	}
	sealed := filepath.Join(dir, "backup-0", "log", "00000001.seg")
	if info, err := os.Stat(sealed); err != nil || info.Mode().Perm()&0o222 != 0 {
		t.Errorf("a sealed segment of the backup can be written: %v, %v", info, err)
	}
	t.Logf("%d backups beside the writer", backups)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestABackupIsWholeWhateverInterruptsIt fails each write and sync of a backup in turn, and lets the power fail there too. What is left
// opens as the earlier backup or a longer part of the log, or does not open; the next backup completes it.
func TestABackupIsWholeWhateverInterruptsIt(t *testing.T) {
	for _, earlierEvents := range []int{0, 1, 60} {
		for _, how := range []faultKind{failBefore, failHalf, failAfter, failAlways} {
			t.Run(fmt.Sprintf("%s after %d events", how, earlierEvents), func(t *testing.T) {
				interrupted := 0
				for failAt := 1; interruptBackup(t, earlierEvents, how, failAt); failAt++ {
					interrupted++
				}
				if interrupted < 10 {
					t.Errorf("only %d interruptions", interrupted)
				}
				t.Logf("%d interruptions", interrupted)
			})
		}
	}
}

// interruptBackup reports whether the backup had a write or sync of that number.
func interruptBackup(t *testing.T, earlierEvents int, how faultKind, failAt int) bool {
	t.Helper()
	disk := vfs.NewCrashableMem()
	l := mustOpen(t, filelog.Config{Dir: ledgerDir, FS: disk, SegmentBytes: segmentBytesSmall})
	if earlierEvents > 0 {
		fill(t, l, earlierEvents)
		backUp(t, disk)
	}
	fill(t, l, 80)
	want := readAll(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	faulty := &faultFS{FS: disk, failAt: failAt, how: how, cause: syscall.EIO}
	_, err := filelog.Backup(t.Context(), filelog.BackupConfig{FromFS: disk, From: ledgerDir, ToFS: faulty, To: backupDir})
	if faulty.failed == "" {
		if err != nil {
			t.Fatal(err)
		}
		return false
	}
	if !errors.Is(err, syscall.EIO) {
		t.Fatalf("%s failed, and the backup says %v", faulty.failed, err)
	}
	for _, unsynced := range []int{-1, 0, 50, 100} {
		left := disk
		if unsynced >= 0 {
			left = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rand.New(rand.NewPCG(uint64(failAt), 3))})
		}
		label := fmt.Sprintf("%s failed, %d%% of what was not synced is kept", faulty.failed, unsynced)
		checkInterrupted(t, label, left, earlierEvents, want)
		if _, err := filelog.Backup(t.Context(), filelog.BackupConfig{FromFS: left, From: ledgerDir, ToFS: left, To: backupDir}); err != nil {
			t.Fatalf("%s: the next backup: %v", label, err)
		}
		if _, err := filelog.Verify(left, backupDir); err != nil {
			t.Fatalf("%s: the next backup: %v", label, err)
		}
		same(t, "", label, scanned(t, left, backupDir), want)
	}
	return true
}

// checkInterrupted reads what an interrupted backup left, and opens a copy of it.
func checkInterrupted(t *testing.T, label string, left *vfs.MemFS, earlierEvents int, want []es.Entry) {
	t.Helper()
	_, headErr := left.Stat(backupDir + "/log/head")
	if earlierEvents > 0 || headErr == nil {
		got, err := scanOrFail(left)
		if err != nil && earlierEvents > 0 || err == nil && earlierEvents == 0 && len(got) != len(want) || len(got) < earlierEvents && err == nil {
			t.Fatalf("%s: %d of %d events, %d before: %v", label, len(got), len(want), earlierEvents, err)
		}
		same(t, "a part", label, got, want)
	} else if names, err := left.List(backupDir + "/log"); err == nil && len(names) > 1 {
		t.Fatalf("%s: no head file beside %v", label, names)
	}
	if headErr != nil {
		return // opening begins a log, as in any empty folder
	}
	opened := left.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
	l, err := filelog.Open(filelog.Config{Dir: backupDir, FS: opened, SegmentBytes: segmentBytesSmall})
	if err != nil {
		var damage *es.DamageError
		if earlierEvents > 0 || !errors.As(err, &damage) {
			t.Fatalf("%s: open: %v", label, err)
		}
		return
	}
	defer l.Close()
	entries := readAll(t, l)
	if l.Recovery().Cut != nil || earlierEvents == 0 && len(entries) != len(want) || len(entries) < earlierEvents {
		t.Fatalf("%s: opened with %d of %d events, %d before: %+v", label, len(entries), len(want), earlierEvents, l.Recovery())
	}
	same(t, "a part", label, entries, want)
}

func scanOrFail(fs vfs.FS) (entries []es.Entry, err error) {
	for e, err := range filelog.Scan(fs, backupDir) {
		if err != nil {
			return entries, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// TestABackupFindsEveryFlippedBit, of what it copies and of the earlier backup that it continues.
func TestABackupFindsEveryFlippedBit(t *testing.T) {
	fs := vfs.NewMem()
	l := mustOpen(t, filelog.Config{Dir: ledgerDir, FS: fs, SegmentBytes: segmentBytesSmall})
	fill(t, l, 60)
	backed := backUp(t, fs)
	fill(t, l, 60)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := filelog.Verify(fs, ledgerDir)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	flipped := 0
	for _, test := range []struct {
		dir, to  string
		segments int
	}{{ledgerDir, "/c/fresh", report.Segments}, {backupDir, backupDir, backed.Segments}} {
		for n := range test.segments {
			path := fmt.Sprintf("%s/log/%08d.seg", test.dir, n+1)
			for range 30 {
				flip := flipOne(t, fs, path, rng)
				_, err := filelog.Backup(t.Context(), filelog.BackupConfig{FromFS: fs, From: ledgerDir, ToFS: fs, To: test.to})
				var damage *es.DamageError
				if !errors.As(err, &damage) {
					t.Fatalf("a bit of %s is flipped, and the backup to %s says %v", path, test.to, err)
				}
				if _, err := filelog.Verify(fs, test.to); err == nil {
					t.Fatalf("a backup to %s verifies with a bit of %s flipped", test.to, path)
				}
				if err := fs.RemoveAll("/c"); err != nil {
					t.Fatal(err)
				}
				flip()
				flipped++
			}
		}
	}
	t.Logf("%d bits flipped", flipped)
	backUp(t, fs)
	if _, err := filelog.Verify(fs, backupDir); err != nil {
		t.Fatal(err)
	}
}

// flipOne flips a random bit, and returns what flips it back.
func flipOne(t *testing.T, fs vfs.FS, path string, rng *rand.Rand) (back func()) {
	t.Helper()
	info, err := fs.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	at, bit := rng.Int64N(info.Size()), byte(1)<<rng.IntN(8)
	flip := func() {
		f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1)
		if _, err := f.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		b[0] ^= bit
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	flip()
	return flip
}

// TestABackupOverwritesNothingElse: not another ledger, not the ledger itself, not a folder with other files, not what holds more.
func TestABackupOverwritesNothingElse(t *testing.T) {
	fs := vfs.NewMem()
	l := mustOpen(t, filelog.Config{Dir: ledgerDir, FS: fs, SegmentBytes: segmentBytesSmall})
	fill(t, l, 60)
	other := mustOpen(t, filelog.Config{Dir: "/other", FS: fs})
	if err := errors.Join(other.Close(), fs.MkdirAll("/files", 0o755)); err != nil {
		t.Fatal(err)
	}
	if f, err := fs.Create("/files/notes.txt", vfs.WriteCategoryUnspecified); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	backUp(t, fs)
	longer := mustOpen(t, filelog.Config{Dir: backupDir, FS: fs, SegmentBytes: segmentBytesSmall})
	fill(t, longer, 1)
	for _, test := range []struct {
		to    string
		fresh bool
		want  string
	}{
		{to: ledgerDir, want: "the ledger itself"},
		{to: "/other", want: "it holds log " + other.ID().String()},
		{to: "/files", want: "it holds notes.txt"},
		{to: backupDir, want: "hold"}, // in use, and longer
		{to: backupDir, fresh: true, want: "already"},
	} {
		before := listed(t, fs, test.to)
		_, err := filelog.Backup(t.Context(), filelog.BackupConfig{FromFS: fs, From: ledgerDir, ToFS: fs, To: test.to, Fresh: test.fresh})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("a backup to %s says %v; want %q", test.to, err, test.want)
		}
		if after := listed(t, fs, test.to); !bytes.Equal(before, after) {
			t.Errorf("a refused backup to %s left\n%s\nbefore\n%s", test.to, after, before)
		}
	}
	if err := errors.Join(l.Close(), longer.Close()); err != nil {
		t.Fatal(err)
	}
	var damage *es.DamageError
	_, err := filelog.Backup(t.Context(), filelog.BackupConfig{FromFS: fs, From: ledgerDir, ToFS: fs, To: backupDir})
	if !errors.As(err, &damage) || !strings.Contains(err.Error(), "restore it from this backup") {
		t.Errorf("a backup that holds more than its ledger: %v", err)
	}
}

func listed(t *testing.T, fs vfs.FS, dir string) []byte {
	t.Helper()
	var out []byte
	for _, d := range []string{dir, dir + "/log"} {
		names, err := fs.List(d)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		slices.Sort(names)
		out = fmt.Appendln(out, d, names)
	}
	return out
}

func TestABackupIntoAFolderInUseIsRefused(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, filelog.Config{Dir: filepath.Join(dir, "ledger")})
	fill(t, l, 10)
	config := filelog.BackupConfig{From: filepath.Join(dir, "ledger"), To: filepath.Join(dir, "backup")}
	if _, err := filelog.Backup(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	running := mustOpen(t, filelog.Config{Dir: config.To})
	var inUse *filelog.InUseError
	if _, err := filelog.Backup(t.Context(), config); !errors.As(err, &inUse) {
		t.Errorf("a backup to a ledger that runs: %v", err)
	}
	if err := errors.Join(running.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := filelog.Backup(t.Context(), config); err != nil {
		t.Errorf("a backup that was opened is continued: %v", err)
	}
}

func TestABackupThatDoesNotFitOrIsCancelledSaysSo(t *testing.T) {
	fs := vfs.NewMem()
	l := mustOpen(t, filelog.Config{Dir: ledgerDir, FS: fs, SegmentBytes: segmentBytesSmall})
	fill(t, l, 60)
	config := filelog.BackupConfig{FromFS: fs, From: ledgerDir, ToFS: fs, To: backupDir}
	config.AtLeast = 1 << 40
	if _, err := filelog.Backup(t.Context(), config); err == nil || !strings.Contains(err.Error(), "was answered") {
		t.Errorf("a backup that cannot reach a position: %v", err)
	}
	config.AtLeast = 0
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 100})
	if _, err := filelog.Backup(t.Context(), config); err == nil || !strings.Contains(err.Error(), "100 bytes free") {
		t.Errorf("a backup to a full disk: %v", err)
	}
	fs.TestingSetDiskUsage(vfs.DiskUsage{})
	ctx, cancel := context.WithCancel(t.Context())
	told := int64(0)
	config.Progress = func(done, of int64) {
		if told = done; done > 300 {
			cancel()
		}
		if done > of {
			t.Errorf("%d of %d bytes", done, of)
		}
	}
	if _, err := filelog.Backup(ctx, config); !errors.Is(err, context.Canceled) || told == 0 {
		t.Errorf("a backup that is cancelled after %d bytes: %v", told, err)
	}
	config.Progress = nil
	if _, err := filelog.Backup(t.Context(), config); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
