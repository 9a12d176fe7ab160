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
	"github.com/allied-ledger/allied/events/wire"
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
	plan, r, closed, err := prepare(ctx, log, path, opts.Release)
	if err != nil {
		return nil, err
	}
	r.DryRun = true
	if err := r.rehearse(ctx, log, plan, closed); err != nil {
		return nil, err
	}
	return r, nil
}

// rehearse plays the plan. Under a release that is closed, what would be recorded is refused.
func (r *Report) rehearse(ctx context.Context, log Log, plan *Plan, closed bool) error {
	s := newStage(plan)
	if err := s.load(ctx, log); err != nil {
		return fmt.Errorf("read the ledger's streams: %w", err)
	}
	play := func(step Step) error {
		answer, err := s.play(step.Command)
		if err != nil {
			return fmt.Errorf("rehearse row %d: %w", step.Row, err)
		}
		if closed && answer.Outcome == command.Recorded {
			answer.Outcome, answer.Code, answer.Reason = command.Refused, "release_completed", "release "+plan.Release+" is complete, and this is not in it"
			answer.Remedy = "a changed file is another release: import it under another name"
		}
		r.note(step, answer)
		return nil
	}
	for step := range plan.Steps() {
		if err := play(step); err != nil {
			return err
		}
	}
	if len(r.Refused) == 0 || closed {
		if err := play(Step{Row: plan.Rows, Command: plan.Completion()}); err != nil {
			return err
		}
		r.Complete = len(r.Refused) == 0
	}
	r.sort()
	return nil
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

func (s *stage) load(ctx context.Context, log Log) error {
	for entry, err := range log.Read(ctx, 0) {
		if err != nil {
			return err
		}
		if s.pledges[entry.Stream] == nil {
			if _, ok := s.imports[entry.Stream]; !ok {
				continue
			}
		}
		f, err := wire.Decode(entry)
		if err != nil {
			return err
		}
		s.apply(f)
	}
	return nil
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
