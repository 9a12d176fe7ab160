package kiel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/allied-ledger/allied/events/es"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/command"
)

// Log yields what is recorded.
type Log interface {
	Read(ctx context.Context, after es.Position) iter.Seq2[es.Entry, error]
}

// Ledger takes commands and yields its log; *client.Client is one.
type Ledger interface {
	Log
	SubmitAll(ctx context.Context, cmds iter.Seq[*apiv1.Command], answer func(i int, cmd *apiv1.Command, a *apiv1.Answer) error) error
}

// Options say what is imported.
type Options struct {
	// Release names the tracker's release, such as 2024-06.
	Release string
	// Progress is told how many of the commands are answered; nil for nobody.
	Progress func(answered, commands int)
}

// Report says what became of an import.
type Report struct {
	Dataset     string `json:"dataset"`
	Release     string `json:"release"`
	DryRun      bool   `json:"dry_run"`
	Rows        int    `json:"rows"`
	Pledges     int    `json:"pledges"`
	Allocations int    `json:"allocations"`
	// Commands counts what the rows lead to, the closing control totals included; Kinds by what it asks for.
	Commands int            `json:"commands"`
	Kinds    map[string]int `json:"kinds"`
	// Recorded, Repeated (recorded before, nothing added), Refused and Unanswered are what the commands were answered; Refused also holds
	// rows that lead to no command.
	Recorded int `json:"recorded"`
	Repeated int `json:"repeated"`
	// Matched counts pledges that another release recorded with the same content; nothing is sent of them.
	Matched    int       `json:"matched"`
	Refused    []Refused `json:"refused"`
	Unanswered []Refused `json:"unanswered"`
	// Exceptions are pledges of this release beside a pledge of another release with the same ID, which could not be matched with certainty.
	Exceptions []Exception `json:"exceptions"`
	// Flags counts the rows that carry each flag.
	Flags map[string]uint64 `json:"flags"`
	// Complete: every row is in the ledger, and the release's control totals are.
	Complete bool `json:"complete"`
	// Position is that of the last event that the import recorded, or found recorded; 0 where nothing was sent.
	Position uint64 `json:"position"`
}

// Exception is a pledge that a person should compare with another.
type Exception struct {
	ID           string `json:"id"`
	Stream       string `json:"stream"`
	OtherStream  string `json:"other_stream"`
	OtherRelease string `json:"other_release"`
}

// ErrUnanswered: some commands have no certain answer; importing the same file again settles them.
var ErrUnanswered = errors.New("some commands were not answered: run the same import again, which adds nothing twice")

// Run imports a tracker file. Importing the same file again records nothing. What is refused is in the report, and the rest is imported,
// each ID whole or not at all; the control totals close the import only where nothing is refused, and once they have, nothing more is
// recorded under the release: of another file, every ID that differs is refused. The report is not nil where something may have been
// recorded, also beside an error: of the ledger, ctx's, or ErrUnanswered.
func Run(ctx context.Context, ledger Ledger, path string, opts Options) (*Report, error) {
	h, err := rehearse(ctx, ledger, path, opts.Release)
	if err != nil {
		return nil, err
	}
	if h.closed {
		return h.foretell()
	}
	plan, r := h.plan, h.report
	if err := r.submit(ctx, ledger, slices.Collect(plan.Steps()), opts.Progress); err != nil {
		return r, fmt.Errorf("import %s: %w", path, err)
	}
	if len(r.Refused) == 0 && len(r.Unanswered) == 0 {
		if err := r.submit(ctx, ledger, []Step{{Row: plan.lastRow(), Command: plan.Completion()}}, opts.Progress); err != nil {
			return r, fmt.Errorf("close the import of %s: %w", path, err)
		}
		r.Complete = len(r.Refused) == 0 && len(r.Unanswered) == 0
	}
	r.sort()
	if len(r.Unanswered) > 0 {
		return r, ErrUnanswered
	}
	return r, nil
}

// sort puts what many streams answered at once in the order of the rows.
func (r *Report) sort() {
	byRow := func(a, b Refused) int { return cmp.Compare(a.Row, b.Row) }
	slices.SortStableFunc(r.Refused, byRow)
	slices.SortStableFunc(r.Unanswered, byRow)
}

func planOf(path, release string) (*Plan, error) {
	if err := checkRelease(release); err != nil {
		return nil, err
	}
	rows, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	plan, err := NewPlan(rows, release)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return plan, nil
}

func newReport(plan *Plan, exceptions []Exception) *Report {
	r := &Report{
		Dataset: Dataset, Release: plan.Release, Rows: plan.Rows, Pledges: plan.Pledges(), Allocations: plan.Allocations(), Flags: plan.Flags,
		Kinds: map[string]int{kindComplete: 1}, Refused: append([]Refused{}, plan.Refused...), Unanswered: []Refused{}, Exceptions: exceptions,
		Commands: 1,
	}
	for _, m := range plan.measures {
		if m.matched {
			r.Matched++
		}
	}
	for s := range plan.Steps() {
		r.Kinds[s.kind]++
		r.Commands++
	}
	return r
}

func (r *Report) submit(ctx context.Context, ledger Ledger, steps []Step, progress func(answered, commands int)) error {
	commands := func(yield func(*apiv1.Command) bool) {
		for _, s := range steps {
			if !yield(s.Command) {
				return
			}
		}
	}
	return ledger.SubmitAll(ctx, commands, func(i int, _ *apiv1.Command, a *apiv1.Answer) error {
		r.note(steps[i], a)
		if progress != nil {
			progress(r.answered(), r.Commands)
		}
		return nil
	})
}

func (r *Report) answered() int {
	n := r.Recorded + r.Repeated + len(r.Unanswered)
	for _, x := range r.Refused {
		if x.command {
			n++
		}
	}
	return n
}

// note enters one answer.
func (r *Report) note(s Step, a *apiv1.Answer) {
	row := refusal(s, a)
	row.command = true
	switch a.Outcome {
	case command.Recorded:
		r.Recorded++
	case command.Repeated:
		r.Repeated++
	case command.Refused:
		r.Refused = append(r.Refused, row)
	default:
		r.Unanswered = append(r.Unanswered, row)
	}
	r.Position = max(r.Position, a.Position)
}

// refusal is an answer that is no recording, as the report lists it. Who imports a file chose neither lines nor command ids: where those are
// taken, the row is recorded otherwise.
func refusal(s Step, a *apiv1.Answer) Refused {
	out := Refused{Row: s.Row, ID: s.ID, Code: a.Code, Field: a.Field, Reason: a.Reason, Remedy: a.Remedy}
	if a.Code == "line_exists" || a.Code == "command_id_reused" {
		out.Code, out.Field, out.Remedy = "row_changed", "", remedyOtherRelease
		out.Reason = "the ledger holds this row already: with other content, from other rows of the file, or as another version of the importer read it"
	}
	return out
}
