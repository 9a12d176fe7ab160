package filelog_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
)

// TestAnInspectionSeesWhatIsThere, on a file system that lets nobody write, and changes nothing.
func TestAnInspectionSeesWhatIsThere(t *testing.T) {
	content, want := saved(t)
	content[ledger+"/log/00000009.seg.tmp"] = []byte("half")
	fs := content.fs(t)
	last := want[len(want)-1]
	got, err := filelog.Inspect(fs, ledger)
	if err != nil || got.Head.Position != last.Position || got.End != last.Position || got.Head.Events != uint64(len(want)) ||
		got.Segments < 3 || got.HeadMarksDamaged != 0 || len(got.Leftovers) != 1 {
		t.Errorf("%+v, %v; want %d events up to %d", got, err, len(want), last.Position)
	}
	log, at, err := filelog.IndexMark(fs, ledger)
	if err != nil || log != got.Log || at != got.Head {
		t.Errorf("the index stands at %+v of %s, %v; want as %+v", at, log, err, got)
	}
	after := loaded(t, fs)
	for _, path := range content.paths() {
		if !bytes.Equal(after[path], content[path]) {
			t.Errorf("%s was changed", path)
		}
	}
	if len(after) != len(content) {
		t.Errorf("%d files became %d", len(content), len(after))
	}
}

func TestAnInspectionNamesDamage(t *testing.T) {
	content, _ := saved(t)
	content[ledger+"/log/head"][200] ^= 1
	if got, err := filelog.Inspect(content.fs(t), ledger); err != nil || got.HeadMarksDamaged != 1 {
		t.Errorf("a damaged mark: %+v, %v", got, err)
	}
	var damage *es.DamageError
	delete(content, ledger+"/log/00000002.seg")
	if _, err := filelog.Inspect(content.fs(t), ledger); !errors.As(err, &damage) {
		t.Errorf("a missing segment: %v", err)
	}
	for path := range content {
		if bytes.HasPrefix([]byte(path), []byte(ledger+"/index/")) {
			content[path] = content[path][:len(content[path])/2]
		}
	}
	if _, _, err := filelog.IndexMark(content.fs(t), ledger); err == nil {
		t.Error("a damaged index has a mark")
	}
	if _, _, err := filelog.IndexMark(vfs.NewMem(), ledger); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no index: %v", err)
	}
}
