package wire

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// newField is a field that this program does not know.
var newField = protowire.AppendVarint(protowire.AppendTag(nil, 1999, protowire.VarintType), 1)

// goodRecord is the record of an allocation, to be broken.
func goodRecord(t testing.TB) *logv1.Record {
	t.Helper()
	i := slices.IndexFunc(samples(), func(s sample) bool { return s.name == "PledgeAllocated.v1" })
	r, err := DecodeRecord(recordOf(t, samples()[i]))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// placed encodes a record without the recorder's checks and puts it where it says that it stands.
func placed(t testing.TB, r *logv1.Record) es.Entry {
	t.Helper()
	b, err := deterministic.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var id uuid.UUID
	copy(id[:], r.GetEventId())
	return es.Entry{Position: 9, Stream: r.GetStream(), Revision: r.GetRevision(), Record: es.Record{ID: id, Bytes: b}}
}

func withType(t testing.TB, name string) es.Entry {
	t.Helper()
	r := goodRecord(t)
	r.Type = name
	return placed(t, r)
}

func TestUnknownEventsStopWithTheirName(t *testing.T) {
	for _, name := range []string{
		"allied.event.v1.PledgeForgotten", "allied.event.v1.Envelope", "allied.event.v1.Line", "allied.log.v1.Record", "some.other.v1.PledgeAllocated",
		"PledgeAllocated", "allied.event.v1.deep.PledgeAllocated", "google.protobuf.Empty",
	} {
		_, err := Decode(withType(t, name))
		var unknown *UnknownEventError
		if !errors.As(err, &unknown) || unknown.Type != name {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestUnknownVersionsStopWithTheKnownOnes(t *testing.T) {
	for name, want := range map[string][]string{
		"allied.event.v2.PledgeAllocated":   {"allied.event.v1.PledgeAllocated"},
		"allied.event.v3.PledgeReduced":     {"allied.event.v1.PledgeReduced", "allied.event.v2.PledgeReduced"},
		"allied.event.v999.ImportCompleted": {"allied.event.v1.ImportCompleted"},
	} {
		_, err := Decode(withType(t, name))
		var unknown *UnknownVersionError
		if !errors.As(err, &unknown) || unknown.Type != name || !slices.Equal(unknown.Known, want) || unknown.Part != "" {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestFieldsOfANewerProgramStop(t *testing.T) {
	allocated := new(eventv1.PledgeAllocated)
	if err := proto.Unmarshal(goodRecord(t).GetPayload(), allocated); err != nil {
		t.Fatal(err)
	}
	allocated.Items[1].Quantity = units(1)
	allocated.Items[1].Quantity.ProtoReflect().SetUnknown(newField)
	deep, err := deterministic.Marshal(allocated)
	if err != nil {
		t.Fatal(err)
	}
	allocated.Items[1].Quantity.ProtoReflect().SetUnknown(nil)
	allocated.Splits[0].RestTo = 9
	word, err := deterministic.Marshal(allocated)
	if err != nil {
		t.Fatal(err)
	}
	for part, change := range map[string]func(*logv1.Record){
		"allied.event.v1.PledgeAllocated": func(r *logv1.Record) { r.Payload = append(r.Payload, newField...) },
		"allied.event.v1.Envelope":        func(r *logv1.Record) { r.Header = append(r.Header, newField...) },
		"allied.event.v1.Amount":          func(r *logv1.Record) { r.Payload = deep },
		"allied.event.v1.Split":           func(r *logv1.Record) { r.Payload = word },
	} {
		r := goodRecord(t)
		change(r)
		_, err := Decode(placed(t, r))
		var newer *UnknownVersionError
		if !errors.As(err, &newer) || newer.Part != part || newer.Type != "allied.event.v1.PledgeAllocated" {
			t.Errorf("a new field or word of %s: error %v", part, err)
		}
	}
}

func TestCorruptRecordsAreNamed(t *testing.T) {
	badEnvelope := func(change func(*eventv1.Envelope)) func(*logv1.Record) {
		return func(r *logv1.Record) {
			env := fullEnvelope()
			change(env)
			r.Header, _ = deterministic.Marshal(env)
		}
	}
	for reason, change := range map[string]func(*logv1.Record){
		"event id 0102 is not a UUID":                  func(r *logv1.Record) { r.EventId = []byte{1, 2} },
		"event id 00000000":                            func(r *logv1.Record) { r.EventId = make([]byte, 16) },
		"bad stream":                                   func(r *logv1.Record) { r.Stream = "pledge" },
		"is not a kind and a lower-case UUID":          func(r *logv1.Record) { r.Stream = strings.ToUpper(r.Stream) },
		"at most 128":                                  func(r *logv1.Record) { r.Stream = strings.Repeat("k", 100) + r.Stream },
		`type ""`:                                      func(r *logv1.Record) { r.Type = "" },
		`type "allied event"`:                          func(r *logv1.Record) { r.Type = "allied event" },
		"fields that no record has":                    func(r *logv1.Record) { r.ProtoReflect().SetUnknown(newField) },
		"not a allied.event.v1.PledgeAllocated: proto": func(r *logv1.Record) { r.Payload = []byte{0xff} },
		"not a allied.event.v1.Envelope":               func(r *logv1.Record) { r.Header = r.Header[:len(r.Header)-1] },
		"contains invalid UTF-8": func(r *logv1.Record) {
			r.Payload = protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "\xff")
		},
		"no kind":                                  func(r *logv1.Record) { r.Header = nil },
		`the envelope's kind is "shipment"`:        badEnvelope(func(e *eventv1.Envelope) { e.Kind = "shipment" }),
		"no donor":                                 badEnvelope(func(e *eventv1.Envelope) { e.Donor = "" }),
		"command id has 15 bytes":                  badEnvelope(func(e *eventv1.Envelope) { e.CommandId = e.CommandId[1:] }),
		"command digest has 0 bytes":               badEnvelope(func(e *eventv1.Envelope) { e.CommandDigest = nil }),
		"correlation id has 1 bytes":               badEnvelope(func(e *eventv1.Envelope) { e.CorrelationId = []byte{1} }),
		"causation id has 17 bytes":                badEnvelope(func(e *eventv1.Envelope) { e.CausationId = make([]byte, 17) }),
		"corrected event's id has 0 bytes, not 16": badEnvelope(func(e *eventv1.Envelope) { e.Corrects = [][]byte{{}} }),
	} {
		r := goodRecord(t)
		change(r)
		_, err := Decode(placed(t, r))
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || !strings.Contains(err.Error(), reason) || !strings.Contains(err.Error(), "position 9") {
			t.Errorf("want an error that says %q, got %v", reason, err)
		}
	}
}

func TestARecordThatStandsElsewhereIsCorrupt(t *testing.T) {
	for reason, move := range map[string]func(*es.Entry){
		"the record names event":        func(e *es.Entry) { e.ID[0]++ },
		"the record names stream":       func(e *es.Entry) { e.Stream = otherPledge },
		"it stands at revision 5":       func(e *es.Entry) { e.Revision++ },
		"not a record":                  func(e *es.Entry) { e.Bytes = e.Bytes[:len(e.Bytes)-1] },
		"event id  is not a UUID of 16": func(e *es.Entry) { e.Bytes = nil },
	} {
		e := placed(t, goodRecord(t))
		move(&e)
		_, err := Decode(e)
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || !strings.Contains(err.Error(), reason) {
			t.Errorf("want an error that says %q, got %v", reason, err)
		}
	}
}

func TestNewEventsAreWrittenAsTheyAreRead(t *testing.T) {
	for _, s := range samples() {
		if s.read != nil {
			continue
		}
		id := uuid.UUID(bytesOf(s.name))
		n, err := NewEvent(id, s.env, s.event)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		record, err := EncodeRecord(&logv1.Record{
			EventId: n.GetEventId(), Stream: s.stream, Revision: 1 << 40, Type: n.GetType(), RecordedAtNanos: 1, Header: n.GetHeader(), Payload: n.GetPayload(),
		})
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		f, err := Decode(entryOf(t, record))
		if err != nil || f.ID != id || f.Revision != 1<<40 || !proto.Equal(f.Event, s.event) || !proto.Equal(f.Envelope, s.env) {
			t.Errorf("%s came back as %v, %v", s.name, f, err)
		}
	}
}

func TestNewEventRefusesWhatNoReaderTakes(t *testing.T) {
	id := uuid.UUID(bytesOf("event"))
	withoutDonor := pledgeEnvelope()
	withoutDonor.Donor = ""
	for reason, f := range map[string]func() (*logv1.NewEvent, error){
		"no id": func() (*logv1.NewEvent, error) {
			return NewEvent(uuid.Nil, pledgeEnvelope(), &eventv1.PledgeFulfilled{})
		},
		"no event":          func() (*logv1.NewEvent, error) { return NewEvent(id, pledgeEnvelope(), nil) },
		"not an event":      func() (*logv1.NewEvent, error) { return NewEvent(id, pledgeEnvelope(), &eventv1.Line{}) },
		"no longer written": func() (*logv1.NewEvent, error) { return NewEvent(id, pledgeEnvelope(), &eventv1.PledgeReduced{}) },
		"no donor: write _": func() (*logv1.NewEvent, error) { return NewEvent(id, withoutDonor, &eventv1.PledgeFulfilled{}) },
		"envelope: no kind": func() (*logv1.NewEvent, error) { return NewEvent(id, nil, &eventv1.PledgeFulfilled{}) },
		"contains invalid UTF-8": func() (*logv1.NewEvent, error) {
			return NewEvent(id, pledgeEnvelope(), &eventv1.PledgeLinked{Pledge: "\xff"})
		},
	} {
		if n, err := f(); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("want an error that says %q, got %v, %v", reason, n, err)
		}
	}
}

func TestRecordsAreEncodedTheSameEveryTime(t *testing.T) {
	for _, s := range samples() {
		first := recordOf(t, s)
		for range 10 {
			if again := recordOf(t, s); !bytes.Equal(first, again) {
				t.Fatalf("%s: %x, then %x", s.name, first, again)
			}
		}
	}
}

func TestRecordsBeyondTheBoundAreRefused(t *testing.T) {
	r := goodRecord(t)
	r.Payload = make([]byte, es.RecordBytesMax)
	if _, err := EncodeRecord(r); err == nil || !strings.Contains(err.Error(), "at most 1048576") {
		t.Errorf("error %v", err)
	}
	r = goodRecord(t)
	r.EventId = nil
	if _, err := EncodeRecord(r); err == nil {
		t.Error("a record without an id is encoded")
	}
}

func TestEntriesTravel(t *testing.T) {
	want := placed(t, goodRecord(t))
	want.Prev, want.Ordinal = 7, 3
	got, err := FromProto(ToProto(want))
	if err != nil || got.ID != want.ID || got.Stream != want.Stream || got.Revision != want.Revision || got.Position != want.Position ||
		got.Prev != want.Prev || got.Ordinal != want.Ordinal || !bytes.Equal(got.Bytes, want.Bytes) {
		t.Errorf("%v became %v, %v", want, got, err)
	}
	announced, err := FromProto(&logv1.Entry{Position: 9, Prev: 7, Ordinal: 3})
	if err != nil || announced.Bytes != nil || announced.Position != 9 || announced.Prev != 7 || announced.Ordinal != 3 {
		t.Errorf("an entry announced without its record became %v, %v", announced, err)
	}
	var corrupt *CorruptError
	if _, err := FromProto(&logv1.Entry{Record: []byte("x")}); !errors.As(err, &corrupt) {
		t.Errorf("bytes that are no record: error %v", err)
	}
}

// FuzzDecode: whatever bytes a log or a message holds, decoding them answers with a fact or one of the three errors.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.record"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden records: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := FromProto(&logv1.Entry{Position: 1, Record: b})
		if err != nil {
			e = es.Entry{Position: 1, Record: es.Record{Bytes: b}}
		}
		fact, err := Decode(e)
		var (
			event   *UnknownEventError
			version *UnknownVersionError
			corrupt *CorruptError
		)
		switch {
		case err == nil && (fact.ID != e.ID || fact.Stream != e.Stream || fact.Event == nil || fact.Envelope == nil):
			t.Fatalf("fact %v of entry %v", fact, e)
		case err != nil && !errors.As(err, &event) && !errors.As(err, &version) && !errors.As(err, &corrupt):
			t.Fatalf("error %v", err)
		}
	})
}

// FuzzShape compares the scan of bytes with a walk through the decoded message.
func FuzzShape(f *testing.F) {
	for _, s := range samples() {
		b, err := deterministic.Marshal(s.event)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(s.event.ProtoReflect().Descriptor().FullName()), b)
		f.Add(string(s.event.ProtoReflect().Descriptor().FullName()), append(b, newField...))
	}
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		v, ok := known[protoreflect.FullName(name)]
		if !ok {
			return
		}
		m := v.empty.ProtoReflect().New()
		if proto.Unmarshal(b, m.Interface()) != nil {
			return
		}
		scanned, walked := shapes[m.Descriptor().FullName()].newer(b), holdsUnknown(m)
		again, err := deterministic.Marshal(m.Interface())
		if err != nil {
			t.Fatal(err)
		}
		// Of a field that stands twice only the last counts, and the scan sees both.
		if walked && scanned == "" || !walked && scanned != "" && bytes.Equal(again, b) {
			t.Fatalf("%s %x: the scan finds new fields in %q, the walk %t", name, b, scanned, walked)
		}
	})
}

func holdsUnknown(m protoreflect.Message) bool {
	found := len(m.GetUnknown()) > 0
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Enum() != nil && !f.IsList():
			found = found || f.Enum().Values().ByNumber(v.Enum()) == nil
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				found = found || holdsUnknown(v.List().Get(i).Message())
			}
		default:
			found = found || holdsUnknown(v.Message())
		}
		return !found
	})
	return found
}

func BenchmarkEncodeRecord(b *testing.B) {
	r := goodRecord(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EncodeRecord(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, s := range samples() {
		if s.name != "PledgeAllocated.v1" && s.name != "PledgeFulfilled.v1" && s.name != "PledgeReduced.v1" {
			continue
		}
		e := entryOf(b, recordOf(b, s))
		b.Run(s.name, func(b *testing.B) {
			b.SetBytes(int64(len(e.Bytes)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFromProto(b *testing.B) {
	p := ToProto(placed(b, goodRecord(b)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := FromProto(p); err != nil {
			b.Fatal(err)
		}
	}
}
