package command

import (
	"context"
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/google/uuid"
)

// stream is one stream's state as far as it has been read, and the commands that it has obeyed.
type stream[S any] struct {
	name     string
	logID    string // of the log it was read from; empty before the first read
	state    S
	revision int64 // of the last event folded, or es.NoStream
	applied  map[uuid.UUID]*applied
}

// applied is a command that was recorded: what a repeat is answered with.
type applied struct {
	digest [32]byte
	events []uuid.UUID
	// The place of the last of them.
	position, ordinal, revision uint64
}

// advance folds what followed in the log, and tells whether anything did. After an error, or when the log is another, the state is void.
func (h *Host[S, C]) advance(ctx context.Context, s *stream[S]) (changed bool, err error) {
	for {
		p, err := h.log.StreamPage(ctx, s.name, uint64(s.revision+1))
		if err != nil {
			return changed, err
		}
		if s.logID == "" {
			s.logID = p.LogID
		}
		if s.logID != p.LogID {
			return changed, errOtherLog
		}
		for _, e := range p.Entries {
			f, err := wire.Decode(e)
			if err != nil {
				return changed, err
			}
			if err := h.fold(s, f); err != nil {
				return changed, err
			}
			changed = true
		}
		if p.End {
			return changed, nil
		}
	}
}

var errOtherLog = fmt.Errorf("the recorder holds another log than before")

// fold applies one fact. It fails where the fact is not the next, or the aggregate cannot take it: then the log holds what no decider wrote.
func (h *Host[S, C]) fold(s *stream[S], f *es.Fact) (err error) {
	if f.Stream != s.name || int64(f.Revision) != s.revision+1 {
		return fmt.Errorf("fold %s: got revision %d of %s, want revision %d", s.name, f.Revision, f.Stream, s.revision+1)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("fold %s at revision %d: %v", s.name, f.Revision, p)
		}
	}()
	s.state = h.spec.Decider.Evolve(s.state, f)
	s.revision = int64(f.Revision)
	id := uuid.UUID(f.Envelope.GetCommandId())
	a := s.applied[id]
	if a == nil {
		a = &applied{digest: [32]byte(f.Envelope.GetCommandDigest())}
		s.applied[id] = a
	}
	a.events = append(a.events, f.ID)
	a.position, a.ordinal, a.revision = uint64(f.Position), f.Ordinal, f.Revision
	return nil
}

// load returns a stream's state, and whether it is as fresh as the log.
func (h *Host[S, C]) load(ctx context.Context, name string) (s *stream[S], fresh bool, err error) {
	if s := h.cache.take(name); s != nil {
		return s, false, nil
	}
	s = &stream[S]{name: name, state: h.spec.Decider.Initial(name), revision: es.NoStream, applied: map[uuid.UUID]*applied{}}
	if _, err := h.advance(ctx, s); err != nil {
		return nil, false, err
	}
	return s, true, nil
}
