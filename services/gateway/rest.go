package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/proto/gen/allied/api/v1/apiv1connect"
	"github.com/allied-ledger/allied/services/internal/strictjson"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// rest answers what is asked below restRoot.
func (f *front) rest(w http.ResponseWriter, r *http.Request) {
	t, known := find(f.routes, r.URL.EscapedPath())
	switch {
	case !known && r.URL.Path == StreamPath: // a GET has a handler of its own
		w.Header().Set("Allow", "GET, HEAD")
		f.refuseUnread(w, r, http.StatusMethodNotAllowed, connect.CodeUnimplemented, &apiv1.Problem{
			Code: "wrong_method", Reason: fmt.Sprintf("%s takes GET, HEAD, and %s came", StreamPath, r.Method), Remedy: "use GET",
		})
	case !known:
		f.refuseUnread(w, r, http.StatusNotFound, connect.CodeNotFound, unknownPath(f.routes, r.URL.Path))
	case t.Post && r.Method == http.MethodPost:
		f.submit(w, r, t)
	case !t.Post && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		f.view(w, r, t)
	default:
		allowed := t.Method()
		if !t.Post {
			allowed += ", " + http.MethodHead
		}
		w.Header().Set("Allow", allowed)
		f.refuseUnread(w, r, http.StatusMethodNotAllowed, connect.CodeUnimplemented, &apiv1.Problem{
			Code: "wrong_method", Reason: fmt.Sprintf("%s takes %s, and %s came", t.Path, allowed, r.Method), Remedy: "use " + t.Method(),
		})
	}
}

// view answers a GET or HEAD.
func (f *front) view(w http.ResponseWriter, r *http.Request, t target) {
	if r.ContentLength != 0 {
		f.refuseUnread(w, r, http.StatusBadRequest, connect.CodeInvalidArgument, &apiv1.Problem{
			Code: "unexpected_body", Reason: "a body came, and none is read", Remedy: "send filters as parameters: name=value pairs after a ? with & between them",
		})
		return
	}
	request := f.inputs[t.procedure()].New()
	if p := t.read(r.URL.RawQuery, request); p != nil {
		f.refuse(w, r, http.StatusBadRequest, connect.CodeInvalidArgument, p)
		return
	}
	leave, ok := f.enter(w, r, f.slotsOf(string(t.RPC.Name()), t.format))
	if !ok {
		return
	}
	defer leave()
	if t.format != "" {
		f.file(w, r, t, request)
		return
	}
	body, err := jsonCodec{}.Marshal(request.Interface())
	if err != nil {
		f.refuse(w, r, http.StatusInternalServerError, connect.CodeInternal, internalProblem(err))
		return
	}
	a := f.ask(r.Context(), t, jsonCodec{}, body)
	if a.status != http.StatusOK {
		writeProblem(w, a.status, a.problem())
		return
	}
	sendTagged(w, r, "application/json", a.body.Bytes())
}

// submit answers a POST.
func (f *front) submit(w http.ResponseWriter, r *http.Request, t target) {
	if !f.takesBody(w, r, contentTypes[:1]) {
		return
	}
	leave, ok := f.enter(w, r, f.slots)
	if !ok {
		return
	}
	defer leave()
	body, ok := f.body(w, r)
	if !ok {
		return
	}
	p := checkJSON(body, f.inputs[t.procedure()])
	if key := r.Header.Get("Idempotency-Key"); p == nil && key != "" {
		body, p = keyed(t, body, key)
	}
	if p != nil {
		f.refuse(w, r, http.StatusBadRequest, connect.CodeInvalidArgument, p)
		return
	}
	a := f.ask(r.Context(), t, jsonCodec{}, body)
	if a.status != http.StatusOK {
		writeProblem(w, a.status, a.problem())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(a.body.Bytes()) // who cannot be told has gone
}

// keyed gives a command the id that its Idempotency-Key says.
func keyed(t target, body []byte, key string) ([]byte, *apiv1.Problem) {
	if t.procedure() != apiv1connect.LedgerServiceSubmitProcedure {
		return nil, badKey("Idempotency-Key is for one command, and several came", "give each command a command_id of its own")
	}
	key = strings.Trim(key, `"`) // a draft of the IETF has it as quoted text
	id, err := uuid.Parse(key)
	if err != nil || len(key) != len(uuid.Nil.String()) {
		return nil, badKey(fmt.Sprintf("Idempotency-Key %.100q is not a UUID", key), "send a new UUID with each new command, and the same one with its repeats")
	}
	var command apiv1.Command
	if err := strictjson.Unmarshal(body, &command); err != nil {
		return nil, internalProblem(err) // it was read before
	}
	if own, err := uuid.Parse(command.CommandId); command.CommandId != "" && (err != nil || own != id) {
		return nil, badKey(fmt.Sprintf("Idempotency-Key is %s, and the command's id is %.100q", id, command.CommandId), "leave one of them out")
	}
	command.CommandId = id.String()
	body, err = jsonCodec{}.Marshal(&command)
	if err != nil {
		return nil, internalProblem(err) // what was read can be written
	}
	return body, nil
}

func badKey(reason, remedy string) *apiv1.Problem {
	return &apiv1.Problem{Code: "bad_idempotency_key", Field: "command_id", Reason: reason, Remedy: remedy}
}

// ask has the service answer a request, by the handler that answers Connect, and in the codec of the request. Of the caller's headers it sees
// none.
func (f *front) ask(ctx context.Context, t target, codec connect.Codec, body []byte) *answered {
	a := &answered{header: http.Header{}, status: http.StatusOK}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.procedure(), bytes.NewReader(body))
	if err != nil { // a path of the schema is always a URL
		a.status = http.StatusInternalServerError
		a.body.WriteString(err.Error())
		return a
	}
	r.Header.Set("Content-Type", "application/"+codec.Name())
	f.rpc.ServeHTTP(a, r)
	return a
}

// answered is what the service answers.
type answered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answered) Header() http.Header            { return a.header }
func (a *answered) WriteHeader(status int)         { a.status = status }
func (a *answered) Write(part []byte) (int, error) { return a.body.Write(part) }

// problem is the detail of an answer that is an error.
func (a *answered) problem() *apiv1.Problem {
	var said struct {
		Message string
		Details []struct{ Value string }
	}
	if err := json.Unmarshal(a.body.Bytes(), &said); err != nil {
		return internalProblem(fmt.Errorf("an error that cannot be read: %w", err))
	}
	var p apiv1.Problem
	for _, d := range said.Details {
		data, err := base64.RawStdEncoding.DecodeString(d.Value)
		if err == nil && proto.Unmarshal(data, &p) == nil {
			return &p
		}
	}
	return internalProblem(errors.New(said.Message)) // of Connect itself, which cannot be: the request was checked
}

// sendTagged sends what may be asked for again, or says that who asks has it. The tag is of the bytes: they tell their position, and so they
// differ wherever the answer does, be it by the log, by the day or by the program.
func sendTagged(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache")
	for had := range strings.SplitSeq(strings.Join(r.Header.Values("If-None-Match"), ","), ",") {
		if had = strings.TrimPrefix(strings.TrimSpace(had), "W/"); had == tag || had == "*" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // who cannot be told has gone
	}
}
