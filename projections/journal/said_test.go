package journal

import (
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Whatever kind of fact states an amount, its row shows it; and where it names a place, a person or a reference, a search finds it.
func TestEveryKindOfFactIsRead(t *testing.T) {
	searched := []string{
		"title", "name", "place", "signatory", "verifier", "cause", "account", "agent", "end_to_end_id", "uetr", "bank_reference", "source_of_funds",
		"external_id", "manifest_hash", "serials", "pledge", "for_stream", "dataset",
	}
	for _, name := range wire.Types() {
		kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "allied.event.v1.PledgeReduced" { // no fold sees it
			continue
		}
		event := kind.New()
		filled := map[string]bool{}
		fill(event, filled, 5)
		var s said
		err = s.read(&es.Fact{Stream: "stream", Envelope: &eventv1.Envelope{}, Event: event.Interface()}, func(string) (int, error) { return 2, nil })
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if filled["amount"] != strings.Contains(string(s.amounts), "EUR/2@tracker") {
			t.Errorf("%s states an amount: %t, and %q is shown", name, filled["amount"], s.amounts)
		}
		text := s.search()
		for _, field := range searched {
			if filled[field] && !strings.Contains(text, "the "+field) {
				t.Errorf("%s says its %s, which is not found in %q", name, field, text)
			}
		}
	}
}

// fill fills in every field of a message, and tells which there are.
func fill(m protoreflect.Message, filled map[string]bool, depth int) {
	if m.Descriptor() == (&eventv1.Amount{}).ProtoReflect().Descriptor() {
		filled["amount"] = true
		m.Set(m.Descriptor().Fields().ByName("lo"), protoreflect.ValueOfUint64(700))
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		name := string(f.Name())
		var v protoreflect.Value
		switch {
		case f.Kind() == protoreflect.MessageKind && depth > 0:
			inner := m.NewField(f)
			if f.IsList() {
				inner = inner.List().NewElement()
			}
			fill(inner.Message(), filled, depth-1)
			v = inner
		case f.Kind() == protoreflect.StringKind:
			filled[name] = true
			if v = protoreflect.ValueOfString("the " + name); strings.HasSuffix(name, "asset") {
				v = protoreflect.ValueOfString("EUR/2@tracker")
			}
		default:
			continue
		}
		if f.IsList() {
			m.Mutable(f).List().Append(v)
		} else {
			m.Set(f, v)
		}
	}
}
