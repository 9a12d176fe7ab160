package ident_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/ident"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	eventv2 "github.com/allied-ledger/allied/proto/gen/allied/event/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func digest(t *testing.T, m proto.Message) string {
	t.Helper()
	d, err := ident.Digest(m)
	if err != nil {
		t.Fatalf("digest of %v: %v", m, err)
	}
	return hex.EncodeToString(d[:])
}

// TestDigestFollowsItsDefinition spells one encoding out byte by byte, from the words of the definition alone.
func TestDigestFollowsItsDefinition(t *testing.T) {
	m := &eventv1.Item{
		Labels:         []string{"a", ""},
		QuantityStatus: eventv1.ValueStatus_VALUE_STATUS_STATED,
		Quantity:       &eventv1.Amount{Lo: 7, Hi: -1},
	}
	encoding := strings.Join([]string{
		"0000000000000014", hex.EncodeToString([]byte("allied.event.v1.Item")),
		"00000002", "85", "0000000000000019", // labels: a list of text
		"0000000000000002", "0000000000000001", "61", "0000000000000000",
		"00000005", "04", "0000000000000008", "0000000000000001", // quantity_status: an enum
		"00000007", "07", "000000000000002a", // quantity: a message
		"00000001", "03", "0000000000000008", "0000000000000007", // lo: unsigned
		"00000002", "02", "0000000000000008", "ffffffffffffffff", // hi: signed
	}, "")
	b, err := hex.DecodeString(encoding)
	if err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(b)
	if got := digest(t, m); got != hex.EncodeToString(want[:]) {
		t.Errorf("digest %s, want %x", got, want)
	}
}

// TestDigestsNeverDrift: stored digests tell a repeat from another command with the same id. Change the code back, never the values.
func TestDigestsNeverDrift(t *testing.T) {
	for _, c := range []struct {
		m    proto.Message
		want string
	}{
		{&apiv1.Command{}, "54b8ad06798acf868b52c1c43b27035d7fc9ecc7e614539276a80a4cd86682e0"},
		{allocate(), "80a3813f4e874c69d11e75b39834ffc388754a1b088ffa61ce9780e65cd5ebe2"},
		{&eventv2.PledgeReduced{Split: &eventv1.Split{Asset: "EUR/2@tracker", Rest: &eventv1.Amount{Lo: 1}}}, "d3ba6574cc748856cb3937633a9af4cc5b9f6966ffb2f583c47a98c6ecfe046e"},
		{wrapperspb.Bool(true), "0e0d43903d732aed829eb852359cb348cb302248dde821f3cb5cef3a332de026"},
		{wrapperspb.Bytes([]byte{0, 1, 2}), "36434e3e98d8bb6c035ff4cbccbb1703450a99a7d57a734625943195bd479466"},
		{wrapperspb.Int32(-5), "1e43fa0962934071a6ee40e5767fd9b4b5db9f3a7d9d102745d9a0f51e0da5ed"},
		{wrapperspb.UInt64(1 << 63), "52830ce5e71c42bfcdf539dec233801f11aaa21097dab79127b0e352c1ed96ea"},
	} {
		if got := digest(t, c.m); got != c.want {
			t.Errorf("digest of %v is %s, was %s", c.m, got, c.want)
		}
	}
}

func allocate() *apiv1.Command {
	return &apiv1.Command{
		CommandId: command.String(),
		Stream:    stream,
		Donor:     "DEU", Beneficiary: "UKR",
		Effective: "2022-09-13",
		Observed:  true,
		Sources:   []*eventv1.Source{{Publisher: "a ministry", Url: "https://example.org/a"}, {Publisher: "a tracker"}},
		Body: &apiv1.Command_AllocatePledge{AllocatePledge: &apiv1.AllocatePledge{
			Title: "Haubitzen",
			Line:  &apiv1.Line{Category: "MIL.ARTY", Instrument: "in_kind", Values: []*apiv1.Value{{Basis: "tracker", Asset: "EUR/2@tracker", Amount: "1234.50"}}},
			Items: []*apiv1.Item{{Name: "155 mm howitzer", QuantityAsset: "each/6:155 mm howitzer", Quantity: "14"}},
		}},
	}
}

func TestAbsentAndDefaultAreEqual(t *testing.T) {
	for name, pair := range map[string][2]proto.Message{
		"a message without content": {&eventv1.Line{}, &eventv1.Line{Mapping: &eventv1.CategoryMapping{}}},
		"an empty list":             {&eventv1.Line{}, &eventv1.Line{Flags: []*eventv1.Flag{}}},
		"empty bytes":               {&eventv1.Line{}, &eventv1.Line{Line: []byte{}}},
		"a zero amount":             {&eventv1.LineRevalued{}, &eventv1.LineRevalued{Delta: &eventv1.Amount{}}},
	} {
		if a, b := digest(t, pair[0]), digest(t, pair[1]); a != b {
			t.Errorf("%s: %s and %s", name, a, b)
		}
	}
}

func TestDifferentContentHasDifferentDigests(t *testing.T) {
	fulfil := &apiv1.Command{Body: &apiv1.Command_FulfilPledge{FulfilPledge: &apiv1.FulfilPledge{}}}
	cancel := &apiv1.Command{Body: &apiv1.Command_CancelRemainder{CancelRemainder: &apiv1.CancelRemainder{}}}
	seen := map[string]proto.Message{}
	for _, m := range []proto.Message{
		&apiv1.Command{}, fulfil, cancel, allocate(),
		&eventv1.Flag{Code: "a"}, &eventv1.Flag{Note: "a"}, &eventv1.Flag{},
		&eventv1.Line{Flags: []*eventv1.Flag{{}}}, &eventv1.Line{Flags: []*eventv1.Flag{{}, {}}}, &eventv1.Line{},
		&eventv1.Item{Labels: []string{"ab"}}, &eventv1.Item{Labels: []string{"a", "b"}}, &eventv1.Item{Labels: []string{"ab", ""}},
		&eventv1.Item{Name: "ab"},
		&eventv1.Amount{Lo: 1}, &eventv1.Amount{Hi: 1}, &eventv1.Amount{Hi: -1},
		&eventv1.PledgeFulfilled{}, &eventv1.DrawReleased{Draw: []byte{1}}, &eventv1.DrawSettled{Draw: []byte{1}},
	} {
		d := digest(t, m)
		if other, ok := seen[d]; ok {
			t.Errorf("%T %v and %T %v have the same digest", m, m, other, other)
		}
		seen[d] = m
	}
}

// TestDigestOutlivesEncoding: however the bytes were ordered and repeated on their way, the same content has the same digest.
func TestDigestOutlivesEncoding(t *testing.T) {
	want := &eventv1.Flag{Code: "plug", Note: "estimate"}
	var b []byte
	b = protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), "estimate")
	b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), "overwritten")
	b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), "plug")
	got := new(eventv1.Flag)
	if err := proto.Unmarshal(b, got); err != nil {
		t.Fatal(err)
	}
	if digest(t, got) != digest(t, want) {
		t.Error("the order of fields on the wire changes the digest")
	}
}

func TestWhatHasNoOneEncodingIsRefused(t *testing.T) {
	unknown := new(eventv1.Line)
	if err := proto.Unmarshal(protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1), unknown); err != nil {
		t.Fatal(err)
	}
	fields, err := structpb.NewStruct(map[string]any{"a": true})
	if err != nil {
		t.Fatal(err)
	}
	deep := structpb.NewListValue(&structpb.ListValue{})
	for range 40 {
		deep = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{deep}})
	}
	for reason, m := range map[string]proto.Message{
		"fields that this program does not know": &eventv1.PledgeAllocated{Line: unknown},
		"double number":                          wrapperspb.Double(1),
		"float number":                           wrapperspb.Float(1),
		"is a map":                               fields,
		"is not UTF-8":                           &eventv1.Flag{Code: "\xff"},
		"more than 32 deep":                      deep,
		"no message":                             (*eventv1.Line)(nil),
	} {
		if _, err := ident.Digest(m); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%v: error %v, want one that says %q", m, err, reason)
		}
	}
	if _, err := ident.Digest(nil); err == nil {
		t.Error("nothing has a digest")
	}
}

// TestCommandsHaveNoFieldWithoutADigest: a float or a map would be refused only once someone fills it.
func TestCommandsHaveNoFieldWithoutADigest(t *testing.T) {
	seen := map[protoreflect.FullName]bool{}
	var walk func(protoreflect.MessageDescriptor)
	walk = func(d protoreflect.MessageDescriptor) {
		if seen[d.FullName()] {
			return
		}
		seen[d.FullName()] = true
		for i := range d.Fields().Len() {
			f := d.Fields().Get(i)
			if f.IsMap() || f.Kind() == protoreflect.DoubleKind || f.Kind() == protoreflect.FloatKind {
				t.Errorf("%s has no digest", f.FullName())
			}
			if f.Message() != nil {
				walk(f.Message())
			}
		}
	}
	walk((&apiv1.Command{}).ProtoReflect().Descriptor())
	if len(seen) < 15 {
		t.Errorf("only %d messages were walked", len(seen))
	}
}

func BenchmarkDigest(b *testing.B) {
	m := allocate()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ident.Digest(m); err != nil {
			b.Fatal(err)
		}
	}
}
