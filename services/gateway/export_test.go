package gateway

import (
	"net/http"
	"time"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/readable"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// The bounds that tests meet.
const (
	BodyBytesMax        = bodyBytesMax
	CommandsMax         = commandsMax
	RequestsInFlightMax = requestsInFlightMax
	PagesInFlightMax    = pagesInFlightMax
	FilesInFlightMax    = filesInFlightMax
)

// NewImpatient is New with another time for a body to arrive.
func NewImpatient(ledger *client.Client, bodyWait time.Duration) (http.Handler, error) {
	f, err := newFront(ledger)
	if err != nil {
		return nil, err
	}
	f.bodyWait = bodyWait
	return f, nil
}

// NewNarrow is New with another bound for the rows of a file.
func NewNarrow(ledger *client.Client, fileRows int) (http.Handler, error) {
	f, err := newFront(ledger)
	if err != nil {
		return nil, err
	}
	f.fileRows = fileRows
	return f, nil
}

// Read makes the request of a route out of a query, of the id x where the path has one; nil where there is a problem.
func Read(r Route, query string) (protoreflect.Message, *apiv1.Problem) {
	t := target{Route: &r, id: "x"}
	input, err := protoregistry.GlobalTypes.FindMessageByName(r.RPC.Input().FullName())
	if err != nil {
		panic(err)
	}
	m := input.New()
	if p := t.read(query, m); p != nil {
		return nil, p
	}
	return m, nil
}

var (
	LoggedEvent = readable.Logged
	Fill        = fill
)
