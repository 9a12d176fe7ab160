package pledges_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/pledge"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/route"
	"github.com/allied-ledger/allied/services/internal/route/routetest"
	"github.com/allied-ledger/allied/services/pledges"
	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"
)

var (
	commandID = uuid.MustParse("11111111-1111-4111-8111-111111111111")
	stream    = "pledge-22222222-2222-4222-8222-222222222222"
)

const someID = `"33333333-3333-4333-8333-333333333333"`

func parse(t *testing.T, body string) (pledge.Command, error) {
	t.Helper()
	cmd := new(apiv1.Command)
	if err := protojson.Unmarshal([]byte(body), cmd); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	env := &eventv1.Envelope{
		Donor: cmd.Donor, Beneficiary: cmd.Beneficiary, Effective: &eventv1.Effective{Precision: eventv1.Precision_PRECISION_UNKNOWN},
		Observed: cmd.Observed, Override: cmd.Override, Sources: cmd.Sources,
	}
	return pledges.Parse(command.Input{ID: commandID, Stream: stream, Command: cmd, Envelope: env})
}

const line = `{"category":"MIL.AIRDEF","instrument":"grant","values":[{"basis":"tracker","asset":"EUR/2@tracker","amount":"1234.50","source":"given"}]}`

func TestEveryCommandIsRead(t *testing.T) {
	for name, body := range map[string]string{
		"Announce":          `{"announce_pledge":{"title":"x","lines":[` + line + `]}}`,
		"Commit":            `{"commit_pledge":{"commitments":[{"firmness":"firm","line":` + line + `}]}}`,
		"Allocate":          `{"allocate_pledge":{"line":` + line + `,"items":[{"name":"shell","category":"MIL.AMMO","quantity_asset":"each/6:shell","quantity":"14"}]}}`,
		"ScheduleTranche":   `{"schedule_tranche":{"due":"2025-01","of_line":` + someID + `,"asset":"EUR/2@tracker","amount":"5"}}`,
		"RescheduleTranche": `{"reschedule_tranche":{"tranche":` + someID + `,"due":"2026"}}`,
		"ActivateTranche":   `{"activate_tranche":{"tranche":` + someID + `,"threat_level":3,"firmness":"firm"}}`,
		"ExpireTranche":     `{"expire_tranche":{"tranche":` + someID + `}}`,
		"ReserveDraw":       `{"reserve_draw":{"allocation":` + someID + `,"asset":"EUR/2@tracker","amount":"5","stated":[{"asset":"each/6:shell","amount":"2.5"}],"for_stream":"shipment-22222222-2222-4222-8222-222222222222"}}`,
		"ClaimDelivery":     `{"claim_delivery":{"line":` + someID + `,"asset":"EUR/2@tracker","amount":"5","point":"hub","stated":[{"asset":"each/6:shell","amount":"2"}],"same_units":true}}`,
		"ReleaseDraw":       `{"release_draw":{"draw":` + someID + `}}`,
		"SettleDraw":        `{"settle_draw":{"draw":` + someID + `}}`,
		"Reduce":            `{"reduce_pledge":{"asset":"EUR/2@tracker","amount":"5"}}`,
		"CancelRemainder":   `{"cancel_remainder":{}}`,
		"Fulfil":            `{"fulfil_pledge":{}}`,
		"Lapse":             `{"lapse_pledge":{}}`,
		"LinkTo":            `{"link_pledge":{"link":"extends","pledge":"pledge-33333333-3333-4333-8333-333333333333"}}`,
		"Reclassify":        `{"reclassify_line":{"line":` + someID + `,"category":"MIL.AMMO"}}`,
		"Revalue":           `{"revalue_line":{"line":` + someID + `,"stage":"allocated","asset":"EUR/2@tracker","delta":"-0.01"}}`,
	} {
		c, err := parse(t, body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.TrimPrefix(strings.TrimPrefix(fmt.Sprintf("%T", c), "*"), "pledge."); got != name {
			t.Errorf("%s read as %s", name, got)
		}
	}
	// What the schema can say and this test does not is a command that nobody has read yet.
	if bodies := routetest.Bodies(route.Pledges); bodies != 18 {
		t.Errorf("the schema has %d commands of pledges, 18 are read", bodies)
	}
}

func TestTextBecomesValues(t *testing.T) {
	c, err := parse(t, `{"donor":"NOR","beneficiary":"UKR","observed":true,"sources":[{"publisher":"p"}],"allocate_pledge":{"line":`+line+
		`,"items":[{"name":"shell","category":"MIL.AMMO","quantity_asset":"each/6:shell","quantity":"14.5",
		"values":[{"basis":"tracker","status":"included"}],"unit_prices":[{"basis":"price_list","asset":"USD/2@price_list","amount":"3","basis_date":"2023"}]}]}}`)
	if err != nil {
		t.Fatal(err)
	}
	a := c.(*pledge.Allocate)
	if a.Donor != "NOR" || a.Beneficiary != "UKR" || !a.Observed || !a.Sourced || a.Effective == nil {
		t.Errorf("meta %+v", a.Meta)
	}
	v := a.Line.Values[0]
	if v.Status != eventv1.ValueStatus_VALUE_STATUS_STATED || v.Amount.Lo != 123450 || v.Source != eventv1.ValueSource_VALUE_SOURCE_GIVEN {
		t.Errorf("value %v", v)
	}
	it := a.Items[0]
	if it.Quantity.Lo != 14500000 || it.QuantityStatus != eventv1.ValueStatus_VALUE_STATUS_STATED ||
		it.Values[0].Status != eventv1.ValueStatus_VALUE_STATUS_INCLUDED || it.Values[0].Amount != nil ||
		it.UnitPrices[0].BasisDate.GetPrecision() != eventv1.Precision_PRECISION_YEAR {
		t.Errorf("item %v", it)
	}
	if want := ident.LineID(stream, commandID, "line", 0); uuid.UUID(a.Line.Line) != want {
		t.Errorf("line %x, want %s, so that a retry names the same", a.Line.Line, want)
	}
}

func TestBadTextIsRefusedAtItsField(t *testing.T) {
	value := func(fields string) string {
		return `{"commit_pledge":{"commitments":[{"firmness":"firm","line":{"category":"HUM.AID","instrument":"grant","values":[{"basis":"tracker"}]}},
			{"firmness":"firm","line":{"category":"HUM.AID","instrument":"grant","values":[{"basis":"tracker",` + fields + `}]}}]}}`
	}
	const at = "commit_pledge.commitments[1].line.values[0]"
	for field, c := range map[string]struct{ body, code, says string }{
		at + ".amount":                      {value(`"asset":"EUR/2@tracker","amount":"1.234"`), "bad_amount", "1.234"},
		at + ".asset":                       {value(`"asset":"EUR","amount":"1"`), "bad_asset", "EUR"},
		at + ".status":                      {value(`"status":"stateted"`), "unknown_word", "undisclosed"},
		at + ".source":                      {value(`"source":"guess"`), "unknown_word", "priced"},
		at + ".basis_date":                  {value(`"basis_date":"13/09/2022"`), "bad_date", "13/09/2022"},
		"commit_pledge.commitments[0].line": {`{"commit_pledge":{"commitments":[{"firmness":"firm"}]}}`, "line_missing", "no line"},
		"allocate_pledge.line.instrument":   {`{"allocate_pledge":{"line":{"instrument":"gift"}}}`, "unknown_word", "guarantee"},
		"allocate_pledge.line.line":         {`{"allocate_pledge":{"line":{"line":"7"}}}`, "bad_field", "not a UUID"},
		"allocate_pledge.items[1].quantity": {`{"allocate_pledge":{"line":{},"items":[{},{"quantity_asset":"each/6:x","quantity":"1,5"}]}}`, "bad_amount", "1,5"},
		"activate_tranche.tranche":          {`{"activate_tranche":{}}`, "bad_field", "not a UUID"},
		"activate_tranche.firmness":         {`{"activate_tranche":{"tranche":` + someID + `,"firmness":"hard"}}`, "unknown_word", "stated"},
		"schedule_tranche.due":              {`{"schedule_tranche":{"due":"soon"}}`, "bad_date", "soon"},
		"schedule_tranche.asset":            {`{"schedule_tranche":{"amount":"5"}}`, "bad_asset", "none is named"},
		"reserve_draw.stated[0].amount":     {`{"reserve_draw":{"allocation":` + someID + `,"stated":[{"asset":"each/6:x"}]}}`, "bad_amount", ""},
		"reduce_pledge.amount":              {`{"reduce_pledge":{"asset":"EUR/2@tracker"}}`, "bad_amount", ""},
		"link_pledge.link":                  {`{"link_pledge":{"link":"is"}}`, "unknown_word", "reimburses"},
		"revalue_line.delta":                {`{"revalue_line":{"line":` + someID + `,"asset":"EUR/2@tracker","delta":"1e3"}}`, "bad_amount", "1e3"},
		"donor":                             {`{"donor":"_","fulfil_pledge":{}}`, "unknown_party", "donor"},
		"":                                  {`{"complete_import":{}}`, "unknown_command", "pledges"},
	} {
		_, err := parse(t, c.body)
		var r *es.Refusal
		if !errors.As(err, &r) || r.Field != field || r.Code != c.code || r.Remedy == "" || !strings.Contains(r.Reason, c.says) {
			t.Errorf("%s: %v, want %s at %q saying %q", c.body, err, c.code, field, c.says)
		}
	}
}
