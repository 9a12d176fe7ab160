package kurrentlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/allied-ledger/allied/events/es"
)

// pageEvents is how many positions a page of the index holds. It is part of the format: page n holds those of the ordinals from n times
// pageEvents on.
const pageEvents = 4096

// index knows the positions of the log's events by ordinal: full pages, packed, and the beginning of the next.
type index struct {
	pages []page
	open  []es.Position
}

// page holds positions as unsigned varints: the first, then how far each lies after the one before.
type page struct {
	first es.Position
	bytes []byte
}

func (x *index) len() uint64 { return uint64(len(x.pages))*pageEvents + uint64(len(x.open)) }

// add takes the position of the next event.
func (x *index) add(p es.Position) {
	if x.open == nil {
		x.open = make([]es.Position, 0, pageEvents)
	}
	if x.open = append(x.open, p); len(x.open) == pageEvents {
		x.pages = append(x.pages, pack(x.open))
		x.open = x.open[:0]
	}
}

func pack(positions []es.Position) page {
	var b []byte
	before := es.Position(0)
	for _, p := range positions {
		b = binary.AppendUvarint(b, uint64(p-before))
		before = p
	}
	return page{positions[0], b}
}

// unpack returns a page's positions; an error where the bytes are no page.
func (p page) unpack() ([]es.Position, error) {
	out := make([]es.Position, 0, pageEvents)
	at, rest := es.Position(0), p.bytes
	for len(rest) > 0 {
		step, n := binary.Uvarint(rest)
		if n <= 0 || step == 0 || uint64(at) > math.MaxUint64-step || len(out) == pageEvents {
			return nil, errors.New("positions do not grow")
		}
		at += es.Position(step)
		out, rest = append(out, at), rest[n:]
	}
	if len(out) != pageEvents {
		return nil, fmt.Errorf("%d positions; a page has %d", len(out), pageEvents)
	}
	return out, nil
}

// count is how many events stand at or before a position, and the position of the last of them, 0 where there is none.
func (x *index) count(at es.Position) (events uint64, last es.Position) {
	positions, base := x.open, uint64(len(x.pages))*pageEvents
	if len(positions) == 0 || positions[0] > at {
		n := sort.Search(len(x.pages), func(i int) bool { return x.pages[i].first > at })
		if n == 0 {
			return 0, 0
		}
		positions, base = x.positions(n-1), uint64(n-1)*pageEvents
	}
	n := sort.Search(len(positions), func(i int) bool { return positions[i] > at })
	return base + uint64(n), positions[n-1]
}

// positions are those of a full page.
func (x *index) positions(n int) []es.Position {
	positions, err := x.pages[n].unpack()
	if err != nil { // it was packed here, or unpacked when it was loaded
		panic(fmt.Sprintf("page %d of the index: %v", n, err))
	}
	return positions
}

// run is the positions of the events from an ordinal on, of one page; none where the index does not reach it.
func (x *index) run(ordinal uint64) []es.Position {
	n := ordinal / pageEvents
	switch {
	case n < uint64(len(x.pages)):
		return x.positions(int(n))[ordinal%pageEvents:]
	case ordinal < x.len():
		return slices.Clone(x.open[ordinal%pageEvents:]) // since the open page is written on
	}
	return nil
}

// loadIndex reads the pages that are kept in the store. What is kept can be counted again: where a page is gone or is none, all is.
func (l *Log) loadIndex(ctx context.Context) error {
	var x index
	last := es.Position(0)
	for e, err := range l.stream(ctx, l.names.index(), 0, math.MaxInt64) {
		if err != nil && !isCode(err, esdb.ErrorCodeStreamDeleted) {
			return fmt.Errorf("read the log's index: %w", err)
		}
		var p page
		var positions []es.Position
		if err == nil {
			p.bytes = e.Data
			positions, err = p.unpack()
		}
		switch {
		case err != nil:
		case e.EventNumber != uint64(len(x.pages)):
			err = fmt.Errorf("page %d is there, and %d is due", e.EventNumber, len(x.pages))
		case positions[0] <= last:
			err = errors.New("a page begins before the one before it ends")
		}
		if err != nil {
			l.cfg.Logger.Warn("the log's index cannot be read: every start counts the log from its beginning", zap.String("stream", l.names.index()), zap.Error(err))
			return nil
		}
		p.first, last = positions[0], positions[pageEvents-1]
		x.pages = append(x.pages, p)
	}
	l.follow.resume(x, last)
	return nil
}

// keepIndex writes pages as they fill, from one on. Recorders beside this one write the same pages; each is written once, under its number.
func (l *Log) keepIndex(ctx context.Context, next int) {
	for ; ; next++ {
		p, ok := l.follow.awaitPage(ctx, next)
		if !ok {
			return
		}
		event := esdb.EventData{
			EventID: uuid.NewSHA1(l.id, binary.BigEndian.AppendUint64(nil, uint64(next))), EventType: "AlliedIndexPage", Data: p.bytes,
			Metadata: fmt.Appendf(nil, `{"events":%d,"from_ordinal":%d,"from_position":%d}`, pageEvents, next*pageEvents, p.first),
		}
		for delay := retryDelayMin; ; delay = min(2*delay, retryDelayMax) {
			_, err := l.send(ctx, l.names.index(), int64(next)-1, []esdb.EventData{event})
			if err == nil || isWrongRevision(err) {
				break // written, by this recorder or another
			}
			if isCode(err, esdb.ErrorCodeStreamDeleted) || pause(ctx, delay) != nil {
				return
			}
			l.cfg.Logger.Warn("page of the log's index not kept; trying again", zap.Int("page", next), zap.Error(err))
		}
	}
}
