// Package readable renders stored events as people read them: amounts as decimal text of their asset, ids as UUIDs, closed lists as words,
// dates as dates. Nothing hashes it or reads it back.
package readable

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/term"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Object is a JSON object that keeps the order of its members, which is the schema's. Values are text, truth, whole numbers, objects and
// slices of these.
type Object []Member

// Member is one member of an object.
type Member struct {
	Name  string
	Value any
}

func (o Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := encode(m.Name)
		if err != nil {
			return nil, err
		}
		value, err := encode(m.Value)
		if err != nil {
			return nil, fmt.Errorf("member %s: %w", m.Name, err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode leaves <, > and & as they are: this is data for programs and people, not for a page.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Message renders a message. Fields that are not set are left out.
func Message(m proto.Message) (Object, error) {
	return message(m.ProtoReflect(), "")
}

// message carries the asset of the enclosing message, for the amounts of a split's parts, which name none.
func message(m protoreflect.Message, enclosing string) (Object, error) {
	out := Object{}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !m.Has(field) {
			continue
		}
		value, err := fieldOf(m, field, assetFor(m, field, enclosing))
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", m.Descriptor().Name(), field.Name(), err)
		}
		out = append(out, Member{string(field.Name()), value})
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

func fieldOf(m protoreflect.Message, field protoreflect.FieldDescriptor, countedIn string) (any, error) {
	value := m.Get(field)
	if !field.IsList() {
		return valueOf(field, value, countedIn)
	}
	list := value.List()
	out := make([]any, list.Len())
	for i := range out {
		var err error
		if out[i], err = valueOf(field, list.Get(i), countedIn); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func valueOf(field protoreflect.FieldDescriptor, value protoreflect.Value, countedIn string) (any, error) {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return Inner(value.Message(), countedIn)
	case protoreflect.EnumKind:
		return term.Word(enumValue{field.Enum(), value.Enum()}), nil
	case protoreflect.BytesKind:
		return bytesText(value.Bytes()), nil
	}
	return value.Interface(), nil
}

// Inner renders a message within another, whose asset it is told.
func Inner(m protoreflect.Message, countedIn string) (any, error) {
	switch inner := m.Interface().(type) {
	case *eventv1.Amount:
		return storedAmount(inner, countedIn)
	case *eventv1.Effective:
		if inner.GetAsStated() == "" {
			return dates.Format(inner), nil
		}
		return Object{{"date", dates.Format(inner)}, {"as_stated", inner.GetAsStated()}}, nil
	}
	return message(m, countedIn)
}

func storedAmount(a *eventv1.Amount, countedIn string) (any, error) {
	amount, err := money.FromProto(a)
	if err != nil {
		return nil, err
	}
	return Amount(amount, countedIn)
}

// Amount is decimal text. Where no asset says how many places it has, the smallest units are shown, and said to be such.
func Amount(a money.Amount, countedIn string) (any, error) {
	if countedIn == "" {
		return Object{{"smallest_units", a.Text(0)}}, nil
	}
	of, err := asset.Parse(countedIn)
	if err != nil {
		return nil, err
	}
	return a.Text(of.Scale), nil
}

// bytesText: 16 bytes are an id, anything else is a digest.
func bytesText(b []byte) string {
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
