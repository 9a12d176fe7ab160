package filelog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
)

func TestSecondWriterIsRefused(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, filelog.Config{Dir: dir})
	defer l.Close()
	_, err := filelog.Open(filelog.Config{Dir: dir})
	var inUse *filelog.InUseError
	if !errors.As(err, &inUse) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "--server") {
		t.Fatalf("the second opening: %v", err)
	}
	// The refusal leaves the first one alone.
	fill(t, l, 10)
	if n := len(readAll(t, l)); n != 10 {
		t.Fatalf("%d events; want 10", n)
	}
}

func TestSealedSegmentsAreReadOnly(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, filelog.Config{Dir: dir, SegmentBytes: segmentBytesSmall})
	fill(t, l, 200)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "log", "*.seg"))
	if err != nil || len(paths) < 3 {
		t.Fatalf("%d segments, %v", len(paths), err)
	}
	for i, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if sealed := i < len(paths)-1; sealed != (info.Mode().Perm() == 0o444) {
			t.Errorf("segment %d of %d has mode %o", i+1, len(paths), info.Mode().Perm())
		}
	}
	if report, err := filelog.Verify(nil, dir); err != nil || report.Segments != len(paths) || report.Head.Events != 200 || report.BytesUnanswered != 0 {
		t.Errorf("verify: %+v, %v", report, err)
	}
}

func TestFullDiskIsRefusedAheadAndComesBack(t *testing.T) {
	fs := vfs.NewMem()
	l := mustOpen(t, filelog.Config{Dir: ledger, FS: fs, FreeBytesMin: 1 << 20})
	defer l.Close()
	a := es.Append{Stream: "pledge-0", Expected: es.NoStream, Records: []es.Record{{ID: uuid.New()}}}
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1<<20 - 1, TotalBytes: 1 << 30})
	if err := l.Refusal(); !errors.As(err, new(*filelog.FullError)) {
		t.Errorf("a full disk is told as %v", err)
	}
	r := l.Append(t.Context(), []es.Append{a})[0]
	var full *filelog.FullError
	if !errors.Is(r.Err, es.ErrBusy) || !errors.As(r.Err, &full) || full.Code() != "store_full" || full.Remedy() == "" {
		t.Fatalf("append to a full disk: %v", r.Err)
	}
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 20, TotalBytes: 1 << 30})
	if r := l.Append(t.Context(), []es.Append{a})[0]; r.Err != nil {
		t.Fatalf("append after space came back: %v", r.Err)
	}
	if err := l.Refusal(); err != nil {
		t.Errorf("with space again the log refuses: %v", err)
	}
}

// Each group is told once it is durable: its appends and events are those that were recorded, and neither repeats nor conflicts.
func TestCommitsAreTold(t *testing.T) {
	var told []filelog.Commit
	l := mustOpen(t, filelog.Config{Dir: ledger, FS: vfs.NewMem(), Committed: func(c filelog.Commit) { told = append(told, c) }})
	a := es.Append{Stream: "pledge-0", Expected: es.NoStream, Records: []es.Record{{ID: uuid.New()}, {ID: uuid.New()}}}
	b := es.Append{Stream: "pledge-1", Expected: es.NoStream, Records: []es.Record{{ID: uuid.New()}}}
	conflict := es.Append{Stream: "pledge-1", Expected: 7, Records: []es.Record{{ID: uuid.New()}}}
	l.Append(t.Context(), []es.Append{a, b, conflict})
	l.Append(t.Context(), []es.Append{a})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || told[0].Appends != 2 || told[0].Events != 3 || told[0].Took <= 0 {
		t.Errorf("told %+v", told)
	}
}

// TestDamagedEndAboveTheMarkIsCut puts a head file of before an append beside segments of after it, as a power failure may, and breaks
// the append at each of its bytes: it is there whole or not at all.
func TestDamagedEndAboveTheMarkIsCut(t *testing.T) {
	fs := vfs.NewMem()
	config := filelog.Config{Dir: ledger, FS: fs}
	l := mustOpen(t, config)
	fill(t, l, 20)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	before := loaded(t, fs)
	l = mustOpen(t, config)
	a := es.Append{Stream: "torn-1", Expected: es.NoStream}
	for i := range 3 {
		a.Records = append(a.Records, es.Record{ID: uuid.New(), Bytes: fmt.Appendf(nil, "record %d", i)})
	}
	if r := l.Append(t.Context(), []es.Append{a})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	want := readAll(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	const live = ledger + "/log/00000001.seg"
	after := loaded(t, fs)[live]
	for n := len(before[live]); n <= len(after); n++ {
		for _, tail := range [][]byte{nil, make([]byte, 100), bytes.Repeat([]byte{0xa5}, 70)} {
			torn := folder{}
			for path, content := range before {
				torn[path] = content
			}
			torn[live] = append(bytes.Clone(after[:n]), tail...)
			fs := torn.fs(t)
			scanned := 0
			for _, err := range filelog.Scan(fs, ledger) {
				if err != nil {
					t.Fatalf("scan of an unfinished end: %v", err)
				}
				scanned++
			}
			l := mustOpen(t, filelog.Config{Dir: ledger, FS: fs})
			events, cut := 20, n-len(before[live])+len(tail)
			if n == len(after) {
				events, cut = 23, len(tail)
			}
			entries := readAll(t, l)
			if r := l.Recovery(); scanned != 20 || len(entries) != events || r.CutBytes != int64(cut) || (r.Cut != nil) != (cut > 0) {
				t.Fatalf("%d of %d bytes and %d others: %d scanned, %d events, recovery %+v; want %d events and %d bytes cut",
					n, len(after), len(tail), scanned, len(entries), r, events, cut)
			}
			same(t, "cut", "read", entries, want)
			if r := l.Append(t.Context(), []es.Append{a})[0]; r.Err != nil || r.Position != want[22].Position {
				t.Fatalf("the repeat answers %+v; want position %d", r, want[22].Position)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := filelog.Verify(fs, ledger); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestIndexThatSawMoreIsAMark: the head file came back older after a power failure, and the log's end is lost.
func TestIndexThatSawMoreIsAMark(t *testing.T) {
	fs := vfs.NewMem()
	l := mustOpen(t, filelog.Config{Dir: ledger, FS: fs})
	fill(t, l, 20)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	before := loaded(t, fs)
	l = mustOpen(t, filelog.Config{Dir: ledger, FS: fs})
	fill(t, l, 5)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	lost := loaded(t, fs)
	for path, content := range before {
		if strings.Contains(path, "/log/") {
			lost[path] = content
		}
	}
	var damage *es.DamageError
	if _, err := filelog.Open(filelog.Config{Dir: ledger, FS: lost.fs(t)}); !errors.As(err, &damage) {
		t.Fatalf("a log that ends before its index opens: %v", err)
	}
}

// TestCancelledAppendsResolveByRepeating ends contexts while their appends are under way, and reuses the bytes at once.
func TestCancelledAppendsResolveByRepeating(t *testing.T) {
	l := mustOpen(t, filelog.Config{Dir: t.TempDir(), SegmentBytes: segmentBytesSmall})
	defer l.Close()
	var writers sync.WaitGroup
	var unknown, recorded atomic.Int64
	for w := range 4 {
		writers.Go(func() {
			content := make([]byte, 300)
			for i := range 100 {
				ctx, cancel := context.WithCancel(t.Context())
				for n := range content {
					content[n] = byte(i)
				}
				a := es.Append{Stream: fmt.Sprintf("pledge-%d", w), Expected: int64(i) - 1, Records: []es.Record{{ID: uuid.New(), Bytes: content}}}
				go cancel()
				r := l.Append(ctx, []es.Append{a})[0]
				clear(content)
				if errors.Is(r.Err, es.ErrUnknown) {
					unknown.Add(1)
				} else if r.Err == nil {
					recorded.Add(1)
				} else {
					t.Errorf("append %d: %v", i, r.Err)
				}
				a.Records[0].Bytes = bytes.Repeat([]byte{byte(i)}, 300)
				again := l.Append(t.Context(), []es.Append{a})[0]
				if again.Err != nil || r.Err == nil && (!again.Repeated || again.Position != r.Position || again.Ordinal != r.Ordinal) {
					t.Errorf("append %d: first %+v, repeated %+v", i, r, again)
				}
			}
		})
	}
	writers.Wait()
	entries := readAll(t, l)
	if len(entries) != 400 {
		t.Errorf("%d events; want 400", len(entries))
	}
	for _, e := range entries {
		if !bytes.Equal(e.Bytes, bytes.Repeat([]byte{byte(e.Revision)}, 300)) {
			t.Fatalf("revision %d of %s holds another's bytes", e.Revision, e.Stream)
		}
	}
	t.Logf("%d unknown, %d recorded at once", unknown.Load(), recorded.Load())
}

func TestScanBesideAWriter(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, filelog.Config{Dir: dir, SegmentBytes: segmentBytesSmall})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 {
			fill(t, l, 30)
		}
	}()
	scans := 0
	for writing := true; writing; scans++ {
		select {
		case <-done:
			writing = false
		default:
		}
		var prev es.Position
		for e, err := range filelog.Scan(nil, dir) {
			if err != nil || e.Prev != prev {
				t.Fatalf("scan beside a writer, after %d: %+v, %v", prev, e, err)
			}
			prev = e.Position
		}
	}
	want := readAll(t, l)
	var scanned []es.Entry
	for e, err := range filelog.Scan(nil, dir) {
		if err != nil {
			t.Fatal(err)
		}
		scanned = append(scanned, e)
	}
	same(t, "", "scan", scanned, want)
	if id, err := filelog.LogID(nil, dir); err != nil || id != l.ID() {
		t.Errorf("the log's id is %s, %v; want %s", id, err, l.ID())
	}
	t.Logf("%d scans beside the writer of %d events", scans, len(want))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFrame(t *testing.T) {
	content, want := saved(t)
	fs := content.fs(t)
	for _, e := range want {
		info, err := filelog.Frame(fs, ledger, e.Position)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "", "frame", []es.Entry{info.Entry}, []es.Entry{e})
		if raw := content[info.File][info.Offset:][:info.Length]; !bytes.Equal(raw, info.Raw) || !bytes.HasSuffix(raw, e.Bytes) {
			t.Fatalf("the frame at %d is not that of the file: %+v", e.Position, info)
		}
	}
	for _, absent := range []es.Position{0, 1, want[3].Position + 1, want[len(want)-1].Position + 1} {
		if info, err := filelog.Frame(fs, ledger, absent); err == nil {
			t.Errorf("position %d has a frame: %+v", absent, info)
		}
	}
}

func TestMissingFolderIsNamed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "absent")
	for _, err := range filelog.Scan(nil, dir) {
		if err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("scan of a folder that is not there: %v", err)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("scanning made the folder")
	}
}
