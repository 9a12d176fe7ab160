package posting

import (
	"fmt"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	eventv2 "github.com/allied-ledger/allied/proto/gen/allied/event/v2"
)

// Fold posts into the journal what one fact moves in the books of the register's pledge, by the table of the books: per asset the postings
// sum to zero. The fact is the pledge's own, or that of a shipment or payment which names the pledge. An error means that the fact cannot
// follow the earlier ones or an amount leaves its bound; the register is then of no more use.
func (r *Register) Fold(pledge string, f *es.Fact, j *Journal) error {
	j.reset()
	var err error
	if f.Stream == pledge {
		err = r.fold(f, j)
	} else {
		err = r.foldMovements(pledge, f, j)
	}
	if err != nil {
		return fmt.Errorf("post %s, revision %d of %s: %w", f.Type, f.Revision, f.Stream, err)
	}
	return nil
}

func (r *Register) fold(f *es.Fact, j *Journal) error {
	switch e := f.Event.(type) {
	case *eventv1.PledgeAnnounced:
		for _, l := range e.Lines {
			if err := r.promise(j, l, eventv1.Stage_STAGE_ANNOUNCED); err != nil {
				return err
			}
		}
		return nil
	case *eventv1.PledgeCommitted:
		for _, c := range e.Commitments {
			if err := r.commit(j, c); err != nil {
				return err
			}
		}
		return nil
	case *eventv1.PledgeAllocated:
		return r.allocate(j, e)
	case *eventv1.TrancheScheduled:
		if e.ThreatLevel == 0 {
			return nil
		}
		return r.promise(j, e.Contingent, eventv1.Stage_STAGE_CONTINGENT)
	case *eventv1.TrancheActivated:
		return r.activate(j, e)
	case *eventv1.TrancheExpired:
		return r.leave(j, e.Splits, eventv1.Stage_STAGE_LAPSED)
	case *eventv1.DrawReserved:
		return r.reserve(j, e)
	case *eventv1.DrawReleased:
		return r.release(j, e)
	case *eventv2.PledgeReduced:
		return r.leave(j, []*eventv1.Split{e.Split}, eventv1.Stage_STAGE_CANCELLED)
	case *eventv1.RemainderCancelled:
		return r.leave(j, e.Splits, eventv1.Stage_STAGE_CANCELLED)
	case *eventv1.PledgeLapsed:
		return r.leave(j, e.Splits, eventv1.Stage_STAGE_LAPSED)
	case *eventv1.PledgeFulfilled:
		return r.fulfil(j)
	case *eventv1.LineReclassified:
		return r.reclassify(j, e)
	case *eventv1.LineRevalued:
		return r.revalue(j, e)
	case *eventv1.DeliveryClaimed:
		return r.claim(j, e)
	}
	return nil // reschedules, settlements and links post nothing
}

// open adds a line, with the categories of its items' quantities.
func (r *Register) open(in *eventv1.Line, items []*eventv1.Item) *line {
	l := &line{id: key(in.Line), category: in.Category, instrument: in.Instrument, control: in.ControlAsset}
	shared := map[string]string{} // the category of a quantity, the line's where its items differ
	for _, it := range items {
		if c, ok := shared[it.QuantityAsset]; ok && c != it.Category {
			shared[it.QuantityAsset] = in.Category
		} else {
			shared[it.QuantityAsset] = it.Category
		}
	}
	for _, it := range items {
		if c := shared[it.QuantityAsset]; it.QuantityAsset != "" && c != in.Category && l.categoryOf(it.QuantityAsset) == in.Category {
			l.items = append(l.items, itemCategory{it.QuantityAsset, c})
		}
	}
	r.lines = append(r.lines, l)
	r.byID[l.id] = l
	return l
}

// states lists what a line states, an asset once: its values, then its items' quantities.
func states(in *eventv1.Line, items []*eventv1.Item) ([]stated, error) {
	var out []stated
	for _, v := range in.Values {
		if v.Status == eventv1.ValueStatus_VALUE_STATUS_STATED {
			a, err := money.FromProto(v.Amount)
			if err != nil {
				return nil, err
			}
			out = append(out, stated{v.Asset, a})
		}
	}
	var at map[string]int
	for _, it := range items {
		if it.QuantityStatus != eventv1.ValueStatus_VALUE_STATUS_STATED {
			continue
		}
		a, err := money.FromProto(it.Quantity)
		if err != nil {
			return nil, err
		}
		if at == nil {
			at = make(map[string]int, len(items)+len(out))
			for i, s := range out {
				at[s.asset] = i
			}
		}
		i, ok := at[it.QuantityAsset]
		if !ok {
			at[it.QuantityAsset] = len(out)
			out = append(out, stated{it.QuantityAsset, a})
			continue
		}
		if out[i].amount, err = out[i].amount.Add(a); err != nil {
			return nil, err
		}
	}
	return out, nil
}

type stated struct {
	asset  string
	amount money.Amount
}

// countUndisclosed counts the line's undisclosed values at a stage, once for each basis.
func (l *line) countUndisclosed(j *Journal, in *eventv1.Line, s eventv1.Stage) {
	for _, v := range in.Values {
		if v.Status == eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED {
			l.count(j, s, v.Basis, +1)
		}
	}
}

// promise opens a line at a stage that nothing precedes: all its assets come from origin.
func (r *Register) promise(j *Journal, in *eventv1.Line, s eventv1.Stage) error {
	l := r.open(in, nil)
	values, err := states(in, nil)
	if err != nil {
		return err
	}
	for _, v := range values {
		if err := l.post(j, In(s), v.asset, v.amount); err != nil {
			return err
		}
		if err := l.post(j, Origin, v.asset, v.amount.Neg()); err != nil {
			return err
		}
	}
	l.countUndisclosed(j, in, s)
	return nil
}

func (r *Register) commit(j *Journal, c *eventv1.Commitment) error {
	l := r.open(c.Line, nil)
	values, err := states(c.Line, nil)
	if err != nil {
		return err
	}
	if err := r.enter(j, l, eventv1.Stage_STAGE_COMMITTED, eventv1.Stage_STAGE_ANNOUNCED, values, c.Splits); err != nil {
		return err
	}
	l.countUndisclosed(j, c.Line, eventv1.Stage_STAGE_COMMITTED)
	for _, v := range values {
		r.uncountCap(j, basisOf(v.asset))
	}
	return r.cover(j, l, c.Covers)
}

func (r *Register) allocate(j *Journal, e *eventv1.PledgeAllocated) error {
	l := r.open(e.Line, e.Items)
	values, err := states(e.Line, e.Items)
	if err != nil {
		return err
	}
	if err := r.enter(j, l, eventv1.Stage_STAGE_ALLOCATED, eventv1.Stage_STAGE_COMMITTED, values, e.Splits); err != nil {
		return err
	}
	l.countUndisclosed(j, e.Line, eventv1.Stage_STAGE_ALLOCATED)
	for _, split := range e.Splits {
		if split.RestTo == eventv1.RestTo_REST_TO_UNMEASURED && !r.held(eventv1.Stage_STAGE_COMMITTED, split.Asset) {
			r.countCap(j, l, basisOf(split.Asset))
		}
	}
	return nil
}

// countCap counts one unknown commitment for a pledge whose allocations have no known cap on a basis, unless it is counted already.
func (r *Register) countCap(j *Journal, l *line, basis string) {
	if basis == "" {
		return
	}
	for _, x := range r.lines {
		if x.unknown(eventv1.Stage_STAGE_COMMITTED, basis) {
			return
		}
	}
	l.count(j, eventv1.Stage_STAGE_COMMITTED, basis, +1)
}

// uncountCap takes back what countCap counted, since a commitment now states a value on the basis.
func (r *Register) uncountCap(j *Journal, basis string) {
	if basis == "" {
		return
	}
	for _, l := range r.lines {
		if l.entered(eventv1.Stage_STAGE_ALLOCATED) && l.unknown(eventv1.Stage_STAGE_COMMITTED, basis) {
			l.count(j, eventv1.Stage_STAGE_COMMITTED, basis, -1)
		}
	}
}

func basisOf(asset string) string {
	if strings.ContainsRune(asset, ':') {
		return ""
	}
	_, basis, _ := strings.Cut(asset, "@")
	return basis
}

// enter posts a new line at a stage. Splits say what lines at the stage below give in the assets that control; everything else that
// stands on those lines is relieved in proportion, and what the new line states is posted against it.
func (r *Register) enter(j *Journal, l *line, s, below eventv1.Stage, values []stated, splits []*eventv1.Split) error {
	relieved, err := r.relieve(j, splits)
	if err != nil {
		return err
	}
	others := Difference
	for _, split := range splits {
		rest, err := money.FromProto(split.Rest)
		if err != nil {
			return err
		}
		if err := l.postRest(j, split, s, rest); err != nil {
			return err
		}
		if split.RestTo == eventv1.RestTo_REST_TO_ORIGIN {
			others = Origin // what is newly promised is new in every asset
		}
	}
	for _, v := range values {
		if err := l.post(j, In(s), v.asset, v.amount); err != nil {
			return err
		}
		if controls(splits, v.asset) {
			continue
		}
		gap, err := v.amount.Sub(relieved.take(v.asset))
		if err != nil {
			return err
		}
		account := others
		if account == Difference && !r.held(below, v.asset) {
			account = Unmeasured
		}
		if err := l.post(j, account, v.asset, gap.Neg()); err != nil {
			return err
		}
	}
	return relieved.each(func(asset string, a money.Amount) error {
		return l.post(j, Unmeasured, asset, a) // the asset disappears
	})
}

func controls(splits []*eventv1.Split, asset string) bool {
	for _, s := range splits {
		if s.Asset == asset {
			return true
		}
	}
	return false
}

// postRest posts what no lower rung gave against the account that the split names.
func (l *line) postRest(j *Journal, split *eventv1.Split, s eventv1.Stage, rest money.Amount) error {
	if rest.IsZero() {
		return nil
	}
	var account Account
	switch split.RestTo {
	case eventv1.RestTo_REST_TO_ORIGIN:
		account = Origin
	case eventv1.RestTo_REST_TO_UNMEASURED:
		account = Unmeasured
	case eventv1.RestTo_REST_TO_DIFFERENCE:
		account = Difference
	case eventv1.RestTo_REST_TO_OVER:
		switch s {
		case eventv1.Stage_STAGE_RESERVED:
			account = OverReserved
		case eventv1.Stage_STAGE_HANDED_OVER, eventv1.Stage_STAGE_CLAIMED:
			account = OverHandedOver
		default:
			account = OverAllocated
		}
	default:
		return fmt.Errorf("a rest of %s goes to no account that this program knows (%d)", split.Asset, split.RestTo)
	}
	return l.post(j, account, split.Asset, rest.Neg())
}

func (r *Register) activate(j *Journal, e *eventv1.TrancheActivated) error {
	if err := r.leave(j, e.Splits, eventv1.Stage_STAGE_COMMITTED); err != nil {
		return err
	}
	l, err := r.find(e.Line)
	if err != nil {
		return err
	}
	for _, u := range l.unknowns {
		if u.stage == eventv1.Stage_STAGE_CONTINGENT {
			l.count(j, eventv1.Stage_STAGE_COMMITTED, u.basis, +1)
		}
	}
	return r.cover(j, l, e.Covers)
}

// cover uses a new commitment for what stood over the cap; what stands on the commitment in other assets goes in proportion.
func (r *Register) cover(j *Journal, commitment *line, covers []*eventv1.Split) error {
	for _, split := range covers {
		for _, c := range split.Reliefs {
			l, err := r.find(c.Line)
			if err != nil {
				return err
			}
			e, err := money.FromProto(c.Amount)
			if err != nil {
				return err
			}
			if err := l.post(j, OverAllocated, split.Asset, e); err != nil {
				return err
			}
			var relieved amounts
			if err := commitment.give(j, eventv1.Stage_STAGE_COMMITTED, split.Asset, e, &relieved); err != nil {
				return err
			}
			relieved.take(split.Asset)
			err = relieved.each(func(asset string, a money.Amount) error {
				if l.held(eventv1.Stage_STAGE_ALLOCATED, asset) {
					return l.post(j, Difference, asset, a)
				}
				return l.post(j, Unmeasured, asset, a)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// fulfil passes what remains in assets other than control to unmeasured.
func (r *Register) fulfil(j *Journal) error {
	for _, l := range r.lines {
		for _, s := range []eventv1.Stage{eventv1.Stage_STAGE_COMMITTED, eventv1.Stage_STAGE_ALLOCATED} {
			for i := range l.balances {
				b := l.balances[i]
				if b.account != In(s) || b.asset == l.control {
					continue
				}
				remains, err := l.standing(s, b.asset)
				if err != nil {
					return err
				}
				if err := l.post(j, Out(s), b.asset, remains.Neg()); err != nil {
					return err
				}
				if err := l.post(j, Unmeasured, b.asset, remains); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// reclassify moves all that was ever posted on a line and its draws, and its unknowns, to the new category and instrument. Quantities of
// items that have a category of their own keep it.
func (r *Register) reclassify(j *Journal, e *eventv1.LineReclassified) error {
	l, err := r.find(e.Line)
	if err != nil {
		return err
	}
	l.reclassify(j, e)
	for _, d := range r.drawOrder {
		if d.from == l {
			d.part.reclassify(j, e)
		}
	}
	var counted []unknown // what several draws hide counts once
	for _, u := range l.unknowns {
		if slices.Contains(counted, u) {
			continue
		}
		counted = append(counted, u)
		j.Unknowns = append(j.Unknowns,
			Unknown{u.stage, l.id, e.FromCategory, e.FromInstrument, u.basis, -1},
			Unknown{u.stage, l.id, e.ToCategory, e.ToInstrument, u.basis, +1})
	}
	return nil
}

func (l *line) reclassify(j *Journal, e *eventv1.LineReclassified) {
	for i := range l.balances {
		b := &l.balances[i]
		category := b.category
		if !l.ownCategory(b.asset) {
			category = e.ToCategory
		}
		j.Postings = append(j.Postings,
			Posting{b.account, l.id, b.category, l.instrument, b.asset, b.amount.Neg()},
			Posting{b.account, l.id, category, e.ToInstrument, b.asset, b.amount})
		b.category = category
	}
	l.category, l.instrument = e.ToCategory, e.ToInstrument
}

func (r *Register) revalue(j *Journal, e *eventv1.LineRevalued) error {
	l, err := r.find(e.Line)
	if err != nil {
		return err
	}
	if len(e.Draw) > 0 {
		d, err := r.findDraw(e.Draw)
		if err != nil {
			return err
		}
		d.tell(j, e.Stage, basisOf(e.Asset))
		l = d.part
	}
	return l.revalue(j, e.Stage, e.Asset, e.Delta)
}

// revalue changes the value of what stands at a stage, and tells what was undisclosed there.
func (l *line) revalue(j *Journal, s eventv1.Stage, asset string, by *eventv1.Amount) error {
	delta, err := money.FromProto(by)
	if err != nil {
		return err
	}
	if basis := basisOf(asset); l.unknown(s, basis) {
		l.count(j, s, basis, -1)
	}
	if l.control == "" && !l.hasQuantities() {
		l.control = asset // the first value of a line without any
	}
	if err := l.post(j, In(s), asset, delta); err != nil {
		return err
	}
	return l.post(j, Difference, asset, delta.Neg())
}
