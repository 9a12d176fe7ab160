package filelog

import (
	"os"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"
)

func open() {
	_ = []any{es.ErrBusy, vfs.Default, time.Now}
	time.Sleep(1) // want sleep
	zap.L()       // want library
	os.Exit(1)    // want library
}
