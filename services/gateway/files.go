package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/exporting/tables"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// The bounds of a file. It is held in memory until it is complete, so that what fails on the way is told as a problem.
const (
	fileRowsMax     = 100_000
	pageElementsMax = 1000 // of the pages that a file is made of
	// fileTriesMax bounds how often a file is begun again because the ledger moved between two of its pages.
	fileTriesMax = 5
)

// book is a view whose answers can be files.
type book struct {
	table  *tables.Table
	answer protoreflect.MessageType
}

// booksOf are those of routes, by the path of their method.
func booksOf(routes []Route) (map[string]book, error) {
	out := map[string]book{}
	for _, r := range routes {
		if len(r.Lists) == 0 {
			continue
		}
		answer, err := protoregistry.GlobalTypes.FindMessageByName(r.RPC.Output().FullName())
		if err != nil {
			return nil, fmt.Errorf("serve files of %s: %w", r.Path, err)
		}
		table, err := tables.New(r.RPC.Output(), r.Lists...)
		if err != nil {
			return nil, fmt.Errorf("serve files of %s: %w", r.Path, err)
		}
		out[r.procedure()] = book{table, answer}
	}
	return out, nil
}

// problemError is a problem with its HTTP status.
type problemError struct {
	status  int
	problem *apiv1.Problem
}

func (e *problemError) Error() string { return e.problem.Reason }

// errMoved says that two pages of a file are not true at one position.
var errMoved = &problemError{http.StatusServiceUnavailable, &apiv1.Problem{
	Code: "moved", Reason: fmt.Sprintf("the ledger recorded something between two pages of the file, %d times in a row", fileTriesMax),
	Remedy: "ask again, or ask for less, so that the file has fewer pages",
}}

// file answers with all pages of a list in one file, which is true at one position.
func (f *front) file(w http.ResponseWriter, r *http.Request, t target, request protoreflect.Message) {
	ctx, cancel := context.WithTimeout(r.Context(), requestWaitMax)
	defer cancel()
	format := tables.Formats[slices.IndexFunc(tables.Formats, func(f tables.Format) bool { return f.Ending == t.format })]
	var made *made
	var err error = errMoved
	for try := 0; try < fileTriesMax && errors.Is(err, errMoved); try++ {
		made, err = f.make(ctx, t, format, proto.Clone(request.Interface()).ProtoReflect())
	}
	if err != nil {
		p := &problemError{http.StatusInternalServerError, internalProblem(err)}
		errors.As(err, &p)
		writeProblem(w, p.status, p.problem)
		return
	}
	h := w.Header()
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s"`, made.name(t)))
	for name, text := range made.headers {
		h.Set(name, text)
	}
	sendTagged(w, r, format.MediaType, made.body.Bytes())
}

// made is a file, and what its headers say of it.
type made struct {
	body    bytes.Buffer
	basis   string
	ordinal uint64
	headers map[string]string
}

// make makes a file of all pages that answer a request, which it changes.
func (f *front) make(ctx context.Context, t target, format tables.Format, request protoreflect.Message) (*made, error) {
	b, out := f.books[t.procedure()], new(made)
	file, err := format.Create(&out.body, b.table)
	if err != nil {
		return nil, err
	}
	about := asked(t, request)
	var first protoreflect.Message
	for rows := 0; ; {
		page, err := f.page(ctx, t, b, request)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = page
		} else if number(first, "position") != number(page, "position") {
			return nil, errMoved
		}
		for row := range b.table.Rows(page.Interface()) {
			if rows++; rows > f.fileRows {
				return nil, &problemError{http.StatusBadRequest, &apiv1.Problem{
					Code: "file_too_large", Reason: fmt.Sprintf("the file would have more than %d rows", f.fileRows), Remedy: "ask for less, for instance for one donor",
				}}
			}
			if err := file.Write(row); err != nil {
				return nil, unwritten(err)
			}
		}
		next := page.Descriptor().Fields().ByName("next")
		if next == nil || page.Get(next).String() == "" {
			break
		}
		request.Set(request.Descriptor().Fields().ByName("cursor"), page.Get(next))
	}
	told, headers, err := tell(t, first)
	if err != nil {
		return nil, err
	}
	out.headers, out.ordinal = headers, number(first, "ordinal")
	for _, s := range slices.Concat(about, told) {
		if s.Name == "basis" || s.Name == "asked_basis" {
			out.basis = s.Text
		}
	}
	if err := file.Close(append(told, about...)); err != nil {
		return nil, err
	}
	return out, nil
}

func unwritten(err error) error {
	var long *tables.TooLongError
	if !errors.As(err, &long) {
		return err
	}
	return &problemError{http.StatusBadRequest, &apiv1.Problem{Code: "text_too_long", Field: long.Column, Reason: err.Error(), Remedy: "take the same as csv or parquet"}}
}

// page asks for one page.
func (f *front) page(ctx context.Context, t target, b book, request protoreflect.Message) (protoreflect.Message, error) {
	if limit := request.Descriptor().Fields().ByName("limit"); limit != nil {
		request.Set(limit, protoreflect.ValueOfInt32(pageElementsMax))
	}
	body, err := proto.Marshal(request.Interface())
	if err != nil {
		return nil, err
	}
	a := f.ask(ctx, t, protoCodec{}, body)
	if a.status != http.StatusOK {
		return nil, &problemError{a.status, a.problem()}
	}
	page := b.answer.New()
	return page, proto.Unmarshal(a.body.Bytes(), page.Interface())
}

func number(m protoreflect.Message, name protoreflect.Name) uint64 {
	return m.Get(m.Descriptor().Fields().ByName(name)).Uint()
}

// asked tells what a file was asked for.
func asked(t target, request protoreflect.Message) []tables.Said {
	out := []tables.Said{{Name: "view", Text: t.view()}}
	for _, f := range t.parameters() {
		if request.Has(f) {
			out = append(out, tables.Said{Name: "asked_" + string(f.Name()), Text: textOf(f, request.Get(f))})
		}
	}
	return out
}

// headerTextBytesMax bounds what a header repeats of one thing that an answer says.
const headerTextBytesMax = 1 << 10

// tell tells what an answer says beside its rows: all of it for the file, and what is short for headers, since CSV has no other place.
func tell(t target, answer protoreflect.Message) (told []tables.Said, headers map[string]string, err error) {
	short := map[string]string{}
	fields := answer.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if slices.Contains(t.Lists, f.Name()) || f.Name() == "next" {
			continue
		}
		s := tables.Said{Name: string(f.Name())}
		if f.Message() == nil {
			s.Text = textOf(f, answer.Get(f))
		} else if s.Text, err = listOf(answer.Get(f).List()); err != nil {
			return nil, nil, err
		}
		told = append(told, s)
		if len(s.Text) <= headerTextBytesMax {
			short[s.Name] = s.Text
		}
	}
	text, err := json.Marshal(short)
	return told, map[string]string{"Allied-Position": short["position"], "Allied-Ordinal": short["ordinal"], "Allied-About": inASCII(text)}, err
}

// listOf is a list of messages in JSON.
func listOf(list protoreflect.List) (string, error) {
	parts := make([]string, list.Len())
	for i := range parts {
		text, err := jsonCodec{}.Marshal(list.Get(i).Message().Interface())
		if err != nil {
			return "", err
		}
		parts[i] = string(text)
	}
	return "[" + strings.Join(parts, ",") + "]", nil
}

// inASCII is JSON as a header can carry it.
func inASCII(text []byte) string {
	var b strings.Builder
	for _, r := range string(text) {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

func textOf(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if !f.IsList() {
		return v.String()
	}
	texts := make([]string, v.List().Len())
	for i := range texts {
		texts[i] = v.List().Get(i).String()
	}
	return strings.Join(texts, tables.Joint)
}

// unnamed is what no name of a file holds.
var unnamed = regexp.MustCompile(`[^a-z0-9_]+`)

// name is the file's: the view, its basis where it has one, and the ordinal at which it is true, which is the same on every copy.
func (m *made) name(t target) string {
	parts := []string{t.view(), unnamed.ReplaceAllString(m.basis, ""), strconv.FormatUint(m.ordinal, 10)}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "-") + "." + t.format
}

func (t target) view() string { return strings.TrimPrefix(t.Path, restRoot) }
