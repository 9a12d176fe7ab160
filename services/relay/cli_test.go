package relay_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// commandLine takes the words of a line of a shell, of which some stand in single quotes.
var commandLine = regexp.MustCompile(`'([^']*)'|(\S+)`)

// The command-line tool of NATS, which nobody here wrote, does what the guide says: each of its commands is run.
func TestTheGuidesCommandsOfNATS(t *testing.T) {
	const events = 10
	n, err := boot.Start(t.Context(), boot.Config{Profile: boot.ProfileDev, Logger: zap.NewNop()})
	must(t, err)
	t.Cleanup(func() { must(t, n.Close(context.Background())) })
	nc, err := nats.Connect(n.URL())
	must(t, err)
	defer nc.Close()
	ledger := client.New(nc, client.Config{})
	for range events {
		a, err := ledger.Submit(t.Context(), &apiv1.Command{
			CommandId: uuid.NewString(), Donor: "NOR", Beneficiary: "UKR", Effective: "2024-03-01",
			Body: &apiv1.Command_CommitPledge{CommitPledge: &apiv1.CommitPledge{Title: "Radar", Commitments: []*apiv1.CommitLine{{
				Firmness: "firm", Line: &apiv1.Line{Category: "MIL.AIRDEF", Instrument: "grant", Values: []*apiv1.Value{
					{Basis: "donor_stated", Asset: "EUR/2@donor_stated", Amount: "5.00"},
				}},
			}}}},
		})
		if err != nil || a.Outcome != "recorded" {
			t.Fatalf("%v %v", a, err)
		}
	}
	js, err := jetstream.New(nc)
	must(t, err)
	await(t, "the events are published", func() bool {
		s, err := js.Stream(t.Context(), "ALLIED_EVENTS")
		return err == nil && s.CachedInfo().State.Msgs == events
	})

	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "guides", "events.md"))
	must(t, err)
	ran := 0
	for line := range strings.Lines(string(guide)) {
		words, ok := strings.CutPrefix(strings.TrimSpace(line), "nats ")
		if !ok {
			continue
		}
		args := []string{"tool", "nats", "--server", n.URL()}
		for _, m := range commandLine.FindAllStringSubmatch(words, -1) {
			args = append(args, m[1]+m[2])
		}
		cmd := exec.Command("go", args...)
		cmd.Dir = filepath.Join("..", "..", "proto", "tools")
		cmd.Env = append(os.Environ(), "GOWORK=off")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("nats %s: %v\n%s", words, err, out)
		}
		ran++
		if strings.Contains(words, "consumer next") {
			var got []string
			for _, m := range regexp.MustCompile(`Allied-Ledger-Ordinal: (\d+)`).FindAllSubmatch(out, -1) {
				got = append(got, string(m[1]))
			}
			if !slices.Equal(got, strings.Fields("0 1 2 3 4 5 6 7 8 9")) {
				t.Errorf("the consumer is given ordinals %q\n%s", got, out)
			}
		}
		if strings.Contains(words, "stream get") && !strings.Contains(string(out), "allied.event.v1.PledgeCommitted") {
			t.Errorf("the first message is\n%s", out)
		}
	}
	if ran < 3 {
		t.Errorf("the guide has %d commands of nats", ran)
	}
}
