// Package reservations keeps what was drawn on pledges, for the policy that releases what nobody uses.
package reservations

import (
	"context"
	"iter"

	"github.com/allied-ledger/allied/events/es"
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

// Names tells whether a fact names a draw as what its shipment or payment uses.
func Names(f *es.Fact, pledge string, draw uuid.UUID) bool { return draws.Names(f, pledge, draw) }
