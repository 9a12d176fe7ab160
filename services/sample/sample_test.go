package sample

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/posting"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/pledges"
	"github.com/google/uuid"
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

// Every command of the sample is obeyed, in its order, by the real decider, and the books of each pledge take what it leads to.
func TestSampleIsAccepted(t *testing.T) {
	states, registers := map[string]*pledge.State{}, map[string]*posting.Register{}
	ids, kinds, donors := map[string]bool{}, map[string]int{}, map[string]bool{}
	for _, c := range collect(t) {
		if ids[c.CommandId] {
			t.Fatalf("command id %s stands twice", c.CommandId)
		}
		ids[c.CommandId] = true
		s := states[c.Stream]
		if s == nil {
			s, registers[c.Stream] = pledge.Decider.Initial(c.Stream), posting.NewRegister()
		}
		effective, err := dates.Parse(c.Effective)
		if err != nil {
			t.Fatal(err)
		}
		in := command.Input{ID: uuid.MustParse(c.CommandId), Stream: c.Stream, Command: c, Envelope: &eventv1.Envelope{
			Donor: c.Donor, Beneficiary: c.Beneficiary, Effective: effective, Observed: c.Observed, Sources: c.Sources,
		}}
		cmd, err := pledges.Parse(in)
		if err != nil {
			t.Fatalf("%s of %s: %v", c.CommandId, c.Donor, err)
		}
		events, err := pledge.Decider.Decide(s, cmd)
		if err != nil {
			t.Fatalf("%s %s: %v", c.Donor, c.Sources[0].ExternalId, err)
		}
		for _, e := range events {
			f := &es.Fact{Stream: c.Stream, Envelope: in.Envelope, Event: e}
			s = pledge.Decider.Evolve(s, f)
			var j posting.Journal
			if err := registers[c.Stream].Fold(f.Stream, f, &j); err != nil {
				t.Fatal(err)
			}
			kinds[string(e.ProtoReflect().Descriptor().Name())]++
		}
		states[c.Stream] = s
		donors[c.Donor] = true
	}
	if len(donors) < 13 {
		t.Errorf("donors %v", slices.Sorted(maps.Keys(donors)))
	}
	for _, k := range []string{"PledgeAnnounced", "PledgeCommitted", "PledgeAllocated", "TrancheScheduled", "TrancheActivated", "DrawReserved", "DrawReleased"} {
		if kinds[k] == 0 {
			t.Errorf("the sample has no %s", k)
		}
	}
	t.Logf("%d commands, %d pledges, events %v", len(ids), len(states), kinds)
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
