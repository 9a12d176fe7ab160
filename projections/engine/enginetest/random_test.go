package enginetest

import (
	"testing"

	"pgregory.net/rapid"
)

// Histories that hold hardly anything would prove hardly anything.
func TestRandomLogsAreLongEnough(t *testing.T) {
	events, types, n := 0, map[string]int{}, 0
	rapid.Check(t, func(r *rapid.T) {
		log := Random(t, r)
		for _, e := range log.Entries() {
			types[decode(r, e).Type]++
		}
		events += len(log.Entries())
		n++
	})
	t.Logf("%d logs, %d events: %v", n, events, types)
	if events < 4*n || len(types) < 10 {
		t.Fatalf("%d events of %d types in %d logs", events, len(types), n)
	}
}
