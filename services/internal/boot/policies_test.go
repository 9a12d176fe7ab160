package boot_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/google/uuid"
)

// leave reserves a draw for a shipment that nobody plans.
func leave(t *testing.T, c *client.Client) {
	t.Helper()
	pledge := submit(t, c, commit("5.00"), "recorded").Stream
	a := allocate(pledge, "5.00")
	a.GetAllocatePledge().Line.Line = uuid.NewString()
	submit(t, c, a, "recorded")
	submit(t, c, &apiv1.Command{
		CommandId: uuid.NewString(), Stream: pledge, Effective: "2024-05-01", Body: &apiv1.Command_ReserveDraw{ReserveDraw: &apiv1.ReserveDraw{
			Allocation: a.GetAllocatePledge().Line.Line, Asset: "EUR/2@donor_stated", Amount: "5.00", ForStream: es.StreamName("shipment", uuid.New()),
		}},
	}, "recorded")
}

// releases counts the releases in a log.
func releases(t *testing.T, c *client.Client) (n int) {
	t.Helper()
	for e, err := range c.Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		f, err := wire.Decode(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := f.Event.(*eventv1.DrawReleased); ok {
			n++
		}
	}
	return n
}

// awaitReleases returns once a log holds so many releases.
func awaitReleases(t *testing.T, c *client.Client, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		n := releases(t, c)
		if n >= want {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%d releases, not %d", n, want)
		}
	}
}

func TestUnusedDrawsAreReleasedByWhoServes(t *testing.T) {
	dir := t.TempDir()
	for round, after := range []time.Duration{0, time.Hour, time.Nanosecond, time.Nanosecond} {
		_, stop := start(t, boot.Config{DataDir: dir, ReleaseDrawsAfter: after})
		c, disconnect := connect(t, boot.Target{DataDir: dir})
		if round == 0 {
			leave(t, c)
			leave(t, c)
		}
		if after == time.Nanosecond {
			awaitReleases(t, c, 2)
		}
		disconnect()
		stop()
		_, err := os.Stat(filepath.Join(dir, "policies.db"))
		if never := errors.Is(err, os.ErrNotExist); never != (after == 0) {
			t.Errorf("released after %s: the policies' view: %v", after, err)
		}
	}
	c, _ := connect(t, boot.Target{DataDir: dir}) // without policies
	if n := releases(t, c); n != 2 {
		t.Errorf("%d releases of 2 draws", n)
	}
}

// Policies that run apart keep their view in memory.
func TestPoliciesRunApart(t *testing.T) {
	home, _ := start(t, boot.Config{Profile: boot.ProfileDev})
	nc, err := home.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	c := client.New(nc, client.Config{})
	leave(t, c)
	for range 2 {
		start(t, boot.Config{NATSURL: home.URL(), Roles: []string{boot.Policies}, ReleaseDrawsAfter: time.Nanosecond})
	}
	awaitReleases(t, c, 1)
	leave(t, c)
	awaitReleases(t, c, 2)
}
