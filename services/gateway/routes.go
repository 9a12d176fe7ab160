package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/term"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/exporting/tables"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// restRoot is where all paths of REST begin.
const restRoot = "/v1/"

// Route is a method of the service as a path of REST. What reads takes GET, its request's fields as parameters; what submits takes POST, its
// request as the body.
type Route struct {
	Path string // such as /v1/pledges/{id}; in braces stands a field of the request
	RPC  protoreflect.MethodDescriptor
	Post bool
	// Lists are the fields of the answer whose elements are the rows of a file; a route without them has no files.
	Lists []protoreflect.Name
	// Example is a request that the sample of `allied serve --sample` answers: a path with its parameters, or the body of a POST.
	Example string
}

// Formats are the endings of a path that has files.
func Formats() []string {
	var out []string
	for _, f := range tables.Formats {
		out = append(out, f.Ending)
	}
	return out
}

// Routes is the one list of REST's paths: the server serves it, and the reference is written from it.
func Routes() []Route {
	methods := apiv1.File_allied_api_v1_ledger_proto.Services().ByName("LedgerService").Methods()
	get := func(path string, method protoreflect.Name, example string, lists ...protoreflect.Name) Route {
		return Route{Path: restRoot + path, RPC: methods.ByName(method), Lists: lists, Example: restRoot + example}
	}
	post := func(path string, method protoreflect.Name, example string) Route {
		return Route{Path: restRoot + path, RPC: methods.ByName(method), Post: true, Example: example}
	}
	const commit = `{"command_id":"0190d000-0000-7000-8000-000000000007","donor":"NOR","beneficiary":"UKR","effective":"2024-09-02","actor":"treasury",` +
		`"commit_pledge":{"title":"Radar","commitments":[{"firmness":"firm","line":{"category":"MIL.AIRDEF","instrument":"grant",` +
		`"values":[{"basis":"donor_stated","asset":"EUR/2@donor_stated","amount":"1250000.50"}]}}]}}`
	return []Route{
		get("balances", "Balances", "balances?basis=donor_stated&stages=committed&stages=allocated&reached=true&by=donor", "rows"),
		get("assets", "Assets", "assets", "assets"),
		get("timeline", "Timeline", "timeline?basis=donor_stated&stages=committed&reached=true&by=month", "rows", "undated"),
		get("entries", "Entries", "entries?basis=donor_stated&stage=committed&reached=true&donor=NOR", "entries"),
		get("journal", "Journal", "journal?donor=NOR&limit=2", "events"),
		get("pledges", "Pledges", "pledges?donor=NOR&category=MIL.AIRDEF&limit=2", "pledges"),
		get("pledges/{id}", "Pledge", "pledges/NOR%20closed%20skies"),
		get("shipments", "Shipments", "shipments?donor=NOR&limit=2", "shipments"),
		get("shipments/{id}", "Shipment", "shipments/shipment-00000000-0000-0000-0000-000000000000"),
		get("payments", "Payments", "payments?donor=NOR&limit=2", "payments"),
		get("payments/{id}", "Payment", "payments/payment-00000000-0000-0000-0000-000000000000"),
		get("exceptions", "Exceptions", "exceptions?kinds=over_allocated&status=all&limit=2", "exceptions"),
		get("events", "Events", "events?type=PledgeAllocated&limit=2"),
		get("head", "Head", "head"),
		get("terms", "Terms", "terms?on=2024-05-31"),
		post("commands", "Submit", commit),
		post("commands:batch", "SubmitMany", `{"commands":[`+commit+`]}`),
	}
}

// Method is the HTTP method that the route takes; GET stands for HEAD too.
func (r *Route) Method() string {
	if r.Post {
		return http.MethodPost
	}
	return http.MethodGet
}

// target is what a path asks for.
type target struct {
	*Route
	id     string // what stands in the path's braces
	format string // of a file; empty for JSON
}

// procedure is the path of the method as Connect has it.
func (r *Route) procedure() string {
	return "/" + string(r.RPC.Parent().FullName()) + "/" + string(r.RPC.Name())
}

// variable is the field that stands in the path's braces; empty for none.
func (r *Route) variable() protoreflect.Name {
	_, name, _ := strings.Cut(r.Path, "{")
	return protoreflect.Name(strings.TrimSuffix(name, "}")) // nothing follows the braces
}

// find says what a path, still escaped, asks for.
func find(routes []Route, path string) (target, bool) {
	for i := range routes {
		r := &routes[i]
		if fixed, _, ok := strings.Cut(r.Path, "{"); ok {
			id, err := url.PathUnescape(strings.TrimPrefix(path, fixed))
			if strings.HasPrefix(path, fixed) && err == nil && id != "" && strings.Count(path, "/") == strings.Count(r.Path, "/") {
				return target{Route: r, id: id}, true
			}
			continue
		}
		ending, ok := strings.CutPrefix(path, r.Path)
		switch format := strings.TrimPrefix(ending, "."); {
		case !ok:
		case ending == "":
			return target{Route: r}, true
		case len(r.Lists) > 0 && ending != format && slices.Contains(Formats(), format):
			return target{Route: r, format: format}, true
		}
	}
	return target{}, false
}

// unknownPath names the paths that there are, or the nearest.
func unknownPath(routes []Route, path string) *apiv1.Problem {
	var paths []string
	for _, r := range routes {
		paths = append(paths, r.Path)
		if len(r.Lists) > 0 {
			for _, f := range Formats() {
				paths = append(paths, r.Path+"."+f)
			}
		}
	}
	p := &apiv1.Problem{
		Code: "unknown_path", Reason: fmt.Sprintf("there is no path %.100q", path), Remedy: "see /api for the paths that there are",
	}
	fixed, ending, _ := strings.Cut(path, ".")
	switch near := term.Nearest(path, paths); {
	case slices.Contains(Formats(), ending) && slices.Contains(paths, fixed):
		p.Remedy = fixed + " has no files: ask for it alone"
	case near != "":
		p.Remedy = fmt.Sprintf("did you mean %s?", near)
	}
	return p
}
