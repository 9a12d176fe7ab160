// Package logtest is the contract suite that every es.Log passes.
package logtest

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
)

// Opener makes a fresh place for a log and returns what opens the log there: each call after a Close opens what the one before left.
type Opener func(t testing.TB) (open func() es.Log)

// Case is one clause of the contract.
type Case struct {
	Name string
	Run  func(t testing.TB, open func() es.Log)
}

// Cases are the clauses of the contract, each independent of the others.
func Cases() []Case {
	return []Case{
		{"an empty log has an id, no entries and no streams", emptyLog},
		{"sixteen writers race one stream and one wins each revision", sixteenWriters},
		{"a conflict names the stream, the expected and the actual revision", conflictNames},
		{"an append of several events is all or nothing", allOrNothing},
		{"a lost answer and a retry add nothing and answer as the first did", lostAnswer},
		{"the same ids at another revision or stream are judged by the revision", sameIDsElsewhere},
		{"several appends to one stream in one call are judged in turn", judgedInTurn},
		{"the tail shows every commit once, in order, while writers run", tailUnderWriters},
		{"a slow reader of the tail misses nothing", slowTail},
		{"a tail starts after any entry", tailFromAnywhere},
		{"reading starts after any position", readFromAnywhere},
		{"reading beyond the head is an error", readBeyondHead},
		{"a stream is read from any revision and holds no other stream's entries", readStream},
		{"bytes come back verbatim and are the log's own", verbatim},
		{"what exceeds a bound is invalid and harms nothing else in the call", bounds},
		{"cancellation stops promptly", cancellation},
		{"reopening keeps id, entries and positions, and appends go on", reopen},
		{"a closed log answers that it is closed", closed},
	}
}

// Run runs every case on a place of its own.
func Run(t *testing.T, opener Opener) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) { c.Run(t, opener(t)) })
	}
}

// stream names the n-th stream of a case.
func stream(n int) string {
	return es.StreamName("pledge", uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "stream %d", n)))
}

// records makes n records whose ids and bytes follow from the label.
func records(label string, n int) []es.Record {
	out := make([]es.Record, n)
	for i := range out {
		name := fmt.Appendf(nil, "%s/%d", label, i)
		out[i] = es.Record{ID: uuid.NewSHA1(uuid.NameSpaceOID, name), Bytes: fmt.Appendf(nil, "event %s of the suite", name)}
	}
	return out
}

func to(stream string, expected int64, records []es.Record) es.Append {
	return es.Append{Stream: stream, Expected: expected, Records: records}
}
