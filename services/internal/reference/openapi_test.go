package reference

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/services/exporting/tables"
	"github.com/allied-ledger/allied/services/gateway"
	"github.com/allied-ledger/allied/services/internal/readable"
	"github.com/getkin/kin-openapi/openapi3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// served are the files that the gateway has in it.
const served = "../../gateway/reference"

// TestOpenAPI writes what REST is: the document for programs, and the page for people, both from the routes and the comments of the schema.
func TestOpenAPI(t *testing.T) {
	s := parseSchema(t, nil)
	d := s.restDocument(t)
	text, err := json.Marshal(d.object())
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	compareFile(t, pathOf("openapi.json"), pretty.String())
	compareFile(t, filepath.Join(served, "openapi.json"), pretty.String())
	compareFile(t, filepath.Join(served, "api.html"), d.page(t))

	loaded, err := openapi3.NewLoader().LoadFromData(pretty.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := loaded.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func compareFile(t *testing.T, path, text string) {
	t.Helper()
	old, err := os.ReadFile(path)
	switch {
	case err == nil && string(old) == text:
	case !*update:
		t.Errorf("%s is not what the sources say: run go test ./services/internal/reference -update, and read the difference\n%s", path, firstDifference(string(old), text))
	default:
		t.Logf("%s is written anew", path)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// restDocument is what is said of REST.
type restDocument struct {
	*schema
	routes   []restRoute
	messages []protoreflect.MessageDescriptor // in the order in which they are met
	asked    map[protoreflect.FullName]bool   // those that a body is made of
	answered map[protoreflect.FullName]bool   // those that an answer is made of
	problems []found
}

// restRoute is a route with its method as the sources have it.
type restRoute struct {
	gateway.Route
	method protoreflect.MethodDescriptor
}

func (s *schema) restDocument(t *testing.T) *restDocument {
	d := &restDocument{schema: s, asked: map[protoreflect.FullName]bool{}, answered: map[protoreflect.FullName]bool{}}
	for _, r := range gateway.Routes() {
		found, err := s.files.AsResolver().FindDescriptorByName(r.RPC.FullName())
		if err != nil {
			t.Fatal(err)
		}
		route := restRoute{r, found.(protoreflect.MethodDescriptor)}
		d.routes = append(d.routes, route)
		if r.Post {
			d.meet(d.asked, route.method.Input())
		}
		d.meet(d.answered, route.method.Output())
	}
	all, _ := refusals(t, root)
	for _, area := range []string{"Requests over HTTP", "Questions to views"} {
		d.problems = append(d.problems, sorted(all, area)...)
	}
	return d
}

// meet adds a message and what it is made of.
func (d *restDocument) meet(where map[protoreflect.FullName]bool, m protoreflect.MessageDescriptor) {
	for _, m := range append([]protoreflect.MessageDescriptor{m}, parts(m)...) {
		if !slices.Contains(d.messages, m) {
			d.messages = append(d.messages, m)
		}
		where[m.FullName()] = true
	}
}

type object = readable.Object

func member(name string, value any) readable.Member { return readable.Member{Name: name, Value: value} }

func (d *restDocument) object() object {
	var paths, schemas object
	for _, r := range d.routes {
		paths = append(paths, d.path(r))
		if len(r.Lists) > 0 {
			paths = append(paths, d.files(r))
		}
	}
	paths = append(paths, d.streamPath())
	for _, m := range d.messages {
		schemas = append(schemas, member(schemaName(m), d.schemaOf(m)))
	}
	schemas = append(schemas, member("Problem", d.problemSchema()))
	var problems []any
	for _, p := range d.problems {
		problems = append(problems, object{member("code", p.code), member("field", p.field), member("detail", p.reason), member("remedy", p.remedy)})
	}
	return object{
		member("openapi", "3.1.0"),
		member("info", object{member("title", "Allied Ledger"), member("version", "v1"), member("description", restIntroduction)}),
		member("servers", []any{object{member("url", "/")}}),
		member("paths", paths),
		member("components", object{
			member("schemas", schemas),
			member("responses", object{
				member("Problem", object{
					member("description", "The request is refused, or cannot be answered now: `detail` says what was found, `remedy` what to do."),
					member("content", object{member("application/problem+json", object{member("schema", ref("Problem"))})}),
				}),
				member("NotModified", object{member("description", "The answer is the one that If-None-Match names.")}),
			}),
		}),
		member("x-problems", problems),
	}
}

const restIntroduction = "What stands in the ledger, and commands to it, over HTTP. Names are those of the schema. Amounts are decimal text with the places of " +
	"their asset: read them into a decimal type, never into a float. Whole numbers of 64 bits are text. A field that is not required and not there is " +
	"not known, or is none: never zero. A parameter that does not exist, is empty, or comes twice where one value is taken is refused: it would answer " +
	"another question. Every GET has an ETag and takes If-None-Match, and HEAD."

func ref(name string) object { return object{member("$ref", "#/components/schemas/"+name)} }

// schemaName tells messages of the API from those of stored events that have the same name.
func schemaName(m protoreflect.MessageDescriptor) string {
	if m.ParentFile().Package() == apiPackage {
		return string(m.Name())
	}
	return "Event" + string(m.Name())
}

func (d *restDocument) path(r restRoute) readable.Member {
	operation := object{
		member("operationId", string(r.method.Name())),
		member("description", comment(r.method)),
	}
	responses := object{}
	json := func(m protoreflect.MessageDescriptor, more ...readable.Member) object {
		return object{member("application/json", append(object{member("schema", ref(schemaName(m)))}, more...))}
	}
	ok := object{member("description", "The answer."), member("content", json(r.method.Output()))}
	if r.Post {
		var headers []any
		if r.method.Input().Name() == "Command" {
			headers = append(headers, object{
				member("name", "Idempotency-Key"), member("in", "header"), member("description", "The command's id, where the body has none: a UUID that makes a repeat harmless."),
				member("schema", object{member("type", "string"), member("format", "uuid")}),
			})
			operation = append(operation, member("parameters", headers))
		}
		operation = append(operation, member("requestBody", object{
			member("required", true), member("content", json(r.method.Input(), member("example", json2(r.Example)))),
		}))
	} else {
		operation = append(operation, member("parameters", d.parameters(r, nil)))
		ok = slices.Insert(ok, 1, member("headers", object{member("ETag", object{member("schema", object{member("type", "string")})})}))
	}
	responses = append(responses, member("200", ok))
	if !r.Post {
		responses = append(responses, member("304", object{member("$ref", "#/components/responses/NotModified")}))
	}
	operation = append(operation, member("responses", append(responses, problemResponse)))
	return member(r.Path, object{member(strings.ToLower(r.Method()), operation)})
}

var problemResponse = member("default", object{member("$ref", "#/components/responses/Problem")})

// json2 is JSON text as it is.
func json2(text string) any { return json.RawMessage(text) }

// paged are the parameters that a file does not take.
var paged = []protoreflect.Name{"limit", "cursor"}

func (d *restDocument) files(r restRoute) readable.Member {
	content := object{}
	for _, f := range tables.Formats {
		content = append(content, member(f.MediaType, object{}))
	}
	format := object{
		member("name", "format"), member("in", "path"), member("required", true), member("schema", object{member("type", "string"), member("enum", gateway.Formats())}),
		member("description", "In a workbook a number stands beside each amount, and what the file is stands on the sheet `about`; in Parquet it stands in the metadata."),
	}
	return member(r.Path+".{format}", object{member("get", object{
		member("operationId", string(r.method.Name())+"File"),
		member("description", "All pages in one file, of one position: at most 100000 rows. "+comment(r.method)),
		member("parameters", append([]any{format}, d.parameters(r, paged)...)),
		member("responses", object{
			member("200", object{
				member("description", "The file, whose name tells its ordinal."),
				member("headers", object{
					member("ETag", object{member("schema", object{member("type", "string")})}),
					member("Allied-Position", object{member("description", "At which the file is true."), member("schema", object{member("type", "string")})}),
					member("Allied-Ordinal", object{member("description", "The same on every copy of the log."), member("schema", object{member("type", "string")})}),
					member("Allied-About", object{member("description", "What the answer says beside its rows, as a JSON object of texts."), member("schema", object{member("type", "string")})}),
				}),
				member("content", content),
			}),
			member("304", object{member("$ref", "#/components/responses/NotModified")}), problemResponse,
		}),
	})})
}

// parameters are those of a path and of its query, without some.
func (d *restDocument) parameters(r restRoute, without []protoreflect.Name) []any {
	at, err := url.Parse(r.Example)
	if err != nil {
		panic(err) // a test of the gateway sends it
	}
	examples, out := at.Query(), []any{}
	for i := range r.method.Input().Fields().Len() {
		f := r.method.Input().Fields().Get(i)
		if slices.Contains(without, f.Name()) {
			continue
		}
		in := "query"
		if strings.Contains(r.Path, "{"+string(f.Name())+"}") {
			in = "path"
			examples.Set(string(f.Name()), at.Path[strings.LastIndexByte(at.Path, '/')+1:])
		}
		p := object{member("name", string(f.Name())), member("in", in), member("schema", d.fieldSchema(f, false))}
		if text := d.says(f); text != "" {
			p = append(p, member("description", text))
		}
		if in == "path" {
			p = slices.Insert(p, 2, member("required", true))
		}
		switch values := examples[string(f.Name())]; {
		case len(values) == 0:
		case f.IsList():
			p = append(p, member("example", values))
		case f.Kind() == protoreflect.StringKind || f.Kind() == protoreflect.Uint64Kind:
			p = append(p, member("example", values[0]))
		default:
			p = append(p, member("example", json2(values[0])))
		}
		out = append(out, p)
	}
	return out
}

// asIn is a comment that leaves the word to another message.
var asIn = regexp.MustCompile(`^As in (\w+)\.$`)

// says is the comment of a field, or of the field that it speaks of.
func (d *restDocument) says(f protoreflect.FieldDescriptor) string {
	text := comment(f)
	if m := asIn.FindStringSubmatch(text); m != nil {
		if other := d.message(protoreflect.FullName(apiPackage + "." + m[1])); other != nil && other.Fields().ByName(f.Name()) != nil {
			return comment(other.Fields().ByName(f.Name()))
		}
	}
	if _, asks := strings.CutSuffix(string(f.Parent().Name()), "Request"); asks && text == "" {
		return everywhere[f.Name()]
	}
	return text
}

// everywhere says of parameters what their messages leave unsaid, since they are the same in all of them.
var everywhere = map[protoreflect.Name]string{
	"at_least":    "A position that the answer must hold. It is waited for.",
	"donor":       "Who gives, such as NOR or EU-INST; the path /v1/terms lists them.",
	"beneficiary": "Who receives, such as UKR.",
	"category":    "A category such as MIL.AIRDEF, or a group of them such as MIL.",
	"asset":       "Such as EUR/2@donor_stated: a currency, its decimal places and the basis.",
	"status":      "How it stands, in the word that the answers have.",
	"cursor":      "The next of the page before.",
	"group_on":    "The day on which the group's members are told, such as 2022-02-24.",
}

func (d *restDocument) schemaOf(m protoreflect.MessageDescriptor) object {
	var properties object
	var required, bodies []any
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		properties = append(properties, member(string(f.Name()), d.fieldSchema(f, true)))
		of := f.ContainingOneof()
		switch {
		case of != nil && !of.IsSynthetic():
			bodies = append(bodies, object{member("required", []string{string(f.Name())})})
		case d.answered[m.FullName()] && !d.asked[m.FullName()] && !f.HasPresence():
			required = append(required, string(f.Name()))
		}
	}
	out := object{member("type", "object")}
	if text := comment(m); text != "" {
		out = append(out, member("description", text))
	}
	if properties != nil {
		out = append(out, member("properties", properties))
	}
	if required != nil {
		out = append(out, member("required", required))
	}
	if bodies != nil {
		out = append(out, member("oneOf", bodies))
	}
	if d.asked[m.FullName()] && !d.answered[m.FullName()] {
		out = append(out, member("additionalProperties", false))
	}
	return out
}

func (d *restDocument) fieldSchema(f protoreflect.FieldDescriptor, described bool) object {
	out := d.kindSchema(f)
	if f.IsList() {
		out = object{member("type", "array"), member("items", out)}
	}
	if text := d.says(f); described && text != "" {
		out = append(out, member("description", text))
	}
	return out
}

const decimals = `^-?[0-9]+(\.[0-9]+)?$`

func (d *restDocument) kindSchema(f protoreflect.FieldDescriptor) object {
	kind := func(name string, more ...readable.Member) object {
		return append(object{member("type", name)}, more...)
	}
	switch f.Kind() {
	case protoreflect.BoolKind:
		return kind("boolean")
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Uint32Kind:
		return kind("integer")
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return kind("string", member("pattern", "^-?[0-9]+$"))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return kind("string", member("pattern", "^[0-9]+$"))
	case protoreflect.BytesKind:
		return kind("string", member("contentEncoding", "base64"))
	case protoreflect.EnumKind:
		var names []string
		for i := range f.Enum().Values().Len() {
			names = append(names, string(f.Enum().Values().Get(i).Name()))
		}
		return kind("string", member("enum", names))
	case protoreflect.MessageKind:
		switch f.Message().FullName() {
		case "google.protobuf.Struct":
			return kind("object")
		case "google.protobuf.Timestamp":
			return kind("string", member("format", "date-time"))
		}
		return ref(schemaName(f.Message()))
	}
	if tables.IsAmount(f) && d.answered[f.Parent().FullName()] && !d.asked[f.Parent().FullName()] {
		return kind("string", member("pattern", decimals+"|^$"))
	}
	return kind("string")
}

func (d *restDocument) problemSchema() object {
	text := func(name, says string) readable.Member {
		return member(name, object{member("type", "string"), member("description", says)})
	}
	return object{
		member("type", "object"), member("description", "Why a request is refused, as RFC 9457 has it."),
		member("properties", object{
			text("type", "Where the code is described."), text("title", "The code in words."),
			member("status", object{member("type", "integer"), member("description", "The HTTP status.")}),
			text("detail", "What was found, and what is allowed."), text("code", "Stable, for a program to branch on, such as unknown_word."),
			text("field", "The parameter or field at fault; may be empty."), text("remedy", "What to do."),
		}),
		member("required", []string{"type", "title", "status", "detail", "code", "field", "remedy"}),
	}
}
