package drawn

import (
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"google.golang.org/protobuf/proto"
)

// GivenUp are the parts of draws that an event of their shipment or payment gives up: it does not use them, and their pledges release them after
// this, the nth by the command ident.ReleaseCommand. A command records one such event at most.
func GivenUp(event proto.Message) []*eventv1.Movement {
	switch e := event.(type) {
	case *eventv1.ShipmentClosed:
		return e.Unused
	case *eventv1.ShipmentReturned:
		if e.Reopens {
			return e.Movements
		}
	case *eventv1.PaymentRejected:
		return []*eventv1.Movement{e.Movement}
	case *eventv1.PaymentReturned:
		if e.Reopens {
			return []*eventv1.Movement{e.Movement}
		}
	}
	return nil
}
