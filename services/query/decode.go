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
		return &es.Refusal{
			Code: "unknown_field", Field: name, Reason: fmt.Sprintf("the request has no field %q", name),
			Remedy: fmt.Sprintf("did you mean %q? There are %s", nearest(name, known), strings.Join(known, ", ")),
		}
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

// nearest is the candidate with the fewest letters to change.
func nearest(word string, candidates []string) string {
	best, least := "", -1
	for _, c := range candidates {
		if d := distance(word, c); least < 0 || d < least {
			best, least = c, d
		}
	}
	return best
}

// distance counts the letters to add, drop or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
