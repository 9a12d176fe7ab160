package shipments_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/drawn"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/shipment"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
	"github.com/allied-ledger/allied/projections/shipments"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

const golden = "testdata/show.json"

var update = flag.Bool("update", false, "rewrite the golden files")

func id(kind byte, n int) uuid.UUID { return uuid.UUID{0: kind, 15: byte(n)} }

func stream(n int) string { return es.StreamName(shipment.Kind, id(1, n)) }

func pledgeStream(n int) string { return es.StreamName("pledge", id(2, n)) }

func meta(day string) shipment.Meta {
	e, err := dates.Parse(day)
	if err != nil {
		panic(err)
	}
	return shipment.Meta{Effective: e}
}

// draw is a draw of n on a pledge; asset may be empty.
func draw(n int, pledge, category, asset string, amount int64) shipment.Drawn {
	drawID, allocation := id(3, n), id(4, n)
	l := &eventv1.DrawnLine{
		Draw: drawID[:], Pledge: pledge, Allocation: allocation[:], Asset: asset, Category: category, Instrument: eventv1.Instrument_INSTRUMENT_IN_KIND,
	}
	if asset != "" {
		l.Amount = money.New(amount).Proto()
	}
	return shipment.Drawn{Line: l}
}

func part(n int, amount int64) shipment.Part {
	a := money.New(amount)
	return shipment.Part{Draw: id(3, n), Amount: &a}
}

// world decides commands and keeps what they decide.
type world struct {
	log    *enginetest.Log
	states map[string]*shipment.State
	last   uuid.UUID // the last event
}

func newWorld() *world {
	return &world{enginetest.NewLog(uuid.UUID{1: 7}), map[string]*shipment.State{}, uuid.Nil}
}

func (w *world) do(t testing.TB, stream, donor string, c shipment.Command, effective *eventv1.Effective) error {
	t.Helper()
	s := w.states[stream]
	if s == nil {
		s = shipment.Initial(stream)
		w.states[stream] = s
	}
	decided, err := shipment.Decide(s, c)
	if err != nil {
		return err
	}
	for _, e := range decided {
		entry := w.log.AddFact(t, stream, &eventv1.Envelope{Donor: donor, Beneficiary: "UKR", Effective: effective}, e)
		f, err := wire.Decode(entry)
		if err != nil {
			t.Fatal(err)
		}
		shipment.Evolve(s, f)
		w.last = f.ID
	}
	return nil
}

func (w *world) must(t testing.TB, stream, donor, day string, c shipment.Command) {
	t.Helper()
	if err := w.do(t, stream, donor, c, meta(day).Effective); err != nil {
		t.Fatal(err)
	}
}

const eur = "EUR/2@net_book"

// ledger holds a shipment of ten pieces, of which nine arrive and one is lost, one that is planned only, and one that cannot be counted.
func ledger(t *testing.T) *world {
	w := newWorld()
	do := func(n int, donor, day string, make func(shipment.Meta) shipment.Command) {
		t.Helper()
		w.must(t, stream(n), donor, day, make(meta(day)))
	}
	do(1, "USA", "2024-03-01", func(m shipment.Meta) shipment.Command {
		return &shipment.Plan{Meta: m, Title: "Howitzers", Lines: []shipment.Drawn{
			draw(1, pledgeStream(1), "MIL.ARTY", "each/6:howitzer", 12_000_000), draw(2, pledgeStream(2), "MIL.AMMO", eur, 500_00),
		}}
	})
	do(1, "USA", "2024-03-05", func(m shipment.Meta) shipment.Command {
		return &shipment.Dispatch{
			Meta: m, Place: "Norfolk", ManifestHash: "sha256:" + strings.Repeat("ab", 32), Parts: []shipment.Part{part(1, 10_000_000), part(2, 500_00)},
		}
	})
	do(1, "USA", "2024-03-20", func(m shipment.Meta) shipment.Command { return &shipment.Arrive{Meta: m, Place: "Rzeszów"} })
	do(1, "USA", "2024-03-22", func(m shipment.Meta) shipment.Command {
		return &shipment.HandOver{
			Meta: m, Point: eventv1.DeliveryPoint_DELIVERY_POINT_HUB, Evidence: eventv1.Evidence_EVIDENCE_SIGNED, Signatory: "N. N.", Complete: true,
			Parts: []shipment.Part{part(1, 9_000_000), part(2, 501_00)},
		}
	})
	do(1, "USA", "2024-04-01", func(m shipment.Meta) shipment.Command { return &shipment.Lose{Meta: m, Cause: "fire"} })
	do(2, "DEU", "unknown", func(m shipment.Meta) shipment.Command {
		return &shipment.Plan{Meta: m, Title: "Shells", Lines: []shipment.Drawn{draw(3, pledgeStream(2), "MIL.AMMO", eur, 100_00)}}
	})
	do(3, "DEU", "2024-01", func(m shipment.Meta) shipment.Command {
		return &shipment.Plan{Meta: m, Title: "Medicine", Lines: []shipment.Drawn{draw(4, pledgeStream(3), "HUM.GOODS", "", 0)}}
	})
	do(3, "DEU", "2024-01-09", func(m shipment.Meta) shipment.Command { return &shipment.Dispatch{Meta: m, Place: "Leipzig"} })
	return w
}

func view(t *testing.T, log *enginetest.Log, fn func(engine.Snapshot) error) {
	t.Helper()
	enginetest.View(t, enginetest.Replayed(t, log, shipments.New()), fn)
}

func TestShowTellsEveryRungOfEveryLine(t *testing.T) {
	view(t, ledger(t).log, func(s engine.Snapshot) error {
		var shown []*shipments.Detail
		for _, id := range []string{stream(1), strings.ToUpper(strings.TrimPrefix(stream(3), "shipment-"))} {
			d, err := shipments.Show(t.Context(), s, shipments.ShowRequest{ID: id})
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
			req  shipments.ListRequest
			want []string
		}{
			{"all, by donor and day", shipments.ListRequest{}, []string{stream(2), stream(3), stream(1)}},
			{"donor", shipments.ListRequest{Donor: "USA"}, []string{stream(1)}},
			{"beneficiary", shipments.ListRequest{Beneficiary: "MDA"}, nil},
			{"category", shipments.ListRequest{Category: "MIL"}, []string{stream(2), stream(1)}},
			{"pledge", shipments.ListRequest{Pledge: pledgeStream(2)}, []string{stream(2), stream(1)}},
			{"pledge and category of one line", shipments.ListRequest{Pledge: pledgeStream(2), Category: "MIL.ARTY"}, nil},
			{"status", shipments.ListRequest{Status: "dispatched"}, []string{stream(3)}},
			{"text", shipments.ListRequest{Text: "rzeszÓW"}, []string{stream(1)}},
		} {
			for limit := range 4 {
				req, got := c.req, []string(nil)
				for req.Limit = limit; ; {
					l, err := shipments.List(t.Context(), s, req)
					if err != nil {
						return err
					}
					if l.Total != len(c.want) {
						t.Errorf("%s: total %d", c.name, l.Total)
					}
					for _, p := range l.Shipments {
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
		list := func(r shipments.ListRequest) error { _, err := shipments.List(t.Context(), s, r); return err }
		show := func(r shipments.ShowRequest) error { _, err := shipments.Show(t.Context(), s, r); return err }
		for _, c := range []struct {
			err         error
			code, field string
		}{
			{list(shipments.ListRequest{Donor: "Germany"}), "unknown_word", "donor"},
			{list(shipments.ListRequest{Category: "MILL"}), "unknown_word", "category"},
			{list(shipments.ListRequest{Status: "open"}), "unknown_word", "status"},
			{list(shipments.ListRequest{Pledge: stream(1)}), "bad_stream", "pledge"},
			{list(shipments.ListRequest{Limit: 1001}), "out_of_range", "limit"},
			{list(shipments.ListRequest{Cursor: "?"}), "bad_cursor", "cursor"},
			{list(shipments.ListRequest{AtLeast: 10_000}), "behind", "at_least"},
			{show(shipments.ShowRequest{}), "missing", "id"},
			{show(shipments.ShowRequest{ID: "nobody's"}), "not_found", "id"},
			{show(shipments.ShowRequest{ID: stream(1), AtLeast: 10_000}), "behind", "at_least"},
		} {
			var r *es.Refusal
			if !errors.As(c.err, &r) || r.Code != c.code || r.Field != c.field || r.Reason == "" || r.Remedy == "" {
				t.Errorf("want %s at %s, got %v", c.code, c.field, c.err)
			}
		}
		return nil
	})
}

// What was recorded in error is marked, and leaves no place, signature or manifest behind.
func TestAReversalTakesBackWhatTheEventSaid(t *testing.T) {
	w := ledger(t)
	w.must(t, stream(3), "DEU", "2024-02-01", &shipment.Reverse{Meta: meta("2024-02-01"), Event: w.last}) // the last: its dispatch
	view(t, w.log, func(s engine.Snapshot) error {
		d, err := shipments.Show(t.Context(), s, shipments.ShowRequest{ID: stream(3)})
		if err != nil {
			return err
		}
		if d.Status != "planned" || d.DispatchedFrom != "" || len(d.Rungs) != 1 || d.Rungs[0].Stage != "reserved" || d.Rungs[0].Reached != nil {
			t.Errorf("shown as %+v", d)
		}
		return nil
	})
}

// random makes a log of random shipments, of which the decider accepted every event.
func random(t testing.TB, r *rapid.T) *enginetest.Log {
	w, draws := newWorld(), 0
	for range rapid.IntRange(1, 150).Draw(r, "commands") {
		n := rapid.IntRange(1, 3).Draw(r, "shipment")
		m := meta(rapid.SampledFrom([]string{"unknown", "2024-05", "2024-05-02", "until 2024-12-31"}).Draw(r, "day"))
		_ = w.do(t, stream(n), "USA", w.command(r, stream(n), m, &draws), m.Effective) // what is refused is no fact
	}
	return w.log
}

func (w *world) command(r *rapid.T, stream string, m shipment.Meta, draws *int) shipment.Command {
	s := w.states[stream]
	if s == nil || len(s.Lines) == 0 || rapid.IntRange(0, 9).Draw(r, "plan") == 0 {
		p := &shipment.Plan{Meta: m, Title: rapid.SampledFrom([]string{"", "a", "b"}).Draw(r, "title")}
		for range rapid.IntRange(1, 2).Draw(r, "lines") {
			*draws++
			asset := rapid.SampledFrom([]string{"", eur, "each/6:shell"}).Draw(r, "asset")
			p.Lines = append(p.Lines, draw(*draws, pledgeStream(*draws%2), "MIL.AMMO", asset, rapid.Int64Range(1, 20).Draw(r, "drawn")))
		}
		return p
	}
	var parts []shipment.Part
	if rapid.Bool().Draw(r, "parts") {
		l := rapid.SampledFrom(s.Lines).Draw(r, "line")
		p := shipment.Part{Draw: l.Draw, Serials: []string{"s"}}
		if l.Asset != "" {
			a := money.New(rapid.Int64Range(1, 12).Draw(r, "amount"))
			p.Amount = &a
		}
		parts = append(parts, p)
	}
	if slices.ContainsFunc(s.Lines, func(l *drawn.Line) bool { return l.Has(eventv1.Stage_STAGE_MISSING) }) && rapid.Bool().Draw(r, "find") {
		return &shipment.Find{Meta: m, Parts: parts}
	}
	switch rapid.IntRange(0, 10).Draw(r, "kind") {
	case 0, 1:
		return &shipment.Dispatch{Meta: m, Parts: parts, Place: "P"}
	case 2:
		return &shipment.Arrive{Meta: m, Place: "H"}
	case 3, 4:
		evidence := rapid.SampledFrom([]eventv1.Evidence{eventv1.Evidence_EVIDENCE_SIGNED, eventv1.Evidence_EVIDENCE_CLAIM}).Draw(r, "evidence")
		return &shipment.HandOver{
			Meta: m, Parts: parts, Point: eventv1.DeliveryPoint_DELIVERY_POINT_PORT, Evidence: evidence, Signatory: "N", Complete: rapid.Bool().Draw(r, "complete"),
		}
	case 5:
		return &shipment.Verify{Meta: m, Parts: parts, Verifier: "V"}
	case 6:
		c := &shipment.Report{Meta: m, Kind: eventv1.Discrepancy(rapid.IntRange(1, 4).Draw(r, "discrepancy"))}
		if parts != nil {
			c.Part = parts[0]
		}
		return c
	case 7:
		return &shipment.Lose{Meta: m, Parts: parts}
	case 8:
		return &shipment.Return{Meta: m, Parts: parts, Reopens: rapid.Bool().Draw(r, "reopens")}
	case 9:
		if len(s.Moves) > 0 {
			return &shipment.Reverse{Meta: m, Event: rapid.SampledFrom(s.Moves).Draw(r, "move").Event}
		}
	case 10:
		l := rapid.SampledFrom(s.Lines).Draw(r, "line")
		return &shipment.Revalue{Meta: m, Draw: l.Draw, Stage: eventv1.Stage_STAGE_DISPATCHED, Asset: eur, Delta: money.New(rapid.Int64Range(-5, 5).Draw(r, "delta"))}
	}
	if rapid.IntRange(0, 3).Draw(r, "close") > 0 {
		return &shipment.Report{Meta: m, Kind: eventv1.Discrepancy_DISCREPANCY_SHORT, Part: shipment.Part{Draw: s.Lines[0].Draw}}
	}
	return &shipment.Close{Meta: m}
}

func TestProjection(t *testing.T) { enginetest.TestProjectionOf(t, random, shipments.New) }

func TestProjectionOfAll(t *testing.T) {
	enginetest.TestProjectionOf(t, enginetest.RandomOfAll, shipments.New)
}

func TestRandomShipmentsMove(t *testing.T) { enginetest.TestKinds(t, random, 12) }
