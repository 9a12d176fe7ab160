package imports_test

import (
	"errors"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/imports"
)

func input(donor string, columns ...*apiv1.ColumnTotal) command.Input {
	return command.Input{
		Command: &apiv1.Command{Body: &apiv1.Command_CompleteImport{CompleteImport: &apiv1.CompleteImport{
			Dataset: "d", Release: "r", Rows: 3, Columns: columns, FlagCounts: []*apiv1.FlagCount{{Code: "plug", Rows: 1}},
		}}},
		Envelope: &eventv1.Envelope{
			Donor: donor, Effective: &eventv1.Effective{Precision: eventv1.Precision_PRECISION_UNKNOWN}, Sources: []*eventv1.Source{{Publisher: "p"}},
		},
	}
}

func TestTotalsAreRead(t *testing.T) {
	c, err := imports.Parse(input("", &apiv1.ColumnTotal{Column: "c", Asset: "EUR/2@tracker", Sum: "-1.50", RowsStated: 2, RowsMissing: 1}))
	if err != nil {
		t.Fatal(err)
	}
	if col := c.Totals.Columns[0]; !c.Sourced || c.Totals.Rows != 3 || int64(col.Sum.Lo) != -150 || col.RowsMissing != 1 || c.Totals.FlagCounts[0].Code != "plug" {
		t.Errorf("read %v", c)
	}
}

func TestBadTotalsAreRefusedAtTheirField(t *testing.T) {
	undated := input("")
	undated.Envelope.Effective = nil
	for field, in := range map[string]command.Input{
		"complete_import.columns[0].asset": input("", &apiv1.ColumnTotal{Asset: "EUR"}),
		"complete_import.columns[1].sum":   input("_", &apiv1.ColumnTotal{Asset: "EUR/2@tracker", Sum: "1"}, &apiv1.ColumnTotal{Asset: "EUR/2@tracker", Sum: "1,0"}),
		"donor":                            input("NOR"),
		"effective":                        undated,
		"":                                 {Command: &apiv1.Command{}},
	} {
		_, err := imports.Parse(in)
		var r *es.Refusal
		if !errors.As(err, &r) || r.Field != field || r.Remedy == "" {
			t.Errorf("%q: %v", field, err)
		}
	}
}
