package pledgetest

import (
	"strconv"

	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

var (
	assets = []string{EUR, EUR, EUR, "USD/2@donor_stated", "EUR/2@net_book"}
	names  = []string{"shell", "tank"}
)

// Random draws a command that a state might meet: mostly sensible, sometimes not.
func Random(t *rapid.T, s *pledge.State, next func() int) pledge.Command {
	return given.Sensible(pledge.Decider, s, func() pledge.Command { return draw(t, s, next) })
}

func draw(t *rapid.T, s *pledge.State, next func() int) pledge.Command {
	meta := rapid.SampledFrom([]func() pledge.Meta{Meta, Meta, Meta, Observed, Overridden}).Draw(t, "meta")()
	r := random{t, s, next, meta}
	kind := rapid.SampledFrom([]string{
		"announce", "commit", "commit", "allocate", "allocate", "allocate", "contingent", "due", "reschedule", "activate", "expire",
		"draw", "draw", "draw", "release", "settle", "claim", "reduce", "cancel", "fulfil", "fulfil", "lapse", "link", "reclassify", "revalue",
	}).Draw(t, "command")
	if c := r.onDraws(kind); c != nil {
		return c
	}
	if c := r.onTranches(kind); c != nil {
		return c
	}
	switch kind {
	case "announce":
		return &pledge.Announce{Meta: meta, Lines: []*eventv1.Line{r.line()}}
	case "commit":
		c := Commit(r.line(), r.line())
		c.Meta = meta
		return c
	case "reduce":
		a := r.asset()
		return &pledge.Reduce{Meta: meta, Asset: a, Amount: r.amount(a)}
	case "cancel":
		return &pledge.CancelRemainder{Meta: meta}
	case "fulfil":
		return &pledge.Fulfil{Meta: meta}
	case "lapse":
		if rapid.IntRange(0, 9).Draw(t, "really lapse") > 0 {
			return &pledge.CancelRemainder{Meta: meta}
		}
		return &pledge.Lapse{Meta: meta}
	case "link":
		return &pledge.LinkTo{Meta: meta, Link: eventv1.Link_LINK_EXTENDS, Pledge: "pledge-" + ID(r.next()).String()}
	case "reclassify":
		return &pledge.Reclassify{
			Meta: meta, Line: r.someLine(), Category: rapid.SampledFrom([]string{"MIL.AMMO", "MIL.ARTY", "MIL.AIRDEF"}).Draw(t, "category"),
			Instrument: rapid.SampledFrom([]eventv1.Instrument{
				eventv1.Instrument_INSTRUMENT_UNSPECIFIED, eventv1.Instrument_INSTRUMENT_GRANT, eventv1.Instrument_INSTRUMENT_LOAN,
			}).Draw(t, "instrument"),
		}
	case "revalue":
		return r.revalue()
	default:
		return r.allocate()
	}
}

type random struct {
	t    *rapid.T
	s    *pledge.State
	next func() int
	meta pledge.Meta
}

func (r *random) asset() string { return rapid.SampledFrom(assets).Draw(r.t, "asset") }

func (r *random) amount(name string) money.Amount {
	return Amount(name, strconv.Itoa(rapid.IntRange(0, 1000).Draw(r.t, "amount")))
}

func (r *random) line() *eventv1.Line {
	var values []*eventv1.Valuation
	switch rapid.IntRange(0, 9).Draw(r.t, "value") {
	case 0:
		values = append(values, Missing("tracker", eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED))
	case 1:
		values = append(values, Missing("donor_stated", eventv1.ValueStatus_VALUE_STATUS_WITHHELD))
	default:
		for _, a := range rapid.SliceOfNDistinct(rapid.SampledFrom(assets), 1, 3, rapid.ID).Draw(r.t, "assets") {
			values = append(values, Stated(a, strconv.Itoa(rapid.IntRange(0, 1000).Draw(r.t, "amount"))))
		}
	}
	return Line(r.next(), values...)
}

func (r *random) allocate() pledge.Command {
	var items []*eventv1.Item
	for range rapid.IntRange(0, 2).Draw(r.t, "items") {
		it := Item(rapid.SampledFrom(names).Draw(r.t, "item"), strconv.Itoa(rapid.IntRange(0, 50).Draw(r.t, "units")))
		if it.Name == "tank" {
			it.Category = "MIL.ARMOUR.TANK"
		}
		items = append(items, it)
	}
	c := Allocate(r.line(), items...)
	c.Meta = r.meta
	return c
}

func (r *random) someLine() uuid.UUID {
	if len(r.s.Lines) == 0 {
		return ID(0)
	}
	return rapid.SampledFrom(r.s.Lines).Draw(r.t, "line").ID
}

// part is a part of what stands on a line, or a little more.
func (r *random) part(l *pledge.Line, stage eventv1.Stage) (string, money.Amount) {
	if l == nil || len(l.Controls) == 0 {
		return "", money.Amount{}
	}
	a := rapid.SampledFrom(l.Controls).Draw(r.t, "control")
	return a, r.tenths(l.Standing(stage, a))
}

// tenths is a part of an amount, or a little more than all.
func (r *random) tenths(whole money.Amount) money.Amount {
	n, err := money.MulDiv(whole, money.New(int64(rapid.IntRange(1, 11).Draw(r.t, "tenths"))), money.New(10))
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *random) onDraws(kind string) pledge.Command {
	pick := func() uuid.UUID {
		if len(r.s.Draws) == 0 {
			return ID(0)
		}
		return rapid.SampledFrom(r.s.Draws).Draw(r.t, "draw").ID
	}
	switch kind {
	case "draw":
		c := &pledge.ReserveDraw{Meta: r.meta, Draw: ID(r.next()), ForStream: given.Stream("shipment")}
		var allocations []*pledge.Line
		for _, l := range r.s.Lines {
			if l.Stage == eventv1.Stage_STAGE_ALLOCATED {
				allocations = append(allocations, l)
			}
		}
		if len(allocations) > 0 {
			l := rapid.SampledFrom(allocations).Draw(r.t, "allocation")
			c.Allocation = l.ID
			c.Asset, c.Amount = r.part(l, eventv1.Stage_STAGE_ALLOCATED)
		}
		if c.Asset == EUR && rapid.Bool().Draw(r.t, "states shells") {
			c.Stated = []*eventv1.AssetAmount{{Asset: "each/6:shell", Amount: Amount("each/6:shell", "3").Proto()}}
		}
		return c
	case "release":
		c := &pledge.ReleaseDraw{Meta: r.meta, Draw: pick()}
		if d := r.s.Draw(c.Draw); d != nil && d.Asset != "" && rapid.Bool().Draw(r.t, "in part") {
			c.Asset, c.Amount = d.Asset, r.tenths(d.Amount)
		}
		return c
	case "settle":
		return &pledge.SettleDraw{Meta: r.meta, Draw: pick()}
	case "claim":
		c := &pledge.ClaimDelivery{Meta: r.meta, Line: r.someLine(), SameUnits: rapid.Bool().Draw(r.t, "same units")}
		if l := r.s.Line(c.Line); l != nil {
			c.Asset, c.Amount = r.part(l, l.Stage)
		}
		return c
	}
	return nil
}

func (r *random) onTranches(kind string) pledge.Command {
	pick := func() uuid.UUID {
		if len(r.s.Tranches) == 0 {
			return ID(0)
		}
		return rapid.SampledFrom(r.s.Tranches).Draw(r.t, "tranche").ID
	}
	switch kind {
	case "contingent":
		c := Contingent(r.next(), 2, r.line())
		c.Meta = r.meta
		return c
	case "due":
		c := &pledge.ScheduleTranche{Meta: r.meta, Tranche: ID(r.next()), Due: r.meta.Effective, OfLine: r.someLine()}
		if l := r.s.Line(c.OfLine); l != nil {
			c.Asset, c.Amount = r.part(l, l.Stage)
		}
		return c
	case "reschedule":
		return &pledge.RescheduleTranche{Meta: r.meta, Tranche: pick(), Due: r.meta.Effective}
	case "activate":
		return &pledge.ActivateTranche{Meta: r.meta, Tranche: pick(), ThreatLevel: 3, Firmness: eventv1.Firmness_FIRMNESS_FIRM}
	case "expire":
		return &pledge.ExpireTranche{Meta: r.meta, Tranche: pick()}
	}
	return nil
}

func (r *random) revalue() pledge.Command {
	c := &pledge.Revalue{Meta: r.meta, Line: r.someLine(), Asset: r.asset()}
	if l := r.s.Line(c.Line); l != nil {
		c.Stage = l.Stage
		if len(l.Controls) > 0 && rapid.Bool().Draw(r.t, "in control") {
			c.Asset = l.Controls[0]
		}
	}
	if len(r.s.Draws) > 0 && rapid.IntRange(0, 3).Draw(r.t, "what is reserved") == 0 {
		d := rapid.SampledFrom(r.s.Draws).Draw(r.t, "draw")
		c.Line, c.Draw, c.Stage = d.Allocation, d.ID, eventv1.Stage_STAGE_RESERVED
	}
	c.Delta = Amount(EUR, strconv.Itoa(rapid.IntRange(-500, 500).Draw(r.t, "delta")))
	return c
}
