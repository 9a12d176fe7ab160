package policies

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/reservations"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// releaseUnusedDraws gives back draws that their shipment or payment has not named for some time after they were reserved, and what one gave up
// that is not released so long after it, as a crash between the two steps leaves them.
//
// A client that comes back later with the same command is told that its draw was released. One race is left: where it comes back in the very
// moment of the release, its service may have seen the draw as reserved, and record the shipment or payment after the policy has looked for
// it. The window is as long as that look, the release and the record take, and it opens only for a command that is as old as the set time. It
// is visible: the draw is told as released in use (draws.Draw.ReleasedInUse), and what moves leaves a negative standing at reserved, since
// the pledge may have had the amount drawn again.
//
// What was given up is released by the very command that the service of the shipment or payment would send, so that it is released once, however
// late the client repeats what gave it up. A person who releases it by hand, under another id, between the policy's look at the pledge and its
// command, releases it twice; that is told as released in use as well.
type releaseUnusedDraws struct{ after time.Duration }

// ReleaseUnusedDraws releases draws that nobody has used for so long after they were reserved, and what was given up of one for so long.
func ReleaseUnusedDraws(after time.Duration) Policy { return releaseUnusedDraws{after} }

// Name implements Policy.
func (releaseUnusedDraws) Name() string { return "release-unused-draws" }

// View implements Policy.
func (releaseUnusedDraws) View() engine.Projection { return reservations.New() }

// Propose implements Policy. A draw that is yet to be reserved or given up is due no sooner than the set time from now; so there is no need to
// look at every event.
func (p releaseUnusedDraws) Propose(ctx context.Context, now time.Time, s engine.Snapshot, yield func(Proposal) bool) (time.Time, error) {
	next := now.Add(p.after)
	due := func(since time.Time) bool {
		at := since.Add(p.after)
		if at.After(now) && at.Before(next) {
			next = at
		}
		return !at.After(now)
	}
	for d, err := range reservations.Unused(ctx, s) {
		if err != nil {
			return time.Time{}, err
		}
		if due(d.Reserved.RecordedAt) && !yield(p.release(d, now)) {
			return next, nil
		}
	}
	for part, err := range reservations.Unreturned(ctx, s) {
		if err != nil {
			return time.Time{}, err
		}
		if !due(part.Cause.RecordedAt) {
			continue
		}
		proposal, err := p.finish(part, now)
		if err != nil {
			return time.Time{}, err
		}
		if !yield(proposal) {
			break
		}
	}
	return next, nil
}

// release gives back a draw that nobody uses.
func (p releaseUnusedDraws) release(d *reservations.Draw, now time.Time) Proposal {
	cmd := releasing(d.Pledge, d.ID, d.Correlation, d.Marking, now)
	cmd.Reason = fmt.Sprintf("%s does not name the draw %s after it was reserved.", d.ForStream, p.after)
	return Proposal{Cause: d.Reserved.Event, Command: cmd, Confirm: func(ctx context.Context, l Ledger) (bool, error) { return isUnused(ctx, l, d) }}
}

// finish gives back a part of a draw that was given up.
func (p releaseUnusedDraws) finish(part *reservations.Part, now time.Time) (Proposal, error) {
	cmd := releasing(part.Pledge, part.Draw, part.Correlation, part.Marking, now)
	cmd.CommandId = part.Release.String()
	cmd.Reason = fmt.Sprintf("What was given up of the draw is not released %s after it was.", p.after)
	if part.Asset != "" {
		a, err := asset.Parse(part.Asset)
		if err != nil {
			return Proposal{}, fmt.Errorf("draw %s: %w", part.Draw, err)
		}
		body := cmd.GetReleaseDraw()
		body.Asset, body.Amount = part.Asset, part.Owed.Text(a.Scale)
	}
	return Proposal{Cause: part.Cause.Event, Command: cmd, Confirm: func(ctx context.Context, l Ledger) (bool, error) { return isUnreturned(ctx, l, part) }}, nil
}

func releasing(pledge string, draw, correlation uuid.UUID, marking string, now time.Time) *apiv1.Command {
	cmd := &apiv1.Command{
		Stream: pledge, Effective: now.UTC().Format(time.DateOnly),
		Body: &apiv1.Command_ReleaseDraw{ReleaseDraw: &apiv1.ReleaseDraw{Draw: draw.String()}},
	}
	if correlation != uuid.Nil {
		cmd.CorrelationId = correlation.String()
	}
	if marking != "unspecified" {
		cmd.Marking = marking
	}
	return cmd
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

// isUnreturned reads the pledge as it stands in the log now: somebody may have released the part by hand since the view was read. What the commands
// have released that are to release the draw's parts does no harm, since each does so once.
func isUnreturned(ctx context.Context, l Ledger, part *reservations.Part) (bool, error) {
	var released money.Amount
	for e, err := range l.ReadStream(ctx, part.Pledge, 0) {
		var f *es.Fact
		if err == nil {
			f, err = wire.Decode(e)
		}
		if err != nil {
			return false, fmt.Errorf("see what %s has released of draw %s: %w", part.Pledge, part.Draw, err)
		}
		r, ok := f.Event.(*eventv1.DrawReleased)
		if !ok || uuid.UUID(r.Draw) != part.Draw || slices.Contains(part.Releases, uuid.UUID(f.Envelope.CommandId)) {
			continue
		}
		if r.Amount == nil {
			return false, nil // all of it
		}
		released = drawn.Sum(released, drawn.Amount(r.Amount))
	}
	return released == part.Released, nil
}
