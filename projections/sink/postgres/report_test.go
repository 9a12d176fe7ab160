package postgres_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/payments"
	"github.com/allied-ledger/allied/projections/sink/postgres/postgrestest"
)

func commitRows(t testing.TB, sink engine.Sink, spec engine.Spec, table int, rows func(yield func(engine.Row) error) error) {
	t.Helper()
	at, err := sink.Open(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	to := at
	to.LogID, to.Position = logID, at.Position+1
	if err := sink.Commit(t.Context(), at, to, func(yield func(int, engine.Row) error) error {
		return rows(func(row engine.Row) error { return yield(table, row) })
	}); err != nil {
		t.Fatal(err)
	}
}

func amount(t testing.TB, text string) engine.Value {
	t.Helper()
	a, err := money.Parse(text, 0)
	if err != nil {
		t.Fatal(err)
	}
	return engine.AmountOf(a)
}

func TestReportsShowExactDecimals(t *testing.T) {
	url := postgrestest.URL(t)
	sink := open(t, url)
	text := engine.TextOf
	most := strings.Repeat("9", money.DigitsMax)
	for _, c := range []struct{ asset, minor, want string }{
		{"CHF/2@tracker", "12345", "123.45"},
		{"EUR/2@tracker", most, most[:36] + ".99"},
		{"GBP/2@tracker", "-" + most, "-" + most[:36] + ".99"},
		{"JPY/0@donor_stated", "700", "700"},
		{"XDR/9@contract", "1", "0.000000001"},
		{"each/6:155 mm howitzer M777/39 @2", "1500000", "1.500000"},
		{"", "0", ""}, // nothing is counted
	} {
		commitRows(t, sink, balances.Spec, 0, func(yield func(engine.Row) error) error {
			return yield(engine.Row{text("DEU"), text("UKR"), text("c"), text("i"), text("committed"), text("tracker"), text(c.asset), amount(t, c.minor), amount(t, "0"), engine.IntOf(3)})
		})
		if got := query(t, url, "SELECT reached FROM allied_report.balances WHERE asset = '"+c.asset+"'"); got != c.want {
			t.Errorf("%s of %q is shown as %q, not %q", c.minor, c.asset, got, c.want)
		}
	}
	if got := query(t, url, "SELECT allied.exact_sum(reached) = sum(reached) AND sum(reached) = allied.exact_sum(reached::text) FROM allied.balances"); got != "t" {
		t.Error(got)
	}
}

// An amount of a payment is counted in the asset that it is instructed in, or that it is booked in.
func TestReportOfPaymentsKnowsBothAssets(t *testing.T) {
	url := postgrestest.URL(t)
	sink := open(t, url)
	columns := payments.Spec.Tables[0].Columns
	row := make(engine.Row, len(columns))
	for i, c := range columns {
		switch {
		case c.Null:
			row[i] = engine.NullOf(c.Kind)
		case c.Name == "asset":
			row[i] = engine.TextOf("JPY/0@tracker")
		case c.Name == "booked_asset":
			row[i] = engine.TextOf("EUR/2@tracker")
		case c.Kind == engine.Text:
			row[i] = engine.TextOf(c.Name)
		case c.Kind == engine.Int:
			row[i] = engine.IntOf(1)
		case c.Kind == engine.Bool:
			row[i] = engine.BoolOf(true)
		case c.Kind == engine.Amount:
			row[i] = amount(t, "12345")
		}
	}
	commitRows(t, sink, payments.Spec, 0, func(yield func(engine.Row) error) error { return yield(row) })
	if got := query(t, url, "SELECT concat_ws(' ', booked, booked_amount, principal) FROM allied_report.payments"); got != "12345 123.45 123.45" {
		t.Error(got)
	}
}

// The role sees what is not hidden, and changes nothing.
func TestReaderRole(t *testing.T) {
	url := postgrestest.URL(t)
	sink := open(t, url)
	enginetest.Build(t, filled(t, 10), sink, enginetest.NewTally)
	conn := connect(t, url)
	execute(t, conn, "SET ROLE allied_reader")
	for _, sql := range []string{"SELECT * FROM allied.tally", "SELECT * FROM allied_report.tally", "SELECT position FROM allied.allied_views", "SELECT allied.exact_sum(total) FROM allied_report.tally"} {
		execute(t, conn, sql)
	}
	for _, sql := range []string{"SELECT * FROM allied.tally_state", "DELETE FROM allied.tally", "CREATE TABLE allied.mine (a int)"} {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Errorf("a reader may %s", sql)
		}
	}
}

// A million amounts of 38 digits sum up to the last digit.
func TestSumOfAMillionAmountsIsExact(t *testing.T) {
	url := postgrestest.URL(t)
	sink := open(t, url)
	commitRows(t, sink, enginetest.TallySpec, 0, func(yield func(engine.Row) error) error {
		return yield(engine.Row{engine.TextOf("s"), engine.TextOf("DEU"), engine.IntOf(1), amount(t, "9"+strings.Repeat("0", 36)+"7")})
	})
	want := "9" + strings.Repeat("0", 36) + "7" + "000000"
	for _, sum := range []string{"sum(total)", "allied.exact_sum(total)", "allied.exact_sum(total::text)"} {
		if got := query(t, url, "SELECT "+sum+" FROM allied.tally, generate_series(1, 1000000)"); got != want {
			t.Errorf("%s is %s, not %s", sum, got, want)
		}
	}
}

// The server reads an amount as it is, whatever its digits are, and this sink reads it back.
func TestAmountsAreWhatTheServerReads(t *testing.T) {
	url := postgrestest.URL(t)
	sink := open(t, url)
	want := map[string]money.Amount{}
	add := func(a money.Amount) { want[a.Text(0)] = a }
	for digits := 1; digits <= money.DigitsMax; digits++ {
		for _, text := range []string{strings.Repeat("9", digits), "1" + strings.Repeat("0", digits-1), strings.Repeat("1020", 10)[:digits]} {
			a, err := money.Parse(text, 0)
			if err != nil {
				t.Fatal(err)
			}
			add(a)
			add(a.Neg())
		}
	}
	add(money.Amount{})
	commitRows(t, sink, enginetest.TallySpec, 0, func(yield func(engine.Row) error) error {
		for _, text := range slices.Sorted(maps.Keys(want)) {
			if err := yield(engine.Row{engine.TextOf(text), engine.TextOf(""), engine.IntOf(0), engine.AmountOf(want[text])}); err != nil {
				return err
			}
		}
		return nil
	})
	if got := query(t, url, "SELECT count(*) FROM allied.tally WHERE total::text = stream"); got != strconv.Itoa(len(want)) {
		t.Errorf("of %d amounts the server reads %s", len(want), got)
	}
	err := sink.View(t.Context(), func(s engine.Snapshot) error {
		for row, err := range s.Scan(t.Context(), enginetest.TallySpec.Tables[0], engine.Range{}) {
			if err != nil {
				return err
			}
			if row[3].Amount() != want[row[0].Text()] {
				t.Errorf("%s is read back as %s", row[0], row[3])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
