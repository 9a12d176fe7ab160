package pledges

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/events/term"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	"github.com/allied-ledger/allied/projections/internal/words"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// ShowRequest asks for one pledge.
type ShowRequest struct {
	// ID is a stream, its UUID alone, or an outside id that one pledge alone has.
	ID string `json:"id"`
	// AtLeast is a position that the view must hold.
	AtLeast es.Position `json:"at_least,omitempty"`
}

// Detail answers a ShowRequest.
type Detail struct {
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	Pledge
	Lines []Line `json:"lines"`
}

// Line is one line of a pledge with its books.
type Line struct {
	Line string `json:"line"`
	// Entered is the stage at which the line came.
	Entered      string   `json:"entered"`
	Title        string   `json:"title"`
	Category     string   `json:"category"`
	Instrument   string   `json:"instrument"`
	ControlAsset string   `json:"control_asset"`
	Firmness     string   `json:"firmness,omitempty"`
	Effective    string   `json:"effective"`
	Flags        []string `json:"flags"`
	Books
}

// idsListedMax bounds how many streams a refusal lists.
const idsListedMax = 20

// Show answers from one moment of the view. A pledge that is not there, or an outside id that several have, is refused with an *es.Refusal.
func Show(ctx context.Context, s engine.Snapshot, req ShowRequest) (*Detail, error) {
	at, err := listing.Checkpoint(ctx, s, Spec, req.AtLeast)
	if err != nil {
		return nil, err
	}
	row, err := lookup(ctx, s, req.ID)
	if err != nil {
		return nil, err
	}
	p, err := read(ctx, s, row)
	if err != nil {
		return nil, err
	}
	d := &Detail{Position: at.Position, Ordinal: at.Ordinal, Pledge: *p, Lines: []Line{}}
	within := engine.Range{Prefix: row[:1]}
	for row, err := range s.Scan(ctx, Spec.Tables[lineTable], within) {
		if err != nil {
			return nil, err
		}
		delivered, err := isDelivered(row)
		if err != nil {
			return nil, err
		}
		books, err := readBooks(ctx, s, engine.Range{Prefix: row[:2]}, map[int64]bool{row[1].Int(): delivered})
		if err != nil {
			return nil, err
		}
		d.Lines = append(d.Lines, Line{
			Line: row[2].Text(), Entered: row[3].Text(), Title: row[4].Text(), Category: row[5].Text(), Instrument: row[6].Text(),
			ControlAsset: row[7].Text(), Firmness: row[8].Text(), Effective: row[9].Text(), Flags: strings.Fields(row[10].Text()), Books: books,
		})
	}
	return d, nil
}

func lookup(ctx context.Context, s engine.Snapshot, id string) (engine.Row, error) {
	if id == "" {
		return nil, &es.Refusal{Code: "missing", Field: "id", Reason: "no pledge is named", Remedy: "name a stream or an outside id"}
	}
	for _, stream := range []string{id, pledge.Kind + "-" + strings.ToLower(id)} {
		for row, err := range s.Scan(ctx, Spec.Tables[pledgeTable], engine.Range{Prefix: []engine.Value{engine.TextOf(stream)}}) {
			return row, err
		}
	}
	found, err := (&ListRequest{ExternalID: id}).find(ctx, s)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, &es.Refusal{
			Code: "not_found", Field: "id", Reason: fmt.Sprintf("no pledge has the stream or the outside id %q", id), Remedy: "list pledges, and use the stream of one",
		}
	case len(found) > 1:
		var streams []string
		for _, row := range found[:min(len(found), idsListedMax)] {
			streams = append(streams, row[0].Text())
		}
		return nil, &es.Refusal{
			Code: "ambiguous", Field: "id", Reason: fmt.Sprintf("%d pledges have the outside id %q: %s", len(found), id, strings.Join(streams, ", ")),
			Remedy: "use the stream of one",
		}
	}
	return found[0], nil
}

// read completes a pledge's row with its references and books.
func read(ctx context.Context, s engine.Snapshot, row engine.Row) (*Pledge, error) {
	p := &Pledge{
		Stream: row[0].Text(), Donor: row[1].Text(), Beneficiary: row[2].Text(), Title: row[3].Text(), Status: row[4].Text(),
		First: listing.DayText(row[5]), Last: listing.DayText(row[6]), Events: row[7].Int(), Unknown: row[8].Int(), Flags: strings.Fields(row[10].Text()),
		References: []Reference{},
	}
	within := engine.Range{Prefix: row[:1]}
	for row, err := range s.Scan(ctx, Spec.Tables[referenceTable], within) {
		if err != nil {
			return nil, err
		}
		p.References = append(p.References, Reference{row[1].Text(), row[2].Text(), row[3].Text()})
	}
	delivered := map[int64]bool{}
	for row, err := range s.Scan(ctx, Spec.Tables[lineTable], within) {
		if err == nil {
			delivered[row[1].Int()], err = isDelivered(row)
		}
		if err != nil {
			return nil, err
		}
	}
	var err error
	p.Books, err = readBooks(ctx, s, within, delivered)
	return p, err
}

// isDelivered tells whether a line is of goods or services.
func isDelivered(line engine.Row) (bool, error) {
	instrument, err := words.InstrumentOf(line[6].Text())
	return !words.IsMoney(instrument), err
}

// readBooks sums the amounts of a range: one line, or a whole pledge. Delivered are the numbers of its lines that are of goods or services.
func readBooks(ctx context.Context, s engine.Snapshot, within engine.Range, delivered map[int64]bool) (Books, error) {
	type key struct{ stage, basis, asset string }
	sums := map[key]*amount{}
	type rung struct {
		line  int64
		stage string
	}
	reported := map[rung]bool{}
	for row, err := range s.Scan(ctx, Spec.Tables[amountTable], within) {
		if err != nil {
			return Books{}, err
		}
		k := key{row[2].Text(), row[3].Text(), row[4].Text()}
		x := sums[k]
		if x == nil {
			x = &amount{stage: k.stage, basis: k.basis, asset: k.asset}
			sums[k] = x
		}
		if x.reached, err = x.reached.Add(row[5].Amount()); err == nil {
			x.standing, err = x.standing.Add(row[6].Amount())
		}
		if err != nil {
			return Books{}, fmt.Errorf("sum %s in %s: %w", x.stage, x.asset, err)
		}
		x.unknown += row[7].Int()
		if k.asset != "" {
			reported[rung{row[1].Int(), k.stage}] = true
		}
	}
	order := words.Stages()
	var amounts []*amount
	for _, x := range sums {
		amounts = append(amounts, x)
	}
	slices.SortFunc(amounts, func(a, b *amount) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.stage), slices.Index(order, b.stage)), cmp.Compare(a.basis, b.basis), cmp.Compare(a.asset, b.asset))
	})
	b, err := newBooks(amounts)
	dispatched := term.Word(eventv1.Stage_STAGE_DISPATCHED)
	for line, is := range delivered {
		if is && reported[rung{line, words.Claimed}] && !reported[rung{line, dispatched}] {
			b.NotReported = []string{dispatched}
		}
	}
	return b, err
}

// newBooks writes amounts in order as people read them. Origin is left out: it is the contra of all that is there.
func newBooks(amounts []*amount) (Books, error) {
	b := Books{Ladder: []Rung{}, Over: []Excess{}, Beside: []Excess{}, Undisclosed: []Undisclosed{}, NotReported: []string{}}
	ladder := words.Ladder()
	for _, x := range amounts {
		if x.asset == "" {
			if x.unknown != 0 {
				b.Undisclosed = append(b.Undisclosed, Undisclosed{x.stage, x.basis, x.unknown})
			}
			continue
		}
		a, err := asset.Parse(x.asset)
		if err != nil {
			return Books{}, err
		}
		text := func(m money.Amount) string { return m.Text(a.Scale) }
		switch {
		case slices.Contains(ladder, x.stage):
			b.Ladder = append(b.Ladder, Rung{x.stage, x.asset, text(x.reached), text(x.standing)})
		case x.standing.IsZero() || x.stage == posting.Origin.String():
		case beyond(x.stage):
			b.Over = append(b.Over, Excess{x.stage, x.asset, text(x.standing.Neg())}) // a credit there is what is too much
		default:
			b.Beside = append(b.Beside, Excess{x.stage, x.asset, text(x.standing)})
		}
	}
	return b, nil
}
