package client

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"sync"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/route"
	"github.com/google/uuid"
)

// inFlightCommandsMax bounds the commands of one SubmitAll that are sent, or wait for an earlier one of their stream.
const inFlightCommandsMax = 256

// SubmitAll sends commands, many at once and those of one stream in order, each after the one before it is answered; one that draws on pledges
// goes after all earlier ones of those. It calls answer once
// for each command that it sent, one call at a time, in the order of the answers; i counts the commands from 0. Where a command's answer
// stays busy or unknown, the later ones of its stream are not sent but answered busy, since they may rest on it. After an error of answer,
// and when ctx ends, nothing more is sent; what is in flight is still answered. The error is the first of answer, or ctx's.
func (c *Client) SubmitAll(ctx context.Context, cmds iter.Seq[*apiv1.Command], answer func(i int, cmd *apiv1.Command, a *apiv1.Answer) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s := &submission{moved: make(chan struct{}), client: c, stop: stop, slots: make(chan struct{}, inFlightCommandsMax), lanes: map[string]*lane{}, unsure: map[string]string{}, answer: answer}
	i := 0
	for cmd := range cmds {
		if !s.take(ctx, i, cmd) {
			break
		}
		i++
	}
	s.lanesRun.Wait()
	return context.Cause(ctx)
}

type submission struct {
	client   *Client
	stop     context.CancelCauseFunc // with the first error of answer
	slots    chan struct{}
	lanesRun sync.WaitGroup

	mu    sync.Mutex
	moved chan struct{} // closed and replaced whenever a lane is done with a command
	lanes map[string]*lane
	// unsure names, for a stream, the command without a certain answer, after which nothing is sent.
	unsure map[string]string

	answering sync.Mutex
	answer    func(int, *apiv1.Command, *apiv1.Answer) error
}

// lane holds the commands of one stream that wait for the one in flight.
type lane struct {
	waiting []numbered
	sending *numbered
}

// first is the number of the earliest command that the lane is not done with.
func (l *lane) first() (i int, any bool) {
	switch {
	case l == nil:
		return 0, false
	case l.sending != nil:
		return l.sending.i, true
	case len(l.waiting) > 0:
		return l.waiting[0].i, true
	}
	return 0, false
}

type numbered struct {
	i   int
	cmd *apiv1.Command
}

// take puts a command into its stream's lane as soon as there is room; false means that no more is to be taken.
func (s *submission) take(ctx context.Context, i int, cmd *apiv1.Command) bool {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	if ctx.Err() != nil {
		return false
	}
	name := laneOf(cmd)
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[name]
	if l == nil {
		l = &lane{}
		s.lanes[name] = l
		s.lanesRun.Go(func() { s.run(ctx, name, l) })
	}
	l.waiting = append(l.waiting, numbered{i, cmd})
	return true
}

// laneOf completes the command as far as it can be; one that cannot is refused by Submit, and is in nobody's way.
func laneOf(cmd *apiv1.Command) string {
	if cmd.CommandId == "" {
		if id, err := uuid.NewV7(); err == nil {
			cmd.CommandId = id.String()
		}
	}
	if _, err := route.Complete(cmd); err != nil {
		return "command " + cmd.CommandId
	}
	return cmd.Stream
}

// run sends a lane's commands one after the other until none waits.
func (s *submission) run(ctx context.Context, name string, l *lane) {
	for {
		s.mu.Lock()
		if len(l.waiting) == 0 {
			delete(s.lanes, name)
			s.mu.Unlock()
			return
		}
		next, unsure := l.waiting[0], s.unsure[name]
		l.waiting, l.sending = l.waiting[1:], &next
		s.mu.Unlock()
		if ctx.Err() == nil {
			s.send(ctx, name, next, cmp.Or(unsure, s.awaitDrawn(next)))
		}
		s.mu.Lock()
		l.sending = nil
		close(s.moved)
		s.moved = make(chan struct{})
		s.mu.Unlock()
		<-s.slots
	}
}

// awaitDrawn waits until all earlier commands of the pledges that a command draws on are done with. It returns the one among them that has no
// certain answer, if there is one.
func (s *submission) awaitDrawn(next numbered) (unsure string) {
	for _, pledge := range route.DrawsOn(next.cmd) {
		for {
			s.mu.Lock()
			i, any := s.lanes[pledge].first()
			u, moved := s.unsure[pledge], s.moved
			s.mu.Unlock()
			if u != "" {
				return u
			}
			if !any || i > next.i {
				break
			}
			<-moved
		}
	}
	return ""
}

func (s *submission) send(ctx context.Context, name string, next numbered, unsure string) {
	a := &apiv1.Answer{
		Outcome: command.Busy, CommandId: next.cmd.CommandId, Stream: next.cmd.Stream, Code: "earlier_unsure",
		Reason: fmt.Sprintf("not sent: command %s before it has no certain answer", unsure), Remedy: "send that one again, then this one",
	}
	if unsure == "" {
		var err error
		a, err = s.client.Submit(context.WithoutCancel(ctx), next.cmd)
		if a == nil {
			s.stop(err)
			return
		}
	}
	if unsure == "" && (a.Outcome == command.Busy || a.Outcome == command.Unknown) {
		s.mu.Lock()
		s.unsure[name] = next.cmd.CommandId
		s.mu.Unlock()
	}
	s.answering.Lock()
	defer s.answering.Unlock()
	if err := s.answer(next.i, next.cmd, a); err != nil {
		s.stop(err)
	}
}
