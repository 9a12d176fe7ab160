package client_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/internal/route"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap/zaptest"
	"google.golang.org/protobuf/proto"
)

// answering is a pledges service that answers as it is told, each command on a goroutine of its own.
func answering(t *testing.T, answer func(cmd *apiv1.Command) *apiv1.Answer) *client.Client {
	t.Helper()
	s, err := embednats.Start(embednats.Config{InProcess: true, Logger: zaptest.NewLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	serving, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(serving.Close)
	if answer != nil {
		_, err = serving.Subscribe(route.Subject(route.Pledges, "*"), func(m *nats.Msg) {
			go func() {
				cmd := new(apiv1.Command)
				if err := proto.Unmarshal(m.Data, cmd); err != nil {
					t.Error(err)
				}
				a := answer(cmd)
				if a == nil {
					return
				}
				a.CommandId, a.Stream = cmd.CommandId, cmd.Stream
				data, err := proto.Marshal(a)
				if err == nil {
					err = m.Respond(data)
				}
				if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
					t.Error(err)
				}
			}()
		})
		if err == nil {
			err = serving.Flush()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	nc, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return client.New(nc, client.Config{})
}

func fulfil(stream string) *apiv1.Command {
	return &apiv1.Command{Stream: stream, Body: &apiv1.Command_FulfilPledge{FulfilPledge: &apiv1.FulfilPledge{}}}
}

func announce(title string) *apiv1.Command {
	return &apiv1.Command{Body: &apiv1.Command_AnnouncePledge{AnnouncePledge: &apiv1.AnnouncePledge{Title: title}}}
}

func newStream() string { return es.StreamName("pledge", uuid.New()) }

func TestSubmitFillsWhatIdentifiesTheCommand(t *testing.T) {
	c := answering(t, func(*apiv1.Command) *apiv1.Answer { return &apiv1.Answer{Outcome: command.Recorded} })
	cmd := announce("x")
	a, err := c.Submit(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := uuid.Parse(cmd.CommandId); err != nil || a.CommandId != cmd.CommandId || a.Stream != cmd.Stream || cmd.Stream == "" {
		t.Errorf("sent %v, answered %v", cmd, a)
	}
	again := announce("x")
	again.CommandId = cmd.CommandId
	if b, err := c.Submit(t.Context(), again); err != nil || b.Stream != a.Stream {
		t.Errorf("the same command opened %s, then %s (%v)", a.Stream, b.Stream, err)
	}
}

func TestBusyAndUnknownAreRepeated(t *testing.T) {
	var mu sync.Mutex
	var ids []string
	outcomes := []string{command.Busy, command.Unknown, command.Busy, command.Repeated}
	c := answering(t, func(cmd *apiv1.Command) *apiv1.Answer {
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, cmd.CommandId)
		return &apiv1.Answer{Outcome: outcomes[len(ids)-1]}
	})
	a, err := c.Submit(t.Context(), announce("x"))
	if err != nil || a.Outcome != command.Repeated {
		t.Fatalf("answered %v, %v", a, err)
	}
	if len(ids) != 4 || len(slices.Compact(ids)) != 1 {
		t.Errorf("sent under %v", ids)
	}
}

func TestAStoreAtAStandstillIsNotTriedAgain(t *testing.T) {
	for _, code := range []string{"store_full", "store_latched"} {
		sent := 0
		c := answering(t, func(*apiv1.Command) *apiv1.Answer {
			sent++
			return &apiv1.Answer{Outcome: command.Busy, Code: code}
		})
		if a, err := c.Submit(t.Context(), announce("x")); err != nil || a.Outcome != command.Busy || sent != 1 {
			t.Errorf("%s: sent %d times, answered %v, %v", code, sent, a, err)
		}
	}
}

// Busy means not recorded. After a try that nobody answered, that is more than the client knows.
func TestBusyAfterUnknownIsUnknown(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	c := answering(t, func(*apiv1.Command) *apiv1.Answer {
		if n++; n == 1 {
			return &apiv1.Answer{Outcome: command.Unknown}
		}
		defer cancel()
		return &apiv1.Answer{Outcome: command.Busy, Reason: "full"}
	})
	a, err := c.Submit(ctx, announce("x"))
	if !errors.Is(err, context.Canceled) || a.Outcome != command.Unknown {
		t.Errorf("answered %v, %v", a, err)
	}
}

func TestWhatCannotBeSentIsRefused(t *testing.T) {
	c := answering(t, func(cmd *apiv1.Command) *apiv1.Answer {
		t.Errorf("sent %d bytes", proto.Size(cmd))
		return nil
	})
	bad := announce("x")
	bad.CommandId = "7"
	foreign := fulfil("pledge")
	for code, cmd := range map[string]*apiv1.Command{
		"command_too_large": announce(strings.Repeat("x", embednats.PayloadBytesMax)),
		"body_missing":      {},
		"bad_command_id":    bad,
		"stream_missing":    fulfil(""),
		"bad_stream":        foreign,
	} {
		a, err := c.Submit(t.Context(), cmd)
		if err != nil || a.Outcome != command.Refused || a.Code != code || a.Reason == "" || a.Remedy == "" {
			t.Errorf("%s: answered %v, %v", code, a, err)
		}
	}
}

func TestNobodyThereIsBusy(t *testing.T) {
	c := answering(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a, err := c.Submit(ctx, announce("x"))
	if !errors.Is(err, context.Canceled) || a == nil {
		t.Fatalf("answered %v, %v", a, err)
	}
}

func TestOrderIsKeptWithinAStream(t *testing.T) {
	var mu sync.Mutex
	seen := map[string][]string{}
	inFlight, most := 0, 0
	c := answering(t, func(cmd *apiv1.Command) *apiv1.Answer {
		mu.Lock()
		seen[cmd.Stream] = append(seen[cmd.Stream], cmd.Reason)
		inFlight++
		most = max(most, inFlight)
		mu.Unlock()
		mu.Lock()
		inFlight--
		mu.Unlock()
		return &apiv1.Answer{Outcome: command.Recorded}
	})
	const streams, perStream = 30, 40
	names := make([]string, streams)
	for i := range names {
		names[i] = newStream()
	}
	answered := map[int]bool{}
	err := c.SubmitAll(t.Context(), numbered(names, perStream), func(i int, cmd *apiv1.Command, a *apiv1.Answer) error {
		if answered[i] || cmd.Stream != names[i%streams] || a.CommandId != cmd.CommandId {
			t.Errorf("answer %d: %v to %v", i, a, cmd)
		}
		answered[i] = true
		return nil
	})
	if err != nil || len(answered) != streams*perStream {
		t.Fatalf("%d answers: %v", len(answered), err)
	}
	for name, order := range seen {
		if !slices.IsSorted(order) || len(order) != perStream {
			t.Errorf("%s got %v", name, order)
		}
	}
}

func numbered(streams []string, perStream int) iter.Seq[*apiv1.Command] {
	return func(yield func(*apiv1.Command) bool) {
		for n := range perStream {
			for _, s := range streams {
				cmd := fulfil(s)
				cmd.Reason = fmt.Sprintf("%04d", n)
				if !yield(cmd) {
					return
				}
			}
		}
	}
}

func TestNothingIsSentAfterAnUnsureCommandOfItsStream(t *testing.T) {
	var mu sync.Mutex
	sent := map[string]int{}
	unsure, sure := newStream(), newStream()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := answering(t, func(cmd *apiv1.Command) *apiv1.Answer {
		mu.Lock()
		defer mu.Unlock()
		sent[cmd.Stream+cmd.Reason]++
		if cmd.Stream == unsure {
			return &apiv1.Answer{Outcome: command.Busy}
		}
		return &apiv1.Answer{Outcome: command.Recorded}
	})
	c.SendOnce()
	outcomes := map[string]int{}
	err := c.SubmitAll(ctx, numbered([]string{unsure, sure}, 3), func(_ int, _ *apiv1.Command, a *apiv1.Answer) error {
		outcomes[a.Outcome+" "+a.Code]++
		return nil
	})
	if err != nil || fmt.Sprint(outcomes) != "map[busy :1 busy earlier_unsure:2 recorded :3]" {
		t.Errorf("answered %v, %v", outcomes, err)
	}
	if sent[unsure+"0001"] != 0 || sent[unsure+"0002"] != 0 {
		t.Errorf("sent %v", sent)
	}
}

func TestErrorOfTheCallerStopsTheRest(t *testing.T) {
	c := answering(t, func(*apiv1.Command) *apiv1.Answer { return &apiv1.Answer{Outcome: command.Recorded} })
	enough := errors.New("enough")
	taken, answered := 0, 0
	cmds := func(yield func(*apiv1.Command) bool) {
		for yield(announce("x")) {
			taken++
		}
	}
	err := c.SubmitAll(t.Context(), cmds, func(int, *apiv1.Command, *apiv1.Answer) error {
		answered++
		return enough
	})
	if !errors.Is(err, enough) {
		t.Errorf("ended with %v", err)
	}
	if answered > 256 || taken > 600 {
		t.Errorf("%d answered and %d taken after the first error", answered, taken)
	}
}

func TestWhatIsInFlightAtTheEndIsStillAnswered(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	arrived := make(chan struct{})
	c := answering(t, func(*apiv1.Command) *apiv1.Answer {
		cancel()
		<-arrived // SubmitAll has seen that ctx ended
		return &apiv1.Answer{Outcome: command.Recorded}
	})
	cmds := func(yield func(*apiv1.Command) bool) {
		for yield(announce("x")) {
		}
		close(arrived)
	}
	outcomes := map[string]int{}
	err := c.SubmitAll(ctx, cmds, func(_ int, _ *apiv1.Command, a *apiv1.Answer) error {
		outcomes[a.Outcome]++
		return nil
	})
	if !errors.Is(err, context.Canceled) || outcomes[command.Recorded] == 0 || len(outcomes) != 1 {
		t.Errorf("answered %v, %v", outcomes, err)
	}
}
