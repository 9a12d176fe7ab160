package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/allied-ledger/allied/events/es"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/command"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// commandsMax bounds the commands of one request.
const commandsMax = 1000

// Submit answers unknown, and not with an error, where the request's time ends: the answer names the command id to ask again with.
func (s *service) Submit(ctx context.Context, cmd *apiv1.Command) (*apiv1.Answer, error) {
	a, err := s.ledger.Submit(ctx, cmd)
	if a != nil {
		return a, nil
	}
	return nil, err
}

var errStandstill = errors.New("the ledger takes no commands now")

func (s *service) SubmitMany(ctx context.Context, r *apiv1.SubmitManyRequest) (*apiv1.SubmitManyResponse, error) {
	if n := len(r.Commands); n == 0 || n > commandsMax {
		return nil, &es.Refusal{
			Code: "out_of_range", Field: "commands", Reason: fmt.Sprintf("%d commands came, and 1 to %d are taken", n, commandsMax),
			Remedy: "send them in several requests, one after the other",
		}
	}
	answers := make([]*apiv1.Answer, len(r.Commands))
	err := s.ledger.SubmitAll(ctx, slices.Values(r.Commands), func(i int, _ *apiv1.Command, a *apiv1.Answer) error {
		answers[i] = a
		if client.Standstill(a) {
			return errStandstill
		}
		return nil
	})
	for i, a := range answers {
		if a == nil {
			answers[i] = notSent(r.Commands[i], err)
		}
	}
	return &apiv1.SubmitManyResponse{Answers: answers}, nil
}

// notSent answers a command that was still to be sent when the sending ended.
func notSent(cmd *apiv1.Command, why error) *apiv1.Answer {
	a := &apiv1.Answer{
		Outcome: command.Busy, CommandId: cmd.CommandId, Stream: cmd.Stream, Code: "not_sent", Reason: "the request's time ended before its turn",
		Remedy: "send it again",
	}
	if errors.Is(why, errStandstill) {
		a.Reason, a.Remedy = errStandstill.Error(), "see the answer that says why, and send it again then"
	}
	return a
}

func (s *service) Balances(ctx context.Context, r *apiv1.BalancesRequest) (*apiv1.BalancesResponse, error) {
	return ask(ctx, s, "balances", r, &apiv1.BalancesResponse{})
}

func (s *service) Assets(ctx context.Context, r *apiv1.AssetsRequest) (*apiv1.AssetsResponse, error) {
	return ask(ctx, s, "assets", r, &apiv1.AssetsResponse{})
}

func (s *service) Pledges(ctx context.Context, r *apiv1.PledgesRequest) (*apiv1.PledgesResponse, error) {
	return ask(ctx, s, "pledges", r, &apiv1.PledgesResponse{})
}

func (s *service) Pledge(ctx context.Context, r *apiv1.PledgeRequest) (*apiv1.PledgeResponse, error) {
	return ask(ctx, s, "pledge", r, &apiv1.PledgeResponse{})
}

func (s *service) Shipments(ctx context.Context, r *apiv1.ShipmentsRequest) (*apiv1.ShipmentsResponse, error) {
	return ask(ctx, s, "shipments", r, &apiv1.ShipmentsResponse{})
}

func (s *service) Shipment(ctx context.Context, r *apiv1.ShipmentRequest) (*apiv1.ShipmentResponse, error) {
	return ask(ctx, s, "shipment", r, &apiv1.ShipmentResponse{})
}

func (s *service) Payments(ctx context.Context, r *apiv1.PaymentsRequest) (*apiv1.PaymentsResponse, error) {
	return ask(ctx, s, "payments", r, &apiv1.PaymentsResponse{})
}

func (s *service) Payment(ctx context.Context, r *apiv1.PaymentRequest) (*apiv1.PaymentResponse, error) {
	return ask(ctx, s, "payment", r, &apiv1.PaymentResponse{})
}

func (s *service) Exceptions(ctx context.Context, r *apiv1.ExceptionsRequest) (*apiv1.ExceptionsResponse, error) {
	return ask(ctx, s, "exceptions", r, &apiv1.ExceptionsResponse{})
}

func (s *service) Timeline(ctx context.Context, r *apiv1.TimelineRequest) (*apiv1.TimelineResponse, error) {
	return ask(ctx, s, "timeline", r, &apiv1.TimelineResponse{})
}

func (s *service) Journal(ctx context.Context, r *apiv1.JournalRequest) (*apiv1.JournalResponse, error) {
	return ask(ctx, s, "journal", r, &apiv1.JournalResponse{})
}

func (s *service) Entries(ctx context.Context, r *apiv1.EntriesRequest) (*apiv1.EntriesResponse, error) {
	return ask(ctx, s, "entries", r, &apiv1.EntriesResponse{})
}

// ask puts a request to a view. The names of the schema are those of the view's JSON, both ways: a field that the view does not have is
// refused there, and one that the schema does not have fails here, so that none is dropped. A view has no clock: a group of donors is that of
// today where the request names no day.
func ask[R proto.Message](ctx context.Context, s *service, view string, request proto.Message, reply R) (R, error) {
	var none R
	fields := members(request)
	if fields["group"] != nil && fields["group_on"] == nil {
		fields["group_on"] = today()
	}
	var answer json.RawMessage
	if err := s.ledger.Query(ctx, view, fields, &answer); err != nil {
		return none, err
	}
	if err := protojson.Unmarshal(answer, reply); err != nil {
		return none, fmt.Errorf("view %s answers what the schema cannot hold: %w", view, err)
	}
	return reply, nil
}

// members are the set fields of a request, which holds texts, numbers, truth and lists of texts.
func members(m proto.Message) map[string]any {
	out := map[string]any{}
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if !f.IsList() {
			out[string(f.Name())] = v.Interface()
			return true
		}
		list := make([]any, v.List().Len())
		for i := range list {
			list[i] = v.List().Get(i).Interface()
		}
		out[string(f.Name())] = list
		return true
	})
	return out
}
