package relay_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/allied-ledger/allied/events/imports"
	"github.com/allied-ledger/allied/events/payment"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/shipment"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/allied-ledger/allied/services/relay"
	"go.yaml.in/yaml/v4"
)

// asyncAPI is what the code must agree with.
type asyncAPI struct {
	AsyncAPI string `yaml:"asyncapi"`
	Channels map[string]struct {
		Address, Description string
		Parameters           map[string]struct{ Enum []string }
		Messages             map[string]struct {
			Ref string `yaml:"$ref"`
		}
	}
	Operations map[string]struct {
		Action  string
		Channel struct {
			Ref string `yaml:"$ref"`
		}
	}
	Components struct {
		Messages map[string]struct {
			ContentType string `yaml:"contentType"`
			Headers     struct {
				Required   []string
				Properties map[string]any
			}
			Payload struct {
				Schema     string
				Properties map[string]any
			}
		}
	}
}

// TestTheReferenceIsTheCode holds the description of the streams to what is published.
func TestTheReferenceIsTheCode(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "asyncapi.yaml"))
	must(t, err)
	var doc asyncAPI
	must(t, yaml.Unmarshal(text, &doc))
	if doc.AsyncAPI != "3.0.0" || len(doc.Channels) != 2 || len(doc.Operations) != 2 || len(doc.Components.Messages) != 2 {
		t.Fatalf("%+v", doc)
	}
	for name, form := range map[string]relay.Form{"events": relay.Events, "eventsJSON": relay.EventsJSON} {
		c := doc.Channels[name]
		if want := form.Subject("{kind}", "{donor}", "{stream}"); c.Address != want {
			t.Errorf("channel %s is %s, not %s", name, c.Address, want)
		}
		kinds := []string{pledge.Decider.Kind, shipment.Decider.Kind, payment.Decider.Kind, imports.Decider.Kind}
		if !slices.Equal(c.Parameters["kind"].Enum, kinds) || len(c.Parameters) != 3 {
			t.Errorf("channel %s: parameters %+v", name, c.Parameters)
		}
		for message, of := range c.Messages {
			if of.Ref != "#/components/messages/"+message {
				t.Errorf("channel %s: message %s is %s", name, message, of.Ref)
			}
			headers := doc.Components.Messages[message].Headers
			if required := slices.DeleteFunc(relay.Headers(), func(h string) bool { return h == relay.AbsentHeader }); !slices.Equal(headers.Required, required) {
				t.Errorf("message %s: headers %v, not %v", message, headers.Required, required)
			}
			for _, h := range relay.Headers() {
				if headers.Properties[h] == nil || len(headers.Properties) != len(relay.Headers()) {
					t.Errorf("message %s: header %s of %v", message, h, headers.Properties)
				}
			}
		}
	}
	if got, want := doc.Components.Messages["event"].Payload.Schema, string(new(logv1.Record).ProtoReflect().Descriptor().FullName()); got != want {
		t.Errorf("events are %s, not %s", got, want)
	}
	fields := new(apiv1.LoggedEvent).ProtoReflect().Descriptor().Fields()
	got := doc.Components.Messages["eventJSON"].Payload.Properties
	for i := range fields.Len() {
		if name := string(fields.Get(i).Name()); got[name] == nil || len(got) != fields.Len() {
			t.Errorf("field %s of %v", name, got)
		}
	}
}
