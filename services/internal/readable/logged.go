package readable

import (
	"fmt"
	"strconv"

	"github.com/allied-ledger/allied/events/es"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"google.golang.org/protobuf/types/known/structpb"
)

// Logged renders an entry as the API gives it. What cannot be decoded stands there with why.
func Logged(e es.Entry) *apiv1.LoggedEvent {
	in := NewEntry(e, true)
	out := &apiv1.LoggedEvent{
		Position: in.Position, Ordinal: in.Ordinal, Stream: in.Stream, Revision: in.Revision, EventId: in.EventID, Type: in.Type,
		RecordedAt: in.RecordedAt, Error: in.Error,
	}
	if in.Error != "" {
		return out
	}
	envelope, err := structOf(in.Envelope)
	if err != nil {
		out.Error = "envelope: " + err.Error()
		return out
	}
	event, err := structOf(in.Event)
	if err != nil {
		out.Error = "event: " + err.Error()
		return out
	}
	out.Envelope, out.Event = envelope, event
	return out
}

func structOf(o Object) (*structpb.Struct, error) {
	out := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for _, m := range o {
		v, err := structValue(m.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
		out.Fields[m.Name] = v
	}
	return out, nil
}

// structValue keeps whole numbers exact: those of 64 bits are text, as everywhere in the JSON of the schema.
func structValue(v any) (*structpb.Value, error) {
	switch x := v.(type) {
	case Object:
		fields, err := structOf(x)
		return structpb.NewStructValue(fields), err
	case []any:
		list := &structpb.ListValue{}
		for i, element := range x {
			v, err := structValue(element)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			list.Values = append(list.Values, v)
		}
		return structpb.NewListValue(list), nil
	case int64:
		return structpb.NewStringValue(strconv.FormatInt(x, 10)), nil
	case uint64:
		return structpb.NewStringValue(strconv.FormatUint(x, 10)), nil
	}
	return structpb.NewValue(v) // text, truth and whole numbers of 32 bits
}
