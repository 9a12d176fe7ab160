package main

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/term"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// object is a JSON object that keeps the order of its members, which is the schema's.
type object []member

type member struct {
	name  string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := encodeJSON(m.name, "", "")
		if err != nil {
			return nil, err
		}
		value, err := encodeJSON(m.value, "", "")
		if err != nil {
			return nil, fmt.Errorf("member %s: %w", m.name, err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// readable renders a stored message as people write it: amounts as decimal text of their asset, ids as UUIDs, closed lists as words,
// dates as dates. It is for reading only: nothing hashes or reads it back.
func readable(m proto.Message) (object, error) {
	return readableMessage(m.ProtoReflect(), "")
}

// readableMessage carries the asset of the enclosing message, for the amounts of a split's parts, which name none.
func readableMessage(m protoreflect.Message, enclosing string) (object, error) {
	out := object{}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !m.Has(field) {
			continue
		}
		value, err := readableField(m, field, assetFor(m, field, enclosing))
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", m.Descriptor().Name(), field.Name(), err)
		}
		out = append(out, member{string(field.Name()), value})
	}
	return out, nil
}

// assetFor finds in what a field's amounts are counted: `<field>_asset` or `asset` beside it, that of the split or the movement beside it, else
// the enclosing message's.
func assetFor(m protoreflect.Message, field protoreflect.FieldDescriptor, enclosing string) string {
	fields := m.Descriptor().Fields()
	for _, name := range []protoreflect.Name{field.Name() + "_asset", "asset"} {
		if f := fields.ByName(name); f != nil && f.Kind() == protoreflect.StringKind {
			if text := m.Get(f).String(); text != "" {
				return text
			}
		}
	}
	for _, name := range []protoreflect.Name{"split", "movement"} {
		f := fields.ByName(name)
		if f == nil || f.IsList() || f.Message() == nil || !m.Has(f) {
			continue
		}
		if of := assetFor(m.Get(f).Message(), field, ""); of != "" {
			return of
		}
	}
	return enclosing
}

func readableField(m protoreflect.Message, field protoreflect.FieldDescriptor, countedIn string) (any, error) {
	value := m.Get(field)
	if !field.IsList() {
		return readableValue(field, value, countedIn)
	}
	list := value.List()
	out := make([]any, list.Len())
	for i := range out {
		var err error
		if out[i], err = readableValue(field, list.Get(i), countedIn); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func readableValue(field protoreflect.FieldDescriptor, value protoreflect.Value, countedIn string) (any, error) {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return readableInner(value.Message(), countedIn)
	case protoreflect.EnumKind:
		return term.Word(enumValue{field.Enum(), value.Enum()}), nil
	case protoreflect.BytesKind:
		return readableBytes(value.Bytes()), nil
	}
	return value.Interface(), nil
}

func readableInner(m protoreflect.Message, countedIn string) (any, error) {
	switch inner := m.Interface().(type) {
	case *eventv1.Amount:
		return readableAmount(inner, countedIn)
	case *eventv1.Effective:
		if inner.GetAsStated() == "" {
			return dates.Format(inner), nil
		}
		return object{{"date", dates.Format(inner)}, {"as_stated", inner.GetAsStated()}}, nil
	}
	return readableMessage(m, countedIn)
}

func readableAmount(a *eventv1.Amount, countedIn string) (any, error) {
	amount, err := money.FromProto(a)
	if err != nil {
		return nil, err
	}
	return amountText(amount, countedIn)
}

// readableBytes: 16 bytes are an id, anything else is a digest.
func readableBytes(b []byte) string {
	if id, err := uuid.FromBytes(b); err == nil {
		return id.String()
	}
	return hex.EncodeToString(b)
}

// enumValue is a number of an enum without its Go type.
type enumValue struct {
	descriptor protoreflect.EnumDescriptor
	number     protoreflect.EnumNumber
}

func (e enumValue) Descriptor() protoreflect.EnumDescriptor { return e.descriptor }
func (e enumValue) Type() protoreflect.EnumType             { return nil }
func (e enumValue) Number() protoreflect.EnumNumber         { return e.number }

var _ protoreflect.Enum = enumValue{}
