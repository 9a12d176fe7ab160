package boot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/events/memlog"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
	"github.com/google/uuid"
)

// LostLogError: a view of the folder has read a log further than the folder's log reaches, so events were lost.
type LostLogError struct {
	Dir    string
	View   engine.Checkpoint
	Detail string
}

func (e *LostLogError) Error() string {
	return fmt.Sprintf("%s: view %s has read log %s up to position %d, and %s: restore the log from a copy, or move %s away if the log is right as it is",
		e.Dir, e.View.Projection, e.View.LogID, e.View.Position, e.Detail, viewsName)
}

// openLog opens the event store, and refuses one that ends before what the views of its folder have read.
func (n *Node) openLog(ctx context.Context) (es.Log, error) {
	if n.folder == nil {
		return memlog.New(), nil
	}
	dir := n.cfg.DataDir
	marks, err := viewMarks(ctx, filepath.Join(dir, viewsName))
	if err != nil {
		return nil, err
	}
	if len(marks) > 0 {
		// Opening would begin another log where there is none.
		if _, err := filelog.LogID(nil, dir); err != nil {
			return nil, &LostLogError{dir, marks[0], "the log cannot be found: " + err.Error()}
		}
	}
	committed, err := n.commits()
	if err != nil {
		return nil, err
	}
	log, err := filelog.Open(filelog.Config{Dir: dir, Committed: committed, Logger: n.zap})
	if err != nil {
		return nil, err
	}
	if err := checkMarks(ctx, dir, log, marks); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return log, nil
}

func checkMarks(ctx context.Context, dir string, log es.Log, marks []engine.Checkpoint) error {
	head, err := log.Head(ctx)
	if err != nil {
		return err
	}
	for _, m := range marks {
		if err := checkMark(dir, m, log.ID(), head.Position); err != nil {
			return err
		}
	}
	return nil
}

// checkMark refuses a view that has read more than a log holds, or another log.
func checkMark(dir string, m engine.Checkpoint, log uuid.UUID, end es.Position) error {
	switch {
	case m.Position == 0:
		return nil
	case m.LogID != log:
		return &LostLogError{dir, m, "the folder now holds log " + log.String()}
	case m.Position > end:
		return &LostLogError{dir, m, fmt.Sprintf("the log ends at position %d", end)}
	}
	return nil
}

// logEnd reads a folder's log as it lies there, to its end.
func logEnd(ctx context.Context, dir string) (log uuid.UUID, end es.Position, err error) {
	if log, err = filelog.LogID(nil, dir); err != nil {
		return log, 0, err
	}
	for e, err := range filelog.Scan(nil, dir) {
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return log, end, err
		}
		end = e.Position
	}
	return log, end, nil
}

// viewMarks are the checkpoints of the folder's views that have read anything.
func viewMarks(ctx context.Context, path string) ([]engine.Checkpoint, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	r, err := sqlite.OpenReader(path)
	if err != nil {
		return nil, err
	}
	var marks []engine.Checkpoint
	err = r.View(ctx, func(s engine.Snapshot) error {
		for _, spec := range Specs() {
			at, err := s.Checkpoint(ctx, spec)
			var none *engine.NoViewError
			if errors.As(err, &none) {
				continue
			}
			if err != nil {
				return err
			}
			if at.Position > 0 {
				marks = append(marks, at)
			}
		}
		return nil
	})
	return marks, errors.Join(err, r.Close())
}
