// Package exceptions lists what a treasury clerk or an auditor must look at: what went beyond a cap, is over, doubtful, unmatched or unsupported.
package exceptions

// The kinds of exception. Each is raised by one fact, and stays until a later fact resolves it; what resolves it stands in brackets.
//
// What is unknown opens no exception: a cap that is not known and a value that is undisclosed are counted in the balances.
const (
	// OverAllocated, OverReserved and OverHandedOver are what stands on the accounts over:…; the cause tells whether outside data was observed,
	// a person overrode, or it just happened. The open amounts of one kind add up to the account. (a commitment that covers it; a release;
	// a reversal: what the fact itself undoes first, then the oldest)
	OverAllocated  = "over_allocated"
	OverReserved   = "over_reserved"
	OverHandedOver = "over_handed_over"
	// Difference is a gap in value between what a claim or hand-over states and what it relieves. (the reversal of the hand-over)
	Difference = "difference"
	// ClaimOnCommitment: something is said to have arrived of a commitment, and nobody says of which allocation; it is never spread over them.
	ClaimOnCommitment = "claim_on_commitment"
	// DeliveredWithoutBooking: money, or a promise to pay, is claimed as delivered; only a booking shows that money moved.
	DeliveredWithoutBooking = "delivered_without_booking"
	// NoManifest: a draw was dispatched without the hash of a manifest. (the reversal of the dispatch)
	NoManifest = "no_manifest"
	// Short, Damaged and Unmanifested are discrepancies; a surplus is OverHandedOver. (of short: found, lost, or reversed)
	Short        = "short"
	Damaged      = "damaged"
	Unmanifested = "unmanifested"
	// Lost: somebody must write it off, or claim for it. (the reversal of the loss)
	Lost = "lost"
	// ReleasedDraw: a shipment was planned, or a payment instructed, against a draw that had been released.
	ReleasedDraw = "released_draw"
	// UnusedDraw: what a draw reserved is named by no shipment or payment yet. (it is named, released or settled)
	UnusedDraw = "unused_draw"
	// Unsupported: a booking cites no document with a content hash. (a later fact of the payment cites one; the booking is reversed, or
	// comes back to be owed again)
	Unsupported = "unsupported"
	// Rejected and OwedAgain are money that was refused or came back, and is owed still. (as much of the allocation is instructed again,
	// cancelled or lapsed: the oldest first)
	Rejected  = "rejected"
	OwedAgain = "owed_again"
	// Doubtful is a flag of which somebody should judge; see silent. (a later fact that corrects the flagged one)
	Doubtful = "doubtful"
	// Unmapped: no category is known for a line or for items of it. (the line is reclassified; a fact that corrects it)
	Unmapped = "unmapped"
	// Unmatched: a pledge has the outside id of a pledge from another release, and could not be matched with it. (a link between the two)
	Unmatched = "unmatched"
)

// Kinds are the words for the kinds, as they are listed above.
func Kinds() []string {
	return []string{
		OverAllocated, OverReserved, OverHandedOver, Difference, ClaimOnCommitment, DeliveredWithoutBooking, NoManifest, Short, Damaged, Unmanifested,
		Lost, ReleasedDraw, UnusedDraw, Unsupported, Rejected, OwedAgain, Doubtful, Unmapped, Unmatched,
	}
}

// The words for whether an exception is still to be looked at; All asks for both.
const (
	Open     = "open"
	Resolved = "resolved"
	All      = "all"
)

// Statuses are what a request may ask for.
func Statuses() []string { return []string{Open, Resolved, All} }

// The words for why something went beyond a cap.
const (
	Observed   = "observed"   // outside data reports it
	Overridden = "overridden" // a person decided it, by an authority and for a reason
	Happened   = "happened"   // nobody decided it, such as a surplus at a hand-over
)
