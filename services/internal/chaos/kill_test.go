package chaos

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/events/wire"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/relay"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// TestKillLosesAndDoublesNothing kills the server, with its relay and its NATS server in it, under a stream of submits, again and again. Whatever it
// answered must then be true, and the streams of events hold what the log holds.
func TestKillLosesAndDoublesNothing(t *testing.T) {
	kills := number(t, "ALLIED_CHAOS_KILLS", 5)
	seed := number(t, "ALLIED_CHAOS_SEED", int(time.Now().UnixNano()%1_000_000))
	t.Logf("ALLIED_CHAOS_KILLS=%d ALLIED_CHAOS_SEED=%d", kills, seed)
	binary, dir := build(t), t.TempDir()
	h := newHistory(t, uint64(seed))
	for range kills {
		s := serve(t, binary, dir, "--relay-json")
		h.resolve(s)
		h.load(s, h.random.IntN(600))
	}
	s := serve(t, binary, dir, "--relay-json")
	h.resolve(s)
	for _, form := range []relay.Form{relay.Events, relay.EventsJSON} {
		comparePublished(t, dir, form)
	}
	s.stop()
	h.compare(dir)
	h.compareBooks(dir, binary)
	t.Logf("%s", h)
	t.Logf("replay --verify: %s", run(t.Context(), t, binary, "replay", "--verify", "--data", dir, "-o", "json"))
}

// TestStopAnswersAll stops the server in order under a stream of submits: what it took it answers, and nothing is left unknown.
func TestStopAnswersAll(t *testing.T) {
	binary, dir := build(t), t.TempDir()
	h := newHistory(t, 1)
	s := serve(t, binary, dir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan struct{})
	answered := 0
	err := s.client.SubmitAll(ctx, h.commands(), func(_ int, cmd *apiv1.Command, a *apiv1.Answer) error {
		h.note(cmd, a)
		if answered++; answered == 300 {
			go func() {
				s.stop()
				close(stopped)
				cancel()
			}()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-stopped
	recorded, before := h.outcomes()[command.Recorded], h.outcomes()[command.Repeated]
	s = serve(t, binary, dir)
	h.resolve(s)
	s.stop()
	// What was sent when the server had gone is unknown to its client, and not recorded; what it took, it answered.
	if lost := h.outcomes()[command.Repeated] - before; lost > 0 {
		t.Errorf("%d commands were recorded, and their answers lost in the stop", lost)
	}
	h.compare(dir)
	if recorded < 100 {
		t.Errorf("only %d recorded before the stop", recorded)
	}
}

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%q is not a number", name, text)
	}
	return n
}

// history is what was sent, and what was last answered to it.
type history struct {
	t       *testing.T
	random  *rand.Rand
	streams []string
	drawing drawing

	mu      sync.Mutex
	sent    map[string]*apiv1.Command
	answers map[string]*apiv1.Answer // absent: no certain answer yet
	unsure  map[string]string        // the outcome busy or unknown, where that is the last
}

const streamsMax = 40

func newHistory(t *testing.T, seed uint64) *history {
	return &history{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), sent: map[string]*apiv1.Command{}, answers: map[string]*apiv1.Answer{},
		unsure: map[string]string{},
	}
}

// commands yields commands without end: new pledges at first, then allocations within and beyond their cap.
func (h *history) commands() iter.Seq[*apiv1.Command] {
	return func(yield func(*apiv1.Command) bool) {
		for {
			if !yield(h.next()) {
				return
			}
		}
	}
}

func (h *history) next() *apiv1.Command {
	h.mu.Lock()
	defer h.mu.Unlock()
	cmd := &apiv1.Command{CommandId: uuid.NewString(), Donor: "NOR", Beneficiary: "UKR", Effective: "2024-03-01"}
	switch roll := h.random.IntN(20); {
	case roll >= 10 && h.drawing.next(h.random, cmd):
	case len(h.streams) < streamsMax:
		cmd.Stream = es.StreamName("pledge", uuid.New())
		h.streams = append(h.streams, cmd.Stream)
		cmd.Body = commit("1000000.00")
	case roll == 0: // refused: beyond the cap
		cmd.Stream, cmd.Body = h.stream(), allocate("9000000.00")
	case roll == 1:
		cmd.Stream, cmd.Body = h.stream(), commit("10.00")
	default:
		cmd.Stream, cmd.Body = h.stream(), allocate("100.00")
	}
	h.sent[cmd.CommandId] = cmd
	return cmd
}

func (h *history) stream() string { return h.streams[h.random.IntN(len(h.streams))] }

func commit(amount string) *apiv1.Command_CommitPledge {
	return &apiv1.Command_CommitPledge{CommitPledge: &apiv1.CommitPledge{Commitments: []*apiv1.CommitLine{{Firmness: "firm", Line: line(amount)}}}}
}

func allocate(amount string) *apiv1.Command_AllocatePledge {
	l := line(amount)
	l.Line = uuid.NewString()
	return &apiv1.Command_AllocatePledge{AllocatePledge: &apiv1.AllocatePledge{Line: l}}
}

func line(amount string) *apiv1.Line {
	return &apiv1.Line{Category: "MIL.AIRDEF", Instrument: "grant", Values: []*apiv1.Value{
		{Basis: "donor_stated", Asset: asset, Amount: amount},
	}}
}

// note keeps a certain answer. A second one to the same command may only say the same.
func (h *history) note(cmd *apiv1.Command, a *apiv1.Answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a.Outcome == command.Busy || a.Outcome == command.Unknown {
		h.unsure[cmd.CommandId] = a.Outcome
		return
	}
	if a.Outcome == command.Repeated && h.unsure[cmd.CommandId] == command.Busy {
		h.t.Errorf("command %s was answered busy, which means not recorded, and then %v", cmd.CommandId, a)
	}
	delete(h.unsure, cmd.CommandId)
	if h.answers[cmd.CommandId] != nil {
		h.t.Errorf("command %s was answered twice: %v, then %v", cmd.CommandId, h.answers[cmd.CommandId], a)
	}
	h.answers[cmd.CommandId] = a
	if a.Outcome != command.Refused {
		h.drawing.recorded(cmd)
	}
}

// load submits until so many are answered, and kills the server then.
func (h *history) load(s *server, answersMax int) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	defer cancel()
	answered := 0
	err := s.client.SubmitAll(ctx, h.commands(), func(_ int, cmd *apiv1.Command, a *apiv1.Answer) error {
		if answered++; answered == answersMax+1 {
			s.Kill()
			cancel()
		}
		h.note(cmd, a)
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		h.t.Fatalf("submit: %v", err)
	}
	if err := s.gone(); err == nil {
		h.t.Fatal("a killed server ended well")
	}
}

// resolve repeats every command that has no certain answer, with the same id, and expects one now.
func (h *history) resolve(s *server) {
	h.t.Helper()
	var unsure []*apiv1.Command
	h.mu.Lock()
	for id, cmd := range h.sent {
		if h.answers[id] == nil {
			unsure = append(unsure, proto.CloneOf(cmd))
		}
	}
	h.mu.Unlock()
	each := func(yield func(*apiv1.Command) bool) {
		for _, cmd := range unsure {
			if !yield(cmd) {
				return
			}
		}
	}
	err := s.client.SubmitAll(h.t.Context(), each, func(_ int, cmd *apiv1.Command, a *apiv1.Answer) error {
		if a.Outcome == command.Busy || a.Outcome == command.Unknown {
			return fmt.Errorf("command %s, repeated on a server that runs: %v", cmd.CommandId, a)
		}
		h.note(cmd, a)
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// compare reads the log's files and holds them against every answer.
func (h *history) compare(dir string) {
	h.t.Helper()
	in := map[string][]string{} // command id → its events
	last := map[string]es.Position{}
	led := map[string]string{} // a command to a pledge that another led to → that one
	for e, err := range filelog.Scan(nil, dir) {
		if err != nil {
			h.t.Fatal(err)
		}
		f, err := wire.Decode(e)
		if err != nil {
			h.t.Fatal(err)
		}
		id := uuid.UUID(f.Envelope.CommandId).String()
		in[id], last[id] = append(in[id], f.ID.String()), f.Position
		if by := f.Envelope.GetCorrelationId(); len(by) > 0 {
			led[id] = uuid.UUID(by).String()
		}
	}
	for id, cmd := range h.sent {
		a := h.answers[id]
		switch {
		case a == nil:
			h.t.Errorf("command %s has no certain answer", id)
		case a.Outcome == command.Refused && len(in[id]) > 0:
			h.t.Errorf("command %s was refused, and is recorded: %v", id, a)
		case a.Outcome != command.Refused && (fmt.Sprint(in[id]) != fmt.Sprint(a.EventIds) || uint64(last[id]) != a.Position):
			h.t.Errorf("command %s on %s was answered %v, and the log holds %v at %d", id, cmd.Stream, a, in[id], last[id])
		}
		delete(in, id)
	}
	for id, events := range in {
		if h.sent[led[id]] != nil && len(events) == 1 {
			continue // what a shipment or payment drew or gave back
		}
		h.t.Errorf("the log holds command %s, which was never sent", id)
	}
}

func (h *history) outcomes() map[string]int {
	counts := map[string]int{}
	for _, a := range h.answers {
		counts[a.Outcome]++
	}
	return counts
}

func (h *history) String() string { return fmt.Sprintf("%d commands: %v", len(h.sent), h.outcomes()) }
