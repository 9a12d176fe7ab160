package gateway_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/proto/gen/allied/api/v1/apiv1connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// commit opens a pledge with one commitment.
func commit() *apiv1.Command {
	return &apiv1.Command{
		CommandId: uuid.NewString(), Donor: "NOR", Beneficiary: "UKR", Effective: "2024-03-01",
		Body: &apiv1.Command_CommitPledge{CommitPledge: &apiv1.CommitPledge{Title: "Air defence", Commitments: []*apiv1.CommitLine{{
			Firmness: "firm", Line: &apiv1.Line{Category: "MIL.AIRDEF", Instrument: "grant", Values: []*apiv1.Value{
				{Basis: "donor_stated", Asset: "EUR/2@donor_stated", Amount: "625.00"},
			}},
		}}}},
	}
}

// allocate allocates within the pledge of another command.
func allocate(stream, amount string) *apiv1.Command {
	return &apiv1.Command{
		CommandId: uuid.NewString(), Stream: stream, Effective: "2024-04-01",
		Body: &apiv1.Command_AllocatePledge{AllocatePledge: &apiv1.AllocatePledge{Title: "Package", Line: &apiv1.Line{
			Category: "MIL.AIRDEF", Instrument: "grant", Values: []*apiv1.Value{{Basis: "donor_stated", Asset: "EUR/2@donor_stated", Amount: amount}},
		}}},
	}
}

// clients speak each protocol; those of gRPC over HTTP/2 without TLS.
func clients(url string) map[string]apiv1connect.LedgerServiceClient {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	second := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	return map[string]apiv1connect.LedgerServiceClient{
		"Connect":         apiv1connect.NewLedgerServiceClient(http.DefaultClient, url),
		"Connect in JSON": apiv1connect.NewLedgerServiceClient(http.DefaultClient, url, connect.WithProtoJSON()),
		"gRPC":            apiv1connect.NewLedgerServiceClient(second, url, connect.WithGRPC()),
		"gRPC in JSON":    apiv1connect.NewLedgerServiceClient(second, url, connect.WithGRPC(), connect.WithProtoJSON()),
		"gRPC-Web":        apiv1connect.NewLedgerServiceClient(http.DefaultClient, url, connect.WithGRPCWeb()),
	}
}

func problemOf(t *testing.T, err error) (connect.Code, *apiv1.Problem) {
	t.Helper()
	var e *connect.Error
	if !errors.As(err, &e) || len(e.Details()) != 1 {
		t.Fatalf("no problem in %v", err)
	}
	m, err := e.Details()[0].Value()
	if err != nil {
		t.Fatal(err)
	}
	return e.Code(), m.(*apiv1.Problem)
}

func TestEveryProtocolAnswersTheSame(t *testing.T) {
	s := filled(t)
	for name, c := range clients(s.url) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			cmd := commit()
			first, err := c.Submit(ctx, cmd)
			if err != nil || first.Outcome != "recorded" || first.Position == 0 || len(first.EventIds) != 1 {
				t.Fatalf("answered %v, %v", first, err)
			}
			if again, err := c.Submit(ctx, cmd); err != nil || again.Outcome != "repeated" || again.Position != first.Position {
				t.Errorf("repeated as %v, %v", again, err)
			}
			p, err := c.Pledge(ctx, &apiv1.PledgeRequest{Id: first.Stream, AtLeast: first.Position})
			if err != nil || p.Position < first.Position || p.Ladder[0].Reached != "625.00" {
				t.Errorf("pledge %v, %v", p, err)
			}
			many, err := c.SubmitMany(ctx, &apiv1.SubmitManyRequest{Commands: []*apiv1.Command{allocate(first.Stream, "600.00"), allocate(first.Stream, "50.00")}})
			if err != nil || len(many.Answers) != 2 || many.Answers[0].Outcome != "recorded" || many.Answers[1].Outcome != "refused" {
				t.Errorf("many answered %v, %v", many, err)
			}
			events, err := c.Events(ctx, &apiv1.EventsRequest{Stream: first.Stream})
			if err != nil || len(events.Events) != 2 || !events.End || events.Events[0].EventId != first.EventIds[0] {
				t.Errorf("events %v, %v", events, err)
			}
			_, err = c.Balances(ctx, &apiv1.BalancesRequest{Stages: []string{"committed"}})
			if code, p := problemOf(t, err); code != connect.CodeInvalidArgument || p.Field != "basis" || p.Remedy == "" || !strings.Contains(err.Error(), p.Remedy) {
				t.Errorf("without a basis: %v", err)
			}
			_, err = c.Payment(ctx, &apiv1.PaymentRequest{Id: uuid.NewString()})
			if code, p := problemOf(t, err); code != connect.CodeNotFound || p.Code != "not_found" {
				t.Errorf("of no payment: %v", err)
			}
			_, err = c.SubmitMany(ctx, &apiv1.SubmitManyRequest{})
			if code, p := problemOf(t, err); code != connect.CodeInvalidArgument || p.Field != "commands" {
				t.Errorf("no commands: %v", err)
			}
		})
	}
}

// A caller's time is kept, whatever the protocol; and a ledger without its services is unavailable.
func TestAViewThatIsSilentOrNotThere(t *testing.T) {
	s := silent(t, time.Minute)
	for name, c := range clients(s.url) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if _, err := c.Pledges(ctx, &apiv1.PledgesRequest{}); connect.CodeOf(err) != connect.CodeDeadlineExceeded {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		_, err := c.Payments(t.Context(), &apiv1.PaymentsRequest{})
		if code, p := problemOf(t, err); code != connect.CodeUnavailable || p.Code != "view_unavailable" || p.Remedy == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := s.call("Head", `{}`); got.status != 503 || got.problem(t)["code"] != "unavailable" {
		t.Errorf("no recorder: %d %s", got.status, got.text)
	}
}

// A client of a later schema sends fields that this one does not know. To pass over a filter would answer a wrong total.
func TestFieldsOfALaterSchemaAreRefused(t *testing.T) {
	s := start(t)
	later := []byte{0xfa, 0x3e, 1, 'x'} // field 1007, a text of one byte
	for name, c := range clients(s.url) {
		if strings.Contains(name, "JSON") {
			continue // which cannot write them
		}
		ask := &apiv1.BalancesRequest{Basis: "tracker", Stages: []string{"committed"}}
		ask.ProtoReflect().SetUnknown(later)
		_, err := c.Balances(t.Context(), ask)
		if code, p := problemOf(t, err); code != connect.CodeInvalidArgument || p.Code != "unknown_field" {
			t.Errorf("%s: asked with %v", name, err)
		}
		cmd := commit()
		cmd.GetCommitPledge().Commitments[0].ProtoReflect().SetUnknown(later)
		if _, err = c.Submit(t.Context(), cmd); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: submitted with %v", name, err)
		}
	}
	if head, _, err := s.ledger.Head(t.Context()); err != nil || head.Events != 0 {
		t.Errorf("%d events, %v", head.Events, err)
	}
}

// Many clients at once: every command is recorded once, and each answer is its own command's.
func TestManyClientsAtOnce(t *testing.T) {
	s := start(t)
	const writersEach, perWriter = 3, 8
	all := clients(s.url)
	var g sync.WaitGroup
	for name, c := range all {
		for range writersEach {
			g.Go(func() {
				for range perWriter {
					cmds := []*apiv1.Command{commit(), commit()}
					many, err := c.SubmitMany(t.Context(), &apiv1.SubmitManyRequest{Commands: cmds})
					if err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					for i, a := range many.Answers {
						if a.Outcome != "recorded" || a.CommandId != cmds[i].CommandId {
							t.Errorf("%s: %v", name, a)
						}
					}
					again, err := c.Submit(t.Context(), proto.CloneOf(cmds[0]))
					if err != nil || again.Outcome != "repeated" || again.Position != many.Answers[0].Position {
						t.Errorf("%s: %v, %v", name, again, err)
					}
					events, err := c.Events(t.Context(), &apiv1.EventsRequest{Stream: many.Answers[1].Stream, AtLeast: many.Answers[1].Position})
					if err != nil || len(events.Events) != 1 {
						t.Errorf("%s: %v, %v", name, events, err)
					}
				}
			})
		}
	}
	g.Wait()
	want := uint64(len(all) * writersEach * perWriter * 2)
	if head, _, err := s.ledger.Head(t.Context()); err != nil || head.Events != want {
		t.Errorf("%d events and not %d, %v", head.Events, want, err)
	}
}
