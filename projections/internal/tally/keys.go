package tally

import (
	"fmt"
	"time"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/projections/internal/words"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// Keys finds under what postings count. What it has seen it remembers: reading an asset again for every leg would cost more than all the rest of
// a fold.
type Keys struct {
	bases  map[string]string // of assets
	months map[int]string
}

// NewKeys returns Keys that have seen nothing.
func NewKeys() Keys { return Keys{bases: map[string]string{}, months: map[int]string{}} }

// OfPosting fills in where a leg counts; donor, beneficiary and month are its fact's.
func (k *Keys) OfPosting(into *Key, leg *posting.Posting) error {
	basis, ok := k.bases[leg.Asset]
	if !ok {
		a, err := asset.Parse(leg.Asset)
		if err != nil {
			return err
		}
		basis = a.Basis
		k.bases[leg.Asset] = basis
	}
	into.Category, into.Instrument, into.Stage = leg.Category, words.Instrument(leg.Instrument), words.Stage(leg.Account)
	into.Basis, into.Asset = basis, leg.Asset
	return nil
}

// OfUnknown fills in where undisclosed values count.
func (k *Keys) OfUnknown(into *Key, u *posting.Unknown) {
	into.Category, into.Instrument, into.Stage = u.Category, words.Instrument(u.Instrument), words.Stage(posting.In(u.Stage))
	into.Basis, into.Asset = u.Basis, ""
}

// Month is the month of the latest day on which a fact may have happened, such as 2023-04; empty where nobody knows the day. A day that no
// command may name is none that anybody knows.
func (k *Keys) Month(e *eventv1.Effective) string {
	switch e.GetPrecision() {
	case eventv1.Precision_PRECISION_UNKNOWN, eventv1.Precision_PRECISION_UNSPECIFIED:
		return ""
	}
	const daySeconds = 24 * 60 * 60
	year, month, _ := time.Unix(int64(e.GetLatestDay())*daySeconds, 0).UTC().Date()
	if year < dates.YearMin || year > dates.YearMax {
		return ""
	}
	number := 12*year + int(month) - 1
	text, ok := k.months[number]
	if !ok {
		text = fmt.Sprintf("%04d-%02d", year, month)
		k.months[number] = text
	}
	return text
}
