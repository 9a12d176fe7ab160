package wire

import (
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// shape is what this program knows about a message's bytes. It finds fields that a newer program wrote without a walk through the decoded
// message, which costs as much again as decoding.
type shape struct {
	name   protoreflect.FullName
	fields []field // by number; those that do not exist have no wire types
}

type field struct {
	types [2]protowire.Type // how it may stand in bytes: alone, and packed
	known bool
	part  *shape                            // of a message
	words protoreflect.EnumValueDescriptors // of a closed list
}

// shapes are those of every known event and of the envelope.
var shapes = outline()

func outline() map[protoreflect.FullName]*shape {
	all := map[protoreflect.FullName]*shape{}
	for _, v := range known {
		shapeOf(all, v.empty.ProtoReflect().Descriptor())
	}
	shapeOf(all, (*eventv1.Envelope)(nil).ProtoReflect().Descriptor())
	return all
}

func shapeOf(all map[protoreflect.FullName]*shape, d protoreflect.MessageDescriptor) *shape {
	if s, ok := all[d.FullName()]; ok {
		return s
	}
	s := &shape{name: d.FullName()}
	all[d.FullName()] = s
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		for int(f.Number()) >= len(s.fields) {
			s.fields = append(s.fields, field{})
		}
		entry := field{known: true, types: [2]protowire.Type{wireType(f.Kind()), wireType(f.Kind())}}
		if f.IsList() && entry.types[0] != protowire.BytesType {
			entry.types[1] = protowire.BytesType
		}
		if f.Message() != nil {
			entry.part = shapeOf(all, f.Message())
		}
		if f.Enum() != nil {
			entry.words = f.Enum().Values()
		}
		s.fields[f.Number()] = entry
	}
	return s
}

func wireType(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	default:
		return protowire.VarintType
	}
}

// newer returns the name of a message within b that holds fields, or words of closed lists, which this program does not know, or nothing. To ignore them could make a
// view of money wrong. The bytes have been decoded before, so they are well-formed.
func (s *shape) newer(b []byte) protoreflect.FullName {
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 || int(number) >= len(s.fields) {
			return s.name
		}
		b = b[n:]
		f := s.fields[number]
		if !f.known || wire != f.types[0] && wire != f.types[1] {
			return s.name
		}
		if n = protowire.ConsumeFieldValue(number, wire, b); n < 0 {
			return s.name
		}
		if f.part != nil {
			value, _ := protowire.ConsumeBytes(b)
			if part := f.part.newer(value); part != "" {
				return part
			}
		}
		if f.words != nil && wire == protowire.VarintType {
			if word, _ := protowire.ConsumeVarint(b); f.words.ByNumber(protoreflect.EnumNumber(word)) == nil {
				return s.name
			}
		}
		b = b[n:]
	}
	return ""
}
