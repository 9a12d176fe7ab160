package gateway_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/gateway"
	"github.com/allied-ledger/allied/services/internal/readable"
)

// page is an answer of Events.
type page struct {
	LogID    string `json:"log_id"`
	Position string
	End      bool
	Events   []event
}

type event struct {
	Position, Ordinal, Stream, Type string
	EventID                         string         `json:"event_id"`
	RecordedAt                      string         `json:"recorded_at"`
	Envelope                        map[string]any `json:"envelope"`
	Event                           map[string]any `json:"event"`
	Error                           string
}

func (s *served) events(request string) page {
	s.t.Helper()
	got := s.call("Events", request)
	var p page
	if err := json.Unmarshal([]byte(got.text), &p); err != nil || got.status != 200 {
		s.t.Fatalf("%s: %d %s, %v", request, got.status, got.text, err)
	}
	return p
}

func TestPagesOfEventsAreTheLog(t *testing.T) {
	s := filled(t)
	var want []es.Entry
	for e, err := range s.ledger.Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, e)
	}
	got, after := []event{}, "0"
	for {
		p := s.events(fmt.Sprintf(`{"after":%s,"limit":70}`, after))
		got = append(got, p.Events...)
		if after = p.Position; p.End {
			break
		}
		if len(p.Events) != 70 {
			t.Fatalf("a page of %d that is not the end", len(p.Events))
		}
	}
	if len(got) != len(want) || len(got) == 0 || after != fmt.Sprint(want[len(want)-1].Position) {
		t.Fatalf("%d events up to %s, and the log holds %d", len(got), after, len(want))
	}
	seen := map[string]bool{}
	for i, e := range want {
		doc, err := json.Marshal(readable.NewEntry(e, true))
		if err != nil {
			t.Fatal(err)
		}
		whole := decode(t, doc).(map[string]any)
		if got[i].Position != fmt.Sprint(e.Position) || got[i].Ordinal != fmt.Sprint(e.Ordinal) || got[i].EventID != e.ID.String() || got[i].Error != "" ||
			got[i].RecordedAt != whole["recorded_at"] || got[i].Type != whole["type"] {
			t.Errorf("event %d is %+v, want %v", i, got[i], whole)
		}
		same(t, seen, "envelope", whole["envelope"], got[i].Envelope)
		same(t, seen, "event", whole["event"], got[i].Event)
	}
	if p := s.events(fmt.Sprintf(`{"after":%s}`, after)); len(p.Events) != 0 || !p.End || p.Position != after {
		t.Errorf("after the end: %+v", p)
	}
}

func TestEventsAreFiltered(t *testing.T) {
	s := filled(t)
	all := s.events(`{"limit":1000}`)
	for request, passes := range map[string]func(e event) bool{
		`{"kind":"shipment"}`:                                       func(e event) bool { return strings.HasPrefix(e.Stream, "shipment-") },
		`{"donor":"SWE","limit":1000}`:                              func(e event) bool { return e.Envelope["donor"] == "SWE" },
		`{"type":"DrawReserved"}`:                                   func(e event) bool { return e.Type == "allied.event.v1.DrawReserved" },
		`{"type":"allied.event.v1.PledgeCommitted","limit":1000}`:   func(e event) bool { return e.Type == "allied.event.v1.PledgeCommitted" },
		`{"stream":"payment-7d1f5a30-0000-4000-8000-000000000004"}`: func(e event) bool { return e.Stream == "payment-7d1f5a30-0000-4000-8000-000000000004" },
		`{"kind":"payment","donor":"SWE","type":"PaymentBooked"}`:   func(e event) bool { return e.Envelope["donor"] == "SWE" && e.Type == "allied.event.v1.PaymentBooked" },
		`{"stream":"payment-7d1f5a30-0000-4000-8000-000000000004","after":` + all.Events[len(all.Events)-2].Position + `}`: func(e event) bool {
			return e.Stream == "payment-7d1f5a30-0000-4000-8000-000000000004" && e.Position == all.Position
		},
	} {
		var want []string
		for _, e := range all.Events {
			if passes(e) {
				want = append(want, e.EventID)
			}
		}
		p := s.events(request)
		var got []string
		for _, e := range p.Events {
			got = append(got, e.EventID)
		}
		if !p.End || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: end %v, %d events, want %d", request, p.End, len(got), len(want))
		}
	}
	if p := s.events(`{"stream":"pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8"}`); len(p.Events) != 0 || !p.End {
		t.Errorf("a stream that is not there: %+v", p)
	}
}

func TestWhatEventsCannotAnswerIsRefused(t *testing.T) {
	s := start(t)
	for request, want := range map[string]struct {
		status            int
		code, field, says string
	}{
		`{"kind":"pledges"}`:     {400, "unknown_word", "kind", `did you mean "pledge"?`},
		`{"donor":"NRO"}`:        {400, "unknown_word", "donor", `did you mean`},
		`{"type":"DrawReservd"}`: {400, "unknown_word", "type", `did you mean "DrawReserved"?`},
		`{"stream":"pledge"}`:    {400, "bad_stream", "stream", "as the ledger printed it"},
		`{"limit":-1}`:           {400, "out_of_range", "limit", "not within 1 and 1000"},
		`{"after":5}`:            {400, "out_of_range", "after", "the log ends at position 0, before 5"},
		`{"at_least":"5"}`:       {503, "behind", "at_least", "the log ends at position 0, before 5"},
	} {
		got := s.call("Events", request)
		if p := got.problem(t); got.status != want.status || p["code"] != want.code || p["field"] != want.field || !strings.Contains(got.json["message"].(string), want.says) {
			t.Errorf("%s: %d %s", request, got.status, got.text)
		}
	}
	if got := s.call("Head", `{"at_least":1}`); got.status != 503 || got.problem(t)["code"] != "behind" {
		t.Errorf("head: %d %s", got.status, got.text)
	}
}

// JavaScript and protobuf's Struct keep 53 bits of a number.
func TestWholeNumbersOfEventsAreExact(t *testing.T) {
	s := start(t)
	a := s.call("Submit", `{"effective":"2024-03-01","sources":[{"publisher":"x"}],"complete_import":{"dataset":"x","release":"1","rows":9007199254740993,"pledges":"18446744073709551615","allocations":"3"}}`)
	p := s.events(`{"kind":"import"}`)
	if len(p.Events) != 1 || p.Events[0].Event["rows"] != "9007199254740993" || p.Events[0].Event["pledges"] != "18446744073709551615" {
		t.Errorf("%s: %+v", a.text, p.Events)
	}
}

// A page ends where enough was looked through for the few that pass, or where its records are many bytes, and can be gone on from.
func TestAPageOfEventsIsBounded(t *testing.T) {
	entries := func(stream string, bytes int) iter.Seq2[es.Entry, error] {
		record := make([]byte, bytes)
		return func(yield func(es.Entry, error) bool) {
			for i := range uint64(30_000) {
				if !yield(es.Entry{Position: es.Position(i + 1), Stream: stream, Record: es.Record{Bytes: record}}, nil) {
					return
				}
			}
		}
	}
	scanned := &apiv1.EventsResponse{}
	err := gateway.Fill(scanned, entries("pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8", 1), &apiv1.EventsRequest{Kind: "payment"})
	if err != nil || scanned.End || len(scanned.Events) != 0 || scanned.Position != 20_000 {
		t.Errorf("%v: %v", scanned, err)
	}
	heavy := &apiv1.EventsResponse{}
	err = gateway.Fill(heavy, entries("pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8", 1<<20), &apiv1.EventsRequest{})
	if err != nil || heavy.End || len(heavy.Events) != 3 || heavy.Position != 3 {
		t.Errorf("%d events up to %d: %v", len(heavy.Events), heavy.Position, err)
	}
}

func TestAnEventThatCannotBeReadSaysWhy(t *testing.T) {
	e := gateway.LoggedEvent(es.Entry{Position: 9, Stream: "pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8", Record: es.Record{Bytes: []byte("x")}})
	if e.Position != 9 || e.Error == "" || e.Event != nil {
		t.Errorf("%v", e)
	}
}
