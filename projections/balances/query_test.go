package balances_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

const eur = pledgetest.EUR

// line is a line of its own category and instrument.
func line(id int, category string, instrument eventv1.Instrument, values ...*eventv1.Valuation) *eventv1.Line {
	l := pledgetest.Line(id, values...)
	l.Category, l.Instrument = category, instrument
	return l
}

func stated(amount string) *eventv1.Valuation { return pledgetest.Stated(eur, amount) }

func undisclosed() *eventv1.Valuation {
	return pledgetest.Missing("tracker", eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED)
}

// ledger is a small log in which every rule of a report shows.
func ledger(t *testing.T) *enginetest.Log {
	log := enginetest.NewLog(uuid.UUID{1: 7})
	log.Decide(t, enginetest.Stream(1), "USA",
		pledgetest.Announce(line(1, "MIL.AMMO", eventv1.Instrument_INSTRUMENT_IN_KIND, stated("1000"))),
		pledgetest.Commit(line(2, "MIL.AMMO", eventv1.Instrument_INSTRUMENT_IN_KIND, stated("625"))),
		pledgetest.Allocate(line(3, "MIL.ARMOUR.TANK", eventv1.Instrument_INSTRUMENT_IN_KIND, stated("525.50")), pledgetest.Item("shell", "14")),
	)
	log.Decide(t, enginetest.Stream(2), "JPN",
		pledgetest.Commit(line(4, "FIN.BUDGET", eventv1.Instrument_INSTRUMENT_LOAN, stated("80"))),
		pledgetest.Commit(line(5, "FIN.BUDGET", eventv1.Instrument_INSTRUMENT_GUARANTEE, stated("40"))),
		pledgetest.Commit(line(6, "FIN.OTHER", eventv1.Instrument_INSTRUMENT_SWAP, undisclosed())),
		pledgetest.Commit(line(7, "HUM.AID", eventv1.Instrument_INSTRUMENT_GRANT, undisclosed())),
	)
	log.Decide(t, enginetest.Stream(3), "DEU",
		pledgetest.Commit(line(8, "MIL.AMMO", eventv1.Instrument_INSTRUMENT_IN_KIND, stated("10"))),
		pledgetest.Commit(line(9, "MIL.AMMO", eventv1.Instrument_INSTRUMENT_IN_KIND, pledgetest.Stated("USD/2@tracker", "3"))),
		pledgetest.Commit(line(10, "MIL.AMMO", eventv1.Instrument_INSTRUMENT_IN_KIND, undisclosed())),
	)
	return log
}

func query(t *testing.T, views engine.Views, req balances.Request) (*balances.Report, error) {
	t.Helper()
	return enginetest.Ask(t, views, balances.Query, req)
}

func replayed(t *testing.T, log *enginetest.Log) engine.Views {
	t.Helper()
	return enginetest.Replayed(t, log, balances.New())
}

var reports = []struct {
	name string
	req  balances.Request
	want string
}{
	{
		"by donor and top category",
		balances.Request{Basis: "tracker", Stages: []string{"committed"}, Reached: true, By: []string{"donor", "category"}, CategoryDepth: 1, Instruments: []string{"all"}},
		`{"position":34,"ordinal":9,"basis":"tracker","unknown":3,"left_out":[],"not_reported":[],"rows":[
			{"donor":"DEU","category":"MIL","stage":"committed","asset":"EUR/2@tracker","amount":"10.00","unknown":0},
			{"donor":"DEU","category":"MIL","stage":"committed","asset":"USD/2@tracker","amount":"3.00","unknown":0},
			{"donor":"DEU","category":"MIL","stage":"committed","asset":null,"amount":null,"unknown":1},
			{"donor":"JPN","category":"FIN","stage":"committed","asset":"EUR/2@tracker","amount":"120.00","unknown":1},
			{"donor":"JPN","category":"HUM","stage":"committed","asset":null,"amount":null,"unknown":1},
			{"donor":"USA","category":"MIL","stage":"committed","asset":"EUR/2@tracker","amount":"625.00","unknown":0}]}`,
	},
	{
		"guarantees and swaps stand beside a total unless they are named",
		balances.Request{Basis: "tracker", Stages: []string{"committed"}, Reached: true, Donor: "JPN"},
		`{"position":34,"ordinal":9,"basis":"tracker","unknown":1,"left_out":[
			{"instrument":"guarantee","stage":"committed","asset":"EUR/2@tracker","amount":"40.00","unknown":0},
			{"instrument":"swap","stage":"committed","asset":null,"amount":null,"unknown":1}],"not_reported":[],"rows":[
			{"stage":"committed","asset":"EUR/2@tracker","amount":"80.00","unknown":1}]}`,
	},
	{
		"instruments by name",
		balances.Request{Basis: "tracker", Stages: []string{"committed"}, Reached: true, By: []string{"instrument"}, Instruments: []string{"guarantee", "loan"}},
		`{"position":34,"ordinal":9,"basis":"tracker","unknown":0,"left_out":[],"not_reported":[],"rows":[
			{"instrument":"guarantee","stage":"committed","asset":"EUR/2@tracker","amount":"40.00","unknown":0},
			{"instrument":"loan","stage":"committed","asset":"EUR/2@tracker","amount":"80.00","unknown":0}]}`,
	},
	{
		"a stage that only other instruments reached is not reported of those asked for",
		balances.Request{Basis: "tracker", Stages: []string{"allocated", "committed"}, Instruments: []string{"loan"}},
		`{"position":34,"ordinal":9,"basis":"tracker","unknown":0,"left_out":[],"not_reported":["allocated"],"rows":[
			{"stage":"committed","asset":"EUR/2@tracker","amount":"80.00","unknown":0}]}`,
	},
	{
		"what stands, stages apart and in the order asked for",
		balances.Request{Basis: "tracker", Stages: []string{"announced", "committed", "allocated"}, Donor: "USA", By: []string{"category"}},
		`{"position":34,"ordinal":9,"basis":"tracker","unknown":0,"left_out":[],"not_reported":[],"rows":[
			{"category":"MIL.AMMO","stage":"announced","asset":"EUR/2@tracker","amount":"375.00","unknown":0},
			{"category":"MIL.AMMO","stage":"committed","asset":"EUR/2@tracker","amount":"99.50","unknown":0},
			{"category":"MIL.ARMOUR.TANK","stage":"allocated","asset":"EUR/2@tracker","amount":"525.50","unknown":0}]}`,
	},
	{
		"quantities have no basis",
		balances.Request{Asset: "each/6:shell", Stages: []string{"allocated"}, By: []string{"beneficiary"}},
		`{"position":34,"ordinal":9,"basis":"quantity","unknown":0,"left_out":[],"not_reported":[],"rows":[
			{"beneficiary":"UKR","stage":"allocated","asset":"each/6:shell","amount":"14.000000","unknown":0}]}`,
	},
	{
		"a category holds all below it, and nothing that only begins alike",
		balances.Request{Basis: "tracker", Stages: []string{"committed"}, Category: "MIL.ARMOUR"},
		`{"position":34,"ordinal":9,"basis":"tracker","unknown":0,"left_out":[],"not_reported":["committed"],"rows":[]}`,
	},
	{
		"a group of donors on a day",
		balances.Request{Basis: "tracker", Stages: []string{"committed"}, Reached: true, By: []string{"donor"}, Asset: eur, Group: "G7", GroupOn: "1975-12-31", Category: "MIL"},
		`{"position":34,"ordinal":9,"basis":"tracker","unknown":1,"left_out":[],"not_reported":[],
			"members":["DEU","FRA","GBR","ITA","JPN","USA"],"group_on":"1975-12-31","rows":[
			{"donor":"DEU","stage":"committed","asset":"EUR/2@tracker","amount":"10.00","unknown":1},
			{"donor":"USA","stage":"committed","asset":"EUR/2@tracker","amount":"625.00","unknown":0}]}`,
	},
	{
		"a group before a donor joined it",
		balances.Request{Basis: "tracker", Stages: []string{"committed"}, Reached: true, Group: "NATO", GroupOn: "1955-05-05"},
		`{"position":34,"ordinal":9,"basis":"tracker","unknown":0,"left_out":[],"not_reported":[],
			"members":["BEL","CAN","DNK","FRA","GBR","GRC","ISL","ITA","LUX","NLD","NOR","PRT","TUR","USA"],"group_on":"1955-05-05","rows":[
			{"stage":"committed","asset":"EUR/2@tracker","amount":"625.00","unknown":0}]}`,
	},
	{
		"a group before it was founded passes nobody, and not everybody",
		balances.Request{Basis: "tracker", Stages: []string{"committed"}, Group: "EU", GroupOn: "1957-12-31"},
		`{"position":34,"ordinal":9,"basis":"tracker","unknown":0,"left_out":[],"not_reported":["committed"],"group_on":"1957-12-31","rows":[]}`,
	},
	{
		"what is left out at several stages is not summed over them",
		balances.Request{Basis: "tracker", Stages: []string{"committed", "origin"}, Donor: "JPN", Category: "FIN.BUDGET", Reached: true},
		`{"position":34,"ordinal":9,"basis":"tracker","unknown":0,"left_out":[
			{"instrument":"guarantee","stage":"committed","asset":"EUR/2@tracker","amount":"40.00","unknown":0},
			{"instrument":"guarantee","stage":"origin","asset":"EUR/2@tracker","amount":"-40.00","unknown":0}],"not_reported":[],"rows":[
			{"stage":"committed","asset":"EUR/2@tracker","amount":"80.00","unknown":0},
			{"stage":"origin","asset":"EUR/2@tracker","amount":"-80.00","unknown":0}]}`,
	},
}

func TestReports(t *testing.T) {
	views := replayed(t, ledger(t))
	for _, c := range reports {
		t.Run(c.name, func(t *testing.T) {
			report, err := query(t, views, c.req)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(report)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.NewReplacer("\n", "", "\t", "").Replace(c.want); string(got) != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestRequestsThatCannotBeAnsweredTruly(t *testing.T) {
	views := replayed(t, ledger(t))
	good := balances.Request{Basis: "tracker", Stages: []string{"committed"}}
	for _, c := range []struct {
		name         string
		change       func(*balances.Request)
		code, field  string
		says, remedy string
	}{
		{"no basis", func(r *balances.Request) { r.Basis = "" }, "missing", "basis", "net_book", "tracker"},
		{"a misspelt basis", func(r *balances.Request) { r.Basis = "traker" }, "unknown_word", "basis", "tracker_redistributed", `"tracker"`},
		{"no stage", func(r *balances.Request) { r.Stages = nil }, "missing", "stages", "handed_over", "committed"},
		{"a misspelt stage", func(r *balances.Request) { r.Stages = []string{"handed-over"} }, "unknown_word", "stages", "reconciled", `"handed_over"`},
		{"a stage twice", func(r *balances.Request) { r.Stages = []string{"committed", "committed"} }, "repeated", "stages", "committed", "once"},
		{"a misspelt dimension", func(r *balances.Request) { r.By = []string{"doner"} }, "unknown_word", "by", "beneficiary", `"donor"`},
		{"a misspelt instrument", func(r *balances.Request) { r.Instruments = []string{"garantee"} }, "unknown_word", "instruments", "swap", `"guarantee"`},
		{"a donor's name", func(r *balances.Request) { r.Donor = "Germany" }, "unknown_word", "donor", "code", `"DEU"`},
		{"no such donor", func(r *balances.Request) { r.Donor = "DEUU" }, "unknown_word", "donor", "DEUU", `"DEU"`},
		{"no such category", func(r *balances.Request) { r.Category = "MIL.AMO" }, "unknown_word", "category", "MIL.AMO", `"MIL.AMMO"`},
		{"a bad asset", func(r *balances.Request) { r.Asset = "EUR" }, "bad_asset", "asset", "EUR", "EUR/2@tracker"},
		{"an asset of another basis", func(r *balances.Request) { r.Asset = "EUR/2@net_book" }, "contradiction", "asset", "net_book", "one"},
		{"a misspelt group", func(r *balances.Request) { r.Group, r.GroupOn = "NTAO", "2022-02-24" }, "unknown_word", "group", "NORDIC", `"NATO"`},
		{"a group without its day", func(r *balances.Request) { r.Group = "NATO" }, "missing", "group_on", "NATO", "2022-02-24"},
		{"a group on no day", func(r *balances.Request) { r.Group, r.GroupOn = "NATO", "2022" }, "bad_date", "group_on", "2022", "day"},
		{"a day without a group", func(r *balances.Request) { r.GroupOn = "2022-02-24" }, "missing", "group", "no group", "leave out"},
		{"a negative depth", func(r *balances.Request) { r.CategoryDepth = -1 }, "out_of_range", "category_depth", "-1", "0"},
		{"a position that is not reached", func(r *balances.Request) { r.AtLeast = 1000 }, "behind", "at_least", "34", "again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := good
			c.change(&req)
			_, err := query(t, views, req)
			var r *es.Refusal
			if !errors.As(err, &r) || r.Code != c.code || r.Field != c.field || !strings.Contains(r.Reason, c.says) || !strings.Contains(r.Remedy, c.remedy) {
				t.Fatalf("%v", err)
			}
		})
	}
}

// A view that is rebuilt from a log without one event is another view: the books come from the events and from nowhere else.
func TestDeletedEventChangesTheSums(t *testing.T) {
	log := ledger(t)
	total := func(entries []es.Entry) (string, string) {
		r, err := engine.Replay(t.Context(), enginetest.Seq(entries), balances.New())
		if err != nil {
			t.Fatal(err)
		}
		report, err := query(t, r.Sink, balances.Request{Basis: "tracker", Stages: []string{"committed"}, Reached: true, Instruments: []string{"all"}, Asset: eur})
		if err != nil {
			t.Fatal(err)
		}
		return *report.Rows[0].Amount, r.StateHash
	}
	entries := log.Entries()
	all, hash := total(entries)
	again, sameHash := total(entries)
	less, otherHash := total(without(entries, 3)) // Japan's loan
	if all != "755.00" || again != all || sameHash != hash || less != "675.00" || otherHash == hash {
		t.Fatalf("%s %s, %s %s, without one event %s %s", all, hash, again, sameHash, less, otherHash)
	}
}

// without copies entries, leaves out one and closes the gap.
func without(entries []es.Entry, n int) []es.Entry {
	var out []es.Entry
	var last es.Position
	for i, e := range entries {
		if i == n {
			continue
		}
		e.Prev, e.Ordinal = last, uint64(len(out))
		last = e.Position
		out = append(out, e)
	}
	return out
}

func TestSQLiteAnswersAsMemory(t *testing.T) {
	log := ledger(t)
	sink, err := sqlite.Open(filepath.Join(t.TempDir(), "views.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	})
	enginetest.Build(t, log, sink, balances.New)
	r, err := engine.Verify(t.Context(), log.All(), sink, balances.New())
	if err != nil || !r.Views[0].OK() {
		t.Fatal(err, r)
	}
	req := balances.Request{Basis: "tracker", Stages: balances.Stages(), By: balances.Dimensions(), Instruments: []string{"all"}}
	a, err := query(t, sink, req)
	if err != nil {
		t.Fatal(err)
	}
	b, err := query(t, r.Sink, req)
	if err != nil {
		t.Fatal(err)
	}
	ja, _ := json.Marshal(a)
	jb, _ := json.Marshal(b)
	if string(ja) != string(jb) || len(a.Rows) < 12 {
		t.Fatalf("%s\n%s", ja, jb)
	}
}

// What is only claimed is handed over, and told apart by its evidence.
func TestClaimsAreHandedOverByEvidence(t *testing.T) {
	log := enginetest.NewLog(uuid.UUID{1: 7})
	log.Decide(t, enginetest.Stream(1), "USA",
		pledgetest.Commit(pledgetest.Line(1, pledgetest.Stated(pledgetest.EUR, "20"))),
		pledgetest.Allocate(pledgetest.Line(2, pledgetest.Stated(pledgetest.EUR, "4.75"))),
		&pledge.ClaimDelivery{
			Meta: pledgetest.Observed(), Line: pledgetest.ID(2), Asset: pledgetest.EUR, Amount: pledgetest.Amount(pledgetest.EUR, "6.48"), SameUnits: true,
		})
	r, err := engine.Replay(t.Context(), log.All(), balances.New())
	if err != nil {
		t.Fatal(err)
	}
	report, err := query(t, r.Sink, balances.Request{Basis: "tracker", Stages: []string{"dispatched", "handed_over"}, Reached: true, By: []string{"evidence"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != 1 || report.Rows[0].Stage != "handed_over" || *report.Rows[0].Evidence != "claim" || *report.Rows[0].Amount != "6.48" {
		t.Errorf("answered %+v", report)
	}
	if len(report.NotReported) != 1 || report.NotReported[0] != "dispatched" {
		t.Errorf("%v is not reported; of what is claimed nobody says that it was dispatched, which is not zero", report.NotReported)
	}
	if _, err := query(t, r.Sink, balances.Request{Basis: "tracker", Stages: []string{"claimed"}}); err == nil {
		t.Error("claims are a stage of their own")
	}
}
