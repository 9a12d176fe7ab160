package reference

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/category"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/internal/route"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	commandsFile = "commands.md"
	answersFile  = "answers.md"
	eventsFile   = "events.md"
	apiFile      = "api.md"
)

// bodies are the commands: the fields of the one body that a Command has.
func (s *schema) bodies() []protoreflect.FieldDescriptor {
	var out []protoreflect.FieldDescriptor
	fields := s.message(apiPackage + ".Command").Oneofs().ByName("body").Fields()
	for i := range fields.Len() {
		out = append(out, fields.Get(i))
	}
	return out
}

// placeAPI says where the messages of commands and answers are described, and returns what bodies are made of.
func (s *schema) placeAPI() []protoreflect.MessageDescriptor {
	cmd, of := s.message(apiPackage+".Command"), []protoreflect.MessageDescriptor{}
	s.place(commandsFile, cmd, "command")
	s.place(answersFile, s.message(apiPackage+".Answer"), "the-five-answers")
	s.place(answersFile, s.message(apiPackage+".DrawStatus"), "drawstatus")
	for _, f := range s.bodies() {
		s.place(commandsFile, f.Message(), string(f.Name()))
		of = append(of, f.Message())
	}
	of = append(of, cmd)
	inner := parts(of...)
	slices.SortFunc(inner, func(a, b protoreflect.MessageDescriptor) int {
		return strings.Compare(string(a.Name()), string(b.Name()))
	})
	for _, m := range inner {
		s.place(commandsFile, m, string(m.Name()))
	}
	return inner
}

func (s *schema) commandsPage(l *example) string {
	inner := s.placeAPI()
	var b strings.Builder
	fmt.Fprint(&b, `# Commands

A command asks for one change of one stream. It is one JSON object on one line of a file; `+"`allied submit FILE`"+` sends the file. A field that is
not listed here is refused with its place. What is answered stands in [answers](answers.md), what is recorded in [events](events.md).

The examples are lines of [one ledger](example.jsonl), which is recorded completely:

`+"```sh\nbin/allied submit docs/reference/example.jsonl --data example-data\n```"+`

"Text" is a JSON string: amounts are decimal text, ids are UUIDs, dates are written like `+"`2022-09-13`, `2022-09`, `2022`, `until 2022-12-31` or `unknown`"+`.

## Command

The fields around the body, and exactly one body, whose name says what is asked.

`)
	cmd := s.message(apiPackage + ".Command")
	b.WriteString(s.table(commandsFile, cmd))
	services, of := s.byService()
	for _, service := range services {
		fmt.Fprintf(&b, "- **%s**:", service)
		for i, f := range of[service] {
			fmt.Fprintf(&b, "%s [%s](#%[2]s)", map[bool]string{true: ","}[i > 0], f.Name())
		}
		b.WriteString("\n")
	}
	for _, service := range services {
		fmt.Fprintf(&b, "\n## Commands of %s\n\nThe service `%[1]s` takes them.\n\n", service)
		for _, f := range of[service] {
			fmt.Fprintf(&b, "### %s\n\n%s %s\n\n%s", f.Name(), comment(f.Message()), streamRule(f), s.table(commandsFile, f.Message()))
			fmt.Fprintf(&b, "```json\n%s\n```\n\n", l.lineWith(f))
		}
	}
	b.WriteString("## What fields are made of\n\n")
	for _, m := range inner {
		b.WriteString(s.section(commandsFile, m))
	}
	b.WriteString("## Categories\n\nLines and items carry one of these. A group, such as `MIL`, is for asking only.\n\n| Code | |\n|---|---|\n")
	for _, c := range category.Codes() {
		if !c.Group {
			fmt.Fprintf(&b, "| `%s` | %s |\n", c.Code, cell(c.Title))
		}
	}
	return b.String()
}

// byService groups the commands by the service that takes them, in the order of the schema.
func (s *schema) byService() (services []string, of map[string][]protoreflect.FieldDescriptor) {
	of = map[string][]protoreflect.FieldDescriptor{}
	for _, f := range s.bodies() {
		service, err := route.Service(withBody(f))
		if err != nil {
			panic(err) // the body is there
		}
		if of[service] == nil {
			services = append(services, service)
		}
		of[service] = append(of[service], f)
	}
	return services, of
}

// withBody is a command with an empty body.
func withBody(f protoreflect.FieldDescriptor) *apiv1.Command {
	cmd := &apiv1.Command{CommandId: "6ba7b810-9dad-51d1-80b4-00c04fd430c8"}
	m := cmd.ProtoReflect()
	own := m.Descriptor().Fields().ByNumber(f.Number())
	m.Set(own, m.NewField(own))
	return cmd
}

func streamRule(f protoreflect.FieldDescriptor) string {
	if _, err := route.Complete(withBody(f)); err == nil {
		return "`stream` may be left out."
	}
	if f.Name() == "schedule_tranche" {
		return "`stream` may be left out with a threat level."
	}
	return "`stream` is needed."
}

// lineWith is the example's first line with a body.
func (l *example) lineWith(f protoreflect.FieldDescriptor) string {
	for i, cmd := range l.commands {
		m := cmd.ProtoReflect()
		if got := m.WhichOneof(m.Descriptor().Oneofs().ByName("body")); got != nil && got.Number() == f.Number() {
			return l.lines[i]
		}
	}
	return "no line of example.jsonl has " + string(f.Name())
}

// servicesPage describes the services and what their methods take and give; empty where the schema has none.
func (s *schema) servicesPage() string {
	s.placeAPI()
	var services []protoreflect.ServiceDescriptor
	for _, f := range s.files {
		for i := range f.Services().Len() {
			services = append(services, f.Services().Get(i))
		}
	}
	if len(services) == 0 {
		return ""
	}
	messages := slices.DeleteFunc(s.messages(apiPackage), func(m protoreflect.MessageDescriptor) bool { return s.at[m.FullName()] != "" })
	for _, m := range messages {
		s.place(apiFile, m, string(m.Name()))
	}
	var b strings.Builder
	b.WriteString("# Services\n\nWhat programs call over the network. In JSON, fields are named as here, and whole numbers of 64 bits are text.\n\n")
	for _, service := range services {
		fmt.Fprintf(&b, "## %s\n\n`%s`: %s\n\n| Method | Takes | Gives | |\n|---|---|---|---|\n", service.Name(), service.FullName(), comment(service))
		for i := range service.Methods().Len() {
			m := service.Methods().Get(i)
			fmt.Fprintf(&b, "| `%s` | %s%s | %s%s | %s |\n", m.Name(), stream(m.IsStreamingClient()), s.link(apiFile, m.Input()),
				stream(m.IsStreamingServer()), s.link(apiFile, m.Output()), cell(comment(m)))
		}
		b.WriteString("\n")
	}
	b.WriteString("## Messages\n\n")
	for _, m := range messages {
		b.WriteString(s.section(apiFile, m))
	}
	return b.String()
}

func stream(streams bool) string {
	if streams {
		return "a stream of "
	}
	return ""
}

func TestEveryCommandHasAnExample(t *testing.T) {
	l := recordExample(t)
	for _, f := range parseSchema(t, nil).bodies() {
		if line := l.lineWith(f); !strings.HasPrefix(line, "{") {
			t.Error(line)
		}
	}
}

func TestEveryCommandIsExplained(t *testing.T) {
	s := parseSchema(t, nil)
	of := []protoreflect.MessageDescriptor{s.message(apiPackage + ".Command"), s.message(apiPackage + ".Answer")}
	for _, m := range append(of, parts(of...)...) {
		if m.ParentFile().Package() == apiPackage && comment(m) == "" {
			t.Errorf("message %s has no comment: say what it is for", m.FullName())
		}
	}
}

func TestServicesOfTheSchemaAreDescribed(t *testing.T) {
	page := parseSchema(t, map[string]string{"allied/api/v1/trial.proto": `syntax = "proto3";
		package allied.api.v1;
		import "allied/api/v1/command.proto";
		// TrialService is on trial.
		service TrialService {
			// Submit asks for a change.
			// buf:lint:ignore RPC_REQUEST_STANDARD_NAME
			rpc Submit(Command) returns (Answer);
			// Watch follows what changes.
			rpc Watch(TrialRequest) returns (stream TrialResponse);
		}
		// TrialRequest says what to follow.
		message TrialRequest {
			// A donor's code.
			optional string donor = 1;
		}
		message TrialResponse { repeated TrialRow rows = 1; }
		message TrialRow { uint64 position = 1; }
		// TrialProblem is met in errors alone.
		message TrialProblem {}`}).servicesPage()
	for _, wanted := range []string{
		"## TrialService", "`allied.api.v1.TrialService`: TrialService is on trial.",
		"| `Submit` | [Command](commands.md#command) | [Answer](answers.md#the-five-answers) | Submit asks for a change. |",
		"| `Watch` | [TrialRequest](#trialrequest) | a stream of [TrialResponse](#trialresponse) |", "| `donor` | text | A donor's code. |",
		"| `rows` | list of [TrialRow](#trialrow) |  |", "### TrialRow", "TrialProblem is met in errors alone.",
	} {
		if !strings.Contains(page, wanted) {
			t.Errorf("the page lacks %q:\n%s", wanted, page)
		}
	}
}
