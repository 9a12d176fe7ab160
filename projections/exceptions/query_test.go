package exceptions_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	pay "github.com/allied-ledger/allied/events/payment/paymenttest"
	"github.com/allied-ledger/allied/events/pledge/pledgetest"
	ship "github.com/allied-ledger/allied/events/shipment/shipmenttest"
	"github.com/allied-ledger/allied/projections/exceptions"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// books hold a doubtful commitment, a draw that a shipment uses and of which a part is short and found, and an unsupported payment.
func books(t *testing.T) *world {
	w := newWorld(t)
	w.As(&eventv1.Envelope{Flags: []*eventv1.Flag{{Code: "plug", Note: "Consolidation"}}}, func() { w.ToPledge(other, pledgetest.Commit(line(1, stated(eur, "1")))) })
	w.planned()
	w.ToShipment(convoy, ship.Dispatch())
	w.ToShipment(convoy, ship.Short(part("10")))
	w.ToShipment(convoy, ship.Short(part("5")))
	w.ToShipment(convoy, ship.Find(part("12")))
	w.ToPayment(paid, pay.Instruct(w.Draw(pledgetest.Meta(), on, 5, 3, eur, "100", paid)))
	w.ToPayment(paid, pay.Book())
	return w
}

func TestListFiltersAndPages(t *testing.T) {
	w := books(t)
	const doubtful, drawn, short, rest, pays, unsupported = "doubtful", "unused_draw 100.00", "short 10.00", "short 5.00", "unused_draw 100.00", "unsupported 100.00"
	for _, c := range []struct {
		name string
		req  exceptions.ListRequest
		want []string
	}{
		{"open, the oldest first", exceptions.ListRequest{}, []string{doubtful, rest, unsupported}},
		{"resolved", exceptions.ListRequest{Status: "resolved"}, []string{drawn, short, pays}},
		{"all", exceptions.ListRequest{Status: "all"}, []string{doubtful, drawn, short, rest, pays, unsupported}},
		{"kinds", exceptions.ListRequest{Kinds: []string{"short", "doubtful"}}, []string{doubtful, rest}},
		{"donor", exceptions.ListRequest{Donor: "DEU", Status: "all"}, nil},
		{"beneficiary", exceptions.ListRequest{Beneficiary: "UKR"}, []string{doubtful, rest, unsupported}},
		{"category", exceptions.ListRequest{Category: "FIN"}, []string{unsupported}},
		{"pledge", exceptions.ListRequest{Stream: on}, []string{rest, unsupported}},
		{"shipment", exceptions.ListRequest{Stream: convoy, Status: "all"}, []string{short, rest}},
		{"payment by its id alone", exceptions.ListRequest{Stream: strings.ToUpper(strings.TrimPrefix(paid, "payment-"))}, []string{unsupported}},
		{"recorded before a day", exceptions.ListRequest{RaisedBefore: "1970-01-01"}, nil},
		{"recorded before the next", exceptions.ListRequest{RaisedBefore: "1970-01-02"}, []string{doubtful, rest, unsupported}},
		{"asset", exceptions.ListRequest{Asset: eur}, []string{rest, unsupported}},
		{"of what is open, at least", exceptions.ListRequest{Asset: eur, MinAmount: "3.01"}, []string{unsupported}},
		{"of what is open, just so much", exceptions.ListRequest{Asset: eur, MinAmount: "3"}, []string{rest, unsupported}},
		{"of what is resolved, what was raised", exceptions.ListRequest{Asset: eur, MinAmount: "10.01", Status: "resolved"}, []string{drawn, pays}},
		{"text", exceptions.ListRequest{Text: "consoLIDATION"}, []string{doubtful}},
	} {
		for limit := range 4 {
			req, got := c.req, []string(nil)
			for req.Limit = limit; ; {
				l := w.list(req)
				if l.Total != len(c.want) {
					t.Errorf("%s: total %d", c.name, l.Total)
				}
				for _, e := range l.Exceptions {
					text := e.Kind
					if e.Amount != nil {
						text += " " + *e.Amount
					}
					got = append(got, text)
				}
				if req.Cursor = l.Next; req.Cursor == "" {
					break
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s in pages of %d: %v, not %v", c.name, limit, got, c.want)
			}
		}
	}
}

// The summary is of all that passes but the status and the page.
func TestTheSummaryAddsUpWhatIsOpen(t *testing.T) {
	w := books(t)
	want := "[{short 1 1 0 [{EUR/2@tracker 3.00}]} {unused_draw 0 2 0 []} {unsupported 1 0 0 [{EUR/2@tracker 100.00}]} {doubtful 1 0 1 []}]"
	for _, status := range exceptions.Statuses() {
		if got := fmt.Sprint(w.list(exceptions.ListRequest{Status: status, Limit: 1}).Summary); got != want {
			t.Errorf("%s: %s, not %s", status, got, want)
		}
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	w := books(t)
	ofPledges := base64.RawURLEncoding.EncodeToString([]byte(`{"v":"pledges","d":"USA","f":0,"s":"` + on + `"}`))
	for _, c := range []struct {
		req                 exceptions.ListRequest
		code, field, remedy string
	}{
		{exceptions.ListRequest{Kinds: []string{"short", "unsuported"}}, "unknown_word", "kinds", `"unsupported"`},
		{exceptions.ListRequest{Donor: "Germany"}, "unknown_word", "donor", `"DEU"`},
		{exceptions.ListRequest{Beneficiary: "Ukraine"}, "unknown_word", "beneficiary", `"UKR"`},
		{exceptions.ListRequest{Category: "MILL"}, "unknown_word", "category", `"MIL"`},
		{exceptions.ListRequest{Status: "closed"}, "unknown_word", "status", "use one of them"},
		{exceptions.ListRequest{Stream: "import-1"}, "bad_stream", "stream", "pledge-<uuid>"},
		{exceptions.ListRequest{RaisedBefore: "2024-05"}, "bad_date", "raised_before", "2024-05-31"},
		{exceptions.ListRequest{MinAmount: "5"}, "missing", "asset", "name the asset"},
		{exceptions.ListRequest{Asset: "EUR"}, "bad_asset", "asset", "EUR/2@net_book"},
		{exceptions.ListRequest{Asset: eur, MinAmount: "-5"}, "bad_amount", "min_amount", "1000.00"},
		{exceptions.ListRequest{Asset: eur, MinAmount: "0.001"}, "bad_amount", "min_amount", "1000.00"},
		{exceptions.ListRequest{Limit: 1001}, "out_of_range", "limit", "cursor"},
		{exceptions.ListRequest{Cursor: "?"}, "bad_cursor", "cursor", "next"},
		{exceptions.ListRequest{Cursor: ofPledges}, "bad_cursor", "cursor", "next"},
		{exceptions.ListRequest{AtLeast: 10_000}, "behind", "at_least", "again"},
	} {
		_, err := w.tryList(c.req)
		var r *es.Refusal
		if !errors.As(err, &r) || r.Code != c.code || r.Field != c.field || r.Reason == "" || !strings.Contains(r.Remedy, c.remedy) {
			t.Errorf("want %s at %s, got %v", c.code, c.field, err)
		}
	}
}
