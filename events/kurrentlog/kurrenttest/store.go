// Package kurrenttest serves the gRPC protocol of EventStoreDB and KurrentDB from memory, so that a log on that store can be tried and timed without one.
//
// It answers as the database's own source does (github.com/EventStore/EventStore, below src/EventStore.Core; named here by file), and as the Go client v4.2.0
// expects. Where a comment says "not confirmed", nobody looked at that source or at a real server.
package kurrenttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Where a stream stands, or is expected to (Data/ExpectedVersion.cs, Data/EventNumber.cs).
const (
	NoStream     int64 = -1
	Any          int64 = -2
	StreamExists int64 = -4

	// deletedRevision is the revision of a tombstone, and the truncation point of a stream that was deleted softly.
	deletedRevision int64 = math.MaxInt64
)

const (
	// firstPositionBytes is where the log begins: a real one holds records of its own before the first event.
	firstPositionBytes = 2113
	// recordOverheadBytes is what a record costs beside its contents; only that positions have gaps matters.
	recordOverheadBytes = 60
	// appendBytesMaxDefault is the server's MaxAppendSize (Util/Opts.cs, 1 MiB).
	appendBytesMaxDefault = 1 << 20
)

// Types and prefixes of the database's own events (Services/SystemNames.cs).
const (
	typeMetadata  = "$metadata"
	typeDeleted   = "$streamDeleted"
	typeLink      = "$>"
	metaPrefix    = "$$"
	contentJSON   = "application/json"
	contentBinary = "application/octet-stream"
)

// StoreConfig says how a store answers where the database has settings, or where its answer is nobody's promise.
type StoreConfig struct {
	AppendBytesMax int             // what one append may hold; 0 is the server's default
	Repeated       RepeatedAnswer  // the position told to a repeated append
	Noise          Noise           // events of others between ours
	StreamReads    StreamPositions // whether events that are read by stream tell their position
	LiveEventsMax  int             // how far a live subscription may lag before it falls behind; 0 is the server's default
}

// RepeatedAnswer is the position in the answer to an append that was stored before. No documentation promises it.
type RepeatedAnswer int

const (
	RepeatedLast  RepeatedAnswer = iota // of the last event of the original, as the source has it (RequestManagerBase.cs, Handle(AlreadyCommitted))
	RepeatedFirst                       // of the first event of the original
	RepeatedNone                        // none, as servers up to version 5 answer
)

// StreamPositions says whether events that are read by stream tell their position in $all: older servers do not (Data/ResolvedEvent.cs).
type StreamPositions int

const (
	StreamPositionsTold StreamPositions = iota
	StreamPositionsUntold
)

// Event is an event as written and stored. A writer leaves the fields below Data to the store.
type Event struct {
	ID          uuid.UUID
	Type        string
	ContentType string
	Metadata    []byte
	Data        []byte

	// Apart is how many bytes the prepare position lies before the commit position, as it does for events that old clients wrote in explicit transactions.
	Apart uint64

	Stream   string
	Revision uint64
	Commit   uint64
	Prepare  uint64
	Created  int64 // ticks of 100 ns since 1970
}

// Store is the contents of a database that one or more nodes serve; they stay when nodes stop.
type Store struct {
	config StoreConfig

	mu      sync.RWMutex
	log     []*Event
	streams map[string]*stream
	known   map[uuid.UUID]where // what IndexWriter.cs calls committed events; the real one is bounded, and empty after a restart
	next    uint64              // position of the next record
	changed chan struct{}       // closed by the next write
	dropped chan struct{}       // closed by DropSubscriptions
	noise   *noisemaker

	cluster cluster
	hooks   hooks
}

// stream is one stream. Its events are all that were ever written, also those that reads no longer show.
type stream struct {
	events     []*Event
	tombstoned bool
	meta       streamMeta
}

// streamMeta is what of a stream's metadata changes reads (Data/StreamMetadata.cs).
type streamMeta struct {
	TruncateBefore int64 `json:"$tb"`
	MaxCount       int64 `json:"$maxCount"`
}

type where struct {
	stream   string
	revision int64
}

// NewStore gives an empty store.
func NewStore(config StoreConfig) *Store {
	if config.AppendBytesMax == 0 {
		config.AppendBytesMax = appendBytesMaxDefault
	}
	if config.LiveEventsMax == 0 {
		config.LiveEventsMax = liveEventsMaxDefault
	}
	return &Store{
		config:  config,
		streams: map[string]*stream{},
		known:   map[uuid.UUID]where{},
		next:    firstPositionBytes,
		changed: make(chan struct{}),
		dropped: make(chan struct{}),
		noise:   newNoisemaker(config.Noise),
	}
}

// Insert appends events to a stream behind the back of all clients, whatever its revision, and gives them as stored.
func (s *Store) Insert(name string, events ...Event) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := make([]Event, 0, len(events))
	for _, e := range s.write(name, events) {
		stored = append(stored, *e)
	}
	s.wake()
	return stored
}

// Stream gives all events ever written to a stream, also those that reads no longer show.
func (s *Store) Stream(name string) []Event {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := s.streams[name]
	if st == nil {
		return nil
	}
	return values(st.events)
}

// All gives the whole log, system events and those of others included.
func (s *Store) All() []Event {
	return values(s.snapshot())
}

// Streams names the streams that have events, in order.
func (s *Store) Streams() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.streams))
}

func values(events []*Event) []Event {
	out := make([]Event, len(events))
	for i, e := range events {
		out[i] = *e
	}
	return out
}

// snapshot gives the log as it is now; its events never change.
func (s *Store) snapshot() []*Event {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.log
}

// current is a stream's last revision, NoStream when it has none, deletedRevision under a tombstone. Needs the lock.
func (s *Store) current(name string) int64 {
	st := s.streams[name]
	switch {
	case st == nil || len(st.events) == 0:
		return NoStream
	case st.tombstoned:
		return deletedRevision
	}
	return int64(len(st.events)) - 1
}

// softDeleted reports whether a stream was deleted but may be written again: its metadata truncates all of it. Needs the lock.
func (s *Store) softDeleted(name string) bool {
	st := s.streams[name]
	return st != nil && st.meta.TruncateBefore == deletedRevision
}

// write stores events at the end of their stream. Needs the lock; the caller wakes readers.
func (s *Store) write(name string, events []Event) []*Event {
	st := s.streamOf(name)
	created := time.Now().UnixNano() / 100
	stored := make([]*Event, len(events))
	for i := range events {
		e := events[i]
		e.Stream, e.Revision, e.Created = name, uint64(len(st.events)), created
		if e.ID == uuid.Nil {
			e.ID = uuid.New()
		}
		if e.ContentType != contentJSON {
			e.ContentType = contentBinary // the server keeps one bit (Streams.Append.cs, Append: isJson)
		}
		if e.Type == typeDeleted {
			e.Revision = uint64(deletedRevision)
			st.tombstoned = true
		}
		// The prepare lies before the commit, and after the record before it.
		e.Prepare, e.Commit = s.next, s.next+e.Apart
		s.next = e.Commit + uint64(recordOverheadBytes+len(name)+len(e.Type)+len(e.Metadata)+len(e.Data))
		stored[i] = &e
		st.events = append(st.events, &e)
		s.log = append(s.log, &e)
		s.known[e.ID] = where{name, int64(e.Revision)}
	}
	if original, ok := cutMeta(name); ok && len(stored) > 0 {
		s.applyMeta(original, stored[len(stored)-1].Data)
	}
	return stored
}

// SetBack forgets all but the first events, as one does who restores a backup. The nodes must be stopped.
func (s *Store) SetBack(events int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if events >= len(s.log) {
		return
	}
	s.next = s.log[events].Prepare
	s.log = s.log[:events:events]
	s.streams = map[string]*stream{}
	clear(s.known)
	for _, e := range s.log {
		st := s.streamOf(e.Stream)
		st.events, st.tombstoned = append(st.events, e), e.Type == typeDeleted
		if original, ok := cutMeta(e.Stream); ok {
			s.applyMeta(original, e.Data)
		}
	}
}

// wake tells readers at the end that there is more. Needs the lock.
func (s *Store) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// applyMeta takes over the newest metadata of a stream; what cannot be read counts as none. Needs the lock.
func (s *Store) applyMeta(name string, data []byte) {
	var meta streamMeta
	if json.Unmarshal(data, &meta) != nil {
		meta = streamMeta{}
	}
	s.streamOf(name).meta = meta
}

// streamOf gives a stream, made when it is not there. Of metadata only the newest is shown (IndexReader.cs, metastreamMetadata). Needs the lock.
func (s *Store) streamOf(name string) *stream {
	st := s.streams[name]
	if st == nil {
		st = &stream{}
		if _, ok := cutMeta(name); ok {
			st.meta.MaxCount = 1
		}
		s.streams[name] = st
	}
	return st
}

func cutMeta(name string) (string, bool) {
	if len(name) <= len(metaPrefix) || name[:len(metaPrefix)] != metaPrefix {
		return "", false
	}
	return name[len(metaPrefix):], true
}

// firstVisible is the first revision of a stream that reads show (IndexReader.cs, ReadStreamEventsForwardInternal: $tb and $maxCount, the higher of both).
func (st *stream) firstVisible() int64 {
	first := max(st.meta.TruncateBefore, 0)
	if st.meta.MaxCount > 0 {
		first = max(first, int64(len(st.events))-st.meta.MaxCount)
	}
	return first
}

// Delete deletes a stream behind the back of all clients, as the Delete call does: it reads as absent, and can be written again.
func (s *Store) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deleteSoftly(name)
	s.wake()
}

// Tombstone ends a stream for ever behind the back of all clients, as the Tombstone call does.
func (s *Store) Tombstone(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tombstone(name)
	s.wake()
}

// deleteSoftly writes what StorageWriterService.cs, Handle(WriteDelete) writes: metadata that truncates all. Needs the lock.
func (s *Store) deleteSoftly(name string) *Event {
	return s.truncate(name, deletedRevision)
}

// truncate writes a stream's metadata again with another truncation point. Needs the lock.
func (s *Store) truncate(name string, before int64) *Event {
	properties := map[string]json.RawMessage{}
	if meta := s.streams[metaPrefix+name]; meta != nil && len(meta.events) > 0 {
		last := meta.events[len(meta.events)-1]
		if json.Unmarshal(bytes.Clone(last.Data), &properties) != nil {
			properties = map[string]json.RawMessage{}
		}
	}
	properties["$tb"] = json.RawMessage(fmt.Sprint(before))
	data, err := json.Marshal(properties)
	if err != nil {
		panic(err) // a map of what was just parsed
	}
	return s.write(metaPrefix+name, []Event{{Type: typeMetadata, ContentType: contentJSON, Data: data}})[0]
}

// tombstone writes the event that ends a stream (StorageWriterService.cs, Handle(WriteDelete), hardDelete). Needs the lock.
func (s *Store) tombstone(name string) *Event {
	return s.write(name, []Event{{Type: typeDeleted}})[0]
}
