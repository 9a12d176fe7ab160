package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/allied-ledger/allied/events/es"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/spf13/cobra"
)

func (c *cli) submitCommand() *cobra.Command {
	var keepGoing bool
	cmd := &cobra.Command{
		Use:   "submit FILE|-",
		Short: "Send commands, one JSON object a line, and print what became of each",
		Long: `Sends the commands of FILE, or of standard input where FILE is -: one JSON object of allied.api.v1.Command on each line.

A line that is no command stops the reading: what stands before it is sent and answered, what stands after it is not. With
--keep-going such lines are reported and passed over. A command that is refused stops nothing; its answer says why. A ledger whose disk
is full or failing stops the sending, with exit code 6.

Sending a file again is harmless where its commands carry a command_id: what is recorded already answers "repeated".`,
		Example: `  echo '{"donor":"NOR","beneficiary":"UKR","effective":"2024-03-01","commit_pledge":{"title":"Air defence","commitments":[{"firmness":"firm","line":{"category":"MIL.AIRDEF","instrument":"grant","values":[{"basis":"donor_stated","asset":"EUR/2@donor_stated","amount":"625.00"}]}}]}}' | allied submit -
  allied submit commands.jsonl -o jsonl`,
		Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.submit(cmd.Context(), args[0], keepGoing) },
	}
	cmd.Flags().BoolVar(&keepGoing, "keep-going", false, "pass over lines that are no command, instead of stopping there")
	return cmd
}

// answerDoc is an answer as -o json and jsonl print it. Place is there where something is recorded.
type answerDoc struct {
	Line      int      `json:"line"`
	Outcome   string   `json:"outcome"`
	CommandID string   `json:"command_id,omitempty"`
	Stream    string   `json:"stream,omitempty"`
	Position  *uint64  `json:"position,omitempty"`
	Ordinal   *uint64  `json:"ordinal,omitempty"`
	Revision  *uint64  `json:"revision,omitempty"`
	EventIDs  []string `json:"event_ids,omitempty"`
	LogID     string   `json:"log_id,omitempty"`
	Code      string   `json:"code,omitempty"`
	Field     string   `json:"field,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Remedy    string   `json:"remedy,omitempty"`
	Draw      *drawDoc `json:"draw,omitempty"`
}

type drawDoc struct {
	Draw        string `json:"draw"`
	Allocation  string `json:"allocation"`
	Status      string `json:"status"`
	Asset       string `json:"asset,omitempty"`
	Amount      string `json:"amount,omitempty"`
	Over        string `json:"over,omitempty"`
	Donor       string `json:"donor"`
	Beneficiary string `json:"beneficiary"`
	Category    string `json:"category"`
	Instrument  string `json:"instrument"`
}

// The outcomes of a command, in the order that the summary names them.
var outcomes = []string{"recorded", "repeated", "refused", "busy", "unknown"}

// submission is one run of submit: what is read, sent and answered so far.
type submission struct {
	cli       *cli
	file      string
	keepGoing bool

	mu    sync.Mutex
	lines []int // the line of each command sent, by its place in the sequence; read by answers while later lines are read

	answers  []answerDoc
	answered map[int]bool // by place in the sequence
	counts   map[string]int
	head     uint64 // the furthest position that an answer named
	badLines int
	stopped  error // the line that ended the reading
	readErr  error
	read     bool // to the end
}

// standstillError ends a submission to a ledger that takes nothing more.
type standstillError struct{ answer answerDoc }

func (e *standstillError) Error() string {
	return "the ledger takes no commands now: " + e.answer.Reason
}

func (c *cli) submit(ctx context.Context, file string, keepGoing bool) error {
	in, err := c.openInput(file)
	if err != nil {
		return err
	}
	defer in.Close()
	ledger, closeLedger, err := c.connectToWrite(ctx)
	if err != nil {
		return err
	}
	s := &submission{cli: c, file: displayName(file), keepGoing: keepGoing, counts: map[string]int{}, answered: map[int]bool{}}
	err = s.send(ctx, ledger, in)
	if ctx.Err() != nil && err == nil {
		err = context.Cause(ctx)
	}
	err = errors.Join(err, closeLedger())
	if printErr := s.print(); printErr != nil {
		return errors.Join(err, printErr)
	}
	s.summarise()
	return s.verdict(err)
}

func (s *submission) send(ctx context.Context, ledger *client.Client, in io.Reader) error {
	return ledger.SubmitAll(ctx, s.commands(ctx, in), func(i int, _ *apiv1.Command, a *apiv1.Answer) error {
		doc := newAnswerDoc(s.lineOf(i), a)
		s.counts[doc.Outcome]++
		s.answered[i] = true
		s.head = max(s.head, a.GetPosition())
		if s.cli.form != formJSONL {
			s.answers = append(s.answers, doc)
		} else if err := writeJSONLine(s.cli.stdout, doc); err != nil {
			return err
		}
		if client.Standstill(a) {
			return &standstillError{doc}
		}
		return nil
	})
}

// commands yields what can be sent. It ends at a line that is no command, unless the caller chose to go on.
func (s *submission) commands(ctx context.Context, in io.Reader) iter.Seq[*apiv1.Command] {
	return func(yield func(*apiv1.Command) bool) {
		for line, err := range interruptible(ctx, commandLines(s.file, in)) {
			var bad *lineError
			switch {
			case err == nil:
				s.taken(line.line)
				if !yield(line.command) {
					return
				}
			case errors.As(err, &bad) && s.keepGoing:
				s.badLines++
				fmt.Fprintln(s.cli.stderr, visibleLines(err.Error()))
			case errors.As(err, &bad):
				s.badLines++
				s.stopped = err
				return
			default:
				s.readErr = err
				return
			}
		}
		s.read = true
	}
}

func (s *submission) taken(line int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

func (s *submission) lineOf(i int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines[i]
}

// interruptible ends a sequence when ctx does, also while its source waits for input that may never come. Such a wait ends with the process.
func interruptible[K, V any](ctx context.Context, seq iter.Seq2[K, V]) iter.Seq2[K, V] {
	type pair struct {
		k K
		v V
	}
	return func(yield func(K, V) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		pairs := make(chan pair)
		go func() {
			defer close(pairs)
			for k, v := range seq {
				select {
				case pairs <- pair{k, v}:
				case <-ctx.Done():
					return
				}
			}
		}()
		for {
			select {
			case p, open := <-pairs:
				if !open || !yield(p.k, p.v) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

func newAnswerDoc(line int, a *apiv1.Answer) answerDoc {
	reason := strings.Replace(a.GetReason(), " ("+a.GetRemedy()+")", "", 1) // a store's reason ends with its remedy
	doc := answerDoc{
		Line: line, Outcome: a.GetOutcome(), CommandID: a.GetCommandId(), Stream: a.GetStream(), EventIDs: a.GetEventIds(),
		LogID: a.GetLogId(), Code: a.GetCode(), Field: a.GetField(), Reason: reason, Remedy: a.GetRemedy(),
	}
	if doc.Outcome == "recorded" || doc.Outcome == "repeated" {
		position, ordinal, revision := a.GetPosition(), a.GetOrdinal(), a.GetRevision()
		doc.Position, doc.Ordinal, doc.Revision = &position, &ordinal, &revision
	}
	if d := a.GetDraw(); d != nil {
		doc.Draw = &drawDoc{
			Draw: d.GetDraw(), Allocation: d.GetAllocation(), Status: d.GetStatus(), Asset: d.GetAsset(), Amount: d.GetAmount(),
			Over: d.GetOver(), Donor: d.GetDonor(), Beneficiary: d.GetBeneficiary(), Category: d.GetCategory(), Instrument: d.GetInstrument(),
		}
	}
	return doc
}

// print writes the answers in the order of their lines; as JSON lines they have been written as they came.
func (s *submission) print() error {
	if s.cli.form == formJSONL {
		return nil
	}
	slices.SortStableFunc(s.answers, func(a, b answerDoc) int { return a.Line - b.Line })
	if s.answers == nil {
		s.answers = []answerDoc{}
	}
	out := &printout{document: s.answers, columns: []column{
		right("line"), left("outcome"), left("stream"), right("revision"), right("position"), hidden("ordinal"), hidden("command_id"),
		hidden("code"), hidden("field"), hidden("reason"), hidden("remedy"),
	}}
	for _, a := range s.answers {
		out.add(strconv.Itoa(a.Line), a.Outcome, a.Stream, number(a.Revision), number(a.Position), number(a.Ordinal), a.CommandID,
			a.Code, a.Field, a.Reason, a.Remedy)
		if a.Code != "" {
			out.notes = append(out.notes, visible(fmt.Sprintf("line %d %s: %s", a.Line, a.Outcome,
				(&es.Refusal{Code: a.Code, Field: a.Field, Reason: a.Reason, Remedy: a.Remedy}).Error())))
		}
	}
	return out.write(s.cli.stdout, s.cli.form)
}

// number is a figure that may be missing.
func number(n *uint64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatUint(*n, 10)
}

// summarise says on standard error what the file did to the ledger.
func (s *submission) summarise() {
	var parts []string
	for _, o := range outcomes {
		if n := s.counts[o]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o))
		}
	}
	if n := len(s.unsent()); n > 0 {
		parts = append(parts, fmt.Sprintf("%d not sent", n))
	}
	if s.badLines > 0 && s.keepGoing {
		parts = append(parts, counted(s.badLines, "line", "lines")+" not sent")
	}
	said := strings.Join(parts, ", ")
	if said == "" {
		said = "nothing recorded"
	}
	if s.head > 0 {
		said += fmt.Sprintf("; last at position %d", s.head)
	}
	s.cli.say("%s: %s: %s", s.file, counted(len(s.lines), "command", "commands"), said)
}

// unsent are the lines that were read and not sent, since the sending had ended.
func (s *submission) unsent() []int {
	var lines []int
	for i, line := range s.lines {
		if !s.answered[i] {
			lines = append(lines, line)
		}
	}
	return lines
}

// rest says what of the file was not sent.
func (s *submission) rest() string {
	var said []string
	switch unsent := s.unsent(); {
	case len(unsent) == 1:
		said = append(said, fmt.Sprintf("line %d was not sent", unsent[0]))
	case len(unsent) > 1:
		said = append(said, fmt.Sprintf("%d commands were not sent, the first on line %d", len(unsent), unsent[0]))
	}
	if !s.read && len(s.lines) > 0 {
		said = append(said, fmt.Sprintf("nothing after line %d was sent", s.lines[len(s.lines)-1]))
	}
	return strings.Join(append(said, "send the file again with the same command ids then"), "; ")
}

// verdict is what the whole run ends with: the ledger's absence before a bad file, a bad file before a refusal.
func (s *submission) verdict(err error) error {
	var still *standstillError
	switch {
	case errors.As(err, &still):
		return &failure{code: exitUnavailable, err: err, remedy: still.answer.Remedy + "; " + s.rest()}
	case err != nil:
		answered := 0
		for _, n := range s.counts {
			answered += n
		}
		return withRemedy(err, "%d of the %s sent are answered: send the file again with the same command ids to learn of any other",
			answered, counted(len(s.lines), "command", "commands"))
	case s.readErr != nil:
		return s.readErr
	case s.stopped != nil:
		return failf(exitFailure, "%w; nothing from this line on was sent (--keep-going passes over such lines)", s.stopped)
	case s.badLines > 0 || s.counts["refused"] > 0:
		return &silentFailure{exitFailure}
	case s.counts["busy"] > 0 || s.counts["unknown"] > 0:
		return failf(exitUnavailable, "some commands are not answered for certain; send them again with the same command ids")
	}
	return nil
}

// openInput opens a file, or standard input where the name is a dash.
func (c *cli) openInput(name string) (io.ReadCloser, error) {
	if name == "-" {
		if isTerminal(c.stdin) {
			c.say("reading commands from the terminal, one JSON object a line; Ctrl-D ends them")
		}
		return io.NopCloser(c.stdin), nil
	}
	if err := checkFile(name); err != nil {
		return nil, err
	}
	return os.Open(name)
}

// checkFile says early and plainly why a file cannot be read.
func checkFile(name string) error {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return failf(exitFailure, "there is no file %s", name)
	case err != nil:
		return failf(exitCode(err), "%w", err)
	case info.IsDir():
		return failf(exitFailure, "%s is a folder; name a file in it", name)
	}
	return nil
}

func displayName(file string) string {
	if file == "-" {
		return "standard input"
	}
	return file
}

// counted is a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
