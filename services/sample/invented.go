package sample

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/allied-ledger/allied/events/money"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// Invented names the publisher of everything that is invented.
const Invented = "Allied Ledger sample, synthetic: invented for trying things out"

// seed makes the invented numbers the same for ever.
const seed = 20220913

var guarantors = []struct{ donor, currency string }{
	{"CAN", "CAD"},
	{"CZE", "CZK"},
	{"DEU", "EUR"},
	{"DNK", "DKK"},
	{"EST", "EUR"},
	{"FRA", "EUR"},
	{"GBR", "GBP"},
	{"ITA", "EUR"},
	{"NLD", "EUR"},
	{"NOR", "NOK"},
	{"POL", "PLN"},
	{"SWE", "SEK"},
	{"JPN", "JPY"},
}

// invention draws the numbers of one guarantor's pledges.
type invention struct {
	donor, currency string
	random          *rand.PCG
}

func invented() []*apiv1.Command {
	var out []*apiv1.Command
	for i, g := range guarantors {
		v := &invention{g.donor, g.currency, rand.NewPCG(seed, uint64(i))}
		out = append(out, v.budgetSupport(i)...)
		out = append(out, v.arms(i)...)
		out = append(out, v.airDefence(i)...)
		switch i % 4 {
		case 0:
			out = append(out, v.lending("loan")...)
		case 1:
			out = append(out, v.lending("guarantee")...)
		case 2:
			out = append(out, v.undisclosed()...)
		case 3:
			out = append(out, v.beyond()...)
		}
	}
	return out
}

func (v *invention) promise(name string) *promise {
	return &promise{
		name: "synthetic/" + v.donor + "/" + name, donor: v.donor,
		sources: []*eventv1.Source{{Publisher: Invented, ExternalId: v.donor + " " + name}},
		flags:   []*eventv1.Flag{{Code: "synthetic", Note: "invented for trying things out; says nothing about " + v.donor}},
	}
}

// between draws a number from low to high.
func (v *invention) between(low, high int) int {
	return low + int(v.random.Uint64()%uint64(high-low+1))
}

// asset is the guarantor's currency; the yen has no smaller unit.
func (v *invention) asset() string {
	if v.currency == "JPY" {
		return "JPY/0@" + donorStated
	}
	return v.currency + "/2@" + donorStated
}

// millions writes an amount of so many millions of the guarantor's currency, or so many hundred millions of yen.
func (v *invention) millions(n int) string {
	if v.currency == "JPY" {
		return money.New(int64(n) * 100_000_000).Text(0)
	}
	return money.New(int64(n) * 100_000_000).Text(2)
}

// budgetSupport: announced, committed, allocated in part, due in tranches, the first of them paid. Every fourth guarantor cites no document.
func (v *invention) budgetSupport(i int) []*apiv1.Command {
	p := v.promise("budget support")
	tranche := v.between(5, 40)
	total, asset := 6*tranche, v.asset()
	year := v.between(2023, 2024)
	day := func(month, d int) string { return fmt.Sprintf("%d-%02d-%02d", year, month, d) }
	p.announce(day(1, 15), "Budget support, announced", p.line("announced", "Budget support", "FIN.BUDGET", "grant", asset, v.millions(total+tranche)))
	p.commit(day(2, 20), "Budget support", "firm", p.line("commitment", "Budget support", "FIN.BUDGET", "grant", asset, v.millions(total)))
	p.allocate("year 1", day(3, 1), "Budget support, year 1", p.line("allocation", "Budget support, year 1", "FIN.BUDGET", "grant", asset, v.millions(3*tranche)))
	for n := range 3 {
		p.fallDue("tranche "+strconv.Itoa(n+1), day(3, 1), day(4+3*n, 30), p.id("allocation"), asset, v.millions(tranche))
	}
	const part = "payment 1"
	p.on("payment", part, "instruct", day(4, 20)).Body = &apiv1.Command_InstructPayment{InstructPayment: &apiv1.InstructPayment{
		Pledge: p.stream(), Allocation: p.id("allocation"), Asset: asset, Amount: v.millions(tranche), Tranche: p.id("tranche 1"),
		Debtor: &apiv1.PaymentParty{Name: "Treasury of " + v.donor}, Creditor: &apiv1.PaymentParty{Name: "Treasury of " + beneficiary},
		EndToEndId: fmt.Sprintf("%s-%d-1", v.donor, year),
	}}
	p.on("payment", part, "accept", day(4, 22)).Body = &apiv1.Command_AcceptPayment{AcceptPayment: &apiv1.AcceptPayment{Status: "ACSP"}}
	booked := p.on("payment", part, "book", day(4, 24))
	booked.Body = &apiv1.Command_BookPayment{BookPayment: &apiv1.BookPayment{
		Asset: asset, Fee: strconv.Itoa(12 + i), Point: "credited", BankReference: fmt.Sprintf("B-%d", 4000+i),
	}}
	if i%4 != 3 {
		booked.Sources = []*eventv1.Source{{Publisher: Invented, ExternalId: booked.GetBookPayment().BankReference, ContentHash: p.hash("statement")}}
	}
	return p.out
}

// arms: a package with pieces, carried by two shipments of which the second is called off. Of every fifth the first leaves without a manifest, and
// of every fourth a part does not come.
func (v *invention) arms(i int) []*apiv1.Command {
	p := v.promise("arms")
	part := v.between(3, 25)
	asset := v.asset()
	year := v.between(2022, 2024)
	day := func(month, d int) string { return fmt.Sprintf("%d-%02d-%02d", year, month, d) }
	p.commit(day(5, 10), "Artillery and ammunition", "firm", p.line("commitment", "Artillery and ammunition", "MIL.MIXED", "in_kind", asset, v.millions(5*part)))
	p.allocate("package", day(5, 24), "Artillery package", p.line("allocation", "Artillery package", "MIL.MIXED", "in_kind", asset, v.millions(4*part)),
		pieces("155 mm howitzer", "MIL.ARTY", strconv.Itoa(2*v.between(2, 12))),
		pieces("155 mm shell", "MIL.AMMO", strconv.Itoa(1000*v.between(2, 30))),
		pieces("truck", "MIL.EQUIP", strconv.Itoa(2*v.between(5, 45))))
	plan := func(shipment, effective, amount string) {
		p.on("shipment", shipment, "plan", effective).Body = &apiv1.Command_PlanShipment{PlanShipment: &apiv1.PlanShipment{
			Title: "Artillery, " + shipment, Lines: []*apiv1.PlanLine{{Pledge: p.stream(), Allocation: p.id("allocation"), Asset: asset, Amount: amount}},
		}}
	}
	plan("shipment 1", day(6, 5), v.millions(2*part))
	dispatch := &apiv1.DispatchShipment{Place: "a depot of " + v.donor}
	if i%5 != 4 {
		dispatch.ManifestHash = p.hash("manifest")
	}
	p.on("shipment", "shipment 1", "dispatch", day(6, 12)).Body = &apiv1.Command_DispatchShipment{DispatchShipment: dispatch}
	handOver := &apiv1.HandOverShipment{Point: "hub", Evidence: "signed", Signatory: "an officer of " + beneficiary, Place: "a hub at the border", Complete: true}
	if i%4 == 3 {
		handOver.Movements = []*apiv1.Moving{{Asset: asset, Amount: v.millions(2*part - 1)}}
	}
	p.on("shipment", "shipment 1", "hand over", day(6, 25)).Body = &apiv1.Command_HandOverShipment{HandOverShipment: handOver}
	plan("shipment 2", day(6, 30), v.millions(part))
	p.on("shipment", "shipment 2", "close", day(7, 4)).Body = &apiv1.Command_CloseShipment{CloseShipment: &apiv1.CloseShipment{}}
	return p.out
}

// airDefence: promised for a threat level, and by every third guarantor activated.
func (v *invention) airDefence(i int) []*apiv1.Command {
	p := v.promise("closed skies")
	level := uint32(v.between(2, 3))
	p.do("schedule", "2024-07-11").Body = &apiv1.Command_ScheduleTranche{ScheduleTranche: &apiv1.ScheduleTranche{
		Tranche: p.id("contingent"), Due: "unknown", ThreatLevel: level,
		Contingent: p.line("contingent line", "Air defence for a higher threat level", "MIL.AIRDEF", "in_kind", v.asset(), v.millions(v.between(10, 90))),
	}}
	if i%3 == 0 {
		p.do("activate", "2024-08-26").Body = &apiv1.Command_ActivateTranche{ActivateTranche: &apiv1.ActivateTranche{
			Tranche: p.id("contingent"), ThreatLevel: level, Firmness: "firm",
		}}
	}
	return p.out
}

// lending: a loan or guarantee, apart from grants in every total.
func (v *invention) lending(instrument string) []*apiv1.Command {
	p := v.promise(instrument)
	n := v.between(20, 120)
	p.commit("2023-11", "Reconstruction "+instrument, "firm", p.line("commitment", "Reconstruction "+instrument, "REC.INFRA", instrument, v.asset(), v.millions(n)))
	p.allocate("first part", "2024-02-14", "Bridges and roads", p.line("allocation", "Bridges and roads", "REC.INFRA", instrument, v.asset(), v.millions(n/2)))
	return p.out
}

// undisclosed: pieces whose value the donor does not say.
func (v *invention) undisclosed() []*apiv1.Command {
	p := v.promise("undisclosed")
	line := &apiv1.Line{
		Line: p.id("allocation"), Title: "Air defence pieces", Category: "MIL.AIRDEF", Instrument: "in_kind", Flags: p.flags,
		Values: []*apiv1.Value{{Basis: donorStated, Status: "undisclosed", Source: "none"}},
	}
	p.allocate("pieces", "until 2024-03-31", "Air defence pieces", line, pieces("air defence launcher", "MIL.AIRDEF", strconv.Itoa(v.between(1, 6))))
	p.out[0].Observed = true // nobody promised them before
	return p.out
}

// beyond: outside data reports more than was committed, and the ledger says so.
func (v *invention) beyond() []*apiv1.Command {
	p := v.promise("generators")
	n := v.between(4, 12)
	p.commit("2022-11-20", "Generators for the winter", "stated", p.line("commitment", "Generators for the winter", "HUM.GOODS", "in_kind", v.asset(), v.millions(n)))
	p.allocate("generators", "2022-12-15", "Generators", p.line("allocation", "Generators", "HUM.GOODS", "in_kind", v.asset(), v.millions(n+1)),
		pieces("generator", "HUM.GOODS", strconv.Itoa(v.between(50, 400))))
	p.out[len(p.out)-1].Observed = true
	return p.out
}
