package kiel

import (
	"context"
	"errors"
	"fmt"

	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	importrules "github.com/allied-ledger/allied/events/imports"
	"github.com/allied-ledger/allied/events/pledge"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/imports"
	"github.com/allied-ledger/allied/services/pledges"
	"github.com/google/uuid"
)

// Rehearse says what Run would do now: it asks the same deciders, with the states that the log leads to, and sends nothing. What is recorded
// in the meantime may change the answers.
func Rehearse(ctx context.Context, log Log, path string, opts Options) (*Report, error) {
	h, err := rehearse(ctx, log, path, opts.Release)
	if err != nil {
		return nil, err
	}
	h.report.DryRun = true
	return h.foretell()
}

// rehearsal is a plan that was played on what the log holds: what is left of it can be recorded whole.
type rehearsal struct {
	plan   *Plan
	report *Report
	stage  *stage
	// answers are those to the plan's steps, in their order.
	answers []*apiv1.Answer
	// closed: the release is complete, and from other rows than the plan's.
	closed bool
}

// rehearse plans the import of a file and plays the plan. Every import begins so, lest it find a refusal when half of a pledge is recorded.
func rehearse(ctx context.Context, log Log, path, release string) (*rehearsal, error) {
	plan, err := planOf(path, release)
	if err != nil {
		return nil, err
	}
	s := newStage(plan)
	known, err := plan.lookBack(ctx, log, s)
	if err != nil {
		return nil, fmt.Errorf("read the ledger before the import of %s: %w", path, err)
	}
	exceptions := plan.compare(known)
	answers, err := plan.playOn(s, known.closed)
	if err != nil {
		return nil, fmt.Errorf("rehearse the import of %s: %w", path, err)
	}
	return &rehearsal{plan, newReport(plan, exceptions), s, answers, known.closed}, nil
}

// playOn plays every measure, and returns the answers to the steps of those that stay. A measure of which a step is refused is refused
// whole. Under a release that is closed, what would be recorded is refused.
func (p *Plan) playOn(s *stage, closed bool) ([]*apiv1.Answer, error) {
	var all []*apiv1.Answer
	kept := p.measures[:0]
	for _, m := range p.measures {
		var answers []*apiv1.Answer
		refused := map[int]*apiv1.Answer{} // by row
		for step := range m.steps(p.Release) {
			a, err := s.play(step.Command)
			if err != nil {
				return nil, fmt.Errorf("row %d: %w", step.Row, err)
			}
			if closed && a.Outcome == command.Recorded {
				a.Outcome, a.Code, a.Reason = command.Refused, "release_completed", "release "+p.Release+" is complete, and this is not in it"
				a.Remedy = remedyOtherRelease
			}
			if a.Outcome == command.Refused && refused[step.Row] == nil {
				refused[step.Row] = a
			}
			answers = append(answers, a)
		}
		if len(refused) > 0 {
			p.refuseWhole(m, refused)
			continue
		}
		kept = append(kept, m)
		all = append(all, answers...)
	}
	p.measures = kept
	return all, nil
}

// refuseWhole refuses every row of a measure: those that a refused step begins with for the decider's reason, the others for theirs.
func (p *Plan) refuseWhole(m *measure, refused map[int]*apiv1.Answer) {
	for _, f := range m.facts {
		if a := refused[f.Number]; a != nil {
			p.Refused = append(p.Refused, refusal(Step{Row: f.Number, ID: m.id}, a))
			continue
		}
		p.refuse(f.Row, otherRow)
	}
}

// foretell enters what the stage answered in the report, and what it answers to the completion.
func (h *rehearsal) foretell() (*Report, error) {
	r, i := h.report, 0
	for step := range h.plan.Steps() {
		r.note(step, h.answers[i])
		i++
	}
	if len(r.Refused) == 0 || h.closed {
		last := Step{Row: h.plan.lastRow(), Command: h.plan.Completion()}
		a, err := h.stage.play(last.Command)
		if err != nil {
			return nil, fmt.Errorf("rehearse the completion: %w", err)
		}
		r.note(last, a)
		r.Complete = len(r.Refused) == 0
	}
	r.sort()
	return r, nil
}

// stage holds the states of the streams that a plan touches.
type stage struct {
	pledges map[string]*pledge.State
	imports map[string]importrules.State
	applied map[uuid.UUID][]byte // digests by command id
	// heard is told of each event that a command leads to; nil for nobody.
	heard func(*es.Fact)
}

func newStage(plan *Plan) *stage {
	s := &stage{pledges: map[string]*pledge.State{}, imports: map[string]importrules.State{}, applied: map[uuid.UUID][]byte{}}
	for _, m := range plan.measures {
		s.pledges[m.stream] = pledge.Decider.Initial(m.stream)
	}
	last := plan.Completion().Stream
	s.imports[last] = importrules.Decider.Initial(last)
	return s
}

// holds tells whether the plan touches a stream.
func (s *stage) holds(stream string) bool {
	_, ok := s.imports[stream]
	return ok || s.pledges[stream] != nil
}

func (s *stage) apply(f *es.Fact) {
	if state := s.pledges[f.Stream]; state != nil {
		s.pledges[f.Stream] = pledge.Decider.Evolve(state, f)
	} else {
		s.imports[f.Stream] = importrules.Decider.Evolve(s.imports[f.Stream], f)
	}
	if id, err := uuid.FromBytes(f.Envelope.GetCommandId()); err == nil {
		s.applied[id] = f.Envelope.GetCommandDigest()
	}
}

// play answers a command as its service would, and applies what it leads to.
func (s *stage) play(cmd *apiv1.Command) (*apiv1.Answer, error) {
	in, err := inputOf(cmd)
	if err != nil {
		return nil, err
	}
	out := &apiv1.Answer{Outcome: command.Recorded, CommandId: cmd.CommandId, Stream: cmd.Stream}
	if digest, ok := s.applied[in.ID]; ok {
		out.Outcome = command.Repeated
		if string(digest) != string(in.Envelope.CommandDigest) {
			out.Outcome, out.Code, out.Reason = command.Refused, "command_id_reused", "another command is recorded under this id"
			out.Remedy = "give every command an id of its own, and repeat one only as it was"
		}
		return out, nil
	}
	events, err := s.decide(in)
	var refusal *es.Refusal
	switch {
	case errors.As(err, &refusal):
		out.Outcome, out.Code, out.Field, out.Reason, out.Remedy = command.Refused, refusal.Code, refusal.Field, refusal.Reason, refusal.Remedy
		return out, nil
	case err != nil:
		return nil, err
	}
	for i, e := range events {
		f := &es.Fact{ID: ident.EventID(in.Stream, in.ID, i), Stream: in.Stream, Type: string(e.ProtoReflect().Descriptor().FullName()), Envelope: in.Envelope, Event: e}
		s.apply(f)
		if s.heard != nil {
			s.heard(f)
		}
	}
	return out, nil
}

func (s *stage) decide(in command.Input) ([]es.Event, error) {
	if state := s.pledges[in.Stream]; state != nil {
		c, err := pledges.Parse(in)
		if err != nil {
			return nil, err
		}
		return pledge.Decider.Decide(state, c)
	}
	c, err := imports.Parse(in)
	if err != nil {
		return nil, err
	}
	return importrules.Decider.Decide(s.imports[in.Stream], c)
}

// inputOf reads the envelope of a command that this package made.
func inputOf(cmd *apiv1.Command) (command.Input, error) {
	id, err := uuid.Parse(cmd.CommandId)
	if err != nil {
		return command.Input{}, fmt.Errorf("read command id: %w", err)
	}
	digest, err := ident.Digest(cmd)
	if err != nil {
		return command.Input{}, err
	}
	effective, err := dates.Parse(cmd.Effective)
	if err != nil {
		return command.Input{}, err
	}
	effective.AsStated = cmd.EffectiveAsStated
	return command.Input{ID: id, Stream: cmd.Stream, Command: cmd, Envelope: &eventv1.Envelope{
		Donor: cmd.Donor, Beneficiary: cmd.Beneficiary, Effective: effective, CommandId: id[:], CommandDigest: digest[:], Sources: cmd.Sources,
		Observed: cmd.Observed, Flags: cmd.Flags,
	}}, nil
}
