package recorder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/allied-ledger/allied/services/internal/endpoint"
	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"
)

// entryOverheadBytes bounds what an Entry adds to its record: four tags, three numbers and two lengths.
const entryOverheadBytes = 64

func (r *Recorder) read(ctx context.Context, req *endpoint.Request) error {
	var in logv1.ReadRequest
	if err := proto.Unmarshal(req.Data, &in); err != nil {
		return req.Fail("malformed_request", "not an allied.log.v1.ReadRequest: "+err.Error())
	}
	return r.page(req, in.PageBytesMax, r.log.Read(ctx, es.Position(in.After)))
}

func (r *Recorder) readStream(ctx context.Context, req *endpoint.Request) error {
	var in logv1.ReadStreamRequest
	if err := proto.Unmarshal(req.Data, &in); err != nil {
		return req.Fail("malformed_request", "not an allied.log.v1.ReadStreamRequest: "+err.Error())
	}
	return r.page(req, in.PageBytesMax, r.log.ReadStream(ctx, in.Stream, in.FromRevision))
}

// page answers with as many entries as a message holds, at least one where there is one.
func (r *Recorder) page(req *endpoint.Request, bytesMax uint32, entries iter.Seq2[es.Entry, error]) error {
	limit := r.pageBytesMax
	if bytesMax > 0 && int(bytesMax) < limit {
		limit = int(bytesMax)
	}
	out, size := &logv1.ReadResponse{LogId: r.id, End: true}, 0
	for e, err := range entries {
		if err != nil {
			return failRead(req, err)
		}
		size += len(e.Bytes) + entryOverheadBytes
		if size > limit && len(out.Entries) > 0 {
			out.End = false
			break
		}
		out.Entries = append(out.Entries, wire.ToProto(e))
	}
	return respond(req, out)
}

// CodeDamaged answers a read that met damage; the body is the es.DamageError as JSON. Reading again does not help.
const CodeDamaged = "log_damaged"

func failRead(req *endpoint.Request, err error) error {
	var damage *es.DamageError
	if !errors.As(err, &damage) {
		code := "read_failed"
		var a adviser
		if errors.As(err, &a) { // the error's text says what to do
			code = a.Code()
		}
		return req.Fail(code, err.Error())
	}
	body, err := json.Marshal(damage)
	if err != nil {
		return fmt.Errorf("encode the damage: %w", err)
	}
	return req.FailWith(CodeDamaged, damage.Error(), body)
}

// refuser is a log that tells why it takes no appends now, with the error that it would answer them; nil where it takes them.
type refuser interface{ Refusal() error }

func (r *Recorder) head(ctx context.Context, req *endpoint.Request) error {
	h, err := r.log.Head(ctx)
	if err != nil {
		return failRead(req, err)
	}
	header := nats.Header{}
	if r.dir != "" {
		header.Set(DirHeader, url.PathEscape(r.dir))
	}
	if log, ok := r.log.(refuser); ok {
		if err := log.Refusal(); err != nil {
			res := answer(es.Result{Err: err})
			text, err := json.Marshal(es.Refusal{Code: res.Code, Reason: res.Message, Remedy: res.Remedy})
			if err != nil {
				return fmt.Errorf("encode why the log takes no appends: %w", err)
			}
			header.Set(RefusalHeader, string(text))
		}
	}
	return respondWith(req, r.headOf(h), header)
}

func (r *Recorder) headOf(h es.Head) *logv1.Head {
	return &logv1.Head{LogId: r.id, Position: uint64(h.Position), Events: h.Events}
}
