package gateway

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/donor"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/journal"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/internal/readable"
	"github.com/allied-ledger/allied/services/internal/remotelog"
	"github.com/allied-ledger/allied/services/stream"
)

// The bounds of a page of events.
const (
	pageEventsMax = 1000
	pageEvents    = 100 // where none is asked for
	// pageScannedEventsMax bounds what is looked through for the few that pass.
	pageScannedEventsMax = 20_000
	// pageRecordBytesMax bounds the stored bytes of a page; as JSON they are some five times as many.
	pageRecordBytesMax = 2 << 20
)

func (s *service) Head(ctx context.Context, r *apiv1.HeadRequest) (*apiv1.HeadResponse, error) {
	head, logID, err := s.head(ctx, r.AtLeast)
	if err != nil {
		return nil, err
	}
	return &apiv1.HeadResponse{LogId: logID, Position: uint64(head.Position), Events: head.Events}, nil
}

// head is where the log ends, which is at a position at least.
func (s *service) head(ctx context.Context, atLeast uint64) (es.Head, string, error) {
	head, logID, err := s.ledger.Head(ctx)
	if err == nil {
		err = remotelog.CheckReach(head, logID, es.Position(atLeast))
	}
	return head, logID, err
}

func (s *service) Events(ctx context.Context, r *apiv1.EventsRequest) (*apiv1.EventsResponse, error) {
	if err := checkEvents(r); err != nil {
		return nil, err
	}
	head, logID, err := s.head(ctx, r.AtLeast)
	if err != nil {
		return nil, err
	}
	if r.After > uint64(head.Position) {
		return nil, &es.Refusal{
			Code: "out_of_range", Field: "after", Reason: fmt.Sprintf("the log ends at position %d, before %d", head.Position, r.After),
			Remedy: "check that the position is of this ledger: its log is " + logID,
		}
	}
	out := &apiv1.EventsResponse{LogId: logID, Position: r.After}
	return out, fill(out, s.logged(ctx, r), r)
}

func (s *service) logged(ctx context.Context, r *apiv1.EventsRequest) iter.Seq2[es.Entry, error] {
	if r.Stream != "" {
		return s.ledger.ReadStream(ctx, r.Stream, 0)
	}
	return s.ledger.Read(ctx, es.Position(r.After))
}

// fill adds what passes, up to the bounds of a page; at least one entry is looked at.
func fill(out *apiv1.EventsResponse, entries iter.Seq2[es.Entry, error], r *apiv1.EventsRequest) error {
	limit, scanned, recordBytes := int(cmp.Or(r.Limit, pageEvents)), 0, 0
	for e, err := range entries {
		switch {
		case err != nil:
			return err
		case uint64(e.Position) <= r.After: // of a stream, which is read from its begin
			continue
		case len(out.Events) == limit, scanned == pageScannedEventsMax, recordBytes > pageRecordBytesMax:
			return nil
		}
		scanned++
		out.Position = uint64(e.Position)
		if r.Kind != "" && !strings.HasPrefix(e.Stream, r.Kind+"-") {
			continue
		}
		if event := readable.Logged(e); passes(r, event.Type, stream.DonorOf(event), event.Error != "") {
			recordBytes += len(e.Bytes)
			out.Events = append(out.Events, event)
		}
	}
	out.End = true
	return nil
}

// passes tells whether an event is of the type and the donor asked for. What cannot be read passes the donor's filter: nobody knows whose it is.
func passes(r *apiv1.EventsRequest, stored, donor string, unread bool) bool {
	if r.Type != "" && stored != r.Type && wire.ShortName(stored) != r.Type {
		return false
	}
	return r.Donor == "" || unread || donor == r.Donor
}

func checkEvents(r *apiv1.EventsRequest) error {
	if r.Limit < 0 || r.Limit > pageEventsMax {
		return &es.Refusal{
			Code: "out_of_range", Field: "limit", Reason: fmt.Sprintf("%d is not within 1 and %d", r.Limit, pageEventsMax),
			Remedy: "go on after the position of the answer",
		}
	}
	if r.Stream != "" {
		if _, _, err := es.ParseStream(r.Stream); err != nil {
			return &es.Refusal{Code: "bad_stream", Field: "stream", Reason: err.Error(), Remedy: "name the stream as the ledger printed it"}
		}
	}
	if err := checkWord("kind", r.Kind, journal.Kinds()); err != nil {
		return err
	}
	if err := checkWord("donor", r.Donor, append(donor.Codes(), donor.None)); err != nil {
		return err
	}
	if slices.Contains(wire.Types(), r.Type) {
		return nil
	}
	return checkWord("type", r.Type, wire.ShortNames())
}
