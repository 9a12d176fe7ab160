package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/internal/route"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap/zaptest"
	"google.golang.org/protobuf/proto"
)

// answering is a server whose pledges are answered as a test says; n counts what was sent, from 1.
func answering(t *testing.T, answer func(n int64) *apiv1.Answer) (url string, sent *atomic.Int64) {
	t.Helper()
	s, err := embednats.Start(embednats.Config{Logger: zaptest.NewLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	nc, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	sent = new(atomic.Int64)
	_, err = nc.Subscribe(route.Subject(route.Pledges, "*"), func(m *nats.Msg) {
		data, err := proto.Marshal(answer(sent.Add(1)))
		if err == nil {
			err = m.Respond(data)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.URL(), sent
}

func TestAFullDiskStopsTheSending(t *testing.T) {
	const remedy = "free space on the disk; appends go on by themselves then"
	for _, test := range []struct {
		stream string // the same for all: one after the other; none: many at once
		want   []string
	}{
		{"pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8", []string{"1 recorded, 1 busy", "nothing after line", "not sent"}},
		{"", []string{"1 recorded", " busy", "nothing after line", "send the file again with the same command ids"}},
	} {
		url, sent := answering(t, func(n int64) *apiv1.Answer {
			if n == 1 {
				return &apiv1.Answer{Outcome: "recorded", Position: 7}
			}
			return &apiv1.Answer{Outcome: "busy", Code: "store_full", Reason: "the disk of d has 9 bytes free (" + remedy + ")", Remedy: remedy}
		})
		var lines strings.Builder
		for range 3000 {
			fmt.Fprintf(&lines, `{"stream":%q,"donor":"NOR","fulfil_pledge":{}}`+"\n", test.stream)
		}
		text := lines.String()
		if test.stream == "" {
			text = strings.ReplaceAll(text, `"stream":"",`, "")
			text = strings.ReplaceAll(text, "fulfil_pledge", "announce_pledge")
		}
		r := try(t, text, "submit", "-", "--server", url)
		r.refused(t, exitUnavailable, append(test.want, "the ledger takes no commands now: the disk of d has 9 bytes free; "+remedy+";")...)
		if n := sent.Load(); n > 600 {
			t.Errorf("%d commands were sent", n)
		}
		for line := range strings.Lines(r.stdout + r.stderr) {
			if strings.Count(line, "by themselves") > 1 {
				t.Errorf("says it twice: %s", line)
			}
		}
	}
}

// TestTheLastLineOfAFileThatMeetsAFullDisk has nothing after it, and says so of nothing.
func TestTheLastLineOfAFileThatMeetsAFullDisk(t *testing.T) {
	url, _ := answering(t, func(int64) *apiv1.Answer {
		return &apiv1.Answer{Outcome: "busy", Code: "store_latched", Remedy: "restart"}
	})
	r := try(t, `{"donor":"NOR","announce_pledge":{}}`, "submit", "-", "--server", url, "-o", "jsonl")
	r.refused(t, exitUnavailable, "restart; send the file again")
	if strings.Contains(r.stderr, "after line") || strings.Contains(r.stderr, "not sent") || !strings.Contains(r.stdout, `"code":"store_latched"`) {
		t.Errorf("said %s of %s", r.stderr, r.stdout)
	}
}
