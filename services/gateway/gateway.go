// Package gateway serves the ledger over HTTP: Connect, gRPC and plain JSON on one port.
package gateway

import (
	"net/http"

	"github.com/allied-ledger/allied/proto/gen/allied/api/v1/apiv1connect"
	"github.com/allied-ledger/allied/services/client"
)

// New returns what serves allied.api.v1.LedgerService, and says what there is to everybody else. It is to be served by NewServer.
func New(ledger *client.Client) (http.Handler, error) {
	_, h := apiv1connect.NewLedgerServiceHandler(&service{ledger: ledger})
	return h, nil
}

// NewServer returns a server with the bounds that a handler on the loopback interface needs.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h}
}

type service struct {
	apiv1connect.UnimplementedLedgerServiceHandler
	ledger *client.Client
}
