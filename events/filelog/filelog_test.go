package filelog_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/es/logtest"
	"github.com/allied-ledger/allied/events/filelog"
)

// small segments, so that every test crosses many of them.
const segmentBytesSmall = 4 << 10

func mustOpen(t testing.TB, config filelog.Config) *filelog.Log {
	t.Helper()
	l, err := filelog.Open(config)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return l
}

func TestContractInMemory(t *testing.T) {
	logtest.Run(t, func(t testing.TB) func() es.Log {
		fs := vfs.NewMem()
		return func() es.Log {
			return mustOpen(t, filelog.Config{Dir: "/ledger", FS: fs, SegmentBytes: segmentBytesSmall})
		}
	})
}

func TestContractOnDisk(t *testing.T) {
	logtest.Run(t, func(t testing.TB) func() es.Log {
		dir := t.TempDir()
		return func() es.Log { return mustOpen(t, filelog.Config{Dir: dir, SegmentBytes: segmentBytesSmall}) }
	})
}

// TestContractWithoutIndex deletes the index before every opening.
func TestContractWithoutIndex(t *testing.T) {
	logtest.Run(t, func(t testing.TB) func() es.Log {
		fs := vfs.NewMem()
		return func() es.Log {
			if err := fs.RemoveAll("/ledger/index"); err != nil {
				t.Fatal(err)
			}
			return mustOpen(t, filelog.Config{Dir: "/ledger", FS: fs, SegmentBytes: segmentBytesSmall})
		}
	})
}
