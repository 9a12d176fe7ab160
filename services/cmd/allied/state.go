package main

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/term"
	"github.com/allied-ledger/allied/services/internal/readable"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// readableState renders an aggregate's state as readable renders an event: exported fields in their order, amounts as decimal text of the
// asset that stands beside them. Empty fields are left out.
func readableState(state any) (any, error) {
	return readableGo(reflect.ValueOf(state), "")
}

func readableGo(v reflect.Value, countedIn string) (any, error) {
	if !v.IsValid() {
		return nil, nil
	}
	switch x := v.Interface().(type) {
	case money.Amount:
		return readable.Amount(x, countedIn)
	case uuid.UUID:
		return x.String(), nil
	case protoreflect.Enum:
		return term.Word(x), nil
	case proto.Message:
		return readable.Inner(x.ProtoReflect(), countedIn)
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return readableGo(v.Elem(), countedIn)
	case reflect.Struct:
		return readableStruct(v, countedIn)
	case reflect.Slice, reflect.Array:
		out := make([]any, v.Len())
		for i := range out {
			var err error
			if out[i], err = readableGo(v.Index(i), countedIn); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v.Interface(), nil
}

// readableStruct carries the asset of the enclosing struct, for the rungs of a line, which name none.
func readableStruct(v reflect.Value, countedIn string) (readable.Object, error) {
	if f := v.FieldByName("Asset"); f.IsValid() && f.Kind() == reflect.String {
		countedIn = f.String()
	}
	out := readable.Object{}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() || v.Field(i).IsZero() && field.Type != reflect.TypeFor[money.Amount]() {
			continue
		}
		value, err := readableGo(v.Field(i), countedIn)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", v.Type().Name(), field.Name, err)
		}
		out = append(out, readable.Member{Name: snakeCase(field.Name), Value: value})
	}
	return out, nil
}

// snakeCase writes a Go name as JSON names are written here: OriginalDue is original_due, ForStreamID is for_stream_id.
func snakeCase(name string) string {
	var b strings.Builder
	letters := []rune(name)
	for i, r := range letters {
		begins := i > 0 && unicode.IsUpper(r) && (unicode.IsLower(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1]))
		if begins {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
