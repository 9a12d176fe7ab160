package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/allied-ledger/allied/events/es"
	"github.com/nats-io/nats.go"
)

// UnavailableError: nobody serves the view.
type UnavailableError struct{ View, Server string }

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("nobody serves view %s at %s: start it, for instance with `allied serve`", e.View, e.Server)
}

// Ask asks a view and decodes its answer into reply. What the view refuses is an *es.Refusal.
func Ask(ctx context.Context, nc *nats.Conn, view string, request, reply any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("encode a query of view %s: %w", view, err)
	}
	data, err := ask(ctx, nc, view, body)
	if err != nil {
		return fmt.Errorf("query view %s: %w", view, err)
	}
	if err := json.Unmarshal(data, reply); err != nil {
		return fmt.Errorf("query view %s: decode the answer: %w", view, err)
	}
	return nil
}

func ask(ctx context.Context, nc *nats.Conn, view string, body []byte) ([]byte, error) {
	if int64(len(body)) > nc.MaxPayload() {
		return nil, &es.Refusal{
			Code: "query_too_large", Reason: fmt.Sprintf("the query has %d bytes, and a message carries %d", len(body), nc.MaxPayload()), Remedy: "ask for less",
		}
	}
	ctx, cancel := context.WithTimeout(ctx, queryWaitMax)
	defer cancel()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection that may fail here has failed before
	if err := sub.SetPendingLimits(-1, 2*ReplyBytesMax); err != nil {
		return nil, err
	}
	if err := nc.PublishRequest(Subject(view), inbox, body); err != nil {
		return nil, err
	}
	var data []byte
	for i := 0; ; i++ {
		m, err := sub.NextMsgWithContext(ctx)
		switch {
		case errors.Is(err, nats.ErrNoResponders):
			return nil, &UnavailableError{view, nc.ConnectedUrlRedacted()}
		case err != nil:
			return nil, err
		case m.Header.Get(errorHeader) != "":
			return nil, refusalOf(m.Data)
		case m.Header.Get(chunkHeader) != strconv.Itoa(i):
			return nil, fmt.Errorf("part %d of the answer was lost, and part %q came: ask again", i, m.Header.Get(chunkHeader))
		case len(data)+len(m.Data) > ReplyBytesMax:
			return nil, fmt.Errorf("the answer has more than %d bytes: ask for less", ReplyBytesMax)
		}
		data = append(data, m.Data...)
		if m.Header.Get(endHeader) != "" {
			return data, nil
		}
	}
}

func refusalOf(data []byte) error {
	var p problem
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("a refusal that cannot be read: %w", err)
	}
	r := es.Refusal(p)
	return &r
}
