package kiel

import (
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/money"
)

// What the quirk file says was delivered, with postings by hand.
func TestDeliveriesAreClaimed(t *testing.T) {
	got := play(t, planFor(t, quirkRows(t))).claims
	for id, want := range map[string][]string{
		// 4,936,443.29 and 1,000,000.005, rounded each, of one allocation of 11,106,997.41, which is 18 million dollars to the donor:
		// 5,936,443.29 × 18,000,000.00 ÷ 11,106,997.41 is 9,620,599.99, cut.
		"QAM1": {
			"allocated:out EUR/2@tracker -5936443.29", "allocated:out EUR/2@tracker_redistributed -5936443.29",
			"allocated:out AUD/2@donor_stated -9620599.99", "claimed:in EUR/2@tracker 5936443.29",
			"claimed:in EUR/2@tracker_redistributed 5936443.29", "claimed:in AUD/2@donor_stated 9620599.99",
		},
		// 600.015 on the commitment relieves nothing; 800.005 for the same howitzers as were allocated for 700.015 is a difference; 750 of an
		// allocation of 700 without units goes beyond it.
		"QCM1": {
			"unmeasured EUR/2@tracker -600.02", "claimed:in EUR/2@tracker 600.02",
			"allocated:out EUR/2@tracker -700.02", "allocated:out EUR/2@tracker_redistributed -700.02", "allocated:out EUR/2@donor_stated -700.00",
			"allocated:out each/6:155mm howitzer -10.666666",
			"difference EUR/2@tracker -99.98", "claimed:in EUR/2@tracker 800.00", "claimed:in each/6:155mm howitzer 10.666666",
			"claimed:in EUR/2@tracker_redistributed 700.02", "claimed:in EUR/2@donor_stated 700.00",
			"allocated:out EUR/2@tracker -700.00", "allocated:out EUR/2@tracker_redistributed -700.00", "allocated:out EUR/2@donor_stated -700.00",
			"over:handed_over EUR/2@tracker -50.00", "claimed:in EUR/2@tracker 750.00",
			"claimed:in EUR/2@tracker_redistributed 700.00", "claimed:in EUR/2@donor_stated 700.00",
		},
		// 9.50 of 10 relieves 2.85 of 3 pieces, and 2 are said to be delivered.
		"QFM6": {
			"allocated:out EUR/2@tracker -9.50", "allocated:out EUR/2@tracker_redistributed -139224736.57",
			"allocated:out each/6:Weapons and equipment -2.850000",
			"claimed:in EUR/2@tracker 9.50", "claimed:in each/6:Weapons and equipment 2.000000", "difference each/6:Weapons and equipment 0.850000",
			"claimed:in EUR/2@tracker_redistributed 139224736.57",
		},
		// The tracker gives the allocation no value.
		"СZM39": {"unmeasured EUR/2@tracker -14000000.00", "claimed:in EUR/2@tracker 14000000.00"},
		"QDM1":  {"unmeasured EUR/2@tracker -12.50", "claimed:in EUR/2@tracker 12.50"},
		// Zero is no delivery.
		"QSH8": nil,
	} {
		if !slices.Equal(got[id], want) {
			t.Errorf("%s posts\n%q, not\n%q", id, got[id], want)
		}
	}
}

func TestWhatIsNoDeliveryIsNotClaimed(t *testing.T) {
	for raw, claims := range map[string]int{"": 0, ".": 0, "0": 0, "0.004": 0, "undisclosed": 0, "1,000": 0, "0.006": 1, "5": 1, "5,5": 1} {
		n := 0
		for s := range planFor(t, with(quirkRows(t), 8, map[column]string{colDelivered: raw})).Steps() {
			if s.ID == "QCM1" && s.kind == kindDeliver && s.allocation == "QCM1_2" {
				n++
			}
		}
		if n != claims {
			t.Errorf("%q is claimed %d times", raw, n)
		}
	}
}

// Of two rows that allocate one item, and a third of the package without any.
func TestUnitsAreTheSameWhereAllAreCounted(t *testing.T) {
	const piece, other = "155mm howitzer", "T-72 tank"
	for _, c := range []struct {
		name                       string
		item, allocated, delivered [2]string
		same                       bool
		stated                     string
	}{
		{"as many", [2]string{piece, piece}, [2]string{"5", "2"}, [2]string{"5", "2"}, true, "7.000000 each/6:155mm howitzer"},
		{"as many in all", [2]string{piece, piece}, [2]string{"5", "2"}, [2]string{"4", "3"}, true, "7.000000 each/6:155mm howitzer"},
		{"another item", [2]string{piece, other}, [2]string{"5", "2"}, [2]string{"4", "3"}, false, "4.000000 each/6:155mm howitzer, 3.000000 each/6:T-72 tank"},
		{"fewer", [2]string{piece, piece}, [2]string{"5", "2"}, [2]string{"5", "1"}, false, "6.000000 each/6:155mm howitzer"},
		{"none", [2]string{piece, piece}, [2]string{"5", "2"}, [2]string{"0", "0"}, false, "0.000000 each/6:155mm howitzer"},
		{"some undisclosed", [2]string{piece, other}, [2]string{"5", "2"}, [2]string{"5", "undisclosed"}, false, "5.000000 each/6:155mm howitzer"},
		{"an item never counted", [2]string{piece, other}, [2]string{"5", "undisclosed"}, [2]string{"5", "undisclosed"}, false, "5.000000 each/6:155mm howitzer"},
		{"a row without item", [2]string{piece, "."}, [2]string{"5", "."}, [2]string{"5", "."}, true, "5.000000 each/6:155mm howitzer"},
		{"no units", [2]string{".", "."}, [2]string{".", "."}, [2]string{".", "."}, false, ""},
	} {
		rows := quirkRows(t)
		for i := range c.item {
			rows = with(rows, 6+i, map[column]string{colItem: c.item[i], colUnits: c.allocated[i], colUnitsDelivered: c.delivered[i]})
		}
		p, found := planFor(t, rows), false
		for s := range p.Steps() {
			if s.kind != kindDeliver || s.allocation != "QCM1_1" {
				continue
			}
			found = true
			d := s.Command.GetClaimDelivery()
			var stated []string
			for _, u := range d.Stated {
				stated = append(stated, u.Amount+" "+u.Asset)
			}
			if d.SameUnits != c.same || strings.Join(stated, ", ") != c.stated {
				t.Errorf("%s: same units %v, stated %s", c.name, d.SameUnits, stated)
			}
		}
		if !found {
			t.Errorf("%s: nothing is claimed", c.name)
		}
		play(t, p)
	}
}

// Three packages have more value delivered than allocated, of the same units: 7,974,718.84 of 6,779,661.02, 6,482,944.51 of 4,745,762.71, and
// 58,600,000.00 of 29,300,000.00, which two rows repeat. Eight commitments carry the larger part.
func TestDeliveriesOfTheTrackerFile(t *testing.T) {
	p := planFor(t, trackerRows(t, ".csv"))
	onCommitments, onAllocations := 0, 0
	for s := range p.Steps() {
		switch {
		case s.kind == kindDeliver && s.allocation == "":
			onCommitments++
		case s.kind == kindDeliver:
			onAllocations++
		}
	}
	if n := p.Flags[string(flagNotBooked)]; n != 4 {
		t.Errorf("%d rows of money are delivered, not 4: two guarantees and two grants", n)
	}
	if onCommitments != 8 || onAllocations != 173 {
		t.Errorf("%d commitments and %d allocations are claimed", onCommitments, onAllocations)
	}
	sums := map[string]money.Amount{}
	for _, postings := range play(t, p).claims {
		for _, x := range postings {
			if account, amount, ok := strings.Cut(x, " EUR/2@tracker "); ok {
				a, err := money.Parse(amount, centScale)
				if err != nil {
					t.Fatal(err)
				}
				sums[account] = add(t, sums[account], a)
			}
		}
	}
	for account, want := range map[string]string{
		"claimed:in": "31163828967.21", "unmeasured": "-18668271558.47", "difference": "3760173.47", "over:handed_over": "0.00",
		"allocated:out": "-12499317582.21",
	} {
		if sums[account].Text(centScale) != want {
			t.Errorf("%s has %s, not %s", account, sums[account].Text(centScale), want)
		}
	}
}

func TestMoneyIsDeliveredByBookingsOnly(t *testing.T) {
	for _, c := range []struct {
		general, specific, delivered string
		note                         string
	}{
		{"Financial", "Guarantee", "100.005", "column U says that 100.00 EUR of a guarantee were delivered, and no booking is known"},
		{"Financial", "Loan", "5", "column U says that 5.00 EUR of a loan were delivered, and no booking is known"},
		{"Financial", "Swap-line", "5", "column U says that 5.00 EUR of a swap were delivered, and no booking is known"},
		{"Humanitarian", "Grant", "5", "column U says that 5.00 EUR of a grant were delivered, and no booking is known"},
		{"Financial", "Guarantee", "0", ""},
		{"Financial", "Guarantee", ".", ""},
		{"Humanitarian", "Equipment", "5", ""},
		{"Military", "Budgetary appropriations", "5", ""},
	} {
		f := factOf(t, 8, map[column]string{colGeneralType: c.general, colSpecificType: c.specific, colDelivered: c.delivered})
		if got := f.marks[flagNotBooked]; got != c.note {
			t.Errorf("%s %s of %s: %q", c.general, c.specific, c.delivered, got)
		}
	}
}

// A day of delivery is nowhere in the file, and the announcement's is another.
func TestDeliveriesHaveNoDate(t *testing.T) {
	steps := map[string]int{}
	for s := range planFor(t, quirkRows(t)).Steps() {
		steps[s.kind]++
		if s.kind == kindDeliver && (s.Command.Effective != "unknown" || s.Command.EffectiveAsStated != "" || !s.Command.Observed) {
			t.Errorf("%s: %v", s.ID, s.Command)
		}
	}
	if steps[kindDeliver] != 7 {
		t.Errorf("%v", steps)
	}
}
