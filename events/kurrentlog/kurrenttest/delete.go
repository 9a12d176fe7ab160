package kurrenttest

import (
	"context"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// Delete serves Streams.Delete: the stream reads as absent, and can be written again (Streams.Delete.cs).
func (n *Node) Delete(ctx context.Context, request *api.DeleteReq) (*api.DeleteResp, error) {
	options := request.GetOptions()
	var expected int64
	switch e := options.GetExpectedStreamRevision().(type) {
	case *api.DeleteReq_Options_Revision:
		expected = int64(e.Revision)
	case *api.DeleteReq_Options_NoStream:
		expected = NoStream
	case *api.DeleteReq_Options_StreamExists:
		expected = StreamExists
	default:
		expected = Any
	}
	at, err := n.end(ctx, string(options.GetStreamIdentifier().GetStreamName()), expected, n.store.deleteSoftly)
	if err != nil {
		return nil, err
	}
	if at == nil {
		return &api.DeleteResp{PositionOption: &api.DeleteResp_NoPosition{NoPosition: &shared.Empty{}}}, nil
	}
	return &api.DeleteResp{PositionOption: &api.DeleteResp_Position_{
		Position: &api.DeleteResp_Position{CommitPosition: at.Commit, PreparePosition: at.Prepare},
	}}, nil
}

// Tombstone serves Streams.Tombstone: the stream has ended for ever (Streams.Delete.cs).
func (n *Node) Tombstone(ctx context.Context, request *api.TombstoneReq) (*api.TombstoneResp, error) {
	options := request.GetOptions()
	var expected int64
	switch e := options.GetExpectedStreamRevision().(type) {
	case *api.TombstoneReq_Options_Revision:
		expected = int64(e.Revision)
	case *api.TombstoneReq_Options_NoStream:
		expected = NoStream
	case *api.TombstoneReq_Options_StreamExists:
		expected = StreamExists
	default:
		expected = Any
	}
	at, err := n.end(ctx, string(options.GetStreamIdentifier().GetStreamName()), expected, n.store.tombstone)
	if err != nil {
		return nil, err
	}
	if at == nil {
		return &api.TombstoneResp{PositionOption: &api.TombstoneResp_NoPosition{NoPosition: &shared.Empty{}}}, nil
	}
	return &api.TombstoneResp{PositionOption: &api.TombstoneResp_Position_{
		Position: &api.TombstoneResp_Position{CommitPosition: at.Commit, PreparePosition: at.Prepare},
	}}, nil
}

// end judges a deletion like an append without known ids, and does it.
func (n *Node) end(ctx context.Context, name string, expected int64, do func(string) *Event) (*Event, error) {
	if err := n.leads(ctx); err != nil {
		return nil, err
	}
	s := n.store
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.current(name)
	switch d, _, _ := s.check(name, expected, []Event{{}}); d {
	case decidedDeleted:
		return nil, streamDeleted(name)
	case decidedWrong, decidedRepeated:
		return nil, wrongExpectedOf("Delete", name, expected, current)
	}
	at := do(name)
	s.wake()
	return at, nil
}
