package recorder

import (
	"context"
	"errors"
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/allied-ledger/allied/services/internal/endpoint"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// append judges each append of a request alone. Requests run at the same time, so that the log commits them in one group.
func (r *Recorder) append(ctx context.Context, req *endpoint.Request) error {
	var in logv1.AppendRequest
	if err := proto.Unmarshal(req.Data, &in); err != nil {
		return req.Fail("malformed_request", "not an allied.log.v1.AppendRequest: "+err.Error())
	}
	out := &logv1.AppendResponse{LogId: r.id, Results: make([]*logv1.AppendResult, len(in.Appends))}
	var appends []es.Append
	var places []int
	at := r.clock().UnixNano()
	for i, a := range in.Appends {
		prepared, err := r.prepare(a, at)
		if err != nil {
			out.Results[i] = &logv1.AppendResult{
				Status: logv1.AppendStatus_APPEND_STATUS_REFUSED, Code: "invalid_append", Message: err.Error(),
				Remedy: "send fewer or smaller events in one command",
			}
			continue
		}
		appends, places = append(appends, prepared), append(places, i)
	}
	for i, res := range r.commit(ctx, appends) {
		out.Results[places[i]] = res
	}
	r.metrics.answered(req.Arrived, out)
	return respond(req, out)
}

// commit has the log append, and adds a check that the log leaves to its caller: that an append which the log calls a repeat of an earlier
// one, by its ids, has the earlier one's content. Ids come from command ids, so two commands sent under one id would otherwise both be
// called recorded.
func (r *Recorder) commit(ctx context.Context, appends []es.Append) []*logv1.AppendResult {
	results := make([]*logv1.AppendResult, len(appends))
	for i, res := range r.log.Append(ctx, appends) {
		if res.Repeated {
			res.Err = r.compare(ctx, appends[i])
		}
		results[i] = answer(res)
	}
	return results
}

// compare returns a conflict where the log holds other events under an append's ids, so that its sender reads the stream and judges again.
func (r *Recorder) compare(ctx context.Context, a es.Append) error {
	i := 0
	for e, err := range r.log.ReadStream(ctx, a.Stream, uint64(a.Expected+1)) {
		if err != nil {
			return fmt.Errorf("%w: compare with what is recorded: %w", es.ErrUnknown, err)
		}
		if !sameEvent(e.Bytes, a.Records[i].Bytes) {
			return &es.ConflictError{Stream: a.Stream, Expected: a.Expected, Actual: int64(e.Revision)}
		}
		if i++; i == len(a.Records) {
			return nil
		}
	}
	return fmt.Errorf("%w: the log answers a repeat of %d events at revision %d of %s, and holds %d", es.ErrUnknown, len(a.Records), a.Expected+1, a.Stream, i)
}

// sameEvent compares two records but for when they were stamped.
func sameEvent(a, b []byte) bool {
	x, errX := wire.DecodeRecord(a)
	y, errY := wire.DecodeRecord(b)
	if errX != nil || errY != nil {
		return false
	}
	x.RecordedAtNanos = y.RecordedAtNanos
	return proto.Equal(x, y)
}

// prepare encodes an append's records: the only time that they are encoded.
func (r *Recorder) prepare(a *logv1.Append, recordedAtNanos int64) (es.Append, error) {
	if a.ExpectedRevision < es.NoStream {
		return es.Append{}, fmt.Errorf("append to %s: expected revision %d, the least is %d", a.Stream, a.ExpectedRevision, es.NoStream)
	}
	out := es.Append{Stream: a.Stream, Expected: a.ExpectedRevision, Records: make([]es.Record, len(a.Events))}
	for i, ev := range a.Events {
		id, err := uuid.FromBytes(ev.EventId)
		if err != nil {
			return es.Append{}, fmt.Errorf("append to %s: event %d: %w", a.Stream, i, err)
		}
		b, err := wire.EncodeRecord(&logv1.Record{
			EventId:         ev.EventId,
			Stream:          a.Stream,
			Revision:        uint64(a.ExpectedRevision + 1 + int64(i)),
			Type:            ev.Type,
			RecordedAtNanos: recordedAtNanos,
			Header:          ev.Header,
			Payload:         ev.Payload,
		})
		if err != nil {
			return es.Append{}, fmt.Errorf("append to %s: event %d: %w", a.Stream, i, err)
		}
		if len(b) > r.recordBytesMax {
			return es.Append{}, fmt.Errorf("append to %s: event %d has %d bytes, at most %d are allowed", a.Stream, i, len(b), r.recordBytesMax)
		}
		out.Records[i] = es.Record{ID: id, Bytes: b}
	}
	return out, nil
}

// adviser is an error that knows its code and its remedy, such as that of a latched store.
type adviser interface {
	Code() string
	Remedy() string
}

func answer(res es.Result) *logv1.AppendResult {
	if res.Err == nil {
		return &logv1.AppendResult{
			Status: logv1.AppendStatus_APPEND_STATUS_RECORDED, Position: uint64(res.Position), Ordinal: res.Ordinal,
		}
	}
	out := &logv1.AppendResult{ // of ErrUnknown, and of whatever a store may say beyond its contract
		Status: logv1.AppendStatus_APPEND_STATUS_UNKNOWN, Code: "store_unknown", Message: res.Err.Error(), Remedy: "repeat with the same id",
	}
	var conflict *es.ConflictError
	switch {
	case errors.As(res.Err, &conflict):
		out.Status, out.Code, out.ActualRevision = logv1.AppendStatus_APPEND_STATUS_CONFLICT, "conflict", conflict.Actual
		out.Remedy = "read the stream and judge again"
	case errors.Is(res.Err, es.ErrUnknown): // also where a store that is busy hinders us from learning it
	case errors.Is(res.Err, es.ErrBusy), errors.Is(res.Err, es.ErrClosed):
		out.Status, out.Code, out.Remedy = logv1.AppendStatus_APPEND_STATUS_BUSY, "store_busy", "try again"
	case errors.Is(res.Err, es.ErrInvalid):
		out.Status, out.Code, out.Remedy = logv1.AppendStatus_APPEND_STATUS_REFUSED, "invalid_append", "change the command"
	}
	var a adviser
	if errors.As(res.Err, &a) {
		out.Code, out.Remedy = a.Code(), a.Remedy()
	}
	return out
}

// refuseAppend answers a request beyond the bound: none of its appends was tried.
func (r *Recorder) refuseAppend(req *endpoint.Request) error {
	var in logv1.AppendRequest
	if err := proto.Unmarshal(req.Data, &in); err != nil {
		return req.Fail("malformed_request", "not an allied.log.v1.AppendRequest: "+err.Error())
	}
	out := &logv1.AppendResponse{LogId: r.id}
	for range in.Appends {
		out.Results = append(out.Results, &logv1.AppendResult{
			Status: logv1.AppendStatus_APPEND_STATUS_BUSY, Code: "recorder_busy",
			Message: fmt.Sprintf("%d append requests are under way", appendsInFlightMax), Remedy: "try again",
		})
	}
	r.metrics.answered(req.Arrived, out)
	return respond(req, out)
}
