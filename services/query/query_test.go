package query_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/query"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap/zaptest"
)

type request struct {
	Donor    string `json:"donor"`
	Count    int    `json:"count"`
	Category string `json:"category"`
}

type answer struct {
	Texts []string `json:"texts"`
}

// answering starts a view named letters, and returns a connection to ask it.
func answering(t *testing.T, handle func(context.Context, request) (answer, error)) *nats.Conn {
	t.Helper()
	n, err := embednats.Start(embednats.Config{InProcess: true, Logger: zaptest.NewLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	s, err := query.NewServer(n.Dial, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := query.Handle(s, "letters", handle); err != nil {
		t.Fatal(err)
	}
	nc, err := n.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func TestAnswerOfManyMessagesIsWhole(t *testing.T) {
	nc := answering(t, func(_ context.Context, q request) (answer, error) {
		a := answer{Texts: []string{}}
		for i := range q.Count {
			a.Texts = append(a.Texts, strings.Repeat(string(rune('a'+i%26)), 100<<10))
		}
		return a, nil
	})
	for _, count := range []int{0, 1, 5, 200} { // 20 MB are twenty times what one message carries
		var got answer
		if err := query.Ask(t.Context(), nc, "letters", request{Count: count}, &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Texts) != count {
			t.Fatalf("%d texts, want %d", len(got.Texts), count)
		}
		for i, text := range got.Texts {
			if text != strings.Repeat(string(rune('a'+i%26)), 100<<10) {
				t.Fatalf("text %d of %d differs", i, count)
			}
		}
	}
}

func TestRequestsAreReadStrictly(t *testing.T) {
	nc := answering(t, func(context.Context, request) (answer, error) { return answer{}, nil })
	for name, c := range map[string]struct {
		request     any
		code, field string
		says        string
	}{
		"misspelt field": {map[string]string{"categry": "MIL"}, "unknown_field", "categry", `did you mean "category"?`},
		"wrong type":     {map[string]string{"count": "many"}, "bad_request", "count", "found a string"},
		"no object":      {[]int{1}, "bad_request", "", "found a array"},
	} {
		err := query.Ask(t.Context(), nc, "letters", c.request, new(answer))
		var r *es.Refusal
		if !errors.As(err, &r) || r.Code != c.code || r.Field != c.field || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusalsAndFailuresReachTheAsker(t *testing.T) {
	want := &es.Refusal{Code: "no_such_pledge", Field: "id", Reason: "there is none", Remedy: "check it"}
	nc := answering(t, func(_ context.Context, q request) (answer, error) {
		if q.Donor == "fail" {
			return answer{}, errors.New("the disk is gone")
		}
		return answer{}, want
	})
	var r *es.Refusal
	if err := query.Ask(t.Context(), nc, "letters", request{}, new(answer)); !errors.As(err, &r) || *r != *want {
		t.Errorf("refused with %v", err)
	}
	if err := query.Ask(t.Context(), nc, "letters", request{Donor: "fail"}, new(answer)); !errors.As(err, &r) || r.Code != "view_failed" {
		t.Errorf("failed with %v", err)
	}
}

func TestViewThatNobodyServes(t *testing.T) {
	nc := answering(t, func(context.Context, request) (answer, error) { return answer{}, nil })
	var nobody *query.UnavailableError
	if err := query.Ask(t.Context(), nc, "numbers", request{}, new(answer)); !errors.As(err, &nobody) || nobody.View != "numbers" {
		t.Errorf("asked nobody: %v", err)
	}
}

func TestTooLargeAnswerIsRefused(t *testing.T) {
	nc := answering(t, func(context.Context, request) (answer, error) {
		return answer{Texts: []string{strings.Repeat("x", query.ReplyBytesMax)}}, nil
	})
	var r *es.Refusal
	if err := query.Ask(t.Context(), nc, "letters", request{}, new(answer)); !errors.As(err, &r) || r.Code != "answer_too_large" {
		t.Errorf("answered %v", err)
	}
}

func TestTooManyQueriesAreRefusedAtOnce(t *testing.T) {
	begun, release := make(chan struct{}, 100), make(chan struct{})
	nc := answering(t, func(context.Context, request) (answer, error) {
		begun <- struct{}{}
		<-release
		return answer{}, nil
	})
	const underWay = 16
	done := make(chan error, underWay)
	for range underWay {
		go func() { done <- query.Ask(t.Context(), nc, "letters", request{}, new(answer)) }()
	}
	for range underWay {
		<-begun
	}
	var r *es.Refusal
	if err := query.Ask(t.Context(), nc, "letters", request{}, new(answer)); !errors.As(err, &r) || r.Code != "busy" {
		t.Errorf("one query too many: %v", err)
	}
	close(release)
	for range underWay {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
