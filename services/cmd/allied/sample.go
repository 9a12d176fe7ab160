package main

import (
	"context"
	"errors"
	"fmt"
	"iter"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/sample"
)

// submitSample loads the sample. A ledger that has it already records nothing.
func (c *cli) submitSample(ctx context.Context, ledger *client.Client) error {
	var damaged error
	commands := func(yield func(*apiv1.Command) bool) {
		for cmd, err := range sample.Commands() {
			if damaged = err; err != nil || !yield(cmd) {
				return
			}
		}
	}
	counts := map[string]int{}
	err := ledger.SubmitAll(ctx, iter.Seq[*apiv1.Command](commands), func(_ int, cmd *apiv1.Command, a *apiv1.Answer) error {
		counts[a.GetOutcome()]++
		switch a.GetOutcome() {
		case "recorded", "repeated":
			return nil
		}
		return fmt.Errorf("command %s is %s: %s: %s", cmd.GetCommandId(), a.GetOutcome(), a.GetReason(), a.GetRemedy())
	})
	if err := errors.Join(damaged, err); err != nil {
		return fmt.Errorf("load the sample: %w", err)
	}
	c.say("sample: %d commands recorded, %d recorded before", counts["recorded"], counts["repeated"])
	return nil
}
