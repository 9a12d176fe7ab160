package gateway

import (
	"embed"
	"net/http"

	"connectrpc.com/connect"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
)

// reference is written from the schema, the routes and the sources of refusals, by services/internal/reference.
//
//go:embed reference
var reference embed.FS

// apiPath is the page that describes REST and its problems.
const apiPath = "/api"

// documents are the pages that describe REST, by their path.
var documents = map[string]struct{ name, contentType string }{
	apiPath:         {"reference/api.html", "text/html; charset=utf-8"},
	"/api.css":      {"reference/api.css", "text/css; charset=utf-8"},
	"/openapi.json": {"reference/openapi.json", "application/json"},
}

// document answers with a page that describes REST; not ok where the path has none.
func (f *front) document(w http.ResponseWriter, r *http.Request) (ok bool) {
	d, ok := documents[r.URL.Path]
	if !ok {
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		f.refuseUnread(w, r, http.StatusMethodNotAllowed, connect.CodeUnimplemented, &apiv1.Problem{
			Code: "wrong_method", Reason: r.URL.Path + " takes GET, and " + r.Method + " came", Remedy: "use GET",
		})
		return true
	}
	text, err := reference.ReadFile(d.name)
	if err != nil { // it is in the program
		writeProblem(w, http.StatusInternalServerError, internalProblem(err))
		return true
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.Header().Set("Referrer-Policy", "no-referrer")
	sendTagged(w, r, d.contentType, text)
	return true
}
