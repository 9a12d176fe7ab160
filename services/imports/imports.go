// Package imports is the service that decides when the import of a release is complete.
package imports

import (
	"fmt"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/imports"
	"github.com/allied-ledger/allied/events/money"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/route"
)

// Spec is the import aggregate as a service. An import has no donor.
var Spec = command.Spec[imports.State, imports.Complete]{
	Service: route.Imports,
	Decider: imports.Decider,
	Parse:   Parse,
	Parties: func(imports.State) (string, string) { return command.NoDonor, "" },
}

// Parse reads the text of a command's body; its error is an *es.Refusal.
func Parse(in command.Input) (imports.Complete, error) {
	var none imports.Complete
	const field = "complete_import"
	b, ok := in.Command.Body.(*apiv1.Command_CompleteImport)
	if !ok {
		return none, &es.Refusal{Code: "unknown_command", Reason: "not a command of imports", Remedy: "send complete_import"}
	}
	if d := in.Envelope.Donor; d != "" && d != command.NoDonor {
		return none, &es.Refusal{
			Code: "other_donor", Field: "donor", Reason: fmt.Sprintf("an import is of no one donor, and %s is named", d), Remedy: "leave it out",
		}
	}
	if in.Envelope.Effective == nil {
		return none, &es.Refusal{
			Code: "effective_missing", Field: "effective", Reason: "the command does not say when it happened", Remedy: "give the release's date, or `unknown`",
		}
	}
	c := b.CompleteImport
	out := &eventv1.ImportCompleted{
		Dataset: c.GetDataset(), Release: c.GetRelease(), Rows: c.GetRows(), Pledges: c.GetPledges(), Allocations: c.GetAllocations(),
	}
	for i, col := range c.GetColumns() {
		at := fmt.Sprintf("%s.columns[%d]", field, i)
		a, err := asset.Parse(col.GetAsset())
		if err != nil {
			return none, &es.Refusal{Code: "bad_asset", Field: at + ".asset", Reason: err.Error(), Remedy: "write it as EUR/2@tracker or each/6:item"}
		}
		sum, err := money.Parse(col.GetSum(), a.Scale)
		if err != nil {
			return none, &es.Refusal{
				Code: "bad_amount", Field: at + ".sum", Reason: err.Error(), Remedy: "write digits with a decimal point and no grouping, such as 1234.50",
			}
		}
		out.Columns = append(out.Columns, &eventv1.ColumnTotal{
			Column: col.GetColumn(), Asset: col.GetAsset(), Sum: sum.Proto(), RowsStated: col.GetRowsStated(), RowsMissing: col.GetRowsMissing(),
		})
	}
	for _, n := range c.GetFlagCounts() {
		out.FlagCounts = append(out.FlagCounts, &eventv1.FlagCount{Code: n.GetCode(), Rows: n.GetRows()})
	}
	sourced := false
	for _, s := range in.Envelope.Sources {
		sourced = sourced || s.GetPublisher() != ""
	}
	return imports.Complete{Sourced: sourced, Totals: out}, nil
}
