package payments_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/payment"
	"github.com/allied-ledger/allied/events/payment/paymenttest"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/payments"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

const (
	golden = "testdata/show.json"
	eur    = "EUR/2@donor_stated"
	uah    = "UAH/2@donor_stated"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func id(kind byte, n int) uuid.UUID { return uuid.UUID{0: kind, 15: byte(n)} }

func stream(n int) string { return es.StreamName(payment.Kind, id(1, n)) }

func pledgeStream(n int) string { return es.StreamName("pledge", id(2, n)) }

func meta(day string) payment.Meta {
	e, err := dates.Parse(day)
	if err != nil {
		panic(err)
	}
	return payment.Meta{Effective: e}
}

func amount(n int64) *money.Amount {
	a := money.New(n)
	return &a
}

// instruct is an instruction of n, drawn on a pledge.
func instruct(m payment.Meta, n int, category string, by eventv1.Instrument, cents int64) *payment.Instruct {
	draw, allocation := id(3, n), id(4, n)
	return &payment.Instruct{Meta: m, Line: &eventv1.DrawnLine{
		Draw: draw[:], Pledge: pledgeStream(n), Allocation: allocation[:], Asset: eur, Amount: money.New(cents).Proto(), Category: category, Instrument: by,
	}}
}

// world decides commands and keeps what they decide.
type world struct {
	log    *enginetest.Log
	states map[string]*payment.State
	last   uuid.UUID // the last event
}

func newWorld() *world {
	return &world{enginetest.NewLog(uuid.UUID{1: 7}), map[string]*payment.State{}, uuid.Nil}
}

func (w *world) do(t testing.TB, stream, donor string, c payment.Command, effective *eventv1.Effective) error {
	t.Helper()
	s := w.states[stream]
	if s == nil {
		s = payment.Initial(stream)
		w.states[stream] = s
	}
	decided, err := payment.Decide(s, c)
	if err != nil {
		return err
	}
	for _, e := range decided {
		entry := w.log.AddFact(t, stream, &eventv1.Envelope{Donor: donor, Beneficiary: "UKR", Effective: effective}, e)
		f, err := wire.Decode(entry)
		if err != nil {
			t.Fatal(err)
		}
		payment.Evolve(s, f)
		w.last = f.ID
	}
	return nil
}

// ledger holds a grant of which a part came back for good, a loan booked in another currency and partly repaid, and one that was rejected.
func ledger(t *testing.T) *world {
	w := newWorld()
	do := func(n int, donor, day string, make func(payment.Meta) payment.Command) {
		t.Helper()
		m := meta(day)
		if err := w.do(t, stream(n), donor, make(m), m.Effective); err != nil {
			t.Fatal(err)
		}
	}
	do(1, "NOR", "2024-03-01", func(m payment.Meta) payment.Command {
		c := instruct(m, 1, "FIN.BUDGET", eventv1.Instrument_INSTRUMENT_GRANT, 100_00)
		c.Debtor, c.Creditor = &eventv1.Party{Name: "Treasury of Norway"}, &eventv1.Party{Name: "Treasury of Ukraine", Account: "UA21", Agent: "NBUAUAUX"}
		c.EndToEndID, c.UETR, c.Tranche = "E2E-1", "eb6305c9-1f7f-49de-aed0-16487c27b42d", id(6, 1)
		return c
	})
	do(1, "NOR", "2024-03-02", func(m payment.Meta) payment.Command { return &payment.Accept{Meta: m, Status: "ACSP"} })
	do(1, "NOR", "2024-03-04", func(m payment.Meta) payment.Command {
		return &payment.Book{
			Meta: m, Asset: eur, Amount: amount(80_00), Fee: money.New(1_00), Point: eventv1.BookingPoint_BOOKING_POINT_CREDITED, Reference: "ref-1",
		}
	})
	do(1, "NOR", "2024-03-09", func(m payment.Meta) payment.Command {
		return &payment.Return{Meta: m, Asset: eur, Amount: amount(9_00), ReasonCode: "AC04"}
	})
	do(1, "NOR", "2024-03-10", func(m payment.Meta) payment.Command {
		return &payment.Return{Meta: m, Asset: eur, Amount: amount(20_00), Reopens: true}
	})
	do(2, "JPN", "unknown", func(m payment.Meta) payment.Command {
		return instruct(m, 2, "FIN.OTHER", eventv1.Instrument_INSTRUMENT_LOAN, 50_00)
	})
	do(2, "JPN", "2024-02-04", func(m payment.Meta) payment.Command {
		return &payment.Book{Meta: m, Point: eventv1.BookingPoint_BOOKING_POINT_DEBITED, BookedAsset: uah, BookedAmount: money.New(2000_00)}
	})
	for _, c := range []payment.Loan{
		{Kind: payment.InterestDue, Amount: money.New(30_00)},
		{Kind: payment.InterestPaid, Amount: money.New(10_00)},
		{Kind: payment.Repaid, Amount: money.New(500_00), Source: "budget"},
	} {
		do(2, "JPN", "2025-01", func(m payment.Meta) payment.Command { c.Meta, c.Asset = m, uah; return &c })
	}
	do(3, "JPN", "2024-05", func(m payment.Meta) payment.Command {
		return instruct(m, 3, "HUM.CASH", eventv1.Instrument_INSTRUMENT_GRANT, 7_00)
	})
	do(3, "JPN", "2024-06", func(m payment.Meta) payment.Command { return &payment.Reject{Meta: m, ReasonCode: "AC01"} })
	return w
}

func view(t *testing.T, log *enginetest.Log, fn func(engine.Snapshot) error) {
	t.Helper()
	enginetest.View(t, enginetest.Replayed(t, log, payments.New()), fn)
}

func TestShowTellsWhatWasBookedAndCameBack(t *testing.T) {
	view(t, ledger(t).log, func(s engine.Snapshot) error {
		var shown []*payments.Detail
		for _, id := range []string{stream(1), strings.ToUpper(strings.TrimPrefix(stream(2), "payment-")), stream(3)} {
			d, err := payments.Show(t.Context(), s, payments.ShowRequest{ID: id})
			if err != nil {
				return err
			}
			shown = append(shown, d)
		}
		got, err := json.MarshalIndent(shown, "", "  ")
		if err != nil {
			return err
		}
		if *update {
			return os.WriteFile(golden, append(got, '\n'), 0o644)
		}
		want, err := os.ReadFile(golden)
		if err == nil && string(got)+"\n" != string(want) {
			t.Errorf("got\n%s\nwant as in %s; -update rewrites it", got, golden)
		}
		return err
	})
}

func TestListFiltersAndPages(t *testing.T) {
	view(t, ledger(t).log, func(s engine.Snapshot) error {
		for _, c := range []struct {
			name string
			req  payments.ListRequest
			want []string
		}{
			{"all, by donor and day", payments.ListRequest{}, []string{stream(2), stream(3), stream(1)}},
			{"donor", payments.ListRequest{Donor: "NOR"}, []string{stream(1)}},
			{"beneficiary", payments.ListRequest{Beneficiary: "MDA"}, nil},
			{"category", payments.ListRequest{Category: "FIN"}, []string{stream(2), stream(1)}},
			{"pledge", payments.ListRequest{Pledge: pledgeStream(3)}, []string{stream(3)}},
			{"status", payments.ListRequest{Status: "rejected"}, []string{stream(3)}},
			{"text", payments.ListRequest{Text: "of ukraine"}, []string{stream(1)}},
			{"no text of others", payments.ListRequest{Text: "UA21"}, nil},
		} {
			for limit := range 4 {
				req, got := c.req, []string(nil)
				for req.Limit = limit; ; {
					l, err := payments.List(t.Context(), s, req)
					if err != nil {
						return err
					}
					if l.Total != len(c.want) {
						t.Errorf("%s: total %d", c.name, l.Total)
					}
					for _, p := range l.Payments {
						got = append(got, p.Stream)
					}
					if req.Cursor = l.Next; req.Cursor == "" {
						break
					}
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("%s in pages of %d: %v", c.name, limit, got)
				}
			}
		}
		return nil
	})
}

func TestRequestsThatAreRefused(t *testing.T) {
	view(t, ledger(t).log, func(s engine.Snapshot) error {
		list := func(r payments.ListRequest) error { _, err := payments.List(t.Context(), s, r); return err }
		show := func(r payments.ShowRequest) error { _, err := payments.Show(t.Context(), s, r); return err }
		for _, c := range []struct {
			err         error
			code, field string
		}{
			{list(payments.ListRequest{Beneficiary: "Ukraine"}), "unknown_word", "beneficiary"},
			{list(payments.ListRequest{Category: "FINN"}), "unknown_word", "category"},
			{list(payments.ListRequest{Status: "paid"}), "unknown_word", "status"},
			{list(payments.ListRequest{Pledge: "x"}), "bad_stream", "pledge"},
			{list(payments.ListRequest{Limit: -1}), "out_of_range", "limit"},
			{show(payments.ShowRequest{ID: pledgeStream(1)}), "not_found", "id"},
			{show(payments.ShowRequest{ID: stream(1), AtLeast: 10_000}), "behind", "at_least"},
		} {
			var r *es.Refusal
			if !errors.As(c.err, &r) || r.Code != c.code || r.Field != c.field || r.Reason == "" || r.Remedy == "" {
				t.Errorf("want %s at %s, got %v", c.code, c.field, c.err)
			}
		}
		return nil
	})
}

// random makes a log of random payments, of which the decider accepted every event.
func random(t testing.TB, r *rapid.T) *enginetest.Log {
	w := newWorld()
	for range rapid.IntRange(1, 200).Draw(r, "commands") {
		n := rapid.IntRange(1, 6).Draw(r, "payment")
		m := meta(rapid.SampledFrom([]string{"unknown", "2024-05", "2024-05-02", "until 2024-12-31"}).Draw(r, "day"))
		_ = w.do(t, stream(n), "USA", w.command(r, n, m), m.Effective) // what is refused is no fact
	}
	return w.log
}

func (w *world) command(r *rapid.T, n int, m payment.Meta) payment.Command {
	s := w.states[stream(n)]
	if s == nil || s.Line == nil {
		by := rapid.SampledFrom([]eventv1.Instrument{eventv1.Instrument_INSTRUMENT_GRANT, eventv1.Instrument_INSTRUMENT_LOAN}).Draw(r, "instrument")
		return instruct(m, n, "FIN.BUDGET", by, rapid.Int64Range(1, 1000).Draw(r, "instructed"))
	}
	part := func() *money.Amount {
		if rapid.Bool().Draw(r, "all") {
			return nil
		}
		return amount(rapid.Int64Range(1, 200).Draw(r, "part"))
	}
	switch kind := rapid.IntRange(0, 13).Draw(r, "kind"); kind {
	case 0:
		return &payment.Accept{Meta: m, Status: "ACCP"}
	case 1:
		return &payment.Reject{Meta: m, ReasonCode: "AC04"}
	case 2, 3, 4, 5:
		c := &payment.Book{Meta: m, Amount: part(), Fee: money.New(rapid.Int64Range(0, 3).Draw(r, "fee")), Point: eventv1.BookingPoint_BOOKING_POINT_CREDITED}
		if rapid.Bool().Draw(r, "abroad") {
			c.BookedAsset, c.BookedAmount = uah, money.New(rapid.Int64Range(1, 9999).Draw(r, "booked"))
		}
		return c
	case 6, 7:
		return &payment.Return{Meta: m, Amount: part(), Reopens: kind == 6, ReasonCode: "AC01"}
	case 8, 9:
		if moves := paymenttest.Reversible(s); len(moves) > 0 {
			return &payment.Reverse{Meta: m, Event: rapid.SampledFrom(moves).Draw(r, "event")}
		}
	}
	kind := rapid.SampledFrom([]payment.LoanKind{payment.InterestDue, payment.InterestPaid, payment.Repaid, payment.Forgiven}).Draw(r, "loan")
	return &payment.Loan{Meta: m, Kind: kind, Asset: s.Booked.Asset, Amount: money.New(rapid.Int64Range(1, 50).Draw(r, "amount")), Source: "budget"}
}

func TestProjection(t *testing.T) { enginetest.TestProjectionOf(t, random, payments.New) }

func TestProjectionOfAll(t *testing.T) {
	enginetest.TestProjectionOf(t, enginetest.RandomOfAll, payments.New)
}

func TestRandomPaymentsMove(t *testing.T) { enginetest.TestKinds(t, random, 10) }
