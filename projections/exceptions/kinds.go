// Package exceptions lists what a treasury clerk or an auditor must look at: what went beyond a cap, is over, doubtful, unmatched or unsupported.
package exceptions

// The kinds of exception. Each is raised by one fact, and stays open until a later one resolves it; means tells both.
//
// What is unknown opens no exception: a cap that is not known and a value that is undisclosed are counted in the balances.
const (
	OverAllocated           = "over_allocated"
	OverReserved            = "over_reserved"
	OverHandedOver          = "over_handed_over"
	Revalued                = "revalued"
	Difference              = "difference"
	ClaimOnCommitment       = "claim_on_commitment"
	DeliveredWithoutBooking = "delivered_without_booking"
	NoManifest              = "no_manifest"
	Short                   = "short"
	Damaged                 = "damaged"
	Unmanifested            = "unmanifested"
	Lost                    = "lost"
	ReleasedDraw            = "released_draw"
	UnusedDraw              = "unused_draw"
	UnreturnedDraw          = "unreturned_draw"
	Unsupported             = "unsupported"
	Rejected                = "rejected"
	OwedAgain               = "owed_again"
	Doubtful                = "doubtful"
	Unmapped                = "unmapped"
	Unmatched               = "unmatched"
)

// Meaning says what raises a kind and, in brackets, what resolves it. A fact that corrects the raising one resolves every kind but those whose
// amounts the books keep; see counted.
type Meaning struct{ Kind, Means string }

// The open amounts of the first three add up to what stands on the accounts over:…. A reduction takes from what its own fact raised first, then
// from the oldest.
var means = []Meaning{
	{OverAllocated, "allocated beyond what is committed (a commitment covers it)"},
	{OverReserved, "drawn beyond what is allocated (released)"},
	{OverHandedOver, "handed over beyond what was dispatched, or claimed beyond what was allocated (reversed)"},
	{Revalued, "an allocation that outside data or an override values higher: what is committed may not cover it (a fact corrects it)"},
	{Difference, "a gap in value between what a claim or hand-over states and what it relieves (the hand-over is reversed)"},
	{ClaimOnCommitment, "said to have arrived of a commitment, and nobody says of which allocation"},
	{DeliveredWithoutBooking, "money, or a promise to pay, said to have been delivered; only a booking shows that money moved"},
	{NoManifest, "dispatched without the hash of a manifest (the dispatch is reversed)"},
	{Short, "did not come (found, lost or reversed)"},
	{Damaged, "came damaged"},
	{Unmanifested, "came, and stood in no manifest"},
	{Lost, "lost, and to be written off (the loss is reversed)"},
	{ReleasedDraw, "used by a shipment or payment, and released by somebody else (given up by what uses it)"},
	{UnusedDraw, "drawn for a shipment or payment that does not name it yet (named, released or settled)"},
	{UnreturnedDraw, "given up by its shipment or payment, and not yet released on its pledge (released)"},
	{Unsupported, "booked with no document that has a content hash, neither of the booking nor of its instruction or acceptance (the acceptance cites one, or what corrects the booking does; reversed; owed again)"},
	{Rejected, "refused by a bank and owed still (drawn again, cancelled, lapsed or revalued, the oldest first)"},
	{OwedAgain, "came back from a bank and is owed again (the same)"},
	{Doubtful, "a flag of which somebody should judge: what is recorded may be wrong, or not what it says"},
	{Unmapped, "a line of no known category (reclassified), or items that have none and not that of their line (a fact corrects it)"},
	{Unmatched, "a pledge with the outside id of pledges from another release (linked with one of them)"},
}

// Meanings are of the kinds, in the order of Kinds.
func Meanings() []Meaning { return append([]Meaning(nil), means...) }

// Kinds are the words for the kinds.
func Kinds() []string {
	kinds := make([]string, len(means))
	for i, m := range means {
		kinds[i] = m.Kind
	}
	return kinds
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
