package readable

import (
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
)

// Entry is an event at its place in the log. Error stands in place of what cannot be decoded.
type Entry struct {
	Position    uint64 `json:"position"`
	Prev        uint64 `json:"prev"`
	Ordinal     uint64 `json:"ordinal"`
	Stream      string `json:"stream"`
	Revision    uint64 `json:"revision"`
	EventID     string `json:"event_id"`
	Type        string `json:"type"`
	RecordedAt  string `json:"recorded_at"`
	RecordBytes int    `json:"record_bytes"`
	Envelope    Object `json:"envelope,omitempty"`
	Event       Object `json:"event,omitempty"`
	Error       string `json:"error,omitempty"`
}

// NewEntry renders an entry; what it says only when it is to be decoded.
func NewEntry(e es.Entry, decode bool) Entry {
	doc := Entry{
		Position: uint64(e.Position), Prev: uint64(e.Prev), Ordinal: e.Ordinal, Stream: e.Stream, Revision: e.Revision,
		EventID: e.ID.String(), RecordBytes: len(e.Bytes),
	}
	record, err := wire.DecodeRecord(e.Bytes)
	if err != nil {
		doc.Error = err.Error()
		return doc
	}
	doc.Type = record.GetType()
	doc.RecordedAt = time.Unix(0, record.GetRecordedAtNanos()).UTC().Format(time.RFC3339Nano)
	if !decode {
		return doc
	}
	if err := doc.decode(e); err != nil {
		doc.Error = err.Error()
	}
	return doc
}

func (doc *Entry) decode(e es.Entry) error {
	fact, err := wire.Decode(e)
	if err != nil {
		return err
	}
	if doc.Envelope, err = Message(fact.Envelope); err != nil {
		return err
	}
	doc.Event, err = Message(fact.Event)
	return err
}
