package gateway

import (
	"net/http"
	"time"

	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/readable"
)

// The bounds that tests meet.
const (
	BodyBytesMax        = bodyBytesMax
	CommandsMax         = commandsMax
	RequestsInFlightMax = requestsInFlightMax
	PagesInFlightMax    = pagesInFlightMax
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

var (
	LoggedEvent = readable.Logged
	Fill        = fill
)
