package pledges_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/pledges"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

const (
	eur    = pledgetest.EUR
	golden = "testdata/show.json"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// ledger holds a pledge that allocates more than it commits, one that is fulfilled, and one that says hardly anything.
func ledger(t *testing.T) *enginetest.Log {
	t.Helper()
	log := enginetest.NewLog(uuid.UUID{1: 7})
	commit := pledgetest.Commit(pledgetest.Line(1, pledgetest.Stated(eur, "625")))
	commit.Title = "Ammunition for 2022"
	var packages []pledge.Command
	for i, amount := range []string{"300", "250", "125"} {
		a := pledgetest.Allocate(pledgetest.Line(2+i, pledgetest.Stated(eur, amount)), pledgetest.Item("shell", "10"))
		a.Meta = pledgetest.Observed()
		packages = append(packages, a)
	}
	log.Decide(t, enginetest.Stream(1), "USA", append([]pledge.Command{commit}, packages...)...)

	flagged := pledgetest.Line(11, pledgetest.Stated(eur, "10"))
	flagged.Flags = []*eventv1.Flag{{Code: "plug"}, {Code: "envelope"}}
	flagged.Category = "HUM.AID"
	log.Decide(t, enginetest.Stream(2), "DEU",
		pledgetest.Commit(flagged), &pledge.Lapse{Meta: pledgetest.Meta()},
	)
	named := pledgetest.Line(21, pledgetest.Missing("tracker", eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED))
	named.Title = "Ausrüstung für jäger"
	log.Decide(t, enginetest.Stream(3), "DEU", pledgetest.Commit(named))
	return log
}

func view(t *testing.T, log *enginetest.Log, fn func(engine.Snapshot) error) {
	t.Helper()
	enginetest.View(t, enginetest.Replayed(t, log, pledges.New()), fn)
}

func TestShowTellsTheLadderOfEveryLine(t *testing.T) {
	view(t, ledger(t), func(s engine.Snapshot) error {
		for _, id := range []string{enginetest.Stream(1), strings.ToUpper(strings.TrimPrefix(enginetest.Stream(1), "pledge-")), "USA1"} {
			d, err := pledges.Show(t.Context(), s, pledges.ShowRequest{ID: id})
			if err != nil {
				return err
			}
			got, err := json.MarshalIndent(d, "", "  ")
			if err != nil {
				return err
			}
			if *update {
				return os.WriteFile(golden, append(got, '\n'), 0o644)
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				return err
			}
			if string(got)+"\n" != string(want) {
				t.Fatalf("by %s: got\n%s\nwant as in %s; -update rewrites it", id, got, golden)
			}
		}
		return nil
	})
}

func TestListFiltersAndPages(t *testing.T) {
	view(t, ledger(t), func(s engine.Snapshot) error {
		usa, lapsed, bare := enginetest.Stream(1), enginetest.Stream(2), enginetest.Stream(3)
		for _, c := range []struct {
			name string
			req  pledges.ListRequest
			want []string
		}{
			{"all, by donor", pledges.ListRequest{}, []string{lapsed, bare, usa}},
			{"donor", pledges.ListRequest{Donor: "DEU"}, []string{lapsed, bare}},
			{"over", pledges.ListRequest{Over: true}, []string{usa}},
			{"flag", pledges.ListRequest{Flag: "plug"}, []string{lapsed}},
			{"status", pledges.ListRequest{Status: "open"}, []string{bare, usa}},
			{"category", pledges.ListRequest{Category: "MIL"}, []string{bare, usa}},
			{"category below", pledges.ListRequest{Category: "HUM.AID"}, []string{lapsed}},
			{"outside id", pledges.ListRequest{ExternalID: "DEU1"}, []string{lapsed, bare}},
			{"two filters", pledges.ListRequest{ExternalID: "DEU1", Category: "MIL"}, []string{bare}},
			{"a group", pledges.ListRequest{Group: "EU", GroupOn: "2022-02-24"}, []string{lapsed, bare}},
			{"a wider group", pledges.ListRequest{Group: "NATO", GroupOn: "2022-02-24"}, []string{lapsed, bare, usa}},
			{"a group before one joined it", pledges.ListRequest{Group: "NATO", GroupOn: "1955-05-05"}, []string{usa}},
			{"a group before it was founded", pledges.ListRequest{Group: "NATO", GroupOn: "1949-04-04"}, nil},
			{"a group and another's donor", pledges.ListRequest{Group: "EU", GroupOn: "2022-02-24", Donor: "USA"}, nil},
			{"text of a title", pledges.ListRequest{Text: "AMMUNITION for"}, []string{usa}},
			{"text of a line's title", pledges.ListRequest{Text: "Jäger"}, []string{bare}},
			{"text of an outside id", pledges.ListRequest{Text: "eu1"}, []string{lapsed, bare}},
			{"text of a title or an outside id", pledges.ListRequest{Text: "u"}, []string{lapsed, bare, usa}},
			{"text and a category", pledges.ListRequest{Text: "u", Category: "HUM"}, []string{lapsed}},
			{"text of a donor's code alone", pledges.ListRequest{Text: "UKR"}, nil},
			{"nothing", pledges.ListRequest{Donor: "JPN"}, nil},
		} {
			for limit := range 4 {
				req, got, pages := c.req, []string(nil), 0
				for req.Limit = limit; ; pages++ {
					l, err := pledges.List(t.Context(), s, req)
					if err != nil {
						return err
					}
					if l.Total != len(c.want) {
						t.Errorf("%s: total %d", c.name, l.Total)
					}
					for _, p := range l.Pledges {
						got = append(got, p.Stream)
					}
					if req.Cursor = l.Next; req.Cursor == "" {
						break
					}
				}
				if !slices.Equal(got, c.want) || limit > 0 && pages > len(c.want)/limit {
					t.Errorf("%s in pages of %d: %v in %d pages", c.name, limit, got, pages+1)
				}
			}
		}
		return nil
	})
}

func TestRequestsThatAreRefused(t *testing.T) {
	view(t, ledger(t), func(s engine.Snapshot) error {
		list := func(r pledges.ListRequest) error { _, err := pledges.List(t.Context(), s, r); return err }
		show := func(r pledges.ShowRequest) error { _, err := pledges.Show(t.Context(), s, r); return err }
		for _, c := range []struct {
			err         error
			code, field string
		}{
			{list(pledges.ListRequest{Donor: "Germany"}), "unknown_word", "donor"},
			{list(pledges.ListRequest{Category: "MILL"}), "unknown_word", "category"},
			{list(pledges.ListRequest{Status: "closed"}), "unknown_word", "status"},
			{list(pledges.ListRequest{Group: "NATO"}), "missing", "group_on"},
			{list(pledges.ListRequest{Group: "OTAN", GroupOn: "2022-02-24"}), "unknown_word", "group"},
			{list(pledges.ListRequest{Group: "NATO", GroupOn: "2022-02"}), "bad_date", "group_on"},
			{list(pledges.ListRequest{GroupOn: "2022-02-24"}), "missing", "group"},
			{list(pledges.ListRequest{Limit: 1001}), "out_of_range", "limit"},
			{list(pledges.ListRequest{Cursor: "?"}), "bad_cursor", "cursor"},
			{list(pledges.ListRequest{AtLeast: 1000}), "behind", "at_least"},
			{show(pledges.ShowRequest{}), "missing", "id"},
			{show(pledges.ShowRequest{ID: "nobody's"}), "not_found", "id"},
			{show(pledges.ShowRequest{ID: "DEU1"}), "ambiguous", "id"},
			{show(pledges.ShowRequest{ID: "USA1", AtLeast: 1000}), "behind", "at_least"},
		} {
			var r *es.Refusal
			if !errors.As(c.err, &r) || r.Code != c.code || r.Field != c.field || r.Reason == "" || r.Remedy == "" {
				t.Errorf("want %s at %s, got %v", c.code, c.field, c.err)
			}
		}
		return nil
	})
}

// The lines of a pledge hold its whole books: what one of its accounts gains, others lose.
func TestStandingsOfEachPledgeSumToZero(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		result, err := engine.Replay(t.Context(), enginetest.RandomOfAll(t, r).All(), pledges.New())
		if err != nil {
			r.Fatal(err)
		}
		sums := map[string]money.Amount{}
		err = result.Sink.View(t.Context(), func(s engine.Snapshot) error {
			for row, err := range s.Scan(t.Context(), pledges.Spec.Tables[3], engine.Range{}) {
				if err != nil {
					return err
				}
				key := row[0].Text() + " " + row[4].Text()
				if sums[key], err = sums[key].Add(row[6].Amount()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			r.Fatal(err)
		}
		for key, sum := range sums {
			if !sum.IsZero() {
				r.Fatalf("standings of %s sum to %s", key, sum.Text(0))
			}
		}
	})
}

// What is only claimed was dispatched too, and nobody says when and how much: that is not reported, and not zero. Money is never dispatched.
func TestWhatIsClaimedWasDispatchedUnreported(t *testing.T) {
	for instrument, want := range map[eventv1.Instrument]string{
		eventv1.Instrument_INSTRUMENT_IN_KIND:       "[dispatched]",
		eventv1.Instrument_INSTRUMENT_SERVICE:       "[dispatched]",
		eventv1.Instrument_INSTRUMENT_APPROPRIATION: "[dispatched]",
		eventv1.Instrument_INSTRUMENT_UNKNOWN:       "[dispatched]",
		eventv1.Instrument_INSTRUMENT_GRANT:         "[]",
		eventv1.Instrument_INSTRUMENT_LOAN:          "[]",
		eventv1.Instrument_INSTRUMENT_GUARANTEE:     "[]",
		eventv1.Instrument_INSTRUMENT_SWAP:          "[]",
	} {
		log := enginetest.NewLog(uuid.UUID{1: 7})
		allocation := pledgetest.Line(2, pledgetest.Stated(pledgetest.EUR, "5"))
		allocation.Instrument = instrument
		log.Decide(t, enginetest.Stream(1), "USA",
			pledgetest.Commit(pledgetest.Line(1, pledgetest.Stated(pledgetest.EUR, "20"))),
			pledgetest.Allocate(allocation),
			&pledge.ClaimDelivery{Meta: pledgetest.Observed(), Line: pledgetest.ID(2), Asset: pledgetest.EUR, Amount: pledgetest.Amount(pledgetest.EUR, "5")})
		view(t, log, func(s engine.Snapshot) error {
			d, err := pledges.Show(t.Context(), s, pledges.ShowRequest{ID: "USA1"})
			if err != nil {
				return err
			}
			l, err := pledges.List(t.Context(), s, pledges.ListRequest{})
			if err != nil {
				return err
			}
			if of := fmt.Sprint(l.Pledges[0].NotReported); of != want {
				t.Errorf("%s: not reported in the list are %s, want %s", instrument, of, want)
			}
			if of := fmt.Sprint(d.NotReported); of != want || len(d.Lines[0].NotReported) != 0 || fmt.Sprint(d.Lines[1].NotReported) != want {
				t.Errorf("%s: not reported are %v of the pledge, %v of its allocation, want %s", instrument, d.NotReported, d.Lines[1].NotReported, want)
			}
			return nil
		})
	}
}
