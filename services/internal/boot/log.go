package boot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/events/kurrentlog"
	"github.com/allied-ledger/allied/events/memlog"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
	"github.com/allied-ledger/allied/services/internal/readable"
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
	if n.folder == nil && n.cfg.Store == "" {
		return memlog.New(), nil
	}
	dir := n.cfg.DataDir
	var marks []engine.Checkpoint
	if n.folder != nil {
		var err error
		if marks, err = viewMarks(ctx, filepath.Join(dir, viewsName)); err != nil {
			return nil, err
		}
	}
	log, err := n.openStore(ctx, len(marks) > 0)
	if errors.As(err, new(*noLogError)) {
		return nil, &LostLogError{dir, marks[0], err.Error()}
	}
	if err != nil {
		return nil, err
	}
	if err := checkMarks(ctx, dir, log, marks); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return log, nil
}

// noLogError: there is no log where one must be.
type noLogError struct{ err error }

func (e *noLogError) Error() string { return "the log cannot be found: " + e.err.Error() }

// openStore opens the log where the configuration says that it is. Where one must be there already, none is begun.
func (n *Node) openStore(ctx context.Context, must bool) (es.Log, error) {
	if n.cfg.Store != "" {
		log, err := OpenStore(ctx, kurrentlog.Config{URL: n.cfg.Store, Existing: must, Logger: n.zap})
		if errors.Is(err, kurrentlog.ErrNoLog) {
			err = &noLogError{err}
		}
		return log, err
	}
	if must {
		if _, err := filelog.LogID(nil, n.cfg.DataDir); err != nil {
			return nil, &noLogError{err}
		}
	}
	committed, err := n.commits()
	if err != nil {
		return nil, err
	}
	return filelog.Open(filelog.Config{Dir: n.cfg.DataDir, Committed: committed, Logger: n.zap})
}

// OpenStore opens the log in a store's server, whose own tools are told what the records hold.
func OpenStore(ctx context.Context, cfg kurrentlog.Config) (es.Log, error) {
	cfg.Describe = describe
	log, err := kurrentlog.Open(ctx, cfg)
	if err != nil {
		return nil, err // and not a log that is nil
	}
	return log, nil
}

// describe names a record for the tools of a store's server, and says in JSON what it holds.
func describe(r es.Record) (eventType string, metadata []byte) {
	record, err := wire.DecodeRecord(r.Bytes)
	if err != nil {
		return "allied.unreadable", nil
	}
	doc := readable.NewEntry(es.Entry{Stream: record.GetStream(), Revision: record.GetRevision(), Record: r}, true)
	metadata, err = json.Marshal(struct {
		RecordedAt string          `json:"recorded_at"`
		Envelope   readable.Object `json:"envelope,omitempty"`
		Event      readable.Object `json:"event,omitempty"`
		Error      string          `json:"error,omitempty"`
	}{doc.RecordedAt, doc.Envelope, doc.Event, doc.Error})
	if err != nil {
		return record.GetType(), nil
	}
	return record.GetType(), metadata
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
