package pledges

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	"github.com/allied-ledger/allied/projections/internal/words"
)

// ListRequest asks for pledges. Filters that are empty let everything pass.
type ListRequest struct {
	Donor       string `json:"donor,omitempty"`
	Beneficiary string `json:"beneficiary,omitempty"`
	// Category passes pledges with a line in it or below it.
	Category string `json:"category,omitempty"`
	// Status is open, fulfilled or lapsed.
	Status string `json:"status,omitempty"`
	// Flag is a flag's code.
	Flag       string `json:"flag,omitempty"`
	ExternalID string `json:"external_id,omitempty"`
	// Over passes pledges of which something stands beyond a cap.
	Over bool `json:"over,omitempty"`
	// Group passes the pledges of donors that were members of a group of states on the day GroupOn, such as NATO on 2022-02-24.
	Group   string `json:"group,omitempty"`
	GroupOn string `json:"group_on,omitempty"`
	// Text passes pledges of which the title, a line's title or an outside id holds it, in whatever case.
	Text string `json:"text,omitempty"`
	// Limit is the size of a page, up to 1000; 100 where zero.
	Limit int `json:"limit,omitempty"`
	// Cursor is the next of the page before.
	Cursor string `json:"cursor,omitempty"`
	// AtLeast is a position that the view must hold.
	AtLeast es.Position `json:"at_least,omitempty"`
}

// Listing answers a ListRequest: pledges by donor, then by their first day, those without one first, then by stream.
type Listing struct {
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	// Total is how many pledges pass the filters, over all pages.
	Total   int      `json:"total"`
	Pledges []Pledge `json:"pledges"`
	// Next is the cursor of the following page; empty on the last.
	Next string `json:"next,omitempty"`
}

// Pledge is one pledge with its sums.
type Pledge struct {
	Stream      string `json:"stream"`
	Donor       string `json:"donor"`
	Beneficiary string `json:"beneficiary"`
	Title       string `json:"title"`
	Status      string `json:"status"`
	// First and Last are the earliest and latest day of its facts, such as 2022-09-13; null where no date is known.
	First  *string `json:"first"`
	Last   *string `json:"last"`
	Events int64   `json:"events"`
	// Unknown is how many values are undisclosed, over all stages and bases.
	Unknown    int64       `json:"unknown"`
	Flags      []string    `json:"flags"`
	References []Reference `json:"references"`
	Books
}

// Reference is an outside id. It is no key: releases give one id to different pledges.
type Reference struct {
	Publisher  string `json:"publisher"`
	Release    string `json:"release"`
	ExternalID string `json:"external_id"`
}

// Books are what postings say of a line, or of all lines of a pledge.
type Books struct {
	Ladder []Rung `json:"ladder"`
	// Over is what stands beyond a cap.
	Over []Excess `json:"over"`
	// Beside is what passed through difference and unmeasured, debits positive.
	Beside []Excess `json:"beside"`
	// Undisclosed counts values that are not known, by stage and basis.
	Undisclosed []Undisclosed `json:"undisclosed"`
	// NotReported are rungs that something of a line must have passed, and of which no fact says anything: goods and services that are
	// claimed were dispatched.
	NotReported []string `json:"not_reported"`
}

// Rung is one asset at one stage.
type Rung struct {
	Stage    string `json:"stage"`
	Asset    string `json:"asset"`
	Reached  string `json:"reached"`
	Standing string `json:"standing"`
}

// Excess is one asset at an account beside the ladder, such as over:allocated.
type Excess struct {
	Account string `json:"account"`
	Asset   string `json:"asset"`
	Amount  string `json:"amount"`
}

// Undisclosed counts values of a stage that are not known on a basis.
type Undisclosed struct {
	Stage string `json:"stage"`
	Basis string `json:"basis"`
	Count int64  `json:"count"`
}

// List answers from one moment of the view. It reads every pledge, whatever the page. What it cannot answer is refused with an *es.Refusal.
func List(ctx context.Context, s engine.Snapshot, req ListRequest) (*Listing, error) {
	page, err := req.check()
	if err != nil {
		return nil, err
	}
	at, err := listing.Checkpoint(ctx, s, Spec, req.AtLeast)
	if err != nil {
		return nil, err
	}
	found, err := req.find(ctx, s)
	if err != nil {
		return nil, err
	}
	out := &Listing{Position: at.Position, Ordinal: at.Ordinal, Total: len(found), Pledges: []Pledge{}}
	found, out.Next = page.Cut(found, listing.Columns{Stream: 0, Donor: 1, First: 5})
	for _, row := range found {
		p, err := read(ctx, s, row)
		if err != nil {
			return nil, err
		}
		out.Pledges = append(out.Pledges, *p)
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
	return listing.CheckPage(Spec.Name, r.Limit, r.Cursor)
}

// Statuses are the words for how far a pledge has come.
func Statuses() []string {
	return []string{string(pledge.Open), string(pledge.Fulfilled), string(pledge.Lapsed)}
}

// find returns the rows of all pledges that pass.
func (r *ListRequest) find(ctx context.Context, s engine.Snapshot) ([]engine.Row, error) {
	members, err := words.Members(r.Group, r.GroupOn)
	if err != nil {
		return nil, err
	}
	var streams []map[string]bool // of each filter that reads another table
	if r.ExternalID != "" {
		of, err := listing.StreamsWhere(ctx, s, Spec.Tables[referenceTable], func(row engine.Row) bool { return row[3].Text() == r.ExternalID })
		if err != nil {
			return nil, err
		}
		streams = append(streams, of)
	}
	if r.Category != "" {
		of, err := listing.StreamsWhere(ctx, s, Spec.Tables[lineTable], func(row engine.Row) bool { return words.Within(row[5].Text(), r.Category) })
		if err != nil {
			return nil, err
		}
		streams = append(streams, of)
	}
	if r.Text != "" {
		of, err := r.holding(ctx, s)
		if err != nil {
			return nil, err
		}
		streams = append(streams, of)
	}
	var found []engine.Row
	for row, err := range s.Scan(ctx, Spec.Tables[pledgeTable], engine.Range{}) {
		if err != nil {
			return nil, err
		}
		if r.passes(row) && words.Among(members, row[1].Text()) && !slices.ContainsFunc(streams, func(of map[string]bool) bool { return !of[row[0].Text()] }) {
			found = append(found, row)
		}
	}
	return found, nil
}

// holding names the streams with the text in their title, the title of a line, or an outside id.
func (r *ListRequest) holding(ctx context.Context, s engine.Snapshot) (map[string]bool, error) {
	streams := map[string]bool{}
	for _, in := range []struct{ table, column int }{{pledgeTable, 3}, {lineTable, 4}, {referenceTable, 3}} {
		of, err := listing.StreamsWhere(ctx, s, Spec.Tables[in.table], func(row engine.Row) bool { return words.Holds(row[in.column].Text(), r.Text) })
		if err != nil {
			return nil, err
		}
		maps.Copy(streams, of)
	}
	return streams, nil
}

func (r *ListRequest) passes(row engine.Row) bool {
	return (r.Donor == "" || row[1].Text() == r.Donor) &&
		(r.Beneficiary == "" || row[2].Text() == r.Beneficiary) &&
		(r.Status == "" || row[4].Text() == r.Status) &&
		(!r.Over || row[9].Bool()) &&
		(r.Flag == "" || slices.Contains(strings.Fields(row[10].Text()), r.Flag))
}
