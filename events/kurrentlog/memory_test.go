package kurrentlog

import (
	"runtime"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
)

// What is kept for tails is bounded, also where large events follow many small ones, whose room large ones could fill.
func TestNewestEntriesAreBoundedInMemory(t *testing.T) {
	f := newFollower(names{}, nil)
	at := uint64(0)
	absorb := func(events, bytes int) {
		for range events {
			at++
			if err := f.absorb(&esdb.RecordedEvent{
				EventID: uuid.New(), StreamID: "pledge-1", EventType: "allied.record", EventNumber: at - 1,
				Position: esdb.Position{Commit: at, Prepare: at}, Data: make([]byte, bytes),
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	absorb(2*ringBytesMax/ringEntryBytes, 1)
	absorb(300, 1<<20)
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if held := int(m.HeapAlloc); held > 6*ringBytesMax {
		t.Errorf("%d bytes are held; the newest entries may take %d", held, ringBytesMax)
	}
	runtime.KeepAlive(f)
}
