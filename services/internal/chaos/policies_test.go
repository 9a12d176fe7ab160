package chaos

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/events/wire"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/pledges"
	"github.com/allied-ledger/allied/services/recorder"
	"github.com/google/uuid"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// TestKillReleasesEveryDrawOnce kills the server while its policy releases draws that nobody uses, until none is left.
func TestKillReleasesEveryDrawOnce(t *testing.T) {
	const draws, kills = 600, 4
	binary, dir := build(t), t.TempDir()
	pledge := es.StreamName("pledge", uuid.New())
	allocated := allocate("1000.00")
	id := allocated.AllocatePledge.Line.Line
	all := func(yield func(*apiv1.Command) bool) {
		for i := range draws + 2 {
			cmd := &apiv1.Command{Stream: pledge, Effective: "2024-03-01"}
			switch i {
			case 0:
				cmd.Donor, cmd.Beneficiary, cmd.Body = "NOR", "UKR", commit("1000.00")
			case 1:
				cmd.Body = allocated
			default:
				cmd.Body = &apiv1.Command_ReserveDraw{ReserveDraw: &apiv1.ReserveDraw{
					Allocation: id, Asset: asset, Amount: "0.01", ForStream: es.StreamName("shipment", uuid.New()),
				}}
			}
			if !yield(cmd) {
				return
			}
		}
	}
	yesterday(t, dir, all)
	for kill := range kills {
		s := serve(t, binary, dir, "--release-draws-after", "1m")
		await(t, dir, draws*(kill+1)/(kills+1))
		s.Kill()
		if err := s.gone(); err == nil {
			t.Fatal("a killed server ended well")
		}
		t.Logf("killed after %d releases", len(releases(t, dir)))
	}
	s := serve(t, binary, dir, "--release-draws-after", "1m")
	await(t, dir, draws)
	s.stop()
	for draw, n := range releases(t, dir) {
		if n != 1 {
			t.Errorf("draw %s is released %d times", draw, n)
		}
	}
	t.Logf("%s", run(t.Context(), t, binary, "replay", "--verify", "--data", dir, "-o", "json"))
}

// yesterday records the commands of a pledge in a folder as if it had been yesterday: nothing younger than a minute is released by a server.
func yesterday(t *testing.T, dir string, cmds iter.Seq[*apiv1.Command]) {
	t.Helper()
	log, err := filelog.Open(filelog.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	n, err := embednats.Start(embednats.Config{InProcess: true, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	clock := func() time.Time { return time.Now().Add(-24 * time.Hour) }
	r, err := recorder.New(t.Context(), n.Dial, log, recorder.Config{Clock: clock, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	p, err := command.New(n.Dial, pledges.Spec, command.Config{Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := n.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var g errgroup.Group
	g.Go(func() error { return r.Run(ctx) })
	g.Go(func() error { return p.Run(ctx) })
	err = client.New(nc, client.Config{}).SubmitAll(t.Context(), cmds, func(_ int, _ *apiv1.Command, a *apiv1.Answer) error {
		if a.Outcome != command.Recorded {
			return fmt.Errorf("answered %v", a)
		}
		return nil
	})
	err = errors.Join(err, p.Stop(t.Context()), r.Stop(t.Context()))
	cancel()
	if err := errors.Join(err, g.Wait(), log.Close()); err != nil {
		t.Fatal(err)
	}
}

// releases counts the releases of each draw in a folder's log, as it lies there.
func releases(t *testing.T, dir string) map[uuid.UUID]int {
	t.Helper()
	counts := map[uuid.UUID]int{}
	for e, err := range filelog.Scan(nil, dir) {
		if err != nil {
			t.Fatal(err)
		}
		f, err := wire.Decode(e)
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := f.Event.(*eventv1.DrawReleased); ok {
			counts[uuid.UUID(r.Draw)]++
		}
	}
	return counts
}

// await returns once so many draws are released.
func await(t *testing.T, dir string, draws int) {
	t.Helper()
	late := time.After(2 * time.Minute)
	for len(releases(t, dir)) < draws {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-late:
			t.Fatalf("%d draws are released, not %d", len(releases(t, dir)), draws)
		}
	}
}
