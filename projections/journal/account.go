package journal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/payment"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/shipment"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	"github.com/allied-ledger/allied/projections/internal/sums"
	"github.com/allied-ledger/allied/projections/internal/tally"
	"github.com/allied-ledger/allied/projections/internal/words"
)

// EntriesRequest asks for the entries of an account: all that moved one figure, or several. Filters that are empty let everything pass.
type EntriesRequest struct {
	// Stage is required: a rung, or an account beside the ladder.
	Stage string `json:"stage"`
	// One of Basis and Asset is required.
	Basis string `json:"basis,omitempty"`
	Asset string `json:"asset,omitempty"`
	// Reached asks for what came to the stage; otherwise for all that moved what stands there.
	Reached     bool   `json:"reached,omitempty"`
	Donor       string `json:"donor,omitempty"`
	Group       string `json:"group,omitempty"`
	GroupOn     string `json:"group_on,omitempty"`
	Beneficiary string `json:"beneficiary,omitempty"`
	Category    string `json:"category,omitempty"`
	// Instruments are those that count, or `all`. When empty, all but guarantees and swaps count.
	Instruments []string `json:"instruments,omitempty"`
	// Stream passes what is in the books of a pledge, and the entries of a shipment's or payment's facts: its stream, or the UUID alone.
	Stream string `json:"stream,omitempty"`
	// From and To are the first and the last month, such as 2022-02 and 2023-12, both within. Undated passes facts of no known day alone.
	From    string `json:"from,omitempty"`
	To      string `json:"to,omitempty"`
	Undated bool   `json:"undated,omitempty"`
	// Evidence is signed or claim; only of the stage handed_over.
	Evidence string `json:"evidence,omitempty"`
	// Limit is the size of a page, up to 1000; 100 where zero.
	Limit int `json:"limit,omitempty"`
	// Cursor is the next of the page before. Pages that follow are of the same moment as the first, whatever is recorded meanwhile.
	Cursor string `json:"cursor,omitempty"`
	// AtLeast is a position that the view must hold.
	AtLeast es.Position `json:"at_least,omitempty"`
}

// EntryListing answers an EntriesRequest: entries by donor, beneficiary, category, instrument and asset, then as they were recorded; of the stage
// handed_over, what is claimed first.
type EntryListing struct {
	// Position and Ordinal of the last event whose entries are there.
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	// Total is how many entries pass, over all pages, and Sums what they come to: the figures of balances for the same request.
	Total   int     `json:"total"`
	Sums    []Sum   `json:"sums"`
	Entries []Entry `json:"entries"`
	// Next is the cursor of the following page; empty on the last.
	Next string `json:"next,omitempty"`
	// Members of the group asked for, on the day GroupOn.
	Members []string `json:"members,omitempty"`
	GroupOn string   `json:"group_on,omitempty"`
}

// Sum is what entries of one asset come to. Neither asset nor amount is there where only unknowns are counted.
type Sum struct {
	Asset   *string `json:"asset"`
	Amount  *string `json:"amount"`
	Unknown int64   `json:"unknown"`
}

// Entry is one leg of what a fact posted, or an undisclosed value.
type Entry struct {
	Position   es.Position `json:"position"`
	Ordinal    uint64      `json:"ordinal"`
	Stream     string      `json:"stream"`
	Revision   uint64      `json:"revision"`
	EventID    string      `json:"event_id"`
	Type       string      `json:"type"`
	RecordedAt string      `json:"recorded_at"`
	Effective  string      `json:"effective"`
	// Month is that of the latest day on which it may have happened; null where no day is known.
	Month       *string `json:"month"`
	Donor       string  `json:"donor"`
	Beneficiary string  `json:"beneficiary"`
	Category    string  `json:"category"`
	Instrument  string  `json:"instrument"`
	Stage       string  `json:"stage"`
	// Evidence of what is handed over: signed, or claim. Null for other stages.
	Evidence *string `json:"evidence"`
	// Asset and Amount are null where an undisclosed value is counted. What came is positive, what left negative.
	Asset   *string `json:"asset"`
	Amount  *string `json:"amount"`
	Unknown int64   `json:"unknown"`
	// Pledge is the stream in whose books it stands.
	Pledge string `json:"pledge"`
	// Side is came, or left: what left a stage is still what reached it.
	Side string `json:"side"`
	// Leg is its number among the entries of the fact, from 1.
	Leg int64 `json:"leg"`
	// Title is what the fact is about.
	Title string `json:"title"`
}

// pinned is where a page of entries ends: none is ever added before the last of an ordinal, so their number is a place among those that pass the same
// filters.
type pinned struct {
	Ordinal uint64 `json:"o"`
	Entries int    `json:"n"`
	Filters string `json:"f"`
}

// filters tells the filters of one request from those of another.
func (r EntriesRequest) filters() string {
	r.Limit, r.Cursor, r.AtLeast = 0, "", 0
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v", r))
	return hex.EncodeToString(sum[:8])
}

// Entries answers from one moment of the view. It reads all entries of the stage and basis, of the donors asked for, whatever the page. What it
// cannot answer is refused with an *es.Refusal.
func Entries(ctx context.Context, s engine.Snapshot, req EntriesRequest) (*EntryListing, error) {
	f, err := req.check()
	if err != nil {
		return nil, err
	}
	at, err := f.moment(ctx, s)
	if err != nil {
		return nil, err
	}
	out := &EntryListing{Position: at.Position, Ordinal: at.Ordinal, Sums: []Sum{}, Entries: []Entry{}, Members: f.sums.Members(), GroupOn: req.GroupOn}
	var page []engine.Row
	for row, err := range f.rows(ctx, s) {
		if err != nil {
			return nil, err
		}
		if uint64(row[entryOrdinalColumn].Int()) > at.Ordinal || !f.passes(row) {
			continue
		}
		r := tallied(row)
		if !f.sums.Counts(&r) {
			continue
		}
		if err := f.sums.Add(&r); err != nil {
			return nil, err
		}
		if req.Reached && row[entrySideColumn].Text() == left {
			continue
		}
		if out.Total >= f.skipped && len(page) < f.limit {
			page = append(page, row)
		}
		out.Total++
	}
	if end := f.skipped + len(page); end < out.Total {
		out.Next = listing.Cursor(entriesView, pinned{at.Ordinal, end, req.filters()})
	}
	if err := out.sum(f.sums); err != nil {
		return nil, err
	}
	return out, out.show(ctx, s, page)
}

// entriesView is how the entries are asked for, which share the view of the journal.
const entriesView = "entries"

// entryFilter is a request that has been checked.
type entryFilter struct {
	*EntriesRequest
	sums    *sums.Sums
	stages  []string // of rows
	streams []string
	limit   int
	after   *pinned
	skipped int // entries on pages before
}

func (r *EntriesRequest) check() (*entryFilter, error) {
	f := &entryFilter{EntriesRequest: r}
	if err := f.checkStage(); err != nil {
		return nil, err
	}
	var err error
	f.sums, err = sums.Begin(&sums.Request{
		Basis: r.Basis, Stages: []string{r.Stage}, Reached: r.Reached, Instruments: r.Instruments, Donor: r.Donor, Beneficiary: r.Beneficiary,
		Category: r.Category, Asset: r.Asset, Group: r.Group, GroupOn: r.GroupOn,
	}, nil)
	if err != nil {
		return nil, err
	}
	if r.Stream != "" {
		if f.streams, err = listing.Streams("stream", r.Stream, pledge.Kind, shipment.Kind, payment.Kind); err != nil {
			return nil, err
		}
	}
	if err := sums.CheckMonths(r.From, r.To); err != nil {
		return nil, err
	}
	if r.Undated && r.From+r.To != "" {
		return nil, &es.Refusal{
			Code: "contradiction", Field: "undated", Reason: "what has no known day is within no months", Remedy: "leave out undated, or from and to",
		}
	}
	if f.limit, err = listing.Limit(r.Limit); err != nil {
		return nil, err
	}
	if f.after, err = listing.ParseCursor[pinned](entriesView, r.Cursor); f.after == nil {
		return f, err
	}
	if f.after.Filters != r.filters() {
		return nil, &es.Refusal{
			Code: "bad_cursor", Field: "cursor", Reason: "the page before was asked for with other filters", Remedy: "ask for the next page as for the first, or leave the cursor out",
		}
	}
	f.skipped = f.after.Entries
	return f, nil
}

// checkStage finds the stages of the rows that are asked for.
func (f *entryFilter) checkStage() error {
	if f.Stage == "" {
		return &es.Refusal{
			Code: "missing", Field: "stage", Reason: "no stage is named; allowed are " + strings.Join(sums.Stages(), ", "), Remedy: "name one, such as committed",
		}
	}
	if err := words.Check("stage", f.Stage, sums.Stages()); err != nil {
		return err
	}
	if f.Evidence != "" {
		if f.Stage != words.HandedOver {
			return &es.Refusal{
				Code: "contradiction", Field: "evidence", Reason: fmt.Sprintf("what is %s has no evidence of a delivery", f.Stage),
				Remedy: "ask for the stage handed_over, or leave out evidence",
			}
		}
		if err := words.Check("evidence", f.Evidence, []string{sums.Signed, sums.Claim}); err != nil {
			return err
		}
	}
	for _, stage := range words.Stages() {
		if rung, evidence := sums.Rung(stage); rung == f.Stage && (f.Evidence == "" || evidence == f.Evidence) {
			f.stages = append(f.stages, stage)
		}
	}
	slices.Sort(f.stages) // as the table is
	return nil
}

// moment is what the entries are true at: that of the first page.
func (f *entryFilter) moment(ctx context.Context, s engine.Snapshot) (engine.Checkpoint, error) {
	at, err := listing.Checkpoint(ctx, s, Spec, f.AtLeast)
	if err != nil || f.after == nil || f.after.Ordinal == at.Ordinal {
		return at, err
	}
	if f.after.Ordinal > at.Ordinal {
		return at, &es.Refusal{
			Code: "behind", Field: "cursor", Reason: fmt.Sprintf("the page before held events up to ordinal %d, and the view not yet: it is at %d", f.after.Ordinal, at.Ordinal),
			Remedy: "ask again when the view has caught up",
		}
	}
	row, err := eventAt(ctx, s, int64(f.after.Ordinal))
	if err == nil {
		at.Position, at.Ordinal = es.Position(row[positionColumn].Int()), f.after.Ordinal
	}
	return at, err
}

// rows yields the entries that can pass, in order. Stage, basis, donor and beneficiary narrow what is read.
func (f *entryFilter) rows(ctx context.Context, s engine.Snapshot) iter.Seq2[engine.Row, error] {
	return func(yield func(engine.Row, error) bool) {
		for _, stage := range f.stages {
			prefix := []engine.Value{engine.TextOf(stage), engine.TextOf(f.sums.Basis())}
			for _, more := range []string{f.Donor, f.Beneficiary} {
				if more == "" {
					break
				}
				prefix = append(prefix, engine.TextOf(more))
			}
			for row, err := range s.Scan(ctx, Spec.Tables[entryTable], engine.Range{Prefix: prefix}) {
				if !yield(row, err) || err != nil {
					return
				}
			}
		}
	}
}

// passes tells whether an entry is of the stream and the months asked for.
func (f *entryFilter) passes(row engine.Row) bool {
	if f.streams != nil && !slices.Contains(f.streams, row[entryStreamColumn].Text()) && !slices.Contains(f.streams, row[entryPledgeColumn].Text()) {
		return false
	}
	month := row[entryMonthColumn]
	if f.Undated {
		return month.IsNull()
	}
	if f.From == "" && f.To == "" {
		return true
	}
	return !month.IsNull() && month.Text() >= f.From && (f.To == "" || month.Text() <= f.To)
}

// tallied is an entry as the balances count it.
func tallied(row engine.Row) tally.Row {
	r := tally.Row{Key: tally.Key{
		Donor: row[entryDonorColumn].Text(), Beneficiary: row[entryBeneficiaryColumn].Text(), Category: row[entryCategoryColumn].Text(),
		Instrument: row[entryInstrumentColumn].Text(), Stage: row[entryStageColumn].Text(), Basis: row[entryBasisColumn].Text(), Asset: row[entryAssetColumn].Text(),
	}, Standing: row[entryAmountColumn].Amount(), Unknown: row[entryUnknownColumn].Int()}
	if row[entrySideColumn].Text() == came {
		r.Reached = r.Standing
	}
	return r
}

func (l *EntryListing) sum(of *sums.Sums) error {
	lines, err := of.Rows()
	for _, x := range lines {
		l.Sums = append(l.Sums, Sum{x.Asset, x.Amount, x.Unknown})
	}
	return err
}

// show adds a page, with what the journal says of each fact.
func (l *EntryListing) show(ctx context.Context, s engine.Snapshot, page []engine.Row) error {
	facts := map[int64]engine.Row{}
	for _, row := range page {
		ordinal := row[entryOrdinalColumn].Int()
		fact := facts[ordinal]
		if fact == nil {
			var err error
			if fact, err = eventAt(ctx, s, ordinal); err != nil {
				return err
			}
			facts[ordinal] = fact
		}
		e, err := readEntry(row, read(fact))
		if err != nil {
			return err
		}
		l.Entries = append(l.Entries, e)
	}
	return nil
}

func readEntry(row engine.Row, of Event) (Entry, error) {
	text := func(column int) string { return row[column].Text() }
	e := Entry{
		Position: of.Position, Ordinal: of.Ordinal, Stream: of.Stream, Revision: of.Revision, EventID: of.EventID, Type: of.Type, RecordedAt: of.RecordedAt,
		Effective: of.Effective, Title: of.Title, Donor: text(entryDonorColumn), Beneficiary: text(entryBeneficiaryColumn), Category: text(entryCategoryColumn),
		Instrument: text(entryInstrumentColumn), Unknown: row[entryUnknownColumn].Int(), Pledge: text(entryPledgeColumn), Side: text(entrySideColumn),
		Leg: row[entryLegColumn].Int(),
	}
	rung, evidence := sums.Rung(text(entryStageColumn))
	e.Stage = rung
	if evidence != "" {
		e.Evidence = &evidence
	}
	if month := row[entryMonthColumn]; !month.IsNull() {
		text := month.Text()
		e.Month = &text
	}
	if name := text(entryAssetColumn); name != "" {
		a, err := asset.Parse(name)
		if err != nil {
			return e, err
		}
		amount := row[entryAmountColumn].Amount().Text(a.Scale)
		e.Asset, e.Amount = &name, &amount
	}
	return e, nil
}
