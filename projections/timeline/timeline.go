// Package timeline counts what came to every stage month by month, per donor, beneficiary, category, instrument and asset.
package timeline

import (
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/registers"
	"github.com/allied-ledger/allied/projections/internal/tally"
)

// Spec declares the view, of which the rows are as tally.Columns says, by month. Over all months they sum to the balances.
var Spec = engine.Spec{Name: "timeline", Version: 1, Tables: []engine.Table{
	{Name: "timeline", Key: 8, About: "What came to every stage in each month, and how what stands there changed", Columns: tally.Columns(
		engine.Column{Name: "month", Kind: engine.Text, About: "of the latest day on which the facts may have happened, such as 2023-04; empty where nobody knows the day"},
		engine.Column{Name: "reached", Kind: engine.Amount, About: "all that came to the stage in the month, in the smallest unit of the asset"},
		engine.Column{Name: "moved", Kind: engine.Amount, About: "what came less what left; over all months it is what stands, and over all rows of an asset and month zero"},
		engine.Column{Name: "unknown", Kind: engine.Int, About: "how many values came that are undisclosed, less those that were told or taken back"},
	)},
	registers.Table("timeline_registers"),
}}

// New returns the view of an empty log.
func New() engine.Projection { return tally.NewMonthly(Spec) }
