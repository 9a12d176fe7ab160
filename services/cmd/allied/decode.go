package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// lineBytesMax bounds one command: a longer one could not become a record either.
const lineBytesMax = 1 << 20

// lineError says where a file of commands cannot be read. Column counts characters from 1; 0 means the whole line.
type lineError struct {
	file         string
	line, column int
	detail       string
}

func (e *lineError) Error() string {
	if e.column == 0 {
		return fmt.Sprintf("%s:%d: %s", e.file, e.line, e.detail)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.file, e.line, e.column, e.detail)
}

// commandLine is one command, and the number of the line it stands on, from 1.
type commandLine struct {
	line    int
	command *apiv1.Command
}

// commandLines yields the commands of a file of JSON lines. A line that is no command yields a *lineError, and what follows can still be
// read; any other error ends the sequence. Blank lines are passed over.
func commandLines(file string, r io.Reader) iter.Seq2[commandLine, error] {
	return func(yield func(commandLine, error) bool) {
		in := bufio.NewReaderSize(r, 64<<10)
		for n := 1; ; n++ {
			text, err := readLine(in)
			end := errors.Is(err, io.EOF)
			if err != nil && !end && !errors.Is(err, errLineTooLong) {
				yield(commandLine{}, fmt.Errorf("read %s after line %d: %w", file, n-1, err))
				return
			}
			if n == 1 {
				text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
			}
			at := &lineError{file: file, line: n}
			switch {
			case errors.Is(err, errLineTooLong):
				at.detail = fmt.Sprintf("the line is longer than %d bytes; a command has one line of its own", lineBytesMax)
				if !yield(commandLine{line: n}, at) {
					return
				}
			case len(bytes.TrimSpace(text)) > 0:
				cmd, bad := decodeCommand(text, at)
				if !yield(commandLine{line: n, command: cmd}, bad) {
					return
				}
			}
			if end {
				return
			}
		}
	}
}

var errLineTooLong = errors.New("line too long")

// readLine returns the next line without its end. A line beyond the bound is passed over and is errLineTooLong.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := in.ReadSlice('\n')
		if long = long || len(line)+len(part) > lineBytesMax; !long {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err == nil && long {
			err = errLineTooLong
		}
		if errors.Is(err, io.EOF) && long {
			return nil, errLineTooLong // the next call answers io.EOF
		}
		return bytes.TrimRight(line, "\r\n"), err
	}
}

// decodeCommand reads one line strictly: a field that does not exist, stands twice or has another type is an error with its place.
func decodeCommand(text []byte, at *lineError) (*apiv1.Command, error) {
	cmd := &apiv1.Command{}
	if err := checkFields(text, cmd.ProtoReflect().Descriptor()); err != nil {
		var field *fieldError
		if errors.As(err, &field) {
			at.column, at.detail = utf8.RuneCount(text[:field.offset])+1, field.detail
			return nil, at
		}
		return nil, fmt.Errorf("%s:%d: %w", at.file, at.line, err)
	}
	if err := protojson.Unmarshal(text, cmd); err != nil {
		at.column, at.detail = placeOf(err)
		return nil, at
	}
	return cmd, nil
}

var protojsonPlace = regexp.MustCompile(`\(line \d+:(\d+)\): (.*)$`)

// placeOf takes the column out of protojson's message, which has no other form.
func placeOf(err error) (column int, detail string) {
	if m := protojsonPlace.FindStringSubmatch(err.Error()); m != nil {
		if column, numErr := strconv.Atoi(m[1]); numErr == nil {
			return column, m[2]
		}
	}
	return 0, strings.TrimSpace(strings.TrimPrefix(err.Error(), "proto:"))
}

// fieldError is a fault at a byte offset of a line.
type fieldError struct {
	offset int
	detail string
}

func (e *fieldError) Error() string { return e.detail }

// checkFields walks a JSON object beside its message's descriptor, and finds names that the message does not have, and values of another type:
// protojson finds them too, but cannot say which name was meant, or how the value is written.
func checkFields(text []byte, message protoreflect.MessageDescriptor) error {
	w := &fieldWalk{text: text, dec: json.NewDecoder(bytes.NewReader(text))}
	start := w.next()
	tok, err := w.token()
	if err != nil {
		return err
	}
	if tok != json.Delim('{') {
		return &fieldError{start, "a command is one JSON object, { … }, on a line of its own"}
	}
	if err := w.object(message); err != nil {
		return err
	}
	if rest := w.next(); rest < len(text) {
		return &fieldError{rest, "something follows the command; each command has a line of its own"}
	}
	return nil
}

// nestingMax bounds how deep a command's JSON goes; the schema needs six levels.
const nestingMax = 32

type fieldWalk struct {
	text    []byte
	dec     *json.Decoder
	nesting int
}

// next is the offset of the next token that is not punctuation.
func (w *fieldWalk) next() int {
	i := int(w.dec.InputOffset())
	for i < len(w.text) && strings.IndexByte(" \t\r\n,:", w.text[i]) >= 0 {
		i++
	}
	return i
}

func (w *fieldWalk) token() (json.Token, error) {
	tok, err := w.dec.Token()
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return tok, nil
	case errors.As(err, &syntax):
		return nil, &fieldError{max(0, int(syntax.Offset)-1), "not JSON: " + syntax.Error()}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, &fieldError{len(w.text), "the line ends inside the command; a command stands on one line (jq -c . makes lines of spread-out JSON)"}
	}
	return nil, err
}

// object reads to the end of an object whose opening brace has been read. A nil message means that names are not ours to judge.
func (w *fieldWalk) object(message protoreflect.MessageDescriptor) error {
	for w.dec.More() {
		at := w.next()
		tok, err := w.token()
		if err != nil {
			return err
		}
		name, _ := tok.(string)
		field, err := fieldOf(message, name)
		if err != nil {
			return &fieldError{at, err.Error()}
		}
		if err := w.value(field, field != nil && field.IsList()); err != nil {
			return err
		}
	}
	_, err := w.token()
	return err
}

// value reads one value of a field; of a nil field, any.
func (w *fieldWalk) value(field protoreflect.FieldDescriptor, list bool) error {
	if w.nesting++; w.nesting > nestingMax {
		return &fieldError{w.next(), fmt.Sprintf("nested deeper than %d levels", nestingMax)}
	}
	defer func() { w.nesting-- }()
	at := w.next()
	tok, err := w.token()
	if err != nil {
		return err
	}
	if wrong := misfit(field, list, tok, w.text[at:w.dec.InputOffset()]); wrong != "" {
		return &fieldError{at, wrong}
	}
	switch tok {
	case json.Delim('{'):
		if field == nil {
			return w.object(nil)
		}
		return w.object(field.Message())
	case json.Delim('['):
		for w.dec.More() {
			if err := w.value(field, false); err != nil {
				return err
			}
		}
		_, err = w.token()
	}
	return err
}

// misfit says why a value's first token cannot be one of the field's, in words of JSON; empty where it can, or where protojson says it well.
func misfit(field protoreflect.FieldDescriptor, list bool, tok json.Token, found []byte) string {
	if field == nil || tok == nil {
		return ""
	}
	_, text := tok.(string)
	_, number := tok.(float64)
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
	return ""
}

func fieldOf(message protoreflect.MessageDescriptor, name string) (protoreflect.FieldDescriptor, error) {
	if message == nil {
		return nil, nil
	}
	fields := message.Fields()
	if f := fields.ByTextName(name); f != nil {
		return f, nil
	}
	if f := fields.ByJSONName(name); f != nil {
		return f, nil
	}
	names := make([]string, fields.Len())
	for i := range names {
		names[i] = string(fields.Get(i).Name())
	}
	guess := didYouMean(name, names)
	if guess == "" {
		guess = "; it has " + strings.Join(names, ", ")
	}
	return nil, fmt.Errorf("%s has no field %q%s", message.Name(), name, guess)
}
