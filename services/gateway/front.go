package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/proto/gen/allied/api/v1/apiv1connect"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/strictjson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// front stands before Connect's handlers and REST's. What is no call it refuses in words, where they send a bare status; and it reads the
// bodies of JSON, since their errors about them cannot carry a Problem.
type front struct {
	rpc      http.Handler
	routes   []Route
	books    map[string]book // by path
	out      *connect.ErrorWriter
	inputs   map[string]protoreflect.MessageType // by path
	paths    []string                            // in the order of the schema
	slots    chan struct{}
	pages    chan struct{} // of events
	files    chan struct{}
	fileRows int
	bodyWait time.Duration
}

func newFront(ledger *client.Client) (*front, error) {
	_, rpc := apiv1connect.NewLedgerServiceHandler(&service{ledger}, options()...)
	routes := Routes()
	books, err := booksOf(routes)
	if err != nil {
		return nil, err
	}
	f := &front{
		rpc: rpc, routes: routes, books: books, out: connect.NewErrorWriter(), inputs: map[string]protoreflect.MessageType{},
		slots: make(chan struct{}, requestsInFlightMax), pages: make(chan struct{}, pagesInFlightMax), files: make(chan struct{}, filesInFlightMax),
		fileRows: fileRowsMax, bodyWait: bodyWaitMax,
	}
	methods := apiv1.File_allied_api_v1_ledger_proto.Services().ByName("LedgerService").Methods()
	for i := range methods.Len() {
		m := methods.Get(i)
		input, err := protoregistry.GlobalTypes.FindMessageByName(m.Input().FullName())
		if err != nil {
			return nil, fmt.Errorf("serve %s: %w", m.FullName(), err)
		}
		path := "/" + apiv1connect.LedgerServiceName + "/" + string(m.Name())
		f.inputs[path] = input
		f.paths = append(f.paths, path)
	}
	return f, nil
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isREST(r) {
		f.rest(w, r)
		return
	}
	if f.document(w, r) {
		return
	}
	input, known := f.inputs[r.URL.Path]
	switch {
	case !known:
		f.refuseUnread(w, r, http.StatusNotFound, connect.CodeNotFound, &apiv1.Problem{
			Code: "unknown_path", Reason: fmt.Sprintf("there is no path %q", r.URL.Path), Remedy: "see /api for those of REST, or POST to one of " + strings.Join(f.paths, ", "),
		})
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		f.refuseUnread(w, r, http.StatusMethodNotAllowed, connect.CodeUnimplemented, &apiv1.Problem{
			Code: "wrong_method", Reason: fmt.Sprintf("%s takes POST, and %s came", r.URL.Path, r.Method), Remedy: "POST a JSON object",
		})
	case f.takesBody(w, r, contentTypes):
		kind, media := kindOf(r.Header.Get("Content-Type"))
		r.Header.Set("Content-Type", media) // with a charset, Connect would take its own codec
		f.call(w, r, kind, input)
	}
}

// isREST tells whether a request is one of REST, and its errors are.
func isREST(r *http.Request) bool { return strings.HasPrefix(r.URL.Path+"/", restRoot) }

// takesBody tells whether a POST sends its body as one of the content types, and refuses it where it does not.
func (f *front) takesBody(w http.ResponseWriter, r *http.Request, allowed []string) bool {
	came := r.Header.Get("Content-Type")
	kind, _ := kindOf(came)
	switch {
	case r.URL.RawQuery != "":
		f.refuseUnread(w, r, http.StatusBadRequest, connect.CodeInvalidArgument, &apiv1.Problem{
			Code: "unknown_query", Reason: fmt.Sprintf("a query came with the path, %.100q, and none is read", r.URL.RawQuery),
			Remedy: "send filters in the body, as members of the JSON object",
		})
	case kind == noKind, kind != unaryJSON && len(allowed) == 1:
		w.Header().Set("Accept-Post", strings.Join(allowed, ", "))
		r.Header.Del("Content-Type") // else who streams would be answered in a stream, with status 200
		f.refuseUnread(w, r, http.StatusUnsupportedMediaType, connect.CodeInvalidArgument, &apiv1.Problem{
			Code: "wrong_content_type", Reason: fmt.Sprintf("content type %q came; allowed are %s", came, strings.Join(allowed, ", ")),
			Remedy: "send JSON with the header Content-Type: application/json",
		})
	case !slices.Contains([]string{"", "identity"}, r.Header.Get("Content-Encoding")):
		f.refuseUnread(w, r, http.StatusUnsupportedMediaType, connect.CodeUnimplemented, &apiv1.Problem{
			Code: "wrong_encoding", Reason: fmt.Sprintf("content encoding %q came, and nothing is compressed here", r.Header.Get("Content-Encoding")),
			Remedy: "send the body as it is",
		})
	case r.ContentLength > bodyBytesMax:
		f.refuseTooLarge(w, r)
	default:
		return true
	}
	return false
}

// The kinds of calls: what is unary has its message as its body, and a stream has it in an envelope that Connect reads.
const (
	noKind = iota
	unaryJSON
	unaryProto
	envelope
)

var contentTypes = []string{"application/json", "application/proto", "application/grpc", "application/grpc-web"}

// kindOf returns the kind of a content type, and the type without its parameters.
func kindOf(contentType string) (kind int, media string) {
	media, params, err := mime.ParseMediaType(contentType)
	if charset, ok := params["charset"]; err != nil || ok && !strings.EqualFold(charset, "utf-8") {
		return noKind, ""
	}
	switch media {
	case "application/json":
		return unaryJSON, media
	case "application/proto":
		return unaryProto, media
	}
	switch protocol, codec, named := strings.Cut(media, "+"); {
	case protocol != "application/grpc" && protocol != "application/grpc-web":
	case !named, codec == "proto", codec == "json":
		return envelope, media
	}
	return noKind, ""
}

// call takes a slot and reads the body before Connect does, within the bounds of both.
func (f *front) call(w http.ResponseWriter, r *http.Request, kind int, input protoreflect.MessageType) {
	leave, ok := f.enter(w, r, f.slotsOf(path.Base(r.URL.Path), ""))
	if !ok {
		return
	}
	defer leave()
	if kind == envelope {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(f.bodyWait)) // a connection that takes none is closed already
		f.rpc.ServeHTTP(w, r)
		return
	}
	body, ok := f.body(w, r)
	if !ok {
		return
	}
	if kind == unaryJSON {
		if p := checkJSON(body, input); p != nil {
			f.refuse(w, r, http.StatusBadRequest, connect.CodeInvalidArgument, p)
			return
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.rpc.ServeHTTP(w, r)
}

// body reads a request's body within its bounds, and refuses the request where it cannot.
func (f *front) body(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	times := http.NewResponseController(w)
	_ = times.SetReadDeadline(time.Now().Add(f.bodyWait)) // a connection that takes none is closed already
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyBytesMax+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		f.refuse(w, r, http.StatusRequestTimeout, connect.CodeDeadlineExceeded, &apiv1.Problem{
			Code: "slow_body", Reason: fmt.Sprintf("the request's body did not arrive within %s", f.bodyWait), Remedy: "send it again, all at once; nothing was done",
		})
	case err != nil:
		f.refuse(w, r, http.StatusBadRequest, connect.CodeInvalidArgument, &apiv1.Problem{
			Code: "broken_body", Reason: "the request's body broke off: " + err.Error(), Remedy: "send it again; nothing was done",
		})
	case len(body) > bodyBytesMax:
		f.refuseTooLarge(w, r)
	default:
		_ = times.SetReadDeadline(time.Time{}) // else it would end a request that is still worked on
		return body, true
	}
	return nil, false
}

// slotsOf are those of a method: a page of events, and a file, take many times the memory of another answer.
func (f *front) slotsOf(method, format string) chan struct{} {
	switch {
	case format != "":
		return f.files
	case method == path.Base(apiv1connect.LedgerServiceEventsProcedure):
		return f.pages
	}
	return f.slots
}

// enter takes a slot at once, or refuses the request.
func (f *front) enter(w http.ResponseWriter, r *http.Request, slots chan struct{}) (leave func(), ok bool) {
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, true
	default:
	}
	f.refuseUnread(w, r, http.StatusTooManyRequests, connect.CodeResourceExhausted, &apiv1.Problem{
		Code: "busy", Reason: fmt.Sprintf("%d requests are under way, or %d for events, or %d for files", requestsInFlightMax, pagesInFlightMax, filesInFlightMax),
		Remedy: "ask again; nothing was done",
	})
	return nil, false
}

// checkJSON tells what is wrong with a request, or nil.
func checkJSON(body []byte, input protoreflect.MessageType) *apiv1.Problem {
	if len(bytes.TrimSpace(body)) == 0 {
		return &apiv1.Problem{Code: "empty_body", Reason: "the request has no body", Remedy: "send a JSON object, such as {}"}
	}
	var bad *strictjson.Error
	if !errors.As(strictjson.Unmarshal(body, input.New().Interface()), &bad) {
		return nil
	}
	reason := bad.Detail
	if bad.Offset >= 0 {
		line, column := strictjson.Place(body, bad.Offset)
		reason = fmt.Sprintf("%s, at line %d, column %d", bad.Detail, line, column)
	}
	if bad.Fault == strictjson.Unknown {
		return &apiv1.Problem{Code: "unknown_field", Field: bad.Path, Reason: reason, Remedy: bad.Remedy}
	}
	return &apiv1.Problem{
		Code: "bad_json", Field: bad.Path, Reason: reason, Remedy: fmt.Sprintf("send one JSON object of %s", input.Descriptor().FullName()),
	}
}

func (f *front) refuseTooLarge(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	f.refuseUnread(w, r, http.StatusRequestEntityTooLarge, connect.CodeResourceExhausted, &apiv1.Problem{
		Code: "body_too_large", Reason: fmt.Sprintf("the request's body is larger than %d bytes", bodyBytesMax), Remedy: "split it into several requests; nothing was done",
	})
}

// drainBytesMax bounds what is read, and thrown away, of a body that was refused unread: a caller that sends all before it reads would not see
// the refusal otherwise.
const drainBytesMax = 32 << 20

func (f *front) refuseUnread(w http.ResponseWriter, r *http.Request, status int, code connect.Code, p *apiv1.Problem) {
	f.refuse(w, r, status, code, p)
	if r.ContentLength == 0 || r.Header.Get("Expect") != "" { // who asked before sending is answered
		return
	}
	times := http.NewResponseController(w)
	_ = times.SetReadDeadline(time.Now().Add(f.bodyWait))
	_ = times.Flush()                                  // who cannot be told has gone
	_, _ = io.CopyN(io.Discard, r.Body, drainBytesMax) // the refusal is sent; whoever goes on sending is cut off
}

func (f *front) refuse(w http.ResponseWriter, r *http.Request, status int, code connect.Code, p *apiv1.Problem) {
	refuseRequest(f.out, w, r, status, code, p)
}

// refuseRequest answers in the protocol of the request, with an HTTP status where the protocol has one.
func refuseRequest(out *connect.ErrorWriter, w http.ResponseWriter, r *http.Request, status int, code connect.Code, p *apiv1.Problem) {
	if isREST(r) {
		writeProblem(w, status, p)
		return
	}
	_ = out.Write(&statusWriter{w, status}, r, refusal(code, p)) // who cannot be told has gone
}

// statusWriter replaces the status of an error, which Connect takes from its code alone.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if status != http.StatusOK { // gRPC has its own
		status = w.status
	}
	w.ResponseWriter.WriteHeader(status)
}
