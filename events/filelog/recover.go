package filelog

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/allied-ledger/allied/events/es"
)

const indexBatchAppends = 4096

// logEnd is where an opened log ends.
type logEnd struct {
	mark   mark // as the head file had it
	end    uint64
	events uint64
	crc    uint32
	digest hash.Hash // of the live segment
}

// recover finds the log's end and makes it durable: it makes what a new log needs, checks the live segment frame by frame, cuts a
// damaged end above the mark, and refuses a log that ends below it.
func (l *Log) recover() (end logEnd, err error) {
	if err := l.folder.removeLeftovers(); err != nil {
		return end, err
	}
	if err := l.begin(); err != nil {
		return end, err
	}
	if end.mark, l.recovery.HeadMarksDamaged, err = readHead(l.folder); err != nil {
		return end, missingHead(l.folder, err)
	}
	if n := l.recovery.HeadMarksDamaged; n > 0 {
		l.logger.Warn("the head file was damaged and is rewritten from its other mark", zap.String("file", l.folder.join(headName)), zap.Int("marks_damaged", n))
	}
	segments, liveBytes, err := l.folder.open()
	if err != nil {
		return end, err
	}
	if len(segments) == 0 {
		return end, &es.DamageError{File: l.folder.dir, Detail: fmt.Sprintf("the segments are missing; the head file says that %d events were answered", end.mark.events), Remedy: remedyRestore}
	}
	live := segments[len(segments)-1]
	if live.log != end.mark.log {
		return end, &es.DamageError{File: l.folder.join(headName), Detail: fmt.Sprintf("the head file belongs to log %s, the segments to %s", end.mark.log, live.log), Remedy: remedyHead}
	}
	if n := len(segments); n > 1 { // a crash may have come between the next segment's beginning and this
		if err := l.folder.protect(segments[n-2].path); err != nil {
			return end, err
		}
	}
	l.id, l.segments = live.log, segments
	return end, l.recoverLive(&end, live, live.end(liveBytes))
}

// begin makes the head file and the first segment of a new log, in this order, so that a segment without a head file is damage.
func (l *Log) begin() error {
	segments, _, err := l.folder.listing()
	if err != nil {
		return fmt.Errorf("list the segments: %w", err)
	}
	if len(segments) > 0 {
		return nil
	}
	m, _, err := readHead(l.folder)
	if errors.Is(err, os.ErrNotExist) {
		m = mark{log: uuid.New()}
		err = createHead(l.folder, m.log)
	}
	if err != nil {
		return err
	}
	if m.end > 0 {
		return nil // recover says what is missing
	}
	first := segmentHeader{log: m.log, number: 1}
	return l.folder.create(segmentName(1), first.text())
}

func missingHead(d folder, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return &es.DamageError{File: d.join(headName), Detail: "the head file is missing", Remedy: remedyHead}
	}
	return err
}

// recoverLive reads the live segment up to the first damage and settles where the log ends.
func (l *Log) recoverLive(end *logEnd, live segment, fileEnd uint64) error {
	end.end, end.events, end.crc = live.base, live.ordinal, live.prevCRC
	c := newCursor(l.folder.fs, l.segments, live.base, fileEnd, scanChunkBytes)
	var damage error
	for {
		f, err := c.next()
		if err != nil {
			damage = err
			break
		}
		if f.following == 0 {
			end.end, end.events, end.crc = f.end(), f.entry.Ordinal+1, f.crc
		}
	}
	if err := c.close(); err != nil {
		return fmt.Errorf("close segment: %w", err)
	}
	var damaged *es.DamageError
	if errors.Is(damage, io.EOF) {
		damage = nil
	} else if !errors.As(damage, &damaged) {
		return damage // the file could not be read; nothing is known to be damaged
	}
	if end.end < end.mark.end {
		if damage != nil {
			return damage
		}
		return &es.DamageError{
			File: live.path, Offset: live.offset(end.end), Position: es.Position(end.end), Remedy: remedyRestore,
			Detail: fmt.Sprintf("the log ends here with %d events; %d up to position %d were answered", end.events, end.mark.events, end.mark.end),
		}
	}
	content, err := l.settleLive(end, live, fileEnd)
	if err != nil {
		return err
	}
	if damage != nil {
		l.recovery.CutBytes, l.recovery.Cut = int64(fileEnd-end.end), damage
		l.logger.Warn("cut the log's damaged end, above all that was answered", zap.String("file", live.path),
			zap.Int64("bytes", l.recovery.CutBytes), zap.Uint64("position", end.end), zap.Error(damage))
	}
	end.digest = sha256.New()
	end.digest.Write(content)
	return nil
}

// settleLive makes the live segment durable up to the log's end, cuts what is beyond, and returns its content.
//
// What lies above the mark is written again before it is synced: after a failed sync the system may hold pages as clean that never
// reached the disk, and a sync alone would answer that all is well.
func (l *Log) settleLive(end *logEnd, live segment, fileEnd uint64) ([]byte, error) {
	fs := l.folder.fs
	f, err := fs.OpenReadWrite(live.path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("open the live segment: %w", err)
	}
	content := make([]byte, live.offset(end.end))
	_, err = f.ReadAt(content, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if from := max(end.mark.end, live.base); err == nil && fileEnd == end.end {
		if from < end.end {
			again := append([]byte(nil), content[live.offset(from):]...)
			_, err = f.WriteAt(again, live.offset(from))
		}
		if err == nil {
			err = f.Sync()
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("settle the live segment %s: %w", live.path, err)
	}
	if fileEnd > end.end {
		// A file cannot be shortened through vfs: the whole part takes its place.
		if err := l.folder.create(segmentName(live.number), content); err != nil {
			return nil, err
		}
	}
	return content, nil
}

// openIndex opens the index and brings it to the log's end; it makes it anew where that is not possible. An index that has seen more
// than the log holds is a mark above its head.
func (l *Log) openIndex(end logEnd) error {
	dir := l.folder.fs.PathJoin(l.dir, "index")
	var why error
	for range 2 {
		if why != nil {
			l.logger.Warn("the index of streams is made anew from the log", zap.String("dir", dir), zap.Error(why))
			l.recovery.IndexRebuilt = true
			if err := l.folder.fs.RemoveAll(dir); err != nil {
				return fmt.Errorf("remove the index to make it anew: %w", err)
			}
		}
		x, at, err := openIndex(l.folder.fs, dir, l.logger)
		if err != nil {
			why = err
			continue
		}
		if at.log == l.id && at.end > end.end {
			return errors.Join(&es.DamageError{
				File: l.segments[len(l.segments)-1].path, Position: es.Position(end.end), Remedy: remedyRestore,
				Detail: fmt.Sprintf("the log ends here with %d events; its index has seen %d up to position %d", end.events, at.events, at.end),
			}, x.shut())
		}
		if l.recovery.EventsIndexed, why = l.catchUpIndex(x, at, end); why == nil {
			l.index = x
			return nil
		}
		var damage *es.DamageError
		if errors.As(why, &damage) && at.end == 0 {
			return errors.Join(why, x.shut()) // not the index but the log
		}
		if err := x.shut(); err != nil {
			l.logger.Warn("close the index of streams", zap.Error(err))
		}
	}
	return fmt.Errorf("the index of streams cannot be made in %s: %w", dir, why)
}

// catchUpIndex indexes what follows the index's mark. Its error means that the index is not of this log's history, or that the log
// cannot be read.
func (l *Log) catchUpIndex(x *index, at applied, end logEnd) (events uint64, err error) {
	switch {
	case at.end > 0 && at.log != l.id:
		return 0, fmt.Errorf("the index belongs to log %s, not %s", at.log, l.id)
	case at.end == end.end:
		if at.end > 0 && at.crc != end.crc {
			return 0, errors.New("the index belongs to another history of this log")
		}
		return 0, nil
	}
	c := newCursor(l.folder.fs, l.segments, at.end, end.end, scanChunkBytes)
	if at.end > 0 {
		c.known, c.crc, c.ordinal = true, at.crc, at.events
	}
	defer func() { err = errors.Join(err, c.close()) }()
	mark := applied{log: l.id}
	var batch []indexed
	for {
		f, err := c.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return events, err
		}
		batch = append(batch, indexed{f.entry.Stream, location{first: f.entry.Revision, count: 1, start: f.start}})
		for c.following > 0 {
			if f, err = c.next(); err != nil {
				return events, err
			}
			batch[len(batch)-1].count++
		}
		events += uint64(batch[len(batch)-1].count)
		mark.end, mark.events, mark.crc = f.end(), f.entry.Ordinal+1, f.crc
		if len(batch) == indexBatchAppends {
			if err := x.apply(batch, mark); err != nil {
				return events, err
			}
			batch = batch[:0]
		}
	}
	if len(batch) > 0 {
		err = x.apply(batch, mark)
	}
	return events, err
}
