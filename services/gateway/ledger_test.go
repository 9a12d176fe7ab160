package gateway_test

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/internal/route"
	"github.com/allied-ledger/allied/services/query"
	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// A command whose answer does not come in time is answered unknown or busy, with the id to send it again with: that is no error.
func TestACommandThatIsNotAnsweredInTime(t *testing.T) {
	s := silent(t, time.Minute)
	if _, err := s.nc.SubscribeSync(route.Subject(route.Pledges, "*")); err != nil { // which never answers
		t.Fatal(err)
	}
	for request, outcomes := range map[string]string{
		`{"donor":"NOR","beneficiary":"UKR","effective":"2024-03-01","commit_pledge":{}}`:                                       "unknown",
		`{"stream":"payment-7d1f5a30-0000-4000-8000-000000000004","effective":"2024-03-01","accept_payment":{"status":"ACCP"}}`: "busy unknown", // nobody is there; unknown where the time ends within a try
	} {
		r := s.request("Submit", request)
		r.Header.Set("Connect-Timeout-Ms", "200")
		got := s.do(r)
		if got.status != 200 || !strings.Contains(outcomes, got.json["outcome"].(string)) || got.json["command_id"] == "" || got.json["remedy"] == "" {
			t.Errorf("%d %s", got.status, got.text)
		}
	}
}

// A ledger whose disk is full is sent no more of a request's commands, and each has an answer all the same, at its place.
func TestNothingMoreIsSentToALedgerThatTakesNothing(t *testing.T) {
	s := silent(t, time.Minute)
	_, err := s.nc.Subscribe(route.Subject(route.Pledges, "*"), func(m *nats.Msg) {
		var cmd apiv1.Command
		if err := proto.Unmarshal(m.Data, &cmd); err != nil {
			t.Error(err)
		}
		full, err := proto.Marshal(&apiv1.Answer{
			Outcome: "busy", CommandId: cmd.CommandId, Stream: cmd.Stream, Code: "store_full", Reason: "the disk is full", Remedy: "free some",
		})
		if err == nil {
			err = m.Respond(full)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	var request apiv1.SubmitManyRequest
	for range 600 {
		request.Commands = append(request.Commands, commit())
	}
	text, err := protojson.Marshal(&request)
	if err != nil {
		t.Fatal(err)
	}
	got := s.call("SubmitMany", string(text))
	var reply struct {
		Answers []struct {
			Outcome, Code, Remedy string
			CommandID             string `json:"command_id"`
		}
	}
	if err := json.Unmarshal([]byte(got.text), &reply); err != nil || len(reply.Answers) != 600 {
		t.Fatalf("%d %s: %v", got.status, got.text, err)
	}
	codes := map[string]int{}
	for i, a := range reply.Answers {
		if a.Outcome != "busy" || a.CommandID != request.Commands[i].CommandId || a.Remedy == "" {
			t.Errorf("answer %d: %+v", i, a)
		}
		codes[a.Code]++
	}
	if codes["store_full"] == 0 || codes["not_sent"] == 0 || len(codes) != 2 || !strings.Contains(got.text, "the ledger takes no commands now") {
		t.Errorf("%v", codes)
	}
}

// What a view refuses has the status that its code means; and what the schema cannot hold is never dropped.
func TestWhatAViewSaysHasItsStatus(t *testing.T) {
	s := silent(t, time.Minute)
	var says atomic.Pointer[nats.Msg]
	_, err := s.nc.Subscribe(query.Subject("payments"), func(m *nats.Msg) {
		answer := says.Load()
		answer.Subject = m.Reply
		if err := s.nc.PublishMsg(answer); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for code, status := range map[string]int{
		"not_found": 404, "ambiguous": 400, "behind": 503, "view_behind": 503, "view_stopped": 400, "view_failed": 500, "busy": 429, "answer_too_large": 429,
		"unknown_word": 400,
	} {
		says.Store(&nats.Msg{Header: nats.Header{"Allied-Error": {code}}, Data: []byte(`{"code":"` + code + `","field":"id","reason":"it is so","remedy":"do that"}`)})
		got := s.call("Payments", `{}`)
		if p := got.problem(t); got.status != status || p["code"] != code || p["field"] != "id" || got.json["message"] != "id: it is so; do that" {
			t.Errorf("%s: %d %s", code, got.status, got.text)
		}
	}
	says.Store(&nats.Msg{Header: nats.Header{"Allied-Chunk": {"0"}, "Allied-End": {"1"}}, Data: []byte(`{"payments":[{"surprise":1}]}`)})
	if got := s.call("Payments", `{}`); got.status != 500 || !strings.Contains(got.text, `unknown field \"surprise\"`) {
		t.Errorf("%d %s", got.status, got.text)
	}
}
