package boot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/events/kurrentlog"
	"github.com/allied-ledger/allied/events/memlog"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/sink/postgres"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
	"github.com/allied-ledger/allied/services/internal/readable"
	"github.com/google/uuid"
)

// LostLogError: a view has read a log further than the log reaches, so events were lost.
type LostLogError struct {
	Kept   string // where the view is kept
	View   engine.Checkpoint
	Detail string
}

func (e *LostLogError) Error() string {
	return fmt.Sprintf("%s: view %s has read log %s up to position %d, and %s: restore the log from a copy, or remove the views if the log is right as it is: %s",
		e.Kept, e.View.Projection, e.View.LogID, e.View.Position, e.Detail, removeViews)
}

// removeViews is how views are removed, which are built again from the log.
const removeViews = "move " + viewsName + " away, or drop the schemas allied and allied_report of their database"

// keptIn names where views are kept.
func keptIn(dir, database string) string {
	if database != "" {
		return "the database of the views"
	}
	return dir
}

// openLog opens the event store, and refuses one that ends before what the views of its folder have read.
func (n *Node) openLog(ctx context.Context) (es.Log, error) {
	if n.folder == nil && n.cfg.Store == "" {
		return memlog.New(), nil
	}
	marks, err := viewMarks(ctx, n.cfg.DataDir, n.cfg.Views)
	if err != nil {
		return nil, err
	}
	log, err := n.openStore(ctx, len(marks) > 0)
	if errors.As(err, new(*noLogError)) {
		return nil, &LostLogError{keptIn(n.cfg.DataDir, n.cfg.Views), marks[0], err.Error()}
	}
	if err != nil {
		return nil, err
	}
	if err := checkMarks(ctx, keptIn(n.cfg.DataDir, n.cfg.Views), log, marks); err != nil {
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

func checkMarks(ctx context.Context, kept string, log es.Log, marks []engine.Checkpoint) error {
	head, err := log.Head(ctx)
	if err != nil {
		return err
	}
	for _, m := range marks {
		if err := checkMark(kept, m, log.ID(), head.Position); err != nil {
			return err
		}
	}
	return nil
}

// checkMark refuses a view that has read more than a log holds, or another log.
func checkMark(kept string, m engine.Checkpoint, log uuid.UUID, end es.Position) error {
	switch {
	case m.Position == 0:
		return nil
	case m.LogID != log:
		return &LostLogError{kept, m, "the log here is " + log.String()}
	case m.Position > end:
		return &LostLogError{kept, m, fmt.Sprintf("the log ends at position %d", end)}
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

// KeptViews are views that are kept, to be read.
type KeptViews interface {
	engine.Views
	Close() error
}

// OpenViews opens the views of a ledger to be read: those of a database where one is named, else those in the folder. Where nothing is kept, its
// error is fs.ErrNotExist.
func OpenViews(ctx context.Context, dir, database string) (KeptViews, error) {
	if database != "" {
		r, err := postgres.OpenReader(ctx, database)
		if err != nil {
			return nil, err // and no views that are nil
		}
		return r, nil
	}
	r, err := sqlite.OpenReader(filepath.Join(dir, viewsName))
	if err != nil {
		return nil, err
	}
	return r, nil
}

// viewMarks are the checkpoints of the kept views that have read anything.
func viewMarks(ctx context.Context, dir, database string) (marks []engine.Checkpoint, err error) {
	r, err := OpenViews(ctx, dir, database)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
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
