package ident

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// depthMax bounds how deep messages may lie in each other.
const depthMax = 32

// The kinds of values in the encoding of Digest. A list adds kindList to the kind of its values.
const (
	kindBool     = 1
	kindSigned   = 2
	kindUnsigned = 3
	kindEnum     = 4
	kindText     = 5
	kindBytes    = 6
	kindMessage  = 7
	kindList     = 0x80
)

// Digest returns the SHA-256 of a message's name and content, equal for equal content whatever wrote the message.
//
// It covers the full name (8 bytes length, then the name), then each field in the order of its number: number (4 bytes), kind (1 byte),
// length of the value (8 bytes), value; all integers big-endian. Integers, enums and booleans are 8 bytes; a message is its fields; a list
// is a count (8 bytes) and each value preceded by its length (8 bytes). A field that is absent and one that holds its default (false, 0,
// empty, a message without content) are equal and left out, except in a oneof, where presence says which case holds. Floats, maps,
// extensions, fields that this program does not know and text that is not UTF-8 are errors: they have no one encoding.
func Digest(m proto.Message) ([sha256.Size]byte, error) {
	if m == nil || !m.ProtoReflect().IsValid() {
		return [sha256.Size]byte{}, fmt.Errorf("digest of a command: no message")
	}
	r := m.ProtoReflect()
	name := string(r.Descriptor().FullName())
	buf := append(binary.BigEndian.AppendUint64(nil, uint64(len(name))), name...)
	buf, err := appendFields(buf, r, 0)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("digest of %s: %w", name, err)
	}
	return sha256.Sum256(buf), nil
}

func appendFields(buf []byte, m protoreflect.Message, depth int) ([]byte, error) {
	if depth > depthMax {
		return nil, fmt.Errorf("messages lie more than %d deep", depthMax)
	}
	if len(m.GetUnknown()) > 0 {
		return nil, fmt.Errorf("%s has fields that this program does not know: use a newer version", m.Descriptor().FullName())
	}
	var populated []protoreflect.FieldDescriptor
	m.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		populated = append(populated, f)
		return true
	})
	slices.SortFunc(populated, func(a, b protoreflect.FieldDescriptor) int { return cmp.Compare(a.Number(), b.Number()) })
	for _, f := range populated {
		var err error
		if buf, err = appendField(buf, f, m.Get(f), depth); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

func appendField(buf []byte, f protoreflect.FieldDescriptor, v protoreflect.Value, depth int) ([]byte, error) {
	kind, err := kindOf(f)
	if err != nil {
		return nil, err
	}
	start := len(buf)
	buf = binary.BigEndian.AppendUint32(buf, uint32(f.Number()))
	if f.IsList() {
		kind |= kindList
	}
	buf = append(buf, kind)
	buf = append(buf, make([]byte, 8)...)
	value := len(buf)
	if f.IsList() {
		buf, err = appendList(buf, f, v.List(), depth)
	} else {
		buf, err = appendValue(buf, f, v, depth)
	}
	if err != nil {
		return nil, err
	}
	if !f.IsList() && isDefault(f, v, len(buf)-value) {
		return buf[:start], nil
	}
	binary.BigEndian.PutUint64(buf[value-8:], uint64(len(buf)-value))
	return buf, nil
}

func appendList(buf []byte, f protoreflect.FieldDescriptor, list protoreflect.List, depth int) ([]byte, error) {
	buf = binary.BigEndian.AppendUint64(buf, uint64(list.Len()))
	for i := range list.Len() {
		buf = append(buf, make([]byte, 8)...)
		value := len(buf)
		var err error
		if buf, err = appendValue(buf, f, list.Get(i), depth); err != nil {
			return nil, err
		}
		binary.BigEndian.PutUint64(buf[value-8:], uint64(len(buf)-value))
	}
	return buf, nil
}

// isDefault reports whether a populated single field says no more than an absent one.
func isDefault(f protoreflect.FieldDescriptor, v protoreflect.Value, lengthBytes int) bool {
	if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
		return false
	}
	if f.Message() != nil {
		return lengthBytes == 0
	}
	return v.Equal(protoreflect.ValueOf(zero(f)))
}

func zero(f protoreflect.FieldDescriptor) any {
	switch f.Kind() {
	case protoreflect.EnumKind:
		return protoreflect.EnumNumber(0)
	case protoreflect.BytesKind:
		return []byte(nil)
	}
	return f.Default().Interface()
}

func appendValue(buf []byte, f protoreflect.FieldDescriptor, v protoreflect.Value, depth int) ([]byte, error) {
	switch x := v.Interface().(type) {
	case bool:
		var n uint64
		if x {
			n = 1
		}
		return binary.BigEndian.AppendUint64(buf, n), nil
	case int32, int64:
		return binary.BigEndian.AppendUint64(buf, uint64(v.Int())), nil
	case uint32, uint64:
		return binary.BigEndian.AppendUint64(buf, v.Uint()), nil
	case protoreflect.EnumNumber:
		return binary.BigEndian.AppendUint64(buf, uint64(int64(x))), nil
	case string:
		if !utf8.ValidString(x) {
			return nil, fmt.Errorf("%s is not UTF-8", f.FullName())
		}
		return append(buf, x...), nil
	case []byte:
		return append(buf, x...), nil
	case protoreflect.Message:
		return appendFields(buf, x, depth+1)
	default:
		return nil, fmt.Errorf("%s: %T has no encoding", f.FullName(), x)
	}
}

// kindOf refuses what has no one encoding.
func kindOf(f protoreflect.FieldDescriptor) (byte, error) {
	switch {
	case f.IsExtension():
		return 0, fmt.Errorf("%s is an extension, which a digest does not cover", f.FullName())
	case f.IsMap():
		return 0, fmt.Errorf("%s is a map, which has no order", f.FullName())
	}
	switch f.Kind() {
	case protoreflect.BoolKind:
		return kindBool, nil
	case protoreflect.EnumKind:
		return kindEnum, nil
	case protoreflect.StringKind:
		return kindText, nil
	case protoreflect.BytesKind:
		return kindBytes, nil
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return kindMessage, nil
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return kindSigned, nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return kindUnsigned, nil
	default:
		return 0, fmt.Errorf("%s is a %v number, which has no exact text", f.FullName(), f.Kind())
	}
}
