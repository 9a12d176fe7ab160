// Package routetest tells tests which commands the schema has.
package routetest

import (
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/internal/route"
)

// Bodies counts the commands of a service.
func Bodies(service string) int {
	n := 0
	fields := (&apiv1.Command{}).ProtoReflect().Descriptor().Oneofs().ByName("body").Fields()
	for i := range fields.Len() {
		cmd := new(apiv1.Command)
		f := fields.Get(i)
		cmd.ProtoReflect().Set(f, cmd.ProtoReflect().NewField(f))
		if s, err := route.Service(cmd); err == nil && s == service {
			n++
		}
	}
	return n
}
