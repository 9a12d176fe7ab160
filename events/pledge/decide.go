package pledge

import (
	"fmt"

	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/stated"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	eventv2 "github.com/allied-ledger/allied/proto/gen/allied/event/v2"
	"github.com/google/uuid"
)

// Decide applies the rules of one pledge. It is pure: same state and command, same answer. Errors are *es.Refusal.
func Decide(s *State, cmd Command) ([]es.Event, error) {
	if err := s.admit(cmd); err != nil {
		return nil, err
	}
	switch c := cmd.(type) {
	case *Announce:
		return s.announce(c)
	case *Commit:
		return s.commit(c)
	case *Allocate:
		return s.allocate(c)
	case *ScheduleTranche:
		return s.scheduleTranche(c)
	case *RescheduleTranche:
		return s.rescheduleTranche(c)
	case *ActivateTranche:
		return s.activateTranche(c)
	case *ExpireTranche:
		return s.expireTranche(c)
	case *ReserveDraw:
		return s.reserveDraw(c)
	case *ReleaseDraw:
		return s.releaseDraw(c)
	case *SettleDraw:
		switch d, err := s.openDraw("settle_draw.draw", c.Draw); {
		case err != nil:
			return nil, err
		case d.Status == Settled:
			return nil, refuse("draw_ended", "settle_draw.draw", fmt.Sprintf("draw %s is %s", d.ID, d.Status), "nothing is left to do")
		}
		return one(&eventv1.DrawSettled{Draw: c.Draw[:]})
	case *ClaimDelivery:
		return s.claimDelivery(c)
	case *Reduce:
		return s.reduce(c)
	case *CancelRemainder:
		splits := s.unreserved()
		if len(splits) == 0 {
			return nil, refuse("nothing_to_cancel", "", "everything committed or allocated is reserved, cancelled or of unknown value", "lapse the pledge if it ended")
		}
		return one(&eventv1.RemainderCancelled{Splits: splits})
	case *Fulfil:
		return s.fulfil()
	case *Lapse:
		if err := s.noneContingent("lapse_pledge"); err != nil {
			return nil, err
		}
		return one(&eventv1.PledgeLapsed{Splits: s.unreserved()})
	case *LinkTo:
		return s.linkTo(c)
	case *Reclassify:
		return s.reclassify(c)
	case *Revalue:
		return s.revalue(c)
	}
	return nil, refuse("unknown_command", "", fmt.Sprintf("a pledge does not know %T", cmd), "use a command of the API")
}

func one(e es.Event) ([]es.Event, error) { return []es.Event{e}, nil }

func refuse(code, field, reason, remedy string) *es.Refusal {
	return &es.Refusal{Code: code, Field: field, Reason: reason, Remedy: remedy}
}

// admit applies the rules that hold for every command.
func (s *State) admit(cmd Command) error {
	m := cmd.meta()
	if s.Phase == New {
		switch c := cmd.(type) {
		case *Announce, *Commit:
		case *Allocate:
			if m.Named && !m.Observed { // of what nobody promised, and not of the pledge that was meant
				return refuse("no_such_pledge", "stream", s.Stream+" has no events", "check the stream, or leave it out to open a pledge")
			}
		case *ScheduleTranche:
			if c.ThreatLevel == 0 {
				return refuse("no_such_pledge", "stream", s.Stream+" has no events", "announce, commit or allocate first, or check the stream")
			}
		default:
			return refuse("no_such_pledge", "stream", s.Stream+" has no events", "announce, commit or allocate first, or check the stream")
		}
		if m.Donor == "" || m.Beneficiary == "" {
			return refuse("party_missing", "donor", "a new pledge needs a donor and a beneficiary", "name both by their ISO 3166-1 alpha-3 or institution code")
		}
		if m.Donor == m.Beneficiary {
			return refuse("same_party", "beneficiary", m.Donor+" cannot be donor and beneficiary of one pledge", "name the beneficiary")
		}
	} else {
		if m.Donor != "" && m.Donor != s.Donor {
			return refuse("other_donor", "donor", fmt.Sprintf("%s is a pledge of %s, not of %s", s.Stream, s.Donor, m.Donor), "check the stream, or open another pledge")
		}
		if m.Beneficiary != "" && m.Beneficiary != s.Beneficiary {
			return refuse("other_beneficiary", "beneficiary", fmt.Sprintf("%s is a pledge to %s, not to %s", s.Stream, s.Beneficiary, m.Beneficiary), "check the stream, or open another pledge")
		}
	}
	if m.Effective == nil {
		return refuse("effective_missing", "effective", "the command does not say when it happened", "give a date, or `unknown`")
	}
	if err := dates.Check(m.Effective); err != nil {
		return refuse("bad_date", "effective", err.Error(), "give a date such as 2022-09-13, or `unknown`")
	}
	if m.Observed && !m.Sourced {
		return refuse("observed_without_source", "sources", "an observed fact comes from outside data and must cite it", "add a source with a publisher")
	}
	if m.Override != nil && m.Observed {
		return refuse("observed_and_override", "override", "an override is a person's decision; outside data is observed", "keep one of the two")
	}
	if m.Override != nil && (m.Override.Authority == "" || m.Override.Reason == "") {
		return refuse("override_incomplete", "override", "an override names who decided and why", "give authority and reason")
	}
	return s.admitClosed(cmd)
}

// admitClosed: a closed pledge takes what ends its draws, corrects its lines or joins it to others, and what outside data reports.
func (s *State) admitClosed(cmd Command) error {
	if s.Phase != Fulfilled && s.Phase != Lapsed {
		return nil
	}
	_, fulfil := cmd.(*Fulfil)
	_, lapse := cmd.(*Lapse)
	if cmd.meta().Observed && !fulfil && !lapse {
		return nil
	}
	switch cmd.(type) {
	case *ReleaseDraw, *SettleDraw, *LinkTo, *Reclassify, *Revalue, *CancelRemainder, *ExpireTranche:
		return nil
	}
	return refuse("pledge_closed", "stream", fmt.Sprintf("%s is %s", s.Stream, s.Phase), "open another pledge that extends this one, or report outside data as observed")
}

func (s *State) announce(c *Announce) ([]es.Event, error) {
	const field = "announce_pledge.lines"
	if err := bounded(field, len(c.Lines)); err != nil {
		return nil, err
	}
	seen := map[uuid.UUID]bool{}
	for i, l := range c.Lines {
		if err := s.checkLine(at(field, i), l, nil, seen); err != nil {
			return nil, err
		}
	}
	return one(&eventv1.PledgeAnnounced{Title: c.Title, Lines: c.Lines})
}

func (s *State) commit(c *Commit) ([]es.Event, error) {
	const field = "commit_pledge.commitments"
	if err := bounded(field, len(c.Commitments)); err != nil {
		return nil, err
	}
	seen, taken := map[uuid.UUID]bool{}, takings{}
	ev := &eventv1.PledgeCommitted{Title: c.Title}
	for i, in := range c.Commitments {
		if err := s.checkLine(at(field, i)+".line", in.Line, nil, seen); err != nil {
			return nil, err
		}
		if in.Firmness == eventv1.Firmness_FIRMNESS_UNSPECIFIED {
			return nil, refuse("firmness_missing", at(field, i)+".firmness", "no firmness is given", "firm, stated or unknown")
		}
		out := &eventv1.Commitment{Line: in.Line, Firmness: in.Firmness}
		for _, a := range controlAmounts(in.Line, nil) {
			split := s.relieve(a, taken, eventv1.RestTo_REST_TO_ORIGIN, everyLine, eventv1.Stage_STAGE_ANNOUNCED)
			out.Splits = append(out.Splits, split)
			if cover := s.covers(a, taken); cover != nil {
				out.Covers = append(out.Covers, cover)
			}
		}
		ev.Commitments = append(ev.Commitments, out)
	}
	return one(ev)
}

func (s *State) allocate(c *Allocate) ([]es.Event, error) {
	const field = "allocate_pledge"
	if len(c.Items) > itemsMax {
		return nil, refuse("too_many", field+".items", fmt.Sprintf("%d items, and one allocation holds at most %d", len(c.Items), itemsMax), "split the allocation")
	}
	if err := s.checkLine(field+".line", c.Line, c.Items, nil); err != nil {
		return nil, err
	}
	if !c.Observed {
		if err := s.checkControlChoice(field+".line", c.Line); err != nil {
			return nil, err
		}
	}
	ev := &eventv1.PledgeAllocated{Title: c.Title, Line: c.Line, Items: c.Items}
	for _, a := range controlAmounts(c.Line, c.Items) {
		rest := eventv1.RestTo_REST_TO_OVER
		if !s.capKnown(a.Asset) {
			rest = eventv1.RestTo_REST_TO_UNMEASURED
		}
		split := s.relieve(a, takings{}, rest, everyLine, eventv1.Stage_STAGE_COMMITTED)
		if over := sum(a.Amount, money.Min(a.Amount, s.room(a.Asset)).Neg()); !over.IsZero() && rest == eventv1.RestTo_REST_TO_OVER && !c.mayExceed() {
			return nil, exceeds("exceeds_committed", field+".line.values", a, over, "committed and not yet allocated", remedyOverride)
		}
		ev.Splits = append(ev.Splits, split)
	}
	return one(ev)
}

func (s *State) reduce(c *Reduce) ([]es.Event, error) {
	const field = "reduce_pledge"
	want := AssetAmount{c.Asset, c.Amount}
	if err := positive(field+".amount", want); err != nil {
		return nil, err
	}
	split := s.relieve(want, takings{}, eventv1.RestTo_REST_TO_UNSPECIFIED, everyLine, eventv1.Stage_STAGE_COMMITTED, eventv1.Stage_STAGE_ALLOCATED)
	if rest := amountOf(split.Rest); !rest.IsZero() {
		return nil, exceeds("exceeds_unreserved", field+".amount", want, rest, "committed or allocated and not reserved",
			"only unreserved amounts can be reduced: ask for less, or release draws first")
	}
	return one(&eventv2.PledgeReduced{Split: split})
}

// unreserved is all that is committed or allocated and not reserved, a split for each control asset in the order of the lines.
func (s *State) unreserved() []*eventv1.Split {
	var splits []*eventv1.Split
	done := map[string]bool{}
	for _, l := range s.Lines {
		for _, a := range l.Controls {
			if done[a] {
				continue
			}
			done[a] = true
			split := s.relieve(AssetAmount{a, money.MaxAmount}, takings{}, eventv1.RestTo_REST_TO_UNSPECIFIED, everyLine,
				eventv1.Stage_STAGE_COMMITTED, eventv1.Stage_STAGE_ALLOCATED)
			if len(split.Reliefs) > 0 {
				split.Rest = nil
				splits = append(splits, split)
			}
		}
	}
	return splits
}

// noneContingent: a pledge does not end while support waits for a threat level, which nobody could activate then.
func (s *State) noneContingent(field string) error {
	for _, t := range s.Tranches {
		if t.ThreatLevel > 0 && t.Status == Scheduled {
			return refuse("tranche_open", field, fmt.Sprintf("tranche %s waits for threat level %d", t.ID, t.ThreatLevel), "activate or expire it first")
		}
	}
	return nil
}

func (s *State) fulfil() ([]es.Event, error) {
	if err := s.noneContingent("fulfil_pledge"); err != nil {
		return nil, err
	}
	for _, l := range s.Lines {
		for _, b := range l.Balances {
			if (b.Stage == eventv1.Stage_STAGE_COMMITTED || b.Stage == eventv1.Stage_STAGE_ALLOCATED) && !b.Standing.IsZero() {
				return nil, refuse("not_used_up", "fulfil_pledge",
					fmt.Sprintf("%s of %s still stands as %s on line %s", text(b.Standing, b.Asset), b.Asset, stageWord(b.Stage), l.ID),
					"draw it, or cancel the remainder first")
			}
		}
	}
	for _, d := range s.Draws {
		if d.Status == Reserved {
			return nil, refuse("draw_open", "fulfil_pledge", fmt.Sprintf("draw %s for %s is neither settled nor released", d.ID, d.ForStream), "close the shipment, or settle or release the draw")
		}
	}
	return one(&eventv1.PledgeFulfilled{})
}

func (s *State) linkTo(c *LinkTo) ([]es.Event, error) {
	const field = "link_pledge"
	if c.Link == eventv1.Link_LINK_UNSPECIFIED {
		return nil, refuse("link_missing", field+".link", "no link is given", "same, extends, funds or reimburses")
	}
	kind, _, err := es.ParseStream(c.Pledge)
	if err != nil || kind != Kind {
		return nil, refuse("bad_stream", field+".pledge", fmt.Sprintf("%q is not a pledge's stream", c.Pledge), "name it as pledge-<uuid>")
	}
	if c.Pledge == s.Stream {
		return nil, refuse("same_pledge", field+".pledge", "a pledge cannot be linked to itself", "name the other pledge")
	}
	for _, l := range s.Links {
		if l.Link == c.Link && l.Pledge == c.Pledge {
			return nil, refuse("link_exists", field, "the pledges are linked like this already", "nothing is left to do")
		}
	}
	return one(&eventv1.PledgeLinked{Link: c.Link, Pledge: c.Pledge})
}

func (s *State) reclassify(c *Reclassify) ([]es.Event, error) {
	const field = "reclassify_line"
	l, err := s.needLine(field+".line", c.Line)
	if err != nil {
		return nil, err
	}
	to, instrument := c.Category, c.Instrument
	if to == "" {
		to = l.Category
	}
	if instrument == eventv1.Instrument_INSTRUMENT_UNSPECIFIED {
		instrument = l.Instrument
	}
	if err := knownCategory(field+".category", to); err != nil {
		return nil, err
	}
	if to == l.Category && instrument == l.Instrument {
		return nil, refuse("nothing_to_reclassify", field, fmt.Sprintf("line %s is %s, %s already", l.ID, l.Category, instrumentWord(l.Instrument)), "nothing is left to do")
	}
	return one(&eventv1.LineReclassified{
		Line: l.ID[:], FromCategory: l.Category, ToCategory: to, FromInstrument: l.Instrument, ToInstrument: instrument, Mapping: c.Mapping,
	})
}

func (s *State) revalue(c *Revalue) ([]es.Event, error) {
	const field = "revalue_line"
	l, err := s.needLine(field+".line", c.Line)
	if err != nil {
		return nil, err
	}
	if err := stated.Revaluation(field, c.Asset, c.Delta); err != nil {
		return nil, err
	}
	if c.Stage == eventv1.Stage_STAGE_RESERVED || c.Draw != uuid.Nil {
		return s.revalueDraw(c, l)
	}
	if c.Stage != l.Stage {
		return nil, refuse("not_at_stage", field+".stage", fmt.Sprintf("line %s stands at %s", l.ID, stageWord(l.Stage)), "revalue it there")
	}
	if !l.controlledBy(c.Asset) {
		if len(l.Controls) == 0 {
			if c.Delta.Sign() < 0 {
				return nil, refuse("below_zero", field+".delta", "a first value cannot be negative", "give the value")
			}
			if err := s.roomToRevalue(field, c); err != nil {
				return nil, err
			}
		}
		return one(&eventv1.LineRevalued{Line: l.ID[:], Stage: c.Stage, Asset: c.Asset, Delta: c.Delta.Proto()})
	}
	next, err := l.Standing(c.Stage, c.Asset).Add(c.Delta)
	if err != nil || next.Sign() < 0 {
		return nil, refuse("below_zero", field+".delta",
			fmt.Sprintf("%s of %s stands at %s, and %s is asked to change", text(l.Standing(c.Stage, c.Asset), c.Asset), c.Asset, stageWord(c.Stage), text(c.Delta, c.Asset)),
			"a control standing stays between zero and the bound of an amount: revalue by less")
	}
	if err := s.roomToRevalue(field, c); err != nil {
		return nil, err
	}
	return one(&eventv1.LineRevalued{Line: l.ID[:], Stage: c.Stage, Asset: c.Asset, Delta: c.Delta.Proto()})
}
