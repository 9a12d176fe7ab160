// Package balances counts what has reached and what stands at every stage, per donor, beneficiary, category, instrument and asset.
package balances

import (
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/registers"
	"github.com/allied-ledger/allied/projections/internal/tally"
)

// Spec declares the view, of which the rows are as tally.Columns says.
var Spec = engine.Spec{Name: "balances", Version: 4, Tables: []engine.Table{
	{Name: "balances", Key: 7, About: "What reached and what stands at every stage", Columns: tally.Columns(
		engine.Column{Name: "reached", Kind: engine.Amount, About: "all that ever came to the stage, in the smallest unit of the asset"},
		engine.Column{Name: "standing", Kind: engine.Amount, About: "what stands there now; over all rows of an asset they sum to zero"},
		engine.Column{Name: "unknown", Kind: engine.Int, About: "how many values are undisclosed, which are never zero"},
	)},
	registers.Table("balances_registers"),
}}

// New returns the view of an empty log.
func New() engine.Projection { return tally.New(Spec) }
