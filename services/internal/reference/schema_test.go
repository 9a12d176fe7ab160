package reference

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/term"
	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	apiPackage   = "allied.api.v1"
	eventPackage = "allied.event."
)

// schema is the schema as its sources say it, with their comments.
type schema struct {
	files linker.Files
	// at is where a message or enum is described: the page and the place on it.
	at map[protoreflect.FullName]string
}

// parseSchema reads the schema of commands and events, and files that stand in for some of it.
func parseSchema(t *testing.T, instead map[string]string) *schema {
	t.Helper()
	var names []string
	for _, pattern := range []string{"allied/api/*/*.proto", "allied/event/*/*.proto"} {
		paths, err := filepath.Glob(filepath.Join(root, "proto", filepath.FromSlash(pattern)))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no files like %s: %v", pattern, err)
		}
		for _, p := range paths {
			names = append(names, path.Join(path.Dir(path.Dir(pattern)), filepath.Base(filepath.Dir(p)), filepath.Base(p)))
		}
	}
	names = slices.AppendSeq(names, maps.Keys(instead))
	slices.Sort(names)
	compiler := protocompile.Compiler{
		SourceInfoMode: protocompile.SourceInfoStandard,
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: func(name string) (io.ReadCloser, error) {
			if text, ok := instead[name]; ok {
				return io.NopCloser(strings.NewReader(text)), nil
			}
			return os.Open(filepath.Join(root, "proto", filepath.FromSlash(name)))
		}}),
	}
	files, err := compiler.Compile(t.Context(), slices.Compact(names)...)
	if err != nil {
		t.Fatal(err)
	}
	return &schema{files: files, at: map[protoreflect.FullName]string{}}
}

// messages yields the messages of packages whose names begin so, in the order of their files.
func (s *schema) messages(pkg string) []protoreflect.MessageDescriptor {
	var out []protoreflect.MessageDescriptor
	for _, f := range s.files {
		if strings.HasPrefix(string(f.Package()), pkg) {
			for i := range f.Messages().Len() {
				out = append(out, f.Messages().Get(i))
			}
		}
	}
	return out
}

func (s *schema) message(name protoreflect.FullName) protoreflect.MessageDescriptor {
	d, err := s.files.AsResolver().FindDescriptorByName(name)
	if err != nil {
		return nil
	}
	return d.(protoreflect.MessageDescriptor)
}

// comment is what the source says of a descriptor, on one line.
func comment(d protoreflect.Descriptor) string {
	text, _, _ := strings.Cut(d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments, "buf:lint:") // which speaks to a tool
	text = strings.Join(strings.Fields(text), " ")
	if says, ok := strings.CutPrefix(text, string(d.Name())+": "); ok {
		return strings.ToUpper(says[:1]) + says[1:]
	}
	return text
}

// place says where a message or enum is described, before anything links to it.
func (s *schema) place(page string, d protoreflect.Descriptor, heading string) {
	s.at[d.FullName()] = page + "#" + strings.ToLower(heading)
}

// link names a message or enum, with a link from a page to where it is described.
func (s *schema) link(page string, d protoreflect.Descriptor) string {
	at, ok := s.at[d.FullName()]
	if !ok {
		return string(d.Name())
	}
	return fmt.Sprintf("[%s](%s)", d.Name(), strings.TrimPrefix(at, page))
}

// kind is a field's type as JSON has it, and as the command line prints stored messages.
func (s *schema) kind(page string, f protoreflect.FieldDescriptor) string {
	var kind string
	switch f.Kind() {
	case protoreflect.StringKind:
		kind = "text"
	case protoreflect.BoolKind:
		kind = "true or false"
	case protoreflect.BytesKind:
		kind = "id"
	case protoreflect.EnumKind:
		kind = "word: " + s.link(page, f.Enum())
	case protoreflect.MessageKind:
		switch f.Message().FullName() {
		case "allied.event.v1.Amount":
			kind = "amount"
		case "allied.event.v1.Effective":
			kind = "date"
		case "google.protobuf.Struct":
			kind = "JSON object"
		case "google.protobuf.Timestamp":
			kind = "time"
		default:
			kind = s.link(page, f.Message())
		}
	default:
		kind = "number"
	}
	if f.IsList() {
		return "list of " + kind
	}
	return kind
}

// table lists a message's fields; those of a oneof are left to their own sections.
func (s *schema) table(page string, m protoreflect.MessageDescriptor) string {
	var b strings.Builder
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if of := f.ContainingOneof(); of != nil && !of.IsSynthetic() {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("| Field | Type | |\n|---|---|---|\n")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name(), s.kind(page, f), cell(comment(f)))
	}
	if b.Len() == 0 {
		return "It has no fields.\n\n"
	}
	return b.String() + "\n"
}

// section describes a message under its own name.
func (s *schema) section(page string, m protoreflect.MessageDescriptor) string {
	text := comment(m)
	if text != "" {
		text += "\n\n"
	}
	return fmt.Sprintf("### %s\n\n%s%s", m.Name(), text, s.table(page, m))
}

// words lists an enum's words.
func words(e protoreflect.EnumDescriptor) string {
	var b strings.Builder
	for i := 1; i < e.Values().Len(); i++ {
		v := e.Values().Get(i)
		word := "`" + term.Word(value{e, v.Number()}) + "`"
		if c := comment(v); c != "" {
			word += " (" + strings.TrimSuffix(c, ".") + ")"
		}
		if i > 1 {
			b.WriteString(", ")
		}
		b.WriteString(word)
	}
	return b.String() + ".\n\n"
}

// value is an enum's value of which there is no generated type here.
type value struct {
	of     protoreflect.EnumDescriptor
	number protoreflect.EnumNumber
}

func (v value) Descriptor() protoreflect.EnumDescriptor { return v.of }
func (v value) Type() protoreflect.EnumType             { return nil }
func (v value) Number() protoreflect.EnumNumber         { return v.number }

// cell escapes what would end a cell of a table, and what a browser would take for a tag where it is not marked as code.
func cell(text string) string {
	parts := strings.Split(strings.ReplaceAll(text, "|", `\|`), "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = strings.ReplaceAll(parts[i], "<", "&lt;")
	}
	return strings.Join(parts, "`")
}

// parts are the messages that the fields of some messages are made of, each once, in the order in which they are met.
func parts(of ...protoreflect.MessageDescriptor) []protoreflect.MessageDescriptor {
	var out []protoreflect.MessageDescriptor
	for i := 0; i < len(of); i++ {
		for j := range of[i].Fields().Len() {
			if m := of[i].Fields().Get(j).Message(); m != nil && !slices.Contains(of, m) && strings.HasPrefix(string(m.FullName()), "allied.") {
				of, out = append(of, m), append(out, m)
			}
		}
	}
	return out
}
