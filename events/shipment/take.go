package shipment

import (
	"fmt"
	"strings"

	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/stated"
	"github.com/allied-ledger/allied/events/term"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// line finds a line, the only one where none is named.
func (s *State) line(field string, draw uuid.UUID) (*drawn.Line, error) {
	if draw == uuid.Nil && len(s.Lines) == 1 {
		return s.Lines[0], nil
	}
	if l := s.Line(draw); l != nil {
		return l, nil
	}
	if draw == uuid.Nil {
		return nil, refuse("draw_missing", field, fmt.Sprintf("the shipment has %d lines, and none is named", len(s.Lines)), "name the line by its draw")
	}
	return nil, refuse("no_such_draw", field, fmt.Sprintf("%s carries no draw %s", s.Stream, draw), "check the id")
}

// take resolves parts to movements that reach a stage from lower rungs; without parts, all that stands there. What is beyond is refused, or
// goes over where it may.
func (s *State) take(field string, parts []Part, to eventv1.Stage, mayExceed bool, from ...eventv1.Stage) ([]*eventv1.Movement, error) {
	if len(parts) > linesMax {
		return nil, refuse("bad_count", field, fmt.Sprintf("%d movements, at most %d", len(parts), linesMax), "send several commands")
	}
	if len(parts) == 0 {
		parts = s.all(to, from)
	}
	if len(parts) == 0 {
		return nil, refuse("nothing_to_move", field, "nothing stands as "+wordsOf(from), "check what the shipment has done")
	}
	seen := map[uuid.UUID]bool{}
	var moved []*eventv1.Movement
	for i, p := range parts {
		at := fmt.Sprintf("%s[%d]", field, i)
		l, err := s.line(at+".draw", p.Draw)
		if err != nil {
			return nil, err
		}
		if seen[l.Draw] {
			return nil, refuse("draw_twice", at+".draw", fmt.Sprintf("draw %s stands twice", l.Draw), "name it once")
		}
		seen[l.Draw] = true
		m, err := s.takeOne(at, l, p, to, mayExceed, from)
		if err != nil {
			return nil, err
		}
		moved = append(moved, m)
	}
	return moved, nil
}

// all names every line of which something stands on the lower rungs.
func (s *State) all(to eventv1.Stage, from []eventv1.Stage) []Part {
	var parts []Part
	for _, l := range s.Lines {
		if !standing(l, from).IsZero() || l.Asset == "" && came(l, from) && !l.Has(to) {
			parts = append(parts, Part{Draw: l.Draw})
		}
	}
	return parts
}

func (s *State) takeOne(at string, l *drawn.Line, p Part, to eventv1.Stage, mayExceed bool, from []eventv1.Stage) (*eventv1.Movement, error) {
	if err := checkPart(at, l, p); err != nil {
		return nil, err
	}
	there := standing(l, from)
	switch {
	case !came(l, from):
		return nil, refuse("not_there", at, fmt.Sprintf("nothing of draw %s ever stood as %s", l.Draw, wordsOf(from)), "record what came before it first")
	case l.Asset == "" && l.Has(to):
		return nil, refuse("moved_already", at, fmt.Sprintf("draw %s is %s already, and cannot be counted", l.Draw, term.Word(to)), "nothing is left to do")
	}
	want := there
	if p.Amount != nil {
		if err := positive(at+".amount", l, p); err != nil {
			return nil, err
		}
		want = *p.Amount
	}
	if l.Asset != "" && want.IsZero() {
		return nil, refuse("nothing_to_move", at, fmt.Sprintf("nothing of draw %s stands as %s", l.Draw, wordsOf(from)), "check what the shipment has done")
	}
	rest := eventv1.RestTo_REST_TO_UNSPECIFIED
	if mayExceed {
		rest = eventv1.RestTo_REST_TO_OVER
	} else if want.Cmp(there) > 0 {
		return nil, refuse("exceeds_"+term.Word(from[len(from)-1]), at+".amount", fmt.Sprintf("%s asked, %s stands as %s", l.Text(want), l.Text(there), wordsOf(from)), "move less; plan the rest first where it is to be dispatched")
	}
	m := l.Take(want, rest, from...)
	m.Stated, m.Serials = p.Stated, p.Serials
	return m, nil
}

// checkPart judges what a part says of itself, wherever it moves.
func checkPart(at string, l *drawn.Line, p Part) error {
	if len(p.Serials) > serialsMax {
		return refuse("too_many", at+".serials", fmt.Sprintf("%d serial numbers, at most %d", len(p.Serials), serialsMax), "split the movement")
	}
	if l.Asset == "" && (p.Amount != nil || len(p.Stated) > 0) {
		return refuse("no_control", at+".amount", "the allocation states neither value nor quantity, so nothing of it can be counted", "leave the amount out")
	}
	return stated.Beside(at+".stated", p.Stated, l.Asset)
}

func positive(field string, l *drawn.Line, p Part) error {
	if l.Asset != p.Asset && p.Asset != "" {
		return refuse("not_control_asset", strings.TrimSuffix(field, "amount")+"asset", fmt.Sprintf("draw %s is counted in %q", l.Draw, l.Asset), "name that asset, or none")
	}
	if p.Amount.Sign() <= 0 || !p.Amount.IsEntry() {
		return refuse("bad_amount", field, l.Text(*p.Amount)+" is not above zero and at most 10^28 of the smallest unit", "give a positive amount")
	}
	return nil
}

// standing is what stands on several rungs.
func standing(l *drawn.Line, from []eventv1.Stage) money.Amount {
	var all money.Amount
	for _, s := range from {
		all = drawn.Sum(all, l.Standing(s))
	}
	return all
}

// came tells whether anything ever reached one of several rungs.
func came(l *drawn.Line, from []eventv1.Stage) bool {
	for _, s := range from {
		if l.Has(s) {
			return true
		}
	}
	return false
}

func wordsOf(stages []eventv1.Stage) string {
	words := make([]string, len(stages))
	for i, s := range stages {
		words[i] = term.Word(s)
	}
	return strings.Join(words, " or ")
}
