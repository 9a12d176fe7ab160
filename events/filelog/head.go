package filelog

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
)

const (
	markBytes     = 128
	headFileBytes = 2 * markBytes
)

// mark is the highest place that was answered, as the head file keeps it. Two lines take turns, so that a torn write leaves the other.
type mark struct {
	log    uuid.UUID
	turn   uint64 // grows with each mark
	end    uint64 // the log's bytes of frames
	events uint64
}

func (m *mark) head() es.Head { return es.Head{Position: es.Position(m.end), Events: m.events} }

// text is the mark's one representation.
func (m *mark) text() []byte {
	b := fmt.Appendf(make([]byte, 0, markBytes), "log %s turn %d bytes %d events %d", m.log, m.turn, m.end, m.events)
	b = fmt.Appendf(b, " checksum %08x", crc32.Checksum(b, castagnoli))
	for len(b) < markBytes-1 {
		b = append(b, ' ')
	}
	return append(b, '\n')
}

func parseMark(b []byte) (m mark, ok bool) {
	var log string
	if _, err := fmt.Sscanf(string(b), "log %s turn %d bytes %d events %d", &log, &m.turn, &m.end, &m.events); err != nil {
		return m, false
	}
	id, err := uuid.Parse(log)
	m.log = id
	return m, err == nil && bytes.Equal(b, m.text())
}

// headFile keeps the mark. It is written before each answer, and synced only when the log is made, opened or closed: a crash of the
// process loses no mark, a power failure may bring back an older one.
type headFile struct {
	file vfs.File
	mark mark
}

// readHead returns the newest mark, and how many of the two lines are damaged. Its error is es.DamageError where neither is whole, and
// os.ErrNotExist where there is no head file.
func readHead(d folder) (m mark, damaged int, err error) {
	path := d.join(headName)
	f, err := d.fs.Open(path)
	if err != nil {
		return m, 0, fmt.Errorf("open the head file: %w", err)
	}
	defer f.Close()
	content := make([]byte, headFileBytes+1)
	n, err := f.ReadAt(content, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return m, 0, fmt.Errorf("read %s: %w", path, err)
	}
	content = content[:n]
	found := false
	for slot := range uint64(2) {
		from, to := min(slot*markBytes, uint64(n)), min((slot+1)*markBytes, uint64(n))
		if other, ok := parseMark(content[from:to]); !ok || other.turn%2 != slot {
			damaged++
		} else if !found || other.turn > m.turn {
			m, found = other, true
		}
	}
	if !found {
		return m, damaged, &es.DamageError{File: path, Detail: "neither of its two marks is whole", Remedy: remedyHead}
	}
	if n > headFileBytes {
		damaged++
	}
	return m, damaged, nil
}

// createHead makes the head file of a new log, before its first segment, so that a log without one is known to be damaged.
func createHead(d folder, log uuid.UUID) error { return writeMarks(d, log, 0, 0) }

// writeMarks makes a head file whose marks both name one place, whole or not at all.
func writeMarks(d folder, log uuid.UUID, end, events uint64) error {
	first := mark{log: log, end: end, events: events}
	second := mark{log: log, turn: 1, end: end, events: events}
	return d.create(headName, append(first.text(), second.text()...))
}

func openHead(d folder, m mark) (*headFile, error) {
	f, err := d.fs.OpenReadWrite(d.join(headName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("open the head file: %w", err)
	}
	return &headFile{file: f, mark: m}, nil
}

// advance writes the next mark in the place of the older one.
func (h *headFile) advance(end, events uint64) error {
	h.mark.turn++
	h.mark.end, h.mark.events = end, events
	if _, err := h.file.WriteAt(h.mark.text(), int64(h.mark.turn%2)*markBytes); err != nil {
		return fmt.Errorf("write the head file: %w", err)
	}
	return nil
}

// settle writes the mark into both places and makes it durable.
func (h *headFile) settle(end, events uint64) error {
	for range 2 {
		if err := h.advance(end, events); err != nil {
			return err
		}
	}
	if err := h.file.Sync(); err != nil {
		return fmt.Errorf("sync the head file: %w", err)
	}
	return nil
}
