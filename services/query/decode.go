package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/term"
)

// decode reads a request strictly; errors are *es.Refusal. No data is the request without any field.
func decode(data []byte, into any) error {
	if len(data) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return &es.Refusal{Code: "bad_request", Reason: "more follows after the request's JSON object", Remedy: "send one object"}
		}
		return nil
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return &es.Refusal{
			Code: "bad_request", Field: kind.Field, Reason: fmt.Sprintf("found a %s, want %s", kind.Value, kind.Type), Remedy: "correct the field",
		}
	}
	if name, ok := strings.CutPrefix(err.Error(), `json: unknown field "`); ok {
		name = strings.TrimSuffix(name, `"`)
		known := fieldNames(reflect.TypeOf(into))
		remedy := "there are " + strings.Join(known, ", ")
		if near := term.Nearest(name, known); near != "" {
			remedy = fmt.Sprintf("did you mean %q?", near)
		}
		return &es.Refusal{Code: "unknown_field", Field: name, Reason: fmt.Sprintf("the request has no field %q", name), Remedy: remedy}
	}
	return &es.Refusal{Code: "bad_request", Reason: "not a JSON object: " + err.Error(), Remedy: "send a JSON object"}
}

// fieldNames are the JSON names of a struct's fields, those of embedded structs included.
func fieldNames(t reflect.Type) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case !f.IsExported() || f.Anonymous && name == "" || name == "-":
			continue
		case name == "":
			name = f.Name
		}
		names = append(names, name)
	}
	return names
}
