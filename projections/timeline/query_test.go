package timeline_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/timeline"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
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

// ledger is a small log in which every rule of a report shows. Its facts happened at the times told, one after the other.
func ledger(t *testing.T) *enginetest.Log {
	t.Helper()
	const inKind, loan, swap = eventv1.Instrument_INSTRUMENT_IN_KIND, eventv1.Instrument_INSTRUMENT_LOAN, eventv1.Instrument_INSTRUMENT_SWAP
	told, log := enginetest.NewLog(uuid.UUID{1: 7}), enginetest.NewLog(uuid.UUID{1: 7})
	told.Decide(t, enginetest.Stream(1), "USA",
		pledgetest.Commit(line(1, "MIL.AMMO", inKind, stated("625"))),
		pledgetest.Allocate(line(2, "MIL.ARMOUR.TANK", inKind, stated("200"))),
		pledgetest.Allocate(line(3, "MIL.AMMO", inKind, stated("250"))),
		&pledge.ClaimDelivery{Meta: pledgetest.Observed(), Line: pledgetest.ID(2), Asset: eur, Amount: pledgetest.Amount(eur, "50"), SameUnits: true},
	)
	told.Decide(t, enginetest.Stream(2), "FIN",
		pledgetest.Commit(line(4, "FIN.BUDGET", loan, stated("80"))),
		pledgetest.Commit(line(5, "FIN.OTHER", swap, stated("40"))),
		pledgetest.Commit(line(6, "HUM.AID", loan, undisclosed())),
		pledgetest.Commit(line(7, "FIN.BUDGET", loan, stated("5"))),
	)
	when := []string{"2022-03-31", "2022-03", "2022", "until 2023-01-15", "2022-04-01", "unknown", "2022-03-01", "unknown"}
	for i, e := range told.Entries() {
		f, err := wire.Decode(e)
		if err != nil {
			t.Fatal(err)
		}
		env := proto.CloneOf(f.Envelope)
		if env.Effective, err = dates.Parse(when[i]); err != nil {
			t.Fatal(err)
		}
		log.AddFact(t, f.Stream, env, f.Event)
	}
	return log
}

func query(t *testing.T, views engine.Views, req timeline.Request) (*timeline.Report, error) {
	t.Helper()
	return enginetest.Ask(t, views, timeline.Query, req)
}

func replayed(t *testing.T, log *enginetest.Log) engine.Views {
	t.Helper()
	return enginetest.Replayed(t, log, timeline.New())
}

var reports = []struct {
	name string
	req  timeline.Request
	want string
}{
	{
		"a fact counts in the month of the latest day on which it may have happened",
		timeline.Request{Request: balances.Request{Basis: "tracker", Stages: []string{"committed", "allocated"}, Reached: true, Donor: "USA", By: []string{"month"}}},
		`{"position":28,"ordinal":7,"basis":"tracker","unknown":0,"left_out":[],"not_reported":[],"rows":[
			{"month":"2022-03","stage":"committed","asset":"EUR/2@tracker","amount":"625.00","unknown":0},
			{"month":"2022-03","stage":"allocated","asset":"EUR/2@tracker","amount":"200.00","unknown":0},
			{"month":"2022-12","stage":"committed","asset":"EUR/2@tracker","amount":"0.00","unknown":0},
			{"month":"2022-12","stage":"allocated","asset":"EUR/2@tracker","amount":"250.00","unknown":0},
			{"month":"2023-01","stage":"allocated","asset":"EUR/2@tracker","amount":"0.00","unknown":0}],"undated":[]}`,
	},
	{
		"what came less what left, by category, within months",
		timeline.Request{
			Request: balances.Request{Basis: "tracker", Stages: []string{"committed"}, Donor: "USA", By: []string{"category", "month"}, CategoryDepth: 1},
			From:    "2022-04", To: "2022-12",
		},
		`{"position":28,"ordinal":7,"basis":"tracker","unknown":0,"left_out":[],"not_reported":[],"rows":[
			{"month":"2022-12","category":"MIL","stage":"committed","asset":"EUR/2@tracker","amount":"-250.00","unknown":0}],"undated":[]}`,
	},
	{
		"all months in one sum, and what is undated apart",
		timeline.Request{Request: balances.Request{Basis: "tracker", Stages: []string{"committed"}, Reached: true, By: []string{"donor"}}},
		`{"position":28,"ordinal":7,"basis":"tracker","unknown":1,"left_out":[
			{"instrument":"swap","stage":"committed","asset":"EUR/2@tracker","amount":"40.00","unknown":0}],"not_reported":[],"rows":[
			{"donor":"FIN","stage":"committed","asset":"EUR/2@tracker","amount":"80.00","unknown":1},
			{"donor":"USA","stage":"committed","asset":"EUR/2@tracker","amount":"625.00","unknown":0}],"undated":[
			{"stage":"committed","asset":"EUR/2@tracker","amount":"5.00","unknown":0}]}`,
	},
	{
		"unknowns in their month, and what is undated whatever the months",
		timeline.Request{Request: balances.Request{Basis: "tracker", Stages: []string{"committed"}, Donor: "FIN", By: []string{"month"}, Instruments: []string{"all"}}, From: "2022-03", To: "2022-03"},
		`{"position":28,"ordinal":7,"basis":"tracker","unknown":1,"left_out":[],"not_reported":[],"rows":[
			{"month":"2022-03","stage":"committed","asset":null,"amount":null,"unknown":1}],"undated":[
			{"stage":"committed","asset":"EUR/2@tracker","amount":"45.00","unknown":0}]}`,
	},
	{
		"what is claimed, in its month, by evidence; nobody says when it was dispatched",
		timeline.Request{Request: balances.Request{Basis: "tracker", Stages: []string{"dispatched", "handed_over"}, Reached: true, By: []string{"evidence", "month"}}},
		`{"position":28,"ordinal":7,"basis":"tracker","unknown":0,"left_out":[],"not_reported":["dispatched"],"rows":[
			{"month":"2023-01","evidence":"claim","stage":"handed_over","asset":"EUR/2@tracker","amount":"50.00","unknown":0}],"undated":[]}`,
	},
	{
		"a stage that was reached in no month asked for is not reported",
		timeline.Request{Request: balances.Request{Basis: "tracker", Stages: []string{"handed_over"}, Reached: true}, To: "2022-12"},
		`{"position":28,"ordinal":7,"basis":"tracker","unknown":0,"left_out":[],"not_reported":["handed_over"],"rows":[],"undated":[]}`,
	},
	{
		"a group's members on a day, undated too",
		timeline.Request{Request: balances.Request{Basis: "tracker", Stages: []string{"committed"}, Reached: true, Group: "NORDIC", GroupOn: "2022-02-24"}},
		`{"position":28,"ordinal":7,"basis":"tracker","unknown":1,"left_out":[
			{"instrument":"swap","stage":"committed","asset":"EUR/2@tracker","amount":"40.00","unknown":0}],"not_reported":[],
			"members":["DNK","FIN","ISL","NOR","SWE"],"group_on":"2022-02-24","rows":[
			{"stage":"committed","asset":"EUR/2@tracker","amount":"80.00","unknown":1}],"undated":[
			{"stage":"committed","asset":"EUR/2@tracker","amount":"5.00","unknown":0}]}`,
	},
	{
		"a group that a donor had not joined",
		timeline.Request{Request: balances.Request{Basis: "tracker", Stages: []string{"committed"}, Reached: true, Group: "NATO", GroupOn: "1949-08-24", By: []string{"donor"}}},
		`{"position":28,"ordinal":7,"basis":"tracker","unknown":0,"left_out":[],"not_reported":[],
			"members":["BEL","CAN","DNK","FRA","GBR","ISL","ITA","LUX","NLD","NOR","PRT","USA"],"group_on":"1949-08-24","rows":[
			{"donor":"USA","stage":"committed","asset":"EUR/2@tracker","amount":"625.00","unknown":0}],"undated":[]}`,
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
	for _, c := range []struct {
		name         string
		change       func(*timeline.Request)
		code, field  string
		says, remedy string
	}{
		{"no basis", func(r *timeline.Request) { r.Basis = "" }, "missing", "basis", "net_book", "tracker"},
		{"no stage", func(r *timeline.Request) { r.Stages = nil }, "missing", "stages", "handed_over", "committed"},
		{"a misspelt dimension", func(r *timeline.Request) { r.By = []string{"moth"} }, "unknown_word", "by", "month, donor", `"month"`},
		{"a day for a month", func(r *timeline.Request) { r.From = "2022-03-01" }, "bad_date", "from", "2022-03-01", "2022-02"},
		{"a year for a month", func(r *timeline.Request) { r.To = "2022" }, "bad_date", "to", "2022", "2022-02"},
		{"no such month", func(r *timeline.Request) { r.To = "2022-13" }, "bad_date", "to", "2022-13", "2022-02"},
		{"months in the wrong order", func(r *timeline.Request) { r.From, r.To = "2023-01", "2022-12" }, "contradiction", "to", "2023-01", "from"},
		{"a group without its day", func(r *timeline.Request) { r.Group = "EU" }, "missing", "group_on", "EU", "2022-02-24"},
		{"a misspelt group", func(r *timeline.Request) { r.Group, r.GroupOn = "NORDICS", "2022-02-24" }, "unknown_word", "group", "BALTIC", `"NORDIC"`},
		{"a day without its group", func(r *timeline.Request) { r.GroupOn = "2022-02-24" }, "missing", "group", "no group", "NATO"},
		{"a group on no day", func(r *timeline.Request) { r.Group, r.GroupOn = "EU", "today" }, "bad_date", "group_on", "today", "day"},
		{"a position that is not reached", func(r *timeline.Request) { r.AtLeast = 1000 }, "behind", "at_least", "28", "again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := timeline.Request{Request: balances.Request{Basis: "tracker", Stages: []string{"committed"}}}
			c.change(&req)
			_, err := query(t, views, req)
			var r *es.Refusal
			if !errors.As(err, &r) || r.Code != c.code || r.Field != c.field || !strings.Contains(r.Reason, c.says) || !strings.Contains(r.Remedy, c.remedy) {
				t.Fatalf("%v", err)
			}
		})
	}
}
