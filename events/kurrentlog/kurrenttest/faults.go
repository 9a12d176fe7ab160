package kurrenttest

import (
	"context"
	"errors"
	"slices"
	"sync"

	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
)

// Kind is what a fault does.
type Kind int

const (
	NoFault    Kind = iota
	Answer          // an error of the fault's code
	Cut             // the connection closes; what was just sent may be lost with it
	Silence         // nothing more, until the caller gives up
	Unled           // not-leader, with the leader's endpoint
	LeaderGone      // not-leader, without an endpoint (RpcExceptions.cs, NoLeaderInfo)
	Behind          // a read of $all ends as if there were no more, as at a leader that the others have left and that does not know it yet
)

// Fault is what befalls a call instead of, or beside, its answer.
type Fault struct {
	Kind    Kind
	Code    codes.Code // of Answer
	Message string     // of Answer

	After       bool // of an append: the events are stored first, and only the answer suffers
	AfterEvents int  // of a read or subscription: so many events arrive first

	// Release delays the call until it is closed, or until the caller gives up; then the rest of the fault strikes, if any.
	Release <-chan struct{}
}

// Busy is the server's answer when its queues are full (RpcExceptions.cs, ServerBusy).
func Busy() Fault { return Fault{Kind: Answer, Code: codes.Unavailable, Message: "Server Is Too Busy"} }

// errBehind ends a read early, as if it were whole.
var errBehind = errors.New("the node is behind")

func (f Fault) isNone() bool { return f.Kind == NoFault && f.Release == nil }

// AppendCall is an append before it is judged.
type AppendCall struct {
	Node     *Node
	Number   int // of all appends at the store, from 1
	Stream   string
	Expected int64 // NoStream, Any, StreamExists or a revision
	IDs      []uuid.UUID
	Types    []string
}

// ReadCall is a read or subscription before it is answered.
type ReadCall struct {
	Node         *Node
	Number       int    // of all reads and subscriptions at the store, from 1
	Stream       string // "" is $all
	Subscription bool
	Backwards    bool
}

// hooks choose the faults. Each is called by many calls at once.
type hooks struct {
	mu       sync.Mutex
	onAppend func(AppendCall) Fault
	onRead   func(ReadCall) Fault
	appends  int
	reads    int
}

// OnAppend has appends ask hook for their fault; nil ends it.
func (s *Store) OnAppend(hook func(AppendCall) Fault) {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	s.hooks.onAppend = hook
}

// OnRead has reads and subscriptions ask hook for their fault; nil ends it.
func (s *Store) OnRead(hook func(ReadCall) Fault) {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	s.hooks.onRead = hook
}

func (s *Store) appendFault(n *Node, name string, expected int64, events []Event) Fault {
	s.hooks.mu.Lock()
	s.hooks.appends++
	hook, number := s.hooks.onAppend, s.hooks.appends
	s.hooks.mu.Unlock()
	if hook == nil {
		return Fault{}
	}
	call := AppendCall{Node: n, Number: number, Stream: name, Expected: expected}
	for _, e := range events {
		call.IDs = append(call.IDs, e.ID)
		call.Types = append(call.Types, e.Type)
	}
	return hook(call)
}

func (s *Store) readFault(n *Node, options *api.ReadReq_Options) Fault {
	s.hooks.mu.Lock()
	s.hooks.reads++
	hook, number := s.hooks.onRead, s.hooks.reads
	s.hooks.mu.Unlock()
	if hook == nil {
		return Fault{}
	}
	return hook(ReadCall{
		Node: n, Number: number,
		Stream:       string(slices.Clone(options.GetStream().GetStreamIdentifier().GetStreamName())),
		Subscription: options.GetSubscription() != nil,
		Backwards:    options.GetReadDirection() == api.ReadReq_Options_Backwards,
	})
}

// strike does what a fault says. It gives nil when the call goes on.
func (n *Node) strike(ctx context.Context, f Fault) error {
	if f.Release != nil {
		select {
		case <-f.Release:
		case <-ctx.Done():
			return ctx.Err()
		case <-n.draining():
			return notReady()
		}
	}
	switch f.Kind {
	case Answer:
		return refuse(f.Code, f.Message)
	case Unled:
		return n.pointToLeader()
	case LeaderGone:
		return noLeaderInfo()
	case Behind:
		return errBehind
	case Cut:
		if p, ok := peer.FromContext(ctx); ok {
			n.cut(p.Addr.String())
		}
		<-ctx.Done() // the transport cancels its calls
		return ctx.Err()
	case Silence:
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.draining():
			return notReady()
		}
	}
	return nil
}
