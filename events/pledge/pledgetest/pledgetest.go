// Package pledgetest builds pledge commands and values for tests.
package pledgetest

import (
	"encoding/binary"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es/given"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// EUR is the asset that builders use where a test does not care.
const EUR = "EUR/2@tracker"

// ID is the n-th id of a test.
func ID(n int) uuid.UUID {
	var id uuid.UUID
	id[0] = 0x1d
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

// Amount parses decimal text in an asset's decimals. It panics on text that is not an amount.
func Amount(name, text string) money.Amount {
	a, err := asset.Parse(name)
	if err != nil {
		panic(err)
	}
	n, err := money.Parse(text, a.Scale)
	if err != nil {
		panic(err)
	}
	return n
}

// Stated is a value.
func Stated(name, text string) *eventv1.Valuation {
	a, err := asset.Parse(name)
	if err != nil {
		panic(err)
	}
	return &eventv1.Valuation{
		Basis: a.Basis, Status: eventv1.ValueStatus_VALUE_STATUS_STATED, Asset: name, Amount: Amount(name, text).Proto(),
		Source: eventv1.ValueSource_VALUE_SOURCE_GIVEN,
	}
}

// Missing is a value that is not there, with the reason.
func Missing(basis string, why eventv1.ValueStatus) *eventv1.Valuation {
	return &eventv1.Valuation{Basis: basis, Status: why, Source: eventv1.ValueSource_VALUE_SOURCE_NONE}
}

// Line is a line of artillery ammunition in kind. Its first money value is its control asset.
func Line(id int, values ...*eventv1.Valuation) *eventv1.Line {
	l := &eventv1.Line{Line: bytes(ID(id)), Category: "MIL.AMMO", Instrument: eventv1.Instrument_INSTRUMENT_IN_KIND, Values: values}
	for _, v := range values {
		if v.Asset != "" && !strings.ContainsRune(v.Asset, ':') {
			l.ControlAsset = v.Asset
			break
		}
	}
	return l
}

// Item is a quantity of a thing.
func Item(name, text string) *eventv1.Item {
	q := "each/6:" + name
	return &eventv1.Item{
		Name: name, Category: "MIL.AMMO", QuantityStatus: eventv1.ValueStatus_VALUE_STATUS_STATED, QuantityAsset: q, Quantity: Amount(q, text).Proto(),
	}
}

func bytes(id uuid.UUID) []byte { return id[:] }

// Meta is what opens a pledge: the parties of package given, on a day.
func Meta() pledge.Meta {
	day, err := dates.Day(2022, 9, 13)
	if err != nil {
		panic(err)
	}
	return pledge.Meta{Donor: given.Donor, Beneficiary: given.Beneficiary, Effective: day}
}

// Observed is Meta for outside data.
func Observed() pledge.Meta {
	m := Meta()
	m.Observed, m.Sourced = true, true
	return m
}

// Overridden is Meta with a person's decision to go beyond a cap.
func Overridden() pledge.Meta {
	m := Meta()
	m.Override = &eventv1.Override{Authority: "Cabinet decision 7", Reason: "urgent need"}
	return m
}

// Announce announces lines.
func Announce(lines ...*eventv1.Line) *pledge.Announce {
	return &pledge.Announce{Meta: Meta(), Lines: lines}
}

// Commit commits lines.
func Commit(lines ...*eventv1.Line) *pledge.Commit {
	c := &pledge.Commit{Meta: Meta()}
	for _, l := range lines {
		c.Commitments = append(c.Commitments, pledge.Commitment{Line: l, Firmness: eventv1.Firmness_FIRMNESS_FIRM})
	}
	return c
}

// Allocate allocates one package.
func Allocate(l *eventv1.Line, items ...*eventv1.Item) *pledge.Allocate {
	return &pledge.Allocate{Meta: Meta(), Line: l, Items: items}
}

// Draw draws on an allocation.
func Draw(draw, allocation int, name, text string) *pledge.ReserveDraw {
	return &pledge.ReserveDraw{
		Meta: Meta(), Draw: ID(draw), Allocation: ID(allocation), Asset: name, Amount: Amount(name, text),
		ForStream: given.Stream("shipment"),
	}
}

// Contingent schedules support for a threat level.
func Contingent(tranche int, level uint32, l *eventv1.Line) *pledge.ScheduleTranche {
	m := Meta()
	return &pledge.ScheduleTranche{Meta: m, Tranche: ID(tranche), Due: m.Effective, ThreatLevel: level, Contingent: l}
}

// Due schedules a part of a line.
func Due(tranche, line int, name, text string) *pledge.ScheduleTranche {
	m := Meta()
	return &pledge.ScheduleTranche{Meta: m, Tranche: ID(tranche), Due: m.Effective, OfLine: ID(line), Asset: name, Amount: Amount(name, text)}
}
