package policies

import (
	"context"
	"fmt"
	"time"

	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/reservations"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/google/uuid"
)

// releaseUnusedDraws gives back draws that their shipment or payment has not named for some time after they were reserved, as a crash between
// the two steps leaves them.
//
// A client that comes back later with the same command is told that its draw was released. One race is left: where it comes back in the very
// moment of the release, its service may have seen the draw as reserved, and record the shipment or payment after the policy has looked for
// it. The window is as long as that look, the release and the record take, and it opens only for a command that is as old as the set time. It
// is visible: the draw is told as released in use (draws.Draw.ReleasedInUse), and what moves leaves a negative standing at reserved, since
// the pledge may have had the amount drawn again.
type releaseUnusedDraws struct{ after time.Duration }

// ReleaseUnusedDraws releases draws that nobody has used for so long after they were reserved.
func ReleaseUnusedDraws(after time.Duration) Policy { return releaseUnusedDraws{after} }

// Name implements Policy.
func (releaseUnusedDraws) Name() string { return "release-unused-draws" }

// View implements Policy.
func (releaseUnusedDraws) View() engine.Projection { return reservations.New() }

// Propose implements Policy. A draw that is yet to be reserved is due no sooner than the set time from now; so there is no need to look at
// every event.
func (p releaseUnusedDraws) Propose(ctx context.Context, now time.Time, s engine.Snapshot, yield func(Proposal) bool) (time.Time, error) {
	next := now.Add(p.after)
	for d, err := range reservations.Unused(ctx, s) {
		if err != nil {
			return time.Time{}, err
		}
		if due := d.Reserved.RecordedAt.Add(p.after); due.After(now) {
			if due.Before(next) {
				next = due
			}
		} else if !yield(p.release(d, now)) {
			break
		}
	}
	return next, nil
}

func (p releaseUnusedDraws) release(d *reservations.Draw, now time.Time) Proposal {
	cmd := &apiv1.Command{
		Stream: d.Pledge, Effective: now.UTC().Format(time.DateOnly),
		Reason: fmt.Sprintf("%s does not name the draw %s after it was reserved.", d.ForStream, p.after),
		Body:   &apiv1.Command_ReleaseDraw{ReleaseDraw: &apiv1.ReleaseDraw{Draw: d.ID.String()}},
	}
	if d.Correlation != uuid.Nil {
		cmd.CorrelationId = d.Correlation.String()
	}
	if d.Marking != "unspecified" {
		cmd.Marking = d.Marking
	}
	return Proposal{Cause: d.Reserved.Event, Command: cmd, Confirm: func(ctx context.Context, l Ledger) (bool, error) { return isUnused(ctx, l, d) }}
}

// isUnused reads what the draw is for as it stands in the log now: the pledge cannot know of it, and the view may be a moment behind.
func isUnused(ctx context.Context, l Ledger, d *reservations.Draw) (bool, error) {
	for e, err := range l.ReadStream(ctx, d.ForStream, 0) {
		if err != nil {
			return false, fmt.Errorf("see whether %s names draw %s: %w", d.ForStream, d.ID, err)
		}
		f, err := wire.Decode(e)
		if err != nil {
			return false, fmt.Errorf("see whether %s names draw %s: %w", d.ForStream, d.ID, err)
		}
		if reservations.Names(f, d.Pledge, d.ID) {
			return false, nil
		}
	}
	return true, nil
}
