package stream

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/live"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// follower is a reader of a board that looks when it likes.
type follower struct {
	epoch, round int
	at           es.Position
	rows         map[string]string
}

func (f *follower) apply(t *rapid.T, message []byte) {
	event, rest, _ := strings.Cut(strings.TrimPrefix(string(message), "event: "), "\n")
	_, data, _ := strings.Cut(rest, "data: ")
	var in struct {
		Rows []struct{ Key, Value string }
		Gone []string
	}
	if err := json.Unmarshal([]byte(data), &in); err != nil {
		t.Fatalf("%s: %v", message, err)
	}
	for _, row := range in.Rows {
		f.rows[row.Key] = row.Value
	}
	for _, key := range in.Gone {
		if _, ok := f.rows[key]; !ok && event == "snapshot" {
			t.Fatalf("%s", message)
		}
		delete(f.rows, key)
	}
}

// look brings the follower to what the board shows, as a stream does.
func (f *follower) look(t *rapid.T, b *board) {
	message, large, now := b.since(f.epoch, f.round, true)
	if large {
		t.Fatalf("refused in turn")
	}
	if message != nil {
		f.apply(t, message)
	} else {
		var parts [][]byte
		f.rows = map[string]string{}
		parts, _, now = b.snapshot(true)
		for _, p := range parts {
			f.apply(t, p)
		}
	}
	f.epoch, f.round, f.at = now.epoch, now.round, now.mark.Position
}

// Whoever looks at a board at whatever moments, and resumes from where it was, holds what the board shows.
func TestFollowersHoldWhatTheBoardShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBoard(nil, "")
		mark := live.Mark{LogID: uuid.UUID{1}}
		rows := map[string]string{}
		var followers []*follower
		for step := range rapid.IntRange(1, 60).Draw(t, "steps") {
			values := map[string][]byte{}
			for range rapid.IntRange(0, 4).Draw(t, "changes") {
				key := fmt.Sprint("k.", rapid.IntRange(0, 8).Draw(t, "key"))
				values[key], rows[key] = nil, ""
				if rapid.Bool().Draw(t, "put") {
					rows[key] = fmt.Sprint(step)
					values[key] = fmt.Appendf(nil, `{"key":%q,"value":%q}`, key, rows[key])
				}
			}
			maps.DeleteFunc(rows, func(_, value string) bool { return value == "" })
			switch rapid.IntRange(0, 20).Draw(t, "mark") {
			case 0:
				mark.LogID = uuid.UUID{byte(step + 2)}
				values = b.whole(values, false)
			case 1: // again at the same position
			default:
				mark.Position += es.Position(rapid.IntRange(1, 3).Draw(t, "events"))
			}
			if n := b.count(values); n != len(rows) {
				t.Fatalf("%d keys are counted, and there are %d", n, len(rows))
			}
			b.publish(mark, values)
			followers = append(followers, &follower{})
			for _, f := range followers {
				if rapid.IntRange(0, 3).Draw(t, "looks") > 0 {
					continue
				}
				if round, ok := b.resume(f.at); ok && f.epoch == b.epoch && rapid.Bool().Draw(t, "resumes") {
					f.round = round // which may lie before what it has seen
				}
				if f.look(t, b); !maps.Equal(f.rows, rows) {
					t.Fatalf("after step %d a follower holds %v, and the board %v", step, f.rows, rows)
				}
			}
		}
	})
}

// What is forgotten makes a snapshot of a change, and nothing else.
func TestABoardForgetsWithinItsBounds(t *testing.T) {
	b := newBoard(nil, "")
	log := uuid.UUID{1}
	for at := range es.Position(roundsKept + 10) {
		b.publish(live.Mark{LogID: log, Position: at}, map[string][]byte{fmt.Sprint(at): []byte(`{}`)})
	}
	if _, ok := b.resume(5); ok || len(b.known) != roundsKept {
		t.Errorf("%d rounds are known", len(b.known))
	}
	_, before := b.look(), b.look().round
	values := map[string][]byte{}
	for at := range goneKept + 1 {
		values[fmt.Sprint(at)] = nil
	}
	b.publish(live.Mark{LogID: log, Position: roundsKept + 10}, values)
	if message, _, _ := b.since(1, before, true); message != nil {
		t.Errorf("what has vanished is not known, and a change is sent: %.200s", message)
	}
	if message, _, _ := b.since(1, before+1, true); message == nil {
		t.Errorf("nothing has vanished since, and a snapshot is sent")
	}
}
