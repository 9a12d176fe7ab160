package reference

import (
	"github.com/allied-ledger/allied/services/gateway"
	"github.com/allied-ledger/allied/services/internal/readable"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The stream is no method of the schema, so that what it is stands here.
const (
	streamOperation = "Stream"
	streamExample   = gateway.StreamPath + "?after=0&kind=pledge&donor=NOR"
	streamSays      = "Server-Sent Events, for a browser's EventSource or any program that reads lines. Without `view` each recorded event comes once, in the order of " +
		"the log, as `recorded` with a LoggedEvent, and `head` tells how far the log was read where a filter passes nothing. With `view=balances` come a `snapshot` " +
		"and then each `change` of the live balances; with `view=marks` a `mark` whenever figures moved. `lag` tells that figures stand still behind the log, `reset` that the log is another. " +
		"The `id` of a message is a position: who sends the last one as Last-Event-ID goes on after it."
)

// streamParameter is a field of the query, or a header.
type streamParameter struct {
	name, in, says string
	words          []string // that it takes, where they are few
	position       bool
}

func (p streamParameter) kind() string {
	if p.in == "header" {
		return "header"
	}
	return "string"
}

// streamParameters are those that the gateway takes; what filters events is what filters their page.
func (d *restDocument) streamParameters() (out []streamParameter) {
	page := d.message(apiPackage + ".EventsRequest")
	for _, name := range gateway.StreamParameters {
		p := streamParameter{name: name, in: "query"}
		switch f := page.Fields().ByName(protoreflect.Name(name)); {
		case name == "view":
			p.words = gateway.StreamViews
			p.says = "What to follow: the live balances with their rows, or marks alone, for who asks for sums again. Events where it is not given; it takes no filter beside it."
		case name == "after":
			p.position = true
			p.says = "The position to begin after, 0 for all events. Without it, and without Last-Event-ID, a stream begins at the head."
		default:
			p.says = d.says(f)
		}
		out = append(out, p)
	}
	return append(out, streamParameter{
		name: "Last-Event-ID", in: "header", position: true, says: "The id of the last message that was read. It wins over `after`; an EventSource sends it by itself.",
	})
}

func (d *restDocument) streamPath() readable.Member {
	var parameters []any
	for _, p := range d.streamParameters() {
		schema := object{member("type", "string")}
		switch {
		case p.words != nil:
			schema = append(schema, member("enum", p.words))
		case p.position:
			schema = append(schema, member("pattern", "^[0-9]+$"))
		}
		parameters = append(parameters, object{member("name", p.name), member("in", p.in), member("schema", schema), member("description", p.says)})
	}
	return member(gateway.StreamPath, object{member("get", object{
		member("operationId", streamOperation),
		member("description", streamSays),
		member("parameters", parameters),
		member("responses", object{
			member("200", object{
				member("description", "The stream, which lasts until one of the two sides ends it."),
				member("content", object{member("text/event-stream", object{member("schema", object{member("type", "string")})})}),
			}),
			problemResponse,
		}),
	})})
}
