package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/exceptions"
	"github.com/allied-ledger/allied/projections/journal"
	"github.com/allied-ledger/allied/projections/payments"
	"github.com/allied-ledger/allied/projections/pledges"
	"github.com/allied-ledger/allied/projections/shipments"
	"github.com/allied-ledger/allied/projections/timeline"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestTheSchemaIsThatOfTheViews compares what the views ask and answer with the schema, field by field, both ways.
func TestTheSchemaIsThatOfTheViews(t *testing.T) {
	for _, pair := range []struct {
		view    any
		message proto.Message
	}{
		{balances.Request{}, &apiv1.BalancesRequest{}},
		{balances.Report{}, &apiv1.BalancesResponse{}},
		{pledges.ListRequest{}, &apiv1.PledgesRequest{}},
		{pledges.Listing{}, &apiv1.PledgesResponse{}},
		{pledges.ShowRequest{}, &apiv1.PledgeRequest{}},
		{pledges.Detail{}, &apiv1.PledgeResponse{}},
		{shipments.ListRequest{}, &apiv1.ShipmentsRequest{}},
		{shipments.Listing{}, &apiv1.ShipmentsResponse{}},
		{shipments.ShowRequest{}, &apiv1.ShipmentRequest{}},
		{shipments.Detail{}, &apiv1.ShipmentResponse{}},
		{payments.ListRequest{}, &apiv1.PaymentsRequest{}},
		{payments.Listing{}, &apiv1.PaymentsResponse{}},
		{payments.ShowRequest{}, &apiv1.PaymentRequest{}},
		{payments.Detail{}, &apiv1.PaymentResponse{}},
		{exceptions.ListRequest{}, &apiv1.ExceptionsRequest{}},
		{exceptions.Listing{}, &apiv1.ExceptionsResponse{}},
		{timeline.Request{}, &apiv1.TimelineRequest{}},
		{timeline.Report{}, &apiv1.TimelineResponse{}},
		{journal.ListRequest{}, &apiv1.JournalRequest{}},
		{journal.Listing{}, &apiv1.JournalResponse{}},
		{journal.EntriesRequest{}, &apiv1.EntriesRequest{}},
		{journal.EntryListing{}, &apiv1.EntriesResponse{}},
	} {
		compare(t, reflect.TypeOf(pair.view), pair.message.ProtoReflect().Descriptor())
	}
}

func compare(t *testing.T, of reflect.Type, message protoreflect.MessageDescriptor) {
	t.Helper()
	var names []string
	for _, f := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			continue // its fields follow
		}
		names = append(names, name)
		field := message.Fields().ByName(protoreflect.Name(name))
		if field == nil {
			t.Errorf("%s has no field %s, which %s has", message.Name(), name, of)
			continue
		}
		compareField(t, f.Type, field)
	}
	for i := range message.Fields().Len() {
		if name := string(message.Fields().Get(i).Name()); !slices.Contains(names, name) {
			t.Errorf("%s has field %s, which %s has not", message.Name(), name, of)
		}
	}
}

func compareField(t *testing.T, of reflect.Type, field protoreflect.FieldDescriptor) {
	t.Helper()
	list, perhaps := of.Kind() == reflect.Slice, of.Kind() == reflect.Pointer
	if list || perhaps {
		of = of.Elem()
	}
	if list != field.IsList() || of.Kind() != reflect.Struct && perhaps != field.HasPresence() {
		t.Errorf("%s: a list %v, may be missing %v, is %s", field.FullName(), list, perhaps, of)
	}
	kinds := map[reflect.Kind][]protoreflect.Kind{
		reflect.String: {protoreflect.StringKind}, reflect.Bool: {protoreflect.BoolKind}, reflect.Uint64: {protoreflect.Uint64Kind},
		reflect.Int64: {protoreflect.Int64Kind}, reflect.Int: {protoreflect.Int32Kind, protoreflect.Int64Kind}, reflect.Struct: {protoreflect.MessageKind},
	}
	switch {
	case !slices.Contains(kinds[of.Kind()], field.Kind()):
		t.Errorf("%s is %s, and %s in the view", field.FullName(), field.Kind(), of)
	case of.Kind() == reflect.Struct:
		compare(t, of, field.Message())
	}
}

// TestAnswersAreTheViews compares what came over HTTP with what the views answered, on real data.
func TestAnswersAreTheViews(t *testing.T) {
	s := filled(t)
	seen := map[string]bool{} // fields that held something
	for _, c := range []struct{ method, request string }{
		{"Balances", `{"basis":"donor_stated","stages":["committed","allocated","handed_over"],"reached":true,"by":["donor","beneficiary","category","instrument","evidence"]}`},
		{"Balances", `{"basis":"donor_stated","stages":["committed","allocated"],"category_depth":1}`},
		{"Balances", `{"basis":"quantity","stages":["dispatched"],"by":["donor"],"instruments":["all"]}`},
		{"Balances", `{"basis":"donor_stated","stages":["committed"],"group":"NATO","group_on":"2022-02-24"}`},
		{"Timeline", `{"basis":"donor_stated","stages":["committed","allocated","handed_over"],"reached":true,"by":["month","donor","beneficiary","category","instrument","evidence"]}`},
		{"Timeline", `{"basis":"donor_stated","stages":["committed","allocated"],"by":["month"],"from":"2022-03","to":"2023-12","group":"EU","group_on":"2022-02-24"}`},
		{"Pledges", `{"limit":60}`},
		{"Pledges", `{"text":"generators","group":"NORDIC","group_on":"2022-02-24"}`},
		{"Pledges", `{"over":true}`},
		{"Pledge", `{"id":"7d1f5a30-0000-4000-8000-000000000001"}`},
		{"Shipments", `{}`},
		{"Shipment", `{"id":"shipment-7d1f5a30-0000-4000-8000-000000000002"}`},
		{"Payments", `{}`},
		{"Payment", `{"id":"payment-7d1f5a30-0000-4000-8000-000000000004"}`},
		{"Exceptions", `{"status":"all","limit":20}`},
		{"Exceptions", `{"kinds":["lost","short"],"status":"all"}`},
		{"Journal", `{"limit":200}`},
		{"Journal", `{"kind":"shipment","group":"NATO","group_on":"2024-01-01"}`},
		{"Entries", `{"stage":"handed_over","basis":"donor_stated","reached":true,"limit":2}`},
		{"Entries", `{"stage":"allocated","basis":"quantity","group":"NATO","group_on":"2024-01-01"}`},
		{"Entries", `{"stage":"allocated","basis":"donor_stated","instruments":["all"],"limit":200}`},
	} {
		var want json.RawMessage
		if err := s.ledger.Query(t.Context(), strings.ToLower(c.method), json.RawMessage(c.request), &want); err != nil {
			t.Fatalf("%s %s: %v", c.method, c.request, err)
		}
		got := s.call(c.method, c.request)
		if got.status != 200 {
			t.Fatalf("%s %s: %d %s", c.method, c.request, got.status, got.text)
		}
		same(t, seen, c.method, decode(t, want), decode(t, []byte(got.text)))
	}
	if len(seen) < 200 {
		t.Errorf("only %d fields held something to compare", len(seen))
	}
}

func decode(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// same compares a view's answer with the gateway's, in which what is null is not there, what was left out is there as a zero, and whole
// numbers may be text.
func same(t *testing.T, seen map[string]bool, at string, want, got any) {
	t.Helper()
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s is %v, want an object", at, got)
		}
		for name, v := range w {
			same(t, seen, at+"."+name, v, g[name])
		}
		for name, v := range g {
			if _, there := w[name]; !there && !slices.Contains([]string{"", "0", "false", "[]"}, fmt.Sprint(v)) {
				t.Errorf("%s.%s is %v, and the view has none", at, name, v)
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			t.Errorf("%s is %v, want %d elements", at, got, len(w))
			return
		}
		for i := range w {
			same(t, seen, at, w[i], g[i])
		}
	default:
		if want != nil && fmt.Sprint(want) != fmt.Sprint(got) || want == nil && got != nil {
			t.Errorf("%s is %v, want %v", at, got, want)
		}
		if text := fmt.Sprint(want); want != nil && text != "" && text != "0" && text != "false" {
			seen[at] = true
		}
	}
}
