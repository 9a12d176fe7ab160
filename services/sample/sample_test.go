package sample

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/wire"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/boot/boottest"
	"google.golang.org/protobuf/proto"
)

func collect(t *testing.T) []*apiv1.Command {
	t.Helper()
	var out []*apiv1.Command
	for c, err := range Commands() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

func TestSampleIsTheSameOnEveryCall(t *testing.T) {
	a, b := collect(t), collect(t)
	if !slices.EqualFunc(a, b, func(x, y *apiv1.Command) bool { return proto.Equal(x, y) }) {
		t.Error("two calls differ")
	}
}

// Every command of the sample is obeyed by the real services, and loaded twice it records nothing more.
func TestSampleIsAccepted(t *testing.T) {
	ledger, _ := boottest.Start(t)
	for _, want := range []string{command.Recorded, command.Repeated} {
		err := ledger.SubmitAll(t.Context(), slices.Values(collect(t)), func(_ int, c *apiv1.Command, a *apiv1.Answer) error {
			if a.Outcome != want {
				return fmt.Errorf("%s %s is %s, not %s: %s %s", c.Donor, c.Stream, a.Outcome, want, a.Code, a.Reason)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	kinds, donors := map[string]int{}, map[string]bool{}
	for e, err := range ledger.Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		f, err := wire.Decode(e)
		if err != nil {
			t.Fatal(err)
		}
		kinds[f.Type[strings.LastIndexByte(f.Type, '.')+1:]]++
		donors[f.Envelope.GetDonor()] = true
	}
	if len(donors) < 13 {
		t.Errorf("donors %v", slices.Sorted(maps.Keys(donors)))
	}
	for _, k := range []string{
		"PledgeAnnounced", "PledgeCommitted", "PledgeAllocated", "TrancheScheduled", "TrancheActivated", "DrawReserved", "DrawReleased",
		"ShipmentPlanned", "ShipmentDispatched", "ShipmentHandedOver", "ShipmentDiscrepancy", "ShipmentClosed",
		"PaymentInstructed", "PaymentAccepted", "PaymentBooked",
	} {
		if kinds[k] == 0 {
			t.Errorf("the sample has no %s", k)
		}
	}
}

// What is invented says so in its source and its flags; what is announced does not.
func TestInventedPledgesSaySo(t *testing.T) {
	for _, c := range collect(t) {
		invented := c.Donor != "USA"
		if said := strings.Contains(c.Sources[0].Publisher, "synthetic"); said != invented {
			t.Errorf("%s: source %q", c.Donor, c.Sources[0].Publisher)
		}
		if said := len(c.Flags) == 1 && c.Flags[0].Code == "synthetic"; said != invented {
			t.Errorf("%s: flags %v", c.Donor, c.Flags)
		}
	}
}

func TestDrawdownPackages(t *testing.T) {
	packages, err := drawdowns()
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) != 56 {
		t.Fatalf("%d packages", len(packages))
	}
	years := map[string]string{}
	for _, d := range packages {
		years[d.number] = d.fiscalYear()
		if d.number == "29" && d.amount.Text(2) != "2850000000.00" {
			t.Errorf("package 29 is %s", d.amount.Text(2))
		}
	}
	for number, want := range map[string]string{"2": "2022", "21": "2022", "22": "2023", "47": "2023", "48": "2024", "57": "2024"} {
		if years[number] != want {
			t.Errorf("package %s is of fiscal year %s, not %s", number, years[number], want)
		}
	}
}
