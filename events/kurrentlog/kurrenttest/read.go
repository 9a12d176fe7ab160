package kurrenttest

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
)

// position is a place in $all, ordered by commit, then by prepare (Data/TFPos.cs).
type position struct{ commit, prepare uint64 }

func (p position) less(q position) bool {
	return p.commit < q.commit || p.commit == q.commit && p.prepare < q.prepare
}

func (e *Event) position() position { return position{e.Commit, e.Prepare} }

// Read serves Streams.Read, which is reads and subscriptions both (Streams.Read.cs, Read).
func (n *Node) Read(request *api.ReadReq, call api.Streams_ReadServer) error {
	ctx := call.Context()
	options := request.GetOptions()
	if requiresLeader(ctx) {
		if err := n.refuseUnlessLeader(); err != nil {
			return err
		}
	}
	f, err := filterOf(options.GetFilter())
	if err != nil {
		return err
	}
	r := &reader{
		node: n, call: call, options: options, filter: f,
		fault: n.store.readFault(n, options),
	}
	if options.GetSubscription() != nil {
		return r.subscribe()
	}
	if stream := options.GetStream(); stream != nil {
		return r.readStream(string(stream.GetStreamIdentifier().GetStreamName()), stream)
	}
	if all := options.GetAll(); all != nil {
		if err := r.readAll(all); !errors.Is(err, errBehind) {
			return err
		}
		return nil
	}
	return invalidOperation("a read names neither a stream nor $all")
}

// reader is one call of Read.
type reader struct {
	node    *Node
	call    api.Streams_ReadServer
	options *api.ReadReq_Options
	filter  *filter
	fault   Fault
	sent    int // events
}

// send sends an event, unless the call's fault strikes before it.
func (r *reader) send(e *Event, byStream bool) error {
	if err := r.reached(); err != nil {
		return err
	}
	r.sent++
	return r.call.Send(&api.ReadResp{Content: &api.ReadResp_Event{Event: r.resolved(e, byStream)}})
}

// reached lets the call's fault strike once as many events were sent as it wants.
func (r *reader) reached() error {
	if r.fault.isNone() || r.sent < r.fault.AfterEvents {
		return nil
	}
	fault := r.fault
	r.fault = Fault{}
	return r.node.strike(r.call.Context(), fault)
}

// readStream is Enumerator.ReadStreamForwards.cs and Enumerator.ReadStreamBackwards.cs.
func (r *reader) readStream(name string, options *api.ReadReq_Options_StreamOptions) error {
	events, first, err := r.node.store.visible(name)
	if err != nil {
		return err
	}
	if events == nil {
		if err := r.reached(); err != nil {
			return err
		}
		return r.call.Send(&api.ReadResp{Content: &api.ReadResp_StreamNotFound_{StreamNotFound: &api.ReadResp_StreamNotFound{
			StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(name)},
		}}})
	}
	last := int64(len(events)) - 1
	forwards := r.options.GetReadDirection() == api.ReadReq_Options_Forwards
	at := first
	switch o := options.GetRevisionOption().(type) {
	case *api.ReadReq_Options_StreamOptions_End:
		at = last
		if forwards {
			at++ // the end lies after the last event (ReadReq.cs, ToStreamRevision: End is the largest revision)
		}
	case *api.ReadReq_Options_StreamOptions_Revision:
		at = int64(min(o.Revision, math.MaxInt64))
		if forwards {
			at = max(at, first)
		} else {
			at = min(at, last)
		}
	case *api.ReadReq_Options_StreamOptions_Start:
		if !forwards {
			at = 0 // from the start backwards there is the first event alone, when it is visible
		}
	}
	for left := r.options.GetCount(); left > 0 && at >= first && at <= last; left-- {
		if err := r.send(events[at], true); err != nil {
			return err
		}
		if forwards {
			at++
		} else {
			at--
		}
	}
	return r.reached()
}

// visible gives a stream's events by revision and the first that is to be shown; no events if the stream is absent (IndexReader.cs,
// ReadStreamEventsForwardInternal: a stream whose events are all truncated by a soft delete reads as absent).
func (s *Store) visible(name string) ([]*Event, int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := s.streams[name]
	switch {
	case st == nil || len(st.events) == 0 || st.meta.TruncateBefore == deletedRevision && !st.tombstoned:
		return nil, 0, nil
	case st.tombstoned:
		return nil, 0, streamDeleted(name)
	}
	return st.events, st.firstVisible(), nil
}

// readAll is Enumerator.ReadAllForwards.cs and its kin. Forwards a position is the first event's own, backwards it lies after the first event
// (AllReader.cs: pre-positions forwards, post-positions backwards).
func (r *reader) readAll(options *api.ReadReq_Options_AllOptions) error {
	log := r.node.store.snapshot()
	forwards := r.options.GetReadDirection() == api.ReadReq_Options_Forwards
	at := 0
	switch o := options.GetAllOption().(type) {
	case *api.ReadReq_Options_AllOptions_End:
		at = len(log)
	case *api.ReadReq_Options_AllOptions_Position:
		from := position{o.Position.GetCommitPosition(), o.Position.GetPreparePosition()}
		if !boundary(log, from) {
			// Enumerator.ReadAllForwards.cs has no case of its own for it.
			return refuse(codes.Unknown, "Unexpected ReadAllResult: InvalidPosition")
		}
		at = search(log, from)
	}
	for left := r.options.GetCount(); left > 0; {
		if !forwards {
			at--
		}
		if at < 0 || at >= len(log) {
			break
		}
		if r.filter.allows(log[at]) {
			if err := r.send(log[at], false); err != nil {
				return err
			}
			left--
		}
		if forwards {
			at++
		}
	}
	return r.reached()
}

// search finds the first event at or after a position.
func search(log []*Event, from position) int {
	return sort.Search(len(log), func(i int) bool { return !log[i].position().less(from) })
}

// boundary reports whether a place is where the log can be read from: where a record begins, or past all of them. Elsewhere the bytes make no
// record (StorageReaderWorker.cs, InvalidReadException; that every such place fails is not confirmed).
func boundary(log []*Event, at position) bool {
	i := sort.Search(len(log), func(i int) bool { return log[i].Commit >= at.commit })
	return at == (position{}) || i == len(log) || log[i].Commit == at.commit || log[i].Prepare == at.commit
}

// resolved is the answer to a reader for an event: with the link's target beside it when it is a link that is to be followed (StorageReaderWorker.cs,
// ResolveLinkToEvent: a target that is gone leaves the link alone).
func (r *reader) resolved(e *Event, byStream bool) *api.ReadResp_ReadEvent {
	told := r.tells(e, byStream)
	out := &api.ReadResp_ReadEvent{Position: &api.ReadResp_ReadEvent_NoPosition{NoPosition: &shared.Empty{}}}
	if told {
		out.Position = &api.ReadResp_ReadEvent_CommitPosition{CommitPosition: e.Commit}
	}
	if r.options.GetResolveLinks() && e.Type == typeLink {
		out.Link = r.recorded(e, told)
		if target := r.node.store.target(e); target != nil {
			out.Event = r.recorded(target, r.tells(target, true))
		}
		return out
	}
	out.Event = r.recorded(e, told)
	return out
}

// tells reports whether an event's position is told. Who reads a stream finds it in the event alone, which has it unless its commit is another record
// (Data/ResolvedEvent.cs, CalculatePosition; before that, reads by stream told none).
func (r *reader) tells(e *Event, byStream bool) bool {
	return !byStream || r.node.store.config.StreamReads == StreamPositionsTold && e.Commit == e.Prepare
}

// target is the event that a link names as revision@stream, nil when it is not to be had.
func (s *Store) target(link *Event) *Event {
	revision, name, ok := strings.Cut(string(link.Data), "@")
	if !ok {
		return nil
	}
	at, err := strconv.ParseInt(revision, 10, 64)
	if err != nil {
		return nil
	}
	events, first, err := s.visible(name)
	if err != nil || at < first || at >= int64(len(events)) {
		return nil
	}
	return events[at]
}

// recorded is Streams.Read.cs, ConvertToRecordedEvent.
func (r *reader) recorded(e *Event, told bool) *api.ReadResp_ReadEvent_RecordedEvent {
	out := &api.ReadResp_ReadEvent_RecordedEvent{
		StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(e.Stream)},
		StreamRevision:   e.Revision,
		CommitPosition:   math.MaxUint64,
		PreparePosition:  math.MaxUint64,
		Metadata: map[string]string{
			metadataType: e.Type, metadataContentType: e.ContentType, metadataCreated: strconv.FormatInt(e.Created, 10),
		},
		CustomMetadata: e.Metadata,
		Data:           e.Data,
	}
	if told {
		out.CommitPosition, out.PreparePosition = e.Commit, e.Prepare
	}
	if _, ok := r.options.GetUuidOption().GetContent().(*api.ReadReq_Options_UUIDOption_String_); ok {
		out.Id = &shared.UUID{Value: &shared.UUID_String_{String_: e.ID.String()}}
	} else {
		out.Id = &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
			MostSignificantBits: getInt64(e.ID[:8]), LeastSignificantBits: getInt64(e.ID[8:]),
		}}}
	}
	return out
}

// filter is what of $all a reader wants (Services/Storage/ReaderIndex/EventFilter.cs); nil wants all.
type filter struct {
	byType   bool
	prefixes []string
	regex    *regexp.Regexp

	checkpointEvents int // how many events are considered between two checkpoints of a subscription
}

func filterOf(options *api.ReadReq_Options_FilterOptions) (*filter, error) {
	if options == nil {
		return nil, nil
	}
	f := &filter{byType: options.GetEventType() != nil}
	expression := options.GetStreamIdentifier()
	if f.byType {
		expression = options.GetEventType()
	}
	if expression == nil {
		return nil, invalidOperation("a filter names neither streams nor types")
	}
	f.prefixes = expression.GetPrefix()
	if expression.GetRegex() != "" {
		var err error
		if f.regex, err = regexp.Compile(expression.GetRegex()); err != nil {
			return nil, invalidOperation(fmt.Sprintf("the filter's expression: %v", err))
		}
	}
	// Enumerator.AllSubscriptionFiltered.cs: the window, or a page when there is none, times the multiplier, which is not 0.
	window := readBatchEvents
	if max, ok := options.GetWindow().(*api.ReadReq_Options_FilterOptions_Max); ok {
		window = int(max.Max)
	}
	f.checkpointEvents = window * int(options.GetCheckpointIntervalMultiplier())
	return f, nil
}

func (f *filter) allows(e *Event) bool {
	if f == nil {
		return true
	}
	text := e.Stream
	if f.byType {
		text = e.Type
	}
	if f.regex != nil {
		return f.regex.MatchString(text)
	}
	for _, prefix := range f.prefixes {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}
