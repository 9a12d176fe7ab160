// Package wire turns records into facts, and events into what the recorder stores.
package wire

import (
	"errors"
	"fmt"
	"time"

	"github.com/allied-ledger/allied/events/es"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	idBytes     = 16
	digestBytes = 32
)

var deterministic = proto.MarshalOptions{Deterministic: true}

// EncodeRecord returns the bytes that are stored, hashed and proven. Only the recorder calls it, once for each record: protobuf bytes are
// not canonical, so nothing encodes a record again to compare or hash it.
func EncodeRecord(r *logv1.Record) ([]byte, error) {
	if err := checkRecord(r); err != nil {
		return nil, err
	}
	b, err := deterministic.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode record %x of stream %q: %w", r.GetEventId(), r.GetStream(), err)
	}
	if len(b) > es.RecordBytesMax {
		return nil, fmt.Errorf("record %x of stream %q has %d bytes, at most %d are stored: split the command", r.GetEventId(), r.GetStream(),
			len(b), es.RecordBytesMax)
	}
	return b, nil
}

// DecodeRecord reads what EncodeRecord wrote, and leaves header and payload as they are. Its error is a *CorruptError.
func DecodeRecord(b []byte) (*logv1.Record, error) {
	r := new(logv1.Record)
	if err := proto.Unmarshal(b, r); err != nil {
		return nil, &CorruptError{Detail: "not a record", Err: err}
	}
	if err := checkRecord(r); err != nil {
		return nil, err
	}
	return r, nil
}

func checkRecord(r *logv1.Record) error {
	corrupt := func(detail string, err error) error {
		id, _ := uuid.FromBytes(r.GetEventId())
		return &CorruptError{ID: id, Stream: r.GetStream(), Detail: detail, Err: err}
	}
	if len(r.GetEventId()) != idBytes || uuid.UUID(r.GetEventId()) == uuid.Nil {
		return corrupt(fmt.Sprintf("event id %x is not a UUID of %d bytes", r.GetEventId(), idBytes), nil)
	}
	if _, _, err := es.ParseStream(r.GetStream()); err != nil {
		return corrupt("bad stream", err)
	}
	if len(r.GetStream()) > es.StreamBytesMax {
		return corrupt(fmt.Sprintf("stream's name has %d bytes, at most %d are allowed", len(r.GetStream()), es.StreamBytesMax), nil)
	}
	if !protoreflect.FullName(r.GetType()).IsValid() {
		return corrupt(fmt.Sprintf("type %q is not the name of an event", r.GetType()), nil)
	}
	if len(r.ProtoReflect().GetUnknown()) > 0 {
		return corrupt("fields that no record has", nil)
	}
	return nil
}

// Decode returns the fact that an entry holds, upcast to the version that folds know. Its error is an *UnknownEventError,
// *UnknownVersionError or *CorruptError.
func Decode(e es.Entry) (*es.Fact, error) {
	r, err := DecodeRecord(e.Bytes)
	if err != nil {
		var corrupt *CorruptError
		if errors.As(err, &corrupt) && corrupt.Stream == "" {
			corrupt.ID, corrupt.Stream = e.ID, e.Stream
		}
		return nil, at(e, err)
	}
	if err := checkPlace(e, r); err != nil {
		return nil, at(e, err)
	}
	ev, err := decodeEvent(r)
	if err != nil {
		return nil, at(e, err)
	}
	env, err := decodeEnvelope(r)
	if err != nil {
		return nil, at(e, err)
	}
	return &es.Fact{
		ID:         uuid.UUID(r.GetEventId()),
		Stream:     r.GetStream(),
		Revision:   r.GetRevision(),
		Position:   e.Position,
		Ordinal:    e.Ordinal,
		RecordedAt: time.Unix(0, r.GetRecordedAtNanos()).UTC(),
		Type:       r.GetType(),
		Envelope:   env,
		Event:      ev,
	}, nil
}

func at(e es.Entry, err error) error {
	return fmt.Errorf("decode entry at position %d: %w", e.Position, err)
}

// checkPlace compares what the log says about a record with what the record says.
func checkPlace(e es.Entry, r *logv1.Record) error {
	corrupt := func(format string, args ...any) error {
		return &CorruptError{ID: e.ID, Stream: e.Stream, Detail: fmt.Sprintf(format, args...)}
	}
	switch id := uuid.UUID(r.GetEventId()); {
	case e.ID != id:
		return corrupt("the record names event %s", id)
	case e.Stream != r.GetStream():
		return corrupt("the record names stream %q", r.GetStream())
	case e.Revision != r.GetRevision():
		return corrupt("it stands at revision %d, the record names %d", e.Revision, r.GetRevision())
	}
	return nil
}

func decodeEvent(r *logv1.Record) (es.Event, error) {
	v, ok := known[protoreflect.FullName(r.GetType())]
	if !ok {
		if versions := knownVersions(r.GetType()); versions != nil {
			return nil, &UnknownVersionError{Type: r.GetType(), Known: versions}
		}
		return nil, &UnknownEventError{Type: r.GetType()}
	}
	ev := v.empty.ProtoReflect().New().Interface()
	if err := unmarshal(r, r.GetPayload(), ev); err != nil {
		return nil, err
	}
	for v.upcast != nil {
		ev = v.upcast(ev)
		v = known[ev.ProtoReflect().Descriptor().FullName()]
	}
	return ev, nil
}

func decodeEnvelope(r *logv1.Record) (*eventv1.Envelope, error) {
	env := new(eventv1.Envelope)
	if err := unmarshal(r, r.GetHeader(), env); err != nil {
		return nil, err
	}
	if err := checkEnvelope(env); err != nil {
		return nil, &CorruptError{ID: uuid.UUID(r.GetEventId()), Stream: r.GetStream(), Detail: "bad envelope", Err: err}
	}
	if kind, _, _ := es.ParseStream(r.GetStream()); env.GetKind() != kind {
		return nil, &CorruptError{ID: uuid.UUID(r.GetEventId()), Stream: r.GetStream(), Detail: fmt.Sprintf("the envelope's kind is %q", env.GetKind())}
	}
	return env, nil
}

func unmarshal(r *logv1.Record, b []byte, m proto.Message) error {
	name := m.ProtoReflect().Descriptor().FullName()
	if err := proto.Unmarshal(b, m); err != nil {
		return &CorruptError{ID: uuid.UUID(r.GetEventId()), Stream: r.GetStream(), Detail: fmt.Sprintf("not a %s", name), Err: err}
	}
	if part := shapes[name].newer(b); part != "" {
		return &UnknownVersionError{Type: r.GetType(), Known: knownVersions(r.GetType()), Part: string(part)}
	}
	return nil
}

// checkEnvelope checks what every reader relies on; the rest of an envelope is judged before it is written.
func checkEnvelope(env *eventv1.Envelope) error {
	switch {
	case env.GetKind() == "":
		return errors.New("no kind")
	case env.GetDonor() == "":
		return errors.New("no donor: write _ where a fact has none")
	case len(env.GetCommandId()) != idBytes:
		return fmt.Errorf("command id has %d bytes, not %d", len(env.GetCommandId()), idBytes)
	case len(env.GetCommandDigest()) != digestBytes:
		return fmt.Errorf("command digest has %d bytes, not %d", len(env.GetCommandDigest()), digestBytes)
	case len(env.GetCorrelationId()) != 0 && len(env.GetCorrelationId()) != idBytes:
		return fmt.Errorf("correlation id has %d bytes, not %d", len(env.GetCorrelationId()), idBytes)
	case len(env.GetCausationId()) != 0 && len(env.GetCausationId()) != idBytes:
		return fmt.Errorf("causation id has %d bytes, not %d", len(env.GetCausationId()), idBytes)
	}
	for _, id := range env.GetCorrects() {
		if len(id) != idBytes {
			return fmt.Errorf("corrected event's id has %d bytes, not %d", len(id), idBytes)
		}
	}
	return nil
}

// NewEvent encodes an event for the recorder. It refuses what Decode would: an event that no reader knows, an envelope without ids, and
// also a version that is no longer written.
func NewEvent(id uuid.UUID, env *eventv1.Envelope, ev es.Event) (*logv1.NewEvent, error) {
	if id == uuid.Nil || ev == nil {
		return nil, fmt.Errorf("encode event %s: no id or no event", id)
	}
	name := ev.ProtoReflect().Descriptor().FullName()
	v, ok := known[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("encode event %s: %s is not an event of this ledger", id, name)
	case v.upcast != nil:
		return nil, fmt.Errorf("encode event %s: %s is read but no longer written", id, name)
	}
	if err := checkEnvelope(env); err != nil {
		return nil, fmt.Errorf("encode event %s: envelope: %w", id, err)
	}
	header, err := deterministic.Marshal(env)
	if err != nil {
		return nil, fmt.Errorf("encode envelope of event %s: %w", id, err)
	}
	payload, err := deterministic.Marshal(ev)
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", id, err)
	}
	return &logv1.NewEvent{EventId: id[:], Type: string(name), Header: header, Payload: payload}, nil
}

// ToProto returns an entry as it travels.
func ToProto(e es.Entry) *logv1.Entry {
	return &logv1.Entry{Position: uint64(e.Position), Prev: uint64(e.Prev), Ordinal: e.Ordinal, Record: e.Bytes}
}

// FromProto returns an entry that has travelled. One that was announced without its record has places alone, and no Bytes. Its error is a
// *CorruptError.
func FromProto(p *logv1.Entry) (es.Entry, error) {
	e := es.Entry{Position: es.Position(p.GetPosition()), Prev: es.Position(p.GetPrev()), Ordinal: p.GetOrdinal()}
	if len(p.GetRecord()) == 0 {
		return e, nil
	}
	r, err := DecodeRecord(p.GetRecord())
	if err != nil {
		return es.Entry{}, at(e, err)
	}
	e.Stream, e.Revision = r.GetStream(), r.GetRevision()
	e.Record = es.Record{ID: uuid.UUID(r.GetEventId()), Bytes: p.GetRecord()}
	return e, nil
}
