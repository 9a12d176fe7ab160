package payments

import (
	"context"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/payment"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	"github.com/allied-ledger/allied/projections/internal/words"
)

// ListRequest asks for payments. Filters that are empty let everything pass.
type ListRequest struct {
	Donor       string `json:"donor,omitempty"`
	Beneficiary string `json:"beneficiary,omitempty"`
	// Category passes payments in it or below it.
	Category string `json:"category,omitempty"`
	// Pledge passes payments that draw on it: its stream, or the UUID alone.
	Pledge string `json:"pledge,omitempty"`
	// Status is one of Statuses.
	Status string `json:"status,omitempty"`
	// Text passes payments of which a party's name, the end-to-end id, the UETR or the bank's reference holds it, in whatever case.
	Text string `json:"text,omitempty"`
	// Limit is the size of a page, up to 1000; 100 where zero.
	Limit int `json:"limit,omitempty"`
	// Cursor is the next of the page before.
	Cursor string `json:"cursor,omitempty"`
	// AtLeast is a position that the view must hold.
	AtLeast es.Position `json:"at_least,omitempty"`
}

// Listing answers a ListRequest: payments by donor, then by their first day, those without one first, then by stream.
type Listing struct {
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	// Total is how many payments pass the filters, over all pages.
	Total    int       `json:"total"`
	Payments []Payment `json:"payments"`
	// Next is the cursor of the following page; empty on the last.
	Next string `json:"next,omitempty"`
}

// Payment is one payment. Amounts are of Asset where they name no other.
type Payment struct {
	Stream      string `json:"stream"`
	Donor       string `json:"donor"`
	Beneficiary string `json:"beneficiary"`
	Status      string `json:"status"`
	// Accepted: the bank has taken the instruction. Accepted is not booked.
	Accepted bool `json:"accepted"`
	// First and Last are the earliest and latest day of its facts, such as 2022-09-13; null where no date is known.
	First      *string `json:"first"`
	Last       *string `json:"last"`
	Events     int64   `json:"events"`
	Draw       string  `json:"draw"`
	Pledge     string  `json:"pledge"`
	Allocation string  `json:"allocation"`
	Category   string  `json:"category"`
	Instrument string  `json:"instrument"`
	Asset      string  `json:"asset"`
	// Drawn is what the instruction asked to be paid, whatever came of it.
	Drawn string `json:"drawn"`
	// Instructed is what reached the rung, and InstructedStanding what of it is not booked. Neither holds what was rejected or is owed again.
	Instructed         string `json:"instructed"`
	InstructedStanding string `json:"instructed_standing"`
	// Booked is what was booked without Charges, and BookedStanding what of it has not come back.
	Booked         string `json:"booked"`
	BookedStanding string `json:"booked_standing"`
	Charges        string `json:"charges"`
	// Returned is all that came back, and ReturnedOpen what of it is owed again.
	Returned     string `json:"returned"`
	ReturnedOpen string `json:"returned_open"`
	// BookedAs is what stands booked in the asset of the bank's entry; null before a booking.
	BookedAs *AssetAmount `json:"booked_as"`
	// Loan is null where the payment has paid no loan out.
	Loan *Loan `json:"loan"`
	// Point is of the latest booking: debited, at_intermediary or credited; empty before one.
	Point         string `json:"point"`
	BankCode      string `json:"bank_code"`
	BankReference string `json:"bank_reference"`
	Debtor        Party  `json:"debtor"`
	Creditor      Party  `json:"creditor"`
	EndToEndID    string `json:"end_to_end_id"`
	UETR          string `json:"uetr"`
	// Tranche is a UUID; empty for none.
	Tranche string `json:"tranche"`
}

// AssetAmount is an amount of an asset.
type AssetAmount struct {
	Asset  string `json:"asset"`
	Amount string `json:"amount"`
}

// Loan is what of a loan is still to be paid back, and what interest is due and not paid.
type Loan struct {
	Asset     string `json:"asset"`
	Principal string `json:"principal"`
	Interest  string `json:"interest"`
}

// Party of a payment, as stated.
type Party struct {
	Name    string `json:"name"`
	Account string `json:"account"`
	Agent   string `json:"agent"`
}

// ShowRequest asks for one payment.
type ShowRequest struct {
	// ID is a stream, or its UUID alone.
	ID string `json:"id"`
	// AtLeast is a position that the view must hold.
	AtLeast es.Position `json:"at_least,omitempty"`
}

// Detail answers a ShowRequest.
type Detail struct {
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	Payment
}

// List answers from one moment of the view. It reads every payment, whatever the page. What it cannot answer is refused with an *es.Refusal.
func List(ctx context.Context, s engine.Snapshot, req ListRequest) (*Listing, error) {
	page, err := req.check()
	if err != nil {
		return nil, err
	}
	at, err := listing.Checkpoint(ctx, s, Spec, req.AtLeast)
	if err != nil {
		return nil, err
	}
	var found []engine.Row
	for row, err := range s.Scan(ctx, Spec.Tables[paymentTable], engine.Range{}) {
		if err != nil {
			return nil, err
		}
		if req.passes(row) {
			found = append(found, row)
		}
	}
	out := &Listing{Position: at.Position, Ordinal: at.Ordinal, Total: len(found), Payments: []Payment{}}
	found, out.Next = page.Cut(found, listing.Columns{Stream: streamColumn, Donor: donorColumn, First: firstColumn})
	for _, row := range found {
		p, err := read(row)
		if err != nil {
			return nil, err
		}
		out.Payments = append(out.Payments, *p)
	}
	return out, nil
}

func (r *ListRequest) check() (page listing.Page, err error) {
	if err := words.CheckFilters(r.Donor, r.Beneficiary, r.Category); err != nil {
		return page, err
	}
	if r.Status != "" {
		if err := words.Check("status", r.Status, Statuses()); err != nil {
			return page, err
		}
	}
	if r.Pledge != "" {
		if r.Pledge, err = listing.Pledge("pledge", r.Pledge); err != nil {
			return page, err
		}
	}
	return listing.CheckPage(Spec.Name, r.Limit, r.Cursor)
}

func (r *ListRequest) passes(row engine.Row) bool {
	return (r.Donor == "" || row[donorColumn].Text() == r.Donor) &&
		(r.Beneficiary == "" || row[beneficiaryColumn].Text() == r.Beneficiary) &&
		(r.Status == "" || row[statusColumn].Text() == r.Status) &&
		(r.Pledge == "" || row[pledgeColumn].Text() == r.Pledge) &&
		words.Within(row[categoryColumn].Text(), r.Category) &&
		(r.Text == "" || r.inTexts(row))
}

// inTexts searches what names a payment outside.
func (r *ListRequest) inTexts(row engine.Row) bool {
	first := figureColumn + len(figureColumns())
	for i, c := range textColumns() {
		switch c.Name {
		case "bank_reference", "debtor", "creditor", "end_to_end_id", "uetr":
			if strings.Contains(strings.ToLower(row[first+i].Text()), strings.ToLower(r.Text)) {
				return true
			}
		}
	}
	return false
}

// Show answers from one moment of the view. A payment that is not there is refused with an *es.Refusal.
func Show(ctx context.Context, s engine.Snapshot, req ShowRequest) (*Detail, error) {
	at, err := listing.Checkpoint(ctx, s, Spec, req.AtLeast)
	if err != nil {
		return nil, err
	}
	row, err := listing.Lookup(ctx, s, Spec.Tables[paymentTable], payment.Kind, req.ID)
	if err != nil {
		return nil, err
	}
	p, err := read(row)
	if err != nil {
		return nil, err
	}
	return &Detail{Position: at.Position, Ordinal: at.Ordinal, Payment: *p}, nil
}

// read writes a row as people read it.
func read(row engine.Row) (*Payment, error) {
	a, err := restoreAccount(row)
	if err != nil {
		return nil, err
	}
	s, l := a.state, a.state.Line
	p := &Payment{
		Stream: s.Stream, Donor: s.Donor, Beneficiary: s.Beneficiary, Status: row[statusColumn].Text(), Accepted: row[acceptedColumn].Bool(),
		First: listing.DayText(row[firstColumn]), Last: listing.DayText(row[lastColumn]), Events: a.events, Draw: l.Draw.String(), Pledge: l.Pledge,
		Allocation: l.Allocation.String(), Category: l.Category, Instrument: words.Instrument(l.Instrument), Asset: l.Asset,
		Point: a.point, BankCode: a.bankCode, BankReference: a.reference, Debtor: a.debtor, Creditor: a.creditor,
		EndToEndID: a.endToEndID, UETR: a.uetr, Tranche: a.tranche,
	}
	in, err := asset.Parse(l.Asset)
	if err != nil {
		return nil, err
	}
	for i, into := range []*string{&p.Instructed, &p.InstructedStanding, &p.Booked, &p.BookedStanding, &p.Charges, &p.Returned, &p.ReturnedOpen, &p.Drawn} {
		*into = row[figureColumn+i].Amount().Text(in.Scale)
	}
	if s.Booked.Asset == "" {
		return p, nil
	}
	entry, err := asset.Parse(s.Booked.Asset)
	if err != nil {
		return nil, err
	}
	text := func(m money.Amount) string { return m.Text(entry.Scale) }
	p.BookedAs = &AssetAmount{s.Booked.Asset, text(s.Booked.Amount)}
	if a.lends() {
		p.Loan = &Loan{s.Booked.Asset, text(s.Principal), text(s.Interest)}
	}
	return p, nil
}
