package gateway

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/allied-ledger/allied/events/term"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// paging are the fields that ask for one page of a list.
var paging = []protoreflect.Name{"limit", "cursor"}

// parameters are the fields of a request that stand in its query, in the order of the schema.
func (t target) parameters() []protoreflect.FieldDescriptor {
	var out []protoreflect.FieldDescriptor
	fields := t.RPC.Input().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if t.Post || f.Name() == t.variable() || t.format != "" && slices.Contains(paging, f.Name()) {
			continue
		}
		out = append(out, f)
	}
	return out
}

// read makes the request that a query asks for, or tells what is wrong with it. A name that does not exist, a value that is none and a second
// value where one is taken are refused: each would answer another question than was asked.
func (t target) read(query string, into protoreflect.Message) *apiv1.Problem {
	values, err := url.ParseQuery(query)
	if err != nil {
		return &apiv1.Problem{
			Code: "bad_query", Reason: fmt.Sprintf("the query cannot be read: %.100q", err.Error()),
			Remedy: "write name=value pairs with & between them, and escape what is no letter, digit or one of -._~",
		}
	}
	if v := t.variable(); v != "" {
		if p := setParameter(into, into.Descriptor().Fields().ByName(v), t.id); p != nil {
			return p
		}
	}
	allowed := t.parameters()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		at := slices.IndexFunc(allowed, func(f protoreflect.FieldDescriptor) bool { return string(f.Name()) == name })
		if at < 0 {
			return t.unknownParameter(name, allowed)
		}
		if n := len(values[name]); n > 1 && !allowed[at].IsList() {
			return &apiv1.Problem{
				Code: "repeated_parameter", Field: name, Reason: fmt.Sprintf("%s came %d times, and takes one value", name, n), Remedy: "send it once",
			}
		}
		for _, value := range values[name] {
			if p := setParameter(into, allowed[at], value); p != nil {
				return p
			}
		}
	}
	return nil
}

func (t target) unknownParameter(name string, allowed []protoreflect.FieldDescriptor) *apiv1.Problem {
	names := make([]string, len(allowed))
	for i, f := range allowed {
		names[i] = string(f.Name())
	}
	p := &apiv1.Problem{
		Code: "unknown_field", Field: fmt.Sprintf("%.100s", strings.ToValidUTF8(name, "\uFFFD")), Reason: fmt.Sprintf("%s has no parameter %.100q", t.Path, name),
		Remedy: "use " + strings.Join(names, ", "),
	}
	near := term.Nearest(name, names)
	switch {
	case t.format != "" && slices.Contains(paging, protoreflect.Name(name)):
		p.Reason, p.Remedy = "a file holds all pages", "leave it out"
	case len(names) == 0:
		p.Remedy = "leave it out: there are none"
	case near != "":
		p.Remedy = fmt.Sprintf("did you mean %q?", near)
	}
	return p
}

// digits are a whole number as JSON writes it.
var digits = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// setParameter sets a field to a value, or adds it to a list; or it tells what is wrong with the value.
func setParameter(m protoreflect.Message, f protoreflect.FieldDescriptor, text string) *apiv1.Problem {
	value, wanted := valueFrom(f.Kind(), text)
	if wanted != "" {
		return &apiv1.Problem{
			Code: "bad_value", Field: string(f.Name()), Reason: fmt.Sprintf("%.100q came, and %s is wanted", text, wanted), Remedy: "leave it out where nothing is meant",
		}
	}
	if f.IsList() {
		if first, _, several := strings.Cut(text, ","); several { // no word of a list has a comma
			return &apiv1.Problem{
				Code: "bad_value", Field: string(f.Name()), Reason: fmt.Sprintf("%.100q came, and one value is wanted", text),
				Remedy: fmt.Sprintf("name the parameter for each: %s=%.100s&%s=…", f.Name(), first, f.Name()),
			}
		}
		m.Mutable(f).List().Append(value)
	} else {
		m.Set(f, value)
	}
	return nil
}

// valueFrom reads a value of the kinds that requests have, or says what is wanted.
func valueFrom(kind protoreflect.Kind, text string) (value protoreflect.Value, wanted string) {
	switch kind {
	case protoreflect.StringKind:
		if text == "" || !utf8.ValidString(text) {
			return value, "some text in UTF-8"
		}
		return protoreflect.ValueOfString(text), ""
	case protoreflect.BoolKind:
		if text != "true" && text != "false" {
			return value, "true or false"
		}
		return protoreflect.ValueOfBool(text == "true"), ""
	case protoreflect.Int32Kind:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || !digits.MatchString(text) {
			return value, fmt.Sprintf("a whole number from %d to %d", math.MinInt32, math.MaxInt32)
		}
		return protoreflect.ValueOfInt32(int32(n)), ""
	case protoreflect.Uint64Kind:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || !digits.MatchString(text) {
			return value, fmt.Sprintf("a whole number from 0 to %d", uint64(math.MaxUint64))
		}
		return protoreflect.ValueOfUint64(n), ""
	}
	return value, "the body of a POST" // no request of a GET has such a field, as a test sees
}
