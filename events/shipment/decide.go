package shipment

import (
	"cmp"
	"fmt"
	"regexp"

	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/stated"
	"github.com/allied-ledger/allied/events/term"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

const (
	reserved   = eventv1.Stage_STAGE_RESERVED
	dispatched = eventv1.Stage_STAGE_DISPATCHED
	signed     = eventv1.Stage_STAGE_HANDED_OVER
	claimed    = eventv1.Stage_STAGE_CLAIMED
	verified   = eventv1.Stage_STAGE_VERIFIED
	missing    = eventv1.Stage_STAGE_MISSING
)

// The bounds of one command and of one shipment.
const (
	linesMax   = 500
	serialsMax = 10_000
)

// Decide applies the rules of one shipment. It is pure: same state and command, same answer. Errors are *es.Refusal.
func Decide(s *State, cmd Command) ([]es.Event, error) {
	if err := s.admit(cmd); err != nil {
		return nil, err
	}
	switch c := cmd.(type) {
	case *Plan:
		return s.plan(c)
	case *Dispatch:
		return s.dispatch(c)
	case *Arrive:
		if c.Place == "" {
			return nil, refuse("place_missing", "arrive_shipment.place", "no hub is named", "name the place")
		}
		return one(&eventv1.ShipmentArrived{Place: c.Place})
	case *HandOver:
		return s.handOver(c)
	case *Verify:
		return s.verify(c)
	case *Report:
		return s.report(c)
	case *Find:
		moved, err := s.take("find_shipment.movements", c.Parts, eventv1.Stage_STAGE_UNSPECIFIED, false, missing)
		if err != nil {
			return nil, err
		}
		return one(&eventv1.ShipmentFound{Movements: moved})
	case *Lose:
		moved, err := s.take("lose_shipment.movements", c.Parts, eventv1.Stage_STAGE_LOST, false, missing, dispatched)
		if err != nil {
			return nil, err
		}
		return one(&eventv1.ShipmentLost{Movements: moved, Cause: c.Cause})
	case *Return:
		return s.giveBack(c)
	case *Reverse:
		return s.reverse(c)
	case *Revalue:
		return s.revalue(c)
	case *Close:
		return s.close()
	}
	return nil, refuse("unknown_command", "", fmt.Sprintf("a shipment does not know %T", cmd), "use a command of the API")
}

func one(e es.Event) ([]es.Event, error) { return []es.Event{e}, nil }

func refuse(code, field, reason, remedy string) *es.Refusal {
	return &es.Refusal{Code: code, Field: field, Reason: reason, Remedy: remedy}
}

// admit applies the rules that hold for every command. A closed shipment takes what is found out later, and what corrects it.
func (s *State) admit(cmd Command) error {
	m := cmd.meta()
	if s.Phase != New && (m.Donor != "" && m.Donor != s.Donor || m.Beneficiary != "" && m.Beneficiary != s.Beneficiary) {
		return refuse("other_party", "donor", fmt.Sprintf("%s is of %s to %s", s.Stream, s.Donor, s.Beneficiary), "leave donor and beneficiary out, or check the stream")
	}
	if m.Effective == nil {
		return refuse("effective_missing", "effective", "the command does not say when it happened", "give a date, or `unknown`")
	}
	if err := dates.Check(m.Effective); err != nil {
		return refuse("bad_date", "effective", err.Error(), "give a date such as 2022-09-13, or `unknown`")
	}
	_, plan := cmd.(*Plan)
	switch {
	case s.Phase == New && !plan:
		return refuse("no_such_shipment", "stream", s.Stream+" has no events", "plan the shipment first, or check the stream")
	case s.Phase == Closed:
		switch cmd.(type) {
		case *Verify, *Return, *Reverse, *Revalue:
		default:
			return refuse("shipment_closed", "stream", s.Stream+" is closed", "plan another shipment, or reverse what was recorded in error")
		}
	}
	return nil
}

func (s *State) plan(c *Plan) ([]es.Event, error) {
	const field = "plan_shipment.lines"
	if len(c.Lines) == 0 || len(c.Lines)+len(s.Lines) > linesMax {
		return nil, refuse("bad_count", field, fmt.Sprintf("%d lines, and a shipment carries 1 to %d", len(c.Lines)+len(s.Lines), linesMax), "plan several shipments, or name what it carries")
	}
	ev := &eventv1.ShipmentPlanned{Title: c.Title}
	seen := map[uuid.UUID]bool{}
	for i, d := range c.Lines {
		at := fmt.Sprintf("%s[%d]", field, i)
		donor, beneficiary := cmp.Or(s.Donor, c.Donor, c.Lines[0].Donor), cmp.Or(s.Beneficiary, c.Beneficiary, c.Lines[0].Beneficiary)
		if d.Donor != "" && (d.Donor != donor || d.Beneficiary != beneficiary) { // empty before it is drawn
			return nil, refuse("other_party", at+".pledge", fmt.Sprintf("%s is a pledge of %s to %s, and the shipment is of %s to %s", d.Line.Pledge, d.Donor, d.Beneficiary, donor, beneficiary),
				"one shipment goes from one donor to one beneficiary: plan another")
		}
		draw := uuid.UUID(d.Line.Draw)
		if s.Line(draw) != nil || seen[draw] {
			return nil, refuse("draw_exists", at, "the shipment carries this draw already", "draw again for another line")
		}
		seen[draw] = true
		ev.Lines = append(ev.Lines, d.Line)
	}
	return one(ev)
}

var hashForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func (s *State) dispatch(c *Dispatch) ([]es.Event, error) {
	const field = "dispatch_shipment"
	if c.ManifestHash != "" && !hashForm.MatchString(c.ManifestHash) {
		return nil, refuse("bad_hash", field+".manifest_hash", fmt.Sprintf("%q is not a hash", c.ManifestHash), "write `sha256:` and 64 hexadecimal digits, or leave it out where there is no manifest")
	}
	moved, err := s.take(field+".movements", c.Parts, dispatched, false, reserved)
	if err != nil {
		return nil, err
	}
	return one(&eventv1.ShipmentDispatched{Movements: moved, Place: c.Place, ManifestHash: c.ManifestHash})
}

// handOver: a surplus is a fact that breaks the plan, so it is recorded over what was dispatched, and told.
func (s *State) handOver(c *HandOver) ([]es.Event, error) {
	const field = "hand_over_shipment"
	switch {
	case c.Point == eventv1.DeliveryPoint_DELIVERY_POINT_UNSPECIFIED:
		return nil, refuse("point_missing", field+".point", "`delivered` always names its point", "departure, port, hub, beneficiary or unstated")
	case c.Evidence == eventv1.Evidence_EVIDENCE_UNSPECIFIED:
		return nil, refuse("evidence_missing", field+".evidence", "no evidence is named", "signed or claim")
	case c.Evidence == eventv1.Evidence_EVIDENCE_SIGNED && c.Signatory == "":
		return nil, refuse("signatory_missing", field+".signatory", "nobody is named who signed", "name who signed, or say claim")
	}
	moved, err := s.take(field+".movements", c.Parts, handedOver(c.Evidence), true, dispatched)
	if err != nil {
		return nil, err
	}
	events := []es.Event{&eventv1.ShipmentHandedOver{Movements: moved, Point: c.Point, Evidence: c.Evidence, Signatory: c.Signatory, Place: c.Place}}
	taken := map[uuid.UUID]money.Amount{}
	for _, m := range moved {
		if l := s.Line(uuid.UUID(m.Draw)); !drawn.Amount(m.GetSplit().GetRest()).IsZero() {
			surplus := &eventv1.Movement{Draw: m.Draw, Pledge: m.Pledge, Amount: m.Split.Rest, Split: &eventv1.Split{Asset: l.Asset}}
			events = append(events, &eventv1.ShipmentDiscrepancy{Kind: eventv1.Discrepancy_DISCREPANCY_OVER, Movement: surplus})
		}
		for _, x := range m.GetSplit().GetReliefs() {
			taken[uuid.UUID(m.Draw)] = drawn.Sum(taken[uuid.UUID(m.Draw)], drawn.Amount(x.Amount))
		}
	}
	if !c.Complete {
		return events, nil
	}
	for _, m := range moved {
		l := s.Line(uuid.UUID(m.Draw))
		if short := drawn.Sum(l.Standing(dispatched), taken[l.Draw].Neg()); short.Sign() > 0 {
			gone := l.Take(short, eventv1.RestTo_REST_TO_UNSPECIFIED, dispatched)
			events = append(events, &eventv1.ShipmentDiscrepancy{Kind: eventv1.Discrepancy_DISCREPANCY_SHORT, Movement: gone})
		}
	}
	return events, nil
}

func (s *State) verify(c *Verify) ([]es.Event, error) {
	const field = "verify_shipment"
	if c.Verifier == "" {
		return nil, refuse("verifier_missing", field+".verifier", "nobody is named who verified", "name who counted it")
	}
	moved, err := s.take(field+".movements", c.Parts, verified, false, signed, claimed)
	if err != nil {
		return nil, err
	}
	return one(&eventv1.ShipmentVerified{Movements: moved, Verifier: c.Verifier})
}

// report: what is short goes to missing; the other kinds are told and move nothing.
func (s *State) report(c *Report) ([]es.Event, error) {
	const field = "report_discrepancy"
	switch c.Kind {
	case eventv1.Discrepancy_DISCREPANCY_SHORT:
		moved, err := s.take(field+".movement", []Part{c.Part}, missing, false, dispatched)
		if err != nil {
			return nil, err
		}
		return one(&eventv1.ShipmentDiscrepancy{Kind: c.Kind, Movement: moved[0]})
	case eventv1.Discrepancy_DISCREPANCY_DAMAGED, eventv1.Discrepancy_DISCREPANCY_UNMANIFESTED:
		l, err := s.line(field+".movement.draw", c.Part.Draw)
		if err != nil {
			return nil, err
		}
		if err := checkPart(field+".movement", l, c.Part); err != nil {
			return nil, err
		}
		m := &eventv1.Movement{Draw: l.Draw[:], Pledge: l.Pledge, Serials: c.Part.Serials, Stated: c.Part.Stated}
		if c.Part.Amount != nil {
			if err := positive(field+".movement.amount", l, c.Part); err != nil {
				return nil, err
			}
			m.Amount, m.Split = c.Part.Amount.Proto(), &eventv1.Split{Asset: l.Asset}
		}
		return one(&eventv1.ShipmentDiscrepancy{Kind: c.Kind, Movement: m})
	case eventv1.Discrepancy_DISCREPANCY_OVER:
		return nil, refuse("hand_over_instead", field+".kind", "a surplus is what was handed over beyond what was dispatched", "hand over all that came: the surplus is then recorded")
	}
	return nil, refuse("kind_missing", field+".kind", "no kind of discrepancy is given", "short, damaged or unmanifested")
}

// giveBack takes back from what is under way first, then from what was handed over. What is verified is reversed first: somebody counted it there.
func (s *State) giveBack(c *Return) ([]es.Event, error) {
	const field = "return_shipment.movements"
	moved, err := s.take(field, c.Parts, eventv1.Stage_STAGE_RETURNED, false, dispatched, signed, claimed)
	if err != nil {
		return nil, err
	}
	if !c.Reopens {
		return one(&eventv1.ShipmentReturned{Movements: moved})
	}
	ev := &eventv1.ShipmentReturned{Reopens: true}
	for i, m := range moved {
		l := s.Line(uuid.UUID(m.Draw))
		if l.Asset == "" {
			ev.Movements = append(ev.Movements, m)
			continue
		}
		var back, through money.Amount // to reserved, and of that through dispatched, by the movements of this draw so far
		for _, x := range m.Split.Reliefs {
			t := drawn.Amount(x.Amount)
			back = drawn.Sum(back, t)
			if x.Stage != dispatched {
				through = drawn.Sum(through, t)
			}
			if back.Cmp(l.Left(reserved)) > 0 || through.Cmp(l.Left(dispatched)) > 0 {
				return nil, refuse("over_cannot_reopen", fmt.Sprintf("%s[%d].amount", field, i), fmt.Sprintf("%s is more than what left the rungs below, where a revaluation added to it, and nobody owes that", l.Text(back)), "return that part for good")
			}
			if over := l.At(x.Stage).Over; drawn.Sum(t, over).Cmp(l.Standing(x.Stage)) > 0 {
				return nil, refuse("over_cannot_reopen", fmt.Sprintf("%s[%d].amount", field, i), fmt.Sprintf("%s was handed over beyond what was dispatched, and nobody owes it", l.Text(over)), "return that part for good")
			}
			ev.Movements = append(ev.Movements, undoing(l, x.Stage, t))
		}
	}
	return one(ev)
}

// undoing names every rung that a part goes back through, the upper ones first.
func undoing(l *drawn.Line, from eventv1.Stage, t money.Amount) *eventv1.Movement {
	split := &eventv1.Split{Asset: l.Asset}
	for s := from; s != reserved; s = below(s) {
		split.Reliefs = append(split.Reliefs, &eventv1.Relief{Line: l.Draw[:], Stage: s, Amount: t.Proto()})
	}
	return &eventv1.Movement{Draw: l.Draw[:], Pledge: l.Pledge, Amount: t.Proto(), Split: split}
}

// reverse takes back what nothing has gone further from.
func (s *State) reverse(c *Reverse) ([]es.Event, error) {
	const field = "reverse_shipment.event"
	for i, m := range s.Moves {
		if m.Event != c.Event {
			continue
		}
		for _, x := range m.Movements {
			l := s.Line(uuid.UUID(x.Draw))
			if drawn.Amount(x.Amount).Cmp(l.Standing(m.Stage)) > 0 || l.Asset == "" && (!l.Has(m.Stage) || s.movedAfter(i, l.Draw)) {
				return nil, refuse("gone_further", field, fmt.Sprintf("of draw %s only %s still stands as %s", l.Draw, l.Text(l.Standing(m.Stage)), term.Word(m.Stage)), "reverse what came after it first")
			}
		}
		return one(&eventv1.ShipmentReversed{Event: c.Event[:], Movements: m.Movements})
	}
	return nil, refuse("nothing_to_reverse", field, fmt.Sprintf("%s holds no movement of event %s that still stands", s.Stream, c.Event), "name a dispatch, hand-over, verification, shortage, loss or final return")
}

// movedAfter tells whether a draw has moved since a movement, which amounts tell only where it can be counted.
func (s *State) movedAfter(i int, draw uuid.UUID) bool {
	for _, m := range s.Moves[i+1:] {
		for _, x := range m.Movements {
			if uuid.UUID(x.Draw) == draw {
				return true
			}
		}
	}
	return false
}

func (s *State) revalue(c *Revalue) ([]es.Event, error) {
	const field = "revalue_shipment"
	l, err := s.line(field+".draw", c.Draw)
	if err != nil {
		return nil, err
	}
	if err := stated.Revaluation(field, c.Asset, c.Delta); err != nil {
		return nil, err
	}
	switch {
	case l.Asset == "":
		return nil, refuse("no_control", field+".draw", "the allocation states neither value nor quantity, so nothing of it can be counted", "revalue the allocation")
	case c.Stage != dispatched && c.Stage != signed && c.Stage != claimed && c.Stage != verified || l.Standing(c.Stage).IsZero():
		return nil, refuse("not_at_stage", field+".stage", fmt.Sprintf("nothing of draw %s stands as %s", l.Draw, term.Word(c.Stage)), "revalue it where it stands: dispatched, handed_over, claimed or verified")
	case c.Asset == l.Asset && drawn.Sum(l.Standing(c.Stage), c.Delta).Sign() <= 0:
		return nil, refuse("below_zero", field+".delta", fmt.Sprintf("%s stands there, and nothing would be left of it", l.Text(l.Standing(c.Stage))), "revalue by less")
	}
	return one(&eventv1.ShipmentRevalued{Draw: l.Draw[:], Pledge: l.Pledge, Stage: c.Stage, Asset: c.Asset, Delta: c.Delta.Proto()})
}

func (s *State) close() ([]es.Event, error) {
	ev := &eventv1.ShipmentClosed{}
	for _, l := range s.Lines {
		for _, st := range []eventv1.Stage{dispatched, missing} {
			if !l.Standing(st).IsZero() {
				return nil, refuse("still_under_way", "close_shipment", fmt.Sprintf("%s of draw %s still stands as %s", l.Text(l.Standing(st)), l.Draw, term.Word(st)), "hand it over, or report it lost or returned")
			}
		}
		if left := l.Standing(reserved); !left.IsZero() || l.Asset == "" && l.Has(reserved) && !l.Has(dispatched) {
			m := &eventv1.Movement{Draw: l.Draw[:], Pledge: l.Pledge}
			if l.Asset != "" {
				m.Amount, m.Split = left.Proto(), &eventv1.Split{Asset: l.Asset}
			}
			ev.Unused = append(ev.Unused, m)
		}
		if l.Has(dispatched) {
			ev.Used = append(ev.Used, &eventv1.Movement{Draw: l.Draw[:], Pledge: l.Pledge})
		}
	}
	return one(ev)
}
