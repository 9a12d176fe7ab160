package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/term"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/internal/remotelog"
	"github.com/allied-ledger/allied/services/query"
	"github.com/nats-io/nats.go"
)

// refusal is the error of a request that is not answered: a sentence with its remedy, and the problem as a detail.
func refusal(code connect.Code, p *apiv1.Problem) *connect.Error {
	said := p.Reason
	if p.Field != "" {
		said = p.Field + ": " + said
	}
	if p.Remedy != "" {
		said += "; " + p.Remedy
	}
	e := connect.NewError(code, errors.New(said))
	if d, err := connect.NewErrorDetail(p); err == nil { // a message of four texts always encodes
		e.AddDetail(d)
	}
	return e
}

// codes are those of refusals that do not mean that the request is wrong.
var codes = map[string]connect.Code{
	"not_found":        connect.CodeNotFound,
	"ambiguous":        connect.CodeFailedPrecondition,
	"behind":           connect.CodeUnavailable,
	"view_behind":      connect.CodeUnavailable,
	"view_stopped":     connect.CodeFailedPrecondition,
	"view_failed":      connect.CodeInternal,
	"busy":             connect.CodeResourceExhausted,
	"answer_too_large": connect.CodeResourceExhausted,
	"too_many_streams": connect.CodeUnavailable,
	"no_live_views":    connect.CodeUnavailable,
	"stopping":         connect.CodeUnavailable,
}

// problemOf says of any error what it is to a caller.
func problemOf(err error) (connect.Code, *apiv1.Problem) {
	var refused *es.Refusal
	var nobody *query.UnavailableError
	var damage *es.DamageError
	switch {
	case errors.As(err, &refused):
		code, ok := codes[refused.Code]
		if !ok {
			code = connect.CodeInvalidArgument
		}
		return code, &apiv1.Problem{Code: refused.Code, Field: refused.Field, Reason: refused.Reason, Remedy: refused.Remedy}
	case errors.As(err, &damage):
		return connect.CodeDataLoss, &apiv1.Problem{Code: "log_damaged", Reason: err.Error(), Remedy: damage.Remedy}
	case errors.As(err, &nobody):
		return connect.CodeUnavailable, &apiv1.Problem{
			Code: "view_unavailable", Reason: fmt.Sprintf("nobody serves view %s", nobody.View), Remedy: "start it, for instance with `allied serve`",
		}
	case errors.Is(err, context.Canceled):
		return connect.CodeCanceled, &apiv1.Problem{Code: "canceled", Reason: "the caller went away", Remedy: "ask again"}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return connect.CodeDeadlineExceeded, &apiv1.Problem{
			Code: "deadline_exceeded", Reason: "the request's time ended before its answer came", Remedy: "ask again, with more time or for less",
		}
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrConnectionClosed),
		errors.Is(err, remotelog.ErrUnavailable):
		return connect.CodeUnavailable, &apiv1.Problem{
			Code: "unavailable", Reason: err.Error(), Remedy: "ask again once the ledger's services are back",
		}
	}
	return connect.CodeInternal, internalProblem(err)
}

func internalProblem(err error) *apiv1.Problem {
	return &apiv1.Problem{Code: "internal", Reason: err.Error(), Remedy: "this is a fault of the server: report it with these words"}
}

// retryAfterSeconds is what a caller is told to wait where to ask again may help.
const retryAfterSeconds = "1"

// writeProblem answers a request of REST with a problem in the form of RFC 9457. Its type is the place on the reference page that describes
// the code.
func writeProblem(w http.ResponseWriter, status int, p *apiv1.Problem) {
	text, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
		Field  string `json:"field"`
		Remedy string `json:"remedy"`
	}{apiPath + "#" + p.Code, titleOf(p.Code), status, p.Reason, p.Code, p.Field, p.Remedy})
	if err != nil { // texts and a number always encode
		status, text = http.StatusInternalServerError, nil
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfterSeconds)
	}
	w.WriteHeader(status)
	_, _ = w.Write(text) // who cannot be told has gone
}

// titleOf is a code in words: Unknown field.
func titleOf(code string) string {
	words := strings.ReplaceAll(code, "_", " ")
	return strings.ToUpper(words[:min(1, len(words))]) + words[min(1, len(words)):]
}

// checkWord refuses a word that is not allowed, and names those that are or the nearest.
func checkWord(field, word string, allowed []string) error {
	if word == "" || slices.Contains(allowed, word) {
		return nil
	}
	r := &es.Refusal{
		Code: "unknown_word", Field: field, Reason: fmt.Sprintf("%q is not known here", word), Remedy: "use one of " + strings.Join(allowed, ", "),
	}
	if near := term.Nearest(word, allowed); near != "" {
		r.Remedy = fmt.Sprintf("did you mean %q?", near)
	}
	return r
}
