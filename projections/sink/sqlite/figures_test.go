package sqlite_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/pledges"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
)

// figureLines are the lines of each pledge.
const figureLines = 10

// figures keeps ten thousand lines in SQLite: quantities, three currencies, values that nobody tells, draws, and allocations beyond a cap.
func figures(t *testing.T) (path string) {
	log := enginetest.NewLog(uuid.UUID{1: 9})
	count := 1000
	if testing.Short() { // one goroutine folds: the race detector would find nothing more
		count = 50
	}
	for n := range count {
		donor := []string{"DEU", "GBR", "JPN", "NOR", "POL", "USA"}[n%6]
		log.Decide(t, enginetest.Stream(n+1), donor, figurePledge(rand.New(rand.NewPCG(7, uint64(n))), n)...)
	}
	path = filepath.Join(t.TempDir(), "views.db")
	sink, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, create := range []func() engine.Projection{balances.New, pledges.New} {
		enginetest.Build(t, log, sink, create)
	}
	return path
}

func figurePledge(rng *rand.Rand, n int) (commands []pledge.Command) {
	currencies := []string{"EUR/2@tracker", "USD/2@tracker", "JPY/0@tracker"}
	first := n * 100
	for i := range figureLines {
		line := pledgetest.Line(first + i)
		line.Category = []string{"MIL.AMMO", "MIL.ARTY", "FIN.BUDGET", "HUM.AID"}[rng.IntN(4)]
		line.Instrument = eventv1.Instrument(1 + rng.IntN(8))
		control := ""
		if rng.IntN(10) > 0 {
			control = currencies[rng.IntN(len(currencies))]
			line.Values = append(line.Values, pledgetest.Stated(control, fmt.Sprint(1+rng.IntN(1_000_000_000))))
			line.ControlAsset = control
		} else {
			line.Values = append(line.Values, pledgetest.Missing("tracker", eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED))
		}
		if i < 3 {
			commands = append(commands, pledgetest.Commit(line))
			continue
		}
		var items []*eventv1.Item
		for range rng.IntN(3) {
			item := pledgetest.Item([]string{"tank", "155 mm howitzer, towed", "vest"}[rng.IntN(3)], fmt.Sprint(1+rng.IntN(5000)))
			item.Category = []string{"MIL.EQUIP", "MIL.ARMOUR.TANK"}[rng.IntN(2)]
			if line.Category[:3] == "MIL" { // then items and line share the first part, which the statement groups by
				items = append(items, item)
			}
		}
		a := pledgetest.Allocate(line, items...)
		a.Meta = pledgetest.Observed()
		commands = append(commands, a)
		if control != "" {
			d := pledgetest.Draw(first+50+i, first+i, control, fmt.Sprint(1+rng.IntN(1000)))
			d.Meta = pledgetest.Observed()
			commands = append(commands, d)
		}
	}
	return commands
}

// byHand is the figure as an auditor writes it, who knows SQL and none of our code. The sums stay far within SQLite's 64 bits.
const byHand = `
	SELECT p.donor, substr(l.category, 1, 3), l.instrument, a.stage, a.asset,
	       sum(CAST(a.reached AS INTEGER)), sum(CAST(a.standing AS INTEGER)), sum(a.unknown)
	FROM pledge_amounts a
	JOIN pledge_lines l ON l.stream = a.stream AND l.number = a.number
	JOIN pledges p ON p.stream = a.stream
	WHERE a.stage <> 'origin'
	GROUP BY 1, 2, 3, 4, 5`

type figureKey struct{ donor, category, instrument, stage, asset string }

type figure struct{ reached, standing, unknown int64 }

func queryByHand(t *testing.T, path string) map[figureKey]figure {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), byHand)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	out := map[figureKey]figure{}
	for rows.Next() {
		var k figureKey
		var f figure
		if err := rows.Scan(&k.donor, &k.category, &k.instrument, &k.stage, &k.asset, &f.reached, &f.standing, &f.unknown); err != nil {
			t.Fatal(err)
		}
		out[k] = f
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFigureOfTenThousandLinesAgreesWithSQL(t *testing.T) {
	path := figures(t)
	want := queryByHand(t, path)
	sink, err := sqlite.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sink.Close() }()
	got := map[figureKey]figure{}
	assets := map[string]bool{}
	for _, reached := range []bool{true, false} {
		for _, basis := range []string{"tracker", balances.Quantity} {
			for _, row := range report(t, sink, basis, reached, 1, "donor", "category", "instrument").Rows {
				k := figureKey{*row.Donor, *row.Category, *row.Instrument, row.Stage, ""}
				f := got[k] // unknowns stand under no asset in the tables
				f.unknown = max(f.unknown, row.Unknown)
				if row.Unknown != 0 {
					got[k] = f
				}
				if row.Asset == nil {
					continue
				}
				assets[*row.Asset] = true
				k.asset = *row.Asset
				f = got[k]
				if n := smallest(t, *row.Asset, *row.Amount); reached {
					f.reached = n
				} else {
					f.standing = n
				}
				got[k] = f
			}
		}
	}
	if len(assets) != 6 {
		t.Errorf("assets %v, want three currencies and three kinds of items", assets)
	}
	for k, w := range want {
		if got[k] != w {
			t.Errorf("%+v: %+v, and by hand %+v", k, got[k], w)
		}
		delete(got, k)
	}
	for k, g := range got {
		if g != (figure{}) {
			t.Errorf("%+v: %+v, and by hand nothing", k, g)
		}
	}
	addsUp(t, sink)
}

// addsUp reports by every choice of dimensions: each adds up to the same totals.
func addsUp(t *testing.T, sink engine.Views) {
	dimensions := balances.Dimensions()
	for _, basis := range []string{"tracker", balances.Quantity} {
		for _, reached := range []bool{true, false} {
			want, unknown := totals(t, report(t, sink, basis, reached, 0))
			if len(want) == 0 {
				t.Fatalf("nothing on basis %s", basis)
			}
			for choice := range 1 << len(dimensions) {
				var by []string
				for i, d := range dimensions {
					if choice&(1<<i) != 0 {
						by = append(by, d)
					}
				}
				got, n := totals(t, report(t, sink, basis, reached, choice%3, by...))
				if n != unknown || !equalTotals(got, want) {
					t.Errorf("basis %s, reached %t, by %v: %v and %d unknown; want %v and %d", basis, reached, by, got, n, want, unknown)
				}
			}
		}
	}
}

type totalKey struct{ stage, asset string }

func totals(t *testing.T, r *balances.Report) (map[totalKey]int64, int64) {
	sums, unknown := map[totalKey]int64{}, int64(0)
	for _, row := range r.Rows {
		unknown += row.Unknown
		if row.Asset != nil {
			sums[totalKey{row.Stage, *row.Asset}] += smallest(t, *row.Asset, *row.Amount)
		}
	}
	if unknown != r.Unknown {
		t.Errorf("the rows count %d unknown, the report %d", unknown, r.Unknown)
	}
	return sums, unknown
}

func equalTotals(a, b map[totalKey]int64) bool {
	for k, n := range a {
		if b[k] != n {
			return false
		}
	}
	for k, n := range b {
		if a[k] != n {
			return false
		}
	}
	return true
}

func report(t *testing.T, sink engine.Views, basis string, reached bool, depth int, by ...string) (out *balances.Report) {
	t.Helper()
	stages := slices.DeleteFunc(balances.Stages(), func(s string) bool { return s == "origin" })
	err := sink.View(t.Context(), func(s engine.Snapshot) (err error) {
		out, err = balances.Query(t.Context(), s, balances.Request{
			Basis: basis, Stages: stages, Reached: reached, By: by, CategoryDepth: depth, Instruments: []string{"all"},
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// smallest is an amount in the smallest units of its asset.
func smallest(t *testing.T, name, text string) int64 {
	a, err := asset.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	n, err := money.Parse(text, a.Scale)
	if err != nil {
		t.Fatal(err)
	}
	var out int64
	if _, err := fmt.Sscan(n.Text(0), &out); err != nil {
		t.Fatal(err)
	}
	return out
}
