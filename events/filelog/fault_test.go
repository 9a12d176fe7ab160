package filelog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
)

var background = context.Background()

// TestEveryFailedWriteAndSync fails each write and sync of a scenario in turn, in several ways, and wants every time: what was answered
// stays, the append under way is unknown, later ones are busy, reads go on, and the next opening recovers.
func TestEveryFailedWriteAndSync(t *testing.T) {
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
		for _, how := range []faultKind{failBefore, failHalf, failAfter, failAlways} {
			t.Run(fmt.Sprintf("%s %s", cause, how), func(t *testing.T) {
				counted := &faultFS{FS: vfs.NewMem()}
				runFaultScenario(t, counted)
				unknown, refused := 0, 0
				for n := 1; n <= counted.count; n++ {
					fs := &faultFS{FS: vfs.NewMem(), failAt: n, how: how, cause: cause}
					switch runFaultScenario(t, fs) {
					case unknownThenBusy:
						unknown++
					case notOpened:
						refused++
					}
					if t.Failed() {
						t.Fatalf("at write or sync %d of %d, %s", n, counted.count, fs.failed)
					}
				}
				t.Logf("%d writes and syncs failed in turn: %d while opening, %d answered unknown and then busy, the others hit the index or the close",
					counted.count, refused, unknown)
				if unknown < counted.count/4 {
					t.Errorf("only %d of %d faults met an append", unknown, counted.count)
				}
			})
		}
	}
}

type faultOutcome int

const (
	notHit faultOutcome = iota
	notOpened
	unknownThenBusy
)

func faultAppend(i int) es.Append {
	a := es.Append{Stream: fmt.Sprintf("pledge-%d", i%3), Expected: int64(i/3*2) - 1}
	for n := range 2 {
		name := fmt.Appendf(nil, "%d %d", i, n)
		a.Records = append(a.Records, es.Record{ID: uuid.NewSHA1(uuid.NameSpaceOID, name), Bytes: append(name, make([]byte, 100)...)})
	}
	return a
}

func runFaultScenario(t *testing.T, fs *faultFS) (outcome faultOutcome) {
	const appends = 12
	config := filelog.Config{Dir: "/ledger", FS: fs, SegmentBytes: 1 << 10}
	answers := make([]es.Result, appends)
	l, err := filelog.Open(config)
	if err == nil {
		outcome = appendUnderFault(t, l, answers)
		if err := l.Close(); err != nil && fs.failed == "" {
			t.Errorf("close: %v", err)
		}
	} else {
		outcome = notOpened
		if fs.failed == "" {
			t.Errorf("open: %v", err)
		}
	}
	fs.heal()

	l, err = filelog.Open(config)
	if err != nil {
		t.Errorf("the next opening: %v", err)
		return outcome
	}
	defer l.Close()
	for i := range appends {
		r := l.Append(background, []es.Append{faultAppend(i)})[0]
		want := answers[i]
		want.Repeated = true
		if r.Err != nil || want.Position != 0 && want != r {
			t.Errorf("append %d answered %+v after the next opening; %+v before", i, r, answers[i])
		}
	}
	if h, err := l.Head(background); err != nil || h.Events != 2*appends {
		t.Errorf("%+v, %v; want %d events", h, err, 2*appends)
	}
	return outcome
}

// appendUnderFault keeps the answers of recorded appends.
func appendUnderFault(t *testing.T, l *filelog.Log, answers []es.Result) (outcome faultOutcome) {
	var events uint64
	latched := false
	for i := range answers {
		r := l.Append(background, []es.Append{faultAppend(i)})[0]
		var busy *filelog.LatchedError
		switch {
		case r.Err == nil && !latched:
			answers[i], events = r, events+2
		case errors.Is(r.Err, es.ErrUnknown) && !latched:
			latched, outcome = true, unknownThenBusy
		case errors.Is(r.Err, es.ErrBusy) && errors.As(r.Err, &busy) && busy.Code() == "store_latched" && busy.Remedy() != "":
			latched = true
		default:
			t.Errorf("append %d answered %+v; latched before: %v", i, r, latched)
		}
		if refusal := l.Refusal(); latched && !errors.As(refusal, &busy) {
			t.Errorf("after append %d the log is latched, and says %v", i, refusal)
		}
		if latched && i+1 < len(answers) {
			again := l.Append(background, []es.Append{faultAppend(i)})[0]
			if !errors.Is(again.Err, es.ErrBusy) {
				t.Errorf("append %d after a failure answered %+v; want busy", i, again)
			}
		}
	}
	var seen uint64
	for _, err := range l.Read(background, 0) {
		if err != nil {
			t.Errorf("read after a failure: %v", err)
			break
		}
		seen++
	}
	if seen != events {
		t.Errorf("readers see %d events; %d were answered", seen, events)
	}
	seen = 0
	for s := range 3 {
		for _, err := range l.ReadStream(background, fmt.Sprintf("pledge-%d", s), 0) {
			if err != nil {
				t.Errorf("read stream after a failure: %v", err)
				break
			}
			seen++
		}
	}
	if seen != events {
		t.Errorf("readers of streams see %d events; %d were answered", seen, events)
	}
	return outcome
}

type faultKind int

const (
	failBefore faultKind = iota // nothing is written
	failHalf                    // half is written
	failAfter                   // all is written, and the error comes nevertheless
	failAlways                  // nothing is written from here on
)

func (k faultKind) String() string {
	return []string{"before", "halfway", "after", "from there on"}[k]
}

// faultFS fails its failAt-th write or sync.
type faultFS struct {
	vfs.FS
	failAt int
	how    faultKind
	cause  error

	mu     sync.Mutex
	count  int
	healed bool
	failed string // what was failed first
}

func (f *faultFS) Unwrap() vfs.FS { return f.FS }

func (f *faultFS) heal() { f.mu.Lock(); defer f.mu.Unlock(); f.healed = true }

func (f *faultFS) hit(op, name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.healed {
		return false
	}
	f.count++
	hit := f.failAt > 0 && (f.count == f.failAt || f.how == failAlways && f.count > f.failAt)
	if hit && f.failed == "" {
		f.failed = op + " " + name
	}
	return hit
}

func (f *faultFS) file(name string, file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &faultFile{File: file, fs: f, name: name}, nil
}

func (f *faultFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return f.file(name, file, err)
}

func (f *faultFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.OpenReadWrite(name, c, o...)
	return f.file(name, file, err)
}

func (f *faultFS) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	return f.file(name, file, err)
}

type faultFile struct {
	vfs.File
	fs   *faultFS
	name string
}

func (f *faultFile) fault(op string, half, whole func() error) error {
	if !f.fs.hit(op, f.name) {
		return whole()
	}
	var err error
	switch f.fs.how {
	case failHalf:
		err = half()
	case failAfter:
		err = whole()
	}
	return errors.Join(f.fs.cause, err)
}

func (f *faultFile) Write(p []byte) (n int, err error) {
	err = f.fault("write", func() error { n, err = f.File.Write(p[:len(p)/2]); return err }, func() error { n, err = f.File.Write(p); return err })
	return n, err
}

func (f *faultFile) WriteAt(p []byte, at int64) (n int, err error) {
	err = f.fault("write", func() error { n, err = f.File.WriteAt(p[:len(p)/2], at); return err }, func() error { n, err = f.File.WriteAt(p, at); return err })
	return n, err
}

func nothing() error { return nil }

func (f *faultFile) Sync() error     { return f.fault("sync", nothing, f.File.Sync) }
func (f *faultFile) SyncData() error { return f.fault("sync", nothing, f.File.SyncData) }

// TestFailedIndexLetsReadsGoOn fails every write to the index alone.
func TestFailedIndexLetsReadsGoOn(t *testing.T) {
	fs := &faultFS{FS: vfs.NewMem()}
	config := filelog.Config{Dir: "/ledger", FS: indexFaults{fs}, SegmentBytes: segmentBytesSmall}
	l := mustOpen(t, config)
	fill(t, l, 20)
	fs.mu.Lock()
	fs.failAt, fs.how, fs.cause = fs.count+1, failAlways, syscall.EIO
	fs.mu.Unlock()
	err := l.Close()
	if err == nil || !strings.Contains(err.Error(), "index") {
		t.Errorf("closing while the index cannot be written: %v", err)
	}
	fs.heal()
	l = mustOpen(t, config)
	if n := len(readAll(t, l)); n != 20 {
		t.Errorf("%d events after the index failed; want 20", n)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// indexFaults passes the index's files through the failing file system and all others around it.
type indexFaults struct{ *faultFS }

func (f indexFaults) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if !strings.Contains(name, "/index/") {
		return f.FS.Create(name, c)
	}
	return f.faultFS.Create(name, c)
}

func (f indexFaults) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	if !strings.Contains(name, "/index/") {
		return f.FS.OpenReadWrite(name, c, o...)
	}
	return f.faultFS.OpenReadWrite(name, c, o...)
}

func (f indexFaults) OpenDir(name string) (vfs.File, error) { return f.FS.OpenDir(name) }

// fullAtSeal is the disk, full when the second segment is to begin.
type fullAtSeal struct{ vfs.FS }

func (f fullAtSeal) Unwrap() vfs.FS { return f.FS }

func (f fullAtSeal) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.Contains(name, "00000002.seg") {
		return nil, syscall.ENOSPC
	}
	return f.FS.Create(name, c)
}

// A segment whose successor could not begin is still the live one: the next opening must be allowed to write it, whoever runs it.
func TestSegmentThatCouldNotBeSealedStaysWritable(t *testing.T) {
	dir := t.TempDir()
	l, err := filelog.Open(filelog.Config{Dir: dir, FS: fullAtSeal{vfs.Default}, SegmentBytes: 1 << 10, FreeBytesMin: 1})
	if err != nil {
		t.Fatal(err)
	}
	answered := 0
	for i := 0; ; i++ {
		if r := l.Append(background, []es.Append{faultAppend(i)})[0]; r.Err != nil {
			break
		}
		answered++
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	mode := func(name string) os.FileMode {
		info, err := os.Stat(filepath.Join(dir, "log", name))
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	if m := mode("00000001.seg"); m&0o200 == 0 {
		t.Errorf("the live segment is left with mode %o", m)
	}
	if l, err = filelog.Open(filelog.Config{Dir: dir, SegmentBytes: 1 << 10, FreeBytesMin: 1}); err != nil {
		t.Fatal(err)
	}
	for i := answered; i < answered+12; i++ {
		if r := l.Append(background, []es.Append{faultAppend(i)})[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if m := mode("00000001.seg"); m&0o222 != 0 {
		t.Errorf("a sealed segment is left with mode %o", m)
	}
}
