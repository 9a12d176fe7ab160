package engine

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"
	"sync"
)

// MemSink keeps views in memory, for tests and for folding the log again.
type MemSink struct {
	mu    sync.RWMutex
	views map[string]*memView
}

type memView struct {
	spec       Spec
	checkpoint Checkpoint
	tables     []*memTable
}

// memTable finds rows by their encoded key. Its order is made when it is next read, so that rebuilding does not pay for it.
type memTable struct {
	rows    map[string]Row
	ordered []Row
	mu      sync.Mutex // guards ordered, which readers make
}

// NewMemSink returns an empty sink.
func NewMemSink() *MemSink { return &MemSink{views: map[string]*memView{}} }

// Open implements Sink.
func (s *MemSink) Open(ctx context.Context, spec Spec) (Checkpoint, error) {
	if err := spec.Check(); err != nil {
		return Checkpoint{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.views[spec.Name]
	if v == nil || v.spec.Fingerprint() != spec.Fingerprint() {
		v = newMemView(spec)
		s.views[spec.Name] = v
	}
	return v.checkpoint, ctx.Err()
}

func newMemView(spec Spec) *memView {
	v := &memView{spec: spec, checkpoint: Checkpoint{Projection: spec.Name}}
	for range spec.Tables {
		v.tables = append(v.tables, &memTable{rows: map[string]Row{}})
	}
	return v
}

// Reset implements Sink.
func (s *MemSink) Reset(ctx context.Context, spec Spec) error {
	if err := spec.Check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.views[spec.Name] = newMemView(spec)
	return ctx.Err()
}

// Commit implements Sink. Rows are gathered first, so that a flush that fails changes nothing.
func (s *MemSink) Commit(ctx context.Context, from, to Checkpoint, flush func(yield func(table int, row Row) error) error) error {
	if err := CheckMove(from, to); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.views[from.Projection]
	if v == nil {
		return fmt.Errorf("commit view %s: not open", from.Projection)
	}
	if v.checkpoint != from {
		return &CheckpointError{Expected: from, Actual: v.checkpoint}
	}
	type change struct {
		table int
		row   Row
	}
	var changes []change
	err := flush(func(table int, row Row) error {
		if table < 0 || table >= len(v.tables) {
			return fmt.Errorf("view %s has no table %d", from.Projection, table)
		}
		if err := v.spec.Tables[table].CheckRow(row); err != nil {
			return err
		}
		changes = append(changes, change{table, slices.Clone(row)})
		return ctx.Err()
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("commit view %s: %w", from.Projection, err)
	}
	var key []byte
	for _, c := range changes {
		key = AppendRow(key[:0], c.row[:v.spec.Tables[c.table].Key])
		v.tables[c.table].rows[string(key)] = c.row
		v.tables[c.table].ordered = nil
	}
	v.checkpoint = to
	return nil
}

// View implements Views. Commits wait for it.
func (s *MemSink) View(ctx context.Context, fn func(Snapshot) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return fn(memSnapshot{s})
}

// Leave implements Sink. Nobody shares memory.
func (s *MemSink) Leave(string) error { return nil }

// Close implements Sink.
func (s *MemSink) Close() error { return nil }

type memSnapshot struct{ sink *MemSink }

func (s memSnapshot) Checkpoint(_ context.Context, spec Spec) (Checkpoint, error) {
	v := s.sink.views[spec.Name]
	if v == nil || v.spec.Fingerprint() != spec.Fingerprint() {
		return Checkpoint{}, &NoViewError{Projection: spec.Name, Version: spec.Version}
	}
	return v.checkpoint, nil
}

func (s memSnapshot) Scan(ctx context.Context, t Table, r Range) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		rows, ok := s.sink.rows(t)
		if !ok {
			yield(nil, fmt.Errorf("scan %s: no such table", t.Name))
			return
		}
		rows = r.of(rows)
		for i := range rows {
			row := rows[i]
			if r.Descending {
				row = rows[len(rows)-1-i]
			}
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// of returns the rows of a range, which stand together in a table.
func (r Range) of(rows []Row) []Row {
	begin := sort.Search(len(rows), func(i int) bool {
		return compare(rows[i], r.Prefix) >= 0 && (r.Descending || len(r.After) == 0 || compare(rows[i], r.After) > 0)
	})
	rows = rows[begin:]
	return rows[:sort.Search(len(rows), func(i int) bool {
		return compare(rows[i], r.Prefix) > 0 || r.Descending && len(r.After) > 0 && compare(rows[i], r.After) >= 0
	})]
}

// rows returns a table's rows in key order.
func (s *MemSink) rows(t Table) ([]Row, bool) {
	for _, v := range s.views {
		for i, have := range v.spec.Tables {
			if have.Name == t.Name {
				return v.tables[i].order(have), true
			}
		}
	}
	return nil, false
}

func (m *memTable) order(t Table) []Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ordered == nil {
		m.ordered = make([]Row, 0, len(m.rows))
		for _, row := range m.rows {
			m.ordered = append(m.ordered, row)
		}
		slices.SortFunc(m.ordered, t.Compare)
	}
	return m.ordered
}
