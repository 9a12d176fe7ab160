package kurrenttest

import (
	"math"

	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
)

const (
	// liveEventsMaxDefault is how many live events the server keeps for a slow subscriber (Enumerator.cs, MaxLiveEventBufferCount).
	liveEventsMaxDefault = 32
	// readBatchEvents is the server's page (Enumerator.cs, ReadBatchSize).
	readBatchEvents = 32
)

// subscription follows the log, or one stream of it, from a place on. Its place is an index: so there is neither gap nor repetition between what
// was there and what comes.
type subscription struct {
	*reader
	at         int      // the next event of the source
	known      position // of $all: events up to here are known already, even those to come
	place      position // of the last event that was considered
	considered int      // events since the last checkpoint
	live       bool
}

// subscribe is Enumerator.AllSubscription.cs, Enumerator.AllSubscriptionFiltered.cs and Enumerator.StreamSubscription.cs: a confirmation, what is
// there, the word that this is all, then what comes.
func (r *reader) subscribe() error {
	s := &subscription{reader: r}
	name, err := s.start()
	if err != nil {
		return err
	}
	if r.filter != nil && r.filter.checkpointEvents <= 0 {
		return invalidOperation("the checkpoint interval of a filter is 0")
	}
	if err := r.call.Send(&api.ReadResp{Content: &api.ReadResp_Confirmation{
		Confirmation: &api.ReadResp_SubscriptionConfirmation{SubscriptionId: uuid.NewString()},
	}}); err != nil {
		return err
	}
	if events, _, _, _ := r.node.store.source(name); s.at >= len(events) {
		// Who starts at the end is live at once, without a checkpoint (Enumerator.AllSubscriptionFiltered.cs, MainLoop).
		if err := s.goLive(); err != nil {
			return err
		}
	}
	return s.follow(name)
}

// start finds the first event to send. Unlike that of a read, the place that a subscription names is known to it already (ReadReq.cs,
// ToSubscriptionPosition and ToSubscriptionStreamRevision).
func (s *subscription) start() (name string, err error) {
	if stream := s.options.GetStream(); stream != nil {
		name = string(stream.GetStreamIdentifier().GetStreamName())
		events, _, _, _ := s.node.store.source(name)
		switch o := stream.GetRevisionOption().(type) {
		case *api.ReadReq_Options_StreamOptions_Revision:
			s.at = int(min(o.Revision, math.MaxInt-1)) + 1
		case *api.ReadReq_Options_StreamOptions_End:
			s.at = len(events)
		}
		return name, nil
	}
	all := s.options.GetAll()
	if all == nil {
		return "", invalidOperation("a subscription names neither a stream nor $all")
	}
	log := s.node.store.snapshot()
	switch o := all.GetAllOption().(type) {
	case *api.ReadReq_Options_AllOptions_Position:
		s.known = position{o.Position.GetCommitPosition(), o.Position.GetPreparePosition()}
		if !boundary(log, s.known) {
			return "", refuse(codes.InvalidArgument, "Trying to read from an invalid position.") // RpcExceptions.cs, InvalidPositionException
		}
		s.at = search(log, s.known)
		s.place = s.known
	case *api.ReadReq_Options_AllOptions_End:
		if s.at = len(log); s.at > 0 {
			s.place = log[s.at-1].position()
		}
	}
	return "", nil
}

// source gives the events that a subscription follows, from which on they are shown, and what tells of more.
func (s *Store) source(name string) (events []*Event, tombstoned bool, first int64, changed chan struct{}) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if name == "" {
		return s.log, false, 0, s.changed
	}
	if st := s.streams[name]; st != nil {
		return st.events, st.tombstoned, st.firstVisible(), s.changed
	}
	return nil, false, 0, s.changed
}

func (s *subscription) follow(name string) error {
	store, ctx := s.node.store, s.call.Context()
	store.mu.RLock()
	dropped := store.dropped
	store.mu.RUnlock()
	for {
		events, tombstoned, first, changed := store.source(name)
		if !s.live {
			// What is there is read as readers do; what comes is sent as written.
			if tombstoned {
				return streamDeleted(name)
			}
			s.at = max(s.at, int(min(first, int64(len(events)))))
		}
		if s.live && len(events)-s.at > store.config.LiveEventsMax {
			if err := s.fallBehind(); err != nil {
				return err
			}
		}
		for s.at < len(events) {
			if err := s.pass(events[s.at], name != ""); err != nil {
				return err
			}
			s.at++
			select {
			case <-dropped:
				return subscriptionDropped()
			case <-s.node.draining():
				return notReady()
			default:
			}
		}
		if tombstoned {
			// The end of the stream was sent as its last event; there is no more (Enumerator.StreamSubscription.cs, SendEventToSubscription).
			return streamDeleted(name)
		}
		if !s.live {
			if err := s.catchUp(); err != nil {
				return err
			}
		}
		if err := s.reached(); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-dropped:
			return subscriptionDropped()
		case <-s.node.draining():
			return notReady()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pass sends an event if it is wanted, and a checkpoint when it is due.
func (s *subscription) pass(e *Event, byStream bool) error {
	if !s.known.less(e.position()) && !byStream {
		return nil // a subscriber may name a place that the log has yet to reach (Enumerator.AllSubscription.cs, GoLive)
	}
	if s.filter.allows(e) {
		if err := s.send(e, byStream); err != nil {
			return err
		}
	}
	s.place = e.position()
	if s.filter == nil {
		return nil
	}
	s.considered++
	if s.considered < s.filter.checkpointEvents {
		return nil
	}
	return s.checkpoint()
}

// checkpoint tells a filtered subscription how far the log was searched.
func (s *subscription) checkpoint() error {
	s.considered = 0
	if s.filter == nil || s.place == (position{}) {
		return nil
	}
	return s.call.Send(&api.ReadResp{Content: &api.ReadResp_Checkpoint_{
		Checkpoint: &api.ReadResp_Checkpoint{CommitPosition: s.place.commit, PreparePosition: s.place.prepare},
	}})
}

// catchUp tells that all that was there is sent, after a checkpoint (AllSubscriptionFiltered.cs, CatchUp and GoLive).
func (s *subscription) catchUp() error {
	if err := s.checkpoint(); err != nil {
		return err
	}
	return s.goLive()
}

func (s *subscription) goLive() error {
	s.live = true
	return s.call.Send(&api.ReadResp{Content: &api.ReadResp_CaughtUp_{CaughtUp: &api.ReadResp_CaughtUp{}}})
}

// fallBehind tells that live events were more than the server keeps, so that they are read again from the log (AllSubscriptionFiltered.cs, GoLive).
func (s *subscription) fallBehind() error {
	s.live = false
	if err := s.call.Send(&api.ReadResp{Content: &api.ReadResp_FellBehind_{FellBehind: &api.ReadResp_FellBehind{}}}); err != nil {
		return err
	}
	return s.checkpoint()
}

// DropSubscriptions ends all subscriptions that are open now.
func (s *Store) DropSubscriptions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.dropped)
	s.dropped = make(chan struct{})
}

// subscriptionDropped is not confirmed: it stands for any end that the server gives to a subscription of its own.
func subscriptionDropped() error {
	return refuse(codes.Aborted, "Operation timed out: subscription dropped")
}
