package stream

import (
	"context"
	"fmt"
	"testing"

	"github.com/allied-ledger/allied/services/live"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
)

// ahead is a bucket's stream that has come to a revision.
type ahead struct {
	jetstream.Stream
	revision uint64
}

func (a *ahead) Info(context.Context, ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	return &jetstream.StreamInfo{State: jetstream.StreamState{LastSeq: a.revision}}, nil
}

// entry is a value as a watch hands it over.
type entry struct {
	jetstream.KeyValueEntry
	key, value string
	revision   uint64
}

func (e entry) Key() string                     { return e.key }
func (e entry) Value() []byte                   { return []byte(e.value) }
func (e entry) Revision() uint64                { return e.revision }
func (e entry) Operation() jetstream.KeyValueOp { return jetstream.KeyValuePut }

// A watch that is slow does not see values that are overwritten by then. It believes no mark before it has seen what they were overwritten by.
func TestAMarkAfterAnUnseenValueIsNotBelieved(t *testing.T) {
	b, bucket := newBoard(nil, "balances"), &ahead{}
	w := &watch{board: b, stream: bucket, changed: map[string][]byte{}}
	mark := func(at int) string {
		return fmt.Sprintf(`{"log_id":"%s","position":%d,"ordinal":%d,"keys":2}`, uuid.UUID{1}, at, at)
	}
	take := func(last uint64, e jetstream.KeyValueEntry) {
		t.Helper()
		bucket.revision = last
		if err := w.take(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	shows := func(at int) {
		t.Helper()
		if got := b.look().mark.Position; int(got) != at {
			t.Fatalf("the board shows position %d, not %d", got, at)
		}
	}
	take(4, entry{key: "a.a", value: `{"v":1}`, revision: 1})
	take(4, entry{key: "b.b", value: `{"v":1}`, revision: 2})
	take(4, entry{key: live.MarkKey, value: mark(10), revision: 3})
	take(4, nil) // at revision 4 another round has begun
	shows(0)
	take(5, entry{key: "a.a", value: `{"v":2}`, revision: 4})
	take(5, entry{key: live.MarkKey, value: mark(20), revision: 5})
	shows(20)
	// Revision 6, of b.b, was overwritten by 8 before it was seen: the mark at 7 is not true of what is here.
	take(8, entry{key: live.MarkKey, value: mark(30), revision: 7})
	shows(20)
	take(9, entry{key: "b.b", value: `{"v":4}`, revision: 8})
	take(9, entry{key: live.MarkKey, value: mark(40), revision: 9})
	shows(40)
}
