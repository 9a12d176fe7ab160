// Package reservations keeps what was drawn on pledges, for the policy that releases what nobody uses and what was given up.
package reservations

import (
	"context"
	"fmt"
	"iter"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/draws"
	"github.com/google/uuid"
)

// Draw is one draw on a pledge.
type Draw = draws.Draw

// Spec declares the view.
var Spec = engine.Spec{Name: "reservations", Version: 3, Tables: draws.Tables("reservations")}

type projection struct{ *draws.Draws }

// New returns the view of an empty log.
func New() engine.Projection { return projection{draws.New()} }

// Spec implements engine.Projection.
func (projection) Spec() engine.Spec { return Spec }

// Unused yields the draws that hold something for a shipment or payment that does not name them, in the order of their pledges.
func Unused(ctx context.Context, s engine.Snapshot) iter.Seq2[*Draw, error] {
	return func(yield func(*Draw, error) bool) {
		for row, err := range s.Scan(ctx, Spec.Tables[draws.DrawTable], engine.Range{}) {
			var d *Draw
			if err == nil {
				d, err = draws.Read(row)
			}
			if (err != nil || d.Unused()) && !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// Part is a part of a draw that its shipment or payment gave up, and nobody has released.
type Part struct {
	*draws.GivenUp
	Asset string // empty where nothing of the draw can be counted
	// Owed is what is to be released of it: less than was given up where somebody else has released some of the draw.
	Owed money.Amount
	// Released is what the draw has given back so far, and Releases are the commands that are to release the unreleased parts of it.
	Released money.Amount
	Releases []uuid.UUID
}

// Unreturned yields the parts that were given up and not released, in the order of their draws, the oldest of a draw first.
func Unreturned(ctx context.Context, s engine.Snapshot) iter.Seq2[*Part, error] {
	return func(yield func(*Part, error) bool) {
		byDraw, err := unfinished(ctx, s)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, parts := range byDraw {
			d, err := find(ctx, s, parts[0].Pledge, parts[0].Draw)
			if err != nil {
				yield(nil, err)
				return
			}
			var releases []uuid.UUID
			for _, g := range parts {
				releases = append(releases, g.Release)
			}
			left, _ := d.Unreturned()
			for _, g := range parts {
				owed := money.Min(g.Amount, left)
				if left = drawn.Sum(left, owed.Neg()); d.Asset != "" && owed.IsZero() {
					break
				}
				if !yield(&Part{GivenUp: g, Asset: d.Asset, Owed: owed, Released: d.Released, Releases: releases}, nil) {
					return
				}
			}
		}
	}
}

// unfinished are the parts that were given up and not released, draw by draw.
func unfinished(ctx context.Context, s engine.Snapshot) (byDraw [][]*draws.GivenUp, err error) {
	for row, err := range s.Scan(ctx, Spec.Tables[draws.GivenUpTable], engine.Range{}) {
		if err != nil {
			return nil, err
		}
		g, err := draws.ReadGivenUp(row)
		switch n := len(byDraw); {
		case err != nil:
			return nil, err
		case g.Finished:
		case n > 0 && byDraw[n-1][0].Draw == g.Draw && byDraw[n-1][0].Pledge == g.Pledge:
			byDraw[n-1] = append(byDraw[n-1], g)
		default:
			byDraw = append(byDraw, []*draws.GivenUp{g})
		}
	}
	return byDraw, nil
}

func find(ctx context.Context, s engine.Snapshot, pledge string, draw uuid.UUID) (*Draw, error) {
	key := []engine.Value{engine.TextOf(pledge), engine.TextOf(draw.String())}
	for row, err := range s.Scan(ctx, Spec.Tables[draws.DrawTable], engine.Range{Prefix: key}) {
		if err != nil {
			return nil, err
		}
		return draws.Read(row)
	}
	return nil, fmt.Errorf("draw %s of %s was given up, and is not kept", draw, pledge)
}

// Names tells whether a fact names a draw as what its shipment or payment uses.
func Names(f *es.Fact, pledge string, draw uuid.UUID) bool { return draws.Names(f, pledge, draw) }
