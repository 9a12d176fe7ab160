package gateway

import (
	"fmt"

	"connectrpc.com/connect"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/internal/strictjson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// jsonCodec takes the place of Connect's own, which passes over names that it does not know: a misspelt filter would answer a wrong total.
type jsonCodec struct{}

func (jsonCodec) Name() string { return "json" }

func (jsonCodec) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", v)
	}
	return strictjson.Marshal(m)
}

func (jsonCodec) Unmarshal(text []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no message", v)
	}
	return strictjson.Unmarshal(text, m)
}

// protoCodec takes the place of Connect's own, which makes as many messages as a body asks for, of two bytes each.
type protoCodec struct{}

func (protoCodec) Name() string { return "proto" }

func (protoCodec) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", v)
	}
	return proto.Marshal(m)
}

func (protoCodec) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no message", v)
	}
	if messages(data, m.ProtoReflect().Descriptor()) > strictjson.ObjectsMax {
		return fmt.Errorf("more than %d messages in one: split it into several requests", strictjson.ObjectsMax)
	}
	return proto.Unmarshal(data, m)
}

// messages counts the messages within encoded bytes, as far as these can be read, and their own.
func messages(data []byte, of protoreflect.MessageDescriptor) int {
	count := 1
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return count
		}
		data = data[n:]
		value := data
		if n = protowire.ConsumeFieldValue(number, kind, data); n < 0 {
			return count
		}
		data = data[n:]
		if f := of.Fields().ByNumber(number); f != nil && f.Message() != nil && kind == protowire.BytesType {
			inner, _ := protowire.ConsumeBytes(value)
			count += messages(inner, f.Message())
		}
	}
	return count
}

// checkUnknown refuses a message with fields of a later schema: to pass over a filter would answer a wrong total.
func checkUnknown(v any) error {
	m, ok := v.(proto.Message)
	if !ok || !holdsUnknown(m.ProtoReflect()) {
		return nil
	}
	return refusal(connect.CodeInvalidArgument, &apiv1.Problem{
		Code: "unknown_field", Reason: fmt.Sprintf("the %s has fields that this server does not know", m.ProtoReflect().Descriptor().Name()),
		Remedy: "ask a server of the client's version, or generate the client from this server's schema",
	})
}

func holdsUnknown(m protoreflect.Message) (unknown bool) {
	if len(m.GetUnknown()) > 0 {
		return true
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				unknown = unknown || holdsUnknown(v.List().Get(i).Message())
			}
		default:
			unknown = holdsUnknown(v.Message())
		}
		return !unknown
	})
	return unknown
}
