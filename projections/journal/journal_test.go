package journal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/journal"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

const golden = "testdata/journal.json"

var update = flag.Bool("update", false, "rewrite the golden files")

func TestProjection(t *testing.T) { enginetest.TestProjection(t, journal.New) }

func TestProjectionOfAll(t *testing.T) {
	enginetest.TestProjectionOf(t, enginetest.RandomOfAll, journal.New)
}

func TestARowForEveryFact(t *testing.T) {
	w := told(t)
	view(t, w.Log, func(s engine.Snapshot) error {
		l, err := journal.List(t.Context(), s, journal.ListRequest{})
		if err != nil {
			return err
		}
		got, err := json.MarshalIndent(l, "", "  ")
		if err != nil {
			return err
		}
		if *update {
			err = os.WriteFile(golden, append(got, '\n'), 0o600)
		}
		want, rerr := os.ReadFile(golden)
		if err := errors.Join(err, rerr); err != nil {
			return err
		}
		if !bytes.Equal(append(got, '\n'), want) {
			t.Errorf("run with -update and see what changed: %s", got)
		}
		if n := len(w.Log.Entries()); len(l.Events) != n || l.Next != "" {
			t.Errorf("%d events of %d, next %q", len(l.Events), n, l.Next)
		}
		return nil
	})
}

func ordinals(l *journal.Listing) (all []uint64) {
	for _, e := range l.Events {
		all = append(all, e.Ordinal)
	}
	return all
}

func TestFilters(t *testing.T) {
	w := told(t)
	head := uint64(len(w.Log.Entries()))
	id := strings.TrimPrefix(convoy, "shipment-")
	for _, c := range []struct {
		name string
		req  journal.ListRequest
		want []uint64
	}{
		{"kind", journal.ListRequest{Kind: "payment"}, []uint64{15, 14, 13, 12}},
		{"donor", journal.ListRequest{Donor: "NOR"}, []uint64{16}},
		{"group", journal.ListRequest{Group: "NORDIC", GroupOn: "2022-09-13"}, []uint64{16}},
		{"a group that nobody here was in", journal.ListRequest{Group: "BALTIC", GroupOn: "2022-09-13"}, nil},
		{"category of a line, a posting or the stream", journal.ListRequest{Category: "FIN"}, []uint64{18, 15, 14, 13, 12, 11, 2}},
		{"type", journal.ListRequest{Type: "allied.event.v1.PledgeAllocated"}, []uint64{2, 1}},
		{"type of all versions", journal.ListRequest{Type: "PledgeAllocated"}, []uint64{2, 1}},
		{"stream", journal.ListRequest{Stream: convoy}, []uint64{10, 9, 8, 7, 6, 5, 4}},
		{"stream by its UUID", journal.ListRequest{Stream: strings.ToUpper(id)}, []uint64{10, 9, 8, 7, 6, 5, 4}},
		{"stream and kind", journal.ListRequest{Stream: id, Kind: "pledge"}, nil},
		{"stream and before", journal.ListRequest{Stream: convoy, Before: 6}, []uint64{5, 4}},
		{"a stream that is not there", journal.ListRequest{Stream: enginetest.Stream(77)}, nil},
		{"before", journal.ListRequest{Before: 3}, []uint64{2, 1, 0}},
		{"before all", journal.ListRequest{Before: 1}, []uint64{0}},
		{"before what is still to come", journal.ListRequest{Before: 1<<64 - 1, Kind: "import"}, []uint64{17}},
		{"a title, in whatever case", journal.ListRequest{Text: "FJORD"}, []uint64{16}},
		{"an outside id", journal.ListRequest{Text: "usa7"}, []uint64{0}},
		{"a place", journal.ListRequest{Text: "CONSTANȚA"}, []uint64{6}},
		{"a party", journal.ListRequest{Text: "ministry of"}, []uint64{12}},
		{"a bank's reference", journal.ListRequest{Text: "R-1"}, []uint64{14}},
		{"an amount", journal.ListRequest{Text: "1234567.89"}, []uint64{17}},
		{"an item", journal.ListRequest{Text: "shell"}, []uint64{1}},
		{"an actor", journal.ListRequest{Text: "a. clerk"}, []uint64{0}},
		{"a reason", journal.ListRequest{Text: "booked twice"}, []uint64{15}},
		{"an authority", journal.ListRequest{Text: "cabinet decision"}, []uint64{18}},
		{"an event", journal.ListRequest{Text: w.Last.ID.String()}, []uint64{head - 1}},
		{"the pledge that something draws on", journal.ListRequest{Text: on, Kind: "payment"}, []uint64{15, 14, 12}},
		{"nothing", journal.ListRequest{Text: "no such words"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			view(t, w.Log, func(s engine.Snapshot) error {
				l, err := journal.List(t.Context(), s, c.req)
				if err != nil {
					return err
				}
				if got := ordinals(l); !slices.Equal(got, c.want) {
					t.Errorf("%v, not %v", got, c.want)
				}
				return nil
			})
		})
	}
}

func TestRequestsThatCannotBeAnswered(t *testing.T) {
	view(t, told(t).Log, func(s engine.Snapshot) error {
		for _, c := range []struct {
			req         journal.ListRequest
			code, field string
		}{
			{journal.ListRequest{Kind: "pledges"}, "unknown_word", "kind"},
			{journal.ListRequest{Donor: "Norway"}, "unknown_word", "donor"},
			{journal.ListRequest{Category: "MIL.BOATS"}, "unknown_word", "category"},
			{journal.ListRequest{Group: "NATO"}, "missing", "group_on"},
			{journal.ListRequest{Type: "PledgeAlocated"}, "unknown_word", "type"},
			{journal.ListRequest{Stream: "USA7"}, "bad_stream", "stream"},
			{journal.ListRequest{Limit: 1001}, "out_of_range", "limit"},
			{journal.ListRequest{Cursor: "b3Vy"}, "bad_cursor", "cursor"},
			{journal.ListRequest{AtLeast: 1000}, "behind", "at_least"},
		} {
			_, err := journal.List(t.Context(), s, c.req)
			refusal(t, err, c.code, c.field)
		}
		return nil
	})
}

// While facts are recorded, who goes on by cursors sees each earlier one once.
func TestPagesOfAGrowingLog(t *testing.T) {
	log, sink := enginetest.NewLog(uuid.UUID{1: 7}), engine.NewMemSink()
	log.Fill(t, 40)
	for _, req := range []journal.ListRequest{{Limit: 7}, {Limit: 3, Text: enginetest.Stream(1)}, {Limit: 2, Stream: enginetest.Stream(1)}} {
		enginetest.Build(t, log, sink, journal.New)
		var whole, got []uint64
		err := sink.View(t.Context(), func(s engine.Snapshot) error {
			all := req
			all.Limit = 1000
			l, err := journal.List(t.Context(), s, all)
			whole = ordinals(l)
			return err
		})
		pages := 0
		for err == nil && (pages == 0 || req.Cursor != "") {
			err = sink.View(t.Context(), func(s engine.Snapshot) error {
				l, err := journal.List(t.Context(), s, req)
				if err != nil {
					return err
				}
				got, req.Cursor = append(got, ordinals(l)...), l.Next
				return nil
			})
			pages++
			log.Fill(t, 5)
			enginetest.Build(t, log, sink, journal.New)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, whole) || pages < 3 {
			t.Errorf("%+v: on %d pages %v, not %v", req, pages, got, whole)
		}
	}
}

// A page looks through a bounded number of facts, and says where to go on.
func TestAPageThatFindsNothingGoesOn(t *testing.T) {
	const events = 20_010
	log := enginetest.NewLog(uuid.UUID{1: 7})
	log.Add(t, enginetest.Stream(100), "USA", enginetest.Announcement("needle", pledgetest.Amount(eur, "1").Proto()))
	log.Fill(t, events)
	view(t, log, func(s engine.Snapshot) error {
		req := journal.ListRequest{Text: "needle"}
		first, err := journal.List(t.Context(), s, req)
		if err != nil {
			return err
		}
		if len(first.Events) != 0 || first.Next == "" {
			t.Errorf("the first page has %d events, next %q", len(first.Events), first.Next)
		}
		req.Cursor = first.Next
		second, err := journal.List(t.Context(), s, req)
		if err == nil && (len(second.Events) != 1 || second.Events[0].Ordinal != 0 || second.Next != "") {
			t.Errorf("the second page is %+v", second)
		}
		return err
	})
}

func TestWhatCannotBeReadStopsTheView(t *testing.T) {
	for name, wrong := range map[string]es.Event{
		"an asset": &eventv1.TrancheScheduled{Tranche: make([]byte, 16), OfLine: make([]byte, 16), Asset: "doubloons", Amount: pledgetest.Amount(eur, "1").Proto()},
		"a line":   &eventv1.LineRevalued{Line: make([]byte, 16), Stage: eventv1.Stage_STAGE_COMMITTED, Asset: eur, Delta: pledgetest.Amount(eur, "1").Proto()},
	} {
		log := enginetest.NewLog(uuid.UUID{1: 7})
		log.Decide(t, on, "USA", pledgetest.Commit(pledgetest.Line(1, pledgetest.Stated(eur, "5"))))
		log.Add(t, on, "USA", wrong)
		_, err := engine.Replay(t.Context(), log.All(), journal.New())
		var stopped *engine.FoldError
		if !errors.As(err, &stopped) || stopped.Ordinal != 1 || stopped.Projection != "journal" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is too long to be searched is cut, and the row is there.
func TestLongTextsAreCut(t *testing.T) {
	log := enginetest.NewLog(uuid.UUID{1: 7})
	log.Add(t, on, "USA", enginetest.Announcement(strings.Repeat("ž", 20_000), pledgetest.Amount(eur, "77").Proto()))
	view(t, log, func(s engine.Snapshot) error {
		for _, text := range []string{"žž", "77.00"} {
			l, err := journal.List(t.Context(), s, journal.ListRequest{Text: text})
			if err != nil {
				return err
			}
			if len(l.Events) != 1 || len(l.Events[0].Title) != 40_000 {
				t.Errorf("%q: %d events", text, len(l.Events))
			}
		}
		for row, err := range s.Scan(t.Context(), journal.Spec.Tables[0], engine.Range{}) {
			if n := len(row[len(row)-1].Text()); err != nil || n > 17<<10 {
				t.Errorf("%d bytes are searched: %v", n, err)
			}
		}
		return nil
	})
}

// Of many amounts the first ten are shown, each as its asset is counted.
func TestTheFirstTenAmountsAreShown(t *testing.T) {
	var items []*eventv1.Item
	for i := range 20 {
		items = append(items, pledgetest.Item(fmt.Sprintf("kind %d, with a comma", i), "1.5"))
	}
	log := enginetest.NewLog(uuid.UUID{1: 7})
	log.Decide(t, on, "USA", pledgetest.Allocate(pledgetest.Line(1, pledgetest.Missing("tracker", undisclosed)), items...))
	view(t, log, func(s engine.Snapshot) error {
		l, err := journal.List(t.Context(), s, journal.ListRequest{})
		if err != nil {
			return err
		}
		amounts := l.Events[0].Amounts
		if len(amounts) != 10 || l.Events[0].Unknown != 1 {
			t.Fatalf("%+v", l.Events[0])
		}
		for i, a := range amounts {
			if _, err := asset.Parse(a.Asset); err != nil || a.Asset != fmt.Sprintf("each/6:kind %d, with a comma", i) || a.Amount != "1.500000" {
				t.Errorf("%+v: %v", a, err)
			}
		}
		return nil
	})
}
