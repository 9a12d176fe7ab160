// Package strictjson is the JSON of the schema: it writes a message as JSON, and reads one and says where the JSON is wrong and what was meant.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/allied-ledger/allied/events/term"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Fault is what is wrong.
type Fault int

const (
	Field     Fault = iota // a field stands twice or has another type, or the text is no JSON
	Unknown                // a field does not exist
	NoObject               // something else than an object
	Truncated              // the text ends inside the object
	Followed               // something follows the object
)

// Error says what is wrong at a place.
type Error struct {
	Fault  Fault
	Offset int    // in bytes; -1 for the whole text
	Path   string // of the field, such as commit_pledge.commitments[0].line; may be empty
	Detail string
	Remedy string // for a field that does not exist
}

func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Detail
	}
	return e.Detail + "; " + e.Remedy
}

// Place is the line and the column of an offset, from 1; columns count characters.
func Place(text []byte, offset int) (line, column int) {
	before := text[:offset]
	begin := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[begin:]) + 1
}

// Marshal writes the names of the schema, zeros and empty lists. The bytes are the same from every build; protojson's are not.
func Marshal(m proto.Message) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(len(text))
	err = json.Compact(&b, text)
	return b.Bytes(), err
}

// Unmarshal reads one JSON object into an empty message. Its error is an *Error.
func Unmarshal(text []byte, m proto.Message) error {
	w := &walk{text: text, dec: json.NewDecoder(bytes.NewReader(text))}
	w.dec.UseNumber() // a number beyond float64 is still one
	if err := w.whole(m.ProtoReflect().Descriptor()); err != nil {
		return err
	}
	if err := protojson.Unmarshal(text, m); err != nil {
		offset, detail := placeOf(text, err)
		return &Error{Offset: offset, Detail: detail}
	}
	return nil
}

var protojsonPlace = regexp.MustCompile(`\(line (\d+):(\d+)\): (.*)$`)

// placeOf takes the place out of protojson's message, which has no other form.
func placeOf(text []byte, err error) (offset int, detail string) {
	m := protojsonPlace.FindStringSubmatch(err.Error())
	if m == nil {
		return -1, strings.TrimSpace(strings.TrimPrefix(err.Error(), "proto:"))
	}
	line, lineErr := strconv.Atoi(m[1])
	column, columnErr := strconv.Atoi(m[2])
	if lineErr != nil || columnErr != nil {
		return -1, m[3]
	}
	for ; line > 1; line-- {
		offset += bytes.IndexByte(text[offset:], '\n') + 1
	}
	for ; column > 1 && offset < len(text); column-- {
		_, size := utf8.DecodeRune(text[offset:])
		offset += size
	}
	return offset, m[3]
}

const (
	// nestingMax bounds how deep an object goes; the schema needs seven levels.
	nestingMax = 32
	// ObjectsMax bounds the objects of one text: an empty one takes three bytes, and its message some hundreds.
	ObjectsMax = 100_000
	// quotedCharactersMax bounds what an error repeats of the text.
	quotedCharactersMax = 100
)

// clipped is what an error repeats of a name or a value.
func clipped(text string) string {
	n := 0
	for i := range text {
		if n++; n > quotedCharactersMax {
			return text[:i] + "…"
		}
	}
	return text
}

// walk goes through an object beside its message's descriptor, and finds names that the message does not have, and values of another type:
// protojson finds them too, but cannot say which name was meant, or how the value is written.
type walk struct {
	text    []byte
	dec     *json.Decoder
	nesting int
	objects int
	path    []string
}

// fault says that something is wrong with the field that the walk is at.
func (w *walk) fault(offset int, detail string) *Error {
	return &Error{Offset: offset, Path: strings.TrimPrefix(strings.Join(w.path, ""), "."), Detail: detail}
}

func (w *walk) whole(message protoreflect.MessageDescriptor) error {
	start := w.next()
	tok, err := w.token()
	if err != nil {
		return err
	}
	if tok != json.Delim('{') {
		return &Error{Fault: NoObject, Offset: start, Detail: fmt.Sprintf("a JSON object, { … }, is wanted, not %s", clipped(string(w.text[start:w.dec.InputOffset()])))}
	}
	if err := w.object(message); err != nil {
		return err
	}
	if rest := w.next(); rest < len(w.text) {
		return &Error{Fault: Followed, Offset: rest, Detail: "something follows the JSON object"}
	}
	return nil
}

// next is the offset of the next token that is not punctuation.
func (w *walk) next() int {
	i := int(w.dec.InputOffset())
	for i < len(w.text) && strings.IndexByte(" \t\r\n,:", w.text[i]) >= 0 {
		i++
	}
	return i
}

func (w *walk) token() (json.Token, error) {
	tok, err := w.dec.Token()
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return tok, nil
	case errors.As(err, &syntax):
		return nil, w.fault(max(0, int(syntax.Offset)-1), "not JSON: "+syntax.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, &Error{Fault: Truncated, Offset: len(w.text), Detail: "the text ends inside the JSON object"}
	}
	return nil, w.fault(-1, err.Error())
}

// object reads to the end of an object whose opening brace has been read. A nil message means that names are not ours to judge.
func (w *walk) object(message protoreflect.MessageDescriptor) error {
	if w.objects++; w.objects > ObjectsMax {
		return w.fault(int(w.dec.InputOffset())-1, fmt.Sprintf("more than %d objects", ObjectsMax))
	}
	for w.dec.More() {
		at := w.next()
		tok, err := w.token()
		if err != nil {
			return err
		}
		name, _ := tok.(string)
		w.path = append(w.path, "."+clipped(name))
		field := fieldOf(message, name)
		if message != nil && field == nil {
			unknown := w.fault(at, fmt.Sprintf("%s has no field %q", message.Name(), clipped(name)))
			unknown.Fault, unknown.Remedy = Unknown, meant(message, name)
			return unknown
		}
		if err := w.value(field, field != nil && field.IsList()); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	_, err := w.token()
	return err
}

// value reads one value of a field; of a nil field, any.
func (w *walk) value(field protoreflect.FieldDescriptor, list bool) error {
	if w.nesting++; w.nesting > nestingMax {
		return w.fault(w.next(), fmt.Sprintf("nested deeper than %d levels", nestingMax))
	}
	defer func() { w.nesting-- }()
	at := w.next()
	tok, err := w.token()
	if err != nil {
		return err
	}
	if wrong := misfit(field, list, tok, string(w.text[at:w.dec.InputOffset()])); wrong != "" {
		return w.fault(at, wrong)
	}
	switch tok {
	case json.Delim('{'):
		if field == nil {
			return w.object(nil)
		}
		return w.object(field.Message())
	case json.Delim('['):
		for i := 0; w.dec.More(); i++ {
			w.path = append(w.path, fmt.Sprintf("[%d]", i))
			if err := w.value(field, false); err != nil {
				return err
			}
			w.path = w.path[:len(w.path)-1]
		}
		_, err = w.token()
	}
	return err
}

// misfit says why a value's first token cannot be one of the field's, in words of JSON; empty where it can, or where protojson says it well.
func misfit(field protoreflect.FieldDescriptor, list bool, tok json.Token, value string) string {
	if field == nil {
		return ""
	}
	if tok == nil {
		return fmt.Sprintf("%s is null: leave it out where nothing is meant, lest a filter without a value pass everything", field.Name())
	}
	found := clipped(value)
	_, text := tok.(string)
	_, number := tok.(json.Number)
	switch {
	case list && tok != json.Delim('['):
		return fmt.Sprintf("%s is a list, [ … ], not %s", field.Name(), found)
	case list:
		return ""
	case field.Message() != nil && tok != json.Delim('{'):
		return fmt.Sprintf("%s is an object, { … }, not %s", field.Name(), found)
	case field.Kind() == protoreflect.StringKind && number:
		return fmt.Sprintf("%s is text: write it in quotes, such as \"%s\"", field.Name(), found)
	case field.Kind() == protoreflect.StringKind && !text:
		return fmt.Sprintf("%s is text in quotes, not %s", field.Name(), found)
	case field.Kind() == protoreflect.BoolKind && (text || number):
		return fmt.Sprintf("%s is true or false, without quotes, not %s", field.Name(), found)
	}
	if from, to, ok := wholeNumbers(field.Kind()); ok && !within(value, from, to) {
		return fmt.Sprintf("%s is a whole number from %d to %d, not %s", field.Name(), from, to, found)
	}
	return ""
}

// wholeNumbers are those that a kind of field can hold; not ok for a kind that is none.
func wholeNumbers(k protoreflect.Kind) (from int64, to uint64, ok bool) {
	switch k {
	case protoreflect.Int32Kind:
		return math.MinInt32, math.MaxInt32, true
	case protoreflect.Int64Kind:
		return math.MinInt64, math.MaxInt64, true
	case protoreflect.Uint32Kind:
		return 0, math.MaxUint32, true
	case protoreflect.Uint64Kind:
		return 0, math.MaxUint64, true
	}
	return 0, 0, false
}

// within tells whether text, with quotes or without, is such a number in digits.
func within(text string, from int64, to uint64) bool {
	text = strings.Trim(text, `"`)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n >= from && (n < 0 || uint64(n) <= to)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return err == nil && n <= to
}

func fieldOf(message protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if message == nil {
		return nil
	}
	if f := message.Fields().ByTextName(name); f != nil {
		return f
	}
	return message.Fields().ByJSONName(name)
}

// meant says which field a name that does not exist most likely means.
func meant(message protoreflect.MessageDescriptor, name string) string {
	names := make([]string, message.Fields().Len())
	for i := range names {
		names[i] = string(message.Fields().Get(i).Name())
	}
	if near := term.Nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "it has " + strings.Join(names, ", ")
}
