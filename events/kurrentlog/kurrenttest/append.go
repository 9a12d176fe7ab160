package kurrenttest

import (
	"errors"
	"io"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
)

// decision is the outcome of IndexWriter.cs, CheckCommit.
type decision int

const (
	decidedOK decision = iota
	decidedRepeated
	decidedWrong // WrongExpectedVersion and CorruptedIdempotency, which StorageWriterService.cs, ActOnCommitCheckFailure answers alike
	decidedDeleted
)

// check judges an append as IndexWriter.cs, CheckCommit does. For a repeated append it gives the revisions of the original. Needs the lock.
func (s *Store) check(name string, expected int64, events []Event) (d decision, first, last int64) {
	current := s.current(name)
	if current == deletedRevision {
		return decidedDeleted, 0, 0
	}
	if expected == StreamExists {
		if s.softDeleted(name) {
			return decidedDeleted, 0, 0
		}
		if current < 0 && s.current(metaPrefix+name) < 0 {
			return decidedWrong, 0, 0
		}
	}
	if expected == Any || expected == StreamExists {
		return s.checkAny(name, events)
	}
	if expected > current {
		return decidedWrong, 0, 0
	}
	if expected == current {
		return decidedOK, 0, 0
	}
	if len(events) == 0 {
		return decidedWrong, 0, 0
	}
	// The revision is taken: this is a repetition if exactly these events are there, whatever follows them.
	stored := s.streams[name].events
	for i := range events {
		at := expected + 1 + int64(i)
		if at < int64(len(stored)) && stored[at].ID == events[i].ID {
			continue
		}
		if i == 0 && expected == NoStream && s.softDeleted(name) {
			return decidedOK, 0, 0
		}
		return decidedWrong, 0, 0
	}
	return decidedRepeated, expected + 1, expected + int64(len(events))
}

// checkAny knows a repetition only by ids that the server still remembers.
func (s *Store) checkAny(name string, events []Event) (d decision, first, last int64) {
	for i, e := range events {
		at, ok := s.known[e.ID]
		if !ok || at.stream != name {
			if i == 0 {
				return decidedOK, 0, 0
			}
			return decidedWrong, 0, 0
		}
		if i == 0 {
			first = at.revision
		}
		last = at.revision
	}
	if len(events) == 0 {
		return decidedOK, 0, 0
	}
	return decidedRepeated, first, last
}

// append judges and stores in one step, and gives the answer of the call.
func (s *Store) append(name string, expected int64, events []Event) (*api.AppendResp, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.current(name)
	d, first, last := s.check(name, expected, events)
	switch d {
	case decidedDeleted:
		return nil, streamDeleted(name)
	case decidedWrong:
		return wrongExpected(expected, current), nil
	case decidedRepeated:
		return s.repeated(name, first, last), nil
	}
	if len(events) == 0 {
		return succeeded(current, nil), nil // not confirmed: the server writes an empty transaction
	}
	s.noise.before(s)
	deleted := s.softDeleted(name)
	stored := s.write(name, events)
	if deleted {
		// Writing to a deleted stream opens it again after its old events (StorageWriterService.cs, SoftUndeleteStream, which writes after the events).
		s.truncate(name, current+1)
	}
	s.noise.after(s, stored)
	s.wake()
	end := stored[len(stored)-1]
	return succeeded(int64(end.Revision), end), nil
}

// repeated answers a repetition. The position is none when the original's last event is no longer shown (IndexWriter.cs, CheckCommit reads it as readers do).
func (s *Store) repeated(name string, first, last int64) *api.AppendResp {
	events := s.streams[name].events
	if last < s.streams[name].firstVisible() {
		return succeeded(last, nil)
	}
	switch s.config.Repeated {
	case RepeatedFirst:
		return succeeded(last, events[first])
	case RepeatedNone:
		return succeeded(last, nil)
	}
	return succeeded(last, events[last])
}

// succeeded is the answer of Streams.Append.cs to OperationResult.Success.
func succeeded(revision int64, at *Event) *api.AppendResp {
	success := &api.AppendResp_Success{
		CurrentRevisionOption: &api.AppendResp_Success_CurrentRevision{CurrentRevision: uint64(revision)},
		PositionOption:        &api.AppendResp_Success_NoPosition{NoPosition: &shared.Empty{}},
	}
	if revision == NoStream {
		success.CurrentRevisionOption = &api.AppendResp_Success_NoStream{NoStream: &shared.Empty{}}
	}
	if at != nil {
		success.PositionOption = &api.AppendResp_Success_Position{
			Position: &api.AppendResp_Position{CommitPosition: at.Commit, PreparePosition: at.Prepare},
		}
	}
	return &api.AppendResp{Result: &api.AppendResp_Success_{Success: success}}
}

// wrongExpected is the answer of Streams.Append.cs to OperationResult.WrongExpectedVersion. The real one fills the fields of 20.6 too, which the client v4
// does not read.
func wrongExpected(expected, current int64) *api.AppendResp {
	wrong := &api.AppendResp_WrongExpectedVersion{
		CurrentRevisionOption: &api.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: uint64(current)},
	}
	if current == NoStream {
		wrong.CurrentRevisionOption = &api.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}}
	}
	switch expected {
	case Any:
		wrong.ExpectedRevisionOption = &api.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: &shared.Empty{}}
	case StreamExists:
		wrong.ExpectedRevisionOption = &api.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &shared.Empty{}}
	case NoStream:
		wrong.ExpectedRevisionOption = &api.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &shared.Empty{}}
	default:
		wrong.ExpectedRevisionOption = &api.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: uint64(expected)}
	}
	return &api.AppendResp{Result: &api.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: wrong}}
}

// Append serves Streams.Append (Streams.Append.cs, Append): first the options, then the events, then one answer.
func (n *Node) Append(call api.Streams_AppendServer) error {
	ctx := call.Context()
	head, err := call.Recv()
	if err != nil {
		return err
	}
	options := head.GetOptions()
	if options == nil {
		return invalidOperation("the first message of an append has no options")
	}
	expected, err := expectedOf(options)
	if err != nil {
		return err
	}
	name := string(options.GetStreamIdentifier().GetStreamName())
	var events []Event
	sizeBytes := 0
	for {
		message, err := call.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		proposed := message.GetProposedMessage()
		if proposed == nil {
			return invalidOperation("a message of an append proposes no event")
		}
		event, err := eventOf(proposed)
		if err != nil {
			return err
		}
		sizeBytes += sizeOnDisk(event)
		if sizeBytes > n.store.config.AppendBytesMax {
			return appendTooLarge(n.store.config.AppendBytesMax)
		}
		events = append(events, event)
	}
	if err := n.leads(ctx); err != nil {
		return err
	}
	fault := n.store.appendFault(n, name, expected, events)
	var response *api.AppendResp
	if fault.After {
		// Whatever the caller sees now, the answer is settled and what it says is stored.
		response, err = n.store.append(name, expected, events)
	}
	if struck := n.strike(ctx, fault); struck != nil {
		return struck
	}
	if !fault.After {
		response, err = n.store.append(name, expected, events)
	}
	if err != nil {
		return err
	}
	return call.SendAndClose(response)
}

func expectedOf(options *api.AppendReq_Options) (int64, error) {
	switch e := options.GetExpectedStreamRevision().(type) {
	case *api.AppendReq_Options_Revision:
		return int64(e.Revision), nil
	case *api.AppendReq_Options_NoStream:
		return NoStream, nil
	case *api.AppendReq_Options_Any:
		return Any, nil
	case *api.AppendReq_Options_StreamExists:
		return StreamExists, nil
	}
	return 0, invalidOperation("an append expects no revision")
}

// eventOf takes a proposed event. Type and content type are required (Constants.cs, RequiredMetadata).
func eventOf(proposed *api.AppendReq_ProposedMessage) (Event, error) {
	id, err := idOf(proposed.GetId())
	if err != nil {
		return Event{}, err
	}
	for _, key := range []string{metadataType, metadataContentType} {
		if _, ok := proposed.GetMetadata()[key]; !ok {
			return Event{}, metadataMissing(key)
		}
	}
	return Event{
		ID:          id,
		Type:        proposed.GetMetadata()[metadataType],
		ContentType: proposed.GetMetadata()[metadataContentType],
		Metadata:    proposed.GetCustomMetadata(),
		Data:        proposed.GetData(),
	}, nil
}

// sizeOnDisk is what an event counts against the limit of an append (Data/Event.cs, SizeOnDisk: the type is UTF-16).
func sizeOnDisk(e Event) int {
	return len(e.Data) + len(e.Metadata) + 2*len(e.Type)
}

func idOf(id *shared.UUID) (uuid.UUID, error) {
	if text, ok := id.GetValue().(*shared.UUID_String_); ok {
		parsed, err := uuid.Parse(text.String_)
		if err != nil {
			return uuid.Nil, invalidOperation("an event's id is no uuid")
		}
		return parsed, nil
	}
	var parsed uuid.UUID
	putInt64(parsed[:8], id.GetStructured().GetMostSignificantBits())
	putInt64(parsed[8:], id.GetStructured().GetLeastSignificantBits())
	return parsed, nil
}
