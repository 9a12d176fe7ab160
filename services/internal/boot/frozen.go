package boot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
	"github.com/allied-ledger/allied/services/query"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// FrozenError: a folder that cannot be written lacks views at its log's end, and none can be built there. It is an fs.ErrPermission.
type FrozenError struct {
	Dir    string
	Detail string
}

func (e *FrozenError) Error() string {
	return fmt.Sprintf("%s cannot be written, and %s: copy the folder to a place that can be written, and ask there", e.Dir, e.Detail)
}

// Unwrap makes it an fs.ErrPermission.
func (e *FrozenError) Unwrap() error { return fs.ErrPermission }

// isForbidden tells that the file system lets nobody write here.
func isForbidden(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// startFrozen answers queries from the views of a folder that cannot be written, such as an auditor's copy. It takes no lock and opens no
// index: the log's files are read only to learn that the views hold all of them.
func startFrozen(ctx context.Context, dir string, log *zap.Logger) (*Node, error) {
	n := &Node{cfg: Config{unlistened: true}, zap: log}
	n.group, n.failed = errgroup.WithContext(context.Background())
	if err := n.serveFrozen(ctx, dir); err != nil {
		return nil, errors.Join(err, n.Close(ctx))
	}
	return n, nil
}

func (n *Node) serveFrozen(ctx context.Context, dir string) error {
	kept, err := sqlite.OpenReader(filepath.Join(dir, viewsName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &FrozenError{dir, "it holds no views"}
	case err != nil:
		return err
	}
	n.closers = append(n.closers, kept.Close)
	if err := checkFrozen(ctx, dir, kept); err != nil {
		return err
	}
	if err := n.openNATS(ctx); err != nil {
		return err
	}
	server, err := query.NewServer(n.dial, n.zap)
	if err != nil {
		return err
	}
	n.run(Views, still{server})
	return serveViews(server, kept, func(context.Context, engine.Spec, es.Position) error { return nil })
}

// still is a role whose views do not change.
type still struct{ *query.Server }

// Run returns once ctx ends.
func (still) Run(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// checkFrozen returns nil where every view stands at the log's end.
func checkFrozen(ctx context.Context, dir string, kept engine.Views) error {
	log, end, err := logEnd(ctx, dir)
	if err != nil {
		return err
	}
	return kept.View(ctx, func(s engine.Snapshot) error {
		for _, spec := range Specs() {
			at, err := s.Checkpoint(ctx, spec)
			var none *engine.NoViewError
			switch {
			case errors.As(err, &none):
				return &FrozenError{dir, fmt.Sprintf("it holds no view %s of this version", spec.Name)}
			case err != nil:
				return err
			case at.Position < end:
				return &FrozenError{dir, fmt.Sprintf("its view %s stands at position %d, while its log ends at %d", spec.Name, at.Position, end)}
			}
			if err := checkMark(dir, at, log, end); err != nil {
				return err
			}
		}
		return nil
	})
}
