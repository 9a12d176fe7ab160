package command_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/embednats"
)

func TestLatchedStoreIsNamed(t *testing.T) {
	w := newWorld(t)
	w.record()
	w.decide()
	w.log.fail(func(_ context.Context, appends []es.Append) []es.Result {
		return all(appends, &filelog.LatchedError{Cause: errors.New("no space left on device")})
	})
	a := w.once(commit("1.00"))
	if a.Outcome != command.Busy || a.Code != "store_latched" || !strings.Contains(a.Reason, "no space left") || !strings.Contains(a.Remedy, "restart") {
		t.Errorf("answered %v", a)
	}
}

// fragile is a decider whose decisions are as a test says.
func fragile(decide func() ([]es.Event, error), evolve func()) command.Spec[int, string] {
	return command.Spec[int, string]{
		Service: "pledges",
		Decider: es.Decider[int, string]{
			Kind:    "pledge",
			Initial: func(string) int { return 0 },
			Decide:  func(int, string) ([]es.Event, error) { return decide() },
			Evolve:  func(n int, _ *es.Fact) int { evolve(); return n + 1 },
		},
		Parse:   func(command.Input) (string, error) { return "", nil },
		Parties: func(int) (string, string) { return "NOR", "UKR" },
	}
}

func TestFaultsOfADeciderRecordNothing(t *testing.T) {
	for name, decide := range map[string]func() ([]es.Event, error){
		"panics":               func() ([]es.Event, error) { panic("a bug") },
		"fails":                func() ([]es.Event, error) { return nil, errors.New("a bug") },
		"does nothing":         func() ([]es.Event, error) { return nil, nil },
		"invents an old event": func() ([]es.Event, error) { return []es.Event{&eventv1.PledgeReduced{}}, nil },
		"decides too much":     func() ([]es.Event, error) { return make([]es.Event, es.AppendRecordsMax+1), nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.record()
			h, err := command.New(w.nats.Dial, fragile(decide, func() {}), command.Config{Logger: w.zap})
			if err != nil {
				t.Fatal(err)
			}
			w.run(h)
			if a := w.once(commit("1.00")); a.Outcome != command.Refused || a.Code == "" || a.Remedy == "" {
				t.Errorf("answered %v", a)
			}
			if got := w.facts(); len(got) > 0 {
				t.Errorf("the log holds %v", got)
			}
		})
	}
}

// What is recorded is answered recorded, also where the state cannot take it: the next command then finds the stream unreadable.
func TestRecordedIsAnsweredWhateverFollows(t *testing.T) {
	w := newWorld(t)
	w.record()
	decide := func() ([]es.Event, error) { return []es.Event{&eventv1.PledgeFulfilled{}}, nil }
	h, err := command.New(w.nats.Dial, fragile(decide, func() { panic("a bug") }), command.Config{Logger: w.zap})
	if err != nil {
		t.Fatal(err)
	}
	w.run(h)
	cmd := commit("1.00")
	if a := w.once(cmd); a.Outcome != command.Recorded || len(a.EventIds) != 1 {
		t.Errorf("answered %v", a)
	}
	if a := w.once(cmd); a.Outcome != command.Busy || a.Code != "stream_unreadable" {
		t.Errorf("answered %v", a)
	}
}

// A command that fits a message may lead to events that do not.
func TestTooLargeEventsAreRefused(t *testing.T) {
	w := newWorld(t)
	w.record()
	w.decide()
	for _, below := range []int{200, 600, 3 << 10, 5 << 10} {
		cmd := commit("1.00")
		cmd.GetCommitPledge().Title = strings.Repeat("x", embednats.PayloadBytesMax-below-400)
		a := w.once(cmd)
		if a.Outcome != command.Refused || a.Code != "command_too_large" && a.Code != "invalid_append" {
			if below == 5<<10 && a.Outcome == command.Recorded {
				continue
			}
			t.Errorf("%d bytes below the bound: answered %s %s", below, a.Outcome, a.Code)
		}
		if n := w.facts()[cmd.CommandId]; n > 0 {
			t.Errorf("recorded %d events", n)
		}
	}
}

func TestBadEnvelopesAreRefusedAtTheirField(t *testing.T) {
	w := newWorld(t)
	w.record()
	w.decide()
	for field, spoil := range map[string]func(*apiv1.Command){
		"donor":               func(c *apiv1.Command) { c.Donor = "NRO" },
		"beneficiary":         func(c *apiv1.Command) { c.Beneficiary = "Ukraine" },
		"effective":           func(c *apiv1.Command) { c.Effective = "13/09/2022" },
		"effective_as_stated": func(c *apiv1.Command) { c.EffectiveAsStated = strings.Repeat("x", 5000) },
		"correlation_id":      func(c *apiv1.Command) { c.CorrelationId = "7" },
		"causation_id":        func(c *apiv1.Command) { c.CausationId = "7" },
		"corrects[1]":         func(c *apiv1.Command) { c.Corrects = []string{c.CommandId, "x"} },
		"marking":             func(c *apiv1.Command) { c.Marking = "hidden" },
		"sources":             func(c *apiv1.Command) { c.Observed = true },
		"stream":              func(c *apiv1.Command) { c.Stream = "import-22222222-2222-4222-8222-222222222222" },
	} {
		cmd := commit("1.00")
		spoil(cmd)
		if a := w.once(cmd); a.Outcome != command.Refused || a.Field != field || a.Reason == "" || a.Remedy == "" {
			t.Errorf("%s: answered %v", field, a)
		}
	}
}
