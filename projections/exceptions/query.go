package exceptions

import "github.com/allied-ledger/allied/events/es"

// ListRequest asks for exceptions. Filters that are empty let everything pass.
type ListRequest struct {
	// Kinds are some of Kinds.
	Kinds       []string `json:"kinds,omitempty"`
	Donor       string   `json:"donor,omitempty"`
	Beneficiary string   `json:"beneficiary,omitempty"`
	// Category passes exceptions in it or below it.
	Category string `json:"category,omitempty"`
	// Stream passes exceptions of a pledge, shipment or payment: its stream, or the UUID alone. A pledge has those of what draws on it.
	Stream string `json:"stream,omitempty"`
	// Status is one of Statuses; open where empty.
	Status string `json:"status,omitempty"`
	// RaisedBefore passes exceptions that were recorded before a day, such as 2024-05-31.
	RaisedBefore string `json:"raised_before,omitempty"`
	// Asset passes exceptions with an amount of it.
	Asset string `json:"asset,omitempty"`
	// MinAmount passes exceptions of at least so much, whatever the sign, as decimal text of Asset: of open ones what is open, of resolved ones
	// what was raised.
	MinAmount string `json:"min_amount,omitempty"`
	// Text passes exceptions of which the detail holds it, in whatever case.
	Text string `json:"text,omitempty"`
	// Limit is the size of a page, up to 1000; 100 where zero.
	Limit int `json:"limit,omitempty"`
	// Cursor is the next of the page before.
	Cursor string `json:"cursor,omitempty"`
	// AtLeast is a position that the view must hold.
	AtLeast es.Position `json:"at_least,omitempty"`
}

// Listing answers a ListRequest: the oldest first, as they were recorded.
type Listing struct {
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	// Total is how many exceptions pass the filters, over all pages.
	Total int `json:"total"`
	// Summary counts what passes the filters, whatever its status, in the order of Kinds; kinds of which there is none are left out.
	Summary    []Summary   `json:"summary"`
	Exceptions []Exception `json:"exceptions"`
	// Next is the cursor of the following page; empty on the last.
	Next string `json:"next,omitempty"`
}

// Summary counts the exceptions of one kind.
type Summary struct {
	Kind     string `json:"kind"`
	Open     int    `json:"open"`
	Resolved int    `json:"resolved"`
	// WithoutAmount is how many of the open ones have no amount. They are no zeros.
	WithoutAmount int `json:"without_amount"`
	// Amounts are what is open, in each asset apart.
	Amounts []AssetAmount `json:"amounts"`
}

// AssetAmount is an amount of an asset.
type AssetAmount struct {
	Asset  string `json:"asset"`
	Amount string `json:"amount"`
}

// Exception is one thing to look at.
type Exception struct {
	// ID is a UUID that is derived from the fact and what it raises, and so the same on every copy.
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Status string `json:"status"`
	// Cause is observed, overridden or happened where a cap was exceeded, else empty.
	Cause string `json:"cause"`
	// Stream is where it stands: a pledge, shipment or payment. Pledge is the pledge whose books it concerns.
	Stream string `json:"stream"`
	Pledge string `json:"pledge"`
	// Line and Draw are UUIDs; empty where there is none.
	Line        string `json:"line"`
	Draw        string `json:"draw"`
	Donor       string `json:"donor"`
	Beneficiary string `json:"beneficiary"`
	Category    string `json:"category"`
	// Asset, Amount and OpenAmount are null where nothing is counted. Amount is what was raised, OpenAmount what of it is not resolved.
	Asset      *string `json:"asset"`
	Amount     *string `json:"amount"`
	OpenAmount *string `json:"open_amount"`
	// Event is the fact that raised it, by its id and by its place in the log; Recorded is the day on which it was recorded, such as 2024-05-31.
	Event    string `json:"event"`
	Ordinal  uint64 `json:"ordinal"`
	Recorded string `json:"recorded"`
	// Effective is the latest day on which it took place; null where no date is known.
	Effective *string `json:"effective"`
	// ResolvedOrdinal is the place in the log of the fact that resolved it; null while it is open.
	ResolvedOrdinal *uint64 `json:"resolved_ordinal"`
	// Detail is a sentence on what the rest does not say; empty where there is nothing to add.
	Detail string `json:"detail"`
}
