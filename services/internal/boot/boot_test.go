package boot_test

import (
	"testing"

	"github.com/allied-ledger/allied/projections/balances"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot/boottest"
	"github.com/google/uuid"
)

// commit opens a pledge with one commitment.
func commit(amount string) *apiv1.Command {
	return &apiv1.Command{
		CommandId: uuid.NewString(), Donor: "NOR", Beneficiary: "UKR", Effective: "2024-03-01",
		Body: &apiv1.Command_CommitPledge{CommitPledge: &apiv1.CommitPledge{Title: "Air defence", Commitments: []*apiv1.CommitLine{{
			Firmness: "firm", Line: line(amount),
		}}}},
	}
}

// allocate allocates within the pledge of another command.
func allocate(stream, amount string) *apiv1.Command {
	return &apiv1.Command{
		CommandId: uuid.NewString(), Stream: stream, Effective: "2024-04-01",
		Body: &apiv1.Command_AllocatePledge{AllocatePledge: &apiv1.AllocatePledge{Title: "Package", Line: line(amount)}},
	}
}

func line(amount string) *apiv1.Line {
	return &apiv1.Line{Category: "MIL.AIRDEF", Instrument: "grant", Values: []*apiv1.Value{
		{Basis: "donor_stated", Asset: "EUR/2@donor_stated", Amount: amount},
	}}
}

func submit(t *testing.T, c *client.Client, cmd *apiv1.Command, outcome string) *apiv1.Answer {
	t.Helper()
	a, err := c.Submit(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	if a.Outcome != outcome {
		t.Fatalf("got %v, want outcome %s", a, outcome)
	}
	return a
}

func TestCommandIsRecordedAndCounted(t *testing.T) {
	c, _ := boottest.Start(t)
	cmd := commit("625.00")
	first := submit(t, c, cmd, "recorded")
	second := submit(t, c, cmd, "repeated")
	if first.Position != second.Position || first.Ordinal != second.Ordinal || first.EventIds[0] != second.EventIds[0] {
		t.Errorf("a repeat answers %v, the first %v", second, first)
	}
	submit(t, c, allocate(first.Stream, "200.00"), "recorded")
	a := submit(t, c, allocate(first.Stream, "500.00"), "refused")
	if a.Code != "exceeds_committed" {
		t.Errorf("refused with %v", a)
	}
	last := submit(t, c, allocate(first.Stream, "250.00"), "recorded")

	var report balances.Report
	req := map[string]any{"basis": "donor_stated", "stages": []string{"committed", "allocated"}, "by": []string{"donor"}, "at_least": last.Position}
	if err := c.Query(t.Context(), "balances", req, &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != 2 || *report.Rows[0].Amount != "175.00" || *report.Rows[1].Amount != "450.00" {
		t.Errorf("balances %+v", report)
	}
}
