package imports_test

import (
	"math"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/imports"
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

var stream = es.StreamName(imports.Kind, ident.ReleaseStream("tracker", "2024-06"))

func totals() *eventv1.ImportCompleted {
	return &eventv1.ImportCompleted{
		Dataset: "tracker", Release: "2024-06", Rows: 3,
		Columns: []*eventv1.ColumnTotal{{Column: "Allocated", Asset: "EUR/2@tracker", Sum: money.New(625).Proto(), RowsStated: 2, RowsMissing: 1}},
	}
}

func TestAnImportIsCompletedOnce(t *testing.T) {
	complete := imports.Complete{Sourced: true, Totals: totals()}
	given.HistoryOf(stream, imports.Decider).When(complete).Then(t, totals()).When(complete).ThenRefused(t, "import_completed")
}

func TestAnIncompleteTotalIsRefused(t *testing.T) {
	c := given.HistoryOf(stream, imports.Decider)
	c.When(imports.Complete{Totals: totals()}).ThenRefused(t, "source_missing")
	for code, change := range map[string]func(*eventv1.ImportCompleted){
		"release_missing": func(e *eventv1.ImportCompleted) { e.Release = "" },
		"bad_asset":       func(e *eventv1.ImportCompleted) { e.Columns[0].Asset = "EUR" },
		"other_stream":    func(e *eventv1.ImportCompleted) { e.Release = "2024-08" },
		"bad_count":       func(e *eventv1.ImportCompleted) { e.Columns[0].RowsStated = 3 },
		"bad_amount":      func(e *eventv1.ImportCompleted) { e.Columns[0].Sum = &eventv1.Amount{Hi: math.MaxInt64} },
		"too_many":        func(e *eventv1.ImportCompleted) { e.Columns = make([]*eventv1.ColumnTotal, 501) },
	} {
		e := totals()
		change(e)
		c.When(imports.Complete{Sourced: true, Totals: e}).ThenRefused(t, code)
	}
}
