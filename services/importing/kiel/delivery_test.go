package kiel

import (
	"slices"
	"testing"
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
		// 600.015 on the commitment relieves nothing; 750 of an allocation of 700 without units goes beyond it.
		"QCM1": {
			"unmeasured EUR/2@tracker -600.02", "claimed:in EUR/2@tracker 600.02",
			"allocated:out EUR/2@tracker -700.00", "allocated:out EUR/2@tracker_redistributed -700.00", "allocated:out EUR/2@donor_stated -700.00",
			"over:handed_over EUR/2@tracker -50.00", "claimed:in EUR/2@tracker 750.00",
			"claimed:in EUR/2@tracker_redistributed 700.00", "claimed:in EUR/2@donor_stated 700.00",
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

// A day of delivery is nowhere in the file, and the announcement's is another.
func TestDeliveriesHaveNoDate(t *testing.T) {
	steps := map[string]int{}
	for s := range planFor(t, quirkRows(t)).Steps() {
		steps[s.kind]++
		if s.kind == kindDeliver && (s.Command.Effective != "unknown" || s.Command.EffectiveAsStated != "" || !s.Command.Observed) {
			t.Errorf("%s: %v", s.ID, s.Command)
		}
	}
	if steps[kindDeliver] != 6 {
		t.Errorf("%v", steps)
	}
}
