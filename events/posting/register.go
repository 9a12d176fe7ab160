package posting

import (
	"fmt"
	"strings"

	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// Register holds the lines of one pledge: what has been posted to each account of each, which later events need to split in proportion.
type Register struct {
	lines     []*line
	byID      map[[16]byte]*line
	draws     map[[16]byte]*draw
	drawOrder []*draw
}

type line struct {
	id         [16]byte
	category   string
	instrument eventv1.Instrument
	// control is the one asset in which the line is counted; empty where each quantity counts for itself, or nothing does.
	control  string
	balances []balance
	unknowns []unknown
	items    []itemCategory // quantities whose category is not the line's
}

type balance struct {
	account  Account
	asset    string
	category string
	amount   money.Amount
}

type unknown struct {
	stage eventv1.Stage
	basis string
}

type itemCategory struct{ asset, category string }

// draw is what one shipment or payment took of an allocation. The rungs from reserved on are its own, since two draws on one allocation
// may hold different things.
type draw struct {
	id [16]byte
	// from is the allocation, part what stands on the draw's own rungs; both post under the allocation's id.
	from, part *line
	// taken is what the allocation gave, by asset, and has not got back.
	taken amounts
	// lends tells that the payment was instructed as a loan, which it stays for itself: the allocation may be reclassified.
	lends bool
	facts []posted
}

// posted is what one event posted on the rungs of a draw, for its reversal.
type posted struct {
	event [16]byte
	to    eventv1.Stage // where it led
	legs  []leg
}

type leg struct {
	account Account
	asset   string
	amount  money.Amount
}

// NewRegister is the register of a pledge without events.
func NewRegister() *Register {
	return &Register{byID: map[[16]byte]*line{}, draws: map[[16]byte]*draw{}}
}

// Standing is what reached a stage of a line in an asset and has not left it; a line that is not known holds nothing.
func (r *Register) Standing(line [16]byte, s eventv1.Stage, asset string) (money.Amount, error) {
	l := r.byID[line]
	if l == nil {
		return money.Amount{}, nil
	}
	return l.standing(s, asset)
}

// Reached is what a draw brought to a stage in an asset, and was not taken back; a draw that is not known brought nothing.
func (r *Register) Reached(draw [16]byte, s eventv1.Stage, asset string) money.Amount {
	d := r.draws[draw]
	if d == nil {
		return money.Amount{}
	}
	return d.part.total(In(s), asset)
}

// Category is where an asset of a line is posted, now; empty where the line is not known.
func (r *Register) Category(line [16]byte, asset string) string {
	l := r.byID[line]
	if l == nil {
		return ""
	}
	return l.categoryOf(asset)
}

// Controls tells whether a line is counted in an asset, now: in its control asset or, where it has none, in each quantity.
func (r *Register) Controls(line [16]byte, asset string) bool {
	l := r.byID[line]
	return l != nil && (l.control == asset || l.control == "" && strings.ContainsRune(asset, ':'))
}

// UnknownLineError: an event names a line that no earlier event of its pledge opened.
type UnknownLineError struct{ Line uuid.UUID }

func (e *UnknownLineError) Error() string {
	return fmt.Sprintf("no earlier event of the pledge opened line or draw %s", e.Line)
}

func (r *Register) addDraw(d *draw) {
	r.draws[d.id] = d
	r.drawOrder = append(r.drawOrder, d)
}

func (r *Register) findDraw(id []byte) (*draw, error) {
	if d := r.draws[key(id)]; d != nil {
		return d, nil
	}
	return nil, &UnknownLineError{key(id)}
}

func (r *Register) find(id []byte) (*line, error) {
	if l := r.byID[key(id)]; l != nil {
		return l, nil
	}
	return nil, &UnknownLineError{key(id)}
}

func key(id []byte) (k [16]byte) {
	copy(k[:], id)
	return k
}

// ownCategory tells whether a quantity's category is its items' and not the line's.
func (l *line) ownCategory(asset string) bool {
	for _, it := range l.items {
		if it.asset == asset {
			return true
		}
	}
	return false
}

func (l *line) categoryOf(asset string) string {
	for _, it := range l.items {
		if it.asset == asset {
			return it.category
		}
	}
	return l.category
}

// total is what has been posted to an account of the line in an asset.
func (l *line) total(a Account, asset string) money.Amount {
	for i := range l.balances {
		if b := &l.balances[i]; b.account == a && b.asset == asset {
			return b.amount
		}
	}
	return money.Amount{}
}

// standing is what reached a stage and has not left it.
func (l *line) standing(s eventv1.Stage, asset string) (money.Amount, error) {
	return l.total(In(s), asset).Add(l.total(Out(s), asset))
}

// held tells whether the line ever held an asset at a stage.
func (l *line) held(s eventv1.Stage, asset string) bool {
	for i := range l.balances {
		if b := &l.balances[i]; b.account == In(s) && b.asset == asset {
			return true
		}
	}
	return false
}

// entered tells whether anything of the line ever reached a stage.
func (l *line) entered(s eventv1.Stage) bool {
	for i := range l.balances {
		if l.balances[i].account == In(s) {
			return true
		}
	}
	return false
}

// holds tells whether any rung of the line ever held an asset.
func (l *line) holds(asset string) bool {
	for i := range l.balances {
		if b := &l.balances[i]; b.account.In() && b.asset == asset {
			return true
		}
	}
	return false
}

func (r *Register) held(s eventv1.Stage, asset string) bool {
	for _, l := range r.lines {
		if l.held(s, asset) {
			return true
		}
	}
	return false
}

// post adds one leg to the journal and to the line.
func (l *line) post(j *Journal, a Account, asset string, amount money.Amount) error {
	if amount.IsZero() && !a.In() {
		return nil
	}
	category := l.categoryOf(asset)
	j.Postings = append(j.Postings, Posting{a, l.id, category, l.instrument, asset, amount})
	for i := range l.balances {
		if b := &l.balances[i]; b.account == a && b.asset == asset {
			var err error
			if b.amount, err = b.amount.Add(amount); err != nil {
				return fmt.Errorf("post to %s of line %s in %s: %w", a, uuid.UUID(l.id), asset, err)
			}
			return nil
		}
	}
	l.balances = append(l.balances, balance{a, asset, category, amount})
	return nil
}

func (l *line) count(j *Journal, s eventv1.Stage, basis string, delta int) {
	j.Unknowns = append(j.Unknowns, Unknown{s, l.id, l.category, l.instrument, basis, delta})
	if delta > 0 {
		l.unknowns = append(l.unknowns, unknown{s, basis})
		return
	}
	for i, u := range l.unknowns {
		if u.stage == s && u.basis == basis {
			l.unknowns = append(l.unknowns[:i], l.unknowns[i+1:]...)
			return
		}
	}
}

func (l *line) unknown(s eventv1.Stage, basis string) bool {
	for _, u := range l.unknowns {
		if u.stage == s && u.basis == basis {
			return true
		}
	}
	return false
}
