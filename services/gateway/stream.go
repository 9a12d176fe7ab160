package gateway

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/term"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/stream"
)

// StreamPath is where Server-Sent Events are served.
const StreamPath = "/v1/stream"

// StreamViews are what a stream can follow beside events, and StreamParameters those of its query. All behind `view` are of events alone.
var (
	StreamViews      = []string{"balances", "marks"}
	StreamParameters = []string{"view", "kind", "donor", "stream", "type", "after"}
)

// NewStream serves GET StreamPath from a hub.
func NewStream(hub *stream.Hub) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := serveStream(hub, w, r)
		if err == nil {
			return
		}
		status := http.StatusServiceUnavailable
		code, p := problemOf(err)
		if code == connect.CodeInvalidArgument {
			status = http.StatusBadRequest
		}
		writeProblem(w, status, p)
	})
}

// serveStream returns an error where no stream has begun.
func serveStream(hub *stream.Hub, w http.ResponseWriter, r *http.Request) error {
	asked, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &es.Refusal{Code: "unknown_query", Reason: "the query cannot be read: " + err.Error(), Remedy: "write it as kind=pledge&donor=NOR"}
	}
	view := asked.Get("view")
	if err := checkWord("view", view, StreamViews); err != nil {
		return err
	}
	allowed := StreamParameters
	if view != "" {
		allowed = allowed[:1]
	}
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		switch values := asked[name]; {
		case !slices.Contains(allowed, name):
			r := &es.Refusal{
				Code: "unknown_query", Field: name, Reason: "this stream has no such parameter", Remedy: "leave it out, or use some of " + strings.Join(allowed, ", "),
			}
			if near := term.Nearest(name, allowed); near != "" {
				r.Remedy = fmt.Sprintf("did you mean %q?", near)
			}
			return r
		case len(values) > 1:
			return &es.Refusal{Code: "unknown_query", Field: name, Reason: fmt.Sprintf("it came %d times", len(values)), Remedy: "send it once"}
		case values[0] == "": // all events are not those of a donor whose code was forgotten
			return &es.Refusal{Code: "unknown_query", Field: name, Reason: "it came without a value", Remedy: "leave it out where nothing is meant"}
		}
	}
	seen, err := stream.Position("Last-Event-ID", r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	switch view {
	case "balances":
		return hub.Balances(w, r, seen)
	case "marks":
		return hub.Marks(w, r, seen)
	}
	after, err := stream.Position("after", asked.Get("after"))
	if err != nil {
		return err
	}
	filter := &apiv1.EventsRequest{Kind: asked.Get("kind"), Donor: asked.Get("donor"), Stream: asked.Get("stream"), Type: asked.Get("type")}
	if err := checkEvents(filter); err != nil {
		return err
	}
	q := stream.EventsQuery{After: after, Kind: filter.Kind, Stream: filter.Stream, Passes: func(e *stream.Event) bool {
		return passes(filter, e.Type, e.Donor, e.Unread)
	}}
	if seen != nil {
		q.After, q.Resumed = seen, true
	}
	return hub.Events(w, r, q)
}
