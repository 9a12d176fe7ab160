package reference

import (
	"os"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/events/wire"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/boot/boottest"
	"google.golang.org/protobuf/encoding/protojson"
)

// example is the ledger of docs/reference/example.jsonl.
type example struct {
	lines    []string // the file's, by which
	commands []*apiv1.Command
	facts    []posted
}

// posted is one fact, and what it moves in the books.
type posted struct {
	*es.Fact
	legs     []posting.Posting
	unknowns []posting.Unknown
}

// recordExample has the example recorded, all of it, by the roles of a ledger in memory.
func recordExample(t *testing.T) *example {
	t.Helper()
	text, err := os.ReadFile(pathOf("example.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	ledger, _ := boottest.Start(t)
	l := &example{}
	for line := range strings.Lines(string(text)) {
		cmd := new(apiv1.Command)
		if err := protojson.Unmarshal([]byte(line), cmd); err != nil {
			t.Fatalf("example.jsonl, line %d: %v", len(l.lines)+1, err)
		}
		l.lines, l.commands = append(l.lines, strings.TrimSuffix(line, "\n")), append(l.commands, cmd)
		a, err := ledger.Submit(t.Context(), cmd)
		if err != nil || a.Outcome != command.Recorded {
			t.Fatalf("example.jsonl, line %d: %v, %v", len(l.lines), a, err)
		}
	}
	l.post(t, ledger)
	return l
}

// post folds every fact into the books of the pledges that it moves.
func (l *example) post(t *testing.T, ledger *client.Client) {
	t.Helper()
	books := map[string]*posting.Register{}
	for entry, err := range ledger.Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		f, err := wire.Decode(entry)
		if err != nil {
			t.Fatal(err)
		}
		p := posted{Fact: f}
		for _, pledge := range posting.Pledges(nil, f) {
			if books[pledge] == nil {
				books[pledge] = posting.NewRegister()
			}
			var j posting.Journal
			if err := books[pledge].Fold(pledge, f, &j); err != nil {
				t.Fatal(err)
			}
			p.legs, p.unknowns = append(p.legs, j.Postings...), append(p.unknowns, j.Unknowns...)
		}
		l.facts = append(l.facts, p)
	}
}
