package journal_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/journal"
	"github.com/allied-ledger/allied/projections/timeline"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// Whatever happened, and whatever is asked, the entries of a figure sum to it.
func TestEntriesSumToTheBalances(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		random := rapid.SampledFrom([]func(testing.TB, *rapid.T) *enginetest.Log{enginetest.Random, enginetest.RandomOfAll}).Draw(r, "histories")
		result, err := engine.Replay(t.Context(), random(t, r).All(), balances.New(), journal.New())
		if err != nil {
			r.Fatal(err)
		}
		optional := func(name string, words ...string) string {
			return rapid.SampledFrom(append(words, "", "")).Draw(r, name)
		}
		err = result.Sink.View(t.Context(), func(s engine.Snapshot) error {
			for _, stage := range balances.Stages() {
				req := journal.EntriesRequest{
					Stage: stage, Basis: rapid.SampledFrom([]string{"tracker", "donor_stated", balances.Quantity}).Draw(r, "basis"),
					Reached: rapid.Bool().Draw(r, "reached"), Donor: optional("donor", "USA", "DEU"), Beneficiary: optional("beneficiary", "UKR"),
					Category: optional("category", "MIL", "FIN.BUDGET", "MIL.AMMO"), Limit: rapid.IntRange(1, 9).Draw(r, "limit"),
				}
				if req.Donor == "" && rapid.IntRange(0, 3).Draw(r, "of a group") == 0 {
					req.Group, req.GroupOn = "EU", "2022-09-13"
				}
				if instrument := optional("instrument", "all", "in_kind", "loan"); instrument != "" {
					req.Instruments = []string{instrument}
				}
				if asset := optional("asset", eur, shells); asset != "" {
					req.Asset, req.Basis = asset, ""
				}
				equalFigures(t, r, s, req)
			}
			return nil
		})
		if err != nil {
			r.Fatal(err)
		}
	})
}

func equalFigures(t *testing.T, r *rapid.T, s engine.Snapshot, req journal.EntriesRequest) {
	report, err := balances.Query(t.Context(), s, balances.Request{
		Basis: req.Basis, Stages: []string{req.Stage}, Reached: req.Reached, Instruments: req.Instruments, Donor: req.Donor, Beneficiary: req.Beneficiary,
		Category: req.Category, Asset: req.Asset, Group: req.Group, GroupOn: req.GroupOn,
	})
	if err != nil {
		r.Fatal(err)
	}
	want := []journal.Sum{}
	for _, row := range report.Rows {
		want = append(want, journal.Sum{Asset: row.Asset, Amount: row.Amount, Unknown: row.Unknown})
	}
	listed := 0
	for page := 0; page == 0 || req.Cursor != ""; page++ {
		l, err := journal.Entries(t.Context(), s, req)
		if err != nil {
			r.Fatal(err)
		}
		if !sameJSON(l.Sums, want) || !slices.Equal(l.Members, report.Members) {
			r.Fatalf("entries of %+v sum to %s, and the balances are %s", req, text(l.Sums), text(want))
		}
		if listed += len(l.Entries); l.Next == "" && listed != l.Total {
			r.Fatalf("%d entries of %d on all pages", listed, l.Total)
		}
		req.Cursor = l.Next
	}
}

func sameJSON(a, b any) bool { return text(a) == text(b) }

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Over all months and what is undated, the entries are those of the timeline.
func TestEntriesOfMonthsAreThoseOfTheTimeline(t *testing.T) {
	w := told(t)
	result, err := engine.Replay(t.Context(), w.Log.All(), timeline.New(), journal.New())
	if err != nil {
		t.Fatal(err)
	}
	err = result.Sink.View(t.Context(), func(s engine.Snapshot) error {
		for _, req := range []journal.EntriesRequest{{From: "2022-09", To: "2022-09"}, {From: "2022-10"}, {To: "2022-08"}, {Undated: true}} {
			for _, stage := range []string{"announced", "committed", "handed_over", "dispatched"} {
				req.Stage, req.Basis, req.Instruments = stage, "tracker", []string{"all"}
				report, err := timeline.Query(t.Context(), s, timeline.Request{
					Request: balances.Request{Basis: "tracker", Stages: []string{stage}, Instruments: []string{"all"}}, From: req.From, To: req.To,
				})
				if err != nil {
					return err
				}
				rows, want := report.Rows, []journal.Sum{}
				if req.Undated {
					rows = report.Undated
				}
				for _, row := range rows {
					want = append(want, journal.Sum{Asset: row.Asset, Amount: row.Amount, Unknown: row.Unknown})
				}
				l, err := journal.Entries(t.Context(), s, req)
				if err != nil {
					return err
				}
				if !sameJSON(l.Sums, want) {
					t.Errorf("%+v: %s, and the timeline has %s", req, text(l.Sums), text(want))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// lines are entries in short.
func lines(l *journal.EntryListing) string {
	var b strings.Builder
	for _, e := range l.Entries {
		amount := "unknown"
		if e.Amount != nil {
			amount = *e.Amount
		}
		b.WriteString(strings.Join([]string{e.Side, amount, e.Category, e.Type[strings.LastIndexByte(e.Type, '.')+1:], e.Title}, " ") + "\n")
	}
	return b.String()
}

func TestEntriesOfAnAccount(t *testing.T) {
	w := told(t)
	for _, c := range []struct {
		name string
		req  journal.EntriesRequest
		want string
	}{
		{"what moved what stands", journal.EntriesRequest{Stage: "dispatched", Basis: "tracker"}, `came 100.00 MIL.AMMO ShipmentDispatched ammunition by rail
left -60.00 MIL.AMMO ShipmentHandedOver ammunition by rail
left -40.00 MIL.AMMO ShipmentDiscrepancy ammunition by rail
`},
		{"what reached", journal.EntriesRequest{Stage: "dispatched", Asset: eur, Reached: true}, "came 100.00 MIL.AMMO ShipmentDispatched ammunition by rail\n"},
		{"by evidence", journal.EntriesRequest{Stage: "handed_over", Basis: "tracker", Evidence: "signed"}, "came 60.00 MIL.AMMO ShipmentHandedOver ammunition by rail\n"},
		{"claimed and signed", journal.EntriesRequest{Stage: "handed_over", Basis: "tracker"}, "came 1.00 MIL.AMMO ShipmentHandedOver ammunition by rail\ncame 60.00 MIL.AMMO ShipmentHandedOver ammunition by rail\n"},
		{"taken back", journal.EntriesRequest{Stage: "charges", Basis: "tracker", Reached: true}, "came 1.00 FIN.BUDGET PaymentBooked Ammunition for 2022\ncame -1.00 FIN.BUDGET PaymentReversed Ammunition for 2022\n"},
		{"undisclosed", journal.EntriesRequest{Stage: "allocated", Basis: "net_book"}, "came unknown FIN.BUDGET PledgeAllocated Ammunition for 2022\n"},
		{"instruments by name", journal.EntriesRequest{Stage: "announced", Basis: "tracker"}, ""},
		{"and named", journal.EntriesRequest{Stage: "announced", Basis: "tracker", Instruments: []string{"swap"}}, "came 9.50 MIL.NAVAL PledgeAnnounced Fjord patrol boats\n"},
		{"in the books of a pledge", journal.EntriesRequest{Stage: "missing", Basis: "tracker", Stream: on}, "came 40.00 MIL.AMMO ShipmentDiscrepancy ammunition by rail\n"},
		{"of a shipment", journal.EntriesRequest{Stage: "missing", Basis: "tracker", Stream: convoy}, "came 40.00 MIL.AMMO ShipmentDiscrepancy ammunition by rail\n"},
		{"of another stream", journal.EntriesRequest{Stage: "missing", Basis: "tracker", Stream: paid}, ""},
		{"quantities", journal.EntriesRequest{Stage: "allocated", Basis: "quantity", Reached: true}, "came 10.000000 MIL.AMMO PledgeAllocated Ammunition for 2022\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			view(t, w.Log, func(s engine.Snapshot) error {
				l, err := journal.Entries(t.Context(), s, c.req)
				if err != nil {
					return err
				}
				if got := lines(l); got != c.want {
					t.Errorf("got\n%swant\n%s", got, c.want)
				}
				return nil
			})
		})
	}
}

// Pages of entries are of the moment of the first, so that they sum to what the first said.
func TestPagesOfEntriesAreOfOneMoment(t *testing.T) {
	log, sink := enginetest.NewLog(uuid.UUID{1: 7}), engine.NewMemSink()
	log.Fill(t, 40)
	req := journal.EntriesRequest{Stage: "announced", Basis: "donor_stated", Limit: 9}
	var seen []uint64
	var sums string
	for page := 0; page == 0 || req.Cursor != ""; page++ {
		enginetest.Build(t, log, sink, journal.New)
		err := sink.View(t.Context(), func(s engine.Snapshot) error {
			l, err := journal.Entries(t.Context(), s, req)
			if err != nil {
				return err
			}
			if page == 0 {
				sums = text(l.Sums)
			}
			if text(l.Sums) != sums || l.Total != 40 || l.Ordinal != 39 || l.Position != log.Entries()[39].Position {
				t.Errorf("page %d is of ordinal %d, position %d: %d entries, %s", page, l.Ordinal, l.Position, l.Total, text(l.Sums))
			}
			for _, e := range l.Entries {
				seen = append(seen, e.Ordinal)
			}
			req.Cursor = l.Next
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		log.Fill(t, 7)
	}
	slices.Sort(seen)
	if len(seen) != 40 || len(slices.Compact(seen)) != 40 {
		t.Errorf("entries of %v", seen)
	}
	view(t, log, func(s engine.Snapshot) error {
		l, err := journal.Entries(t.Context(), s, journal.EntriesRequest{Stage: "announced", Basis: "donor_stated", Limit: 1})
		if err == nil {
			req.Cursor = l.Next
		}
		return err
	})
	// A place among some entries is none among others. A page may be of another size.
	other := req
	other.Beneficiary = "UKR"
	view(t, log, func(s engine.Snapshot) error {
		_, err := journal.Entries(t.Context(), s, other)
		refusal(t, err, "bad_cursor", "cursor")
		other = req
		other.Limit, other.AtLeast = 5, 1
		_, err = journal.Entries(t.Context(), s, other)
		return err
	})
	// A view that is behind the one of the first page says so.
	early := enginetest.NewLog(uuid.UUID{1: 7})
	early.Fill(t, 5)
	view(t, early, func(s engine.Snapshot) error {
		_, err := journal.Entries(t.Context(), s, req)
		refusal(t, err, "behind", "cursor")
		return nil
	})
}

func TestEntriesThatCannotBeAnswered(t *testing.T) {
	good := journal.EntriesRequest{Stage: "handed_over", Basis: "tracker"}
	view(t, told(t).Log, func(s engine.Snapshot) error {
		for _, c := range []struct {
			change      func(*journal.EntriesRequest)
			code, field string
		}{
			{func(r *journal.EntriesRequest) { r.Stage = "" }, "missing", "stage"},
			{func(r *journal.EntriesRequest) { r.Stage = "claimed" }, "unknown_word", "stage"},
			{func(r *journal.EntriesRequest) { r.Basis = "" }, "missing", "basis"},
			{func(r *journal.EntriesRequest) { r.Asset = shells }, "contradiction", "asset"},
			{func(r *journal.EntriesRequest) { r.Evidence = "rumour" }, "unknown_word", "evidence"},
			{func(r *journal.EntriesRequest) { r.Stage, r.Evidence = "dispatched", "signed" }, "contradiction", "evidence"},
			{func(r *journal.EntriesRequest) { r.Instruments = []string{"gift"} }, "unknown_word", "instruments"},
			{func(r *journal.EntriesRequest) { r.Category = "TANKS" }, "unknown_word", "category"},
			{func(r *journal.EntriesRequest) { r.Beneficiary = "UKRAINE" }, "unknown_word", "beneficiary"},
			{func(r *journal.EntriesRequest) { r.Group = "NATO" }, "missing", "group_on"},
			{func(r *journal.EntriesRequest) { r.Stream = "import-" + strings.TrimPrefix(on, "pledge-") }, "bad_stream", "stream"},
			{func(r *journal.EntriesRequest) { r.From = "2022-09-13" }, "bad_date", "from"},
			{func(r *journal.EntriesRequest) { r.From, r.To = "2022-09", "2022-08" }, "contradiction", "to"},
			{func(r *journal.EntriesRequest) { r.From, r.Undated = "2022-09", true }, "contradiction", "undated"},
			{func(r *journal.EntriesRequest) { r.Limit = -1 }, "out_of_range", "limit"},
			{func(r *journal.EntriesRequest) { r.Cursor = "b3Vy" }, "bad_cursor", "cursor"},
			{func(r *journal.EntriesRequest) { r.AtLeast = 1000 }, "behind", "at_least"},
		} {
			req := good
			c.change(&req)
			_, err := journal.Entries(t.Context(), s, req)
			refusal(t, err, c.code, c.field)
		}
		return nil
	})
}
