// Package gateway serves the ledger over HTTP, to Connect, gRPC and plain JSON on one port.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"connectrpc.com/connect"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/proto/gen/allied/api/v1/apiv1connect"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/query"
)

// The bounds of a request.
const (
	headerBytesMax = 32 << 10
	headerWaitMax  = 5 * time.Second
	bodyBytesMax   = 4 << 20
	bodyWaitMax    = 10 * time.Second
	// requestWaitMax bounds the work on one request; a caller's own deadline may end it sooner.
	requestWaitMax = time.Minute
	// replyWaitMax bounds how long the caller may take to read the reply.
	replyWaitMax = time.Minute
	// replyBytesMax leaves room for what JSON of the schema adds to the largest answer of a view.
	replyBytesMax       = 2 * query.ReplyBytesMax
	requestsInFlightMax = 64 // beside pages of events
	pagesInFlightMax    = 16
	filesInFlightMax    = 4
	idleWaitMax         = 2 * time.Minute
)

// New returns what serves allied.api.v1.LedgerService, as Connect and as REST, and tells everybody else which paths there are. It is made to be
// served at / by NewServer. The client stays its caller's.
func New(ledger *client.Client) (http.Handler, error) {
	f, err := newFront(ledger)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// NewServer returns a server of a loopback listener: it speaks HTTP/1 and HTTP/2 without TLS, gives up on headers that come slowly and on
// replies that are not read, and refuses what a page of another origin makes a browser send. A handler that streams lifts the deadline of
// its reply by http.ResponseController.
func NewServer(h http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: guarded(h), Protocols: protocols, MaxHeaderBytes: headerBytesMax, ReadHeaderTimeout: headerWaitMax,
		ReadTimeout:  headerWaitMax + bodyWaitMax, // also of a body that no handler reads, which is thrown away before the reply
		WriteTimeout: bodyWaitMax + requestWaitMax + replyWaitMax, IdleTimeout: idleWaitMax,
	}
}

// guarded refuses a name for this machine that somebody else may have chosen, and requests that a page of another origin sends. Who acts is
// not checked yet: any page that a person opens could otherwise submit in their name. CORS headers are never sent, so that a browser
// lets no other page send JSON here either.
func guarded(h http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	out := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !isHere(r.Host):
			refuseRequest(out, w, r, http.StatusForbidden, connect.CodePermissionDenied, &apiv1.Problem{
				Code: "foreign_host", Reason: fmt.Sprintf("the request is for host %q, a name that anybody may point here", r.Host),
				Remedy: "use the server's IP address, or localhost",
			})
		case origins.Check(r) != nil:
			refuseRequest(out, w, r, http.StatusForbidden, connect.CodePermissionDenied, &apiv1.Problem{
				Code: "foreign_origin", Reason: "a page of another origin sent the request", Remedy: "send it from a program, or from a page of this server",
			})
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// isHere tells whether a Host header names this machine in a way that no name server decides.
func isHere(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	_, err = netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// options are those of the service's handlers. Nothing is compressed: the way is short, and a small body cannot grow.
func options() []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithCodec(jsonCodec{}), connect.WithCodec(protoCodec{}), connect.WithCompression("gzip", nil, nil),
		connect.WithReadMaxBytes(bodyBytesMax), connect.WithSendMaxBytes(replyBytesMax),
		connect.WithInterceptors(connect.UnaryInterceptorFunc(intercept)),
	}
}

// intercept bounds the time of a request, refuses what a newer client asks beyond this schema, and makes every error one with a Problem.
func intercept(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, requestWaitMax)
		defer cancel()
		if err := checkUnknown(r.Any()); err != nil {
			return nil, err
		}
		reply, err := next(ctx, r)
		if err == nil {
			return reply, nil
		}
		var said *connect.Error
		if !errors.As(err, &said) {
			code, p := problemOf(err)
			said = refusal(code, p)
		}
		return nil, said
	}
}

// service answers the methods.
type service struct{ ledger *client.Client }

var _ apiv1connect.LedgerServiceHandler = (*service)(nil)
