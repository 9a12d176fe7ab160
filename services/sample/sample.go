// Package sample makes the commands that fill a new ledger with something to look at: the US drawdown packages as publicly announced, and
// pledges of a dozen guarantors that are invented and say so.
package sample

import (
	"crypto/sha256"
	"fmt"
	"iter"

	"github.com/allied-ledger/allied/events/es"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

const (
	beneficiary = "UKR"
	actor       = "sample"
)

// space is the namespace of every id here; it never changes, so that a sample loaded twice records nothing the second time.
var space = uuid.MustParse("0f0cf2b5-7d0c-4d5b-9a52-5a52a6a0f3d1")

// Commands yields the sample, the same on every call, in an order that every stream accepts. An error ends it, and means that the embedded
// file is damaged.
func Commands() iter.Seq2[*apiv1.Command, error] {
	return func(yield func(*apiv1.Command, error) bool) {
		packages, err := drawdowns()
		if err != nil {
			yield(nil, err)
			return
		}
		for _, d := range packages {
			for _, c := range d.commands() {
				if !yield(c, nil) {
					return
				}
			}
		}
		for _, c := range invented() {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// promise writes the commands of one pledge.
type promise struct {
	name    string // of its ids
	donor   string
	sources []*eventv1.Source
	flags   []*eventv1.Flag
	out     []*apiv1.Command
}

// id derives an id from the pledge's name and a part of it.
func (p *promise) id(part string) string {
	return uuid.NewSHA1(space, []byte(p.name+"/"+part)).String()
}

func (p *promise) stream() string {
	return es.StreamName("pledge", uuid.NewSHA1(space, []byte(p.name)))
}

// do adds a command; its body is the caller's to fill.
func (p *promise) do(part, effective string) *apiv1.Command {
	c := &apiv1.Command{
		CommandId: p.id("command " + part), Stream: p.stream(), Donor: p.donor, Beneficiary: beneficiary, Effective: effective, Actor: actor,
		Sources: p.sources, Flags: p.flags,
	}
	p.out = append(p.out, c)
	return c
}

// line is one line of the pledge with one value, which controls it.
func (p *promise) line(part, title, category, instrument, asset, amount string) *apiv1.Line {
	return &apiv1.Line{
		Line: p.id(part), Title: title, Category: category, Instrument: instrument,
		Values: []*apiv1.Value{{Basis: donorStated, Status: "stated", Asset: asset, Amount: amount, Source: "given"}}, ControlAsset: asset, Flags: p.flags,
	}
}

const donorStated = "donor_stated"

func (p *promise) announce(effective, title string, lines ...*apiv1.Line) {
	p.do("announce", effective).Body = &apiv1.Command_AnnouncePledge{AnnouncePledge: &apiv1.AnnouncePledge{Title: title, Lines: lines}}
}

func (p *promise) commit(effective, title, firmness string, line *apiv1.Line) {
	p.do("commit", effective).Body = &apiv1.Command_CommitPledge{CommitPledge: &apiv1.CommitPledge{
		Title: title, Commitments: []*apiv1.CommitLine{{Line: line, Firmness: firmness}},
	}}
}

func (p *promise) allocate(part, effective, title string, line *apiv1.Line, items ...*apiv1.Item) {
	p.do("allocate "+part, effective).Body = &apiv1.Command_AllocatePledge{AllocatePledge: &apiv1.AllocatePledge{Title: title, Line: line, Items: items}}
}

// fallDue schedules a part of an allocation or commitment.
func (p *promise) fallDue(part, effective, due, ofLine, asset, amount string) {
	p.do("schedule "+part, effective).Body = &apiv1.Command_ScheduleTranche{ScheduleTranche: &apiv1.ScheduleTranche{
		Tranche: p.id(part), Due: due, OfLine: ofLine, Asset: asset, Amount: amount,
	}}
}

// on adds a command to a shipment or payment; its body is the caller's to fill.
func (p *promise) on(kind, part, step, effective string) *apiv1.Command {
	c := p.do(step+" "+part, effective)
	c.Stream = es.StreamName(kind, uuid.NewSHA1(space, []byte(p.name+"/"+part)))
	return c
}

// hash is that of an invented document.
func (p *promise) hash(document string) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(p.name+"/"+document)))
}

func pieces(name, category, quantity string) *apiv1.Item {
	return &apiv1.Item{Name: name, Category: category, QuantityStatus: "stated", QuantityAsset: "each/6:" + name, Quantity: quantity}
}
