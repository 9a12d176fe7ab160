package relay

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/subject"
	"github.com/allied-ledger/allied/events/wire"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/allied-ledger/allied/services/internal/readable"
	"github.com/allied-ledger/allied/services/internal/strictjson"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"
)

// The headers of a message: the event's place in its log, and what of its record a consumer may want before it decodes it.
const (
	LogHeader      = "Allied-Ledger-Log"      // the log's id
	PositionHeader = "Allied-Ledger-Position" // opaque, growing within the log
	PrevHeader     = "Allied-Ledger-Prev"     // the position before it; 0 for the first
	OrdinalHeader  = "Allied-Ledger-Ordinal"  // how many events precede it
	StreamHeader   = "Allied-Ledger-Stream"   // such as pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8
	RevisionHeader = "Allied-Ledger-Revision" // its place in the stream, from 0
	EventHeader    = "Allied-Ledger-Event"    // the event's id
	TypeHeader     = "Allied-Ledger-Type"     // the stored name, such as allied.event.v1.PledgeAllocated
	RecordedHeader = "Allied-Ledger-Recorded-At"
	// AbsentHeader stands where the event is larger than a message may be: it has the number of bytes that are not there. The event is read
	// by GET /v1/events?after=PREV&limit=1, of which PREV is that of PrevHeader.
	AbsentHeader = "Allied-Ledger-Absent-Bytes"
)

// Headers are the names of all headers of a message, as they are sent.
func Headers() []string {
	return []string{
		LogHeader, PositionHeader, PrevHeader, OrdinalHeader, StreamHeader, RevisionHeader, EventHeader, TypeHeader, RecordedHeader, AbsentHeader,
	}
}

// DonorUnread is the token of a donor that cannot be read: nobody knows whose the event is. It is no donor's; `_` is that of a fact without one.
const DonorUnread = "="

// Form is where events are published, and in which encoding.
type Form struct {
	// Stream is the stream's name. Its subjects are Prefix, kind, donor and stream.
	Stream string
	Prefix string
	about  string
	encode func(e es.Entry) ([]byte, error)
}

// Events are the records as the log keeps them, to the byte: encoded allied.log.v1.Record, of which proofs and hashes speak.
var Events = Form{
	Stream: "ALLIED_EVENTS", Prefix: "allied.events", about: "Every event of the ledger once, in order: encoded allied.log.v1.Record.",
	encode: func(e es.Entry) ([]byte, error) { return e.Bytes, nil },
}

// EventsJSON are the same events as /v1/events shows them, for who has no protobuf.
var EventsJSON = Form{
	Stream: "ALLIED_EVENTS_JSON", Prefix: "allied.events_json", about: "Every event of the ledger once, in order: JSON of allied.api.v1.LoggedEvent.",
	encode: func(e es.Entry) ([]byte, error) { return strictjson.Marshal(readable.Logged(e)) },
}

// Subject is where the events of a stream are published; `*` for any of the three, which follow each other as tokens.
func (f Form) Subject(kind, donor, stream string) string {
	return f.Prefix + "." + kind + "." + donor + "." + stream
}

// key is where the checkpoint stands.
func (f Form) key() string { return strings.ToLower(f.Stream) }

// message is what is published of an entry. What a message has no room for is announced by its place alone.
func (f Form) message(log uuid.UUID, e es.Entry, bytesMax int) (*nats.Msg, error) {
	record, err := wire.DecodeRecord(e.Bytes)
	if err != nil {
		return nil, fmt.Errorf("publish position %d: %w", e.Position, err)
	}
	m := nats.NewMsg(f.subject(record))
	for _, h := range [...][2]string{
		{LogHeader, log.String()},
		{PositionHeader, strconv.FormatUint(uint64(e.Position), 10)},
		{PrevHeader, strconv.FormatUint(uint64(e.Prev), 10)},
		{OrdinalHeader, strconv.FormatUint(e.Ordinal, 10)},
		{StreamHeader, e.Stream},
		{RevisionHeader, strconv.FormatUint(e.Revision, 10)},
		{EventHeader, e.ID.String()},
		{TypeHeader, record.GetType()},
		{RecordedHeader, time.Unix(0, record.GetRecordedAtNanos()).UTC().Format(time.RFC3339Nano)},
	} {
		m.Header[h[0]] = []string{h[1]}
	}
	if m.Data, err = f.encode(e); err != nil {
		return nil, fmt.Errorf("publish position %d: %w", e.Position, err)
	}
	if m.Size()+conditionBytes > bytesMax {
		m.Header[AbsentHeader] = []string{strconv.Itoa(len(m.Data))}
		m.Data = nil
	}
	return m, nil
}

// conditionBytes bounds what the conditions of a write add to the headers of a message, and what its size leaves out of them.
const conditionBytes = 512

// subject files a record under its donor, also one whose event this program does not know: the envelope says whose it is.
func (f Form) subject(r *logv1.Record) string {
	kind, _, _ := es.ParseStream(r.GetStream()) // checked when it was decoded
	donor := ""
	var envelope eventv1.Envelope
	if proto.Unmarshal(r.GetHeader(), &envelope) == nil {
		donor = envelope.GetDonor()
	}
	var b strings.Builder
	b.WriteString(f.Prefix)
	for _, word := range [...]string{kind, donor, r.GetStream()} {
		b.WriteByte('.')
		subject.AppendToken(&b, word) // an empty one is DonorUnread
	}
	return b.String()
}

// place is an event among the others: all before it and itself are published. The zero place is before the first.
type place struct {
	Position es.Position `json:"position"`
	Next     uint64      `json:"next"` // the ordinal of the event after it
	Event    uuid.UUID   `json:"event"`
}

func placeOf(e es.Entry) place { return place{e.Position, e.Ordinal + 1, e.ID} }

// readPlace reads what a message is, and of which log; false where the relay has not written it.
func readPlace(h nats.Header) (log uuid.UUID, at place, ok bool) {
	log, err := uuid.Parse(h.Get(LogHeader))
	if err != nil {
		return log, at, false
	}
	if at.Event, err = uuid.Parse(h.Get(EventHeader)); err != nil {
		return log, at, false
	}
	position, err := strconv.ParseUint(h.Get(PositionHeader), 10, 64)
	if err != nil {
		return log, at, false
	}
	ordinal, err := strconv.ParseUint(h.Get(OrdinalHeader), 10, 64)
	at.Position, at.Next = es.Position(position), ordinal+1
	return log, at, err == nil
}
