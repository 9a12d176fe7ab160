package filelog_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
)

// fill appends n events, one to three at a time, to five streams.
func fill(t testing.TB, l *filelog.Log, n int) {
	t.Helper()
	revisions := map[string]int64{}
	for e, err := range l.Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		revisions[e.Stream] = int64(e.Revision) + 1
	}
	for i := 0; n > 0; i++ {
		a := es.Append{Stream: fmt.Sprintf("pledge-%d", i%5)}
		a.Expected = revisions[a.Stream] - 1
		for range min(n, i%3+1) {
			content := bytes.Repeat([]byte{byte(i)}, 20+i*7%150)
			a.Records = append(a.Records, es.Record{ID: uuid.New(), Bytes: content})
		}
		n -= len(a.Records)
		revisions[a.Stream] += int64(len(a.Records))
		if r := l.Append(t.Context(), []es.Append{a})[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
	}
}

func readAll(t testing.TB, l *filelog.Log) (entries []es.Entry) {
	t.Helper()
	for e, err := range l.Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	return entries
}

// folder is the content of a closed log's folder, by path.
type folder map[string][]byte

const ledger = "/ledger"

// saved makes a log with many segments and returns its folder and its entries.
func saved(t testing.TB) (folder, []es.Entry) {
	t.Helper()
	fs := vfs.NewMem()
	l := mustOpen(t, filelog.Config{Dir: ledger, FS: fs, SegmentBytes: segmentBytesSmall})
	fill(t, l, 100)
	entries := readAll(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return loaded(t, fs), entries
}

func loaded(t testing.TB, fs vfs.FS) folder {
	t.Helper()
	out := folder{}
	for _, dir := range []string{ledger, ledger + "/log", ledger + "/index"} {
		names, err := fs.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			path := dir + "/" + name
			if info, err := fs.Stat(path); err != nil || info.IsDir() {
				continue
			}
			f, err := fs.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(f)
			if err = errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			out[path] = content
		}
	}
	return out
}

// fs writes the folder to a file system of its own.
func (f folder) fs(t testing.TB) vfs.FS {
	t.Helper()
	fs := vfs.NewMem()
	for _, dir := range []string{ledger, ledger + "/log", ledger + "/index"} {
		if err := fs.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, content := range f {
		file, err := fs.Create(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		_, err = file.Write(bytes.Clone(content))
		if err = errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return fs
}

func (f folder) paths() []string {
	var out []string
	for path := range f {
		out = append(out, path)
	}
	slices.Sort(out)
	return out
}

// examine opens and reads a folder in every way. It says where damage was reported, and fails where events differ without a report.
func examine(t *testing.T, fs vfs.FS, want []es.Entry) (reported string) {
	t.Helper()
	note := func(where string, err error) {
		if err != nil && reported == "" {
			reported = where + ": " + err.Error()
		}
	}
	_, err := filelog.Verify(fs, ledger)
	note("verify", err)
	var scanned []es.Entry
	for e, err := range filelog.Scan(fs, ledger) {
		if note("scan", err); err == nil {
			scanned = append(scanned, e)
		}
	}
	same(t, reported, "scan", scanned, want)
	l, err := filelog.Open(filelog.Config{Dir: ledger, FS: fs, SegmentBytes: segmentBytesSmall})
	if err != nil {
		note("open", err)
		return reported
	}
	defer l.Close()
	if r := l.Recovery(); r.IndexRebuilt || r.HeadMarksDamaged > 0 || r.Cut != nil {
		note("recovery", fmt.Errorf("%+v", r))
	}
	var read []es.Entry
	for e, err := range l.Read(t.Context(), 0) {
		if note("read", err); err == nil {
			read = append(read, e)
		}
	}
	same(t, reported, "read", read, want)
	for s := range 5 {
		stream := fmt.Sprintf("pledge-%d", s)
		var got, mine []es.Entry
		for _, e := range want {
			if e.Stream == stream {
				mine = append(mine, e)
			}
		}
		failed := ""
		for e, err := range l.ReadStream(t.Context(), stream, 0) {
			if err != nil {
				failed = err.Error()
				note("read stream", err)
				break
			}
			got = append(got, e)
		}
		same(t, failed, "stream", got, mine)
	}
	return reported
}

// same wants all entries where nothing was reported, and a part from the beginning in any case.
func same(t *testing.T, reported, what string, got, want []es.Entry) {
	t.Helper()
	if len(got) > len(want) || reported == "" && len(got) != len(want) {
		t.Fatalf("%s yields %d entries; want %d; reported: %q", what, len(got), len(want), reported)
	}
	for i, e := range got {
		w := want[i]
		if e.Position != w.Position || e.Prev != w.Prev || e.Ordinal != w.Ordinal || e.Stream != w.Stream || e.Revision != w.Revision || e.ID != w.ID || !bytes.Equal(e.Bytes, w.Bytes) {
			t.Fatalf("%s yields another entry %d: %+v; want %+v; reported: %q", what, i, e, w, reported)
		}
	}
}

// TestFlippedBits flips one bit at a time, uniformly over all files of the folder.
func TestFlippedBits(t *testing.T) {
	flips := 1000
	if testing.Short() || raceEnabled {
		flips = 100
	}
	content, want := saved(t)
	total := 0
	for _, c := range content {
		total += len(c)
	}
	rng := rand.New(rand.NewPCG(2022, 9))
	reported, harmless, inLog := 0, 0, 0
	for range flips {
		at := rng.IntN(total)
		bit := rng.IntN(8)
		for _, path := range content.paths() {
			if at >= len(content[path]) {
				at -= len(content[path])
				continue
			}
			content[path][at] ^= 1 << bit
			where := examine(t, content.fs(t), want)
			content[path][at] ^= 1 << bit
			record := strings.Contains(path, "/log/")
			switch {
			case where != "":
				reported++
			case record:
				t.Errorf("bit %d of byte %d of %s, flipped, is not reported", bit, at, path)
			default:
				harmless++
			}
			if record {
				inLog++
			}
			break
		}
	}
	t.Logf("%d bits flipped over %d bytes in %d files: %d in the log itself; %d reported, %d in the index changed no event", flips, total, len(content), inLog, reported, harmless)
}

// TestShortenedLogs cuts every file of the log at every length, and removes it.
func TestShortenedLogs(t *testing.T) {
	content, want := saved(t)
	step := 1
	if testing.Short() || raceEnabled {
		step = 97
	}
	cuts := 0
	for _, path := range content.paths() {
		if !strings.Contains(path, "/log/") {
			continue
		}
		whole := content[path]
		refused := func(what string) {
			t.Helper()
			cuts++
			fs := content.fs(t)
			l, err := filelog.Open(filelog.Config{Dir: ledger, FS: fs, SegmentBytes: segmentBytesSmall})
			var damage *es.DamageError
			if !errors.As(err, &damage) {
				// One of the head's marks is enough.
				if err == nil && strings.HasSuffix(path, "/head") && l.Recovery().HeadMarksDamaged > 0 && len(readAll(t, l)) == len(want) {
					_ = l.Close()
					return
				}
				t.Fatalf("%s: %s opens: %v", path, what, err)
			}
			if damage.Detail == "" || damage.Remedy == "" || damage.File == "" {
				t.Fatalf("%s: %s: the report is incomplete: %+v", path, what, damage)
			}
			if _, err := filelog.Verify(fs, ledger); err == nil {
				t.Fatalf("%s: %s is verified as whole", path, what)
			}
		}
		for n := 0; n < len(whole); n += step {
			content[path] = whole[:n]
			refused(fmt.Sprintf("cut at byte %d of %d", n, len(whole)))
		}
		delete(content, path)
		refused("removed")
		content[path] = whole
	}
	// Several last segments at once.
	paths := content.paths()
	for n := range paths {
		if path := paths[len(paths)-1-n]; strings.HasSuffix(path, ".seg") {
			delete(content, path)
			cuts++
			if _, err := filelog.Open(filelog.Config{Dir: ledger, FS: content.fs(t)}); err == nil {
				t.Fatalf("the log opens without its segments from %s on", path)
			}
		}
	}
	t.Logf("%d shortened logs, none opened as whole", cuts)
}
