package wire

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	eventv2 "github.com/allied-ledger/allied/proto/gen/allied/event/v2"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

var update = flag.Bool("update", false, "add golden files for new samples; those that are there are never rewritten")

const goldenDir = "testdata/records"

// recordOf builds the record of a sample as the recorder does, also for versions that are no longer written.
func recordOf(t testing.TB, s sample) []byte {
	t.Helper()
	header, err := deterministic.Marshal(s.env)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := deterministic.Marshal(s.event)
	if err != nil {
		t.Fatal(err)
	}
	id := ident.EventID(s.stream, uuid.UUID(s.env.GetCommandId()), 1)
	b, err := EncodeRecord(&logv1.Record{
		EventId: id[:], Stream: s.stream, Revision: 4, Type: string(s.event.ProtoReflect().Descriptor().FullName()),
		RecordedAtNanos: 1719576000123456789, Header: header, Payload: payload,
	})
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return b
}

func entryOf(t testing.TB, record []byte) es.Entry {
	t.Helper()
	e, err := FromProto(&logv1.Entry{Position: 512, Prev: 300, Ordinal: 41, Record: record})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestStoredRecordsReadForEver: the bytes that a log keeps decode to the same facts with every later program.
func TestStoredRecordsReadForEver(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			stored, err := os.ReadFile(filepath.Join(goldenDir, s.name+".record"))
			if os.IsNotExist(err) && *update {
				stored = add(t, s)
			} else if err != nil {
				t.Fatalf("%v: a new sample is added by go test -update", err)
			}
			f, err := Decode(entryOf(t, stored))
			if err != nil {
				t.Fatalf("stored bytes no longer decode: %v", err)
			}
			checkFact(t, s, f)
			if now := recordOf(t, s); !bytes.Equal(now, stored) {
				t.Errorf("the sample is encoded otherwise than it was stored, from byte %d on:\nstored %x\nnow    %x\n"+
					"Stored bytes are never rewritten: take the change back, or add a sample under a new name.", differ(now, stored), stored, now)
			}
		})
	}
}

func add(t *testing.T, s sample) []byte {
	t.Helper()
	b := recordOf(t, s)
	if err := os.MkdirAll(goldenDir, 0o755); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(goldenDir, s.name+".record")
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("added %s, %d bytes: %s", name, len(b), prototext.Format(s.event))
	return b
}

func checkFact(t *testing.T, s sample, f *es.Fact) {
	t.Helper()
	want := s.event
	if s.read != nil {
		want = s.read
	}
	if !proto.Equal(f.Event, want) {
		t.Errorf("event reads as\n%s\nwas\n%s", prototext.Format(f.Event), prototext.Format(want))
	}
	if !proto.Equal(f.Envelope, s.env) {
		t.Errorf("envelope reads as\n%s\nwas\n%s", prototext.Format(f.Envelope), prototext.Format(s.env))
	}
	when := time.Date(2024, 6, 28, 12, 0, 0, 123456789, time.UTC)
	if f.Stream != s.stream || f.Revision != 4 || f.Position != 512 || f.Ordinal != 41 || f.RecordedAt != when {
		t.Errorf("the fact stands at %s %d, position %d, ordinal %d, recorded %s", f.Stream, f.Revision, f.Position, f.Ordinal, f.RecordedAt)
	}
	if f.ID != ident.EventID(s.stream, commandID, 1) || f.Type != string(s.event.ProtoReflect().Descriptor().FullName()) {
		t.Errorf("the fact is %s of type %s", f.ID, f.Type)
	}
}

func differ(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// TestEveryStoredFileHasItsSample: a sample that is taken away would leave bytes that nothing reads.
func TestEveryStoredFileHasItsSample(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(goldenDir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files in %s: %v", goldenDir, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".record")
		if !slices.ContainsFunc(samples(), func(s sample) bool { return s.name == name }) {
			t.Errorf("%s has no sample", file)
		}
	}
}

// TestEveryEventOfTheSchemaIsKnown: an event is a message that no other message holds.
func TestEveryEventOfTheSchemaIsKnown(t *testing.T) {
	held := map[protoreflect.FullName]bool{(&eventv1.Envelope{}).ProtoReflect().Descriptor().FullName(): true}
	var files []protoreflect.FileDescriptor
	for _, m := range []proto.Message{&eventv1.Amount{}, &eventv1.Envelope{}, &eventv1.PledgeAnnounced{}, &eventv1.ImportCompleted{}, &eventv1.ShipmentClosed{}, &eventv1.PaymentBooked{}, &eventv2.PledgeReduced{}} {
		files = append(files, m.ProtoReflect().Descriptor().ParentFile())
	}
	messages := func(visit func(protoreflect.MessageDescriptor)) {
		for _, f := range files {
			for i := range f.Messages().Len() {
				visit(f.Messages().Get(i))
			}
		}
	}
	messages(func(m protoreflect.MessageDescriptor) {
		for i := range m.Fields().Len() {
			if part := m.Fields().Get(i).Message(); part != nil {
				held[part.FullName()] = true
			}
		}
	})
	events := 0
	messages(func(m protoreflect.MessageDescriptor) {
		if held[m.FullName()] {
			return
		}
		events++
		if _, ok := known[m.FullName()]; !ok {
			t.Errorf("%s is not known", m.FullName())
		}
	})
	if events != len(known) {
		t.Errorf("%d events in the schema, %d known", events, len(known))
	}
}

// TestSamplesCoverTheSchema: every known version has a sample, and every field of every message in them is filled in one.
func TestSamplesCoverTheSchema(t *testing.T) {
	filled := map[protoreflect.FullName]bool{}
	var mark func(protoreflect.Message)
	mark = func(m protoreflect.Message) {
		filled[m.Descriptor().FullName()] = true
		m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			filled[f.FullName()] = true
			switch {
			case f.Message() == nil:
			case f.IsList():
				for i := range v.List().Len() {
					mark(v.List().Get(i).Message())
				}
			default:
				mark(v.Message())
			}
			return true
		})
	}
	for _, s := range samples() {
		mark(s.event.ProtoReflect())
		mark(s.env.ProtoReflect())
	}
	seen := map[protoreflect.FullName]bool{}
	var check func(protoreflect.MessageDescriptor)
	check = func(m protoreflect.MessageDescriptor) {
		if seen[m.FullName()] {
			return
		}
		seen[m.FullName()] = true
		if !filled[m.FullName()] {
			t.Errorf("no sample holds %s", m.FullName())
			return
		}
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			if !filled[f.FullName()] {
				t.Errorf("no sample fills %s", f.FullName())
			}
			if f.Message() != nil {
				check(f.Message())
			}
		}
	}
	for _, v := range known {
		check(v.empty.ProtoReflect().Descriptor())
	}
	check((&eventv1.Envelope{}).ProtoReflect().Descriptor())
}
