package command

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/wire"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/allied-ledger/allied/services/internal/remotelog"
	"github.com/google/uuid"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

const (
	// judgementsMax bounds how often one command is judged again because another writer came first.
	judgementsMax = 8
	// appendTriesMax bounds how often an append whose answer got lost is repeated.
	appendTriesMax   = 4
	appendRetryWait  = 50 * time.Millisecond
	internalRemedy   = "this is a fault of the service: see its log; nothing was recorded"
	repeatSameRemedy = "send the same command with the same id again, and learn"
)

// handle answers one command. Its answer is true whatever fails on the way: recorded means durable, refused and busy mean that nothing of
// it is or will be recorded, and all else is unknown.
func (h *Host[S, C]) handle(ctx context.Context, cmd *apiv1.Command) *apiv1.Answer {
	in, err := read(cmd, h.spec.Decider.Kind)
	if err != nil {
		return h.fault(cmd, err)
	}
	c, err := h.spec.Parse(in)
	if err != nil {
		return h.fault(cmd, err)
	}
	leave, err := h.lanes.enter(ctx, in.Stream)
	if err != nil {
		return answer(cmd, Busy, "service_stopping", "the service stops", "send it again")
	}
	defer leave()
	for range judgementsMax {
		if a := h.judge(ctx, in, c); a != nil {
			return a
		}
	}
	return answer(cmd, Busy, "stream_contended", fmt.Sprintf("other writers came first %d times", judgementsMax), "send it again")
}

// judge answers a command from the stream's present state, or returns nil where another writer came first.
func (h *Host[S, C]) judge(ctx context.Context, in Input, c C) *apiv1.Answer {
	s, fresh, err := h.load(ctx, in.Stream)
	if err != nil {
		return h.unread(in, err)
	}
	for {
		out, events := h.decide(s, in, c)
		if out == nil {
			return h.draw(ctx, s, in, c, events)
		}
		if fresh {
			h.cache.put(s)
			return h.settle(ctx, s, in, c, out)
		}
		// What is not recorded now must rest on the log as it is now: a kept state may have been overtaken by another process.
		changed, err := h.advance(ctx, s)
		if errors.Is(err, errOtherLog) {
			return nil
		}
		if err != nil {
			return h.unread(in, err)
		}
		if !changed {
			h.cache.put(s)
			return h.settle(ctx, s, in, c, out)
		}
		fresh = true
	}
}

// decide answers a repeat or a refusal, or returns the events to record. It changes nothing.
func (h *Host[S, C]) decide(s *stream[S], in Input, c C) (out *apiv1.Answer, events []es.Event) {
	if a := s.applied[in.ID]; a != nil {
		if a.digest != [32]byte(in.Envelope.CommandDigest) {
			return answer(in.Command, Refused, "command_id_reused",
				fmt.Sprintf("%s has recorded another command under this id, at revision %d", s.name, a.revision),
				"give every command an id of its own, and repeat one only as it was"), nil
		}
		return h.done(s, in, c, Repeated, a), nil
	}
	defer func() {
		if p := recover(); p != nil {
			h.zap.Error("decider panicked", zap.String("stream", s.name), zap.String("command", in.ID.String()), zap.Any("panic", p),
				zap.ByteString("stack", debug.Stack()))
			out, events = answer(in.Command, Refused, "internal_error", "the decider failed", internalRemedy), nil
		}
	}()
	events, err := h.spec.Decider.Decide(s.state, c)
	switch {
	case err != nil:
		return h.fault(in.Command, err), nil
	case len(events) == 0:
		return h.fault(in.Command, errors.New("the decider recorded nothing and refused nothing")), nil
	case len(events) > es.AppendRecordsMax:
		return answer(in.Command, Refused, "too_many_events",
			fmt.Sprintf("the command leads to %d events, at most %d are recorded at once", len(events), es.AppendRecordsMax), "split the command"), nil
	}
	return nil, events
}

// record has the events appended. It returns nil where another writer came first: then nothing of the command is recorded.
func (h *Host[S, C]) record(ctx context.Context, s *stream[S], in Input, c C, events []es.Event) *apiv1.Answer {
	env := proto.CloneOf(in.Envelope)
	if d, b := h.spec.Parties(s.state); env.Donor == "" || env.Beneficiary == "" {
		env.Donor, env.Beneficiary = first(env.Donor, d), first(env.Beneficiary, b)
	}
	req := &logv1.Append{Stream: s.name, ExpectedRevision: s.revision}
	for i, ev := range events {
		e, err := wire.NewEvent(ident.EventID(s.name, in.ID, i), env, ev)
		if err != nil {
			return h.fault(in.Command, err)
		}
		req.Events = append(req.Events, e)
	}
	logID, res, out := h.append(ctx, in, req)
	if out != nil || res == nil {
		return out
	}
	if s.logID != logID {
		return h.done(s, in, c, Recorded, place(req, res)) // the state is void and is dropped
	}
	if err := h.foldOwn(s, env, req, res, events); err != nil {
		h.zap.Error("recorded, but not folded", zap.String("stream", s.name), zap.Error(err))
		return h.done(s, in, c, Recorded, place(req, res))
	}
	h.cache.put(s)
	return h.done(s, in, c, Recorded, s.applied[in.ID])
}

// append returns the recorder's answer where it is recorded, an answer for the client where it is not or is not known, and neither where
// another writer came first. It repeats an append whose answer got lost, with the same ids: the log answers what it answered first.
func (h *Host[S, C]) append(ctx context.Context, in Input, req *logv1.Append) (string, *logv1.AppendResult, *apiv1.Answer) {
	perhaps := false // an earlier try may still be recorded
	var last *apiv1.Answer
	for try := range appendTriesMax {
		if try > 0 && !wait(ctx, appendRetryWait<<try) {
			break
		}
		logID, res, err := h.appends.Append(ctx, req)
		var large *tooLargeError
		switch {
		case errors.As(err, &large):
			return "", nil, answer(in.Command, Refused, "command_too_large", err.Error(), "split the command")
		case errors.Is(err, remotelog.ErrUnavailable):
			last = answer(in.Command, Busy, "recorder_unavailable", err.Error(), "send it again once the recorder is back")
		case err != nil:
			perhaps = true
			last = answer(in.Command, Unknown, "append_unanswered", err.Error(), repeatSameRemedy)
		case res.Status == logv1.AppendStatus_APPEND_STATUS_RECORDED:
			return logID, res, nil
		case res.Status == logv1.AppendStatus_APPEND_STATUS_CONFLICT:
			return "", nil, nil // and an earlier try can no longer be recorded: its revision is taken
		case res.Status == logv1.AppendStatus_APPEND_STATUS_REFUSED:
			return "", nil, answer(in.Command, Refused, res.Code, res.Message, res.Remedy)
		case res.Status == logv1.AppendStatus_APPEND_STATUS_BUSY:
			last = answer(in.Command, Busy, res.Code, res.Message, res.Remedy)
		default:
			perhaps = true
			last = answer(in.Command, Unknown, first(res.Code, "append_unknown"), res.Message, first(res.Remedy, repeatSameRemedy))
		}
		if !perhaps {
			return "", nil, last
		}
	}
	if last == nil || last.Outcome != Unknown {
		last = answer(in.Command, Unknown, "append_unanswered", "an append was not answered, and "+last.GetReason(), repeatSameRemedy)
	}
	return "", nil, last
}

// foldOwn applies what was just recorded, as a reader of the log would see it.
func (h *Host[S, C]) foldOwn(s *stream[S], env *eventv1.Envelope, req *logv1.Append, res *logv1.AppendResult, events []es.Event) error {
	for i, ev := range events {
		f := &es.Fact{
			ID: uuid.UUID(req.Events[i].EventId), Stream: s.name, Revision: uint64(s.revision + 1),
			Position: es.Position(res.Position), Ordinal: res.Ordinal - uint64(len(events)-1-i),
			Type: req.Events[i].Type, Envelope: env, Event: ev,
		}
		if err := h.fold(s, f); err != nil {
			return err
		}
	}
	return nil
}

func place(req *logv1.Append, res *logv1.AppendResult) *applied {
	a := &applied{position: res.Position, ordinal: res.Ordinal, revision: uint64(req.ExpectedRevision + int64(len(req.Events)))}
	for _, e := range req.Events {
		a.events = append(a.events, uuid.UUID(e.EventId))
	}
	return a
}

// done answers a command that is recorded.
func (h *Host[S, C]) done(s *stream[S], in Input, c C, outcome string, a *applied) *apiv1.Answer {
	out := answer(in.Command, outcome, "", "", "")
	out.Position, out.Ordinal, out.Revision, out.LogId = a.position, a.ordinal, a.revision, s.logID
	for _, id := range a.events {
		out.EventIds = append(out.EventIds, id.String())
	}
	if h.spec.Draw != nil {
		out.Draw = h.spec.Draw(s.state, c)
	}
	return out
}

// unread answers a command whose stream cannot be read: nothing of it was tried.
func (h *Host[S, C]) unread(in Input, err error) *apiv1.Answer {
	if errors.Is(err, remotelog.ErrUnavailable) {
		return answer(in.Command, Busy, "recorder_unavailable", err.Error(), "send it again once the recorder is back")
	}
	return answer(in.Command, Busy, "stream_unreadable", err.Error(), "send it again; if it stays so, check the log with `allied replay --verify`")
}

// fault answers with a refusal, or with what went wrong in the service itself.
func (h *Host[S, C]) fault(cmd *apiv1.Command, err error) *apiv1.Answer {
	var r *es.Refusal
	if errors.As(err, &r) {
		return refusal(cmd, r)
	}
	h.zap.Error("command not decided", zap.String("stream", cmd.Stream), zap.String("command", cmd.CommandId), zap.Error(err))
	return answer(cmd, Refused, "internal_error", err.Error(), internalRemedy)
}

func answer(cmd *apiv1.Command, outcome, code, reason, remedy string) *apiv1.Answer {
	return &apiv1.Answer{Outcome: outcome, CommandId: cmd.CommandId, Stream: cmd.Stream, Code: code, Reason: reason, Remedy: remedy}
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
