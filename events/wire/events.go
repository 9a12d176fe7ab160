package wire

import (
	"slices"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	eventv2 "github.com/allied-ledger/allied/proto/gen/allied/event/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// version is one version of an event as it may be stored.
type version struct {
	empty proto.Message
	// upcast returns what this version says in the words of the next; nil for the version that is written today.
	upcast func(proto.Message) es.Event
}

// known holds every event and version that this program reads.
var known = tabulate(
	version{empty: (*eventv1.PledgeAnnounced)(nil)},
	version{empty: (*eventv1.PledgeCommitted)(nil)},
	version{empty: (*eventv1.PledgeAllocated)(nil)},
	version{empty: (*eventv1.TrancheScheduled)(nil)},
	version{empty: (*eventv1.TrancheRescheduled)(nil)},
	version{empty: (*eventv1.TrancheActivated)(nil)},
	version{empty: (*eventv1.TrancheExpired)(nil)},
	version{empty: (*eventv1.DrawReserved)(nil)},
	version{empty: (*eventv1.DrawReleased)(nil)},
	version{empty: (*eventv1.DrawSettled)(nil)},
	version{empty: (*eventv1.PledgeReduced)(nil), upcast: reducedToV2},
	version{empty: (*eventv2.PledgeReduced)(nil)},
	version{empty: (*eventv1.RemainderCancelled)(nil)},
	version{empty: (*eventv1.PledgeFulfilled)(nil)},
	version{empty: (*eventv1.PledgeLapsed)(nil)},
	version{empty: (*eventv1.PledgeLinked)(nil)},
	version{empty: (*eventv1.LineReclassified)(nil)},
	version{empty: (*eventv1.LineRevalued)(nil)},
	version{empty: (*eventv1.DeliveryClaimed)(nil)},
	version{empty: (*eventv1.ImportCompleted)(nil)},
	version{empty: (*eventv1.ShipmentPlanned)(nil)},
	version{empty: (*eventv1.ShipmentDispatched)(nil)},
	version{empty: (*eventv1.ShipmentArrived)(nil)},
	version{empty: (*eventv1.ShipmentHandedOver)(nil)},
	version{empty: (*eventv1.ShipmentVerified)(nil)},
	version{empty: (*eventv1.ShipmentDiscrepancy)(nil)},
	version{empty: (*eventv1.ShipmentFound)(nil)},
	version{empty: (*eventv1.ShipmentLost)(nil)},
	version{empty: (*eventv1.ShipmentReturned)(nil)},
	version{empty: (*eventv1.ShipmentReversed)(nil)},
	version{empty: (*eventv1.ShipmentRevalued)(nil)},
	version{empty: (*eventv1.ShipmentClosed)(nil)},
	version{empty: (*eventv1.PaymentInstructed)(nil)},
	version{empty: (*eventv1.PaymentAccepted)(nil)},
	version{empty: (*eventv1.PaymentRejected)(nil)},
	version{empty: (*eventv1.PaymentBooked)(nil)},
	version{empty: (*eventv1.PaymentReturned)(nil)},
	version{empty: (*eventv1.PaymentReversed)(nil)},
	version{empty: (*eventv1.LoanInterestDue)(nil)},
	version{empty: (*eventv1.LoanInterestPaid)(nil)},
	version{empty: (*eventv1.LoanRepaid)(nil)},
	version{empty: (*eventv1.LoanForgiven)(nil)},
)

func tabulate(versions ...version) map[protoreflect.FullName]version {
	table := make(map[protoreflect.FullName]version, len(versions))
	for _, v := range versions {
		table[v.empty.ProtoReflect().Descriptor().FullName()] = v
	}
	return table
}

// reducedToV2: the first version reduced one line at one stage, which is a split with one relief and no rest.
func reducedToV2(m proto.Message) es.Event {
	old := m.(*eventv1.PledgeReduced)
	return &eventv2.PledgeReduced{Split: &eventv1.Split{
		Asset:   old.GetAsset(),
		Reliefs: []*eventv1.Relief{{Line: old.GetLine(), Stage: old.GetStage(), Amount: old.GetAmount()}},
	}}
}

// Types are the stored names of all events and versions that this program reads, in order.
func Types() []string {
	var names []string
	for name := range known {
		names = append(names, string(name))
	}
	slices.Sort(names)
	return names
}

// ShortName is the last part of a stored name, which all versions of an event share.
func ShortName(stored string) string { return stored[strings.LastIndexByte(stored, '.')+1:] }

// ShortNames are those of all events that this program reads, in order.
func ShortNames() []string {
	names := Types()
	for i := range names {
		names[i] = ShortName(names[i])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// knownVersions returns the stored names of all versions of the event that a stored name belongs to, oldest first.
func knownVersions(stored string) []string {
	event, _, ok := splitVersion(stored)
	if !ok {
		return nil
	}
	var names []string
	for name := range known {
		if other, _, ok := splitVersion(string(name)); ok && other == event {
			names = append(names, string(name))
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		_, va, _ := splitVersion(a)
		_, vb, _ := splitVersion(b)
		return va - vb
	})
	return names
}

// splitVersion splits allied.event.v2.PledgeReduced into what all its versions share and its number.
func splitVersion(stored string) (event string, number int, ok bool) {
	parts := strings.Split(stored, ".")
	if len(parts) != 4 || !strings.HasPrefix(parts[2], "v") {
		return "", 0, false
	}
	number, err := strconv.Atoi(parts[2][1:])
	if err != nil {
		return "", 0, false
	}
	return parts[0] + "." + parts[1] + "." + parts[3], number, true
}
