package timeline_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/timeline"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// dated is a random history of which each fact happened at a time of its own, told as closely as any source does.
func dated(t testing.TB, r *rapid.T) *enginetest.Log {
	return redated(t, r, enginetest.RandomOfAll(t, r), rapid.Custom(anyEffective))
}

func redated(t testing.TB, r *rapid.T, of *enginetest.Log, when *rapid.Generator[*eventv1.Effective]) *enginetest.Log {
	log := enginetest.NewLog(uuid.UUID{1: 7})
	for _, e := range of.Entries() {
		f, err := wire.Decode(e)
		if err != nil {
			r.Fatal(err)
		}
		env := proto.CloneOf(f.Envelope)
		env.Effective = when.Draw(r, "effective")
		log.AddFact(t, f.Stream, env, f.Event)
	}
	return log
}

func anyEffective(r *rapid.T) *eventv1.Effective {
	if rapid.IntRange(0, 5).Draw(r, "undated") == 0 {
		return rapid.SampledFrom([]*eventv1.Effective{dates.Unknown(), {}, nil}).Draw(r, "as")
	}
	return knownEffective(r)
}

func knownEffective(r *rapid.T) (e *eventv1.Effective) {
	var err error
	year, month := 2021+rapid.IntRange(0, 2).Draw(r, "year"), rapid.IntRange(1, 12).Draw(r, "month")
	switch rapid.IntRange(0, 3).Draw(r, "precision") {
	case 0:
		e, err = dates.Month(year, month)
	case 1:
		e, err = dates.Year(year)
	case 2:
		e, err = dates.Until(year, month, 28)
	default:
		e, err = dates.Day(year, month, rapid.IntRange(1, 28).Draw(r, "day"))
	}
	if err != nil {
		r.Fatal(err)
	}
	return e
}

func TestProjection(t *testing.T) { enginetest.TestProjectionOf(t, dated, timeline.New) }

// sum is what rows of one asset at one stage come to, under some dimensions.
type sum struct{ donor, category, instrument, evidence, stage, asset string }

type totals struct {
	amounts  map[sum]money.Amount
	unknowns map[sum]int64
}

func (x *totals) add(r *rapid.T, row balances.Row) {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	k := sum{text(row.Donor), text(row.Category), text(row.Instrument), text(row.Evidence), row.Stage, ""}
	if x.unknowns[k] += row.Unknown; x.unknowns[k] == 0 {
		delete(x.unknowns, k)
	}
	if row.Asset == nil {
		return
	}
	a, err := asset.Parse(*row.Asset)
	if err != nil {
		r.Fatal(err)
	}
	amount, err := money.Parse(*row.Amount, a.Scale)
	if err != nil {
		r.Fatal(err)
	}
	k.asset = *row.Asset
	if x.amounts[k], err = x.amounts[k].Add(amount); err != nil {
		r.Fatal(err)
	}
}

func (x *totals) equal(o *totals) bool {
	return maps.Equal(x.amounts, o.amounts) && maps.Equal(x.unknowns, o.unknowns)
}

func newTotals() *totals { return &totals{map[sum]money.Amount{}, map[sum]int64{}} }

// Over all months, and what is undated, the timeline sums to the balances, whatever is asked for of both. Where every day is known, each
// dimension does.
func TestAllMonthsSumToTheBalances(t *testing.T) {
	for _, c := range []struct {
		name string
		when func(*rapid.T) *eventv1.Effective
		by   []string
	}{{"some days are unknown", anyEffective, nil}, {"every day is known", knownEffective, balances.Dimensions()}} {
		t.Run(c.name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				log := redated(t, r, enginetest.RandomOfAll(t, r), rapid.Custom(c.when))
				result, err := engine.Replay(t.Context(), log.All(), balances.New(), timeline.New())
				if err != nil {
					r.Fatal(err)
				}
				req := anyRequest(r)
				for _, by := range c.by {
					if rapid.Bool().Draw(r, "by "+by) {
						req.By = append(req.By, by)
					}
				}
				sumTo(t, r, result.Sink, req)
			})
		})
	}
}

func anyRequest(r *rapid.T) balances.Request {
	req := balances.Request{
		Basis: rapid.SampledFrom([]string{"tracker", "donor_stated", balances.Quantity}).Draw(r, "basis"), Stages: balances.Stages(),
		Reached: rapid.Bool().Draw(r, "reached"), CategoryDepth: rapid.IntRange(0, 2).Draw(r, "depth"),
		Instruments: rapid.SampledFrom([][]string{nil, {"all"}, {"grant", "loan"}}).Draw(r, "instruments"),
		Donor:       rapid.SampledFrom([]string{"", "", "USA", "DEU"}).Draw(r, "donor"), Category: rapid.SampledFrom([]string{"", "", "MIL", "HUM"}).Draw(r, "category"),
	}
	if rapid.IntRange(0, 3).Draw(r, "of a group") == 0 {
		req.Group, req.GroupOn = "NATO", "2022-02-24"
	}
	return req
}

func sumTo(t *testing.T, r *rapid.T, views engine.Views, req balances.Request) {
	want, got, whole := newTotals(), newTotals(), newTotals()
	err := views.View(t.Context(), func(s engine.Snapshot) error {
		stand, err := balances.Query(t.Context(), s, req)
		if err != nil {
			return err
		}
		for _, row := range stand.Rows {
			want.add(r, row)
		}
		once, err := timeline.Query(t.Context(), s, timeline.Request{Request: req}) // all months in one sum
		if err != nil {
			return err
		}
		req.By = append(slices.Clone(req.By), "month")
		months, err := timeline.Query(t.Context(), s, timeline.Request{Request: req})
		if err != nil {
			return err
		}
		unknown := months.Unknown
		for _, row := range months.Rows {
			got.add(r, row.Row)
		}
		for _, row := range once.Rows {
			whole.add(r, row.Row)
		}
		for _, row := range months.Undated {
			unknown += row.Unknown
			got.add(r, row.Row)
			whole.add(r, row.Row)
		}
		if unknown != stand.Unknown || once.Unknown != months.Unknown {
			r.Fatalf("%d unknown by month and undated, %d in one sum, and %d in the balances", unknown, once.Unknown, stand.Unknown)
		}
		for _, report := range []*timeline.Report{once, months} {
			if !slices.Equal(report.NotReported, stand.NotReported) || len(report.LeftOut) != len(stand.LeftOut) || report.Position != stand.Position ||
				report.Basis != stand.Basis || !slices.Equal(report.Members, stand.Members) || report.GroupOn != stand.GroupOn {
				r.Fatalf("the timeline says %+v, and the balances %+v", report.Summary, stand.Summary)
			}
			for i, l := range report.LeftOut {
				if o := stand.LeftOut[i]; l.Instrument != o.Instrument || l.Stage != o.Stage || l.Unknown != o.Unknown || l.Asset != nil && (*l.Asset != *o.Asset || *l.Amount != *o.Amount) {
					r.Fatalf("the timeline leaves out %+v, and the balances %+v", l, o)
				}
			}
		}
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
	if !got.equal(want) || !whole.equal(want) {
		r.Fatalf("by month %+v\nin one sum %+v\nbalances %+v", got, whole, want)
	}
}

// Double entry holds in each month: what one row gains there, others lose.
func TestMovesOfEachMonthSumToZero(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		result, err := engine.Replay(t.Context(), dated(t, r).All(), timeline.New())
		if err != nil {
			r.Fatal(err)
		}
		moved := map[string]money.Amount{}
		err = result.Sink.View(t.Context(), func(s engine.Snapshot) error {
			for row, err := range s.Scan(t.Context(), timeline.Spec.Tables[0], engine.Range{}) {
				if err != nil {
					return err
				}
				in := row[6].Text() + " in " + row[7].Text()
				if moved[in], err = moved[in].Add(row[9].Amount()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			r.Fatal(err)
		}
		for in, sum := range moved {
			if !sum.IsZero() {
				r.Fatalf("moves of %s sum to %s", in, sum.Text(0))
			}
		}
	})
}
